"""Portable maps (PGM, PPM, PNM) of more than 8 bits: Pillow cuts them, the libvips that comes with
the extra does not read them. They need neither: behind a head come the bare numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base.errors import DataError
from unretouch.base.messages import _
from unretouch.pixels.save_anew import AS_TIFF_OR_PNG

_FULL = 65535
_ROWS = 64
"""That are stretched at once: memory."""


def read_channels(opened: Image.Image, path: Path) -> NDArray[np.uint16]:
    """Return the numbers of a map whose head Pillow has read, (H, W, 1 or 3), white being 65535.

    Raises DataError for one that is written in digits, or cut short; OSError.
    """
    kind, _box, place, args = opened.tile[0]  # type: ignore[attr-defined]
    if kind == "ppm_plain":
        what = _("is a portable map of 16 bits in digits, which is not read")
        raise DataError(what, path, AS_TIFF_OR_PNG)
    largest = args[1] if isinstance(args, tuple) else _FULL
    shape = (opened.height, opened.width, 3 if opened.mode == "RGB" else 1)
    numbers = np.fromfile(path, ">u2", int(np.prod(shape)), offset=place)
    if numbers.size < np.prod(shape):
        what = _("is cut short: its last rows are missing")
        raise DataError(what, path, _("Copy it anew"))
    channels = numbers.byteswap(inplace=True).view(np.uint16).reshape(shape)
    if largest < _FULL:
        for top in range(0, len(channels), _ROWS):
            rows = channels[top : top + _ROWS]
            rows[:] = np.rint(np.minimum(rows, largest) * (_FULL / largest))
    return channels
