"""Luma: the lightness that carries skin texture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unretouch.metrics.pictures import Levels
from unretouch.metrics.tally import Patch

Layer = npt.NDArray[np.float32]
"""One channel in grey levels: float32 (H, W)."""

WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Of R, G, B as stored (ITU-R BT.601): the eye's weights for coded, not linear, values."""


def luma(levels: Levels) -> Layer:
    """Return the luma of levels (H, W, 3): float32 (H, W), 0 to 255."""
    # Not a product of matrices: the threads of BLAS would get into the way of those of the tiles.
    return np.asarray(np.einsum("hwc,c->hw", levels, WEIGHTS), dtype=np.float32)


def luma_of(patch: Patch) -> Layer:
    """Return the luma of a tile."""
    return luma(patch.levels)
