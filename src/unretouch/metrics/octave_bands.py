"""Octave bands: a picture's detail by its size, and the energy of it inside an irregular area.

The filters are radial, so an eyelash counts alike at every angle, and add up to 1 between octaves:
half a cosine squared on each side of a centre, over log frequency (the radial part of the steerable
pyramid of Simoncelli and Freeman, 1995). They are applied to tiles that overlap and their energy is
summed over the area alone, so no window has to fit into it.

Measured in them are band energy (is there as much detail of each size as in the answer?), detail
coherence (is the restored pore where the real one is, or is it merely grain?) and detail recovered
(how much of the removed texture is back, in place and in strength?).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from unretouch.base.messages import N_
from unretouch.metrics.metric import HALO, Metric, Patch, Sums, Tally, View, luma_of, total
from unretouch.metrics.pictures import Area, Figure, Layer, Levels, Picture
from unretouch.pixels.spaces import steps_of

BANDS = ((2, 4), (4, 8), (8, 16), (16, 32))
"""Periods in pixels, from and to. The finest also holds what is finer still on the diagonals."""
PARTS = tuple(f"{low}_{high}" for low, high in BANDS)
NOTHING = 1e-4
"""Mean square in grey levels squared below which a band holds nothing: 0.01 grey levels RMS, far
below the 0.29 of 8-bit rounding, far above that of float32."""

PRODUCTS = ("prediction", "target", "source", "restored", "removed", "missing", "agreement")
"""What `band_sums` adds up in every band: the energies of the three pictures, of prediction -
source, target - source and prediction - target; and the product of the first two differences."""


def band_layers(
    picture: Layer, wanted: Sequence[int] = range(len(BANDS)), smaller: float = 1.0
) -> Iterator[Layer]:
    """Yield the bands `wanted` of a picture (H, W), each float32 (H, W) with a mean of about 0.

    Of a copy that is so many times `smaller`, they are what is left there of the picture's bands.

    The picture is continued by reflection. A sine wave of the period 2.83, 5.66, 11.3 or 22.6 px
    is in one band alone, one on a border in both its neighbours with half the amplitude.
    """
    shape, window, spectrum = _spectrum(picture)
    gains = _gains(shape, smaller)
    for index in wanted:
        yield _inverse(spectrum * gains[index], shape)[window]


def mixed(pictures: Sequence[Layer] | npt.NDArray[np.float32], strengths: Sequence[float]) -> Layer:
    """Return the sum of the finest band of the first picture, the next of the second and so on,
    each times its strength: float32 (H, W)."""
    spectra = [_spectrum(picture) for picture in pictures]
    shape, window, _ = spectra[0]
    whole = sum(
        np.float32(strength) * gain * spectrum
        for strength, gain, (_, _, spectrum) in zip(strengths, _gains(shape), spectra, strict=True)
    )
    return _inverse(np.asarray(whole), shape)[window]


def bands_of(patch: Patch) -> tuple[Layer, ...]:
    """Return the four bands of a tile with its surroundings."""
    return tuple(band_layers(patch.made(luma_of)))


def detail_of(patch: Patch) -> Layer:
    """Return all detail of a tile with periods below 32 px: the sum of its four bands."""
    return np.asarray(sum(patch.made(bands_of)), dtype=np.float32)


def band_sums(view: View) -> Sums:
    """Return PRODUCTS of the pixels that count, band after band, then their number: see
    band_values."""
    return view.made(_sums, view.prediction)


def band_values(sums: Sums) -> list[dict[str, float]]:
    """Return the mean over the area of each of PRODUCTS, in grey levels squared, by band."""
    means = sums[:-1].reshape(len(BANDS), len(PRODUCTS)) / sums[-1]
    return [dict(zip(PRODUCTS, map(float, band), strict=True)) for band in means]


def band_energies(view: View, patch: Patch) -> Sums:
    """Return the energy of a picture in every band, added up over the pixels that count."""
    counted = (values.astype(np.float64) for values in view.made(_counted, patch))
    return np.array([_product(values, values) for values in counted])


def _sums(view: View, prediction: Patch) -> Sums:
    sums: list[float] = []
    for values in zip(
        *(view.made(_counted, p) for p in (prediction, view.target, view.source)), strict=True
    ):
        ours, true, before = (one.astype(np.float64) for one in values)
        restored, removed, missing = ours - before, true - before, ours - true
        for one in (ours, true, before, restored, removed, missing):
            sums.append(_product(one, one))
        sums.append(_product(restored, removed))
    return np.array([*sums, len(view.made(_counted, prediction)[0])], dtype=np.float64)


def _product(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    # Not numpy.dot: the threads of BLAS would get into the way of those that share the tiles.
    return float(np.einsum("n,n->", one, other))


def _counted(view: View, patch: Patch) -> list[npt.NDArray[np.float32]]:
    return [view.own(layer) for layer in patch.made(bands_of)]


def _spectrum(
    picture: Layer,
) -> tuple[tuple[int, int], tuple[slice, slice], npt.NDArray[np.complex64]]:
    """Return the shape of the picture's continuation, where in it the picture lies, and the
    continuation's spectrum."""
    (rows, columns), window = zip(*(_continued(length) for length in picture.shape), strict=True)
    padded = np.pad(picture, (rows, columns), mode="reflect")
    return (padded.shape[0], padded.shape[1]), (window[0], window[1]), fft.rfft2(padded)


def _inverse(spectrum: npt.NDArray[np.complex64], shape: tuple[int, int]) -> Layer:
    # Twice as fast as scipy's, but not loaded for it: `apply` may be where there is none, and the
    # app would be several times as large.
    torch = sys.modules.get("torch")
    if torch is None:
        return np.asarray(fft.irfft2(spectrum, shape), np.float32)
    layer: Layer = torch.fft.irfft2(torch.from_numpy(spectrum), s=shape).numpy()
    return layer


def _continued(length: int) -> tuple[tuple[int, int], slice]:
    """Return how far a side is continued before and after, and where it then lies."""
    before = HALO if length > 1 else 0
    after = fft.next_fast_len(length + 2 * before, real=True) - length - before
    return (before, after), slice(before, before + length)


@lru_cache(maxsize=16)
def _gains(shape: tuple[int, int], smaller: float = 1.0) -> tuple[Layer, ...]:
    """Return the filter of each band for the real spectrum of a picture of this shape, or of a copy
    of it that is so many times `smaller`."""
    rows = np.fft.fftfreq(shape[0]).astype(np.float32)
    columns = np.fft.rfftfreq(shape[1]).astype(np.float32)
    frequency = np.hypot(rows[:, None], columns[None, :]) / np.float32(smaller)
    octave = np.log2(np.maximum(frequency, 1e-6))
    gains = []
    for index, (low, high) in enumerate(BANDS):
        from_centre = octave + np.log2(np.sqrt(low * high))
        if index == 0:
            from_centre = np.minimum(from_centre, 0)
        gain = np.cos(np.pi / 2 * np.clip(from_centre, -1, 1)) ** 2
        gains.append(np.asarray(gain, dtype=np.float32))
    return tuple(gains)


# --- the metrics


def _strengths(sums: Sums) -> tuple[Figure, ...]:
    return tuple(
        band["prediction"] / band["target"] if band["target"] > NOTHING else None
        for band in band_values(sums)
    )


BAND_ENERGY = Metric(
    name="band_energy",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=N_(
        "How strong the texture of each size is beside that of the untouched skin. 1 is the same, "
        "below 1 is too smooth, above 1 is noise."
    ),
    formula="mean square of the prediction's luma / the target's, in octave bands",
    measure=Tally(band_sums, _strengths),
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
"""None for a band in which the target holds nothing."""


def _correlations(sums: Sums) -> tuple[Figure, ...]:
    return tuple(_correlation(band) for band in band_values(sums))


def _correlation(band: Mapping[str, float]) -> Figure:
    restored, removed, product = band["restored"], band["removed"], band["agreement"]
    if not removed > NOTHING:
        return None
    if not restored > 0:
        return 0.0
    # Rounding may carry a perfect match some 1e-16 past 1.
    return float(np.clip(product / np.sqrt(restored * removed), -1, 1))


DETAIL_COHERENCE = Metric(
    name="detail_coherence",
    unit="",
    lowest=-1.0,
    highest=1.0,
    better="higher",
    explanation=N_(
        "Whether the texture put back is the person's own. 1 is every pore in its place, "
        "0 is grain that only looks like skin."
    ),
    formula=(
        "<R, D> / sqrt(<R, R> <D, D>) in octave bands of luma, R = prediction - source, "
        "D = target - source; the zero-lag form of spectral coherence"
    ),
    measure=Tally(band_sums, _correlations),
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn"}),
)
"""1 whatever the strength, 0 where nothing was put back, below 0 where light and dark are swapped.
None for a band from which the retouch took nothing."""


def _recovered(sums: Sums) -> tuple[Figure, ...]:
    return tuple(
        1 - band["missing"] / band["removed"] if band["removed"] > NOTHING else None
        for band in band_values(sums)
    )


DETAIL_RECOVERED = Metric(
    name="detail_recovered",
    unit="",
    lowest=-math.inf,
    highest=1.0,
    better="higher",
    explanation=N_(
        "How much of the removed texture of each size is back. 1 is all of it, 0 is as if nothing "
        "had been done, below 0 is grain or damage."
    ),
    formula=(
        "1 - energy of prediction - target / energy of source - target, in octave bands of luma"
    ),
    measure=Tally(band_sums, _recovered),
    parts=PARTS,
    invariances=frozenset({"brightness", "mirror", "quarter_turn"}),
)
"""Grain of the right strength in the wrong place scores -1. None for a band from which the retouch
took nothing."""


# --- coarse bands: what of a retouch is larger than pores, its light and form
#
# In a photograph of 24 megapixels most of a retouch is. Measured on a copy reduced by the mean of
# 8 x 8 pixels, in the octaves that follow those above, as far as the frame holds enough of their
# periods.

FACTOR = 8
"""By which the copy is reduced: a power of two."""
PERIODS = 16
"""Periods in the middle of a band that the shorter side of the frame must hold at least."""
COARSE = tuple((FACTOR * low, FACTOR * high) for low, high in BANDS[1:])
"""Periods in pixels, from and to. The finest band of the copy is left out: it lies below these, and
the mean over squares does not keep it whole."""


@dataclass(frozen=True)
class CoarseBand:
    """One band of one pair."""

    low: int
    high: int
    """periods in pixels, from and to"""
    removed: float
    """energy of target - source over the retouched area, in grey levels squared, added up"""
    recovered: Figure
    """1: all of it is back, 0: as if nothing had been done, below 0: worse; None of nothing"""


def coarse_bands(
    prediction: Picture, target: Picture, source: Picture, area: Area
) -> tuple[CoarseBand, ...]:
    """Return the bands that the frame is large enough for, of luma, over the cells of the copy
    that hold any of the area; none where it is empty.

    Pictures are file space or levels, (H, W, 3) of one size, `area` bool (H, W).
    """
    wanted = sum(math.sqrt(low * high) * PERIODS <= min(area.shape) for low, high in COARSE)
    if not wanted or not area.any():
        return ()
    small = [reduced(picture, FACTOR) for picture in (prediction, target, source)]
    cells = reduced(area[:, :, None], FACTOR)[:, :, 0] > 0
    if not cells.any():
        return ()
    by_band = band_values(total(band_sums, small[0], small[1], small[2], cells))
    pixels = FACTOR**2 * int(np.count_nonzero(cells))
    return tuple(
        CoarseBand(
            low,
            high,
            removed=band["removed"] * pixels,
            recovered=1 - band["missing"] / band["removed"] if band["removed"] > NOTHING else None,
        )
        for (low, high), band in list(zip(COARSE, by_band[1:], strict=True))[:wanted]
    )


def reduced(picture: Picture | Area, factor: int) -> Levels:
    """Return the mean of each square of `factor` pixels: levels, (H / factor, W / factor, C).

    What is left over right and below is left out.
    """
    height, width = (length // factor for length in picture.shape[:2])
    small = np.empty((height, width, picture.shape[2]), np.float32)
    rows = max(1, 256 // factor)
    for top in range(0, height, rows):
        some = picture[factor * top : factor * min(top + rows, height), : factor * width]
        # Rows first: numpy adds up whole rows several times as fast as both ways at once.
        lines = some.reshape(-1, factor, *some.shape[1:]).sum(axis=1, dtype=np.float32)
        cells = lines.reshape(-1, width, factor, picture.shape[2]).sum(axis=2)
        small[top : top + rows] = cells / (factor**2 * steps_of(picture))
    return small
