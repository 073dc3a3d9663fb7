"""A small plane that stands for a large one: any window of it at full size, without the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Enlarged:
    """`plane` as if resized to `height` x `width`.

    float32 (h, w) or (h, w, C), or uint8 (h, w), which stands for 0..1.
    """

    plane: NDArray[Any]
    height: int
    width: int
    cubic: bool = True
    """bicubic; else linear, which never leaves the range of the plane"""

    def window(self, rows: slice, columns: slice) -> Floats:
        """Return that part, float32 (n, m) or (n, m, C)."""
        h, w = self.plane.shape[:2]
        if (h, w) == (self.height, self.width):
            return _as_floats(self.plane[rows, columns])
        y, x = h / self.height, w / self.width
        box = (
            columns.start * x,
            rows.start * y,
            min(float(w), columns.stop * x),
            min(float(h), rows.stop * y),
        )
        size = (columns.stop - columns.start, rows.stop - rows.start)
        how = Image.Resampling.BICUBIC if self.cubic else Image.Resampling.BILINEAR
        channels = self.plane[..., None] if self.plane.ndim == 2 else self.plane
        out = np.empty((size[1], size[0], channels.shape[2]), np.float32)
        for channel in range(channels.shape[2]):
            image = Image.fromarray(_as_floats(np.ascontiguousarray(channels[..., channel])))
            out[..., channel] = np.asarray(image.resize(size, how, box))
        return out[..., 0] if self.plane.ndim == 2 else out

    def rows(self, top: int, bottom: int) -> Floats:
        """Return rows `top` to `bottom` in their full width."""
        return self.window(slice(top, bottom), slice(0, self.width))


def _as_floats(plane: NDArray[Any]) -> Floats:
    if plane.dtype == np.uint8:
        return plane.astype(np.float32) / np.float32(255)
    return plane.astype(np.float32, copy=False)


def reduced(plane: NDArray[Any], width: int, height: int) -> Floats:
    """Return (H, W, C) as float32 `width` x `height` by Pillow's bicubic filter, as in training."""
    out = np.empty((height, width, plane.shape[2]), np.float32)
    for channel in range(plane.shape[2]):
        image = Image.fromarray(plane[..., channel].astype(np.float32))
        out[..., channel] = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return out
