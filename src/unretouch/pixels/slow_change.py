"""The slow part of a retouch: how light and colour change over more than a network can see.

A network sees some 70 pixels around each. What a retoucher does to the light of a whole face cannot
be told from that, so on portraits it never saw a network would guess it from how light the skin is,
and change the light of every other studio.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from unretouch.pixels.pair_noise import BLOCK
from unretouch.pixels.spaces import Plane

LEAST_AROUND = 0.05
"""Share of the surroundings that must be retouched for their mean to count in full."""


def slow_blocks(change: Plane, share: Plane, sigma: float) -> Plane:
    """Return the mean change of the retouched pixels around each block, (h, w, 3) grey levels.

    A Gaussian of `sigma` pixels weighs the surroundings. `change` is the retouch's mean over each
    block, (h, w, 3) grey levels, `share` that of its pixels which were retouched, (h, w).
    """
    reach = sigma / BLOCK
    around = ndimage.gaussian_filter(change, (reach, reach, 0))
    share = np.maximum(ndimage.gaussian_filter(share, reach), LEAST_AROUND)
    return np.asarray(around / share[..., None], np.float32)


def enlarged(blocks: Plane, rows: slice, columns: slice) -> Plane:
    """Return the part of `blocks`, (h, w, 3), for a window of the picture, (rows, columns, 3):
    linear between the centres of blocks."""
    down, across = (
        _between(side, length) for side, length in zip((rows, columns), blocks.shape, strict=False)
    )
    (first_row, weights_down), (first_column, weights_across) = down, across
    part = blocks[first_row : first_row + weights_down.shape[1]]
    part = part[:, first_column : first_column + weights_across.shape[1]]
    found: Plane = np.einsum("yi,ijc,xj->yxc", weights_down, part, weights_across, optimize=True)
    return found


def _between(side: slice, length: int) -> tuple[int, Plane]:
    """Return the first block that counts for some pixels of a side, and the weights of the blocks
    from there on, (pixels, blocks)."""
    at = np.clip((np.arange(side.start, side.stop) + 0.5) / BLOCK - 0.5, 0, length - 1)
    before = np.floor(at).astype(int)
    first, last = int(before[0]), min(int(before[-1]) + 1, length - 1)
    weights = 1 - np.abs(at[:, None] - np.arange(first, last + 1))
    return first, np.maximum(weights, 0).astype(np.float32)
