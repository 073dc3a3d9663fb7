"""The ceiling of texture: how much of what a retouch removed its files can still hold.

In an octave band, and in a cell so small that the strength of the retouch is one, let u be the
removed texture. The three channels of the source hold a = b u + n: what is left of u, and the noise
of its file, of covariance N (rounding, compression). The luma of the removed detail as files have
it is d = u + m - w'n, m the noise of the target's luma and w the weights of luma: the source's own
noise is part of what lies between the files. Both are then Gaussian, and the estimate of d from a
of the least error is linear (Wiener 1949). Its coherence with d is the square root of

    c' (b b' U + N)^-1 c / (U + w' N w + M),    c = b U - N w,    U = E[u^2], M = E[m^2]

the magnitude-squared (multiple) coherence of a linear Gaussian channel (Carter 1987, Coherence and
time delay estimation; Bendat and Piersol, Random Data). Over an area the cells are weighted by the
energy that was removed.

It is a ceiling for what follows from the pair's own files under these assumptions: texture is
Gaussian within a cell; noise does not depend on it; the estimator knows how strong the retouch was
in each place. Of what else is in the source, edges that were kept, only what goes with the removed
texture counts as a trace, and none of it as noise: to part the two costs a real model some more. A
model that learnt this very pair by heart is not bound by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unretouch.metrics.metric import HALO, SIDE, Patch, Sums, in_order
from unretouch.metrics.octave_bands import BANDS, NOTHING, band_layers, bands_of
from unretouch.metrics.pictures import Area, Figure, Picture, Tile, check, tiles_of
from unretouch.pixels.spaces import LUMA, STEPS

FINE_STEP = 1 / STEPS
"""Grey levels from one value to the next of 16 bits."""
WHITE = (0.76, 0.11, 0.027, 0.0065)
"""What of the energy of white noise is in each band; also the share of a cell's pixels that tell of
the band independently of each other."""
PERIODS = 6
"""Of a band's longest period, across a cell: SIDE holds whole cells of every band."""
FEWEST = 8.0
"""Independent values of a cell below which it tells nothing."""
LEAST_TEXTURE = 0.05
"""Of what was removed from a cell: taken for texture at least, and not for noise."""

_Cells = npt.NDArray[np.float64]
_SUMS = 8
"""Of a cell: pixels; d^2; a d and a^2 of each channel."""


@dataclass(frozen=True)
class TextureCeiling:
    """The highest coherence that can be reached in each octave band, finest first, 0 to 1; None
    where the retouch took nothing from the band."""

    bands: tuple[Figure, ...]
    with_16_bits: tuple[Figure, ...]
    """the same with 16 bits in both files, all other noise as it is"""


def texture_ceiling(
    source: Picture,
    target: Picture,
    area: Area,
    steps: tuple[float, float] = (1.0, 1.0),
    compression: Sequence[float] = (0.0,) * len(BANDS),
) -> TextureCeiling:
    """Measure the ceiling over an area, bool (H, W), of a pair of file space or levels, (H, W, 3).

    `steps` are the rounding steps of source and target in grey levels; `compression` is
    the energy in luma, by band, that the compression of both files together puts between them, in
    grey levels squared. All None over an empty area. Raises ValueError when the shapes differ.
    """
    if not area.any():
        check(source, target)
        return TextureCeiling((None,) * len(BANDS), (None,) * len(BANDS))
    check(source, target, area=area)

    def of(tile: Tile) -> list[_Cells]:
        return _moments(Patch(source, tile), Patch(target, tile), area[tile.own])

    height, width = area.shape
    tiles = tiles_of(height, width, HALO, SIDE)
    found = in_order(of, (tile for tile in tiles if area[tile.own].any()))
    by_band = [np.concatenate(cells) for cells in zip(*found, strict=True)]
    grey = all(_grey(picture) for picture in (source, target))
    wide, fine = [], []
    for index, cells in enumerate(by_band):
        own = [_noise(index, step, compression[index] / 2, grey) for step in steps]
        finer = [
            _noise(index, min(step, FINE_STEP), compression[index] / 2, grey) for step in steps
        ]
        channel = _channel(index, cells, *own)
        wide.append(None if channel is None else channel.coherence(*own))
        fine.append(None if channel is None else channel.coherence(*finer))
    return TextureCeiling(tuple(wide), tuple(fine))


def _grey(picture: Picture) -> bool:
    """Return whether all channels are the same: then their rounding is, too."""
    return bool((picture == picture[:, :, :1]).all())


def _noise(index: int, step: float, compression: float, grey: bool) -> npt.NDArray[np.float64]:
    """Return the covariance of one file's noise between the channels, (3, 3), in a band.

    Rounding to a step has a variance of a twelfth of its square, in each channel for itself.
    Compression, which keeps most of the light, is alike in all.
    """
    rounding = step**2 / 12 * WHITE[index] * (np.ones((3, 3)) if grey else np.eye(3))
    return np.asarray(rounding + compression)


def _moments(source: Patch, target: Patch, inside: Area) -> list[_Cells]:
    """Return the sums of the cells of a tile, (n, 8) for each band, of the pixels `inside`."""
    own = source.tile.inner
    before = [list(band_layers(np.ascontiguousarray(source.levels[..., c]))) for c in range(3)]
    found = []
    for index, (true, luma) in enumerate(
        zip(target.made(bands_of), source.made(bands_of), strict=True)
    ):
        removed = (true - luma)[own].astype(np.float64)
        channels = [layers[index][own].astype(np.float64) for layers in before]
        products = [np.ones_like(removed), removed * removed]
        products += [one * removed for one in channels] + [one * one for one in channels]
        found.append(_by_cell(np.stack(products) * inside, PERIODS * BANDS[index][1]))
    return found


def _by_cell(layers: npt.NDArray[np.float64], side: int) -> _Cells:
    """Return the sums of layers (C, h, w) over squares of `side` pixels, (n, C)."""
    places = [np.arange(0, length, side) for length in layers.shape[1:]]
    rows = np.add.reduceat(layers, places[0], axis=1)
    return np.asarray(np.add.reduceat(rows, places[1], axis=2).reshape(len(layers), -1).T)


@dataclass(frozen=True)
class _Channel:
    """What a band's cells say of the way from the removed texture to the source."""

    pixels: Sums
    texture: Sums
    """U of each cell, (n,)"""
    left: npt.NDArray[np.float64]
    """b of each cell, (n, 3)"""

    def coherence(
        self, noise: npt.NDArray[np.float64], of_target: npt.NDArray[np.float64]
    ) -> Figure:
        """Return the coherence of the best estimate, for the noise of both files: see above."""
        known = noise + 1e-9 * np.eye(3)
        between = self.texture + float(LUMA @ (noise + of_target) @ LUMA)
        shared = self.left * self.texture[:, None] - noise @ LUMA
        seen = self.left[:, :, None] * self.left[:, None, :] * self.texture[:, None, None] + known
        told = np.einsum("nc,nc->n", shared, np.linalg.solve(seen, shared[..., None])[..., 0])
        whole = float((between * self.pixels).sum())
        share = float((np.minimum(told, between) * self.pixels).sum()) / whole
        return math.sqrt(max(0.0, share))


def _channel(
    index: int,
    cells: _Cells,
    noise: npt.NDArray[np.float64],
    of_target: npt.NDArray[np.float64],
) -> _Channel | None:
    """Return what the cells of a band say, given the noise of both files; None where they hold
    nothing."""
    cells = cells[cells[:, 0] * WHITE[index] >= FEWEST]
    pixels = cells[:, 0]
    if not len(cells) or cells[:, 1].sum() <= NOTHING * pixels.sum():
        return None
    means = cells[:, 1:] / pixels[:, None]
    removed, shared, energy = means[:, 0], means[:, 1:4], means[:, 4:]
    texture = np.maximum(
        removed - float(LUMA @ (noise + of_target) @ LUMA), LEAST_TEXTURE * removed
    )
    texture = np.maximum(texture, 1e-9)
    traced = (shared + noise @ LUMA) ** 2 / texture[:, None]
    # What else is in the source goes with the texture by chance, too: that much is no trace.
    chance = np.maximum(energy - traced, 0) / (pixels[:, None] * WHITE[index])
    sign = np.sign(shared + noise @ LUMA)
    left = sign * np.sqrt(np.maximum(traced - chance, 0) / texture[:, None])
    return _Channel(pixels, texture, left)
