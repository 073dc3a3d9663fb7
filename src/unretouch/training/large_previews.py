"""How a large pair looks in a preview: its figures, and what of it is shown.

Before the first update the prediction is the source, so all is known without the network. While a
run trains a few tiles are predicted; at its end the whole, part by part, where time allows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unretouch.metrics.exact_pixels import exact_pixels
from unretouch.networks.pyramid import FACTOR, Pyramid
from unretouch.pixels import spaces
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap
from unretouch.runs.status import PlaceKind
from unretouch.training.evaluation import (
    Local,
    PairError,
    Window,
    finest,
    predicted_window,
    surroundings,
    windows,
)
from unretouch.training.large_pairs import (
    TILE,
    Reduced,
    chosen_tiles,
    estimated_error,
    reduced,
    strongest,
    survey,
)

Mask = NDArray[np.bool_]

CORE = 768
"""Pixels a side, about, of what is predicted at a time of a whole picture."""


@dataclass(frozen=True)
class Place:
    """A part of a pair at 1:1, predicted."""

    kind: PlaceKind
    window: Window
    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    prediction: NDArray[np.float32]
    """levels"""
    level_error: float
    identity_error: float


@dataclass(frozen=True)
class Whole:
    """A whole prediction, reduced."""

    prediction: NDArray[np.uint8]
    """file space"""
    errors: Reduced
    """mean of every cell, grey levels"""


@dataclass(frozen=True)
class Look:
    """What a preview of a large pair found."""

    error: PairError
    places: Sequence[Place]
    """to be shown"""
    whole: Whole | None = None
    """None where only tiles were predicted"""
    sampled_tiles: int = 0


class LargePair:
    """A large pair on the page. Of its pictures only small parts are kept."""

    def __init__(
        self,
        pair: Pair,
        known: PairMap | None,
        generator: nn.Module,
        tiles: int,
        *seeds: int,
    ) -> None:
        """`tiles` are predicted in a preview; `seeds` decide which."""
        self.pair, self.seen, self._known = pair, survey(pair, known), known
        self.seconds_a_pixel = 0.0
        """that the newest prediction took; 0 before it"""
        self._left_to_see = 0
        """pixels that the network would have seen for a whole prediction then"""
        self._tiles = chosen_tiles(self.seen, tiles, *seeds)
        source, target = pair.source, pair.target
        self._cuts = [self._cut(generator, tile.window, source, target) for tile in self._tiles]

    def untouched(self) -> Look:
        """Return what there is before the first update, where the prediction is the source."""
        places = [
            cut.place("strongest", cut.inner().astype(np.float32))
            for tile, cut in zip(self._tiles, self._cuts, strict=True)
            if tile.strongest
        ]
        error = self._error(self.seen.identity_error, self.seen.equal_pixels)
        return Look(error, places, Whole(self.seen.source, self.seen.difference))

    def in_tiles(self, generator: nn.Module) -> Look:
        """Return estimates from the tiles, and those of them to show."""
        local = Local(generator, self.pair.source) if isinstance(generator, Pyramid) else None
        began, looked_at = time.monotonic(), 0
        places, masks = [], []
        for tile, cut in zip(self._tiles, self._cuts, strict=True):
            kind: PlaceKind = "strongest" if tile.strongest else "worst"
            places.append(cut.place(kind, self._predicted(generator, cut, local)))
            looked_at += self._looked_at(generator, tile.window, local)
            masks.append(_opened(local, tile.window))
        if looked_at:
            self.seconds_a_pixel = (time.monotonic() - began) / looked_at
        self._left_to_see = sum(
            self._looked_at(generator, window, local) for window in self._windows()
        )
        estimate = self._estimate(places, masks, local)
        shown = [place for place in places if place.kind == "strongest"]
        others = [p for p in places if p.kind == "worst" and _is_wide(p.window)]
        if others:
            shown.append(max(others, key=lambda place: place.level_error))
        return Look(self._error(estimate, None), shown, sampled_tiles=len(places))

    def _estimate(
        self, places: Sequence[Place], masks: Sequence[Mask], local: Local | None
    ) -> float:
        """Return the error of the whole, grey levels: known where the prediction is the source,
        and estimated from the tiles elsewhere."""
        errors: list[float] = []
        identities: list[float] = []
        for place, mask in zip(places, masks, strict=True):
            for sums, side in ((errors, place.prediction), (identities, place.source)):
                distances = _distances(side, place.target)[mask]
                sums.append(float(distances.sum(dtype=np.float64)))
        pixels = self.pair.shape[0] * self.pair.shape[1]
        identity, known = self.seen.identity_error * pixels, 0.0
        if local is not None and local.open is not None and self._known is not None:
            asked = self._known.asked_blocks
            is_open = local.open[: asked.shape[0], : asked.shape[1]]
            share = float((asked * is_open).sum(dtype=np.float64) / max(asked.sum(), 1e-9))
            known, identity = identity * (1 - share), identity * share
        probabilities = [tile.probability for tile in self._tiles]
        return (known + estimated_error(errors, identities, probabilities, identity)) / pixels

    def _windows(self) -> Iterator[Window]:
        """Yield the parts in which the whole is predicted."""
        factor = self.seen.factor
        return windows(self.pair.shape, max(1, CORE // factor) * factor)

    def whole(self, generator: nn.Module, tiles: Look) -> Look:
        """Return exact figures and the whole prediction, part by part.

        Where the retouch is strongest it looks as in `tiles`, taken at the same step.
        """
        source, target = self.pair.source, self.pair.target
        factor, shape = self.seen.factor, self.pair.shape
        total = equal = 0.0
        picture, cells = np.empty_like(self.seen.source), np.empty_like(self.seen.difference)
        local = Local(generator, source)
        for window in self._windows():
            prediction, answer = local.at(window), self._answer(window, source, target)
            errors = _distances(prediction, answer)
            total += float(errors.sum(dtype=np.float64))
            equal += exact_pixels(prediction, answer.astype(np.float32)) * window.pixels
            here = window.in_cells(factor)
            here.of(cells)[:] = reduced(errors, factor)
            here.of(picture)[:] = reduced(spaces.levels_to_file(prediction), factor)
        places = [place for place in tiles.places if place.kind == "strongest"]
        elsewhere = cells.copy()
        for place in places:
            place.window.in_cells(factor).of(elsewhere)[:] = 0
        cut = self._cut(generator, strongest(elsewhere, factor, shape), source, target)
        places.append(cut.place("worst", self._predicted(generator, cut, local)))
        pixels = shape[0] * shape[1]
        error = self._error(total / pixels, equal / pixels)
        return Look(error, places, Whole(picture, cells))

    def whole_s(self) -> float:
        """Return the seconds that `whole` is to be expected to take; 0 before a measure."""
        return self.seconds_a_pixel * self._left_to_see

    def _cut(
        self,
        generator: nn.Module,
        window: Window,
        source: NDArray[np.uint8],
        target: NDArray[np.uint8],
    ) -> _Cut:
        # With a pyramid the whole picture is looked at: then this is for the source alone.
        around = surroundings(finest(generator), window, self.pair.shape)
        answer = self._answer(window, source, target)
        return _Cut(window, around, around.of(source).copy(), answer)

    def _answer(
        self, window: Window, source: NDArray[np.uint8], target: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Return what is asked for in a window."""
        if self._known is None:
            return window.of(target).copy()
        return self._known.asked(source, target, *window.slices)

    def _predicted(
        self, generator: nn.Module, cut: _Cut, local: Local | None
    ) -> NDArray[np.float32]:
        """Return the prediction of a cut, by `local` where the whole picture was looked at."""
        if local is not None:
            return local.at(cut.window)
        return predicted_window(generator, cut.source, cut.within)

    def _looked_at(self, generator: nn.Module, window: Window, local: Local | None) -> int:
        """Return how many pixels the network sees for a window."""
        if local is not None:
            return local.looked_at(window)
        return surroundings(generator, window, self.pair.shape).pixels

    def _error(self, level_error: float, exact: float | None) -> PairError:
        identity = self.seen.identity_error
        return PairError(
            name=self.pair.name,
            level_error=level_error,
            identity_error=identity,
            recovered_share=1 - level_error / identity if identity else None,
            exact_pixels=exact,
        )


@dataclass(frozen=True)
class _Cut:
    """A window of a pair, cut out with what its prediction depends on."""

    window: Window
    around: Window
    source: NDArray[np.uint8]
    """of `around`"""
    target: NDArray[np.uint8]
    """of `window`"""

    @property
    def within(self) -> Window:
        """`window`, counted from where `around` begins."""
        return self.window.within(self.around)

    def inner(self) -> NDArray[np.uint8]:
        """Return the source of `window`."""
        return np.ascontiguousarray(self.within.of(self.source))

    def place(self, kind: PlaceKind, prediction: NDArray[np.float32]) -> Place:
        """Return this window with its prediction, levels, and its errors."""
        source = self.inner()
        return Place(
            kind, self.window, source, self.target, prediction,
            _mean_difference(prediction, self.target), _mean_difference(source, self.target),
        )  # fmt: skip


def _distances(a: NDArray[Any], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the mean absolute difference of every pixel, (H, W)."""
    return np.asarray(np.abs(a.astype(np.float32) - b).mean(axis=2))


def _mean_difference(a: NDArray[Any], b: NDArray[np.uint8]) -> float:
    return float(_distances(a, b).mean(dtype=np.float64))


def _opened(local: Local | None, window: Window) -> Mask:
    """Return which pixels of a window a pyramid may change; of other generators all."""
    if local is None or local.open is None:
        return np.ones((window.height, window.width), np.bool_)
    rows, columns = (
        np.arange(start, start + length) // FACTOR
        for start, length in ((window.top, window.height), (window.left, window.width))
    )
    return np.asarray(local.open[np.ix_(rows, columns)])


def _is_wide(window: Window) -> bool:
    """Whether the window is worth a look: at the borders of a picture some are slivers."""
    return min(window.height, window.width) >= TILE // 2
