"""What is done to a picture's size before training and before testing, as the classic flags say.

Crops and mirroring, which are drawn anew at every step, are not here but in the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unretouch.pixels import images
from unretouch.settings.train import Preprocess


@dataclass(frozen=True)
class Sizing:
    """The classic flags --preprocess, --load_size and --crop_size, in pixels."""

    preprocess: Preprocess
    load_size: int
    crop_size: int

    @property
    def crops(self) -> bool:
        """Whether training takes random windows of crop_size."""
        return "crop" in self.preprocess


def resized(rgb: NDArray[np.uint8], sizing: Sizing) -> NDArray[np.uint8]:
    """Return `rgb` (H, W, 3) at the scale of training: bicubic, as the classic program resizes.

    resize_and_crop makes a square of load_size, so it does not keep the aspect ratio; scale_width
    keeps it, with a height of at least crop_size; crop and none keep the size.
    """
    width, height = target_size(rgb.shape[1], rgb.shape[0], sizing)
    if (height, width) == rgb.shape[:2]:
        return rgb
    return images.resize(rgb, width, height)


def target_size(width: int, height: int, sizing: Sizing) -> tuple[int, int]:
    """Return the (width, height) in pixels that `resized` gives to a picture of this size."""
    if sizing.preprocess == "resize_and_crop":
        return sizing.load_size, sizing.load_size
    if sizing.preprocess in ("scale_width", "scale_width_and_crop"):
        if width == sizing.load_size and height >= sizing.crop_size:
            return width, height
        return sizing.load_size, max(int(sizing.load_size * height / width), sizing.crop_size)
    return width, height
