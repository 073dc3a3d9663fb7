"""Where to restore: a picture from the user, skin by its colour, or what training pairs changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base.errors import DataError
from unretouch.base.messages import Message, _
from unretouch.pixels import colour
from unretouch.pixels.images import row_strips
from unretouch.pixels.pair_noise import exact_difference
from unretouch.pixels.pairs import Pair
from unretouch.pixels.photos import Photo, read_photo
from unretouch.pixels.retouch import skin_mask
from unretouch.pixels.retouched_area import pair_map
from unretouch.pixels.spaces import eight, luma

Floats = NDArray[np.float32]

LOOKED_AT = 1024
"""Pixels of the longer side of the copy in which skin is looked for."""

NEARLY_WHITE = 250
"""Of 255: masks saved as JPEG, or with a soft brush, are hardly lighter."""


@dataclass(frozen=True)
class Enlarged:
    """`plane` as if resized to `height` x `width`.

    float32 (h, w) or (h, w, C), or uint8 (h, w), which stands for 0..1.
    """

    plane: NDArray[Any]
    height: int
    width: int
    cubic: bool = True
    """bicubic; else linear, which never leaves the range of the plane"""
    note: Message | None = None
    """what people should know of a mask"""

    def window(self, rows: slice, columns: slice) -> Floats:
        """Return that part, float32 (n, m) or (n, m, C)."""
        h, w = self.plane.shape[:2]
        if (h, w) == (self.height, self.width):
            return _as_floats(self.plane[rows, columns])
        y, x = h / self.height, w / self.width
        box = (
            columns.start * x,
            rows.start * y,
            min(float(w), columns.stop * x),
            min(float(h), rows.stop * y),
        )
        size = (columns.stop - columns.start, rows.stop - rows.start)
        how = Image.Resampling.BICUBIC if self.cubic else Image.Resampling.BILINEAR
        channels = self.plane[..., None] if self.plane.ndim == 2 else self.plane
        out = np.empty((size[1], size[0], channels.shape[2]), np.float32)
        for channel in range(channels.shape[2]):
            image = Image.fromarray(_as_floats(np.ascontiguousarray(channels[..., channel])))
            out[..., channel] = np.asarray(image.resize(size, how, box))
        return out[..., 0] if self.plane.ndim == 2 else out

    def is_black(self, rows: slice, columns: slice) -> bool:
        """Whether that part is 0 all over, by the plane itself: nothing is enlarged for it."""
        here = []
        for part, length, full in zip(
            (rows, columns), self.plane.shape, (self.height, self.width), strict=False
        ):
            scale = length / full
            margin = math.ceil(scale) + (2 if self.cubic else 1)
            first, last = math.floor(part.start * scale), math.ceil(part.stop * scale)
            here.append(slice(max(0, first - margin), last + margin))
        return not self.plane[tuple(here)].any()

    def rows(self, top: int, bottom: int) -> Floats:
        """Return rows `top` to `bottom` in their full width."""
        return self.window(slice(top, bottom), slice(0, self.width))


def _as_floats(plane: NDArray[Any]) -> Floats:
    if plane.dtype == np.uint8:
        return plane.astype(np.float32) / np.float32(255)
    return plane.astype(np.float32, copy=False)


def from_file(path: Path, photo: Photo) -> Enlarged:
    """Return the mask in a picture: white is restored, black stays, grey in part.

    Colour counts by its lightness, and what is transparent is black. It is stretched to the
    photograph. Raises DataError where their proportions differ by over 1 %.
    """
    picture = read_photo(path)
    height, width = photo.pixels.shape[:2]
    rows, columns = picture.pixels.shape[:2]
    if abs(rows * width - columns * height) > 0.01 * columns * height:
        size, photos = f"{columns} x {rows}", f"{width} x {height}"
        what = _("is {size}, which does not fit a photograph of {photo}", size=size, photo=photos)
        raise DataError(what, path)
    plane = np.empty((rows, columns), np.uint8)
    for strip in row_strips(rows):
        light = luma(picture.pixels[strip]) / picture.full
        if picture.alpha is not None:
            light *= picture.alpha[strip] / np.float32(picture.full)
        plane[strip] = np.rint(255 * light)
    return replace(_at_full_size(plane, photo), note=_without_white(path, int(plane.max())))


def _without_white(path: Path, lightest: int) -> Message | None:
    """Return what is to be said of a mask whose lightest pixel is not white."""
    if lightest == 0:
        return _("the mask {name} is black all over: nothing is restored", name=path.name)
    if lightest < NEARLY_WHITE:
        share = f"{lightest / 255:.0%}"
        return _(
            "the mask {name} has no white: at most {share} of the change is made",
            name=path.name,
            share=share,
        )
    return None


def of_skin(photo: Photo) -> Enlarged:
    """Return where the photograph shows skin, told by colour and smoothness, feathered."""
    return _at_full_size(skin_mask(_small(photo)), photo)


@dataclass(frozen=True)
class LearntMask:
    """How much the training pairs changed each colour. No network and no weights: counts."""

    share: Floats
    """(BINS, BINS, BINS): over ln(R/G), ln(G/B) and the light; 0 never changed, 1 mostly"""

    def of(self, photo: Photo) -> Enlarged:
        """Return where the photograph has colours that training pairs changed, feathered."""
        small = _small(photo)
        plane = self.share[_cells(small)]
        return _at_full_size(_feathered(plane), photo)


BINS = 24
_RANGES = ((-0.3, 0.9), (-0.4, 0.9), (0.0, 255.0))


def learn(pairs: Sequence[Pair]) -> LearntMask:
    """Return the mask that the pairs teach: colours by how much of their area was changed.

    A pixel counts as changed where the mean difference around it is more than half of the
    picture's mean difference, that of noise left out. The least share that any colour is changed
    by is taken for chance.
    """
    changed = np.zeros((BINS,) * 3, np.float64)
    all_pixels = np.zeros((BINS,) * 3, np.float64)
    for pair in pairs:
        source, target = _shrunk(eight(pair.source)), _shrunk(eight(pair.target))
        # The difference at full size: reduced pictures have lost the texture it is made of.
        known = pair_map(pair.source, pair.target)
        if known.lossless:
            difference = np.abs(exact_difference(pair.source, pair.target)).mean(
                2, dtype=np.float32
            )
        else:
            difference = known.asked_rows(slice(0, len(pair.source)))
        around = _shrunk_plane(difference, source.shape[1], source.shape[0])
        around = _blurred(around, _unit(source.shape[:2]) * 2)
        hit = around > 0.5 * around.mean()
        cells = _cells(target)
        np.add.at(all_pixels, cells, 1.0)
        np.add.at(changed, cells, hit.astype(np.float64))
    all_pixels, changed = (_blurred(counts, 0.8) for counts in (all_pixels, changed))
    share = changed / (all_pixels + 1e-6 * all_pixels.sum())
    share = np.clip((share - 0.3) / 0.4, 0, 1)
    return LearntMask(share.astype(np.float32))


def _cells(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.intp], ...]:
    unit = _unit(rgb.shape)
    levels = _blurred(rgb.astype(np.float32), (unit, unit, 0)) + 4
    red, green, blue = np.moveaxis(np.log(levels), 2, 0)
    light = luma(levels)
    return tuple(
        np.clip((plane - low) / (high - low) * BINS, 0, BINS - 1).astype(np.intp)
        for plane, (low, high) in zip((red - green, green - blue, light), _RANGES, strict=True)
    )


def _feathered(plane: Floats) -> Floats:
    from scipy import ndimage

    unit = _unit(plane.shape)
    size = max(3, round(3 * unit)) | 1
    even = ndimage.median_filter(plane, size)
    soft = _blurred(even, 2.5 * unit)
    result: Floats = np.where(soft < 0.02, 0, soft).astype(np.float32)
    return result


def _unit(shape: tuple[int, ...]) -> float:
    """Pixels: a two hundred and fiftieth of the shorter side, a little more than a pore."""
    return max(0.5, min(shape[:2]) / 250)


def _small(photo: Photo) -> NDArray[np.uint8]:
    """Return the photograph in 8 bits of sRGB, its longer side at most LOOKED_AT."""
    height, width = photo.pixels.shape[:2]
    step = max(1, max(height, width) // (4 * LOOKED_AT))  # enough to reduce well from
    pixels = eight(photo.pixels[::step, ::step])
    space, _ = colour.told(photo.profile)
    return _shrunk(eight(space.in_srgb(pixels)[0]) if space else pixels)


def _shrunk(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    factor = LOOKED_AT / max(height, width)
    if factor >= 1:
        return np.ascontiguousarray(rgb)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def _shrunk_plane(plane: Floats, width: int, height: int) -> Floats:
    if plane.shape == (height, width):
        return plane
    return np.array(Image.fromarray(plane).resize((width, height), Image.Resampling.BOX))


def _at_full_size(plane: NDArray[Any], photo: Photo) -> Enlarged:
    height, width = photo.pixels.shape[:2]
    return Enlarged(plane, height, width, cubic=False)


def _blurred(plane: NDArray[Any], sigma: float | tuple[float, ...]) -> NDArray[Any]:
    from scipy import ndimage

    result: NDArray[Any] = ndimage.gaussian_filter(plane, sigma)
    return result
