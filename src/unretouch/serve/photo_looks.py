"""What the page shows of a photograph: as it was, and its change by size of texture, so that the
browser can make more or less of each at once.

A look is one PNG of five pictures, one below the other: the photograph in 8 bits of sRGB, and the
fine, medium and coarse texture of its change and the rest of it, each as 128 + change / unit. With
it go the four units, in grey levels.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.metrics.metric import HALO
from unretouch.metrics.octave_bands import band_layers
from unretouch.pixels import colour
from unretouch.pixels.images import row_strips
from unretouch.pixels.photos import Photo
from unretouch.pixels.spaces import Rgb
from unretouch.tasks.apply.masks import Enlarged
from unretouch.tasks.apply.texture_sizes import SIZES, by_size

Floats = NDArray[np.float32]

LONGEST = 1440
"""Pixels of the longer side of a whole photograph on the page."""
TILE = 512
"""Side of the parts that it is shown in at full size."""
_FINEST = 0.25
"""Grey levels: the smallest unit. Larger changes take a larger one."""


NO_CHANGE: Floats = np.zeros((1, 1, 3), np.float32)
"""Of any photograph, as one that was seen reduced."""


def keep_shown(photo: Photo, path: Path) -> Rgb:
    """Write the photograph in 8 bits of sRGB, as numpy does, so that parts can be read without the
    rest; return it, read so. Raises OSError."""
    space, _ = colour.told(photo.profile)
    kept = np.lib.format.open_memmap(path, "w+", np.uint8, photo.pixels.shape)
    for rows in row_strips(len(kept)):
        part = photo.pixels[rows]
        if part.dtype == np.uint8:
            kept[rows] = part if space is None else space.in_srgb(part)[0]
        else:
            share = part.astype(np.float32) / np.float32(photo.full)
            if space is not None:
                share = space.to_srgb(share).clip(0, 1)
            kept[rows] = np.rint(255 * share).astype(np.uint8)
    kept.flush()
    return kept


def size_of_whole(width: int, height: int) -> tuple[int, int]:
    """Return width and height of a whole photograph on the page."""
    factor = min(1.0, LONGEST / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def of_whole(shown: Rgb, change: Floats) -> tuple[bytes, list[float]]:
    """Return the look of the whole photograph, reduced. `change` is float32 (h, w, 3) in 0..1, of
    the photograph's size or, of a model that sees it reduced, smaller."""
    height, width = shown.shape[:2]
    size = size_of_whole(width, height)
    before = np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BOX))
    small = _resized(change, size)
    parts = [np.empty_like(small) for _ in SIZES]
    for channel in range(3):
        plane = np.ascontiguousarray(small[..., channel])
        layers = band_layers(plane, range(len(SIZES)), smaller=width / size[0])
        for part, layer in zip(parts, layers, strict=True):
            part[..., channel] = layer
    return _stacked(before, [*parts, small - sum(parts)])


def of_part(shown: Rgb, change: Floats, rows: slice, columns: slice) -> tuple[bytes, list[float]]:
    """Return the look of a part of the photograph, pixel for pixel; see `of_whole`."""
    height, width = shown.shape[:2]
    top, left = max(0, rows.start - HALO), max(0, columns.start - HALO)
    around = Enlarged(change, height, width).window(
        slice(top, min(height, rows.stop + HALO)), slice(left, min(width, columns.stop + HALO))
    )
    own = slice(columns.start - left, columns.stop - left)
    parts = by_size(np.asarray(around), slice(rows.start - top, rows.stop - top))
    return _stacked(shown[rows, columns], [part[:, own] for part in parts])


def _resized(change: Floats, size: tuple[int, int]) -> Floats:
    smaller = change.shape[1] >= size[0]
    how = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    made = np.empty((size[1], size[0], 3), np.float32)
    for channel in range(3):  # one by one: memory
        plane = Image.fromarray(np.ascontiguousarray(change[..., channel]))
        made[..., channel] = np.asarray(plane.resize(size, how))
    return made


def _stacked(before: Rgb, parts: list[Floats]) -> tuple[bytes, list[float]]:
    pictures, units = [np.asarray(before)], []
    for part in parts:
        levels = np.float32(255) * part
        unit = max(_FINEST, float(np.abs(levels).max(initial=0)) / 127)
        pictures.append(np.rint(128 + levels / np.float32(unit)).astype(np.uint8))
        units.append(unit)
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(pictures)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue(), units
