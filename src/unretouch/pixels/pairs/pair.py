"""A pair: two aligned pictures of one subject."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """Two pictures of one subject, pixel on pixel, in file space."""

    name: str
    """unique in the set, and fit for file names"""
    source: NDArray[np.uint8]
    """what goes in, uint8 (H, W, 3)"""
    target: NDArray[np.uint8]
    """what should come out, uint8 (H, W, 3)"""
    files: tuple[Path, ...]
    """one combined picture, or A and B"""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of both pictures, known without decoding them."""
        height, width = self.source.shape[:2]
        return height, width
