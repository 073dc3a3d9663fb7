"""Crops as other cameras would have taken them, both sides alike: of another scale, sharpness and
colour, and moved against the network's grid.

What is learnt then depends less on the camera and the light of the pairs, and what is kept is
judged through other cameras, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from unretouch.base import seeding
from unretouch.pixels.pair_noise import BLOCK
from unretouch.pixels.spaces import GREY_LEVELS, STEPS, Bits

_WHETHER, _SCALE, _SHARPNESS, _EXPOSURE, _RED, _BLUE, _GAMMA, _DOWN, _RIGHT = range(2, 11)
"""What a random choice is for, beside those of crops.py."""

SCALE: Final = 0.6
"""Octaves by which the scale is drawn, to either side."""
SHARPNESS: Final = 0.4
"""Amount of the unsharp mask, to either side of none."""
EXPOSURE, BALANCE = 0.4, 0.15
"""Stops, to either side, of coded values: of all colours, and of red and blue beside green."""
GAMMA: Final = 0.2
"""Octaves of the exponent, to either side."""
RADIUS: Final = 0.8
"""Sigma of the unsharp mask, pixels."""


@dataclass(frozen=True)
class Camera:
    """How a picture by another camera differs from that of the pair. This one does not."""

    scale: float = 1.0
    """pixels of it for one of the pair's, each way"""
    sharpness: float = 0.0
    """amount of an unsharp mask; below zero it blurs"""
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """of red, green and blue, of coded values after the exponent"""
    gamma: float = 1.0
    """exponent of coded values, 0 to 1"""
    down: int = 0
    """pixels by which a crop begins below the grid of places, 0 to BLOCK - 1"""
    right: int = 0

    def window(self, place: Sequence[int], side: int, shape: Sequence[int]) -> tuple[int, int, int]:
        """Return top, left and side of what a crop of `side` pixels at a place shows of a picture
        of this shape (height, width)."""
        if (self.scale, self.down, self.right) == (1.0, 0, 0):
            return place[0], place[1], side
        most = min(max(length, side) for length in shape)
        seen = min(round(side / self.scale / BLOCK), most // BLOCK) * BLOCK
        top, left = (
            min(max(0, start + (side - seen) // 2 + moved), max(0, length - seen))
            for start, moved, length in zip(place, (self.down, self.right), shape, strict=True)
        )
        return top, left, seen

    @property
    def colours(self) -> Camera:
        """This camera without what needs more than the cells of a reduced picture."""
        return Camera(gains=self.gains, gamma=self.gamma)

    def developed(self, picture: Tensor, bits: Bits = 8) -> Tensor:
        """Return a picture, network space (N, 3, H, W), in this camera's sharpness and colours,
        rounded as in a file of so many bits."""
        if not self.sharpness and self.colours == OWN:
            return picture
        if self.sharpness:
            picture = picture + self.sharpness * (picture - _blurred(picture))
        coded = (picture / 2 + 0.5).clamp(0, 1) ** self.gamma
        coded = coded * coded.new_tensor(self.gains)[:, None, None]
        return as_in_a_file(coded.clamp(0, 1) * 255, bits)


def as_in_a_file(levels: Tensor, bits: Bits = 8) -> Tensor:
    """Return grey levels, 0 to 255, in network space, rounded as in a file of so many bits."""
    if bits == 16:
        return (levels * STEPS).round() / (STEPS * GREY_LEVELS) - 1
    return levels.round() / GREY_LEVELS - 1


OWN: Final = Camera()
"""That of the pairs."""

NEAR: Final = (
    OWN,
    Camera(0.75, 0.3, (1.1, 0.95, 0.9), 1.08),
    Camera(1.3, -0.3, (0.85, 0.9, 0.95), 0.93),
)
"""Through which the best weights are chosen."""
FAR: Final = (
    Camera(0.55, 0.0, (1.2, 1.0, 0.8)),
    Camera(1.7, -0.3, (0.7, 0.75, 0.8)),
    Camera(0.75, 0.8, (0.7, 0.7, 0.9), 1.2),
    Camera(1.4, -0.6, (1.2, 1.1, 1.0), 0.85),
)
"""Through which what is kept must not do harm: further away than those of training."""


def drawn(share: float | None, seed: int, step: int, numbers: Sequence[int]) -> list[Camera]:
    """Return the cameras of the crops of a step with these `numbers`, a function of the counters.

    In the `share` of all crops it is another camera; all are moved against the grid. None: OWN.
    """
    if share is None:
        return [OWN] * len(numbers)
    return [_drawn(share, seed, step, number) for number in numbers]


def _drawn(share: float, seed: int, step: int, number: int) -> Camera:
    down, right = (seeding.below(BLOCK, seed, step, number, what) for what in (_DOWN, _RIGHT))
    if seeding.mix(seed, step, number, _WHETHER) / 2**64 >= share:
        return Camera(down=down, right=right)

    def octaves(most: float, what: int) -> float:
        return most * (seeding.mix(seed, step, number, what) / 2**63 - 1)

    exposure = octaves(EXPOSURE, _EXPOSURE)
    return Camera(
        2 ** octaves(SCALE, _SCALE),
        octaves(SHARPNESS, _SHARPNESS),
        (2 ** (exposure + octaves(BALANCE, _RED)), 2**exposure,
         2 ** (exposure + octaves(BALANCE, _BLUE))),
        2 ** octaves(GAMMA, _GAMMA),
        down,
        right,
    )  # fmt: skip


def _blurred(picture: Tensor) -> Tensor:
    reach = 3
    taps = torch.exp(-((torch.arange(-reach, reach + 1).float() / RADIUS) ** 2) / 2).to(picture)
    taps = (taps / taps.sum()).repeat(3, 1)
    picture = F.pad(picture, (reach,) * 4, mode="reflect")
    picture = F.conv2d(picture, taps[:, None, :, None], groups=3)
    return F.conv2d(picture, taps[:, None, None, :], groups=3)
