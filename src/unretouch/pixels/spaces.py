"""The spaces of a picture, and all ways between them: its size, its channels, its numbers.

*File space* is uint8 (H, W, 3) RGB, or uint16 in photos.py; *network space* float32 (N, 3, H, W) in
[-1, 1]; *levels* float32 (H, W, 3) grey levels from 0 to 255, not rounded. The size is what the
classic flags make of it before training and before testing; crops and mirroring, which are drawn
anew at every step, are not here but in the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base.errors import NonFiniteError
from unretouch.settings.train import Preprocess

if TYPE_CHECKING:
    import torch

Rgb = NDArray[np.uint8]
"""File space: (H, W, 3)."""
Plane = NDArray[np.float32]
"""One number a pixel or block, (H, W); or several, (H, W, C)."""
Mask = NDArray[np.bool_]

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Of R, G and B in the brightness that the eye sees in coded, not linear, values (ITU-R BT.601)."""
LUMA = np.array(LUMA_WEIGHTS, np.float32)
GREY_LEVELS = 127.5
"""In one unit of network space, which runs from -1 to 1."""


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


def resized(rgb: Rgb, sizing: Sizing) -> Rgb:
    """Return `rgb` (H, W, 3) at the scale of training: bicubic, as the classic program resizes.

    resize_and_crop makes a square of load_size, so it does not keep the aspect ratio; scale_width
    keeps it, with a height of at least crop_size; crop and none keep the size.
    """
    width, height = target_size(rgb.shape[1], rgb.shape[0], sizing)
    if (height, width) == rgb.shape[:2]:
        return rgb
    return resize(rgb, width, height)


def target_size(width: int, height: int, sizing: Sizing) -> tuple[int, int]:
    """Return the (width, height) in pixels that `resized` gives to a picture of this size."""
    if sizing.preprocess == "resize_and_crop":
        return sizing.load_size, sizing.load_size
    if sizing.preprocess in ("scale_width", "scale_width_and_crop"):
        if width == sizing.load_size and height >= sizing.crop_size:
            return width, height
        return sizing.load_size, max(int(sizing.load_size * height / width), sizing.crop_size)
    return width, height


def resize(rgb: Rgb, width: int, height: int) -> Rgb:
    """Return `rgb` (H, W, 3) in the given size by Pillow's bicubic filter, as pix2pix resizes."""
    return np.array(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


def at_most(rgb: Rgb, size: int) -> Rgb:
    """Return `rgb` (H, W, 3), its longer side reduced to `size` pixels where it has more."""
    scale = size / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    height, width = (max(1, round(length * scale)) for length in rgb.shape[:2])
    return resize(rgb, width, height)


def grey(rgb: Rgb) -> Rgb:
    """Return `rgb` (H, W, 3) without its colours: luma of ITU-R BT.601, rounded, as in pix2pix."""
    return np.array(Image.fromarray(rgb).convert("L").convert("RGB"))


def luma(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Return the brightness of (H, W, 3) in any numbers as float32 (H, W), in the same."""
    return np.asarray(rgb.astype(np.float32, copy=False) @ LUMA)


def to_network(rgb: Rgb, channels: int = 3) -> torch.Tensor:
    """Return uint8 (H, W, 3) as float32 (1, `channels`, H, W) in [-1, 1]; 1 channel is grey."""
    import torch

    if channels == 1:
        rgb = grey(rgb)[..., :1]
    planes = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
    return _scaled(planes.unsqueeze(0))


def in_network_space(stack: torch.Tensor) -> torch.Tensor:
    """Return uint8 (N, H, W, C) as float32 (N, C, H, W) in [-1, 1], in the same layout."""
    return _scaled(stack.permute(0, 3, 1, 2))


def _scaled(levels: torch.Tensor) -> torch.Tensor:
    return levels.float().div_(GREY_LEVELS).sub_(1)


def levels_to_file(levels: NDArray[np.float32]) -> Rgb:
    """Return levels (H, W, 3) from 0 to 255 as uint8, rounded, not truncated."""
    return np.rint(levels).astype(np.uint8)


def to_levels(tensor: torch.Tensor) -> NDArray[np.float32]:
    """Return network space (1, C, H, W) or (C, H, W) as float32 (H, W, 3) grey levels, unrounded.

    C is 3 or 1 (grey). Clamped to 0..255, as a file would. Raises NonFiniteError for NaN.
    """
    planes = tensor.detach().reshape(-1, *tensor.shape[-2:]).float()
    levels: NDArray[Any] = planes.add(1).mul(GREY_LEVELS).clamp(0, 255).cpu().numpy()
    if np.isnan(levels).any():
        raise NonFiniteError("the network's picture has NaN in it")
    if len(levels) == 1:
        levels = levels.repeat(3, axis=0)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))
