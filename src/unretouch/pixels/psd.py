"""The flattened picture of a Photoshop file, as it was saved beside the layers, at 8 or 16 bits.

By psd-tools, of the extra `[layers]`. The layers themselves are not looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unretouch.base.errors import DataError
from unretouch.base.messages import _
from unretouch.pixels.extras import needed_module
from unretouch.pixels.save_anew import AS_TIFF_OR_PNG, WITH_16_OR_8_BITS
from unretouch.pixels.spaces import Bits, Plane

ENDING = ".psd"
_SIGN = b"8BPS"
_RGB, _GREY = 3, 1


@dataclass(frozen=True)
class Header:
    """What the head of a file says."""

    width: int
    height: int
    depth: int
    """bits of a channel"""
    mode: int

    @property
    def bits(self) -> Bits:
        """Of a channel, once it is decoded."""
        return 8 if self.depth <= 8 else 16


@dataclass(frozen=True)
class Flattened:
    """A decoded file."""

    shares: Plane
    """(H, W, 1 to 4), 0 (black) to 1 (white), not multiplied by the alpha in its last channel"""
    profile: bytes | None


def header_of(path: Path) -> Header | None:
    """Return the head of a Photoshop file; None for any other. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(26)
    if len(head) < 26 or not head.startswith(_SIGN):
        return None
    height, width, depth, mode = struct.unpack(">IIHH", head[14:26])
    return Header(width, height, depth, mode)


def read_flattened(path: Path, header: Header) -> Flattened:
    """Return the picture of all layers together. Raises DataError for what has none of 8 or 16 bits
    in RGB or grey, is damaged, or needs the extra."""
    if header.depth not in (8, 16):
        what = _("is a Photoshop file of {bits} bits a channel", bits=header.depth)
        raise DataError(what, path, WITH_16_OR_8_BITS)
    if header.mode not in (_RGB, _GREY):
        raise DataError(_("is a Photoshop file that is neither RGB nor grey"), path, AS_TIFF_OR_PNG)
    psd_tools = needed_module("psd_tools", _("a Photoshop file"), path, extra="layers")
    from psd_tools.constants import Resource

    try:
        file = psd_tools.PSDImage.open(path)
        if not file.has_preview():
            raise DataError(
                _("holds no flattened picture"), path, _("Save it with “Maximize Compatibility”")
            )
        shares = file.numpy()
        profile = file.image_resources.get_data(Resource.ICC_PROFILE)
    except DataError:
        raise
    except Exception as error:  # decoders raise nearly everything on hostile bytes
        reason = str(error) or type(error).__name__
        raise DataError(_("is damaged: {reason}", reason=reason), path) from error
    colours = 3 if header.mode == _RGB else 1
    has_alpha = shares.shape[2] == colours + 1
    return Flattened(np.asarray(shares[..., : colours + has_alpha], np.float32), profile or None)
