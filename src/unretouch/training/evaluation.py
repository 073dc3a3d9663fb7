"""What a generator makes of whole pairs, in evaluation mode, and how far off it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from unretouch import networks
from unretouch.base.memory import give_back
from unretouch.metrics.exact_pixels import exact_pixels
from unretouch.metrics.identity_parts import identity_parts
from unretouch.metrics.level_error import level_error
from unretouch.metrics.recovered_share import recovered_share
from unretouch.networks.detail import Detail
from unretouch.networks.predict import PredictMode
from unretouch.networks.pyramid import (
    FACTOR,
    Guided,
    Pyramid,
    guide_of_whole,
    open_cells,
    strips_of,
)
from unretouch.pixels import spaces
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap

WHOLE = 1_500_000
"""Pixels up to which a picture goes through the network whole."""
TILE = 700_000
"""Pixels of a tile of larger ones, with its margin: beside the prediction there is less room."""

SMALLEST_PART = 128
"""Pixels a side of a part that is not divided further to leave out what the gate shuts off."""


@dataclass(frozen=True)
class PairError:
    """Plain figures of one pair, errors in grey levels (mean absolute difference)."""

    name: str
    level_error: float
    identity_error: float
    recovered_share: float | None
    """None where source and target are equal"""
    exact_pixels: float | None
    """None for estimates"""
    identity_parts: tuple[float, float] | None = None
    """what of `identity_error` is retouch, and what two files compressed apart; None for lossless
    pairs, and where it was not asked for"""

    @property
    def estimated(self) -> bool:
        """Whether only parts of a large pair were measured; `identity_error` is exact even then."""
        return self.exact_pixels is None


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Return this part of `picture`, (H, W) or (H, W, C), without a copy."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def in_cells(self, side: int) -> Window:
        """Return this window counted in squares of `side` pixels, at one of which it begins."""
        return Window(
            self.top // side, self.left // side, -(-self.height // side), -(-self.width // side)
        )

    def within(self, around: Window) -> Window:
        """Return this window counted from where `around` begins."""
        return Window(self.top - around.top, self.left - around.left, self.height, self.width)

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def windows(shape: tuple[int, int], side: int) -> Iterator[Window]:
    """Yield the parts of a picture of `shape` (H, W), of `side` pixels but at its ends."""
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            yield Window(top, left, min(side, shape[0] - top), min(side, shape[1] - left))


def is_local(generator: nn.Module) -> bool:
    """Whether a pixel of the prediction depends on its surroundings alone, up to a margin.

    The classic generators normalise over the picture: a part of it would come out differently.
    """
    return isinstance(generator, Detail | Pyramid)


def finest(generator: nn.Module) -> nn.Module:
    """Return the network of a local generator that works at full resolution."""
    return generator.fine if isinstance(generator, Pyramid) else generator


def does_nothing(generator: nn.Module) -> bool:
    """Whether the prediction is the source as it is: that of a local generator before its first
    update."""
    if not is_local(generator) or generator.input_nc != generator.output_nc:
        return False
    heads = [net.head for net in generator.modules() if isinstance(net, Detail)]
    return not any(bool(weight.any()) for head in heads for weight in head.parameters())


def surroundings(generator: nn.Module, window: Window, shape: tuple[int, int]) -> Window:
    """Return the window of a picture of `shape` (H, W) that a prediction of `window` depends on.

    It begins where the network's cells of `size_multiple` pixels do, as in the whole picture.
    """
    multiple, margin = int(generator.size_multiple), int(generator.margin)  # type: ignore[arg-type]
    spans = []
    for start, length, end in (
        (window.top, window.height, shape[0]),
        (window.left, window.width, shape[1]),
    ):
        low = max(0, start - margin) // multiple * multiple
        high = -(-(start + length + margin) // multiple) * multiple
        spans.append((low, min(end, high) - low))
    (top, height), (left, width) = spans
    return Window(top, left, height, width)


def predicted_window(
    generator: nn.Module, around: NDArray[np.uint8], place: Window
) -> NDArray[np.float32]:
    """Return the prediction at `place` of `around`, file space, which holds its surroundings.

    As levels (H, W, 3), like those of the whole picture. The generator must be local.
    """
    return Local(generator, around).at(place)


class Local:
    """What a generator makes of parts of a picture, which depend on their surroundings alone.

    Of a `pyramid` the coarse network looks at the whole picture, once; the fine one at those parts
    where the gate is open, since elsewhere the prediction is the source.
    """

    def __init__(self, generator: nn.Module, rgb: NDArray[np.uint8]) -> None:
        """The generator must be local (see is_local). `rgb` is file space, (H, W, 3)."""
        self._generator, self._rgb = generator, rgb
        self._guide: Tensor | None = None
        self.open: NDArray[np.bool_] | None = None
        """(h, w), of a pyramid: the cells of FACTOR pixels that it may change; None: all"""
        if isinstance(generator, Pyramid):
            self._guide = whole_guide(generator.coarse, rgb)
            self.open = open_cells(self._guide)[0].cpu().numpy()

    def at(self, window: Window) -> NDArray[np.float32]:
        """Return the prediction at `window`, as levels (h, w, 3), like that of the whole."""
        parts = self._parts(window)
        if parts == [window]:
            return self._predicted(window)
        prediction = window.of(self._rgb).astype(np.float32)
        for part in parts:
            part.within(window).of(prediction)[:] = self._predicted(part)
        return prediction

    def looked_at(self, window: Window) -> int:
        """Return how many pixels the network sees for the prediction at `window`."""
        return sum(self._around(part).pixels for part in self._parts(window))

    def _around(self, window: Window) -> Window:
        return surroundings(finest(self._generator), window, self._rgb.shape[:2])

    def _predicted(self, window: Window) -> NDArray[np.float32]:
        around = self._around(window)
        net = self._generator
        if self._guide is not None:
            net = Guided(net, self._guide, around.top, around.left)  # type: ignore[arg-type]
        source = np.ascontiguousarray(around.of(self._rgb))
        return np.ascontiguousarray(window.within(around).of(_predicted(net, source, "evaluate")))

    def _parts(self, window: Window) -> list[Window]:
        """Return the parts of `window` that the network has to see: few pixels, with margins."""
        if self.open is None:
            return [window]
        box = self._open_box(window)
        if box is None:
            return []
        if max(box.height, box.width) < SMALLEST_PART:
            return [box]
        parts = [part for half in _halves(box) for part in self._parts(half)]
        split = sum(self._around(part).pixels for part in parts)
        return parts if split < self._around(box).pixels else [box]

    def _open_box(self, window: Window) -> Window | None:
        """Return the smallest part of `window`, in whole cells, outside of which the gate is shut
        there."""
        assert self.open is not None
        top, left = window.top // FACTOR, window.left // FACTOR
        bottom = -(-(window.top + window.height) // FACTOR)
        right = -(-(window.left + window.width) // FACTOR)
        cells = self.open[top:bottom, left:right]
        rows, columns = (np.flatnonzero(cells.any(axis)) for axis in (1, 0))
        if not len(rows):
            return None
        spans = []
        for first, last, corner, start, length in (
            (rows[0], rows[-1], top, window.top, window.height),
            (columns[0], columns[-1], left, window.left, window.width),
        ):
            begin = max(start, int(corner + first) * FACTOR)
            end = min(start + length, int(corner + last + 1) * FACTOR)
            spans.append((begin, end - begin))
        (top, height), (left, width) = spans
        return Window(top, left, height, width)


def _halves(window: Window) -> tuple[Window, Window]:
    """Return the halves of a window, cut across its longer side, at a cell's border."""
    top, left, height, width = window.top, window.left, window.height, window.width
    if height >= width:
        cut = -(-(top + height // 2) // FACTOR) * FACTOR - top
        return Window(top, left, cut, width), Window(top + cut, left, height - cut, width)
    cut = -(-(left + width // 2) // FACTOR) * FACTOR - left
    return Window(top, left, height, cut), Window(top, left + cut, height, width - cut)


def whole_guide(coarse: Detail, rgb: NDArray[np.uint8]) -> Tensor:
    """Return what the coarse network of a `pyramid` says of a picture, file space; see
    pyramid.guide_of_whole."""
    rows = strips_of(len(rgb), coarse)
    return guide_of_whole(coarse, (spaces.to_network(rgb[r], coarse.input_nc) for r in rows))


def predicted(
    generator: nn.Module, rgb: NDArray[np.uint8], mode: PredictMode = "evaluate"
) -> NDArray[np.float32]:
    """Return the prediction for a picture of any size, as levels (H, W, 3) in 0..255, unrounded.

    Pictures larger than WHOLE go through local generators tile by tile, with their margin around
    each: the same but for rounding, in bounded memory. Between two tiles Ctrl+C is heeded. The
    classic generators normalise over the picture, and take it whole.
    """
    height, width = rgb.shape[:2]
    whole = height * width <= WHOLE
    if isinstance(generator, Pyramid) and whole:  # not extended further than when in tiles
        return Local(generator, rgb).at(Window(0, 0, height, width))
    if not is_local(generator) or whole:
        return _predicted(generator, rgb, mode)
    local = Local(generator, rgb)
    give_back()
    prediction = np.empty((height, width, 3), np.float32)
    for window in windows((height, width), tile_side(generator)):
        prediction[window.slices] = local.at(window)
    give_back()
    return prediction


def tile_side(generator: nn.Module) -> int:
    """Return the pixels a side of a tile of a local generator, without its margin."""
    sees = finest(generator)
    # Tiles begin where the network's cells of `size_multiple` pixels do, as in the whole picture.
    multiple, margin = int(sees.size_multiple), int(sees.margin)  # type: ignore[arg-type]
    return (math.isqrt(TILE) - 2 * margin) // multiple * multiple


def _predicted(
    generator: nn.Module, rgb: NDArray[np.uint8], mode: PredictMode
) -> NDArray[np.float32]:
    source = spaces.to_network(rgb, int(generator.input_nc))  # type: ignore[arg-type]
    return spaces.to_levels(networks.predict(generator, source, mode))


def pair_error(pair: Pair, prediction: NDArray[np.float32]) -> PairError:
    """Return the figures of `prediction` (levels) for `pair`."""
    source, target = pair.source, pair.target
    identity = level_error(source, target)
    return PairError(
        name=pair.name,
        level_error=level_error(prediction, target),
        identity_error=identity,
        recovered_share=recovered_share(prediction, target, source) if identity else None,
        exact_pixels=exact_pixels(prediction, target),
    )


def asked_of(pair: Pair, known: PairMap | None) -> Pair:
    """Return the pair with the answer that is asked for in place of its target."""
    if known is None or known.lossless:
        return pair
    whole = (slice(0, length) for length in pair.shape)
    source, target = pair.source, pair.target
    return Pair(pair.name, source, known.asked(source, target, *whole), pair.files)


def told_apart(error: PairError, pair: Pair) -> PairError:
    """Return `error` with what of doing nothing is retouch, and what compression."""
    return dataclasses.replace(error, identity_parts=identity_parts(pair.source, pair.target))


def evaluate(
    generator: nn.Module, pairs: Sequence[Pair], mode: PredictMode = "evaluate"
) -> Iterator[tuple[Pair, NDArray[np.float32], PairError]]:
    """Yield each pair with its prediction (levels) and its figures, one at a time."""
    for pair in pairs:
        prediction = predicted(generator, pair.source, mode)
        yield pair, prediction, pair_error(pair, prediction)
