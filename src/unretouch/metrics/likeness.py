"""Likeness: how near the prediction comes to the answer, value by value.

Level error, G_L1, recovered share, exact pixels and PSNR; and what of the error of doing nothing
is retouch, the rest being noise: two files compressed apart, say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from unretouch.base.messages import N_
from unretouch.metrics.metric import Metric, Patch, Sums, Tally, View, added_up, mean
from unretouch.metrics.pictures import Area, Figure, Layer, Picture, check
from unretouch.pixels import retouched_area as areas
from unretouch.pixels.grade import Grade, colour_grade, in_colours_of
from unretouch.pixels.spaces import (
    GREY_LEVELS,
    STEPS,
    Rgb,
    holds_sixteen,
    in_levels,
    levels_to_file,
)

# --- level error: how many grey levels the prediction is off

PERCENTILES = (95, 99)
BINS = 1024
"""Of the histogram from which percentiles are read, in one grey level: they are off by 0.0005 at
most, and not at all between pictures of whole levels."""
_ROWS = 256
"""Looked at together."""


def level_error(prediction: Picture, target: Picture, area: Area | None = None) -> float:
    """Return the mean absolute error in grey levels.

    Pictures are levels or file space, (H, W, 3) of one size, `area` bool (H, W) or None for the
    whole frame. Raises ValueError when the shapes differ or the area is empty.
    """
    check(prediction, target, area=area)
    total, count = 0.0, 0
    for top in range(0, len(target), _ROWS):
        rows = slice(top, top + _ROWS)
        error = in_levels(prediction[rows]) - in_levels(target[rows])
        error = error if area is None else error[area[rows]]
        total += float(np.abs(error, out=error).sum(dtype=np.float64))
        count += error.size
    return total / count


def absolute_error(view: View, patch: Patch) -> npt.NDArray[np.float32]:
    """Return |patch - target| of all colour values that count, (n,)."""
    error = np.subtract(patch.levels[patch.tile.inner], view.target.levels[patch.tile.inner])
    return view.counted(np.abs(error, out=error)).ravel()


def _spread_sums(view: View) -> Sums:
    error = view.made(absolute_error, view.prediction)
    places = np.minimum(np.rint(error * BINS), 255 * BINS).astype(np.intp)
    histogram = np.bincount(places, minlength=255 * BINS + 1)
    return np.concatenate([[error.sum()], histogram], dtype=np.float64)


def _spread(sums: Sums) -> tuple[Figure, ...]:
    behind = np.cumsum(sums[1:])
    count = behind[-1]
    largest = float(np.flatnonzero(sums[1:])[-1]) / BINS
    # Between the two nearest values, as numpy.percentile.
    places = [percentile / 100 * (count - 1) for percentile in PERCENTILES]
    low, high = (
        np.searchsorted(behind, rounded(places), side="right") / BINS
        for rounded in (np.floor, np.ceil)
    )
    shares = low + (high - low) * np.mod(places, 1)
    return float(sums[0] / count), float(shares[0]), float(shares[1]), largest


LEVEL_ERROR = Metric(
    name="level_error",
    unit="grey levels",
    lowest=0.0,
    highest=255.0,
    better="lower",
    explanation=N_(
        "How many of the 255 steps from black to white the result is off on average. "
        "Below half a step neither the eye nor the file shows a difference."
    ),
    formula="mean, 95th and 99th percentile and maximum of |prediction - target| over R, G and B",
    measure=Tally(_spread_sums, _spread),
    parts=("", "p95", "p99", "max"),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle", "source"}),
)


# --- G_L1: the level error in the units of the training log, which contain lambda


def weighted_l1(level_error: float, lambda_L1: float) -> float:
    """Return G_L1 as the log shows it: the error in network space times lambda.

    The classic log's figure: lambda_L1 * mean|fake_B - real_B| with pictures in [-1, 1].
    """
    return level_error / GREY_LEVELS * lambda_L1


# --- recovered share: how much of what the retouch took away is back, against doing nothing


def recovered_share(
    prediction: Picture, target: Picture, source: Picture, area: Area | None = None
) -> Figure:
    """Return 1 - mean|prediction - target| / mean|source - target|.

    1 is perfect, 0 what the untouched source scores, below 0 harm. None where source and target are
    equal: there is nothing to recover. Inputs and errors raised as for level_error.
    """
    (share,) = RECOVERED_SHARE.over(prediction, target, source, area)
    return share


def error_sums(view: View) -> Sums:
    """Return the sums of |prediction - target| and of |source - target|, and how many values."""
    ours, nothing = (
        view.counted(patch.made_with(view.target, _summed_error))
        for patch in (view.prediction, view.source)
    )
    return np.array([ours.sum(), nothing.sum(), 3 * ours.size], dtype=np.float64)


def _summed_error(one: Patch, other: Patch) -> Layer:
    """Return the absolute difference of each of the tile's own pixels, its channels added up."""
    inner = one.tile.inner
    error = np.subtract(one.levels[inner], other.levels[inner])
    red, green, blue = np.moveaxis(np.abs(error, out=error), 2, 0)
    return np.asarray(red + green + blue)


def _share(sums: Sums) -> tuple[Figure, ...]:
    ours, nothing, _ = sums
    return (float(1.0 - ours / nothing) if nothing else None,)


RECOVERED_SHARE = Metric(
    name="recovered_share",
    unit="",
    lowest=-math.inf,
    highest=1.0,
    better="higher",
    explanation=N_(
        "The part of the retoucher's work that is undone. 1 (100%) is all of it, 0 is as if "
        "nothing had been done. Below 0 the result is further away than the retouched picture "
        "was."
    ),
    formula="1 - mean|prediction - target| / mean|source - target|",
    measure=Tally(error_sums, _share),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle"}),
)


# --- exact pixels: how many come out as the very same 8-bit colour


def exact_pixels(prediction: Picture, target: Picture, area: Area | None = None) -> float:
    """Return the share, 0 to 1, of pixels whose three 8-bit channels equal the target's.

    Both are clamped and rounded, halves to even, as when a file is written. Inputs and
    errors raised as for level_error.
    """
    (share,) = EXACT_PIXELS.over(prediction, target, target, area)
    assert share is not None
    return share


def _equal_sums(view: View) -> Sums:
    return added_up(view.counted(view.prediction.made_with(view.target, _equal)))


def _equal(one: Patch, other: Patch) -> Area:
    """Return which of the tile's own pixels have one colour once they are saved."""
    red, green, blue = np.moveaxis(one.made(_rounded) == other.made(_rounded), 2, 0)
    return np.asarray(red & green & blue)


def _rounded(patch: Patch) -> Rgb:
    return levels_to_file(patch.levels[patch.tile.inner])


EXACT_PIXELS = Metric(
    name="exact_pixels",
    unit="share",
    lowest=0.0,
    highest=1.0,
    better="higher",
    explanation=N_(
        "The part of all pixels that, once saved, have exactly the colour of the answer. "
        "1 (100%) means that the two files show the same picture, bit for bit."
    ),
    formula="share of pixels with round(clip(prediction)) = round(clip(target)) in R, G and B",
    measure=Tally(_equal_sums, mean),
    invariances=frozenset({"mirror", "quarter_turn", "shuffle", "source"}),
)


def nearly_exact(prediction: Picture, target: Picture) -> tuple[float, float] | None:
    """Return the shares, 0 to 1, of pixels whose three channels are within one level of 8 bits, and
    within one step of 16, of the target's; None where the target holds no more than 8 bits.

    Both are clamped and rounded to 16 bits, as when a file is written. Raises ValueError when the
    shapes differ.
    """
    check(prediction, target)
    if not holds_sixteen(target):
        return None
    counts = np.zeros(2)
    for top in range(0, len(target), _ROWS):
        rows = slice(top, top + _ROWS)
        ours = levels_to_file(in_levels(prediction[rows]), 16)
        off = np.abs(np.subtract(ours, target[rows], dtype=np.int32)).max(2)
        counts += [np.count_nonzero(off <= STEPS), np.count_nonzero(off <= 1)]
    level, step = counts / (target.shape[0] * target.shape[1])
    return float(level), float(step)


# --- PSNR: the error on the logarithmic scale of the literature


HIGHEST_PSNR = 150.0
"""Decibels that stand for equality: more than one grey level in one value of 24 megapixels costs,
which is 127 dB."""


def _square_sums(view: View) -> Sums:
    return added_up(np.square(view.made(absolute_error, view.prediction)))


def _decibels(sums: Sums) -> tuple[Figure, ...]:
    (mean_square,) = mean(sums)
    if not mean_square:
        return (HIGHEST_PSNR,)
    return (min(HIGHEST_PSNR, 10 * math.log10(255**2 / mean_square)),)


PSNR = Metric(
    name="psnr",
    unit="dB",
    lowest=-math.inf,
    highest=HIGHEST_PSNR,
    better="higher",
    explanation=N_(
        "The error as engineers quote it. 6 more means half the error; above 48 it is "
        "finer than the steps of a file."
    ),
    formula=f"10 log10(255^2 / mean square error over R, G and B), at most {HIGHEST_PSNR:.0f}",
    measure=Tally(_square_sums, _decibels),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "shuffle", "source"}),
)


# --- where a pair was retouched


NOISY = 0.0
"""Grey levels (RMS) of noise above which a pair differs by more than its retouch: files that were
compressed apart, say. That of lossless files is 0."""


STRAY = 1e-3
"""Part of the frame that may pass for retouch where there is none: of a hundred thousand pixels
some that differ by more than the noise."""


def noise_and_area(
    source: Picture, target: Picture, coded: Picture | None = None
) -> tuple[float, Area, float]:
    """Return the noise of a pair, where above it the retouch is, bool (H, W), and what share of the
    frame was moved in places, 0 to 1.

    The noise is the RMS difference of a typical block, in grey levels, that is not the retoucher's
    doing; see pixels/retouched_area.py for how it is told from the retouch. Pictures are levels or
    file space, (H, W, 3); `coded` is the source as its file has it, where it was brought to the
    target's colours: what is clipped there is not the retouch's doing. Raises ValueError when the
    shapes differ.
    """
    check(source, target)
    before, true = _rgb(source), _rgb(target)
    file = None if coded is None else _rgb(coded)
    known = areas.pair_map(before, true, file)
    area = areas.retouched_area(before, true, known)
    if file is not None:
        white = np.iinfo(file.dtype).max
        for row, pixels in zip(area, file, strict=True):
            row &= ~((pixels == 0) | (pixels == white)).any(1)
    return known.noise_level, area, 0.0 if known.moved is None else float(known.moved.mean())


@dataclass(frozen=True)
class Ruler:
    """By what a pair is judged: verdicts and the probe share it."""

    noise: float
    """grey levels (RMS) of difference that are not the retoucher's doing"""
    area: Area
    """where the retouch is; nowhere if noise, or a grade, may be all that was found"""
    moved: float
    """share of the frame that was moved in places, which training leaves out, too"""
    grade: Grade | None
    """of one side, where there is one"""
    before: Picture
    """the source; where there is a grade, in the target's colours"""

    @property
    def by_area(self) -> bool:
        """Whether the retouched area decides, and not the whole frame."""
        return judged_by_area(self.noise, self.moved, self.grade is not None)

    def share(self, prediction: Picture, target: Picture, source: Picture) -> Figure:
        """Return the recovered share that counts; None where there is nothing to recover."""
        if not self.by_area:
            return recovered_share(prediction, target, source)
        if not self.area.any():
            return None
        if self.grade is None:
            return recovered_share(prediction, target, source, self.area)
        before, ours = (in_colours_of(side, target) for side in (source, prediction))
        share = recovered_share(ours, target, before, self.area)
        retouch = level_error(before, target, self.area) * float(self.area.mean())
        noise = level_error(before, target) - retouch
        idle, error = (level_error(side, target) for side in (source, prediction))
        return judged_share(share, share_but_noise(idle, error, noise))


def ruler_of(source: Picture, target: Picture) -> Ruler:
    """Return by what a pair is judged. Pictures are file space or levels, (H, W, 3). Raises
    ValueError when the shapes differ."""
    check(source, target)
    grade, before = colour_grade(source, target), source
    if grade is None:
        noise, area, moved = noise_and_area(source, target)
        least = 0.0
    else:
        before = in_colours_of(source, target)
        noise, area, moved = noise_and_area(before, target, source)
        least = grade.misfit
    found = Ruler(noise, area, moved, grade, before)
    share = float(area.mean())
    if found.by_area and (
        share <= STRAY or (least and level_error(before, target, area) * share < least)
    ):
        area[:] = False
    return found


def judged_by_area(noise: float, moved: float, graded: bool) -> bool:
    """Whether a pair is judged by its retouched area: its sides differ by more than the retouch,
    so that the figures of the frame are those of noise, of a liquify that cannot be undone, or of a
    grade."""
    return noise > NOISY or moved > 0 or graded


def judged_share(share: Figure, of_all: float | None) -> Figure:
    """Return the recovered share by which a pair is judged: that of the retouch and, where one side
    is graded, no more than what is back `of_all`, retouch and grade together."""
    return share if share is None or of_all is None else min(share, of_all)


def share_but_noise(idle: float, error: float, noise: float) -> float:
    """Return the share that is back of all that can come back, by the errors over the frame of
    doing nothing and of the prediction, and what of the former is noise; grey levels."""
    return (idle - error) / max(idle - max(noise, 0.0), 1e-6)


def _rgb(picture: Picture) -> Rgb:
    if picture.dtype.kind == "u":
        return cast(Rgb, picture)
    return levels_to_file(in_levels(picture))
