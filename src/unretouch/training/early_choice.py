"""Early choice: of all weights that a run passes through, keep those that do best on pixels that
were left out of training."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unretouch import networks
from unretouch.losses import l1, local_band_energy
from unretouch.networks import Generator
from unretouch.settings.train import AimName
from unretouch.training.crops import Crops

MOST_PIXELS = 1 << 18
"""Pixels looked at in one judgement: it must cost little beside the training between two."""


class EarlyChoice:
    """The best weights so far, and the crops by which they are found.

    `restore` is judged by the error of the left-out pixels. `texture` is judged by the energy of
    their texture: the least error would choose the most blurred weights.
    """

    def __init__(
        self,
        net: Generator,
        sample: Crops,
        predict: Callable[[Generator, Crops], Tensor],
        aim: AimName,
    ):
        """`predict` returns what a network like `net` makes of a sample."""
        self.net = copy.deepcopy(net)
        self._sample, self._predict = sample, predict
        self._aim: AimName = aim
        self.begin()

    @staticmethod
    def most(side: int) -> int:
        """Return how many crops of `side` pixels are judged by at most."""
        return max(1, MOST_PIXELS // side**2)

    def begin(self) -> None:
        """Take the weights as they stand for the best so far. A fresh network does nothing: what
        does worse than that is then never kept."""
        self.score = self._judged(self.net)

    def consider(self, net: Generator) -> None:
        """Keep the weights of `net` where they do better than all before."""
        score = self._judged(net)
        if score < self.score:
            self.score = score
            self.net.load_state_dict(net.state_dict())

    def state(self) -> dict[str, Any]:
        return {"weights": self.net.state_dict(), "score": self.score}

    def restore(self, state: dict[str, Any], where: object) -> None:
        """Go back to a `state`. Raises CheckpointError when it does not fit."""
        networks.load_weights(self.net, state["weights"], where)
        self.score = float(state["score"])

    @torch.no_grad()
    def _judged(self, net: Generator) -> float:
        each = (self._sample.one(number) for number in range(len(self._sample.source)))
        prediction = torch.cat([self._predict(net, one) for one in each])
        return float(_distance(prediction, self._sample, self._aim))


def _distance(prediction: Tensor, sample: Crops, aim: AimName) -> Tensor:
    # Outside the left-out pixels the prediction is taken for right.
    judged = torch.where(sample.left_out, prediction, sample.target)
    if aim == "texture":
        return local_band_energy(judged, sample.target)
    return l1(judged, sample.target)
