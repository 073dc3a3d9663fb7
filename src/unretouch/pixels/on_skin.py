"""Whether a retouch lies on skin alone. Then a network has learnt skin, and knows nothing of hair,
cloth and background: as another camera shows them it would change them, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from unretouch.pixels.pair_noise import BLOCK, block_means, whole_blocks
from unretouch.pixels.retouch import skin_mask
from unretouch.pixels.retouched_area import PairMap
from unretouch.pixels.spaces import Plane, Rgb

ON_SKIN: Final = 0.9
"""Share of the retouch that lies on skin, from which on it is taken to be meant for skin alone."""
SOME_SKIN: Final = 0.1
"""Of a block: skin is feathered, and a retouch ends where it does."""


def skin_blocks(rgb: Rgb) -> Plane:
    """Return how much of each block of a picture, file space (H, W, 3), is skin: (h, w), 0 to 1."""
    return block_means(whole_blocks(skin_mask(rgb)[..., None]))[..., 0]


def lies_on_skin(skins: Iterable[Plane], maps: Iterable[PairMap]) -> bool:
    """Return whether the retouch of pairs, whose `maps` are what pair_map says, lies on skin;
    `skins` are the skin_blocks of their sources."""
    inside = total = 0.0
    for skin, known in zip(skins, maps, strict=True):
        asked = known.asked_blocks
        inside += float(asked[skin > SOME_SKIN].sum(dtype=np.float64))
        total += float(asked.sum(dtype=np.float64))
    return total > 0 and inside >= ON_SKIN * total


def enlarged_blocks(blocks: Plane, top: int, left: int, side: int) -> Plane:
    """Return the blocks' values for a square window of the picture, (side, side)."""
    rows, columns = (
        np.minimum(np.arange(start, start + side) // BLOCK, length - 1)
        for start, length in zip((top, left), blocks.shape, strict=True)
    )
    return np.ascontiguousarray(blocks[np.ix_(rows, columns)])
