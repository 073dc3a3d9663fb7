"""What the trainer drives: a network being fitted, one update at a time.

There are two: `classic_fit` (pix2pix) and `fast_fit` (the recipe for the generator `detail`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unretouch.base.messages import Message
from unretouch.networks.generator import Generator
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap


@dataclass(frozen=True)
class Update:
    """What one update measured, before it changed the weights."""

    G_GAN: float
    G_L1: float
    """the reconstruction loss times lambda_L1"""
    D_real: float
    D_fake: float
    """of the discriminator's newest update; 0 without a discriminator"""
    mean_error: float
    """mean absolute error of the prediction, network space"""
    identity: float
    """the same for the prediction = source"""
    pairs: tuple[str, ...]
    """names of the pairs it saw"""
    data_s: float
    """seconds for making the batch"""
    note: str = ""
    """what begins with this update, for people"""


class Fit(ABC):
    """A network being fitted to pairs.

    All that `update` draws at random is a function of (seed, step), so that `state` needs no state
    of a random generator.
    """

    pool_bytes = 0
    """of the earlier predictions, or of a further network, that are part of the state, at most"""
    recipe = ""
    """tells the recipe from that of another version; empty where it is as it has always been"""

    @property
    @abstractmethod
    def generator(self) -> Generator:
        """The network that is saved as `net_G` and evaluated."""

    @abstractmethod
    def update(self, step: int, epoch: int, place: int, progress: float) -> Update:
        """Make the update that follows `step` updates: number `place` (from 0) of `epoch` (from 1).

        `progress` is the share of the run that is done, in [0, 1]. Raises NonFiniteError, naming
        the pairs, before anything is updated by a loss or gradient that is not finite.
        """

    def after_epoch(self, mean_l1: float) -> None:
        """Take note of the mean reconstruction loss (network space) of an epoch that was done."""
        return

    @abstractmethod
    def known(self, pair: Pair) -> PairMap | None:
        """Return what is known of the difference of a pair that it is fitted to, at the scale of
        training; None where all of the difference is asked for."""

    def of_the_retouch(self, error: float, identity: float) -> tuple[float, float]:
        """Return what of an error of updates, and of doing nothing there, is of what is asked for;
        any unit."""
        return error, identity

    def expectations(self, total_steps: int) -> list[str]:
        """Return what people are told before the first of so many updates, a line each: what is to
        be learnt, and how much of it can be."""
        return []

    @property
    def last_look_s(self) -> float:
        """Seconds that `look_at_the_last` takes, about."""
        return 0.0

    def look_at_the_last(self, step: int) -> None:
        """Judge the weights after all `step` updates of the run, where weights are chosen."""
        return

    def outcome(self, step: int) -> Message | None:
        """Return what people are told when training ends after `step` updates, of the weights that
        are kept."""
        return None

    @abstractmethod
    def learning_rate(self) -> float:
        """Return the rate of the last update."""

    @abstractmethod
    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Return the classic state dicts to export, by letter: G, and D where there is one."""

    @abstractmethod
    def load_weights(self, weights: dict[str, dict[str, Tensor]], where: object) -> None:
        """Begin from such weights of another run. Raises CheckpointError, naming `where`."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return everything that decides how the fit goes on: tensors and plain values."""

    @abstractmethod
    def restore(self, state: dict[str, Any], where: object) -> None:
        """Go back to a `state`. Raises CheckpointError, naming `where`, when it does not fit."""
