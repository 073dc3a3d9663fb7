"""Training crops of the fast recipe: where they are drawn, how they are turned, what is left out.

Every draw is a function of (seed, step), so that a resumed run sees what an uninterrupted one would
have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unretouch.base import seeding
from unretouch.networks.predict import SMALLEST
from unretouch.pixels.pairs import Pair
from unretouch.pixels.pairs.lazy import LazyPair, fetch

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio

# What a random choice is for: the last counter of its seed, so that no two share one.
_LEFT_OUT, _TURN = range(2)

BLOCK = 64
"""Pixels a side of a block that is left out: twice the longest period that texture is judged by."""


AHEAD = 4
"""Steps, or pictures, whose pairs are decoded ahead, where pairs are not all in memory."""
MOST_LOOKED_AT = 64
"""Pictures of which the left-out blocks are looked at; they are spread over all."""


@dataclass(frozen=True)
class CropTable:
    """Pictures and where to crop them: crops that need more change are drawn more often."""

    pairs: Sequence[Pair]
    sources: Sequence[NDArray[np.uint8]]
    """(H, W, 3), reflected at the right and bottom to multiples of `multiple`"""
    targets: Sequence[NDArray[np.uint8]]
    crop: int
    places: NDArray[np.int32]
    """(P, 3): picture, top, left"""
    cumulative: NDArray[np.int64]
    """(P,) running sum of the weights of `places`"""
    left_out: Sequence[NDArray[np.bool_]]
    """(H, W): pixels that teach nothing, kept to judge by"""
    residual: float
    """mean absolute difference of source and target over all pictures, grey levels"""


@dataclass(frozen=True)
class Crops:
    """A batch of crops."""

    source: Tensor
    """network space, (N, 3, H, W)"""
    target: Tensor
    left_out: Tensor
    """bool (N, 1, H, W)"""

    def to(self, device: torch.device) -> Crops:
        return Crops(*(x.to(device) for x in (self.source, self.target, self.left_out)))


def crop_table(
    pairs: Sequence[Pair], crop: int, multiple: int, left_out: float = 0.0, seed: int = 0
) -> CropTable:
    """Return the crops of `pairs` with tops and lefts at multiples of `multiple`.

    A crop is drawn in proportion to its mean absolute residual, plus a quarter of the mean of all
    so that untouched areas are seen too. Crops are moved inwards at the borders, so border pixels
    are seen about as often as others. `crop` shrinks to the smallest picture. The share `left_out`
    of every picture, in blocks drawn by the same weights from `seed`, is marked as left out.

    Pairs that are decoded lazily stay so: only places and weights are kept of them.
    """

    def source(index: int) -> NDArray[np.uint8]:
        return _pad(pairs[index].source, multiple)

    def target(index: int) -> NDArray[np.uint8]:
        return _pad(pairs[index].target, multiple)

    def mask(index: int) -> NDArray[np.bool_]:
        if not left_out:
            return np.zeros(_padded(pairs[index].shape, multiple), np.bool_)
        at_random = seeding.mix(seed, index, _LEFT_OUT)
        return _left_out(_running_sum(source(index), target(index)), multiple, left_out, at_random)

    crop = min([crop // multiple * multiple] + [min(_padded(p.shape, multiple)) for p in pairs])
    places, weights = [], []
    changed, values = 0, 0
    for index in range(len(pairs)):
        fetch(pairs[index : index + AHEAD])
        total = _running_sum(source(index), target(index))
        changed += int(total[-1, -1])
        values += 3 * (total.shape[0] - 1) * (total.shape[1] - 1)
        tops, lefts, weight = _windows(total, crop, multiple)
        weights.append(weight)
        grid = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
        places.append(np.insert(grid, 0, index, axis=1).astype(np.int32))
    weight = np.concatenate([w.ravel() for w in weights])
    weight = weight + int(weight.mean()) // 4 + 1
    lazy = any(isinstance(pair, LazyPair) for pair in pairs)
    sources, targets, masks = (
        _Each(make, len(pairs)) if lazy else [make(index) for index in range(len(pairs))]
        for make in (source, target, mask)
    )
    where, running = np.concatenate(places), weight.cumsum()
    return CropTable(pairs, sources, targets, crop, where, running, masks, changed / values)  # type: ignore[arg-type]


class _Each(Sequence[NDArray[Any]]):
    """A list whose items are made anew whenever they are asked for."""

    def __init__(self, make: Callable[[int], NDArray[Any]], count: int) -> None:
        self._make, self._count = make, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._make(int(index))


def fetch_ahead(table: CropTable, seed: int, step: int, batch: int, part: range) -> None:
    """Let the pictures that the steps after `step` crop from be decoded meanwhile."""
    if not isinstance(table.sources, _Each):
        return
    for later in range(step + 1, step + 1 + AHEAD):
        places = drawn_places(table, seed, later, batch)[list(part)]
        fetch([table.pairs[int(index)] for index, _, _ in places])


def sample_crops(
    table: CropTable,
    seed: int,
    step: int,
    batch: int,
    turn: bool = False,
    part: range | None = None,
) -> Crops:
    """Return the `batch` crops of `step`, or only those of them whose numbers are in `part`.

    The draws of a run are one golden-ratio sequence over the weights: successive crops spread
    evenly over pictures and places, which covers everything sooner than independent draws do. With
    `turn` each crop is turned and mirrored into one of its eight positions.
    """
    own = list(part or range(batch))
    turns = [seeding.below(8, seed, step, i, _TURN) if turn else 0 for i in own]
    return crops_at(table, drawn_places(table, seed, step, batch)[own], turns)


def crops_at(
    table: CropTable, places: NDArray[np.int32], turns: Sequence[int] | None = None
) -> Crops:
    """Return the crops at `places` (N, 3), each turned into the position 0 to 7 of `turns`."""
    sides: list[list[NDArray[Any]]] = [[], [], []]
    for number, (index, top, left) in enumerate(places):
        window = (slice(top, top + table.crop), slice(left, left + table.crop))
        turn = turns[number] if turns else 0
        pictures = (table.sources[index], table.targets[index], table.left_out[index])
        for side, picture in zip(sides, pictures, strict=True):
            side.append(_turned(picture[window], turn))
    source, target, left_out = (torch.from_numpy(np.stack(side)) for side in sides)
    return Crops(_network(source), _network(target), left_out[:, None])


def drawn_places(table: CropTable, seed: int, step: int, batch: int) -> NDArray[np.int32]:
    """Return picture, top and left of the crops that `sample_crops` takes, (batch, 3)."""
    total = int(table.cumulative[-1])
    start = seeding.mix(seed)
    draws = [(start + (step * batch + i) * _GOLDEN) & _MASK for i in range(batch)]
    chosen = np.searchsorted(table.cumulative, [(u * total) >> 64 for u in draws], side="right")
    return table.places[chosen]


def left_out_places(table: CropTable, at_most: int) -> NDArray[np.int32]:
    """Return crops that show what was left out, (N, 3), those that show most of it first.

    Every block of at most MOST_LOOKED_AT pictures is in one of them where `at_most` allows it.
    """
    found = []
    count = len(table.left_out)
    begins = np.searchsorted(table.places[:, 0], np.arange(count + 1))
    for index in np.linspace(0, count - 1, min(count, MOST_LOOKED_AT)).astype(int):
        unseen = table.left_out[index].copy()
        mine = table.places[begins[index] : begins[index + 1]].astype(np.int64)
        while unseen.any():
            total = np.pad(unseen.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
            shown = _sums(total, mine[:, 1], mine[:, 2], table.crop)
            _, top, left = best = mine[int(shown.argmax())]
            found.append((int(shown.max()), best))
            unseen[top : top + table.crop, left : left + table.crop] = False
    found.sort(key=lambda entry: -entry[0])
    return np.array([place for _, place in found[:at_most]], np.int32).reshape(-1, 3)


def _left_out(
    total: NDArray[np.int64], multiple: int, share: float, seed: int
) -> NDArray[np.bool_]:
    """Return the pixels to leave out: blocks drawn where much was changed, never overlapping."""
    height, width = (side - 1 for side in total.shape)
    mask = np.zeros((height, width), np.bool_)
    block = min(BLOCK, height // 2 // multiple * multiple, width // 2 // multiple * multiple)
    wanted = round(share * height * width / block**2) if block else 0
    if not wanted and share and block:
        wanted = 1
    tops, lefts = (np.arange(0, side - block + 1, block or 1) for side in (height, width))
    grid = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
    weight = _sums(total, grid[:, 0], grid[:, 1], block) + 1
    for number in range(min(wanted, len(grid) // 2)):
        cumulative = weight.cumsum()
        at = seeding.below(int(cumulative[-1]), seed, number)
        chosen = int(np.searchsorted(cumulative, at, side="right"))
        top, left = grid[chosen]
        mask[top : top + block, left : left + block] = True
        weight[chosen] = 0
    return mask


def _windows(
    total: NDArray[np.int64], crop: int, multiple: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return tops, lefts, and the sum in every crop; `total` is the picture's running sum."""
    tops, lefts = (_starts(side - 1, crop, multiple) for side in total.shape)
    return tops, lefts, _sums(total, tops[:, None], lefts[None, :], crop)


def _sums(
    total: NDArray[np.int64], tops: NDArray[np.int64], lefts: NDArray[np.int64], side: int
) -> NDArray[np.int64]:
    found: NDArray[np.int64] = (
        total[tops + side, lefts + side]
        - total[tops, lefts + side]
        - total[tops + side, lefts]
        + total[tops, lefts]
    )
    return found


def _pad(picture: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Return `picture` padded as `networks.predict` pads it."""
    height, width = _padded(picture.shape[:2], multiple)
    missing = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
    return np.pad(picture, missing, mode="reflect")


def _padded(shape: tuple[int, ...], multiple: int) -> tuple[int, int]:
    height, width = (-(-max(side, SMALLEST) // multiple) * multiple for side in shape)
    return height, width


def _running_sum(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return (H + 1, W + 1) sums of the absolute residual above and to the left of each place."""
    residual = np.abs(target.astype(np.int64) - source.astype(np.int64)).sum(2)
    total: NDArray[np.int64] = np.pad(residual.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    return total


def _starts(length: int, crop: int, multiple: int) -> NDArray[np.int64]:
    """Return where crops centred on every cell of `multiple` pixels start, moved inside."""
    centred = np.arange(0, length, multiple) - crop // 2 // multiple * multiple
    return np.clip(centred, 0, length - crop)


def _turned(window: NDArray[Any], turn: int) -> NDArray[Any]:
    """Return (S, S) or (S, S, 3) turned by `turn` % 4 quarters, and mirrored from 4 on."""
    turned = np.rot90(window, turn % 4)
    return np.ascontiguousarray(turned[:, ::-1] if turn >= 4 else turned)


def _network(stack: Tensor) -> Tensor:
    return stack.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
