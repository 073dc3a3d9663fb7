"""Where to restore: a picture from the user, skin by its colour, or what training pairs changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base.errors import DataError
from unretouch.pixels.pairs import Pair
from unretouch.pixels.photos import Photo, read_photo
from unretouch.pixels.retouch import skin_mask
from unretouch.pixels.retouched_area import pair_map
from unretouch.pixels.spaces import luma
from unretouch.tasks.apply.enlarged import Enlarged

Floats = NDArray[np.float32]

LOOKED_AT = 1024
"""Pixels of the longer side of the copy in which skin is looked for."""


def from_file(path: Path, photo: Photo) -> Enlarged:
    """Return the mask in a picture: white is restored, black stays, grey in part.

    It is stretched to the photograph. Raises DataError where their proportions differ by over 1 %.
    """
    picture = read_photo(path)
    height, width = photo.pixels.shape[:2]
    rows, columns = picture.pixels.shape[:2]
    if abs(rows * width - columns * height) > 0.01 * columns * height:
        raise DataError(
            f"is {columns} x {rows}, which does not fit a photograph of {width} x {height}", path
        )
    plane = np.asarray(picture.pixels[..., 1] >> (0 if picture.full == 255 else 8), np.uint8)
    return Enlarged(plane, height, width, cubic=False)


def of_skin(photo: Photo) -> Enlarged:
    """Return where the photograph shows skin, told by colour and smoothness, feathered."""
    return _enlarged(skin_mask(_small(photo)), photo)


@dataclass(frozen=True)
class LearntMask:
    """How much the training pairs changed each colour. No network and no weights: counts."""

    share: Floats
    """(BINS, BINS, BINS): over ln(R/G), ln(G/B) and the light; 0 never changed, 1 mostly"""

    def of(self, photo: Photo) -> Enlarged:
        """Return where the photograph has colours that training pairs changed, feathered."""
        small = _small(photo)
        plane = self.share[_cells(small)]
        return _enlarged(_feathered(plane), photo)


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
        source, target = _shrunk(pair.source), _shrunk(pair.target)
        # The difference at full size: reduced pictures have lost the texture it is made of.
        known = pair_map(pair.source, pair.target)
        if known.lossless:
            difference = np.abs(np.subtract(pair.source, pair.target, dtype=np.int16)).mean(
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
    all_pixels, changed = (_blurred3(counts) for counts in (all_pixels, changed))
    share = changed / (all_pixels + 1e-6 * all_pixels.sum())
    share = np.clip((share - 0.3) / 0.4, 0, 1)
    return LearntMask(share.astype(np.float32))


def _cells(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.intp], ...]:
    levels = _blurred_rgb(rgb, _unit(rgb.shape[:2])) + 4
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
    """Return the photograph in 8 bits, its longer side at most LOOKED_AT."""
    height, width = photo.pixels.shape[:2]
    step = max(1, max(height, width) // (4 * LOOKED_AT))  # enough to reduce well from
    pixels = photo.pixels[::step, ::step]
    eight = pixels if photo.full == 255 else (pixels >> 8).astype(np.uint8)
    return _shrunk(np.asarray(eight, np.uint8))


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


def _enlarged(plane: Floats, photo: Photo) -> Enlarged:
    height, width = photo.pixels.shape[:2]
    return Enlarged(plane, height, width, cubic=False)


def _blurred(plane: Floats, sigma: float) -> Floats:
    from scipy import ndimage

    result: Floats = ndimage.gaussian_filter(plane, sigma)
    return result


def _blurred_rgb(rgb: NDArray[np.uint8], sigma: float) -> Floats:
    from scipy import ndimage

    result: Floats = ndimage.gaussian_filter(rgb.astype(np.float32), (sigma, sigma, 0))
    return result


def _blurred3(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy import ndimage

    result: NDArray[np.float64] = ndimage.gaussian_filter(counts, 0.8)
    return result
