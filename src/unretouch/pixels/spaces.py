"""The spaces of a picture, and all ways between them: its size, its channels, its numbers.

*File space* is uint8 or uint16 (H, W, 3) RGB; *network space* float32 (N, 3, H, W) in [-1, 1];
*levels* float32 (H, W, 3) grey levels from 0 to 255, not rounded. A step of 16 bits is 1/257 of a
level, so every number of 8 bits has its like among those of 16, and white is white. The size is
what the classic flags make of it before training and before testing; crops and mirroring, which are
drawn anew at every step, are not here but in the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base.errors import NonFiniteError
from unretouch.settings.train import Preprocess

if TYPE_CHECKING:
    import torch

Bits = Literal[8, 16]
"""Of a channel."""
Rgb = NDArray[np.unsignedinteger[Any]]
"""File space: uint8 or uint16, (H, W, 3)."""
Rgb8 = NDArray[np.uint8]
"""File space of 8 bits: what browsers show, and what is looked at rather than learnt."""
Plane = NDArray[np.float32]
"""One number a pixel or block, (H, W); or several, (H, W, C)."""
Mask = NDArray[np.bool_]

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Of R, G and B in the brightness that the eye sees in coded, not linear, values (ITU-R BT.601)."""
LUMA = np.array(LUMA_WEIGHTS, np.float32)
GREY_LEVELS = 127.5
"""In one unit of network space, which runs from -1 to 1."""
STEPS = 257
"""Of 16 bits, in one grey level."""
ROUNDED = np.float32(1 / 12)
"""Mean square of what rounding to 8 bits does, grey levels squared."""
_TYPES: dict[Bits, type[np.unsignedinteger[Any]]] = {8: np.uint8, 16: np.uint16}
_ROWS = 64
"""Of a picture, whose depth is changed together."""


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
    if depth(rgb) == 16:
        return levels_to_file(resized_planes(in_levels(rgb), width, height), 16)
    return np.array(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


def resized_planes(planes: NDArray[Any], width: int, height: int) -> Plane:
    """Return (H, W, C) in any numbers by the same filter, float32, neither rounded nor clipped."""
    out = np.empty((height, width, planes.shape[2]), np.float32)
    for channel in range(planes.shape[2]):
        image = Image.fromarray(planes[..., channel].astype(np.float32))
        out[..., channel] = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return out


def at_most(rgb: Rgb, size: int) -> Rgb:
    """Return `rgb` (H, W, 3), its longer side reduced to `size` pixels where it has more."""
    scale = size / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    height, width = (max(1, round(length * scale)) for length in rgb.shape[:2])
    return resize(rgb, width, height)


def grey(rgb: Rgb) -> Rgb:
    """Return `rgb` (H, W, 3) without its colours: luma of ITU-R BT.601, rounded, as in pix2pix."""
    if depth(rgb) == 16:
        return np.rint(luma(rgb)).astype(np.uint16)[..., None].repeat(3, axis=2)
    return np.array(Image.fromarray(rgb).convert("L").convert("RGB"))


def luma(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Return the brightness of (H, W, 3) in any numbers as float32 (H, W), in the same."""
    return np.asarray(rgb.astype(np.float32, copy=False) @ LUMA)


def depth(picture: NDArray[Any] | torch.Tensor) -> Bits:
    """Return the bits of a channel of a picture in file space."""
    return 16 if picture.dtype.itemsize == 2 else 8


def steps_of(picture: NDArray[Any]) -> int:
    """Return how many numbers of file space or levels are one grey level: 1, and 257 of 16 bits."""
    return STEPS if picture.dtype == np.uint16 else 1


def holds_sixteen(picture: NDArray[Any]) -> bool:
    """Return whether a picture is of 16 bits and has numbers between those of 8."""
    if picture.dtype != np.uint16:
        return False
    return any((picture[top : top + _ROWS] % STEPS).any() for top in range(0, len(picture), _ROWS))


def in_depth(rgb: Rgb, bits: Bits) -> Rgb:
    """Return file space (H, W, ...) with so many bits a channel, rounded where there are fewer."""
    if depth(rgb) == bits:
        return rgb
    out = np.empty(rgb.shape, _TYPES[bits])
    for top in range(0, len(rgb), _ROWS):
        rows = slice(top, top + _ROWS)
        if bits == 16:
            out[rows] = np.multiply(rgb[rows], STEPS, dtype=np.uint16)
        else:
            whole, rest = np.divmod(rgb[rows], np.uint16(STEPS))
            out[rows] = whole + (rest > STEPS // 2)
    return out


def eight(rgb: Rgb) -> Rgb8:
    """Return file space (H, W, ...) with 8 bits a channel: for browsers, and for a mere look."""
    return np.asarray(in_depth(rgb, 8), np.uint8)


def in_levels(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Return file space or levels, of any shape, as float32 levels."""
    numbers = picture.astype(np.float32, copy=False)
    return numbers if steps_of(picture) == 1 else numbers / np.float32(STEPS)


def to_network(rgb: Rgb, channels: int = 3) -> torch.Tensor:
    """Return file space (H, W, 3) as float32 (1, `channels`, H, W) in [-1, 1]; 1 channel is
    grey."""
    import torch

    if channels == 1:
        rgb = grey(rgb)[..., :1]
    planes = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
    return _scaled(planes.unsqueeze(0))


def in_network_space(stack: torch.Tensor) -> torch.Tensor:
    """Return file space (N, H, W, C) as float32 (N, C, H, W) in [-1, 1], in the same layout."""
    return _scaled(stack.permute(0, 3, 1, 2))


def _scaled(numbers: torch.Tensor) -> torch.Tensor:
    half = GREY_LEVELS * (STEPS if depth(numbers) == 16 else 1)
    return numbers.float().div_(half).sub_(1)


def levels_to_file(levels: NDArray[np.floating[Any]], bits: Bits = 8) -> Rgb:
    """Return levels (H, W, 3) in file space of so many bits: rounded, not truncated, and cut to
    what a file holds."""
    return _rounded(levels * np.float32(STEPS) if bits == 16 else levels, bits)


def shares_to_file(shares: NDArray[np.floating[Any]], bits: Bits) -> Rgb:
    """Return numbers of 0 (black) to 1 (white) in file space of so many bits, rounded and cut."""
    return _rounded(shares * np.float32(np.iinfo(_TYPES[bits]).max), bits)


def _rounded(numbers: NDArray[np.floating[Any]], bits: Bits) -> Rgb:
    kind = _TYPES[bits]
    return np.asarray(np.clip(np.rint(numbers), 0, np.iinfo(kind).max).astype(kind))


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
