"""Retouch told apart from noise: where a pair was retouched, and what else differs.

A pixel counts as retouched where the difference around it stands out above the noise of the pair
(see pair_noise.py), or, for a large and faint change such as dodge and burn, where the mean
difference around it does. Places that were moved (liquify, see movement.py) count as untouched.

Everything is measured in strips of rows, so a large picture needs little memory.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.pixels import slow_change
from unretouch.pixels.alignment import placed
from unretouch.pixels.images import row_strips
from unretouch.pixels.pair_noise import (
    BLOCK,
    block_means,
    block_moments,
    exact_difference,
    made_of_the_other,
    measured,
    noise_by_block,
    whole_blocks,
)
from unretouch.pixels.spaces import (
    LUMA,
    ROUNDED,
    Mask,
    Plane,
    Rgb,
    depth,
    eight,
    holds_sixteen,
    in_levels,
    levels_to_file,
)

STRIP = 512
"""Rows that are measured together."""
TILE = 512
"""Pixels a side of the tiles whose mask is found together."""
HALO = 40
"""Rows and columns around a tile that its mask depends on: whole blocks."""
ROUNDING = 0.5
"""Grey levels that two 8-bit pictures of one scene may differ (RMS) through rounding alone: each
rounding has an RMS of 0.29, both together of 0.41."""
LEFT_ALONE = 0.02
"""Share of the blocks that are the same on both sides, from which on none of them was rounded."""
FINE_ROUNDING = 0.05
"""The same of two 16-bit pictures: far more than their rounding, and less than the finest texture
that a retouch takes away, which is some 0.3."""
FAINT = 0.5
"""Grey levels of a mean difference below which a large change is not looked for."""
NEAR, AROUND = 5, 11
"""Pixels a side of the squares over which a difference is averaged."""
NEAR_MARGIN, AROUND_MARGIN, MEAN_MARGIN = 1.8, 1.5, 4.0
"""How many times the noise a difference must reach: in these squares, and as a mean; the first two
where the noise is the same everywhere, more where it is not (see PairMap.spread)."""

SMALLEST = BLOCK**2
"""Pixels that hang together below which they pass for noise, which is measured block by block."""
CLEAR = 2.0
"""How many times the limit of a difference (squared) must be reached for fewer of them to count."""


def nearest_answer(
    prediction: NDArray[Any], asked: NDArray[Any], target: NDArray[Any]
) -> NDArray[np.float32]:
    """Return of all right answers that one which is nearest to a prediction, levels, (h, w, 3).

    Where a pair was retouched, `asked` is its target, and that is right. Elsewhere the sides differ
    by noise alone, so each value between `asked` and `target` is. File space or levels.
    """
    one, other = in_levels(asked), in_levels(target)
    return np.clip(in_levels(prediction), np.minimum(one, other), np.maximum(one, other))


@dataclass(frozen=True)
class PairMap:
    """What is known of the difference of a pair, block by block. Small beside the pair."""

    shape: tuple[int, int]
    """(H, W) of the pair"""
    absolute: Plane
    """(h, w): mean absolute difference over R, G and B, grey levels"""
    difference: Plane
    """(h, w): mean square difference, grey levels squared"""
    change: Plane
    """(h, w, 3): mean difference, target - source"""
    noise: Plane
    """(h, w): what of `difference` is to be expected where nothing was retouched"""
    noise_of_means: Plane
    """(h, w): the same for the square of the mean difference of luma"""
    spread: float = 0.0
    """how uneven the noise is: spread of the logarithm of difference over noise, about 0.2 for
    noise of a sensor, 0.5 to 1 for that of compression"""
    moved: Mask | None = None
    """(h, w): which blocks were moved by hand; None where none was"""
    rounding: float = ROUNDING
    """grey levels (RMS) that the sides may differ through rounding alone"""
    _tiles: dict[tuple[int, int], NDArray[np.uint8]] = field(default_factory=dict, repr=False)
    _slow: dict[float, Plane] = field(default_factory=dict, repr=False)

    def swapped(self) -> PairMap:
        """Return the map of the pair the other way round: the retouch lies where it did."""
        return replace(self, change=-self.change, _slow={})

    @property
    def light(self) -> Plane:
        """(h, w): mean difference of luma, target - source."""
        return np.asarray(self.change @ LUMA)

    @cached_property
    def noise_level(self) -> float:
        """Grey levels (RMS) by which the sides differ without retouching, in a typical block."""
        return float(np.sqrt(np.median(self.noise)))

    @property
    def lossless(self) -> bool:
        """Whether the sides differ by retouching alone."""
        return self.exact and self.moved is None

    @cached_property
    def exact(self) -> bool:
        """Whether there is no noise between the sides."""
        return not self.noise.any()

    @cached_property
    def blocks(self) -> Mask:
        """(h, w): in which blocks the retouch stands out; coarser than `mask`, and at no cost."""
        from scipy import ndimage

        found = self.difference > np.maximum(
            self.rounding**2, self._times(AROUND_MARGIN) * self.noise
        )
        spread = np.sqrt(self._around_means + 1e-4)
        large = np.abs(ndimage.gaussian_filter(self.light, 1.0))
        found = found | (large > np.maximum(FAINT, MEAN_MARGIN / 2 * spread))
        return np.asarray(found if self.moved is None else found & ~self.moved)

    @cached_property
    def asked_blocks(self) -> Plane:
        """(h, w): `absolute` where something is asked for, 0 where only noise differs."""
        return self.absolute if self.lossless else self.absolute * self.blocks

    def asked_rows(self, rows: slice) -> Plane:
        """Return `asked_blocks` for these rows of the picture, grey levels, (rows, W)."""
        return self._rows(self.asked_blocks, rows)

    @property
    def asked_error(self) -> float:
        """What doing nothing costs of what is asked for, grey levels."""
        return self.identity_error if self.lossless else self.retouch_error

    def block_rows(self, rows: slice) -> NDArray[np.uint8]:
        """Return `blocks` for these rows of the picture, 1 or 0, (rows, W, 1)."""
        return np.asarray(self._rows(self.blocks, rows)[..., None], np.uint8)

    def _rows(self, blocks: NDArray[Any], rows: slice) -> NDArray[Any]:
        """Return the blocks' values for the pixels of these rows."""
        by_row = blocks[np.arange(rows.start, rows.stop) // BLOCK].repeat(BLOCK, 1)
        return np.asarray(by_row[:, : self.shape[1]])

    @property
    def identity_error(self) -> float:
        """Mean absolute difference of the sides, grey levels: what doing nothing costs."""
        return float(self.absolute.mean(dtype=np.float64))

    @property
    def retouch_error(self) -> float:
        """The part of `identity_error` that lies where the retouch stands out."""
        return float((self.absolute * self.blocks).mean(dtype=np.float64))

    def mask(self, source: Rgb, target: Rgb, rows: slice, columns: slice) -> Mask:
        """Return where the window `rows` x `columns` of the pair was retouched.

        `source` and `target` are the whole pictures, file space (H, W, 3); bool (rows, columns).
        What was looked at once is remembered, a bit a pixel.
        """
        top, left = (side.start // TILE for side in (rows, columns))
        bottom, right = (-(-side.stop // TILE) for side in (rows, columns))
        found = np.block(
            [
                [self._tile(source, target, row, column) for column in range(left, right)]
                for row in range(top, bottom)
            ]
        )
        top, left = top * TILE, left * TILE
        return np.asarray(
            found[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        )

    def asked(
        self, source: Rgb, target: Rgb, rows: slice, columns: slice, sigma: float | None = None
    ) -> Rgb:
        """Return the answer that is asked for in a window of the pair, (rows, columns, 3).

        It is the target where the pair was retouched, and elsewhere the source: noise can be
        neither learnt nor recovered. With `sigma`, in pixels, it lacks what changes more slowly
        (see slow_change.py). `source` and `target` are the whole pictures.
        """
        answer, own = target[rows, columns], source[rows, columns]
        if self.lossless and sigma is None:
            return answer
        retouched = self._changed(source, target, rows, columns)[..., None]
        if sigma is not None:
            slow = slow_change.enlarged(self._slow_blocks(sigma), rows, columns)
            levels = in_levels(answer)
            if self.lossless:  # of 16 bits a brush ends by less and less, not by a step
                slow *= slow_change.weight(levels - in_levels(own))
            answer = levels_to_file(levels - slow, depth(answer))
        return np.where(retouched, answer, own)

    def _slow_blocks(self, sigma: float) -> Plane:
        """Return what changes more slowly than `sigma` pixels, (h, w, 3): known from the blocks,
        so that no crop has to wait for the whole picture."""
        if sigma not in self._slow:
            change = self.change if self.lossless else self.change * self.blocks[..., None]
            self._slow[sigma] = slow_change.slow_blocks(change, sigma)
        return self._slow[sigma]

    def _changed(self, source: Rgb, target: Rgb, rows: slice, columns: slice) -> Mask:
        if self.lossless:
            return np.asarray((source[rows, columns] != target[rows, columns]).any(2))
        return self.mask(source, target, rows, columns)

    def _tile(self, source: Rgb, target: Rgb, row: int, column: int) -> Mask:
        height, width = (
            min(TILE, length - place * TILE)
            for length, place in zip(self.shape, (row, column), strict=True)
        )
        known = self._tiles.get((row, column))
        if known is None:
            top, left = max(0, row * TILE - HALO), max(0, column * TILE - HALO)
            around = np.s_[top : (row + 1) * TILE + HALO, left : (column + 1) * TILE + HALO]
            found = self._found(source[around], target[around], top, left)
            down, across = row * TILE - top, column * TILE - left
            found = found[down : down + height, across : across + width]
            rows, columns = row * TILE, column * TILE
            found &= ~self._moved_pixels(
                slice(rows, rows + height), slice(columns, columns + width)
            )
            known = np.packbits(found)
            self._tiles[row, column] = known
        bits = np.unpackbits(known, count=height * width)
        return bits.view(np.bool_).reshape(height, width)

    def _moved_pixels(self, rows: slice, columns: slice) -> Mask:
        """Return `moved` for the pixels of a window."""
        if self.moved is None:
            return np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
        down, across = (np.arange(side.start, side.stop) // BLOCK for side in (rows, columns))
        return np.asarray(self.moved[down[:, None], across])

    def _times(self, margin: float) -> float:
        """Return how many times the mean square of the noise a difference must reach."""
        return float(margin**2 * np.exp(self.spread))

    @cached_property
    def _around(self) -> Plane:
        """The noise of a block, raised a little by that of its neighbours: blocks of JPEG that are
        not aligned with these reach into both."""
        from scipy import ndimage

        around: Plane = ndimage.maximum_filter(self.noise, 3)
        return around * np.float32(0.25) + self.noise * np.float32(0.75)

    @cached_property
    def _around_means(self) -> Plane:
        """The noise of a block's mean difference, over the blocks around it."""
        from scipy import ndimage

        smooth: Plane = ndimage.gaussian_filter(self.noise_of_means, 2.0)
        return smooth

    def _found(self, source: Rgb, target: Rgb, top: int, left: int) -> Mask:
        """Return the mask of a window that begins at a block's corner."""
        from scipy import ndimage

        height, width = source.shape[:2]
        residual = exact_difference(target, source)
        squared = np.einsum("hwc,hwc->hw", residual, residual) / np.float32(3)
        noise = _window(self._around, top, left, height, width)
        near = ndimage.uniform_filter(squared, NEAR, mode="mirror")
        limit = np.maximum(self.rounding**2, self._times(NEAR_MARGIN) * noise)
        found = near > limit
        around = ndimage.uniform_filter(squared, AROUND, mode="mirror")
        found |= (around > np.maximum(self.rounding**2, self._times(AROUND_MARGIN) * noise)) & (
            near > noise
        )
        found |= self._faint(residual @ LUMA, top, left)
        if self.exact:
            return np.asarray(found)
        return self._without_specks(found, near > CLEAR * limit, top, left)

    def _without_specks(self, found: Mask, clear: Mask, top: int, left: int) -> Mask:
        """Return the mask of a window without pieces of fewer than SMALLEST pixels, but for those
        that hold any of `clear` or may go on beyond the window."""
        from scipy import ndimage

        pieces, _ = ndimage.label(found, np.ones((3, 3)))
        counts = np.bincount(pieces.ravel())
        bottom, right = top + found.shape[0], left + found.shape[1]
        for edge, ends in (
            (pieces[0], top == 0),
            (pieces[-1], bottom == self.shape[0]),
            (pieces[:, 0], left == 0),
            (pieces[:, -1], right == self.shape[1]),
        ):
            if not ends:
                counts[edge] = SMALLEST
        counts[pieces[clear]] = SMALLEST
        counts[0] = 0  # what is no piece
        return np.asarray(counts[pieces] >= SMALLEST)

    def _faint(self, light: Plane, top: int, left: int) -> Mask:
        """Return where the mean difference of luma stands out: over some 10 and some 30 pixels."""
        from scipy import ndimage

        height, width = light.shape
        even = np.pad(light, ((0, height % 2), (0, width % 2)), mode="edge")
        cells = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
        spread = np.sqrt(_window(self._around_means, top, left, *even.shape)[::2, ::2] + 1e-4)
        small = np.abs(ndimage.gaussian_filter(cells, 1.5))
        large = np.abs(ndimage.gaussian_filter(cells, 4.0))
        limit = np.maximum(FAINT, MEAN_MARGIN / 2 * spread)
        found = (small > np.maximum(FAINT, MEAN_MARGIN * spread)) | (
            (large > limit) & (small > limit / 2)
        )
        return np.asarray(found.repeat(2, 0).repeat(2, 1)[:height, :width])


def pair_map(source: Rgb, target: Rgb, coded: Rgb | None = None) -> PairMap:
    """Measure the difference and the noise of a pair, file space (H, W, 3) of one size.

    `coded` is the source as its file has it, where it was brought to the target's colours: that
    takes away what JPEG leaves.
    """
    height, width = source.shape[:2]
    if min(height, width) < 2 * BLOCK:
        return exact_map(source, target)
    with ThreadPoolExecutor(2) as pool:  # compression releases the interpreter
        strips = row_strips(height, STRIP)
        parts = list(pool.map(lambda rows: measured(source, target, rows), strips))
    absolute, difference, change, own, unlike, losses, losses_of_means = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    file = source if coded is None else coded
    sixteen = holds_sixteen(file), holds_sixteen(target)
    untouched = made_of_the_other(own, any(sixteen))
    if depth(target) == 8 or all(sixteen) or untouched:
        noise = noise_by_block(
            file, target, losses, losses_of_means, own, unlike, all(sixteen), untouched
        )
    else:
        coarse = pair_map(eight(source), eight(target), None if coded is None else eight(coded))
        noise = coarse.noise, coarse.noise_of_means, coarse.spread
        # Of a side that was made of the other at 16 bits, what was left alone is the same.
        if any(sixteen) and (difference == 0).mean() < LEFT_ALONE:
            noise = noise[0] + ROUNDED, noise[1] + ROUNDED / BLOCK**2, noise[2]
    lies = placed(source, target)
    moved = None if lies is None else lies.left_out(height, width)
    rounding = FINE_ROUNDING if all(sixteen) else ROUNDING
    return PairMap((height, width), absolute, difference, change, *noise, moved, rounding)


def exact_map(source: Rgb, target: Rgb) -> PairMap:
    """Return the map of a pair without noise: made by a program, or too small to measure any."""
    residual = exact_difference(*(whole_blocks(side) for side in (target, source)))
    absolute = block_means(np.abs(residual)).mean(2)
    nothing = np.zeros_like(absolute)
    change, difference, _ = block_moments(residual)
    return PairMap(source.shape[:2], absolute, difference, change, nothing, nothing.copy())


def retouched_area(source: Rgb, target: Rgb, known: PairMap | None = None) -> Mask:
    """Return where the retouch changed the picture: bool (H, W). `known` is its pair_map."""
    known = known or pair_map(source, target)
    found = np.empty(source.shape[:2], np.bool_)
    whole = slice(0, source.shape[1])
    for rows in row_strips(len(source), STRIP):
        found[rows] = known.mask(source, target, rows, whole)
    return found


def _window(blocks: Plane, top: int, left: int, height: int, width: int) -> Plane:
    """Return the blocks' values for the pixels of a window that begins at a block's corner."""
    rows = slice(top // BLOCK, -(-(top + height) // BLOCK))
    columns = slice(left // BLOCK, -(-(left + width) // BLOCK))
    large = blocks[rows, columns].repeat(BLOCK, 0).repeat(BLOCK, 1)
    return np.pad(
        large[:height, :width],
        ((0, max(0, height - len(large))), (0, max(0, width - large.shape[1]))),
        mode="edge",
    )
