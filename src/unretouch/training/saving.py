"""What a run writes to go on and to be used: states, classic weights, and what is kept of them."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from unretouch.base import durable
from unretouch.base.errors import CheckpointError, NonFiniteError
from unretouch.runs import checkpoint, history
from unretouch.runs.checkpoint import Checkpoint
from unretouch.runs.folder import RunDir
from unretouch.runs.status import LastSave
from unretouch.runs.weights import load_weights, save_weights
from unretouch.settings.train import TrainSettings
from unretouch.training import rhythm
from unretouch.training.estimates import disk_plan
from unretouch.training.fit import Fit
from unretouch.training.progress import Progress


class Saver:
    """Saves a run when it is due."""

    def __init__(self, run: RunDir, settings: TrainSettings, fit: Fit, progress: Progress) -> None:
        self._run, self._settings, self._fit, self._progress = run, settings, fit, progress
        timed = progress.budget_s is not None
        share = rhythm.TIMED_SAVES_SHARE if timed else rhythm.SAVES_SHARE
        self._clock = rhythm.CostShare(rhythm.SAVE_EVERY_S, growth=0.0, share=share)
        self._clock.spent(progress.elapsed, 0.0)
        share = rhythm.TIMED_WEIGHTS_SHARE if timed else rhythm.WEIGHTS_SHARE
        self._numbered_due = rhythm.CostShare(shortest=0.0, growth=0.0, share=share)
        self._plan = disk_plan(fit.weights(), settings.keep_gb, fit.pool_bytes)
        self.last_save: LastSave | None = None
        self.cost_s = 0.0
        """seconds that the newest save took; 0 before the first"""

    def due(self) -> bool:
        """Whether the state is due to be saved after this step."""
        if self._settings.save_latest_freq is not None:
            return self._progress.passed(self._settings.save_latest_freq)
        return self._clock.due(self._progress.elapsed)

    def save(self) -> None:
        """Save the state, then the latest weights that match it.

        Raises DiskError; NonFiniteError for weights that would be refused when they are loaded.
        """
        if self.last_save is None or self.last_save.step != self._progress.step:
            began = self._progress.elapsed
            now = current(self._fit, self._progress, self._settings)
            require_finite(now.state, now.step)
            checkpoint.save(self._run, now)
            for letter, weights in self._fit.weights().items():
                save_weights(self._run.weights("latest", letter), weights)
            self.last_save = LastSave(step=self._progress.step, time=time.time())
            history.write_event(self._run, "save", step=self._progress.step)
            self.cost_s = self._progress.elapsed - began
        self._clock.spent(self._progress.elapsed, self.cost_s)

    def numbered_due(self) -> bool:
        """Whether numbered weights are due after this step: at an epoch's end, if time allows."""
        progress = self._progress
        return (
            progress.epoch_ended
            and progress.epoch % self._settings.save_epoch_freq == 0
            and self._numbered_due.due(progress.elapsed)
        )

    def save_numbered(self, errors: dict[int, float]) -> None:
        """Save the weights of this epoch under its number, then thin the older ones.

        `errors` are mean errors by epoch; the epoch with the least stays. Raises as `save` does.
        """
        began = self._progress.elapsed
        epoch, weights = self._progress.epoch, self._fit.weights()["G"]
        require_finite(weights, self._progress.step)
        save_weights(self._run.weights(epoch), weights)
        there = self._run.numbered_epochs()
        measured = {e: errors[e] for e in there if e in errors}
        best = min(measured, key=lambda e: (measured[e], e), default=epoch)
        history.write_best(self._run, history.Best(best, measured.get(best)))
        for old in set(there) - set(rhythm.thinned(there, self._plan.numbered, keep=[best])):
            durable.remove(self._run.weights(old))
        now = self._progress.elapsed
        self._numbered_due.spent(now, now - began)


def current(fit: Fit, progress: Progress, settings: TrainSettings) -> Checkpoint:
    """Return the checkpoint of this moment.

    Of the settings, only those that decide what is learnt are part of the state, so that a run that
    was copied to another folder is equal to the one it was copied from.
    """
    state = {"progress": progress.state(), "fit": fit.state(), "settings": settings.deciding()}
    return Checkpoint(progress.step, state, {"elapsed_s": progress.elapsed, **surroundings(fit)})


def surroundings(fit: Fit) -> dict[str, Any]:
    """Return what bit-equal training depends on beside the state."""
    return {
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "device": next(fit.generator.parameters()).device.type,
        "processes": dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1,
    }


def require_finite(state: Any, step: int) -> None:
    """Raise NonFiniteError when a tensor of the state holds NaN or infinity.

    An update by finite losses and gradients can still leave the range of float32 by its rate.
    """
    for tensor in _tensors(state):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise NonFiniteError(
                "the last update led to weights or moments that are NaN or infinite",
                f"step {step}",
                "Lower --lr; what was saved is untouched",
            )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _tensors(item)


def rewrite_latest(run: RunDir, fit: Fit) -> list[str]:
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
