"""Learning rates as pure functions of the epoch, and the plateau policy with its explicit state."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unretouch.settings.train import TrainSettings


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
