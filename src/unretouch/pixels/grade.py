"""A colour grade told from the retouch: the curves and the white balance that one side has.

Fitted is a smooth, rising curve for each channel and a mixture of the channels, which together take
the colours of one side to those of the other: by the means of small squares from all over the
frame, so that texture does not matter, and robustly, so that what was retouched does not. A grade
moves all that has a colour, a retouch some of it: where much stayed that the fit would move, the
fit followed a retouch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.pixels.pair_pictures import in_strips
from unretouch.pixels.spaces import Bits, Plane, Rgb, in_levels, levels_to_file

SQUARE = 8
"""Pixels a side of the squares whose means are compared."""
SAMPLED = 4096
"""Squares that are looked at, at most."""
FEWEST = 500
"""Squares without which nothing is said."""
PIECES = 6
"""Of which a curve consists, each a cubic."""
BEND, MIX = 1e-5, 1e-2
"""What a bend of a curve and a mixture of channels cost beside a misfit."""
ROUNDS = 12
"""Of the robust fit."""
FAR, NEAREST = 5.6, 0.15
"""Times the median misfit, or that of so many grey levels, from which on a square counts for
nothing (Tukey's biweight)."""

LEAST, LEAST_SHARE = 0.5, 0.2
"""Grey levels of the difference, and share of it, that a grade explains at least."""
MOVES, STAYS, STAYED = 0.8, 0.3, 0.03
"""Grey levels from which on a square is moved; part of its move below which it stayed; and share of
the moved ones that may have stayed."""
MISFIT, MISFIT_SHARE = 0.05, 0.01
"""Grey levels over the frame, or share of the grade if that is more, by which a fit may be off."""


@dataclass(frozen=True)
class Grade:
    """What takes the colours of one picture to those of another."""

    curves: NDArray[np.float32]
    """(256, 3): what becomes of the levels 0 to 255 of each channel"""
    mixture: NDArray[np.float32]
    """(3, 3): what each channel, by column, adds to a channel, by row; nothing to a grey"""
    levels: float = 0.0
    """grey levels of the mean absolute difference of the two that it explains"""
    difference: float = 0.0
    """that difference, grey levels"""

    @property
    def misfit(self) -> float:
        """Grey levels over the frame below which a retouch cannot be told from it."""
        return max(MISFIT, MISFIT_SHARE * self.levels)

    def applied(self, picture: NDArray[Any]) -> Plane:
        """Return levels or file space, (..., 3), in the colours of the other: levels, 0 to 255."""
        levels = in_levels(picture)
        graded = levels @ self.mixture.T
        steps = np.arange(len(self.curves))
        for channel, curve in enumerate(self.curves.T):
            graded[..., channel] += (
                curve[picture[..., channel]]
                if picture.dtype == np.uint8
                else np.interp(levels[..., channel], steps, curve)
            )
        return np.clip(graded, 0, 255, out=graded)

    def of_file(self, picture: NDArray[Any], bits: Bits | None = None) -> Rgb:
        """Return levels or file space, (H, W, 3), in the colours of the other: file space, of
        its own depth or of `bits`."""
        bits = bits or (16 if picture.dtype == np.uint16 else 8)
        return in_strips(lambda rows: levels_to_file(self.applied(rows), bits), picture)


def colour_grade(a: NDArray[Any], b: NDArray[Any]) -> Grade | None:
    """Return the grade that takes `a` to the colours of `b`, file space or levels, (H, W, 3) of one
    size; None where they differ by no grade of the whole frame, or are too small to tell."""
    ours, theirs = _squares(a), _squares(b)
    if len(ours) < FEWEST:
        return None
    before = _misfit(ours, theirs)
    if np.median(before) < MOVES * STAYS:
        return None
    found = _fitted(ours, theirs)
    graded = found.applied(ours)
    moved = np.abs(graded - ours).mean((1, 2))
    moves = moved >= MOVES
    difference, left = (
        float(np.abs(one - theirs).mean(dtype=np.float64)) for one in (ours, np.rint(graded))
    )
    explained = difference - left
    if explained < max(LEAST, LEAST_SHARE * difference):
        return None
    if (before[moves] < STAYS * moved[moves]).mean() > STAYED:
        return None
    return replace(found, levels=explained, difference=difference)


def in_colours_of(a: NDArray[Any], b: NDArray[Any]) -> Rgb:
    """Return `a` as near to the colours of `b` as a grade can take it, file space (H, W, 3): in
    levels, a large picture would be four times as large.

    Both are file space or levels, (H, W, 3) of one size. It has 16 bits where either has.
    """
    deep = np.uint16 in (a.dtype, b.dtype)
    return _fitted(_squares(a), _squares(b)).of_file(a, 16 if deep else 8)


def _squares(picture: NDArray[Any]) -> Plane:
    """Return the pixels of squares in even rows and columns all over the frame, levels, (N, P, 3);
    a few pixels at the right and at the bottom are left out."""
    height, width = (length // SQUARE for length in picture.shape[:2])
    step = max(1, int(np.ceil(np.sqrt(height * width / SAMPLED))))
    rows = range(step // 2, height, step)
    chosen = [
        picture[row * SQUARE : (row + 1) * SQUARE, : width * SQUARE]
        .reshape(SQUARE, width, SQUARE, 3)[:, step // 2 :: step]
        .swapaxes(0, 1)
        for row in rows
    ]
    whole = np.concatenate(chosen) if chosen else np.empty((0, SQUARE, SQUARE, 3))
    return in_levels(whole.reshape(-1, SQUARE**2, 3))


def _misfit(ours: Plane, theirs: Plane) -> NDArray[np.float32]:
    """Return by how many grey levels the means of the squares differ, (N,)."""
    return np.asarray(np.abs(ours.mean(1) - theirs.mean(1)).mean(1))


def _fitted(ours: Plane, theirs: Plane) -> Grade:
    """Return what takes `ours` to `theirs`, levels (N, P, 3): least squares over the squares that
    the fit meets, until that settles."""
    rising = _rising()
    causes = [_causes(ours, channel, rising) for channel in range(3)]
    answers = theirs.mean(1, dtype=np.float64)
    weights = np.ones(len(ours))
    for _ in range(ROUNDS):
        found = [
            _solved(cause, answers[:, channel], weights, rising.shape[1])
            for channel, cause in enumerate(causes)
        ]
        misfits = np.stack([c @ f for c, f in zip(causes, found, strict=True)], 1) - answers
        off = np.sqrt(np.square(misfits).mean(1))
        far = FAR * max(NEAREST, float(np.median(off)))
        weights = np.square(np.clip(1 - np.square(off / far), 0, 1))
    mixture = np.zeros((3, 3), np.float32)
    for channel, solution in enumerate(found):
        mixture[channel, _others(channel)] = solution[-2:]
        mixture[channel, channel] = -solution[-2:].sum()
    curves = [rising @ solution[:-2] for solution in found]
    return Grade(np.stack(curves, 1).astype(np.float32), mixture)


@cache
def _rising() -> NDArray[np.float64]:
    """Return smooth steps, (256, n), by which a curve rises: sums of them with factors above zero
    rise everywhere. The first is 1, a curve's foot."""
    from scipy.interpolate import BSpline

    knots = np.arange(-3, PIECES + 4) * 255 / PIECES
    levels = np.minimum(np.arange(256), 255 - 1e-9)
    bumps = BSpline.design_matrix(levels, knots, 3).toarray()
    return np.asarray(bumps[:, ::-1].cumsum(1)[:, ::-1])


def _others(channel: int) -> list[int]:
    return [other for other in range(3) if other != channel]


def _causes(ours: Plane, channel: int, rising: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the mean of a channel is made of, (N, n + 2): its own curve, pixel by pixel, and
    how far the others lie above it."""
    levels = np.rint(np.clip(ours[..., channel], 0, 255)).astype(np.intp)
    # The mean of a curve is not the curve of the mean where a square holds an edge.
    counts = np.zeros((len(levels), 256))
    np.add.at(counts, (np.arange(len(levels))[:, None], levels), 1 / levels.shape[1])
    means = ours.mean(1, dtype=np.float64)
    above = means[:, _others(channel)] - means[:, [channel]]
    return np.concatenate([counts @ rising, above], 1)


def _solved(
    causes: NDArray[np.float64], answer: NDArray[np.float64], weights: NDArray[Any], curve: int
) -> NDArray[np.float64]:
    """Return the factors of `causes`, of which those of the `curve` but the first are not below
    zero."""
    from scipy.optimize import lsq_linear

    count = len(answer)
    bends = np.zeros((curve - 2, curve + 2))
    bends[:, 1 : curve - 1] = -np.eye(curve - 2)
    bends[:, 2:curve] += np.eye(curve - 2)
    mixed = np.eye(curve + 2)[curve:]
    product = (causes * weights[:, None]).T
    normal = product @ causes + weights.sum() * (BEND * bends.T @ bends + MIX * mixed.T @ mixed)
    # As many equations as factors: the bounds cost nothing.
    root = np.linalg.cholesky(normal + 1e-9 * np.trace(normal) / count * np.eye(len(normal)))
    lowest = np.full(curve + 2, -np.inf)
    lowest[1:curve] = 0
    right = np.linalg.solve(root, product @ answer)
    return np.asarray(lsq_linear(root.T, right, (lowest, np.inf)).x)
