"""Retouch told apart from noise: where a pair was retouched, and what else differs.

Two files of one photograph differ everywhere when they were compressed apart, and more where there
is texture. So the noise is measured for each block of 8 pixels, the block of JPEG: as a mixture of
what another compression of these very pictures would do (strong and weak), of noise of one
strength, and of noise that grows with the light. How much of each is in the pair is fitted to the
blocks whose difference looks like noise. A robust fit, not the least changed blocks: part of a
picture may be identical on both sides by chance, a sky say.

A pixel counts as retouched where the difference around it stands out above that noise, or, for a
large and faint change such as dodge and burn, where the mean difference around it does.

Everything is measured in strips of rows, so a large picture needs little memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.pixels.jpeg import compressed_again, jpeg_traces
from unretouch.pixels.spaces import LUMA

Rgb = NDArray[np.uint8]
Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

BLOCK = 8
"""Pixels a side of the blocks in which noise is measured."""
STRIP = 512
"""Rows whose noise is measured together."""
TILE = 512
"""Pixels a side of the tiles whose mask is found together."""
HALO = 40
"""Rows and columns around a tile that its mask depends on: whole blocks."""
QUALITIES = (94, 75)
"""Of JPEG: what is lost at these spans what is lost in between."""
USUAL = np.array([0.55, 0.07, 0.1, 0.0])
"""Where the fit begins: two compressions at quality 92, on grids of their own."""
USUAL_COARSENESS, USUAL_SPREAD = 0.17, 0.55
"""How coarse such files are (see JpegTraces), and how uneven their noise is."""
NO_NOISE = np.zeros(len(USUAL)), 0.0

ROUNDING = 0.5
"""Grey levels that two 8-bit pictures of one scene may differ (RMS) through rounding alone: each
rounding has an RMS of 0.29, both together of 0.41."""
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

FEWEST_LIKE_NOISE = 0.1
"""Share of the blocks from which the noise can be measured."""
FLIPPED = 0.15
"""Share of the changed blocks that look like noise, of two JPEGs with many equal blocks."""
MOST_LIKE_NOISE = 0.5
"""Share of the changed blocks from which the noise is beyond doubt."""
HIGHEST_NOISE = 2.0
"""Grey levels; where hardly a block looks like noise, more is taken as retouching, lest a retouch
of the whole frame pass for noise."""
LOOSE, VERY_LOOSE = 0.88, 1.05
"""Spread of the logarithm of difference over noise from which on a fit explains little."""
SAMPLED = 40_000
"""Blocks that the fit looks at, at most."""
CLEAR_TRACES = 0.25
"""Of JPEG, in both sides, without which a retouch of the whole frame is taken as lossless."""


@dataclass(frozen=True)
class PairMap:
    """What is known of the difference of a pair, block by block. Small beside the pair."""

    shape: tuple[int, int]
    """(H, W) of the pair"""
    absolute: Plane
    """(h, w): mean absolute difference over R, G and B, grey levels"""
    difference: Plane
    """(h, w): mean square difference, grey levels squared"""
    light: Plane
    """(h, w): mean difference of luma, target - source"""
    noise: Plane
    """(h, w): what of `difference` is to be expected where nothing was retouched"""
    noise_of_means: Plane
    """(h, w): the same for the square of `light`"""
    spread: float = 0.0
    """how uneven the noise is: spread of the logarithm of difference over noise, about 0.2 for
    noise of a sensor, 0.5 to 1 for that of compression"""
    _tiles: dict[tuple[int, int], NDArray[np.uint8]] = field(default_factory=dict, repr=False)

    @cached_property
    def noise_level(self) -> float:
        """Grey levels (RMS) by which the sides differ without retouching, in a typical block."""
        return float(np.sqrt(np.median(self.noise)))

    @property
    def lossless(self) -> bool:
        """Whether the sides differ by retouching alone."""
        return not self.noise.any()

    @cached_property
    def blocks(self) -> Mask:
        """(h, w): in which blocks the retouch stands out; coarser than `mask`, and at no cost."""
        from scipy import ndimage

        found = self.difference > np.maximum(ROUNDING**2, self._times(AROUND_MARGIN) * self.noise)
        spread = np.sqrt(self._around_means + 1e-4)
        large = np.abs(ndimage.gaussian_filter(self.light, 1.0))
        return np.asarray(found | (large > np.maximum(FAINT, MEAN_MARGIN / 2 * spread)))

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

        `source` and `target` are the whole pictures, uint8 (H, W, 3); bool (rows, columns). What
        was looked at once is remembered, a bit a pixel.
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

    def asked(self, source: Rgb, target: Rgb, rows: slice, columns: slice) -> Rgb:
        """Return the answer that is asked for in a window of the pair, uint8 (rows, columns, 3).

        It is the target where the pair was retouched, and elsewhere the source: noise can be
        neither learnt nor recovered. `source` and `target` are the whole pictures.
        """
        answer = target[rows, columns]
        if self.lossless:
            return answer
        retouched = self.mask(source, target, rows, columns)
        return np.where(retouched[..., None], answer, source[rows, columns])

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
            known = np.packbits(found[down : down + height, across : across + width])
            self._tiles[row, column] = known
        bits = np.unpackbits(known, count=height * width)
        return bits.view(np.bool_).reshape(height, width)

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
        residual = _difference(target, source)
        squared = np.einsum("hwc,hwc->hw", residual, residual) / np.float32(3)
        noise = _window(self._around, top, left, height, width)
        near = ndimage.uniform_filter(squared, NEAR, mode="mirror")
        limit = np.maximum(ROUNDING**2, self._times(NEAR_MARGIN) * noise)
        found = near > limit
        around = ndimage.uniform_filter(squared, AROUND, mode="mirror")
        found |= (around > np.maximum(ROUNDING**2, self._times(AROUND_MARGIN) * noise)) & (
            near > noise
        )
        found |= self._faint(residual @ LUMA, top, left)
        if self.lossless:
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


def pair_map(source: Rgb, target: Rgb) -> PairMap:
    """Measure the difference and the noise of a pair, uint8 (H, W, 3) of one size."""
    height, width = source.shape[:2]
    if min(height, width) < 2 * BLOCK:
        return _tiny(source, target)
    with ThreadPoolExecutor(2) as pool:  # compression releases the interpreter
        parts = list(pool.map(lambda rows: _measured(source, target, rows), _strips(height)))
    absolute, difference, light, own, unlike, losses, losses_of_means = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    weights, spread = _fitted(losses, own, unlike)
    if (own > 0).any():
        weights, spread = _bounded(weights, spread, source, target, losses, own, unlike)
    of_means = losses_of_means @ weights
    noise = losses @ weights + of_means
    if _like_noise(own, unlike).mean() < FEWEST_LIKE_NOISE:
        noise = np.minimum(noise, HIGHEST_NOISE**2)
    return PairMap(
        (height, width),
        absolute,
        difference,
        light,
        noise.astype(np.float32),
        of_means.astype(np.float32),
        spread,
    )


def _tiny(source: Rgb, target: Rgb) -> PairMap:
    """Return the map of a pair too small to measure any noise in."""
    residual = _difference(*(_whole_blocks(side) for side in (target, source)))
    absolute = _means(np.abs(residual)).mean(2)
    nothing = np.zeros_like(absolute)
    light = np.asarray(_means(residual) @ LUMA)
    return PairMap(
        source.shape[:2], absolute, _moments(residual)[1], light, nothing, nothing.copy()
    )


def retouched_area(source: Rgb, target: Rgb, known: PairMap | None = None) -> Mask:
    """Return where the retouch changed the picture: bool (H, W). `known` is its pair_map."""
    known = known or pair_map(source, target)
    found = np.empty(source.shape[:2], np.bool_)
    whole = slice(0, source.shape[1])
    for rows in _strips(len(source)):
        found[rows] = known.mask(source, target, rows, whole)
    return found


def _strips(height: int) -> Iterator[slice]:
    for top in range(0, height, STRIP):
        yield slice(top, min(height, top + STRIP))


def _measured(source: Rgb, target: Rgb, rows: slice) -> tuple[NDArray[np.float32], ...]:
    """Return of a strip, by block: the absolute, squared and mean difference, the variance of the
    difference, how far the sides differ in their texture, and what compression and noise could
    have done, to that variance and to the square of the mean.

    The last two are (h, w, 4), in the order of USUAL.
    """
    before, after = (_whole_blocks(side[rows]) for side in (source, target))
    residual = _difference(after, before)
    light, difference, own = _moments(residual)
    zero = np.zeros_like(difference)
    losses, of_means = [zero] * len(QUALITIES), [zero] * len(QUALITIES)
    textures, brightness = [], zero
    for side in (before, after):
        means, _, texture = _moments(side.astype(np.float32))
        brightness = brightness + means.mean(2) / 2
        textures.append(texture)
        for number, quality in enumerate(QUALITIES):
            lost = _difference(compressed_again(side, quality, BLOCK // 2), side)
            means, _, variance = _moments(lost)
            losses[number] = losses[number] + variance
            of_means[number] = of_means[number] + np.square(means @ LUMA)
    unlike = np.abs(textures[1] - textures[0]) / (own + np.float32(0.02))
    even, growing = np.full_like(zero, 0.1), brightness / np.float32(100)
    return (
        _means(np.abs(residual)).mean(2),
        difference,
        light @ LUMA,
        own,
        unlike,
        np.stack([*losses, even, growing], -1),
        np.stack([*of_means, even / BLOCK**2, growing / BLOCK**2], -1),
    )


def _compressed_apart(source: Rgb, target: Rgb, changed: Mask) -> tuple[float, bool]:
    """Return how coarsely both sides were compressed (see JpegTraces), 0 if one was not, and
    whether either was.

    Looked at are the blocks that `changed`: the retouch of a JPEG keeps its traces elsewhere.
    """
    rows, columns = np.nonzero(changed)
    some = slice(None, None, max(1, len(rows) // SAMPLED))
    found = []
    for side in (source, target):
        blocks = _whole_blocks(side).reshape(len(changed), BLOCK, -1, BLOCK, 3).swapaxes(1, 2)
        found.append(jpeg_traces(blocks[rows[some], columns[some]]))
    clear = [traces.clearness >= CLEAR_TRACES for traces in found]
    coarseness = float(np.mean([traces.coarseness for traces in found])) if all(clear) else 0.0
    return coarseness, any(clear)


def _like_noise(variance: NDArray[Any], unlike: NDArray[Any]) -> Mask:
    """Return which blocks may differ by noise alone: noise takes no texture from either side."""
    return np.asarray((unlike < 0.7) | (variance == 0))


def _fitted(losses: Plane, variance: Plane, unlike: Plane) -> tuple[NDArray[np.float64], float]:
    """Return how much of each kind of noise is in the pair, (4,), none below zero, and how uneven
    it is.

    Least squares relative to what is expected, over the blocks near it, until that settles: the
    blocks that were retouched are further away. By variances: a block that is lighter or darker
    as a whole tells nothing of noise.
    """
    from scipy.optimize import nnls

    step = max(1, variance.size // SAMPLED)
    causes = losses.reshape(-1, len(USUAL))[::step].astype(np.float64)
    found, texture = (plane.ravel()[::step].astype(np.float64) for plane in (variance, unlike))
    same = found == 0
    textured = causes[:, 0] >= np.median(causes[:, 0])
    identical = float(same[textured].mean())
    if identical > 0.5:
        return NO_NOISE
    fit = ~same & _like_noise(found, texture)
    if fit.sum() < FEWEST_LIKE_NOISE * (~same).sum():
        fit = ~same
    if not fit.any():
        return NO_NOISE
    weights = USUAL
    scale = float(np.quantile(found[fit] / _expected(causes[fit], weights), 0.1)) * 1.3
    for _ in range(25):
        expected = _expected(causes[fit], weights) * scale
        scale = 1.0
        ratio = found[fit] / expected
        near = (ratio > 0.3) & (ratio < 2.2)
        if near.sum() < 100:
            break
        weights, _ = nnls(causes[fit][near] / expected[near, None], ratio[near])
    ratio = np.log(found[fit] / _expected(causes[fit], weights) + 1e-3)
    explained = ratio[ratio < np.log(2.2)]
    low, high = np.quantile(explained, (0.2, 0.8)) if len(explained) else (0.0, 0.0)
    spread = float(high - low)
    # By noise of such strength hardly a block could have stayed as it was.
    here = (
        float(np.median(causes[same] @ weights)) if identical > 0.05 or same.mean() > 0.45 else 0.0
    )
    if same.mean() > 0.45 and here > 12:
        return NO_NOISE
    if spread < LOOSE:
        return weights, spread
    # The fit explains little: perhaps it followed the retouch itself.
    if here > 1.5 or (here > 0.25 and spread > VERY_LOOSE):
        return NO_NOISE
    if spread < VERY_LOOSE:
        return weights, spread
    return _at_most_usual(causes, found, weights), VERY_LOOSE


def _bounded(
    weights: NDArray[np.float64],
    spread: float,
    source: Rgb,
    target: Rgb,
    losses: Plane,
    variance: Plane,
    unlike: Plane,
) -> tuple[NDArray[np.float64], float]:
    """Return the noise, no stronger than the compression that is seen in the pictures can make.

    Where the whole frame was retouched, hardly a block differs as noise would, and the fit follows
    the retouch: it explains little. Unless both sides were compressed, such a difference is retouch
    and no more.
    """
    changed = variance > 0
    like_noise = float(_like_noise(variance, unlike)[changed].mean())
    if weights.any() and spread < LOOSE and like_noise >= MOST_LIKE_NOISE:
        return weights, spread
    coarseness, either = _compressed_apart(source, target, changed)
    if not coarseness:
        all_retouch = like_noise < FEWEST_LIKE_NOISE and (spread >= LOOSE or not either)
        return NO_NOISE if all_retouch else (weights, spread)
    usual = USUAL * (coarseness / USUAL_COARSENESS) ** 0.85
    found, most = (float(np.median(losses[changed] @ w)) for w in (weights, usual))
    if found < 0.03 * most:
        # One picture saved twice: most blocks are the same, in others a coefficient fell otherwise.
        return (usual, USUAL_SPREAD) if like_noise >= FLIPPED else NO_NOISE
    if found > 1.3 * most:
        return usual, USUAL_SPREAD
    return weights, spread


def _at_most_usual(
    causes: NDArray[np.float64], found: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return noise of the usual kind, so strong that a tenth of the blocks differ by less than is
    typical of it, where that is less than `weights` say."""
    changed = found > 0
    usual = USUAL * float(np.quantile(found[changed] / _expected(causes[changed], USUAL), 0.1)) * 2
    return usual if np.median(causes @ usual) < np.median(causes @ weights) else weights


def _expected(causes: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    expected: NDArray[np.float64] = causes @ weights + 1e-4
    return expected


def _whole_blocks(side: Rgb) -> Rgb:
    """Return the picture with its last row and column repeated up to whole blocks."""
    height, width = (-length % BLOCK for length in side.shape[:2])
    if not height and not width:
        return side
    return np.pad(side, ((0, height), (0, width), (0, 0)), mode="edge")


def _difference(x: Rgb, y: Rgb) -> Plane:
    """Return x - y."""
    # By way of 16 bits: ten times as fast as a difference of bytes and floats.
    return np.subtract(x, y, dtype=np.int16).astype(np.float32)


def _means(values: Plane) -> Plane:
    """Return the means of blocks, (H, W, C) to (h, w, C)."""
    height, width, channels = values.shape
    rows = values.reshape(height // BLOCK, BLOCK, width * channels).sum(1)
    # A product of matrices: numpy adds up short rows slowly.
    columns = rows.reshape(-1, BLOCK * channels) @ np.tile(
        np.eye(channels, dtype=np.float32), (BLOCK, 1)
    )
    means: Plane = columns.reshape(height // BLOCK, width // BLOCK, channels) / np.float32(BLOCK**2)
    return means


def _moments(values: Plane) -> tuple[Plane, Plane, Plane]:
    """Return of (H, W, C) the means of blocks, (h, w, C), and over all channels their mean square
    and their variance, (h, w)."""
    height, width, channels = values.shape
    means = _means(values)
    rows = values.reshape(height // BLOCK, BLOCK, width * channels)
    # In one go: squares of the whole picture, written and read again, take three times as long.
    squares = np.einsum("hbx,hbx->hx", rows, rows).reshape(-1, BLOCK * channels)
    square = (squares @ np.full(BLOCK * channels, 1 / (BLOCK**2 * channels), np.float32)).reshape(
        height // BLOCK, width // BLOCK
    )
    variance: Plane = square - np.square(means).mean(2)
    return means, square, variance


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
