"""Run a generator over pictures of any size, the same way every time: whole, or in parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unretouch.base.memory import give_back
from unretouch.networks.generator import Generator
from unretouch.pixels import spaces
from unretouch.pixels.images import row_strips
from unretouch.pixels.retouch import skin_mask
from unretouch.pixels.slow_change import SlowChange, cell_of, reach_of

PredictMode = Literal["evaluate", "running", "train"]

SMALLEST = 16
"""Pixels a side that any generator can take; the residual ones reflect at a quarter of the size."""
WHOLE = 1_500_000
"""Pixels up to which a picture goes through the network whole."""
TILE = 700_000
"""Pixels of a tile of larger ones, with its margin: beside the prediction there is less room."""
SMALLEST_PART = 128
"""Pixels a side of a part that is not divided further to leave out cells that may not change."""
CUTS = 8
"""Cells from one place where a part may be cut to the next."""


@torch.no_grad()
def predict(net: Generator, source: torch.Tensor, mode: PredictMode = "evaluate") -> torch.Tensor:
    """Return the prediction for `source`, network space, float32 (N, C, H, W), any H and W.

    "evaluate": no dropout; batch normalisation by the statistics of each picture itself, as in
    training with one picture a step. The same every time. "running": no dropout, the running
    statistics. "train": the classic noise, dropout from torch's random state, and the statistics of
    each picture. None of them changes the network: statistics and mode are left as found.

    Sides are padded right and below by reflection to the network's `size_multiple`.
    """
    height, width = source.shape[-2:]
    weight = next(net.parameters())
    ready = padded(source.to(weight.device, torch.float32), net.size_multiple)
    with _prepared(net, mode):
        # One by one, so that a prediction does not depend on its neighbours in the batch.
        pictures = [net(ready[n : n + 1]) for n in range(len(ready))]
    return torch.cat(pictures)[..., :height, :width].float().contiguous()


@contextmanager
def _prepared(net: nn.Module, mode: PredictMode) -> Iterator[None]:
    modules = list(net.modules())
    found = [module.training for module in modules]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)] if mode != "running" else []
    statistics = [(norm.running_mean, norm.running_var) for norm in norms]
    try:
        net.train(mode == "train")
        for norm in norms:
            # Without running statistics, batch normalisation takes those of the picture.
            norm.eval()
            norm.running_mean = norm.running_var = None
        yield
    finally:
        for module, training in zip(modules, found, strict=True):
            module.training = training
        for norm, (mean, variance) in zip(norms, statistics, strict=True):
            norm.running_mean, norm.running_var = mean, variance


def padded(source: torch.Tensor, multiple: int) -> torch.Tensor:
    """Return (N, C, H, W) extended right and below by reflection to multiples of `multiple`."""
    for dimension in (-2, -1):
        size = source.shape[dimension]
        wanted = -(-max(size, SMALLEST) // multiple) * multiple
        if wanted > size:
            source = source.index_select(dimension, _reflected(size, wanted).to(source.device))
    return source


def _reflected(size: int, wanted: int) -> torch.Tensor:
    """Indices 0, 1 .. size-1, size-2 .. 0, 1 ..: there and back without repeating the ends."""
    period = max(1, 2 * (size - 1))
    index = torch.arange(wanted) % period
    return torch.minimum(index, period - index) if size > 1 else index


def predict_picture(
    generator: Generator, rgb: spaces.Rgb, mode: PredictMode = "evaluate"
) -> NDArray[np.float32]:
    """Return the prediction for a picture of any size, file space (H, W, 3), as levels (H, W, 3) in
    0..255, unrounded.

    Pictures larger than WHOLE go through local generators tile by tile, with their margin around
    each: the same but for rounding, in bounded memory. Between two tiles Ctrl+C is heeded. The
    others normalise over the picture, and take it whole.
    """
    if generator.does_nothing():
        return spaces.in_levels(rgb).copy()
    if not generator.is_local:
        return _predicted(generator, rgb, mode)
    shape = height, width = rgb.shape[:2]
    parts = PartPredictor(generator, rgb)
    if height * width <= WHOLE:  # not extended further than in tiles
        prediction = parts.unsteadied_at(Window(0, 0, height, width))
    else:
        give_back()
        prediction = np.empty((height, width, 3), np.float32)
        for window in windows(shape, tile_side(generator)):
            prediction[window.slices] = parts.unsteadied_at(window)
        give_back()
    _steady(generator, rgb, prediction)
    if generator.only_skin:
        skin = skin_mask(rgb)
        for rows in row_strips(height):
            _leave_all_but(skin[rows], rgb[rows], prediction[rows])
    return prediction


def _leave_all_but(
    skin: NDArray[np.float32], source: spaces.Rgb, prediction: NDArray[np.float32]
) -> None:
    """Overwrite a prediction by one that is the source where there is no `skin`, (h, w)."""
    levels = spaces.in_levels(source)
    prediction[:] = levels + skin[..., None] * (prediction - levels)


def _steady(generator: Generator, rgb: spaces.Rgb, prediction: NDArray[np.float32]) -> None:
    """Overwrite the `prediction` of a whole picture (levels) by one without the slow change that
    was not asked for."""
    if generator.slower is None:
        return
    height, width = rgb.shape[:2]
    slow = SlowChange(height, width, generator.slower)
    for rows in row_strips(len(rgb)):
        slow.add(prediction[rows] - spaces.in_levels(rgb[rows]), rows.start)
    for rows in row_strips(len(rgb)):
        _take_out(slow, rgb[rows], prediction[rows], rows.start)


def _take_out(
    slow: SlowChange,
    source: spaces.Rgb,
    prediction: NDArray[np.float32],
    top: int,
    left: int = 0,
) -> None:
    """Overwrite the prediction of a window by one without its slow change."""
    levels = spaces.in_levels(source)
    change = prediction - levels
    slow.take_out(change, top, left)
    np.clip(levels + change, 0, 255, out=prediction)


def _predicted(
    generator: Generator, rgb: spaces.Rgb, mode: PredictMode = "evaluate"
) -> NDArray[np.float32]:
    source = spaces.to_network(rgb, generator.input_nc)
    return spaces.to_levels(predict(generator, source, mode))


def tile_side(generator: Generator) -> int:
    """Return the pixels a side of a tile of a local generator, without its margin."""
    finest = generator.networks[-1]
    assert finest.margin is not None
    # Tiles begin where the network's cells of `size_multiple` pixels do, as in the whole picture.
    multiple = finest.size_multiple
    return (math.isqrt(TILE) - 2 * finest.margin) // multiple * multiple


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


def _widened(window: Window, by: int, cell: int, shape: tuple[int, int]) -> Window:
    """Return the window with `by` pixels more on each side, of a picture of `shape` (H, W); it
    begins and ends with a cell, or the picture."""
    spans = []
    for start, length, end in (
        (window.top, window.height, shape[0]),
        (window.left, window.width, shape[1]),
    ):
        low = max(0, start - by) // cell * cell
        spans.append((low, min(end, -(-(start + length + by) // cell) * cell) - low))
    (top, height), (left, width) = spans
    return Window(top, left, height, width)


def surroundings(generator: Generator, window: Window, shape: tuple[int, int]) -> Window:
    """Return the window of a picture of `shape` (H, W) that a prediction of `window` depends on.

    It begins where the network's cells of `size_multiple` pixels do, as in the whole picture. The
    generator must be local.
    """
    assert generator.margin is not None
    return _widened(window, generator.margin, generator.size_multiple, shape)


class PartPredictor:
    """What a generator makes of parts of a picture.

    One that looks first looks at the whole picture once. Where it says that it changes nothing the
    prediction is the source, and no network sees it.
    """

    def __init__(self, generator: Generator, rgb: spaces.Rgb) -> None:
        """The generator must be local. `rgb` is file space, (H, W, 3)."""
        self._rgb, self._slower = rgb, generator.slower
        self._only_skin = generator.only_skin
        self.seen = 0
        """pixels that the network was given so far"""
        self._generator = generator.look(
            len(rgb), lambda rows: spaces.to_network(rgb[rows], generator.input_nc)
        )

    @cached_property
    def _skin(self) -> NDArray[np.float32]:
        return skin_mask(self._rgb)

    @property
    def open_cells(self) -> NDArray[np.bool_] | None:
        """See Generator."""
        return self._generator.open_cells

    def at(self, window: Window) -> NDArray[np.float32]:
        """Return the prediction at `window`, as levels (h, w, 3), like that of the whole.

        What slow change is taken out depends on far more of the picture: a network that looked at
        the whole of it is taken at its word for the rest, others see it for that.
        """
        prediction = self.unsteadied_at(window)
        if self._slower is not None:
            around, slow = self._slow_change(window, self._slower)
            inner = window.within(around)
            _take_out(slow, window.of(self._rgb), prediction, inner.top, inner.left)
        if self._only_skin:
            _leave_all_but(window.of(self._skin), window.of(self._rgb), prediction)
        return prediction

    def unsteadied_at(self, window: Window) -> NDArray[np.float32]:
        """Return the same with the slow change that the network guessed."""
        parts = self._parts(window)
        if parts == [window]:
            return self._predicted(window)
        prediction = spaces.in_levels(window.of(self._rgb)).copy()
        for part in parts:
            part.within(window).of(prediction)[:] = self._predicted(part)
        return prediction

    def spread(self, window: Window) -> NDArray[np.float32]:
        """Return how far the luma of a prediction that is guessed may be off in each band, at
        `window`: a deviation in levels, (h, w, bands). Nothing of what it guesses is left out."""
        part, source, inner = self._part(window)
        ready = padded(spaces.to_network(source, part.input_nc), part.size_multiple)
        weight = next(part.parameters())
        with torch.no_grad():
            spread = part.spread(ready.to(weight.device)).mul(spaces.GREY_LEVELS)
        height, width = source.shape[:2]
        planes = spread[0, :, :height, :width].permute(1, 2, 0).float().cpu().numpy()
        return np.ascontiguousarray(inner.of(planes))

    def looked_at(self, window: Window) -> int:
        """Return how many pixels the network sees for `unsteadied_at`."""
        return self._seen(self._parts(window))

    def may_change(self, window: Window) -> NDArray[np.bool_]:
        """Return which pixels of `window` are not known to stay as they are, (h, w)."""
        return self._generator.may_change(window.top, window.left, window.height, window.width)

    def _slow_change(self, window: Window, sigma: float) -> tuple[Window, SlowChange]:
        """Return what changes slowly at `window`, and the window around where that is known."""
        around = _widened(window, reach_of(sigma), cell_of(sigma), self._rgb.shape[:2])
        slow = SlowChange(around.height, around.width, sigma)
        large = self._generator.large_change
        if large is None:
            side = tile_side(self._generator) // cell_of(sigma) * cell_of(sigma)
            for part in windows((around.height, around.width), side):
                here = replace(part, top=around.top + part.top, left=around.left + part.left)
                change = self.unsteadied_at(here) - spaces.in_levels(here.of(self._rgb))
                slow.add(change, part.top, part.left)
        else:
            slow.add(around.in_cells(self._cell).of(large), 0, size=self._cell)
        return around, slow

    @property
    def _cell(self) -> int:
        return self._generator.size_multiple

    def _around(self, window: Window) -> Window:
        return surroundings(self._generator, window, self._rgb.shape[:2])

    def _predicted(self, window: Window) -> NDArray[np.float32]:
        part, source, inner = self._part(window)
        self.seen += source.shape[0] * source.shape[1]
        return np.ascontiguousarray(inner.of(_predicted(part, source)))

    def _part(self, window: Window) -> tuple[Generator, spaces.Rgb, Window]:
        """Return the generator for a window and what is around it, that, and the window in it."""
        around = self._around(window)
        inner = window.within(around)
        part = self._generator.part_at(around.top, around.left, inner.slices)
        return part, np.ascontiguousarray(around.of(self._rgb)), inner

    def _parts(self, window: Window) -> list[Window]:
        """Return the parts of `window` that the network has to see: few pixels, with margins."""
        if self.open_cells is None:
            return [window]
        box = self._open_box(window)
        if box is None:
            return []
        if max(box.height, box.width) < SMALLEST_PART:
            return [box]
        if box.in_cells(self._cell).of(self.open_cells).all():
            return [box]
        pairs = [self._boxes(halves) for halves in _cuts(box, CUTS * self._cell)]
        parts = [part for one in min(pairs, key=self._seen) for part in self._parts(one)]
        return parts if self._seen(parts) < self._seen([box]) else [box]

    def _boxes(self, windows: Iterable[Window]) -> list[Window]:
        return [box for window in windows if (box := self._open_box(window)) is not None]

    def _seen(self, parts: Iterable[Window]) -> int:
        """Return how many pixels the network sees for these parts, on its way down at least."""
        return sum(self._around(part).pixels for part in parts)

    def _open_box(self, window: Window) -> Window | None:
        """Return the smallest part of `window`, in whole cells, outside of which nothing
        changes."""
        cell = self._cell
        assert self.open_cells is not None
        top, left = window.top // cell, window.left // cell
        bottom = -(-(window.top + window.height) // cell)
        right = -(-(window.left + window.width) // cell)
        cells = self.open_cells[top:bottom, left:right]
        rows, columns = (np.flatnonzero(cells.any(axis)) for axis in (1, 0))
        if not len(rows):
            return None
        spans = []
        for first, last, corner, start, length in (
            (rows[0], rows[-1], top, window.top, window.height),
            (columns[0], columns[-1], left, window.left, window.width),
        ):
            begin = max(start, int(corner + first) * cell)
            end = min(start + length, int(corner + last + 1) * cell)
            spans.append((begin, end - begin))
        (top, height), (left, width) = spans
        return Window(top, left, height, width)


def _cuts(window: Window, step: int) -> Iterator[tuple[Window, Window]]:
    """Yield every way to cut a window in two, across or down, at multiples of `step` pixels."""
    top, left, height, width = window.top, window.left, window.height, window.width
    for cut in range(step, height, step):
        yield Window(top, left, cut, width), Window(top + cut, left, height - cut, width)
    for cut in range(step, width, step):
        yield Window(top, left, height, cut), Window(top, left + cut, height, width - cut)
