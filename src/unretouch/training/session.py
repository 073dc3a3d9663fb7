"""Opening a run to train it: afresh, from the state of an earlier stop, or from classic weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from unretouch.base.errors import CheckpointError, UsageError
from unretouch.pixels.pairs import Pair
from unretouch.runs import checkpoint
from unretouch.runs.checkpoint import Checkpoint
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import load_weights
from unretouch.settings.train import FREE, TrainSettings, settings_from
from unretouch.training import saving
from unretouch.training.classic_fit import ClassicFit
from unretouch.training.fast_fit import FastFit
from unretouch.training.position import Epochs, Pace
from unretouch.training.progress import Progress
from unretouch.training.team import ALONE, Team

AnyFit = ClassicFit | FastFit

FIXED = (
    "netG", "size", "ngf", "netD", "ndf", "n_layers_D", "norm", "no_dropout", "input_nc",
    "output_nc", "recipe", "aim",
)  # fmt: skip
"""Settings of the networks themselves: a run that goes on cannot change them."""

_GUESSED_STEPS = 1000
"""Length of a run with a time budget before its first updates are timed."""


@dataclass(frozen=True)
class Session:
    """A fit at the place where it begins or goes on, and what the person is told about that."""

    fit: AnyFit
    progress: Progress
    lines: list[str]
    resumed: bool


def build_fit(
    settings: TrainSettings, pairs: Sequence[Pair], device: torch.device, team: Team = ALONE
) -> AnyFit:
    """Return the fit of the settings' recipe, with fresh weights."""
    kind = FastFit if settings.recipe == "fast" else ClassicFit
    return kind(settings, pairs, device, team)


def start(
    settings: TrainSettings,
    pairs: Sequence[Pair],
    device: torch.device,
    epochs_before: int = 0,
    team: Team = ALONE,
) -> Session:
    """Return a session from fresh weights, with `epochs_before` epochs counted as done."""
    fit = build_fit(settings, pairs, device, team)
    return Session(fit, _new_progress(settings, len(pairs), epochs_before), [], resumed=False)


def from_weights(
    run: RunDir,
    load_epoch: str,
    settings: TrainSettings,
    pairs: Sequence[Pair],
    device: torch.device,
    epochs_before: int = 0,
    team: Team = ALONE,
) -> Session:
    """Return a session that begins with classic weights files and fresh optimisers.

    Raises CheckpointError when a file is damaged or does not fit the settings.
    """
    session = start(settings, pairs, device, epochs_before, team)
    path = run.weights(load_epoch)
    weights = {"G": load_weights(path)}
    if run.weights(load_epoch, "D").exists():
        weights["D"] = load_weights(run.weights(load_epoch, "D"))
    session.fit.load_weights(weights, path)
    session.lines.append(
        f"going on from the weights in {path}: they carry no optimiser state and no epoch, so "
        f"counting begins at epoch {epochs_before + 1}"
    )
    return session


def resume(
    run: RunDir,
    loaded: checkpoint.Loaded,
    settings: TrainSettings,
    pairs: Sequence[Pair],
    device: torch.device,
    epoch_count: int | None = None,
    team: Team = ALONE,
) -> Session:
    """Return a session that goes on exactly where the state was saved.

    Raises UsageError when the settings ask for other networks, CheckpointError when the state does
    not fit them.
    """
    try:
        return _resumed(run, loaded, settings, pairs, device, epoch_count, team)
    # A state whose checksum is right, but not made by this program.
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CheckpointError(
            f"holds no state that fits ({type(error).__name__}: {error})", loaded.path
        ) from error


def _resumed(
    run: RunDir,
    loaded: checkpoint.Loaded,
    settings: TrainSettings,
    pairs: Sequence[Pair],
    device: torch.device,
    epoch_count: int | None,
    team: Team,
) -> Session:
    saved, where = loaded.checkpoint, loaded.path
    lines = [f"passed over a bad state: {line}" for line in loaded.passed_over.values()]
    before = settings_from({**settings.to_dict(), **saved.state["settings"]}, where)
    lines += _compared(before, settings, run)
    session = start(settings, pairs, device, team=team)
    fit, progress = session.fit, session.progress
    lines += _surroundings_changed(saved, saving.surroundings(fit))
    fit.restore(saved.state["fit"], where)
    steps_per_epoch = progress.epochs.steps_per_epoch
    progress.restore(saved.state["progress"], saved.about["elapsed_s"])
    if progress.epochs.steps_per_epoch != steps_per_epoch:
        progress.begin_epochs(steps_per_epoch, progress.epoch)
        lines.append(f"an epoch has {steps_per_epoch} steps from here on")
    if epoch_count is not None and epoch_count - 1 != progress.epoch:
        lines.append(f"--epoch_count {epoch_count}: counting goes on from there")
        progress.begin_epochs(steps_per_epoch, epoch_count - 1)
    _new_budget(progress, before, settings)
    if not (progress.done or progress.time_up):
        at = f"epoch {progress.epochs.of_step(progress.step)}, step {progress.step + 1}"
        lines.append(f"going on at {at} from {where}")
    return Session(fit, progress, lines, resumed=True)


def changes(before: TrainSettings, now: TrainSettings) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two settings, (before, now) by name, but for free ones."""
    return {
        field.name: (getattr(before, field.name), getattr(now, field.name))
        for field in dataclasses.fields(TrainSettings)
        if field.name not in FREE and getattr(before, field.name) != getattr(now, field.name)
    }


def _compared(before: TrainSettings, now: TrainSettings, run: RunDir) -> list[str]:
    lines = []
    for name, (old, new) in changes(before, now).items():
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


def _surroundings_changed(saved: Checkpoint, now: dict[str, Any]) -> list[str]:
    before = {"processes": 1, **saved.about}  # states of a time when there was but one
    return [
        f"{name} is {now[name]} now, was {before.get(name)}: the run goes on, but not bit for "
        "bit as it would have"
        for name in now
        if before.get(name) != now[name]
    ]


def _new_progress(settings: TrainSettings, pairs: int, epochs_before: int) -> Progress:
    progress = Progress(
        epochs=Epochs(math.ceil(pairs / settings.batch_size), anchor_epoch=epochs_before),
        total_epochs=settings.n_epochs + settings.n_epochs_decay,
        batch_size=settings.batch_size,
    )
    if settings.minutes is not None:
        progress.budget_s = settings.minutes * 60
        progress.pace = Pace(_GUESSED_STEPS)
    return progress


def _new_budget(progress: Progress, before: TrainSettings, now: TrainSettings) -> None:
    """Follow a changed time budget, which is that of the whole run: the schedule goes on from the
    share of the new budget that is used up."""
    if now.minutes is None or now.minutes == before.minutes:
        return
    share = min(1.0, progress.elapsed / (now.minutes * 60))
    progress.pace = Pace(progress.step + _GUESSED_STEPS, progress.step, share)
