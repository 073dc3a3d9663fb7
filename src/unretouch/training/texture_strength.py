"""How strong the texture of a network has to be, measured where it was not trained.

On faces that it never saw a network gives less texture than on those it was trained on, so whatever
the loss, it is too weak there. A number for each band makes good for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from unretouch.networks.detail import Detail
from unretouch.networks.texture_bands import luma_bands

OF_DRAWN: Final = (0.5, 2.0)
"""Within which what is drawn is made weaker or stronger."""
OF_CHANGE: Final = (1.0, 1.5)
"""The same of the texture of the change: it is never too strong, and a network that knows little
must not be made loud."""


@dataclass(frozen=True)
class Seen:
    """What a network makes of a crop, network space (N, 3, H, W)."""

    before: Tensor
    """the picture without the network's change"""
    picture: Tensor
    """the most likely one"""
    target: Tensor
    where: Tensor
    """(N, 1, H, W), 1 where it is measured, else 0"""
    spread: Tensor | None = None
    """of one that guesses: as Detail has it"""


@torch.no_grad()
def measure_strength(net: Detail, crops: Iterable[Seen]) -> None:
    """Set the strengths of a network, if it has any, so that over these crops, made by it, there is
    as much texture of each size as in their targets."""
    if net.guesses:
        _measure_drawn(net, crops)
    elif net.strength is not None:
        _measure_change(net.strength.weight, crops)


def _measure_drawn(net: Detail, crops: Iterable[Seen]) -> None:
    """Let as much be drawn as the most likely pictures lack."""
    sums = []
    for one in crops:
        assert one.spread is not None
        true, expected = luma_bands(one.target), luma_bands(one.picture)
        sums.append(_sums(one.where, true**2, expected**2, one.spread**2))
    true, expected, drawn = torch.stack(sums).sum(0)
    ratio = ((true - expected).clamp_min(0) / drawn).nan_to_num(1.0).sqrt()
    net.strengths.mul_(ratio).clamp_(*OF_DRAWN)


def _measure_change(strength: Tensor, crops: Iterable[Seen]) -> None:
    """Multiply the texture of the change: with `a` before it, `c` changed and `t` true, by the s
    with |a + s c|^2 = |t|^2, in each band."""
    sums = []
    for one in crops:
        before, true = luma_bands(one.before), luma_bands(one.target)
        changed = luma_bands(one.picture - one.before)
        sums.append(_sums(one.where, before**2, true**2, changed**2, before * changed))
    before, true, changed, both = torch.stack(sums).sum(0)
    root = (both**2 + changed * (true - before)).clamp_min(0).sqrt()
    ratio = ((root - both) / changed).nan_to_num(1.0, 1.0, 1.0)
    strength.mul_(ratio).clamp_(*OF_CHANGE)


def _sums(where: Tensor, *planes: Tensor) -> Tensor:
    """Return the sum of each plane, (N, BANDS, H, W), over the pixels `where`: (n, BANDS)."""
    return torch.stack([(where * plane).sum((0, 2, 3)) for plane in planes])
