"""The noise of a pair: what two files of one photograph differ by without any retouching.

Files that were compressed apart differ everywhere, and more where there is texture. So the noise is
measured for each block of 8 pixels, the block of JPEG: as a mixture of what another compression of
these very pictures would do (strong and weak), of noise of one strength, and of noise that grows
with the light. How much of each is in the pair is fitted to the blocks whose difference looks like
noise. A robust fit, not the least changed blocks: part of a picture may be identical on both sides
by chance, a sky say.

JPEG leaves traces that tell whether a picture was saved so, and how finely, whatever file it lies
in now: they bound the noise where a fit would follow the retouch.
"""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.pixels.spaces import (
    LUMA,
    Mask,
    Plane,
    Rgb,
    Rgb8,
    depth,
    eight,
    in_levels,
    steps_of,
)

BLOCK = 8
"""Pixels a side of the blocks in which noise is measured: those of JPEG."""
QUALITIES = (94, 75)
"""Of JPEG: what is lost at these spans what is lost in between."""
USUAL = np.array([0.55, 0.07, 0.1, 0.0])
"""Where the fit begins: two compressions at quality 92, on grids of their own."""
USUAL_COARSENESS, USUAL_SPREAD = 0.17, 0.55
"""How coarse such files are (see _jpeg_traces), and how uneven their noise is."""
NO_NOISE = np.zeros(len(USUAL)), 0.0

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
EQUAL = 0.02
"""Share of the blocks that are equal, from which on they are so by more than chance."""
CLEAR_TRACES = 0.25
"""Of JPEG, in both sides, without which a retouch of the whole frame is taken as lossless."""

STEPS = range(2, 25)
"""Quantisation steps that are looked for: those of the lowest frequencies at quality 40 to 95."""
FREQUENCIES = {
    (0, 1): 11, (1, 0): 12, (1, 1): 12, (2, 0): 14, (0, 2): 10, (1, 2): 14, (2, 1): 13, (2, 2): 16,
    (3, 0): 14, (0, 3): 16,
}  # fmt: skip
"""By row and column: their steps at quality 50 (ITU-T T.81, table K.1)."""
FEWEST = 60
"""Coefficients from which a step can be told."""


def noise_by_block(
    source: Rgb,
    target: Rgb,
    losses: Plane,
    losses_of_means: Plane,
    own: Plane,
    unlike: Plane,
    fine: bool = False,
    untouched: bool = False,
) -> tuple[Plane, Plane, float]:
    """Return by block the mean square of the noise and that of its mean, (h, w), and how uneven it
    is: see PairMap. The four planes are what `measured` returns of the whole pair.

    `fine` tells that both sides hold 16 bits. Then nothing was rounded, and without the traces of
    JPEG all of the difference is retouch, however faint. So it is where the rest was left
    `untouched`: see made_of_the_other.
    """
    changed = own > 0
    if untouched or (
        fine and not (changed.any() and _compressed_apart(source, target, changed)[1])
    ):
        weights, spread = NO_NOISE
    else:
        weights, spread = _fitted(losses, own, unlike)
        if changed.any():
            weights, spread = _bounded(weights, spread, source, target, losses, own, unlike)
    of_means = losses_of_means @ weights
    noise = losses @ weights + of_means
    if _like_noise(own, unlike).mean() < FEWEST_LIKE_NOISE:
        noise = np.minimum(noise, HIGHEST_NOISE**2)
    return noise.astype(np.float32), of_means.astype(np.float32), spread


def made_of_the_other(own: Plane, deep: bool) -> bool:
    """Return whether one side was made of the other without compressing anything.

    A file of more than 8 bits (`deep`: a side holds so many) is none that was compressed as a JPEG,
    and to the last of its steps blocks are equal only where they were left alone. `own` is the
    variance of the difference by block.
    """
    return deep and float((own == 0).mean()) >= EQUAL


def measured(source: Rgb, target: Rgb, rows: slice) -> tuple[NDArray[np.float32], ...]:
    """Return of a strip, by block: the absolute, squared and mean difference, the variance of
    the difference, how far the sides differ in their texture, and what compression and noise could
    have done, to that variance and to the square of the mean.

    The mean is (h, w, 3); the last two are (h, w, 4), in the order of USUAL.
    """
    before, after = (whole_blocks(side[rows]) for side in (source, target))
    residual = exact_difference(after, before)
    change, difference, own = block_moments(residual)
    zero = np.zeros_like(difference)
    losses, of_means = [zero] * len(QUALITIES), [zero] * len(QUALITIES)
    textures, brightness = [], zero
    for side in (before, after):
        coded = eight(side)
        means, _, texture = block_moments(in_levels(side))
        brightness = brightness + means.mean(2) / 2
        textures.append(texture)
        for number, quality in enumerate(QUALITIES):
            lost = exact_difference(_compressed_again(coded, quality, BLOCK // 2), coded)
            means, _, variance = block_moments(lost)
            losses[number] = losses[number] + variance
            of_means[number] = of_means[number] + np.square(means @ LUMA)
    unlike = np.abs(textures[1] - textures[0]) / (own + np.float32(0.02))
    even, growing = np.full_like(zero, 0.1), brightness / np.float32(100)
    return (
        block_means(np.abs(residual)).mean(2),
        difference,
        change,
        own,
        unlike,
        np.stack([*losses, even, growing], -1),
        np.stack([*of_means, even / BLOCK**2, growing / BLOCK**2], -1),
    )


def was_jpeg(source: Rgb, target: Rgb) -> bool:
    """Return whether either side shows the blocks of a JPEG, whatever file it lies in now."""
    height, width = (-(-length // BLOCK) for length in source.shape[:2])
    return _compressed_apart(source, target, np.ones((height, width), np.bool_))[1]


def _compressed_apart(source: Rgb, target: Rgb, changed: Mask) -> tuple[float, bool]:
    """Return how coarsely both sides were compressed (see _jpeg_traces), 0 if one was not, and
    whether either was.

    Looked at are the blocks that `changed`: the retouch of a JPEG keeps its traces elsewhere.
    """
    rows, columns = np.nonzero(changed)
    some = slice(None, None, max(1, len(rows) // SAMPLED))
    found = []
    for side in (source, target):
        blocks = whole_blocks(eight(side)).reshape(len(changed), BLOCK, -1, BLOCK, 3).swapaxes(1, 2)
        found.append(_jpeg_traces(blocks[rows[some], columns[some]]))
    clearness, coarseness = zip(*found, strict=True)
    both = min(clearness) >= CLEAR_TRACES
    return float(np.mean(coarseness)) if both else 0.0, max(clearness) >= CLEAR_TRACES


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
    from scipy.optimize import nnls  # memory that classic training has no use for

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


def _compressed_again(rgb: Rgb8, quality: int, offset: int) -> Rgb8:
    """Return uint8 (H, W, 3) as it comes out of a JPEG (4:2:0) of this quality, 1 to 95.

    The blocks of the JPEG begin `offset` pixels below and right of those of the picture; the first
    `offset` rows and columns stay as they are.
    """
    file = io.BytesIO()
    part = np.ascontiguousarray(rgb[offset:, offset:])
    Image.fromarray(part).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    file.seek(0)
    again = rgb.copy()
    with Image.open(file, formats=("JPEG",)) as image:
        again[offset:, offset:] = np.asarray(image)
    return again


def _jpeg_traces(blocks: NDArray[np.uint8]) -> tuple[float, float]:
    """Return how clear the traces of JPEG are in blocks of a picture, uint8 (N, 8, 8, 3), on JPEG's
    own grid, and how coarse it was.

    Clearness is 0 to 1; about 0 where there was none, 0.35 to 0.9 for quality 75 to 95. Coarseness
    is its steps in those of quality 50: 0.16 at quality 92, 0.4 at 80, 0.5 at 75; 0 if unknown.

    The DCT coefficients of a JPEG's luma lie near the multiples of one step for each frequency.
    Measured is the mean cosine of their phase, less three times its error, for the best step.
    """
    number = np.arange(BLOCK)
    basis = np.cos((2 * number + 1) * number[:, None] * np.pi / (2 * BLOCK)).astype(np.float32) / 2
    basis[0] = np.sqrt(1 / BLOCK)
    coefficients = basis @ (blocks.astype(np.float32) @ LUMA) @ basis.T
    found = [
        (*_clearest(coefficients[:, row, column]), usual)
        for (row, column), usual in FREQUENCIES.items()
    ]
    clearness = float(np.median([clear for clear, _, _ in found]))
    steps = [step / usual for clear, step, usual in found if clear > clearness / 2]
    return clearness, float(np.median(steps)) if steps else 0.0


def _clearest(values: NDArray[np.floating[Any]]) -> tuple[float, int]:
    """Return how clearly coefficients lie near the multiples of a step, and that step."""
    best = (0.0, 0)
    for step in STEPS:
        # Smaller ones are near 0, which is a multiple of any step.
        large = values[np.abs(values) > 1.5 * step]
        if len(large) >= FEWEST:
            clearness = float(np.cos(2 * np.pi * large / step).mean())
            best = max(best, (clearness - 3 / float(np.sqrt(2 * len(large))), step))
    return best


# --- means over blocks


def whole_blocks(side: NDArray[Any], mode: Literal["edge", "constant"] = "edge") -> NDArray[Any]:
    """Return the picture, (H, W) or (H, W, C), up to whole blocks: with its last row and column
    repeated, or with zeros (`constant`)."""
    height, width = (-length % BLOCK for length in side.shape[:2])
    if not height and not width:
        return side
    return np.pad(side, [(0, height), (0, width), (0, 0)][: side.ndim], mode)


def exact_difference(x: Rgb, y: Rgb) -> Plane:
    """Return x - y, of one depth, in levels."""
    if depth(x) == 16:
        return np.subtract(x, y, dtype=np.int32).astype(np.float32) / np.float32(steps_of(x))
    # By way of 16 bits: ten times as fast as a difference of bytes and floats.
    return np.subtract(x, y, dtype=np.int16).astype(np.float32)


def block_means(values: Plane) -> Plane:
    """Return the means of blocks, (H, W, C) to (h, w, C)."""
    height, width, channels = values.shape
    rows = values.reshape(height // BLOCK, BLOCK, width * channels).sum(1)
    # A product of matrices: numpy adds up short rows slowly.
    columns = rows.reshape(-1, BLOCK * channels) @ np.tile(
        np.eye(channels, dtype=np.float32), (BLOCK, 1)
    )
    means: Plane = columns.reshape(height // BLOCK, width // BLOCK, channels) / np.float32(BLOCK**2)
    return means


def block_moments(values: Plane) -> tuple[Plane, Plane, Plane]:
    """Return of (H, W, C) the means of blocks, (h, w, C), and over all channels their mean square
    and their variance, (h, w)."""
    height, width, channels = values.shape
    means = block_means(values)
    rows = values.reshape(height // BLOCK, BLOCK, width * channels)
    # In one go: squares of the whole picture, written and read again, take three times as long.
    squares = np.einsum("hbx,hbx->hx", rows, rows).reshape(-1, BLOCK * channels)
    square = (squares @ np.full(BLOCK * channels, 1 / (BLOCK**2 * channels), np.float32)).reshape(
        height // BLOCK, width // BLOCK
    )
    variance: Plane = square - np.square(means).mean(2)
    return means, square, variance
