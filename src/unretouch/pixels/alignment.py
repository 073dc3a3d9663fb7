"""Bring the two sides of a pair together: shifted, cropped, resized, turned by a little.

B, the picture before, is the truth and only cut. A is moved onto it: by whole pixels where that is
enough, so that no pixel changes, and otherwise by cubic splines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base.errors import DataError
from unretouch.base.messages import Message, _, in_a_row
from unretouch.pixels.images import reduced
from unretouch.pixels.movement import STILL, Movement, Straight, along, between
from unretouch.pixels.spaces import Plane, Rgb, eight, luma

SIDE = 512
"""Pixels of the longer side of the reduced pictures in which a place is sought."""
SCALES = 1 + np.arange(-12, 13) / 200
"""Of B against A, that are tried: 6 % less to 6 % more."""
CERTAIN, SAME, UNLIKE = 0.5, 0.7, 0.3
"""Height of a peak (1 is a pure shift) that needs no comparison with others; agreement of two
pictures that are surely one; and below which they have nothing in common."""
LARGEST_SCALE, LARGEST_TURN = 0.06, 2.0
"""Another size, as a share, and degrees that are undone."""
SMALLEST_PART = 0.5
"""Share of B that must be left."""
WHOLE = 0.08
"""Pixels from a shift by whole ones that is taken for one."""
REMEMBERED = 64
"""Pairs of which that is kept."""
WARNED = 0.5
"""Pixels by which another size or a turn moves the border where it is named."""


@dataclass(frozen=True)
class Aligned:
    """Both sides, brought together."""

    a: Rgb
    b: Rgb
    """file space (H, W, 3) of one size"""
    said: str
    """what was found and done"""
    residual: tuple[float, float]
    """(dx, dy) in pixels by which B still lies to the right of and below A"""


def placed(a: Rgb, b: Rgb) -> Movement | None:
    """Return how `b` lies against `a`, file space (H, W, 3) of any sizes.

    None where they are too small or show too little. Two pictures that have nothing in common have
    an agreement below UNLIKE. What was found of two pictures is remembered: they are looked at when
    they are read and when they are trained.
    """
    both = _signature(a), _signature(b)
    if both not in _found:
        if len(_found) >= REMEMBERED:
            _found.pop(next(iter(_found)))
        _found[both] = _placed(a, b)
    return _found[both]


_found: dict[tuple[bytes, bytes], Movement | None] = {}


def _signature(picture: Rgb) -> bytes:
    """Return what tells a picture from any other: a digest of every fourth row."""
    rows = np.ascontiguousarray(picture[::4]).data
    return blake2b(rows, salt=str(len(picture)).encode()).digest()


def _placed(a: Rgb, b: Rgb) -> Movement | None:
    found = between(a, b) if a.shape == b.shape else None
    if found is None or found.agreement < SAME:
        start = _searched(a, b)
        again = None if start is None else between(a, b, start)
        if again is not None and (found is None or again.agreement > found.agreement):
            found = again
    if found is None or found.straight is STILL or found.agreement < UNLIKE:
        return found
    # Once it is known how all is moved, what is moved in places is seen clearly.
    return between(a, b, found.straight) or found


def alignable(straight: Straight) -> bool:
    """Whether so much is undone, as far as size and turn go."""
    wide, high, turn = shape_of(straight)
    return max(abs(wide - 1), abs(high - 1)) <= LARGEST_SCALE and abs(turn) <= LARGEST_TURN


def told(straight: Straight, a: Rgb, b: Rgb) -> list[Message]:
    """Return what is not as it should be, in words that follow on one another; nothing if all is.

    `a` and `b` may differ in size.
    """
    said = []
    percent = percent_warned(straight, a)
    if percent is not None:
        change = f"{abs(percent):.1f} %"
        said.append(
            _("A is resized: {change} larger than B", change=change)
            if percent > 0
            else _("A is resized: {change} smaller than B", change=change)
        )
    turn = turn_warned(straight, a)
    if turn is not None:
        degrees = f"{turn:+.2f}"
        said.append(_("B is turned by {degrees} degrees against A", degrees=degrees))
    if a.shape != b.shape:
        said += _borders(straight, a, b)
    elif (shift := shift_warned(straight, a)) is not None:
        # Adding 0.0 makes a rounded -0.0 a plain zero.
        dx, dy = (f"{round(axis, 1) + 0.0:.1f}" for axis in shift)
        said.append(_("B is shifted by dx={dx}, dy={dy} pixels against A", dx=dx, dy=dy))
    return said


def percent_warned(straight: Straight, a: Rgb) -> float | None:
    """Return by how many per cent A is larger than B, where that can be seen at its border."""
    wide, high, _ = shape_of(straight)
    height, width = a.shape[:2]
    seen = max(abs(wide - 1) * width, abs(high - 1) * height) / 2 >= WARNED
    return 100 * (2 / (wide + high) - 1) if seen else None


def turn_warned(straight: Straight, a: Rgb) -> float | None:
    """Return by how many degrees B is turned against A, where that can be seen at its border."""
    turn = shape_of(straight)[2]
    return turn if abs(math.radians(turn)) * max(a.shape) / 2 >= WARNED else None


def shift_warned(straight: Straight, a: Rgb) -> tuple[float, float] | None:
    """Return (dx, dy) in pixels by which B lies to the right of and below A, where that matters."""
    dx, dy = shift_of(straight, a)
    return (dx, dy) if max(abs(dx), abs(dy)) >= WARNED else None


def _borders(straight: Straight, a: Rgb, b: Rgb) -> list[Message]:
    """Return which borders of B are missing in A, or the other way round; nothing if none is."""
    left, top, right, bottom = (round(side) for side in _ends(straight, a))
    sides = (left, top, b.shape[1] - right, b.shape[0] - bottom)
    if not any(sides):
        return []
    cropped = "A" if min(sides) >= 0 else "B" if max(sides) <= 0 else ""
    left, top, right, bottom = (abs(side) if cropped else side for side in sides)
    text = _(
        "{left} left, {top} above, {right} right, {bottom} below (pixels)",
        left=left,
        top=top,
        right=right,
        bottom=bottom,
    )
    if not cropped:
        return [
            _(
                "A and B are cropped: B shows more than A, or less where negative: {border}",
                border=text,
            )
        ]
    return [
        _(
            "{side} is cropped: it is {other} without a border of {border}",
            side=cropped,
            other="B" if cropped == "A" else "A",
            border=text,
        )
    ]


def shape_of(straight: Straight) -> tuple[float, float, float]:
    """Return how wide and how high B shows what A shows, as shares, and the turn in degrees."""
    (xx, xy, _), (yx, yy, _) = straight
    turn = math.degrees(math.atan2(yx - xy, xx + yy))
    return math.hypot(xx, yx), math.hypot(xy, yy), turn


def shift_of(straight: Straight, a: Rgb) -> tuple[float, float]:
    """Return (dx, dy) in pixels by which B lies to the right of and below A in the middle of A."""
    middle = np.array([a.shape[1] / 2, a.shape[0] / 2])
    dx, dy = along(straight, middle) - middle
    return float(dx), float(dy)


def _ends(straight: Straight, a: Rgb) -> tuple[float, float, float, float]:
    """Return where A lies in B, in pixels: left, top, right, bottom, as far as all of it does."""
    height, width = a.shape[:2]
    corners = np.array([[(0, 0), (width, 0)], [(0, height), (width, height)]], float)
    x, y = np.moveaxis(along(straight, corners), -1, 0)
    return max(x[:, 0]), max(y[0]), min(x[:, 1]), min(y[1])


def aligned(a: Rgb, b: Rgb, where: object) -> Aligned:
    """Return both sides brought together, cut to what both show.

    Raises DataError, about the file `where`, for what cannot be aligned, with numbers.
    """
    found = placed(a, b)
    if found is None or found.agreement < UNLIKE:
        most = f"{LARGEST_SCALE:.0%}"
        hint = _(
            "Are they two pictures of one photograph? Resized by more than {most} is not looked "
            "for: export both at one size",
            most=most,
        )
        raise DataError(_("cannot be aligned: A and B have nothing in common"), where, hint)
    straight = found.straight
    left, top, right, bottom = _cut(straight, a, b)
    part = max(0, right - left) * max(0, bottom - top) / (b.shape[0] * b.shape[1])
    if not alignable(straight) or part < SMALLEST_PART:
        share = f"{part:.0%}"
        lies = in_a_row([*told(straight, a, b), _("both show {share} of B", share=share)])
        what = _("cannot be aligned: {lies}", lies=lies)
        raise DataError(what, where, _("Export both at one size and crop"))
    cut = np.ascontiguousarray(b[top:bottom, left:right])
    inner, how = _moved(a, straight, left, top, cut.shape[:2])
    after = between(inner, cut, STILL.copy())  # looked at as closely as can be
    agreement = 0.0 if after is None else after.agreement
    dx, dy = (0.0, 0.0) if after is None else shift_of(after.straight, inner)
    if agreement < SAME or max(abs(dx), abs(dy)) >= WARNED:
        off_x, off_y, alike = f"{dx:.1f}", f"{dy:.1f}", f"{agreement:.2f}"
        state = (
            _("after moving it A lies {dx}, {dy} pixels off", dx=off_x, dy=off_y)
            if agreement >= SAME
            else _(
                "after moving it A is still hardly the same picture (agreement {agreement} of 1)",
                agreement=alike,
            )
        )
        lies = in_a_row([*told(straight, a, b), state])
        what = _("cannot be aligned: {lies}", lies=lies)
        raise DataError(what, where, _("Export both once more from one crop"))
    lay = "; ".join(map(str, told(straight, a, b))) or "A and B lie on one another"
    height, width = cut.shape[:2]
    said = f"{lay}. {how}, both cut to {width} x {height}; residual shift {dx:+.2f}, {dy:+.2f} px"
    return Aligned(inner, cut, said, (dx, dy))


def _cut(straight: Straight, a: Rgb, b: Rgb) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what both show, in whole pixels of B."""
    left, top, right, bottom = _ends(straight, a)
    return (
        max(0, math.ceil(left - WHOLE)),
        max(0, math.ceil(top - WHOLE)),
        min(b.shape[1], math.floor(right + WHOLE)),
        min(b.shape[0], math.floor(bottom + WHOLE)),
    )


def _moved(
    a: Rgb, straight: Straight, left: int, top: int, shape: tuple[int, ...]
) -> tuple[Rgb, str]:
    """Return the part of A that B shows from `left` and `top` on, (H, W, 3), and what was done."""
    from scipy import ndimage

    height, width = shape
    corner = _whole_shift(a, straight)
    if corner is not None:
        x, y = left - corner[0], top - corner[1]
        return a[y : y + height, x : x + width].copy(), "No pixel of either was changed"
    back = np.linalg.inv(straight[:, :2])
    origin = back @ (np.array([left + 0.5, top + 0.5]) - straight[:, 2]) - 0.5
    moved = np.empty((height, width, 3), a.dtype)
    for channel in range(3):
        plane = ndimage.affine_transform(
            a[..., channel].astype(np.float32), back[::-1, ::-1], origin[::-1], (height, width),
            np.float32, order=3, mode="mirror",
        )  # fmt: skip
        moved[..., channel] = np.rint(np.clip(plane, 0, np.iinfo(a.dtype).max))
    return moved, "A was resampled, B left as it is"


def _whole_shift(a: Rgb, straight: Straight) -> tuple[int, int] | None:
    """Return the shift where it is one by whole pixels."""
    dx, dy = (round(axis) for axis in shift_of(straight, a))
    height, width = a.shape[:2]
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], float)
    off = np.abs(along(straight, corners) - corners - (dx, dy)).max()
    return (dx, dy) if off <= WHOLE else None


def _searched(a: Rgb, b: Rgb) -> Straight | None:
    """Return the place and size of A in B, roughly, by phase correlation at many sizes."""
    factor = -(-max(*a.shape[:2], *b.shape[:2]) // SIDE)
    one, other = (luma(reduced(eight(side), factor)) for side in (a, b))
    best, height = None, 0.0
    ratios = [b.shape[axis] / a.shape[axis] for axis in (0, 1)]
    for scale in dict.fromkeys([1.0, *ratios, *SCALES]):
        size = [max(1, round(length * scale)) for length in one.shape]
        if max(size) > 2 * SIDE:
            continue
        resized = np.asarray(Image.fromarray(one).resize(size[::-1], Image.Resampling.BILINEAR))
        found = phase_shift(resized, other)
        if found is not None and found[2] > height:
            true = [size[axis] / one.shape[axis] for axis in (1, 0)]
            best = np.hstack([np.diag(true), np.array(found[:2])[:, None] * factor])
            height = found[2]
        if height > CERTAIN:
            break
    return best


def phase_shift(first: Plane, second: Plane) -> tuple[float, float, float] | None:
    """Return (dx, dy) in pixels by which `second` lies to the right of and below `first`, and the
    height of the peak, 1 for a pure shift. None for pictures too small or of one colour.

    Phase correlation (Kuglin and Hines 1975), damped by a Gaussian so that the peak is a Gaussian,
    whose place between pixels a parabola through the logarithms finds. Fine texture, which a
    retouch takes away, is damped most.
    """
    height, width = np.maximum(first.shape, second.shape)
    if min(*first.shape, *second.shape) < 32:
        return None
    spectra = [
        np.fft.rfft2((plane - plane.mean()) * _hann(plane.shape), (height, width))
        for plane in (first, second)
    ]
    cross = spectra[1] * spectra[0].conj()
    size = np.abs(cross)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    damping = np.exp(-(rows**2 + columns**2) / (2 * 0.1**2))
    # The slowest waves hold the light of the picture rather than the place of its edges.
    damping[(rows**2 + columns**2) < (3 / min(height, width)) ** 2] = 0
    floor = 1e-6 * size.max()
    if floor == 0:
        return None
    whitened = np.where(size > floor, cross / np.maximum(size, floor), 0) * damping
    peaks = np.fft.irfft2(whitened, (height, width))
    highest = np.fft.irfft2(damping, (height, width))[0, 0]
    row, column = np.unravel_index(int(peaks.argmax()), peaks.shape)
    return (
        _between(peaks[row, :], int(column)),
        _between(peaks[:, column], int(row)),
        float(peaks[row, column] / highest),
    )


def _hann(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.outer(np.hanning(shape[0]), np.hanning(shape[1]))


def _between(line: NDArray[np.float64], at: int) -> float:
    """Return the signed place of the peak at index `at` of a periodic line, between samples."""
    left, middle, right = np.log(np.maximum(line[[at - 1, at, (at + 1) % len(line)]], 1e-12))
    curve = left - 2 * middle + right
    offset = 0.5 * (left - right) / curve if curve < 0 else 0.0
    place = at - len(line) if at > len(line) // 2 else at
    return float(place + offset) + 0.0  # never minus zero
