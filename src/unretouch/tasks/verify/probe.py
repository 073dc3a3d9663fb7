"""The memorisation probe: is it memory, or skill?

A model that has learnt its pairs by heart gives the right texture for the very pixels that it saw.
Shown the same faces a little changed, it still ought to; how far the recovered share falls tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from unretouch.metrics import Figure, Levels
from unretouch.metrics.likeness import Ruler, ruler_of
from unretouch.pixels.spaces import Rgb, depth, in_levels, levels_to_file
from unretouch.report.verdicts import Change, ProbePoint

Predict = Callable[[Rgb], Levels]
"""A picture of any size in file space to the prediction in levels, not rounded."""
ProbePair = tuple[str, Rgb, Rgb]
"""Name, source and target in file space, (H, W, 3) of one size."""
Shares = dict[tuple[Change, int], Figure]
"""The recovered share of a pair by change and amount."""

AMOUNTS: dict[Change, tuple[int, ...]] = {
    "none": (0,),
    "shift": (1, 2, 3, 4),
    "mirror": (1,),
    "brightness": (-16, -8, -4, 4, 8, 16),
    "noise": (1, 2, 4),
    "crop": (8, 16, 32),
}
UNITS: dict[Change, str] = {
    "none": "",
    "shift": "px",
    "mirror": "",
    "brightness": "grey levels",
    "noise": "grey levels",
    "crop": "px from each side",
}
SEED = 0


def memorisation_probe(predict: Predict, pairs: Sequence[ProbePair]) -> list[ProbePoint]:
    """Measure the recovered share of every pair under every change of AMOUNTS, unchanged first.

    Each change is done to source and target alike, so that what was removed stays as it is: shifted
    to the right and down over repeated borders, mirrored left to right, made brighter, given the
    same noise (by a fixed seed), or cut on all sides. A crop that would leave less than half of
    either side is left out for that pair. One forward pass a pair and amount.
    """
    return probe_points({name: probed(predict, source, target) for name, source, target in pairs})


def probed(predict: Predict, source: Rgb, target: Rgb) -> Shares:
    """Return the recovered share of one pair under every change of AMOUNTS: that by which verdicts
    judge the pair, of the retouch itself."""
    ruler = ruler_of(source, target)
    return {
        (change, amount): _share(predict, source, target, ruler, change, amount)
        for change, amounts in AMOUNTS.items()
        for amount in amounts
    }


def probe_points(shares: Mapping[str, Shares]) -> list[ProbePoint]:
    """Return the points that the shares of all pairs, by name, come to."""
    points = []
    for change, amounts in AMOUNTS.items():
        for amount in amounts:
            here = {name: by_change[change, amount] for name, by_change in shares.items()}
            known = [share for share in here.values() if share is not None]
            mean = sum(known) / len(known) if known else None
            points.append(ProbePoint(change, amount, UNITS[change], mean, here))
    return points


def _share(
    predict: Predict, source: Rgb, target: Rgb, ruler: Ruler, change: Change, amount: int
) -> Figure:
    if change == "crop" and 4 * amount > min(source.shape[:2]):
        return None
    before, true = (changed(picture, change, amount) for picture in (source, target))
    ruler = replace(ruler, area=_moved(ruler.area, change, amount))
    return ruler.share(predict(before), true, before)


def changed(picture: Rgb, change: Change, amount: int) -> Rgb:
    """Return the picture (H, W, 3) changed, in file space: rounded and clamped, as a file is."""
    if change == "brightness":
        return levels_to_file(in_levels(picture) + amount, depth(picture))
    if change == "noise":
        noise = np.random.default_rng(SEED).normal(0, amount, picture.shape)
        return levels_to_file(in_levels(picture) + noise, depth(picture))
    return np.asarray(_moved(picture, change, amount))


def _moved(picture: npt.NDArray[Any], change: Change, amount: int) -> npt.NDArray[Any]:
    """Return the picture, or an area of it, (H, W, ...), where a change of place takes it."""
    if change == "shift":
        still = [(0, 0)] * (picture.ndim - 2)
        padded = np.pad(picture, [(amount, 0), (amount, 0), *still], mode="edge")
        return padded[: picture.shape[0], : picture.shape[1]]
    if change == "mirror":
        return picture[:, ::-1].copy()
    if change == "crop":
        return picture[amount:-amount, amount:-amount].copy()
    return picture
