"""Large pairs, looked at without a picture's worth of numbers: reduced, and in a few tiles.

A picture of 24 megapixels takes minutes to predict, so while a run trains only some tiles of it
are: where the retouch is strongest, and others drawn in proportion to it, from which the error of
the whole is estimated. They are drawn once, by the seed, so that two previews differ by what was
learnt between them and not by where one looked. Before the first update the prediction is the
source, so all is known without the network; at the end the whole is predicted, where time
allows.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.base import seeding
from unretouch.metrics import exact_pixels
from unretouch.networks.generator import Generator
from unretouch.networks.prediction import PartPredictor, Window, predict_picture, windows
from unretouch.pixels import spaces
from unretouch.pixels.images import reduced
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap, nearest_answer
from unretouch.pixels.spaces import Rgb
from unretouch.runs.status import PlaceKind, PlainFigures, share_of
from unretouch.training.pair_error import asked_in

LARGE_PIXELS = 1_500_000
"""Pairs of more pixels are shown reduced and measured by tiles; others whole."""
STEADIED_PIXELS = 4_000_000
"""The same where what is taken out of a prediction depends on hundreds of pixels around, which a
network has to see: a dozen tiles would take longer than a whole picture of so many."""
LONG_SIDE = 1024
"""Pixels of a reduced picture at most."""
TILE = 320
"""Pixels a side of a tile, to within the factor by which the picture is reduced."""
FLOOR = 0.25
"""Of the mean difference, added to that of every tile: what is equal now may go wrong."""
STRIP_ROWS = 256
"""Rows that are worked on at a time."""
CORE = 768
"""Pixels a side, about, of what is measured at a time of a whole picture."""

Reduced = NDArray[np.float32]


def is_large(pair: Pair, generator: Generator) -> bool:
    """Whether the pair is too large to be predicted whole while a run trains."""
    looks_around = generator.slower is not None and not generator.looks_first
    return math.prod(pair.shape) > (STEADIED_PIXELS if looks_around else LARGE_PIXELS)


@dataclass(frozen=True)
class Survey:
    """What one look at the whole of a pair tells. Cells are squares of `factor` pixels."""

    shape: tuple[int, int]
    """(H, W) of the pair"""
    factor: int
    source: Rgb
    """the mean of every cell, file space"""
    target: Rgb
    difference: Reduced
    """mean |source - target| of every cell, grey levels, (H / factor, W / factor) rounded up"""
    identity_error: float
    """the same of the whole picture, exact"""
    equal_pixels: float
    """share of pixels in which source and target are equal"""


@dataclass(frozen=True)
class Tile:
    """A tile that is looked at, and how likely that was."""

    window: Window
    probability: float
    """of being drawn"""
    strongest: bool
    """whether it is one of those where the retouch is strongest"""


def survey(pair: Pair, known: PairMap | None = None) -> Survey:
    """Look at a pair strip by strip; `known` tells what of its difference is asked for."""
    source, target = pair.source, pair.target
    height, width = pair.shape
    factor = -(-max(height, width) // LONG_SIDE)
    steps = spaces.steps_of(source)
    total = equal = 0
    parts: list[tuple[NDArray[Any], ...]] = []
    strip = max(1, STRIP_ROWS // factor) * factor
    for top in range(0, height, strip):
        rows = slice(top, min(top + strip, height))
        a, b = source[rows], target[rows]
        difference = np.maximum(a, b) - np.minimum(a, b)  # in file space, as they are
        numbers = difference.sum(axis=2, dtype=np.uint16 if steps == 1 else np.uint32)
        total += int(numbers.sum(dtype=np.int64))
        equal += int(np.count_nonzero(numbers == 0))
        asked = numbers / np.float32(3 * steps) if known is None else known.asked_rows(rows)
        means = reduced(asked.astype(np.float32), factor)
        parts.append((reduced(a, factor), reduced(b, factor), means))
    a, b, means = (np.concatenate(side) for side in zip(*parts, strict=True))
    pixels = height * width
    identity, same = total / (3 * steps * pixels), equal / pixels
    if known is not None and not known.lossless:
        identity, same = known.retouch_error, 1 - float(known.blocks.mean())
    return Survey(pair.shape, factor, a, b, means, identity, same)


def strongest(cells: Reduced, factor: int, shape: tuple[int, int], side: int = TILE) -> Window:
    """Return the tile, of `side` pixels, in which `cells`, errors or differences, are largest.

    By their squares: a spot that was healed counts for more than faint noise everywhere.
    """
    height, width = (min(_side(factor, side), size) for size in cells.shape)
    squares = np.pad(np.square(cells, dtype=np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = (
        squares[height:, width:] - squares[:-height, width:]
        - squares[height:, :-width] + squares[:-height, :-width]
    )  # fmt: skip
    top, left = (int(n) for n in np.unravel_index(int(sums.argmax()), sums.shape))
    return _window(top, top + height, left, left + width, factor, shape)


def _side(factor: int, side: int = TILE) -> int:
    """Return the side of a tile, in cells."""
    return max(1, round(side / factor))


def _window(
    top: int, bottom: int, left: int, right: int, factor: int, shape: tuple[int, int]
) -> Window:
    """Return the window of these cells, cut to the picture."""
    top, left = top * factor, left * factor
    return Window(
        top, left, min(bottom * factor, shape[0]) - top, min(right * factor, shape[1]) - left
    )


def chosen_tiles(seen: Survey, count: int, *seeds: int) -> list[Tile]:
    """Return at most `count` tiles, at least 2, to measure and show a pair by.

    First those where the retouch is strongest: two, or one of few. The others are drawn from
    `seeds`, in proportion to the difference in them.
    """
    first = strongest(seen.difference, seen.factor, seen.shape)
    rows, columns = (
        _cuts(start // seen.factor, _side(seen.factor), cells)
        for start, cells in zip((first.top, first.left), seen.difference.shape, strict=True)
    )
    grid = [
        _window(top, bottom, left, right, seen.factor, seen.shape)
        for top, bottom in rows
        for left, right in columns
    ]
    energy = _grid_sums(np.square(seen.difference), rows, columns)
    sure = [grid.index(first)]
    if count >= 4 and len(grid) > 1:
        energy[sure[0]] = -1.0
        sure.append(int(energy.argmax()))
    weights = _grid_sums(seen.difference, rows, columns)
    areas = np.array([window.pixels for window in grid], np.float64)
    mean = float(weights.sum() / areas.sum()) or 1.0
    drawn = drawn_tiles(weights + FLOOR * mean * areas, areas, sure, count, *seeds)
    return [Tile(grid[index], probability, index in sure) for index, probability in drawn]


def _cuts(start: int, side: int, length: int) -> list[tuple[int, int]]:
    """Return the parts of an axis, of `side` cells or fewer at its ends, one of them at `start`."""
    return list(itertools.pairwise(sorted({0, *range(start % side, length, side), length})))


def _grid_sums(
    cells: Reduced, rows: Sequence[tuple[int, int]], columns: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Return the sum of every tile of the grid, row by row."""
    by_rows = np.add.reduceat(cells, [top for top, _ in rows], axis=0, dtype=np.float64)
    return np.add.reduceat(by_rows, [left for left, _ in columns], axis=1).ravel()


def drawn_tiles(
    weights: NDArray[np.float64],
    areas: NDArray[np.float64],
    sure: Sequence[int],
    count: int,
    *seeds: int,
) -> list[tuple[int, float]]:
    """Return at most `count` tiles, (index, probability): those that are `sure`, and drawn others.

    Each of them is drawn with a probability in proportion to its weight, systematically in the
    order of weights for an area, so that weakly and strongly retouched tiles have their share.
    """
    probabilities = np.zeros(len(weights))
    probabilities[list(sure)] = 1.0
    while True:  # a weight so large that it would be drawn twice is drawn for sure
        open_ones = probabilities < 1
        left = count - int((~open_ones).sum())
        total = float(weights[open_ones].sum())
        if left <= 0 or total <= 0:
            break
        shares = weights * (left / total)
        certain = open_ones & (shares >= 1 - 1e-9)
        if not certain.any():
            probabilities[open_ones] = shares[open_ones]
            break
        probabilities[certain] = 1.0
    order = [i for i in np.argsort(weights / areas, kind="stable") if 0 < probabilities[i] < 1]
    running = np.cumsum(probabilities[order])
    start = seeding.mix(*seeds) / 2**64
    marks = start + np.arange(max(0, round(float(running[-1])) if order else 0))
    hits = [order[i] for i in np.searchsorted(running, marks, side="right") if i < len(order)]
    others = [int(i) for i in np.flatnonzero(probabilities == 1) if i not in sure]
    return [(int(i), float(probabilities[i])) for i in [*sure, *others, *hits]]


def estimated_error(
    errors: Sequence[float],
    identities: Sequence[float],
    probabilities: Sequence[float],
    identity: float,
) -> float:
    """Return an estimate of the sum of the errors of a whole picture, from those of drawn tiles.

    `errors` and `identities` are sums over each tile, `identity` the sum of the latter over the
    whole, which is known. Horvitz and Thompson's estimate of the errors is corrected by what the
    same tiles say of the differences: at once right where every tile has kept the same share.
    """
    weights = 1 / np.asarray(probabilities)
    error = float(np.dot(weights, errors))
    told = float(np.dot(weights, identities))
    return error * identity / told if told else error


@dataclass(frozen=True)
class Place:
    """A part of a pair at 1:1, predicted."""

    kind: PlaceKind
    window: Window
    source: Rgb
    target: Rgb
    prediction: NDArray[np.float32]
    """levels"""

    @property
    def level_error(self) -> float:
        """Grey levels."""
        return float(_distances(self.prediction, self.target).mean(dtype=np.float64))

    @property
    def identity_error(self) -> float:
        """What doing nothing costs here, grey levels."""
        return float(_distances(self.source, self.target).mean(dtype=np.float64))


@dataclass(frozen=True)
class Look:
    """What a preview of a large pair found."""

    error: PlainFigures
    places: Sequence[Place]
    """to be shown"""
    sampled_tiles: int = 0
    prediction: Rgb | None = None
    """of the whole, reduced, file space; this and the next None where only tiles were predicted"""
    errors: Reduced | None = None
    """mean error of every cell of the whole, grey levels"""


class LargePair:
    """A large pair on the page. Its pictures are looked at, not kept."""

    def __init__(self, pair: Pair, known: PairMap | None, tiles: int, *seeds: int) -> None:
        """`tiles` are predicted in a preview; `seeds` decide which."""
        self.pair, self.seen, self._known = pair, survey(pair, known), known
        self._tiles = chosen_tiles(self.seen, tiles, *seeds)
        self._seconds_a_pixel = 0.0
        self.whole_s = 0.0
        """seconds that `whole` is to be expected to take; 0 before a measure"""

    def untouched(self) -> Look:
        """Return what there is before the first update, where the prediction is the source."""
        seen, source = self.seen, self.pair.source
        places = [
            self._place("strongest", tile.window, spaces.in_levels(tile.window.of(source)))
            for tile in self._tiles
            if tile.strongest
        ]
        error = self._error(seen.identity_error, seen.equal_pixels)
        return Look(error, places, prediction=seen.source, errors=seen.difference)

    def in_tiles(self, generator: Generator) -> Look:
        """Return estimates from the tiles, and those of them to show."""
        parts = PartPredictor(generator, self.pair.source)
        began = time.monotonic()
        predictions = [parts.at(tile.window) for tile in self._tiles]
        took = time.monotonic() - began
        if parts.seen:
            self._seconds_a_pixel = took / parts.seen
        left = sum(parts.looked_at(window) for window in self._windows())
        self.whole_s = self._seconds_a_pixel * left
        places = [
            self._place("strongest" if tile.strongest else "worst", tile.window, prediction)
            for tile, prediction in zip(self._tiles, predictions, strict=True)
        ]
        error = self._error(self._estimate(places, parts), None)
        shown = [place for place in places if place.kind == "strongest"]
        # At the borders of a picture some are slivers.
        wide = [p for p in places if min(p.window.height, p.window.width) >= TILE // 2]
        if others := [place for place in wide if place.kind == "worst"]:
            shown.append(max(others, key=lambda place: place.level_error))
        return Look(error, shown, sampled_tiles=len(places))

    def _estimate(self, places: Sequence[Place], parts: PartPredictor) -> float:
        """Return the error of the whole, grey levels: known where the prediction is the source,
        and estimated from the tiles elsewhere."""
        errors: list[float] = []
        identities: list[float] = []
        for place in places:
            mask = parts.may_change(place.window)
            for sums, side in ((errors, place.prediction), (identities, place.source)):
                distances = self._distances(side, place.window)[mask]
                sums.append(float(distances.sum(dtype=np.float64)))
        pixels = self.pair.shape[0] * self.pair.shape[1]
        identity, known = self.seen.identity_error * pixels, 0.0
        if parts.open_cells is not None and self._known is not None:
            asked = self._known.asked_blocks
            is_open = parts.open_cells[: asked.shape[0], : asked.shape[1]]
            share = float((asked * is_open).sum(dtype=np.float64) / max(asked.sum(), 1e-9))
            known, identity = identity * (1 - share), identity * share
        probabilities = [tile.probability for tile in self._tiles]
        return (known + estimated_error(errors, identities, probabilities, identity)) / pixels

    def whole(self, generator: Generator, tiles: Look) -> Look:
        """Return exact figures and the whole prediction.

        Shown where the retouch is strongest is what `tiles`, taken at the same step, shows.
        """
        factor, shape = self.seen.factor, self.pair.shape
        total = equal = 0.0
        picture, cells = np.empty_like(self.seen.source), np.empty_like(self.seen.difference)
        whole = predict_picture(generator, self.pair.source)
        for window in self._windows():
            prediction = window.of(whole)
            answer = self._nearest(prediction, window)
            errors = _distances(prediction, answer)
            total += float(errors.sum(dtype=np.float64))
            equal += exact_pixels(prediction, answer) * window.pixels
            here = window.in_cells(factor)
            here.of(cells)[:] = reduced(errors, factor)
            here.of(picture)[:] = reduced(
                spaces.levels_to_file(prediction, spaces.depth(picture)), factor
            )
        places = [
            self._place("strongest", place.window, place.window.of(whole))
            for place in tiles.places
            if place.kind == "strongest"
        ]
        elsewhere = cells.copy()
        for place in places:
            place.window.in_cells(factor).of(elsewhere)[:] = 0
        worst = strongest(elsewhere, factor, shape)
        places.append(self._place("worst", worst, worst.of(whole)))
        pixels = shape[0] * shape[1]
        error = self._error(total / pixels, equal / pixels)
        return Look(error, places, prediction=picture, errors=cells)

    def _windows(self) -> Iterator[Window]:
        """Yield the parts in which the whole is measured."""
        factor = self.seen.factor
        return windows(self.pair.shape, max(1, CORE // factor) * factor)

    def _place(self, kind: PlaceKind, window: Window, prediction: NDArray[np.float32]) -> Place:
        source = np.ascontiguousarray(window.of(self.pair.source))
        asked = np.ascontiguousarray(asked_in(self.pair, self._known, *window.slices))
        return Place(kind, window, source, asked, prediction)

    def _nearest(self, prediction: NDArray[Any], window: Window) -> NDArray[np.float32]:
        """Return the answer in a window by which a prediction is judged."""
        asked = asked_in(self.pair, self._known, *window.slices)
        return nearest_answer(prediction, asked, window.of(self.pair.target))

    def _distances(self, prediction: NDArray[Any], window: Window) -> NDArray[np.float32]:
        return _distances(prediction, self._nearest(prediction, window))

    def _error(self, level_error: float, exact: float | None) -> PlainFigures:
        identity, known = self.seen.identity_error, self._known
        besides = known.identity_error - identity if known and not known.lossless else 0.0
        return PlainFigures(
            name=self.pair.name,
            level_error=level_error,
            identity_error=identity,
            recovered_share=share_of(level_error, identity),
            exact_pixels=exact,
            estimated=exact is None,
            left_out=max(0.0, besides),
        )


def _distances(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float32]:
    """Return the mean absolute difference of every pixel, (H, W)."""
    return np.asarray(np.abs(spaces.in_levels(a) - spaces.in_levels(b)).mean(axis=2))
