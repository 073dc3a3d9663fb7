"""Train a run from its settings: check everything, open the run, train, report."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import torch
from rich.console import Console

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import ExitCode, UsageError
from unretouch.base.terminal import counted
from unretouch.model.load import source_bits
from unretouch.networks.prediction import PartPredictor
from unretouch.networks.pyramid import settled
from unretouch.pixels.pairs import (
    NO_PAIRS,
    SAMPLE,
    LoadedPairs,
    Pair,
    PictureCache,
    Reading,
    largest_untouched,
    load_pairs,
)
from unretouch.report.console import error_table, say
from unretouch.report.run_display import RunDisplay
from unretouch.runs import history
from unretouch.runs.folder import RunDir
from unretouch.runs.history import run_lock
from unretouch.runs.status import PlainFigures, Preview
from unretouch.settings.train import CHOSEN, TrainSettings, load_settings, save_settings
from unretouch.training import device, session
from unretouch.training.estimates import MemoryCheck, disk_plan, require_room
from unretouch.training.fit import Fit
from unretouch.training.pair_error import evaluated
from unretouch.training.previews import Previews, shown_in_parts, shown_pairs
from unretouch.training.session import Continuation as Continuation
from unretouch.training.session import Session, open_run, set_aside_earlier
from unretouch.training.stopping import StoppedNow, StopRequest
from unretouch.training.team import ALONE, Team
from unretouch.training.test_photo import WatchedPhoto, watched_photo
from unretouch.training.trainer import Trainer
from unretouch.training.training_pairs import (
    cache_bytes,
    kinds_among,
    padded_pairs,
    prepared_pairs,
    untouched_pictures,
)

MOST_NOTES = 20
"""Lines on doubtful pairs that are printed at most."""
QUICKLY_READ = 150_000_000
"""Bytes of decoded pictures that are read within about two seconds: more is announced."""


def train_run(
    settings: TrainSettings,
    how: Continuation,
    console: Console,
    options_text: str | None = None,
    report: bool = True,
    team: Team = ALONE,
    unseen: LoadedPairs = NO_PAIRS,
) -> ExitCode:
    """Train, and print what happens. Returns 0, or 130 and 143 after Ctrl+C and SIGTERM.

    `options_text` is what train_opt.txt shall hold; without `report` no table is printed at the
    end; pictures of `unseen` pairs are left out of --also. Raises the errors of errors.py: those of
    data and of usage before anything is written.
    """
    if settings.recipe == "fast":
        from unretouch.training.fast_fit import require_settings

        require_settings(settings)
    run = RunDir(settings.checkpoints_dir, settings.name)
    chosen = [name for name in CHOSEN if getattr(settings, name) == "auto"]
    where = team.device or device.choose(settings.device)
    check = MemoryCheck(settings, on_gpu=where.type == "cuda")
    with check.told():
        cache = PictureCache(cache_bytes(settings))
        loaded = _loaded(settings, check, cache, console)
        untouched = untouched_pictures(settings, loaded, unseen)
        photo, said = watched_photo(settings, how.continue_train)
        for line in said:
            say(console, line)
        for warning in untouched.warnings:
            say(console, f"note: --also: {warning}")
        device.prepare(where)
        settings = replace(settings, precision=device.precision(settings.precision, where))
        # Those as they were read are let go.
        loaded = replace(loaded, pairs=prepared_pairs(settings, loaded.pairs))
        settings = _settled(settings, loaded, run, how.continue_train)
        if not how.continue_train and (aside := set_aside_earlier(run)):
            say(console, f"no --continue_train: starting afresh; the run that was here: {aside}")
        run.prepare()
        with run_lock(run):
            padded = padded_pairs(settings, loaded.pairs)
            opened = open_run(run, settings, how, loaded.manifest, padded, where, team, untouched)
            for line in opened.lines:
                say(console, line)
            if opened.progress.done or opened.progress.time_up:
                say(console, _finished_line(run, settings))
                return ExitCode.OK
            plan = disk_plan(opened.fit.weights(), settings.keep_gb, opened.fit.pool_bytes)
            say(console, plan.sentence())
            for line in opened.fit.expectations(opened.progress.total_steps):
                say(console, line)
            require_room(run, plan)
            _record_start(run, settings, chosen, opened, loaded, untouched, options_text)
            return _trained(run, settings, opened, loaded, untouched, photo, console, report, team)


def _loaded(
    settings: TrainSettings, check: MemoryCheck, cache: PictureCache, console: Console
) -> LoadedPairs:
    """Read all pairs, after a look at the memory; print what is doubtful about them."""

    def before(reading: Reading) -> None:
        if settings.also:
            largest = largest_untouched(Path(settings.also))
            bits = max(reading.bits, largest.bits)
            reading = replace(reading, untouched=largest.pixels, bits=bits)
        check.before(reading)
        if reading.decoded > QUICKLY_READ:
            megapixels = reading.largest / 1e6
            each = f" of up to {megapixels:.0f} megapixels" if megapixels >= 1 else ""
            some = counted(reading.pairs, "pair")
            say(console, f"reading {some}{each}")

    loaded = load_pairs(
        Path(settings.dataroot),
        settings.phase,
        settings.direction,
        settings.max_dataset_size,
        cache,
        before,
    )
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
    return loaded


def _settled(
    settings: TrainSettings, loaded: LoadedPairs, run: RunDir, continues: bool
) -> TrainSettings:
    """Return the settings with the size and the head of the generator that `auto` means."""
    of_texture = {"guess", "strength"} & set(settings.head.split("+"))
    if of_texture and (settings.recipe, settings.aim) != ("fast", "texture"):
        hint = "Leave it out, or add --aim texture"
        raise UsageError("is for --aim texture of the fast recipe", f"--head {settings.head}", hint)
    if "auto" not in (settings.size, settings.head):
        return settings
    if continues and run.config.exists():
        before = load_settings(run.config)
        size = before.size if settings.size == "auto" else settings.size
        head = before.head if settings.head == "auto" else settings.head
        return replace(settings, size=size, head=head)
    pixels = statistics.median(pair.shape[0] * pair.shape[1] for pair in loaded.pairs)
    return settled(settings, pixels, source_bits(loaded.manifest, settings.direction))


def _finished_line(run: RunDir, settings: TrainSettings) -> str:
    if settings.minutes is not None:
        minutes = counted(settings.minutes, "minute")
        return f"{run.name} is finished ({minutes}): raise --minutes to go on"
    epochs = settings.n_epochs + settings.n_epochs_decay
    return f"{run.name} is finished ({counted(epochs, 'epoch')}): raise --n_epochs to go on"


def _record_start(
    run: RunDir,
    settings: TrainSettings,
    chosen: Sequence[str],
    opened: Session,
    loaded: LoadedPairs,
    untouched: LoadedPairs,
    options_text: str | None,
) -> None:
    versions = {
        "unretouch": __version__,
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }
    net = opened.fit.generator
    save_settings(run.config, settings, versions, net.slower, net.only_skin, chosen)
    durable.write_json(run.data_manifest, loaded.manifest)
    if settings.recipe == "fast":
        kinds = kinds_among(loaded.pairs, untouched.pairs)
        durable.write_json(run.photo_kinds, [kind.record() for kind in kinds])
    if untouched.pairs:
        durable.write_json(run.untouched_manifest, untouched.manifest)
    if options_text is not None:
        durable.write_text(run.train_options, options_text)
    event, about = "resume" if opened.saved else "start", session.surroundings(opened.fit)
    history.write_event(run, event, step=opened.progress.step, notes=opened.lines, **about)


def _trained(
    run: RunDir,
    settings: TrainSettings,
    opened: Session,
    loaded: LoadedPairs,
    untouched: LoadedPairs,
    photo: WatchedPhoto | None,
    console: Console,
    report: bool,
    team: Team,
) -> ExitCode:
    """Train what was opened; print how it ended and what came of it."""
    fit, progress = opened.fit, opened.progress
    shown = shown_pairs(loaded.pairs, settings.seed, loaded.lazy)
    web = None if settings.no_html else run.web
    display = RunDisplay(console, web)
    try:
        team.begin(settings, opened.fit, opened.progress, [*loaded.pairs, *untouched.pairs])
        if web is not None:
            say(console, f"page: {web / 'index.html'}")
        previews = Previews(run, settings, shown, photo)
        with progress.clock, display, StopRequest(heard=display.stopping) as stop:
            code = Trainer(run, settings, opened, previews, display, stop, team).train()
        team.dismiss(code)
    except StoppedNow as stopped:
        display.stopped_at_once()
        say(console, f"stopped at once; the last save in {run.root} is whole")
        return stopped.exit_code
    at = f"step {progress.step}, epoch {progress.epoch}"
    if code != ExitCode.OK:
        say(console, f"stopped at {at}, saved in {run.root}; --continue_train goes on from there")
        return code
    say(console, f"done at {at}; weights: {run.weights('latest')}")
    if report:
        last = previews.taken[-1] if previews.taken else None
        count = _report(run, settings, fit, shown, last, console)
        if count < len(loaded.pairs):
            say(console, f"measured on {count} of the {len(loaded.pairs)} pairs, drawn by --seed")
    return code


def _report(
    run: RunDir,
    settings: TrainSettings,
    fit: Fit,
    pairs: Sequence[Pair],
    last: Preview | None,
    console: Console,
) -> int:
    """Print what the training pairs came to; return how many of them were measured.

    Of large ones, which take long, it is what the `last` preview found of those that it shows, and
    the verdicts are those of the part where each was retouched most.
    """
    # Late: nothing of a training needs them before its end.
    from unretouch.report.short_verdicts import (
        figures_of_part,
        judged_part,
        judged_whole,
        say_short_verdicts,
    )

    errors: list[PlainFigures] = []
    figures = []
    measured = {pair.name: pair for pair in last.pairs} if last else {}
    whole, in_parts = judged_whole(pairs), False
    for pair in pairs:
        known = fit.known(pair)
        error: PlainFigures | None = None
        if measured and shown_in_parts(pair, fit):
            error = measured.get(pair.name)
            if error is None:
                continue
        part = None
        if error is not None or not whole:
            part, in_parts = judged_part(pair, known, len(pairs)), True
        if error is None:
            prediction, error = evaluated(fit.generator, pair, known)
            seen = prediction if part is None else part.of(prediction)
        else:
            assert part is not None
            seen = PartPredictor(fit.generator, pair.source).at(part)
        figures.append(figures_of_part(pair, part, seen, settings.lambda_L1))
        errors.append(error)
    console.print(error_table("Training pairs", {"trained on": errors}))
    say_short_verdicts(console, figures, run, settings.aim, in_parts=in_parts)
    return len(errors)
