"""Training crops of the fast recipe: where they are drawn, how they are turned, what is left out.

Every draw is a function of (seed, step), so that a resumed run sees what an uninterrupted one would
have seen. What is asked for is the retouch alone: where a pair differs by noise, compression say,
the answer of a crop is its source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unretouch.base import seeding
from unretouch.networks.prediction import SMALLEST
from unretouch.networks.pyramid import FACTOR, reduced
from unretouch.pixels.grade import Grade, colour_grade
from unretouch.pixels.on_skin import enlarged_blocks
from unretouch.pixels.pair_noise import BLOCK
from unretouch.pixels.pairs import LazyPair, Pair, Sides, changed, fetch
from unretouch.pixels.retouched_area import PairMap, pair_map
from unretouch.pixels.spaces import GREY_LEVELS, Bits, Plane, Rgb, depth, in_network_space
from unretouch.training.cameras import Camera, as_in_a_file

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio

# What a random choice is for: the last counter of its seed, so that no two share one.
_LEFT_OUT, _TURN = range(2)

LEFT_OUT_BLOCK = 64
"""Pixels a side of a block that is left out: twice the longest period that texture is judged by."""
EVENLY = 1 / 6
"""Of the weight of all crops, spread evenly beside it, so that untouched areas are seen too."""
MADE_SHARE = 0.25
"""Of the crops that are drawn where the retouch is, at most, for pairs which the program made."""
MOST_PLACES = 40_000
"""In a picture: the grid of places is coarser in larger ones."""
AHEAD = 4
"""Steps, or pictures, whose pairs are decoded ahead, where pairs are not all in memory."""
MOST_LOOKED_AT = 64
"""Pictures of which the left-out blocks are looked at; they are spread over all."""


@dataclass(frozen=True)
class LeftOut:
    """Blocks of a picture that teach nothing and are kept to judge by."""

    block: int
    """pixels a side"""
    cells: NDArray[np.bool_]
    """(rows, columns) of blocks"""

    def mask(self, top: int, left: int, side: int) -> NDArray[np.bool_]:
        """Return the pixels left out in a square window, bool (side, side)."""
        rows, columns = (
            np.minimum(np.arange(start, start + side) // self.block, length)
            for start, length in zip((top, left), self.cells.shape, strict=True)
        )
        return np.asarray(np.pad(self.cells, ((0, 1), (0, 1)))[rows[:, None], columns])


@dataclass(frozen=True)
class CropTable:
    """Pictures and where to crop them: crops that need more change are drawn more often."""

    pairs: Sequence[Pair]
    maps: Sequence[PairMap]
    crop: int
    places: NDArray[np.int32]
    """(P, 3): picture, top, left"""
    cumulative: NDArray[np.int64]
    """(P,) running sum of the weights of `places`"""
    left_out: Sequence[LeftOut]
    residual: float
    """mean absolute change asked for in the crops that are drawn, grey levels"""
    slower: float | None = None
    """pixels (sigma): slower changes than these are not asked for; None: all are"""
    made: int = 0
    """how many of the pairs, the last ones, the program made itself: nothing is judged by them"""
    skin: Sequence[Plane] = ()
    """how much of each block of the pictures is skin, (h, w), where all else is to stay"""

    @property
    def lazy(self) -> bool:
        """Whether pairs are decoded when they are looked at."""
        return any(isinstance(pair, LazyPair) for pair in self.pairs)


@dataclass(frozen=True)
class Crops:
    """A batch of crops."""

    source: Tensor
    """network space, (N, 3, H, W)"""
    target: Tensor
    left_out: Tensor
    """bool (N, 1, H, W): what teaches nothing, and judges"""
    guide: Tensor | None = None
    """of a `pyramid`: the gate that is wanted (coarse), or the enlarged guide (fine)"""
    bits: Bits = 8
    """of the files: another camera rounds as finely"""
    skin: Tensor | None = None
    """(N, 1, H, W), 0 to 1, where all else is to stay as it is"""

    @staticmethod
    def joined(each: Sequence[Crops]) -> Crops:
        """Return a batch of all of them; a guide has either each or none."""
        guides = [one.guide for one in each if one.guide is not None]
        skin = [one.skin for one in each if one.skin is not None]
        return Crops(
            torch.cat([one.source for one in each]),
            torch.cat([one.target for one in each]),
            torch.cat([one.left_out for one in each]),
            torch.cat(guides) if guides else None,
            each[0].bits,
            torch.cat(skin) if skin else None,
        )

    def to(self, device: torch.device) -> Crops:
        return self._each(lambda x: x.to(device))

    def turned(self, turn: int) -> Crops:
        """Return all turned by `turn` % 4 quarters, and mirrored from 4 on."""
        return self._each(lambda x: _turned(x, turn))

    def one(self, number: int) -> Crops:
        """Return one of the N."""
        return self._each(lambda x: x[number : number + 1])

    def taken_by(self, camera: Camera, side: int) -> Crops:
        """Return all as this camera takes them, at `side` pixels a side."""
        crop = self if self.source.shape[-1] == side else self._resized(side)
        source, target = (camera.developed(x, self.bits) for x in (crop.source, crop.target))
        guide = crop.guide
        if guide is not None and guide.shape[1] > 1:
            # The large change is one of this camera's picture, too.
            change = camera.developed(crop.source + guide[:, :-1], self.bits) - source
            guide = torch.cat([change, guide[:, -1:]], 1)
        return Crops(source, target, crop.left_out, guide, self.bits, crop.skin)

    def _resized(self, side: int) -> Crops:
        resize = partial(F.interpolate, size=(side, side), antialias=True, align_corners=False)
        source, target = (
            as_in_a_file(
                resize(each, mode="bicubic").clamp(-1, 1) * GREY_LEVELS + GREY_LEVELS, self.bits
            )
            for each in (self.source, self.target)
        )
        left_out = resize(self.left_out.float(), mode="bilinear") > 0.5
        guide, skin = (
            None if each is None else resize(each, mode="bilinear")
            for each in (self.guide, self.skin)
        )
        return Crops(source, target, left_out, guide, self.bits, skin)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Crops:
        guide, skin = (None if x is None else change(x) for x in (self.guide, self.skin))
        changed = change(self.source), change(self.target), change(self.left_out)
        return Crops(*changed, guide, self.bits, skin)


def of_one_grade(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs, those of which a side is graded with their source in the colours of their
    target: what was done to all colours alike tells nothing of skin, and other photographs lack
    it."""
    found = []
    for index, pair in enumerate(pairs):
        fetch(pairs[index : index + AHEAD])
        grade = colour_grade(pair.source, pair.target)
        found.append(pair if grade is None else changed(pair, pair.shape, partial(_graded, grade)))
    return found


def _graded(grade: Grade, side: Rgb, which: int) -> Rgb:
    return side if which else grade.of_file(side)


def pair_maps(pairs: Sequence[Pair]) -> list[PairMap]:
    """Return what is known of the difference of each pair."""
    maps = []
    for index, pair in enumerate(pairs):
        fetch(pairs[index : index + AHEAD])
        maps.append(pair_map(pair.source, pair.target))
    return maps


def retouched_share(maps: Sequence[PairMap]) -> float:
    """Return the share of all pictures that was retouched, 0 to 1."""
    blocks = sum(known.blocks.size for known in maps)
    return sum(int(np.count_nonzero(known.blocks)) for known in maps) / max(1, blocks)


def crop_table(
    pairs: Sequence[Pair],
    maps: Sequence[PairMap],
    crop: int,
    multiple: int,
    left_out: float | Sequence[LeftOut] = 0.0,
    seed: int = 0,
    evenly: float = EVENLY,
    made: int = 0,
    slower: float | None = None,
    skin: Sequence[Plane] = (),
) -> CropTable:
    """Return the crops of `pairs` with tops and lefts at multiples of `multiple`, itself one of 8.
    `maps` are what pair_maps says of them. The last `made` of the pairs were made by the program:
    together they are drawn in at most MADE_SHARE of all crops. Changes `slower` than so many pixels
    are not asked for.

    A crop is drawn in proportion to its mean absolute residual where the retouch stands out, and a
    little everywhere (see EVENLY). Crops are moved inwards at the borders, so border pixels are
    seen about as often as others. `crop` shrinks to the smallest picture. The share `left_out` of
    every picture, in blocks drawn by the same weights from `seed`, is marked as left out; or what
    another table left out.

    Pairs that are decoded lazily stay so: only maps, places and weights are kept of them.
    """
    given = len(pairs) - made
    sides = [min(_padded(pair.shape, multiple)) for pair in pairs]
    crop = min([crop // multiple * multiple, *sides])
    places, weights, kept_out = [], [], []
    for index, (pair, known) in enumerate(zip(pairs, maps, strict=True)):
        height, width = _padded(pair.shape, multiple)
        total = _running_sum(known, height // BLOCK, width // BLOCK)
        tops, lefts = _starts(height, width, crop, multiple)
        weights.append(_sums(total, tops[:, None], lefts[None, :], crop).ravel())
        grid = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
        places.append(np.insert(grid, 0, index, axis=1).astype(np.int32))
        at_random = seeding.mix(seed, index, _LEFT_OUT)
        kept_out.append(
            _left_out(total, height, width, multiple, left_out * (index < given), at_random)
            if isinstance(left_out, float)
            else left_out[index]
        )
    if made and given:
        own, further = (
            sum(int(each.sum()) for each in part) for part in (weights[:given], weights[given:])
        )
        most = own * MADE_SHARE / (1 - MADE_SHARE)
        if further > most:
            weights[given:] = [(w * (most / further)).astype(np.int64) for w in weights[given:]]
    asked = np.concatenate(weights)
    weight = asked + int(asked.mean() * evenly) + 1
    residual = float((asked / weight.sum() * weight).sum()) / (3 * crop**2)
    where, running = np.concatenate(places), weight.cumsum()
    return CropTable(pairs, maps, crop, where, running, kept_out, residual, slower, made, skin)


def fetch_ahead(table: CropTable, seed: int, step: int, batch: int, part: range) -> None:
    """Let the pictures that the steps after `step` crop from be decoded meanwhile."""
    if not table.lazy:
        return
    for later in range(step + 1, step + 1 + AHEAD):
        places = drawn_places(table, seed, later, batch)[list(part)]
        fetch([table.pairs[int(index)] for index, _, _ in places])


def drawn(
    table: CropTable,
    seed: int,
    step: int,
    batch: int,
    turn: bool = False,
    part: range | None = None,
) -> tuple[NDArray[np.int32], list[int]]:
    """Return the places, (N, 3), and the positions of the `batch` crops of `step`, or only of those
    of them whose numbers are in `part`.

    The draws of a run are one golden-ratio sequence over the weights: successive crops spread
    evenly over pictures and places, which covers everything sooner than independent draws do. With
    `turn` each crop is turned and mirrored into one of its eight positions.
    """
    own = list(part or range(batch))
    turns = [seeding.below(8, seed, step, i, _TURN) if turn else 0 for i in own]
    return drawn_places(table, seed, step, batch)[own], turns


def crop_at(table: CropTable, index: int, top: int, left: int, side: int) -> Crops:
    """Return one square window of a picture of the table."""
    source, target = asked_at(table, index, top, left, side)
    both = in_network_space(torch.from_numpy(np.stack([source, target])))
    left_out = torch.from_numpy(table.left_out[index].mask(top, left, side))
    skin = None
    if table.skin:
        skin = torch.from_numpy(enlarged_blocks(table.skin[index], top, left, side))[None, None]
    return Crops(both[:1], both[1:], left_out[None, None], bits=depth(source), skin=skin)


def asked_at(table: CropTable, index: int, top: int, left: int, side: int) -> Sides:
    """Return source and answer of a square window, file space (side, side, 3): the target where it
    was retouched, else the source."""
    pair, known = table.pairs[index], table.maps[index]
    whole = pair.source, pair.target
    height, width = pair.shape
    rows, columns = slice(top, min(top + side, height)), slice(left, min(left + side, width))
    source, target = whole[0][rows, columns], known.asked(*whole, rows, columns, table.slower)
    missing = [(0, side - length) for length in source.shape[:2]]
    if any(after for _, after in missing):
        # At the right and bottom, as `networks.predict` pads a picture.
        source, target = (
            np.pad(side, (*missing, (0, 0)), mode="reflect") for side in (source, target)
        )
    return source, target


def drawn_places(table: CropTable, seed: int, step: int, batch: int) -> NDArray[np.int32]:
    """Return picture, top and left of the crops of `step`, (batch, 3)."""
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
    for index in np.linspace(0, count - 1, min(count, MOST_LOOKED_AT)).astype(int).tolist():
        left_out = table.left_out[index]
        block, unseen = left_out.block, left_out.cells.copy()
        begin, end = np.searchsorted(table.places[:, 0], (index, index + 1))
        lasts = table.places[begin:end, 1:].max(0).tolist()  # top and left of the last crop
        while unseen.any():
            # From the first unseen block on, as many as a crop takes.
            row, column = np.argwhere(unseen)[0]
            top, left = (
                min(int(cell) * block // BLOCK * BLOCK, last)
                for cell, last in zip((row, column), lasts, strict=True)
            )
            window = tuple(
                slice(-(-start // block), max((start + table.crop) // block, int(cell) + 1))
                for start, cell in zip((top, left), (row, column), strict=True)
            )
            found.append((int(unseen[window].sum()), (index, top, left)))
            unseen[window] = False
    found.sort(key=lambda entry: -entry[0])
    return np.array([place for _, place in found[:at_most]], np.int32).reshape(-1, 3)


def spread_places(table: CropTable, count: int) -> tuple[NDArray[np.int32], list[float]]:
    """Return `count` crops of the pictures that were given, (count, 3), and a weight for each.

    Half of them are spread evenly, half as training draws them: else a small face would be missed.
    Weighted, they stand for all places alike (importance sampling, by the balance heuristic of
    Veach and Guibas 1995).
    """
    given = int(np.searchsorted(table.places[:, 0], len(table.pairs) - table.made))
    cumulative = table.cumulative[:given]
    draws = [number * _GOLDEN & _MASK for number in range(1, count + 1)]
    at = [
        draw * given >> 64
        if number % 2
        else int(np.searchsorted(cumulative, draw * int(cumulative[-1]) >> 64, side="right"))
        for number, draw in enumerate(draws)
    ]
    chance = np.diff(cumulative, prepend=0)[at] / int(cumulative[-1]) * given
    return table.places[at], (2 / (1 + chance)).tolist()


def _left_out(
    total: NDArray[np.int64], height: int, width: int, multiple: int, share: float, seed: int
) -> LeftOut:
    """Return the blocks to leave out, drawn where much was changed, of a padded picture."""
    block = min(
        LEFT_OUT_BLOCK, height // 2 // multiple * multiple, width // 2 // multiple * multiple
    )
    if not share or not block:
        return LeftOut(LEFT_OUT_BLOCK, np.zeros((1, 1), np.bool_))
    wanted = max(1, round(share * height * width / block**2))
    tops, lefts = (np.arange(0, side - block + 1, block) for side in (height, width))
    cells = np.zeros((len(tops), len(lefts)), np.bool_)
    weight = _sums(total, tops[:, None], lefts[None, :], block).ravel() + 1
    for number in range(min(wanted, cells.size // 2)):
        cumulative = weight.cumsum()
        at = seeding.below(int(cumulative[-1]), seed, number)
        chosen = int(np.searchsorted(cumulative, at, side="right"))
        cells.flat[chosen] = True
        weight[chosen] = 0
    return LeftOut(block, cells)


def _running_sum(known: PairMap, rows: int, columns: int) -> NDArray[np.int64]:
    """Return (rows + 1, columns + 1) sums of the absolute residual above and to the left of each
    block: of what is asked for, which where there is noise is the retouch alone."""
    values = np.rint(known.asked_blocks.astype(np.float64) * (3 * BLOCK**2)).astype(np.int64)
    missing = (rows - values.shape[0], columns - values.shape[1])
    values = np.pad(values, [(0, n) for n in missing], mode="edge")
    total: NDArray[np.int64] = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    return total


def _sums(
    total: NDArray[np.int64], tops: NDArray[np.int64], lefts: NDArray[np.int64], side: int
) -> NDArray[np.int64]:
    tops, lefts, side = tops // BLOCK, lefts // BLOCK, side // BLOCK
    found: NDArray[np.int64] = (
        total[tops + side, lefts + side]
        - total[tops, lefts + side]
        - total[tops + side, lefts]
        + total[tops, lefts]
    )
    return found


def _padded(shape: tuple[int, ...], multiple: int) -> tuple[int, int]:
    height, width = (-(-max(side, SMALLEST) // multiple) * multiple for side in shape)
    return height, width


def _starts(
    height: int, width: int, crop: int, multiple: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return tops and lefts of crops centred on every cell of a grid, moved inside."""
    cell = multiple
    while (height // cell) * (width // cell) > MOST_PLACES:
        cell *= 2
    tops, lefts = (
        np.clip(np.arange(0, side, cell) - crop // 2 // multiple * multiple, 0, side - crop)
        for side in (height, width)
    )
    return tops, lefts


def _turned(x: Tensor, turn: int) -> Tensor:
    x = torch.rot90(x, turn % 4, (2, 3))
    return x.flip(3) if turn >= 4 else x


# --- of reduced pictures ----------------------------------------------------------------------

TILE: Final = 512
"""Pixels a side of what is reduced at a time."""
MOST_TILES: Final = 2048
"""That are remembered, 120 kB each: those of twenty pictures of 24 megapixels."""


class ReducedPictures:
    """The pictures of a table of crops, reduced where they are looked at."""

    def __init__(self, table: CropTable) -> None:
        self._table = table
        self._tile = lru_cache(MOST_TILES)(partial(_reduced_tile, table))

    def at(self, index: int, top: int, left: int) -> NDArray[np.float32]:
        """Return the crop of a place of the table, (S, S, 8), S cells a side: source and answer in
        network space (3 each), the share of the pixels that are to change, and 1 where left out."""
        side = self._table.crop
        first_row, first_column = top // TILE, left // TILE
        tiles = [
            [
                self._tile(index, row, column)
                for column in range(first_column, -(-(left + side) // TILE))
            ]
            for row in range(first_row, -(-(top + side) // TILE))
        ]
        whole = np.concatenate([np.concatenate(row, 1) for row in tiles])
        rows, columns = (
            slice((start - first * TILE) // FACTOR, (start - first * TILE + side) // FACTOR)
            for start, first in ((top, first_row), (left, first_column))
        )
        left_out = self._table.left_out[index].mask(top, left, side)[::FACTOR, ::FACTOR]
        return np.concatenate([whole[rows, columns], left_out[..., None]], 2, dtype=np.float32)


def _reduced_tile(table: CropTable, index: int, row: int, column: int) -> NDArray[np.float32]:
    source, answer = asked_at(table, index, row * TILE, column * TILE, TILE)
    sides = torch.from_numpy(np.stack([source, answer]))
    changed = torch.from_numpy((source != answer).any(2)).float()[None, None]
    means = reduced(in_network_space(sides)).flatten(0, 1)
    cells = torch.cat([means, F.avg_pool2d(changed, FACTOR)[0]])
    return np.ascontiguousarray(cells.permute(1, 2, 0).numpy())
