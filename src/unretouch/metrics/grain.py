"""Grain overlay: the retoucher's manual remedy against plastic skin, as a baseline to beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize

from unretouch.metrics.luma import Layer, luma
from unretouch.metrics.metric import Area, Levels, check
from unretouch.metrics.octave_bands import BANDS, HALO, band_layers, band_products
from unretouch.metrics.tiling import tiles_of


def grain_overlay(source: Levels, target: Levels, area: Area, seed: int = 0) -> Levels:
    """Return the source with the grain a patient retoucher would lay over its retouched area.

    Monochrome noise whose strength in each octave band makes up for the energy that the target has
    and the source lacks, so that it has the right amount of texture of every size, in no right
    place: better grain than can be had without knowing the answer. The same for the same seed.
    Levels (H, W, 3), area bool (H, W). Raises ValueError when the shapes differ or
    the area is empty.
    """
    check(source, target, area=area)
    layers = _noise(area, seed)
    wanted = _missing_energy(luma(source), luma(target), area)
    # A layer made in one band spills into its neighbours, more so where the area is ragged: solve
    # for the strengths (squared, as independent noise adds in energy) that give what is wanted.
    spill = np.stack(
        [band_products([layer], area)[:, 0, 0] for layer in layers], axis=1, dtype=np.float64
    )
    strength, _ = optimize.nnls(spill, wanted)
    grain = np.einsum("b,bhw->hw", np.sqrt(strength).astype(np.float32), layers)
    covered = source + grain[:, :, None]
    return np.asarray(np.clip(covered, 0, 255), dtype=np.float32)


def _missing_energy(source: Layer, target: Layer, area: Area) -> npt.NDArray[np.float64]:
    energy = np.diagonal(band_products([source, target], area), axis1=1, axis2=2)
    return np.asarray(np.maximum(energy[:, 1] - energy[:, 0], 0))


def _noise(area: Area, seed: int) -> npt.NDArray[np.float32]:
    """Return independent noise of each band inside the area: (4, H, W)."""
    height, width = area.shape
    layers = np.empty((len(BANDS), height, width), dtype=np.float32)
    for index in range(len(BANDS)):
        generator = np.random.default_rng([seed, index])
        white = generator.standard_normal((height, width), dtype=np.float32)
        for tile in tiles_of(height, width, HALO):
            layer = list(band_layers(white[tile.around]))[index]
            layers[index][tile.own] = layer[tile.inner]
        layers[index] *= area
    return layers
