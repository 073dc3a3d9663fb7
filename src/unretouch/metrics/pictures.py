"""What metrics take: pictures in grey levels, and the part of the frame that counts; their luma,
and the tiles into which a large frame is cut, so that a metric's memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unretouch.pixels.spaces import LUMA, Rgb

Levels = npt.NDArray[np.float32]
"""A picture in grey levels: float32 (H, W, 3), 0 to 255, a prediction not rounded."""
Picture = Rgb | Levels
"""File space or levels, (H, W, 3). A large picture that is bytes anyway need not become four times
its size to be measured."""
Area = npt.NDArray[np.bool_]
"""The pixels that count: bool (H, W)."""
Places = npt.NDArray[np.intp]
"""Rows or columns of a picture, counted from its first."""
Figure = float | None
"""A measured number; None where it has no meaning."""


def check(*pictures: Picture, area: Area | None = None) -> None:
    """Raise ValueError unless all pictures are (H, W, 3) of one size, and `area` bool (H, W) and
    not empty: a mean over nothing is no number."""
    check_shapes(*pictures, area=area)
    if area is not None and not area.any():
        raise ValueError("the area is empty")


def check_shapes(*pictures: Picture, area: Area | None) -> None:
    """Raise ValueError unless all pictures are (H, W, 3) of one size and `area` bool (H, W)."""
    shape = pictures[0].shape
    if len(shape) != 3 or shape[2] != 3:
        raise ValueError(f"a picture is (H, W, 3), not {shape}")
    if any(picture.shape != shape for picture in pictures):
        raise ValueError(f"shapes differ: {[picture.shape for picture in pictures]}")
    if area is not None and (area.shape != shape[:2] or area.dtype != np.bool_):
        raise ValueError(f"the area is bool {shape[:2]}, not {area.dtype} {area.shape}")


def reflected(places: Places, length: int) -> Places:
    """Return the place inside a side of `length` pixels that each place shows, inside or outside:
    reflected at the first and the last pixel, which are not repeated."""
    period = max(2 * (length - 1), 1)
    folded = places % period
    return np.asarray(np.minimum(folded, period - folded) if length > 1 else folded * 0)


# --- luma: the lightness that carries skin texture


Layer = npt.NDArray[np.float32]
"""One channel in grey levels: float32 (H, W)."""


def luma(levels: Levels) -> Layer:
    """Return the luma of levels (H, W, 3): float32 (H, W), 0 to 255."""
    # Not a product of matrices: the threads of BLAS would get into the way of those of the tiles.
    return np.asarray(np.einsum("hwc,c->hw", levels, LUMA), dtype=np.float32)


# --- tiles


Window = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """One piece: `own` are its pixels, `around` these with their surroundings, both in the frame;
    `inner` are its own pixels within `around`."""

    own: Window
    around: Window
    inner: Window


def tiles_of(height: int, width: int, halo: int, side: int) -> Iterator[Tile]:
    """Yield tiles whose own parts, of `side` pixels, cover the frame once; the `halo` pixels around
    them are cut at its edge."""
    for rows in _spans(height, halo, side):
        for columns in _spans(width, halo, side):
            own, around, inner = zip(rows, columns, strict=True)
            yield Tile(own, around, inner)


def _spans(length: int, halo: int, side: int) -> list[tuple[slice, slice, slice]]:
    spans = []
    for start in range(0, length, side):
        stop = min(start + side, length)
        first, last = max(start - halo, 0), min(stop + halo, length)
        spans.append((slice(start, stop), slice(first, last), slice(start - first, stop - first)))
    return spans
