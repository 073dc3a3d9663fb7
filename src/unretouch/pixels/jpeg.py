"""What JPEG does to pixels: what compressing them again loses, and the traces of an earlier one.

The traces tell whether a picture was saved as JPEG, and how finely, whatever file it lies in now.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.pixels.spaces import LUMA

SIDE = 8
"""Pixels a side of JPEG's blocks."""
STEPS = range(2, 25)
"""Quantisation steps that are looked for: those of the lowest frequencies at quality 40 to 95."""
FREQUENCIES = {
    (0, 1): 11, (1, 0): 12, (1, 1): 12, (2, 0): 14, (0, 2): 10, (1, 2): 14, (2, 1): 13, (2, 2): 16,
    (3, 0): 14, (0, 3): 16,
}  # fmt: skip
"""By row and column: their steps at quality 50 (ITU-T T.81, table K.1)."""
FEWEST = 60
"""Coefficients from which a step can be told."""


def compressed_again(rgb: NDArray[np.uint8], quality: int, offset: int) -> NDArray[np.uint8]:
    """Return uint8 (H, W, 3) as it comes out of a JPEG (4:2:0) of this quality, 1 to 95.

    The blocks of the JPEG begin `offset` pixels below and right of those of the picture; the first
    `offset` rows and columns stay as they are.
    """
    file = io.BytesIO()
    part = np.ascontiguousarray(rgb[offset:, offset:])
    Image.fromarray(part).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    file.seek(0)
    again = rgb.copy()
    with Image.open(file, formats=("JPEG",)) as image:
        again[offset:, offset:] = np.asarray(image)
    return again


@dataclass(frozen=True)
class JpegTraces:
    """What is left of a JPEG in a picture."""

    clearness: float
    """0 to 1; about 0 where there was none, 0.35 to 0.9 for quality 75 to 95"""
    coarseness: float
    """its steps in those of quality 50: 0.16 at quality 92, 0.4 at 80, 0.5 at 75; 0 if unknown"""


def jpeg_traces(blocks: NDArray[np.uint8]) -> JpegTraces:
    """Look for traces of JPEG in blocks of a picture, uint8 (N, 8, 8, 3), on JPEG's own grid.

    The DCT coefficients of a JPEG's luma lie near the multiples of one step for each frequency.
    Measured is the mean cosine of their phase, less three times its error, for the best step.
    """
    number = np.arange(SIDE)
    basis = np.cos((2 * number + 1) * number[:, None] * np.pi / (2 * SIDE)).astype(np.float32) / 2
    basis[0] = np.sqrt(1 / SIDE)
    coefficients = basis @ (blocks.astype(np.float32) @ LUMA) @ basis.T
    found = [
        (*_clearest(coefficients[:, row, column]), usual)
        for (row, column), usual in FREQUENCIES.items()
    ]
    clearness = float(np.median([clear for clear, _, _ in found]))
    steps = [step / usual for clear, step, usual in found if clear > clearness / 2]
    return JpegTraces(clearness, float(np.median(steps)) if steps else 0.0)


def _clearest(values: NDArray[np.floating[Any]]) -> tuple[float, int]:
    """Return how clearly coefficients lie near the multiples of a step, and that step."""
    best = (0.0, 0)
    for step in STEPS:
        # Smaller ones are near 0, which is a multiple of any step.
        large = values[np.abs(values) > 1.5 * step]
        if len(large) >= FEWEST:
            clearness = float(np.cos(2 * np.pi * large / step).mean())
            best = max(best, (clearness - 3 / float(np.sqrt(2 * len(large))), step))
    return best
