"""A photograph in full depth, with all that must come back with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""uint8 or uint16"""

FormatName = Literal["jpeg", "png", "tiff", "webp"]
"""What photographs can be written as."""

ENDINGS: dict[FormatName, str] = {
    "jpeg": ".jpg",
    "png": ".png",
    "tiff": ".tif",
    "webp": ".webp",
}


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG file was coded, so that it can be coded that way again."""

    tables: dict[int, list[int]]
    """quantisation tables: the quality"""
    subsampling: int
    """of the colours: 0 none, 1 half the width, 2 half both"""
    progressive: bool


@dataclass(frozen=True)
class Photo:
    """A decoded photograph, upright."""

    pixels: Pixels
    """uint8 or uint16, (H, W, 3) RGB, not multiplied by alpha"""
    format: FormatName
    """what it was, or the nearest to it that can be written"""
    ending: str
    """of the file's name, to be kept where the format is"""
    alpha: Pixels | None = None
    """(H, W) in the depth of `pixels`, None where there is none"""
    grey: bool = False
    """whether the file has one channel: the three of `pixels` are then equal"""
    profile: bytes | None = None
    """the ICC profile; None stands for sRGB"""
    exif: bytes | None = None
    """the EXIF block as it stands in the file, without the prefix `Exif\\0\\0`"""
    turned: bool = False
    """whether turning it upright made width of height"""
    jpeg: JpegCoding | None = None
    lossless: bool = False
    """of WebP: whether it was coded without loss"""
    notes: tuple[str, ...] = ()
    """what had to be converted, for people"""

    @property
    def full(self) -> int:
        """The largest number of a channel: 255 or 65535."""
        return 255 if self.pixels.dtype == np.uint8 else 65535
