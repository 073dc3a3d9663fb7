"""Train a run from its settings: check everything, open the run, train, report."""

from __future__ import annotations

import dataclasses
import json
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
from rich.console import Console

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import CheckpointError, DataError, ExitCode
from unretouch.pixels.pairs import LoadedPairs, Pair, PictureCache, Reading, load_pairs
from unretouch.pixels.pairs.load import SAMPLE
from unretouch.pixels.retouched_area import PairMap
from unretouch.report.console import RunDisplay, error_table, say
from unretouch.runs import checkpoint, history
from unretouch.runs.folder import RunDir
from unretouch.runs.lock import run_lock
from unretouch.runs.status import Preview
from unretouch.settings.train import TrainSettings, load_settings, save_settings
from unretouch.tasks.verify.brief import affordable, brief_figures, brief_verdicts
from unretouch.training import device, fast_fit, following, large_sets, saving, session
from unretouch.training.capacity import capacity
from unretouch.training.evaluation import PairError, asked_of, evaluate, is_local
from unretouch.training.fast_fit import FastFit
from unretouch.training.large_pairs import is_large
from unretouch.training.memory_need import MemoryCheck
from unretouch.training.previews import Previews
from unretouch.training.session import AnyFit, Session
from unretouch.training.stopping import StoppedNow, StopRequest
from unretouch.training.team import ALONE, Team
from unretouch.training.trainer import Outcome, train
from unretouch.training.training_pairs import padded_pairs, prepared_pairs

LARGE_PIXELS = 2_000_000
"""Above so many pixels a picture is large: the generator has a level more."""
MOST_NOTES = 20
"""Lines on doubtful pairs that are printed at most."""
QUICKLY_READ = 150_000_000
"""Bytes of decoded pictures that are read within about two seconds: more is announced."""


@dataclasses.dataclass(frozen=True)
class Continuation:
    """How a run goes on: the classic flags --continue_train, --epoch and --epoch_count."""

    continue_train: bool = False
    load_epoch: str = "latest"
    """weights to begin from where the run has no state: latest, best, a number, iter_N"""
    epoch_count: int | None = None
    """number of the first epoch; None: as the state says"""
    allow_changed_data: bool = False
    """go on although the pairs are not those the run was trained on"""


def train_run(
    settings: TrainSettings,
    continuation: Continuation,
    console: Console,
    options_text: str | None = None,
    report: bool = True,
    team: Team = ALONE,
) -> ExitCode:
    """Train, and print what happens. Returns 0, or 130 and 143 after Ctrl+C and SIGTERM.

    `options_text` is what train_opt.txt shall hold; without `report` no table is printed at the
    end. Raises the errors of errors.py: those of data and of usage before anything is written.
    """
    if settings.recipe == "fast":
        fast_fit.require_settings(settings)
    where = team.device or device.choose(settings.device)
    check = MemoryCheck(settings, on_gpu=where.type == "cuda")
    with check.told():
        return _run(settings, continuation, console, options_text, report, team, where, check)


def _run(
    settings: TrainSettings,
    continuation: Continuation,
    console: Console,
    options_text: str | None,
    report: bool,
    team: Team,
    where: torch.device,
    check: MemoryCheck,
) -> ExitCode:
    run = RunDir(settings.checkpoints_dir, settings.name)

    def before(reading: Reading) -> None:
        check.before(reading)
        if reading.decoded > QUICKLY_READ:
            say(console, _reading_line(reading))

    loaded = load_pairs(
        Path(settings.dataroot),
        settings.phase,
        settings.direction,
        settings.max_dataset_size,
        PictureCache(large_sets.cache_bytes(settings)),
        before,
    )
    _say_notes(console, loaded)
    device.prepare(where)
    settings = dataclasses.replace(settings, precision=device.precision(settings.precision, where))
    pairs = prepared_pairs(settings, loaded.pairs)
    loaded = dataclasses.replace(loaded, pairs=pairs)  # those as they were read are let go
    settings = _size(settings, pairs, run, continuation.continue_train)
    if not continuation.continue_train:
        _set_aside(run, console)
    run.prepare()
    with run_lock(run):
        padded = padded_pairs(settings, pairs)
        opened = _open(run, settings, continuation, loaded, padded, where, team)
        _tidy(run, opened)
        for line in opened.lines:
            say(console, line)
        if opened.progress.done or opened.progress.time_up:
            say(console, _finished_line(run, settings))
            return ExitCode.OK
        plan = saving.disk_plan(opened.fit, settings.keep_gb)
        say(console, plan.sentence())
        if isinstance(opened.fit, FastFit):
            for line in _difference_lines([p.name for p in pairs], opened.fit.maps)[:MOST_NOTES]:
                say(console, line)
        if isinstance(opened.fit, FastFit) and settings.aim == "fit" and not loaded.lazy:
            say(console, _capacity(settings, opened, opened.fit, pairs))
        saving.require_room(run, plan)
        _record_start(run, settings, opened, loaded, options_text)
        try:
            following.begin(team, settings, opened, pairs)
            shown = large_sets.shown_pairs(pairs, settings.seed, loaded.lazy)
            outcome, taken = _train(run, settings, opened, shown, console, team)
            following.dismiss(team, outcome.exit_code)
        except StoppedNow as stopped:
            say(console, f"stopped at once; the last save in {run.root} is whole")
            return stopped.exit_code
        say(console, _ending(run, opened, outcome))
        if report and outcome.exit_code == ExitCode.OK:
            last = taken[-1] if taken else None
            count = _report(run, settings, opened.fit, shown, last, console)
            if count < len(pairs):
                say(console, f"measured on {count} of the {len(pairs)} pairs, drawn by --seed")
    return outcome.exit_code


def _reading_line(reading: Reading) -> str:
    each = f" of up to {reading.largest / 1e6:.0f} megapixels" if reading.largest >= 10**6 else ""
    return f"reading {reading.pairs} {'pair' if reading.pairs == 1 else 'pairs'}{each}"


def _say_notes(console: Console, loaded: LoadedPairs) -> None:
    for warning in loaded.warnings[:MOST_NOTES]:
        say(console, f"note: {warning}")
    if (more := len(loaded.warnings) - MOST_NOTES) > 0:
        say(console, f"note: {more} more notes of this kind")
    if loaded.lazy:
        say(
            console,
            f"{len(loaded.pairs)} pairs, more than --cache_gb holds: decoded as they are needed; "
            f"the alignment of {SAMPLE} of them at most was measured",
        )


def _capacity(settings: TrainSettings, opened: Session, fit: FastFit, pairs: Sequence[Pair]) -> str:
    """Return the line on what the generator can hold, and what the time lets it learn."""
    steps: float = opened.progress.total_steps
    if settings.minutes is not None:
        steps = settings.minutes * 60 / fit.seconds_a_step()
    parameters = sum(p.numel() for p in fit.generator.parameters())
    held = capacity(pairs, parameters, steps * fit.passes_a_step, fit.maps)
    return held.sentence(settings.size)


def _difference_lines(names: Sequence[str], maps: Sequence[PairMap]) -> list[str]:
    """Return what of each pair's difference is the retouch, where the two are not the same."""
    return [
        f"{name}: doing nothing {known.identity_error:.2f} levels: {known.retouch_error:.2f} "
        f"retouch, {known.identity_error - known.retouch_error:.2f} compression or noise; "
        f"{known.blocks.mean():.0%} of the picture is retouched"
        for name, known in zip(names, maps, strict=True)
        if not known.lossless
    ]


def _size(
    settings: TrainSettings, pairs: Sequence[Pair], run: RunDir, continues: bool
) -> TrainSettings:
    """Return the settings with the size of the generator that `auto` means."""
    if settings.size != "auto":
        return settings
    if continues and run.config.exists():
        return dataclasses.replace(settings, size=load_settings(run.config).size)
    pixels = statistics.median(pair.shape[0] * pair.shape[1] for pair in pairs)
    return dataclasses.replace(settings, size="pyramid" if pixels > LARGE_PIXELS else "m")


def _report(
    run: RunDir,
    settings: TrainSettings,
    fit: AnyFit,
    pairs: Sequence[Pair],
    last: Preview | None,
    console: Console,
) -> int:
    """Print what the training pairs came to; return how many of them were measured.

    Of large ones, which take long, it is what the `last` preview found of those that it shows.
    """
    errors, figures = [], []
    measured = {pair.name: pair for pair in last.pairs} if last else {}
    brief_too = affordable(pairs)
    for pair in pairs:
        known = fit.known(pair.name)
        shown = measured.get(pair.name)
        parts_only = is_large(pair) and is_local(fit.generator)
        if parts_only and shown is None and measured:
            continue
        if parts_only and shown is not None:
            error = PairError(
                pair.name, shown.level_error, shown.identity_error, shown.recovered_share,
                shown.exact_pixels,
            )  # fmt: skip
        else:
            asked = asked_of(pair, known)
            ((_, prediction, error),) = evaluate(fit.generator, [asked])
            if brief_too:
                figures.append(brief_figures(pair, prediction, settings.lambda_L1))
        errors.append(error if known is None else _told_apart(error, known))
    console.print(error_table("Training pairs", {"trained on": errors}))
    for line in brief_verdicts(figures, run):
        console.print(line, soft_wrap=True)
    return len(errors)


def _told_apart(error: PairError, known: PairMap) -> PairError:
    """Return an error of what is asked for beside what doing nothing consists of."""
    if known.lossless:
        return error
    nothing, retouch = known.identity_error, known.retouch_error
    return dataclasses.replace(
        error, identity_error=nothing, identity_parts=(retouch, nothing - retouch)
    )


def _open(
    run: RunDir,
    settings: TrainSettings,
    continuation: Continuation,
    loaded: LoadedPairs,
    pairs: Sequence[Pair],
    where: torch.device,
    team: Team,
) -> Session:
    epochs_before = max(0, (continuation.epoch_count or 1) - 1)
    if not continuation.continue_train:
        return session.start(settings, pairs, where, epochs_before, team)
    newest = checkpoint.load_newest(run)
    asked = continuation.load_epoch
    if newest is not None:
        _require_same_data(run, loaded, continuation.allow_changed_data)
        opened = session.resume(run, newest, settings, pairs, where, continuation.epoch_count, team)
        checkpoint.set_aside(newest.passed_over)
        written = saving.rewrite_latest(run, opened.fit)
        if written:
            opened.lines.append(f"{', '.join(written)} did not match the state: written again")
        if asked != "latest":
            opened.lines.append(
                f"the weights {asked} were asked for, but the run has a whole state, which goes "
                "on; move its folder state/ away to begin from weights"
            )
        return opened
    if run.weights(asked).exists():
        return session.from_weights(run, asked, settings, pairs, where, epochs_before, team)
    if asked != "latest":
        raise CheckpointError("no such weights file", run.weights(asked), "Leave --epoch out")
    opened = session.start(settings, pairs, where, epochs_before, team)
    opened.lines.append(f"nothing to go on from in {run.root}: starting afresh")
    return opened


def _tidy(run: RunDir, opened: Session) -> None:
    """Clear up what a crash left: half-written files, records of steps that are trained again."""
    for folder in (run.root, run.state(0).parent, run.web, run.preview_images):
        durable.remove_temporaries(folder)
    found = history.set_aside_after(run, opened.progress.step)
    for record in found.kept:
        opened.progress.remember(record)
    if found.moved:
        opened.lines.append(
            f"{found.moved} log records past that step: kept in {run.metrics_aside}"
        )
    if found.torn:
        opened.lines.append(f"a line of {run.metrics.name} was cut short: left out")


def _set_aside(run: RunDir, console: Console) -> None:
    """Keep an earlier run of this name, which a fresh start would overwrite, under another name."""
    if not run.states() and not run.weights("latest").exists():
        return
    with run_lock(run):
        pass  # nobody is training it now
    number = 1
    while (aside := run.root.with_name(f"{run.root.name}.{number}")).exists():
        number += 1
    try:
        run.root.rename(aside)
    except OSError as error:
        raise durable.disk_error(error, run.root) from error
    say(
        console,
        f"starting afresh; the run that was here is kept as {aside} (--continue_train goes on)",
    )


def _require_same_data(run: RunDir, loaded: LoadedPairs, allowed: bool) -> None:
    if allowed or not run.data_manifest.exists():
        return
    try:
        before = {r["file"]: r["sha256"] for r in json.loads(run.data_manifest.read_text("utf-8"))}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "cannot be read", run.data_manifest, "Go on with --allow_changed_data"
        ) from error
    now = {record["file"]: record["sha256"] for record in loaded.manifest}
    changed = sorted(f for f in before.keys() | now.keys() if before.get(f) != now.get(f))
    if changed:
        raise DataError(
            f"the pairs are not those this run was trained on (changed, new or gone: "
            f"{', '.join(changed[:5])}{' ...' if len(changed) > 5 else ''})",
            run.root,
            "Bring them back, choose another --name, or go on with --allow_changed_data",
        )


def _finished_line(run: RunDir, settings: TrainSettings) -> str:
    if settings.minutes is not None:
        return f"{run.name} is finished ({settings.minutes:g} minutes): raise --minutes to go on"
    epochs = settings.n_epochs + settings.n_epochs_decay
    return f"{run.name} is finished ({epochs} epochs): raise --n_epochs to go on"


def _record_start(
    run: RunDir,
    settings: TrainSettings,
    opened: Session,
    loaded: LoadedPairs,
    options_text: str | None,
) -> None:
    save_settings(run.config, settings, _versions())
    durable.write_json(run.data_manifest, loaded.manifest)
    if options_text is not None:
        durable.write_text(run.train_options, options_text)
    event = "resume" if opened.resumed else "start"
    history.write_event(
        run, event, step=opened.progress.step, notes=opened.lines,
        **saving.surroundings(opened.fit),
    )  # fmt: skip


def _versions() -> dict[str, str]:
    return {
        "unretouch": __version__,
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }


def _train(
    run: RunDir,
    settings: TrainSettings,
    opened: Session,
    pairs: Sequence[Pair],
    console: Console,
    team: Team,
) -> tuple[Outcome, Sequence[Preview]]:
    """Train; return how it ended, and the previews that were taken."""
    web = None if settings.no_html else run.web
    if web is not None:
        say(console, f"page: {web / 'index.html'}")
    previews = Previews(run, settings, pairs)
    with opened.progress.clock, RunDisplay(console, web) as display, StopRequest() as stop:
        outcome = train(run, settings, opened.fit, opened.progress, previews, display, stop, team)
    return outcome, previews.taken


def _ending(run: RunDir, opened: Session, outcome: Outcome) -> str:
    at = f"step {outcome.step}, epoch {opened.progress.epoch}"
    if outcome.exit_code != ExitCode.OK:
        return f"stopped at {at}, saved in {run.root}; --continue_train goes on from there"
    return f"done at {at}; weights: {run.weights('latest')}"
