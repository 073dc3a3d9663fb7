"""Grain overlay: the retoucher's manual remedy against plastic skin, as a baseline to beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unretouch.metrics.metric import HALO, SIDE, Patch, Sums, View, added, in_order
from unretouch.metrics.octave_bands import BANDS, band_energies, band_layers, mixed
from unretouch.metrics.pictures import Area, Levels, Picture, Tile, check, tiles_of
from unretouch.metrics.ssim import detail_energy
from unretouch.pixels.spaces import in_levels

ENOUGH = 250_000
"""Pixels of the area, at least, over which the strengths are found, to about 2 %: noise is alike
everywhere."""

White = npt.NDArray[np.float32]
"""White noise for each band: (4, h, w), of standard deviation 1."""


@dataclass(frozen=True)
class Grain:
    """The strengths of a grain overlay, found by a first look at all tiles with retouch."""

    area: Area
    seed: int
    strengths: tuple[float, ...]
    """standard deviation of the white noise of each band, in grey levels"""
    detail: Sums
    """detail_energy of the target over the area, added up on the way"""

    def tiles(self) -> Iterator[tuple[Tile, White | None]]:
        """Yield every tile of the frame, those that hold any of the area with their noise."""
        return _noisy_tiles(self.area, self.seed)

    def over(self, source: Picture, tile: Tile, white: White) -> Patch:
        """Return a tile of the source under the grain: within the area alone."""
        grain = mixed(white, self.strengths) * self.area[tile.around]
        patch = Patch(source, tile)
        patch.levels = np.clip(patch.levels + grain[:, :, None], 0, 255)
        return patch


def matched_grain(source: Picture, target: Picture, area: Area, seed: int = 0) -> Grain:
    """Return the grain that a patient retoucher would lay over the retouched area of the source.

    Monochrome noise whose strength in each octave band makes up for the energy that the target has
    and the source lacks, so that it has the right amount of texture of every size, in no right
    place: better grain than can be had without knowing the answer. The same for the same seed.
    Pictures (H, W, 3), area bool (H, W). Raises ValueError when the shapes differ or the area is
    empty.
    """
    check(source, target, area=area)

    def of(job: tuple[Tile, White | None]) -> Sums:
        tile, white = job
        before, true = Patch(source, tile), Patch(target, tile)
        view = View(true, true, before, area.shape, area[tile.own])
        energies = [band_energies(view, patch) for patch in (true, before)]
        spilled = np.zeros((len(BANDS), len(BANDS) + 1))
        if white is not None:
            inside = area[tile.around]
            layers = [_spilled(view, inside, one, n) for n, one in enumerate(white)]
            spilled[:, :-1] = np.stack(layers, axis=1)
            spilled[:, -1] = np.count_nonzero(inside[tile.inner])
        return np.concatenate([*energies, spilled.ravel(), detail_energy(view)])

    sums = added(in_order(of, _first_look(area, seed)))
    count, bands = sums[-1], len(BANDS)
    wanted = np.maximum(sums[:bands] - sums[bands : 2 * bands], 0) / count
    spill = sums[2 * bands : -2].reshape(bands, bands + 1)
    from scipy.optimize import nnls  # late: the app shows figures and measures none

    # A layer made in one band spills into its neighbours, more so where the area is ragged: solve
    # for the strengths (squared, as independent noise adds in energy) that give what is wanted.
    squared, _ = nnls(spill[:, :-1] / spill[:, -1:], wanted)
    return Grain(area, seed, tuple(float(one) for one in np.sqrt(squared)), sums[-2:])


def grain_overlay(source: Picture, target: Picture, area: Area, seed: int = 0) -> Levels:
    """Return the source under the grain that `matched_grain` finds, whole: levels (H, W, 3)."""
    grain = matched_grain(source, target, area, seed)
    covered = in_levels(source).copy()

    for tile, white in grain.tiles():
        if white is not None:
            covered[tile.own] = grain.over(source, tile, white).levels[tile.inner]
    return covered


def _first_look(area: Area, seed: int) -> Iterator[tuple[Tile, White | None]]:
    """Yield the tiles that hold any of the area; the first, until they hold ENOUGH, with noise."""
    noisy, seen = _noisy_tiles(area, seed), 0
    height, width = area.shape
    for tile in tiles_of(height, width, HALO, SIDE):
        if seen < ENOUGH:
            _, white = next(noisy)
        inside = int(np.count_nonzero(area[tile.own]))
        if inside:
            yield tile, white if seen < ENOUGH else None
            seen += inside


def _spilled(view: View, area: Area, white: npt.NDArray[np.float32], index: int) -> Sums:
    """Return the energies by band of white noise that is cut to the band `index`, then to `area`,
    added up over the pixels that count."""
    (band,) = band_layers(white, (index,))
    values = [view.own(layer).astype(np.float64) for layer in band_layers(band * area)]
    return np.array([np.einsum("n,n->", one, one) for one in values])


def _noisy_tiles(area: Area, seed: int) -> Iterator[tuple[Tile, White | None]]:
    """Yield every tile, with its noise where it holds any of the area.

    The noise of each band runs over the frame row after row, so a row of tiles is held at a time.
    """
    height, width = area.shape
    sources = [np.random.default_rng([seed, index]) for index in range(len(BANDS))]
    rows, top, drawn = np.empty((len(BANDS), 0, width), np.float32), 0, 0
    for tile in tiles_of(height, width, HALO, SIDE):
        first, last = tile.around[0].start, tile.around[0].stop
        if last > drawn:
            more = np.empty((len(BANDS), last - first, width), np.float32)
            more[:, : drawn - first] = rows[:, first - top :]
            for source, band in zip(sources, more, strict=True):
                source.standard_normal(out=band[drawn - first :], dtype=np.float32)
            rows, top, drawn = more, first, last
        held = rows[:, first - top : last - top, tile.around[1]]
        yield tile, held if area[tile.own].any() else None
