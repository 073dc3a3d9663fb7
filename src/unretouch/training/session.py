"""Opening a run to train it: afresh, from the state of an earlier stop, or from classic weights."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from unretouch.base import durable
from unretouch.base.errors import CheckpointError, DataError, UsageError
from unretouch.base.terminal import counted
from unretouch.pixels.pairs import NO_PAIRS, LoadedPairs, Pair
from unretouch.runs import checkpoint, history
from unretouch.runs.checkpoint import Loaded
from unretouch.runs.folder import RunDir
from unretouch.runs.history import run_lock
from unretouch.runs.status import LastSave
from unretouch.runs.weights import load_weights, save_weights
from unretouch.settings.train import FREE, TrainSettings, settings_from
from unretouch.training.fit import Fit
from unretouch.training.progress import Epochs, Progress
from unretouch.training.team import ALONE, Team

FIXED = (
    "netG", "size", "head", "ngf", "netD", "ndf", "n_layers_D", "norm", "no_dropout", "input_nc",
    "output_nc", "recipe", "aim",
)  # fmt: skip
"""Settings of the networks themselves: a run that goes on cannot change them."""

_GUESSED_STEPS = 1000
"""Length of a run with a time budget before its first updates are timed."""


@dataclass(frozen=True)
class Continuation:
    """How a run goes on: the classic flags --continue_train, --epoch and --epoch_count."""

    continue_train: bool = False
    load_epoch: str = "latest"
    """weights to begin from where the run has no state: latest, best, a number, iter_N"""
    epoch_count: int | None = None
    """number of the first epoch; None: as the state says"""
    allow_changed_data: bool = False
    """go on although the pairs are not those the run was trained on"""

    @property
    def epochs_before(self) -> int:
        """Epochs that count as done where there is no state."""
        return max(0, (self.epoch_count or 1) - 1)


@dataclass
class Session:
    """A fit at the place where it begins or goes on, and what the person is told about that."""

    fit: Fit
    progress: Progress
    lines: list[str]
    saved: LastSave | None = None
    """the save that it goes on from"""
    records: list[history.Record] = field(default_factory=list)
    """what metrics.jsonl holds already"""


def open_run(
    run: RunDir,
    settings: TrainSettings,
    how: Continuation,
    manifest: Sequence[dict[str, Any]],
    pairs: Sequence[Pair],
    device: torch.device,
    team: Team = ALONE,
    untouched: LoadedPairs = NO_PAIRS,
) -> Session:
    """Return the session in which `run` begins or goes on; clear up what a crash left there.

    `manifest` are the records of the files of `pairs`, as data.json has them. Raises UsageError for
    settings that ask for other networks, DataError for other pairs, CheckpointError for a state or
    weights that are damaged or do not fit.
    """
    newest = checkpoint.load_newest(run) if how.continue_train else None
    if newest is not None:
        with _foreign_told(newest.path):
            lines = _changed_settings(newest, settings, run)
            if not how.allow_changed_data:
                lines += _require_same_data(run, "pairs", run.data_manifest, manifest)
                lines += _require_same_data(
                    run, "pictures of --also", run.untouched_manifest, untouched.manifest
                )
            opened = start(settings, pairs, device, team=team, untouched=untouched.pairs)
            opened.lines.extend(lines)
            _go_on(run, newest, settings, how, opened)
    else:
        path = run.weights(how.load_epoch)
        if how.continue_train and how.load_epoch != "latest" and not path.exists():
            raise CheckpointError("no such weights file", path, "Leave --epoch out")
        opened = start(settings, pairs, device, how.epochs_before, team, untouched.pairs)
        if how.continue_train:
            _take_weights(run, how, opened)
    _clear_up(run, opened)
    return opened


def start(
    settings: TrainSettings,
    pairs: Sequence[Pair],
    device: torch.device,
    epochs_before: int = 0,
    team: Team = ALONE,
    untouched: Sequence[Pair] = (),
) -> Session:
    """Return a session from fresh weights, with `epochs_before` epochs counted as done."""
    progress = Progress(
        epochs=Epochs(math.ceil(len(pairs) / settings.batch_size), anchor_epoch=epochs_before),
        total_epochs=settings.n_epochs + settings.n_epochs_decay,
        batch_size=settings.batch_size,
    )
    if settings.minutes is not None:
        progress.budget_s = settings.minutes * 60
        progress.guess(_GUESSED_STEPS)
    return Session(build_fit(settings, pairs, device, team, untouched), progress, [])


def build_fit(
    settings: TrainSettings,
    pairs: Sequence[Pair],
    device: torch.device,
    team: Team = ALONE,
    untouched: Sequence[Pair] = (),
) -> Fit:
    """Return the fit of the settings' recipe, with fresh weights. The other one is not imported.

    `untouched` pictures are for the fast one.
    """
    if settings.recipe == "fast":
        from unretouch.training.fast_fit import FastFit

        return FastFit(settings, pairs, device, team, untouched)
    from unretouch.training.classic_fit import ClassicFit

    return ClassicFit(settings, pairs, device, team)


# --- going on ---------------------------------------------------------------------------------


def _take_weights(run: RunDir, how: Continuation, opened: Session) -> None:
    """Go on from the classic weights files of a run without a state, if it has any."""
    path, path_of_d = run.weights(how.load_epoch), run.weights(how.load_epoch, "D")
    if not path.exists():
        opened.lines.append(f"nothing to go on from in {run.root}: starting afresh")
        return
    weights = {"G": load_weights(path)}
    if path_of_d.exists():
        weights["D"] = load_weights(path_of_d)
    opened.fit.load_weights(weights, path)
    opened.lines.append(
        f"going on from the weights in {path}: they carry no optimiser state and no epoch, so "
        f"counting begins at epoch {how.epochs_before + 1}"
    )


def _go_on(
    run: RunDir, newest: Loaded, settings: TrainSettings, how: Continuation, opened: Session
) -> None:
    """Bring a fresh session exactly to where the state was saved."""
    saved, where = newest.checkpoint, newest.path
    fit, progress, lines = opened.fit, opened.progress, opened.lines
    # States of a time when there was but one process, and one recipe for each aim.
    was = {"processes": 1, "recipe": "", **saved.about}
    for name, now in surroundings(fit).items():
        if was.get(name) == now:
            continue
        if name == "recipe":
            lines.append(
                f"this version has another recipe for --aim {settings.aim} than the one that began "
                "the run, which goes on by the new one: learnt and judged in another way"
            )
        else:
            lines.append(
                f"{name} is {now} now, was {was.get(name)}: the run goes on, but not bit for bit "
                "as it would have"
            )
    fit.restore(saved.state["fit"], where)
    steps_per_epoch = progress.epochs.steps_per_epoch
    progress.restore(saved.state["progress"], saved.about["elapsed_s"])
    if progress.epochs.steps_per_epoch != steps_per_epoch:
        progress.begin_epochs(steps_per_epoch, progress.epoch)
        lines.append(f"an epoch has {counted(steps_per_epoch, 'step')} from here on")
    if how.epoch_count is not None and how.epoch_count - 1 != progress.epoch:
        lines.append(f"--epoch_count {how.epoch_count}: counting goes on from there")
        progress.begin_epochs(steps_per_epoch, how.epoch_count - 1)
    minutes = settings.minutes
    if minutes is not None and minutes != saved.state["settings"].get("minutes", minutes):
        # The budget is that of the whole run: the schedule goes on from the share that is used up.
        share = min(1.0, progress.elapsed / (minutes * 60))
        progress.guess(_GUESSED_STEPS, share)
    if not (progress.done or progress.time_up):
        at = f"epoch {progress.epochs.of_step(progress.step)}, step {progress.step + 1}"
        lines.append(f"going on at {at} from {where}")
    checkpoint.set_aside(newest.passed_over)
    if written := _rewrite_latest(run, fit):
        lines.append(f"{', '.join(written)} did not match the state: written again")
    if how.load_epoch != "latest":
        lines.append(
            f"the weights {how.load_epoch} were asked for, but the run has a whole state, which "
            "goes on; move its folder state/ away to begin from weights"
        )
    opened.saved = LastSave(step=progress.step, time=where.stat().st_mtime)


@contextmanager
def _foreign_told(path: Path) -> Iterator[None]:
    """Make what goes wrong a CheckpointError: a state whose checksum is right, but not of ours."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CheckpointError(
            f"holds no state that fits ({type(error).__name__}: {error})", path
        ) from error


def _changed_settings(newest: Loaded, now: TrainSettings, run: RunDir) -> list[str]:
    """Return a line on every bad state and every changed setting that decides what is learnt.
    Raises UsageError for one of the networks themselves."""
    lines = [f"passed over a bad state: {line}" for line in newest.passed_over.values()]
    saved = newest.checkpoint.state["settings"]
    before = settings_from({**now.to_dict(), "also": "", **saved}, newest.path)
    if bool(before.also) != bool(now.also):
        how = f"with {before.also}" if before.also else "without it"
        raise UsageError(
            f"the run was begun {how}",
            "--also",
            f"{'Give' if before.also else 'Leave out'} the flag to go on, or choose another --name",
        )
    for name in (each.name for each in dataclasses.fields(TrainSettings)):
        old, new = getattr(before, name), getattr(now, name)
        if name in FREE or old == new:
            continue
        if name in FIXED or (name == "lambda_GAN" and (old == 0) != (new == 0)):
            raise UsageError(
                f"the run was begun with {old}, this command says {new}",
                f"--{name}",
                f"Leave the flag at {old} to go on with {run.name}, or choose another --name",
            )
        if name in ("n_epochs", "n_epochs_decay", "minutes"):
            lines.append(f"--{name} is {new} now (was {old}): the schedule goes on from this step")
        else:
            lines.append(f"--{name} is {new} from here on (was {old})")
    return lines


def _require_same_data(
    run: RunDir, what: str, recorded: Path, manifest: Sequence[dict[str, Any]]
) -> list[str]:
    """Return a line where pictures are converted to sRGB that were not when the run began.
    Raises DataError for other pictures."""
    if not recorded.exists():
        return []
    try:
        records = json.loads(recorded.read_text("utf-8"))
        before = {r["file"]: r["sha256"] for r in records}
        converted = {r["file"] for r in records if "converted_from" in r}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "cannot be read", recorded, "Go on with --allow_changed_data"
        ) from error
    now = {record["file"]: record["sha256"] for record in manifest}
    changed = sorted(f for f in before.keys() | now.keys() if before.get(f) != now.get(f))
    if changed:
        raise DataError(
            f"the {what} are not those this run was trained on (changed, new or gone: "
            f"{', '.join(changed[:5])}{' ...' if len(changed) > 5 else ''})",
            run.root,
            "Bring them back, choose another --name, or go on with --allow_changed_data",
        )
    newly = {r["file"] for r in manifest if "converted_from" in r} - converted
    if not newly:
        return []
    return [
        f"{counted(len(newly), 'file')} of the {what} converted to sRGB, which an earlier version "
        "did not do: the run goes on, but not bit for bit as it would have"
    ]


def surroundings(fit: Fit) -> dict[str, Any]:
    """Return what bit-equal training depends on beside the state."""
    return {
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "device": next(fit.generator.parameters()).device.type,
        "recipe": fit.recipe,
        "processes": dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1,
    }


# --- what an earlier process left -------------------------------------------------------------


def set_aside_earlier(run: RunDir) -> Path | None:
    """Keep an earlier run of this name, which a fresh start would overwrite, under another name.

    Returns that folder; None where there is no earlier run. Raises DataError when another process
    trains it, DiskError.
    """
    if not run.states() and not run.weights("latest").exists():
        return None
    with run_lock(run):
        pass  # nobody is training it now
    number = 1
    while (aside := run.root.with_name(f"{run.root.name}.{number}")).exists():
        number += 1
    durable.rename(run.root, aside)
    return aside


def _clear_up(run: RunDir, opened: Session) -> None:
    """Remove half-written files; move records of steps that are trained again aside."""
    for folder in (run.root, run.state(0).parent, run.web, run.preview_images):
        durable.remove_temporaries(folder)
    found = history.set_aside_after(run, opened.progress.step)
    opened.records.extend(found.kept)
    if found.moved:
        opened.lines.append(
            f"{found.moved} log records past that step: kept in {run.metrics_aside}"
        )
    if found.torn:
        opened.lines.append(f"a line of {run.metrics.name} was cut short: left out")


def _rewrite_latest(run: RunDir, fit: Fit) -> list[str]:
    """Write the latest weights again where they do not match the state just restored (a crash lies
    between, or they were damaged or replaced). Returns the names of the files written."""
    written = []
    for letter, weights in fit.weights().items():
        path = run.weights("latest", letter)
        try:
            same = checkpoint.digest(load_weights(path)) == checkpoint.digest(weights)
        except CheckpointError:
            same = False
        if not same:
            save_weights(path, weights)
            written.append(path.name)
    return written
