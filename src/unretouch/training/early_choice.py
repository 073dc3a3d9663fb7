"""Early choice: of all weights that a run passes through, keep those that do best on pixels that
were left out of training."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from unretouch import networks
from unretouch.base.config import AimName
from unretouch.losses import l1, local_band_energy
from unretouch.training.crops import Crops, CropTable, crops_at, left_out_places

MOST_PIXELS = 1 << 18
"""Pixels looked at in one judgement: it must cost little beside the training between two."""


class EarlyChoice:
    """The best weights so far, and the crops by which they are found.

    `restore` is judged by the error of the left-out pixels. `texture` is judged by the energy of
    their texture: the least error would choose the most blurred weights.
    """

    def __init__(self, net: nn.Module, table: CropTable, aim: AimName, device: torch.device):
        self.net = copy.deepcopy(net)
        self._aim: AimName = aim
        self._crops = crops_at(
            table, left_out_places(table, max(1, MOST_PIXELS // table.crop**2))
        ).to(device)
        self.begin()

    def begin(self) -> None:
        """Take the weights as they stand for the best so far. A fresh network does nothing: what
        does worse than that is then never kept."""
        self.score = self._judged(self.net)

    def consider(self, net: nn.Module) -> None:
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
    def _judged(self, net: nn.Module) -> float:
        source = self._crops.source
        prediction = torch.cat([net(source[n : n + 1]) for n in range(len(source))])
        return float(_distance(prediction, self._crops, self._aim))


def _distance(prediction: Tensor, crops: Crops, aim: AimName) -> Tensor:
    # Outside the left-out pixels the prediction is taken for right.
    judged = torch.where(crops.left_out, prediction, crops.target)
    if aim == "texture":
        return local_band_energy(judged, crops.target)
    return l1(judged, crops.target)
