"""How one side of a pair is moved against the other: everywhere alike, or in places (liquify).

Not light but fine differences of light are compared, in small windows, whose shifts are found as
Lucas and Kanade did (1981), from coarse to fine. A retouch that takes texture away, or a tone
curve, weakens these differences on one side: how much is fitted beside the shift, so that neither
is taken for movement. A window counts as moved where its shift explains most of what differs.

A shift, another size and a turn are a straight function of the place, fitted to all windows. What
is moved otherwise was moved in that place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.pixels.images import reduced
from unretouch.pixels.pair_noise import BLOCK, block_means, whole_blocks
from unretouch.pixels.spaces import Mask, Plane, Rgb, eight, luma

Straight = NDArray[np.float64]
"""(2, 3): takes a place (x, y, 1) of A to one of B, pixels from the upper left corner."""
STILL: Straight = np.eye(2, 3)

LONG_SIDE = 1536
"""Pixels; larger pictures are looked at reduced, by a whole factor."""
LEVELS = (4, 2, 1)
"""Reductions at which shifts are sought, one after the other."""
ROUNDS = 2
"""Times that they are corrected at each."""
SMALLEST = 32
"""Pixels of the shorter side below which nothing is sought."""
FINE, COARSE = 1.0, 5.0
"""The differences of light that are compared lie between these sigmas of a blur, pixels."""
WINDOW = 2.0
"""Sigma of a window, in blocks."""
LONGEST_STEP = 1.5
"""Pixels by which a shift is corrected at most at once."""
GREY = 0.3
"""Grey levels of difference that are no more than rounding."""
ALIKE = 0.7
"""Correlation of two windows that are surely of one thing."""
EXPLAINED = 2.0
"""How many times less must differ where a window was moved, once it is moved back."""
SURE, SAMPLED = 12, 4000
"""Windows that a straight function needs, and that are looked at, about."""
LEAST = 0.5
"""Pixels below which nothing counts as moved."""
FEWEST = 4
"""Blocks side by side that are moved, one of them by twice LEAST, lest chance be taken for it."""
LENSES = 0.4
"""Share moved in places from which it is rather the correction of a lens than a hand."""
WHITE, MOST_LOST = 253, 0.1
"""Grey levels of a channel that is blown out; share of a window that may be so on one side only."""


@dataclass(frozen=True)
class Movement:
    """How B is moved against A."""

    straight: Straight
    """what holds everywhere"""
    agreement: float
    """how alike the fine differences of light are with that, -1 to 1: below 0.1 for two pictures
    that have nothing in common, above 0.8 for the two sides of a pair"""
    moved: Mask
    """(h, w): which squares of `square` pixels of A lie elsewhere in B than that says"""
    most: float
    """pixels by which they do, at most"""
    square: int

    @property
    def share(self) -> float:
        """Of the picture that was moved in places, 0 to 1."""
        return float(self.moved.mean())

    def left_out(self, height: int, width: int) -> Mask | None:
        """Return which blocks of A, which is so large, were moved by hand; None if none was.

        A network cannot undo that: nothing in the picture says what was moved, and where to.
        """
        if not 0 < self.share <= LENSES or self.agreement < ALIKE:
            return None
        times = self.square // BLOCK
        large = self.moved.repeat(times, 0).repeat(times, 1)
        return large[: -(-height // BLOCK), : -(-width // BLOCK)]


@dataclass(frozen=True)
class _Windows:
    """What the windows around the blocks of two pictures say, each (h, w)."""

    step: Plane
    """(h, w, 2): dx, dy in pixels by which B lies further on than was taken for granted"""
    left: Plane
    """mean square of what differs, whatever the contrast"""
    structure: Plane
    """mean square gradient across the weakest direction"""
    alike: Plane
    """correlation"""


def between(a: Rgb, b: Rgb, start: Straight = STILL) -> Movement | None:
    """Return how `b` is moved against `a`, file space (H, W, 3), beginning with `start`.

    Found are movements by some 10 pixels more or less than that. None for pictures that are too
    small or show too little.
    """
    if min(*a.shape[:2], *b.shape[:2]) < SMALLEST:
        return None
    factor = -(-max(*a.shape[:2], *b.shape[:2]) // LONG_SIDE)
    small = [reduced(eight(side), factor) for side in (a, b)]
    taken, flow = at_scale(start, 1 / factor), None
    light = luma(small[1])
    sides = (_toned(luma(small[0]), light, taken), light)
    for level in LEVELS:
        if level > 1 and min(sides[0].shape) < 8 * BLOCK * level:
            continue
        one, other = (_fine(reduced(side, level)) for side in sides)
        straight = at_scale(taken, 1 / level)
        grid = one.shape[0] // BLOCK, one.shape[1] // BLOCK
        flow = _still(*grid) if flow is None else _finer(flow, grid)
        for _ in range(ROUNDS):
            seen = _windows(one, other, straight, flow)
            flow = _smooth(flow + np.clip(seen.step, -LONGEST_STEP, LONGEST_STEP), seen)
        seen = _windows(one, other, straight, flow)
        # Most pairs are moved nowhere: the last level, which takes longest, is for the others.
        if level == 2 and start is STILL:
            still = _windows(one, other, STILL, _still(*grid))
            if not _moves(flow, still, seen, LEAST / 2 / level).any():
                break
    assert flow is not None  # the last level is never left out
    places = _places(grid)
    there = along(straight, places) + flow
    fitted = _fitted(places, there, seen)
    if start is STILL and np.abs(along(fitted, places) - places).max() < LEAST / 2 / level:
        fitted = STILL
    unmoved = _windows(one, other, fitted, _still(*grid))
    apart = np.asarray(there - along(fitted, places), np.float32)
    first, second = (reduced(side.max(2), level) for side in small)
    lost = _lost(first, second, fitted)
    moved = _moves(apart, unmoved, seen, LEAST / level, lost > MOST_LOST)
    most = float(np.hypot(apart[..., 0], apart[..., 1])[moved].max()) if moved.any() else 0.0
    structured = unmoved.structure >= max(float(np.median(unmoved.structure)), GREY**2 / 4)
    if structured.sum() < SURE:
        return None
    return Movement(
        at_scale(fitted, factor * level),
        float(np.median(unmoved.alike[structured])),
        _regions(moved),
        most * factor * level,
        BLOCK * factor * level,
    )


def along(straight: Straight, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where `places`, (..., 2), pixels from the upper left corner of A, lie in B."""
    return np.asarray(places @ straight[:, :2].T + straight[:, 2])


def at_scale(straight: Straight, scale: float) -> Straight:
    """Return the same for both pictures enlarged by `scale`: STILL stays what it is."""
    if straight is STILL:
        return STILL
    return np.hstack([straight[:, :2], straight[:, 2:] * scale])


def _toned(one: Plane, other: Plane, straight: Straight) -> Plane:
    """Return `one` with the tone curve of `other`: another one moves soft edges a little."""
    from scipy import ndimage

    x, y = (reduced(side, LEVELS[0]) for side in (one, other))
    y = _moved_back(y, at_scale(straight, 1 / LEVELS[0]), _still(1, 1), x.shape)
    levels = np.rint(x).astype(int).ravel()
    sums = (np.bincount(levels, each, 256) for each in (np.ones(x.size), levels, y.ravel()))
    count, own, light = (ndimage.gaussian_filter1d(each, 4.0, mode="constant") for each in sums)
    known = count > count.sum() * 1e-4
    curve = np.interp(one, own[known] / count[known], light[known] / count[known])
    return np.asarray(curve, np.float32)


def _fine(light: Plane) -> Plane:
    """Return the fine differences of `light`, its last row and column repeated to whole blocks."""
    from scipy import ndimage

    fine = ndimage.gaussian_filter(light, FINE) - ndimage.gaussian_filter(light, COARSE)
    return whole_blocks(fine)


def _places(grid: tuple[int, int]) -> NDArray[np.float64]:
    """Return the middle of each block, (h, w, 2): x, y from the upper left corner."""
    y, x = np.mgrid[: grid[0], : grid[1]]
    return np.stack([x, y], -1) * float(BLOCK) + BLOCK / 2


def _still(height: int, width: int) -> Plane:
    """Return the flow of a picture that is not moved, in so many blocks."""
    return np.zeros((height, width, 2), np.float32)


def _finer(flow: Plane, grid: tuple[int, int]) -> Plane:
    """Return the flow of twice as many blocks, or one less, pixels of half the size."""
    height, width = (2 * length for length in flow.shape[:2])
    axes = (_enlarged(flow[..., axis], height, width) for axis in (0, 1))
    return 2 * np.stack(list(axes), -1)[: grid[0], : grid[1]]


def _enlarged(plane: Plane, height: int, width: int) -> Plane:
    large = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(large.resize((width, height), Image.Resampling.BILINEAR))


def _moved_back(other: Plane, straight: Straight, flow: Plane, shape: tuple[int, ...]) -> Plane:
    """Return `other` as seen from A, (H, W)."""
    from scipy import ndimage

    height, width = shape
    if straight is STILL and other.shape == shape and not flow.any():
        return other
    y, x = np.ogrid[0.5 : height + 0.5, 0.5 : width + 0.5]
    rows, columns = (
        line[0] * x + line[1] * y + line[2] - 0.5 + _enlarged(flow[..., axis], height, width)
        for axis, line in ((1, straight[1]), (0, straight[0]))
    )
    found = ndimage.map_coordinates(other, (rows, columns), order=1, mode="nearest")
    return np.asarray(found, np.float32)


def _windows(one: Plane, other: Plane, straight: Straight, flow: Plane) -> _Windows:
    """Compare the windows of `one` and of `other`, moved back by `straight` and `flow`."""
    from scipy import ndimage

    back = _moved_back(other, straight, flow, one.shape)
    mean, apart = (one + back) / 2, back - one
    down, right = np.gradient(mean)
    planes = (right, down, mean, apart)
    products = np.stack([planes[i] * planes[j] for i in range(4) for j in range(i, 4)], -1)
    sums = ndimage.gaussian_filter(block_means(products), (WINDOW, WINDOW, 0))
    xx, xy, xm, xr, yy, ym, yr, mm, mr, rr = np.moveaxis(sums, -1, 0)
    # Least squares for a shift beside a change of contrast, which is taken out first.
    contrast = mm + GREY**2
    alike = (mm - rr / 4) / np.sqrt(np.maximum((mm + rr / 4) ** 2 - mr**2, 0) + GREY**4)
    xx, xy, yy = xx - xm * xm / contrast, xy - xm * ym / contrast, yy - ym * ym / contrast
    xr, yr = xr - xm * mr / contrast, yr - ym * mr / contrast
    left = np.maximum(rr - mr * mr / contrast, 0)
    structure = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
    xx, yy = xx + GREY**2 / 4, yy + GREY**2 / 4
    across = xx * yy - xy * xy
    step = np.stack([xy * yr - yy * xr, xy * xr - xx * yr], -1) / across[..., None]
    there = along(straight, _places(xx.shape)) + flow
    height, width = other.shape
    # A window that reaches beyond B sees what is not there.
    edge = 0 if straight is STILL else 2 * BLOCK
    inside = ((there >= edge) & (there <= (width - edge, height - edge))).all(-1)
    return _Windows(step, left * inside, structure * inside, alike * inside)


def _lost(one: NDArray[Any], other: NDArray[Any], straight: Straight) -> Plane:
    """Return the share of each window that is blown out on one side only: edges differ there."""
    from scipy import ndimage

    white = [np.asarray(side >= WHITE, np.float32) for side in (one, other)]
    apart = np.abs(white[0] - _moved_back(white[1], straight, _still(1, 1), one.shape))
    blocks = block_means(whole_blocks(apart[..., None], mode="constant"))[..., 0]
    return np.asarray(ndimage.gaussian_filter(blocks, WINDOW))


def _smooth(flow: Plane, seen: _Windows) -> Plane:
    """Return the flow with that of windows without structure taken from those around them."""
    from scipy import ndimage

    weight = (seen.structure / (seen.structure + seen.left + GREY**2) + 1e-3)[..., None]
    smoothed = ndimage.gaussian_filter(flow * weight, (1, 1, 0))
    return np.asarray(smoothed / ndimage.gaussian_filter(weight, (1, 1, 0)))


def _moves(
    flow: Plane, before: _Windows, after: _Windows, least: float, lost: Mask | None = None
) -> Mask:
    """Return which windows were moved by `least` pixels or more: by `flow` they fit far better.

    Those that are `lost` tell nothing.
    """
    from scipy import ndimage

    far = np.hypot(flow[..., 0], flow[..., 1])
    found = far >= least
    found &= before.left + GREY**2 > EXPLAINED * (after.left + GREY**2)
    found &= after.alike >= ALIKE
    if lost is not None:
        found &= ~lost
    pieces, count = ndimage.label(found, np.ones((3, 3)))
    most = ndimage.maximum(far, pieces, np.arange(count + 1))
    enough = (np.bincount(pieces.ravel()) >= FEWEST) & (most >= 2 * least)
    enough[0] = False  # what is no piece
    return np.asarray(enough[pieces])


def _regions(moved: Mask) -> Mask:
    """Return `moved` with what lies within and close by: where a push fades, it is not noticed."""
    from scipy import ndimage

    square = np.ones((3, 3))
    wide = ndimage.binary_dilation(moved, square, iterations=3)
    filled = ndimage.binary_fill_holes(wide)
    return np.asarray(ndimage.binary_erosion(filled, square, iterations=2, border_value=1))


def _fitted(places: NDArray[np.float64], there: NDArray[np.float64], seen: _Windows) -> Straight:
    """Return the straight function that takes `places` to `there`, but for what lies far off."""
    from scipy.optimize import least_squares

    sure = (seen.alike >= ALIKE) & (seen.structure > GREY**2)
    if sure.sum() < SURE:
        return STILL
    some = slice(None, None, max(1, int(sure.sum()) // SAMPLED))
    x, y = places[sure][some], there[sure][some]
    terms = np.hstack([x, np.ones((len(x), 1))])
    size = np.abs(x).max()
    terms[:, :2] /= size
    lines = [
        least_squares(
            lambda line, axis=axis: terms @ line - y[:, axis],
            (size * (axis == 0), size * (axis == 1), 0.0),
            jac=lambda line: terms,
            loss="cauchy",
            f_scale=0.1,
        ).x
        for axis in (0, 1)
    ]
    return np.asarray(np.asarray(lines) / (size, size, 1), np.float64)
