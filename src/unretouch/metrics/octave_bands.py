"""Octave bands: a picture's detail by its size, and the energy of it inside an irregular area.

The filters are radial, so an eyelash counts alike at every angle, and add up to 1 between octaves:
half a cosine squared on each side of a centre, over log frequency (the radial part of the steerable
pyramid of Simoncelli and Freeman, 1995). They are applied to the whole frame and their energy is
summed over the area alone, so no window has to fit into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from unretouch.metrics.luma import Layer
from unretouch.metrics.metric import Area
from unretouch.metrics.tiling import tiles_of

BANDS = ((2, 4), (4, 8), (8, 16), (16, 32))
"""Periods in pixels, from and to. The finest also holds what is finer still on the diagonals."""
PARTS = tuple(f"{low}_{high}" for low, high in BANDS)
HALO = 64
"""Pixels around a tile that its filters look at: two periods of the coarsest detail."""
NOTHING = 1e-4
"""Mean square in grey levels squared below which a band holds nothing: 0.01 grey levels RMS, far
below the 0.29 of 8-bit rounding, far above that of float32."""

Gram = npt.NDArray[np.float64]
"""Mean products by band: (bands, pictures, pictures), in grey levels squared."""


def band_layers(picture: Layer) -> Iterator[Layer]:
    """Yield the four bands of a picture (H, W), each float32 (H, W) with a mean of about 0.

    The picture is continued by reflection. A sine wave of the period 2.83, 5.66, 11.3 or 22.6 px
    is in one band alone, one on a border in both its neighbours with half the amplitude.
    """
    shape, window, spectrum = _spectrum(picture)
    for gain in _gains(shape):
        layer = fft.irfft2(spectrum * gain, s=shape, overwrite_x=True)
        yield np.asarray(layer[window], dtype=np.float32)


def detail_layer(picture: Layer) -> Layer:
    """Return all detail with periods below 32 px, float32 (H, W): the sum of the four bands."""
    height, width = picture.shape
    detail = np.empty((height, width), dtype=np.float32)
    for tile in tiles_of(height, width, HALO):
        shape, window, spectrum = _spectrum(picture[tile.around])
        layer = fft.irfft2(spectrum * sum(_gains(shape)), s=shape, overwrite_x=True)
        detail[tile.own] = layer[window][tile.inner]
    return detail


def band_products(pictures: Sequence[Layer], area: Area | None = None) -> Gram:
    """Return the mean over the area of the products of every two pictures, by band.

    Pictures are (H, W) of one size; the result (4, n, n) holds energies on its diagonal.
    Works in tiles: memory beyond the pictures is that of 1152 px squares.
    """
    height, width = pictures[0].shape
    count = height * width if area is None else int(np.count_nonzero(area))
    gram = np.zeros((len(BANDS), len(pictures), len(pictures)))
    for tile in tiles_of(height, width, HALO):
        inside = None if area is None else area[tile.own]
        if inside is not None and not inside.any():
            continue
        by_picture = [band_layers(picture[tile.around]) for picture in pictures]
        for index, layers in enumerate(zip(*by_picture, strict=True)):
            owned = [layer[tile.inner] for layer in layers]
            values = np.stack([o.ravel() if inside is None else o[inside] for o in owned])
            gram[index] += np.einsum("ip,jp->ij", values, values, dtype=np.float64)
    return gram / count


def _spectrum(
    picture: Layer,
) -> tuple[tuple[int, int], tuple[slice, slice], npt.NDArray[np.complex64]]:
    """Return the shape of the picture's continuation, where in it the picture lies, and the
    continuation's spectrum."""
    (rows, columns), window = zip(*(_continued(length) for length in picture.shape), strict=True)
    padded = np.pad(picture, (rows, columns), mode="reflect")
    return (padded.shape[0], padded.shape[1]), (window[0], window[1]), fft.rfft2(padded)


def _continued(length: int) -> tuple[tuple[int, int], slice]:
    """Return how far a side is continued before and after, and where it then lies."""
    before = HALO if length > 1 else 0
    after = fft.next_fast_len(length + 2 * before, real=True) - length - before
    return (before, after), slice(before, before + length)


@lru_cache(maxsize=8)
def _gains(shape: tuple[int, int]) -> tuple[Layer, ...]:
    """Return the filter of each band for the real spectrum of a picture of this shape."""
    rows = np.fft.fftfreq(shape[0]).astype(np.float32)
    columns = np.fft.rfftfreq(shape[1]).astype(np.float32)
    octave = np.log2(np.maximum(np.hypot(rows[:, None], columns[None, :]), 1e-6))
    gains = []
    for index, (low, high) in enumerate(BANDS):
        from_centre = octave + np.log2(np.sqrt(low * high))
        if index == 0:
            from_centre = np.minimum(from_centre, 0)
        gain = np.cos(np.pi / 2 * np.clip(from_centre, -1, 1)) ** 2
        gains.append(np.asarray(gain, dtype=np.float32))
    return tuple(gains)
