"""Where a run stands in its schedule, as pure functions: epochs in steps, the pace of a run with a
time budget, and the classic learning rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unretouch.settings.train import TrainSettings


@dataclass(frozen=True)
class Epochs:
    """Epochs in steps. From `anchor_step` on, when `anchor_epoch` epochs were done, every epoch has
    `steps_per_epoch` steps; the anchor moves when the number of pairs or the batch size changes.
    """

    steps_per_epoch: int
    anchor_epoch: int = 0
    anchor_step: int = 0

    def of_step(self, step: int) -> int:
        """Return the epoch (from 1) that the update after `step` updates belongs to."""
        return self.anchor_epoch + (step - self.anchor_step) // self.steps_per_epoch + 1

    def place_in_epoch(self, step: int) -> int:
        """Return how many updates of its epoch lie before the update after `step` updates."""
        return (step - self.anchor_step) % self.steps_per_epoch

    def last_step(self, total_epochs: int) -> int:
        """Return how many updates there are when `total_epochs` epochs are done."""
        return self.anchor_step + max(0, total_epochs - self.anchor_epoch) * self.steps_per_epoch

    def moved(self, steps_per_epoch: int, epochs_done: int, step: int) -> Epochs:
        """Return epochs of another length, counted on from `step`."""
        return Epochs(steps_per_epoch, epochs_done, step)


@dataclass(frozen=True)
class Pace:
    """Progress from 0 to 1 through a schedule, linear in steps from an anchor to the last step.

    A time budget is turned into a number of steps, which is measured again now and then. Between
    two measurements progress depends on the step alone, and the anchor is part of the state.
    """

    total_steps: int
    anchor_step: int = 0
    anchor_progress: float = 0.0

    def progress(self, step: int) -> float:
        """Return the progress after `step` updates, in [0, 1]."""
        left = self.total_steps - self.anchor_step
        if left <= 0 or step >= self.total_steps:
            return 1.0
        return self.anchor_progress + (1 - self.anchor_progress) * (step - self.anchor_step) / left

    def measured(self, step: int, seconds_a_step: float, seconds_left: float) -> Pace:
        """Return the pace that uses up `seconds_left` from `step` on, by whole steps that fit.

        Progress goes on from where it was: at once linear in time again, whatever was planned. A
        plan that had too few steps ends at this one; then it goes on from the last update's, since
        a schedule that is over would never come back.
        """
        left = max(0, math.floor(seconds_left / seconds_a_step))
        reached = self.anchor_progress
        if self.anchor_step < self.total_steps:
            reached = self.progress(min(step, self.total_steps - 1))
        return Pace(step + left, step, reached)


# --- learning rates ---------------------------------------------------------------------------


def epoch_factor(settings: TrainSettings, epoch: int) -> float:
    """Return what multiplies `lr` in `epoch` (from 1), for the policies linear, step and cosine.

    As pix2pix of 2025 has it: linear falls from epoch n_epochs on and reaches lr / (decay + 1) in
    the last one. Cosine (Loshchilov and Hutter, 2017) reaches zero after n_epochs and rises again
    in the decay epochs, so it is meant for n_epochs_decay 0.
    """
    if settings.lr_policy == "step":
        return float(0.1 ** ((epoch - 1) // settings.lr_decay_iters))
    if settings.lr_policy == "cosine":
        return (1 + math.cos(math.pi * (epoch - 1) / max(1, settings.n_epochs))) / 2
    return 1.0 - max(0, epoch - settings.n_epochs) / (settings.n_epochs_decay + 1)


def scheduled_epoch(settings: TrainSettings, epoch: int, progress: float) -> int:
    """Return the epoch (from 1) whose rate holds in `epoch`.

    It is `epoch` itself, unless the run has a time budget instead of a number of epochs: then the
    epochs of the schedule are spread over it, by the `progress` made in it (0 to 1).
    """
    if settings.minutes is None:
        return epoch
    total = max(1, settings.n_epochs + settings.n_epochs_decay)
    return min(total, 1 + int(progress * total))


@dataclass(frozen=True)
class Plateau:
    """State of the plateau policy: the rate falls to a fifth when the loss stops falling by 1 %."""

    factor: float = 1.0
    best: float = math.inf
    bad_epochs: int = 0

    PATIENCE = 5
    THRESHOLD = 0.01
    CUT = 0.2

    def after_epoch(self, loss: float) -> Plateau:
        """Return the state after an epoch whose mean loss was `loss`."""
        if loss < self.best * (1 - self.THRESHOLD):
            return Plateau(self.factor, loss, 0)
        if self.bad_epochs < self.PATIENCE:
            return Plateau(self.factor, self.best, self.bad_epochs + 1)
        return Plateau(self.factor * self.CUT, self.best, 0)
