"""What libvips reads and writes: more than 8 bits a channel, and more than Pillow can hold.

Pillow would cut 16 bits to 8 without a word. libvips comes with the extra `[photo]`; without it
whoever needs it is told in one line.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unretouch.base import durable
from unretouch.base.errors import DataError, DiskError
from unretouch.base.messages import Words, _
from unretouch.pixels import heif
from unretouch.pixels.extras import needed_module
from unretouch.pixels.save_anew import AS_RGB, WITH_16_OR_8_BITS

Pixels = NDArray[Any]
"""uint8 or uint16"""


def read_channels(
    opened: Image.Image, bits: int, path: Path, what: Words, folder: Path | None = None
) -> Pixels:
    """Return the pixels of a picture whose header Pillow has read, (H, W, 1 to 4), as they are
    stored: not turned upright, but for AVIF, which always comes so.

    They lie in memory, or in an unnamed file in `folder`. `what` needs the extra: said where it is
    missing. Raises DataError for that, for CMYK and for what is damaged; DiskError.
    """
    if bits > 16 or opened.mode in ("F", "I"):
        raise DataError(_("has {bits} bits a channel", bits=bits), path, WITH_16_OR_8_BITS)
    pyvips = needed_module("pyvips", what, path)
    try:
        image = _image(pyvips, opened, path)
        if image.interpretation == "cmyk":
            raise DataError(_("is CMYK of 16 bits"), path, AS_RGB)
        deep = image.format == "ushort"
        if not deep and image.format != "uchar":
            numbers = _("holds numbers of the kind {kind}", kind=image.format)
            raise DataError(numbers, path, WITH_16_OR_8_BITS)
        array = _room(image, deep, folder)
        _fill(array, image, pyvips)
    except pyvips.Error as error:
        reason = last_line(error, _("unreadable"))
        raise DataError(_("is damaged: {reason}", reason=reason), path) from error
    if opened.format == "AVIF":
        heif.fill_up(array, bits)
    if opened.format == "TIFF":
        colours = 1 if Image.getmodebase(opened.mode) == "L" else 3
        array = array[..., : colours + opened.has_transparency_data]  # others are no transparency
    return array


def image_of(channels: Pixels, pyvips: Any) -> Any:
    """Return (H, W, 1 to 4) as a picture of libvips, which looks at these very numbers."""
    height, width, bands = channels.shape
    kind = "uchar" if channels.dtype == np.uint8 else "ushort"
    meaning = {"uchar": ("b-w", "srgb"), "ushort": ("grey16", "rgb16")}[kind][bands > 2]
    data = channels.data.cast("B")
    image = pyvips.Image.new_from_memory(data, width, height, bands, kind)
    return image.copy(interpretation=meaning)


def png_bytes(rgb: Pixels, effort: int, path: Path) -> bytes:
    """Return `rgb`, (H, W, 3), as the bytes of a PNG file without any metadata, for `path`."""
    pyvips = needed_module("pyvips", _("a PNG of 16 bits a channel"), path)
    image = image_of(np.ascontiguousarray(rgb), pyvips)
    return bytes(image.pngsave_buffer(compression=effort, filter="paeth"))


def last_line(error: Exception, otherwise: Words) -> Words:
    """Return what libvips says in the end; before that come the steps that led to it."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else otherwise


def apart(channels: Pixels) -> tuple[Pixels, Pixels | None, bool]:
    """Return of (H, W, 1 to 4) the colours (H, W, 3), alpha (H, W), and whether it is grey."""
    grey = channels.shape[2] < 3
    alpha = channels[..., -1] if channels.shape[2] in (2, 4) else None
    return channels[..., :1].repeat(3, axis=2) if grey else channels[..., :3], alpha, grey


def oriented(pixels: Pixels, orientation: int) -> Pixels:
    """Return (H, W, ...) turned upright, as EXIF counts orientations from 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _image(pyvips: Any, opened: Image.Image, path: Path) -> Any:
    """Return the picture for libvips, of a PNG without what is no pixel."""
    how = {"access": "sequential", "fail_on": "warning"}
    if opened.format != "PNG":
        return pyvips.Image.new_from_file(str(path), **how)
    # Pillow reads no more of it: the two share the place in the file.
    opened.fp.seek(0)  # type: ignore[attr-defined]
    source = pyvips.SourceCustom()
    source.on_read(opened.fp.read)  # type: ignore[attr-defined]
    source.on_seek(opened.fp.seek)  # type: ignore[attr-defined]
    return pyvips.Image.new_from_source(source, "", **how)


def _room(image: Any, deep: bool, folder: Path | None) -> Pixels:
    """Return room for the pixels, in memory or in an unnamed file in `folder`."""
    shape = (image.height, image.width, image.bands)
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    if folder is None:
        return np.empty(shape, dtype)
    needed = int(np.prod(shape)) * dtype.itemsize
    if durable.free_bytes(folder) < needed:
        room = durable.megabytes(needed)
        what = _("not enough space: {needed} needed for one photograph", needed=room)
        raise DiskError(what, folder)
    # Unnamed where the system can do so: gone with the process, whatever happens to it.
    with tempfile.TemporaryFile(dir=folder) as file:
        os.truncate(file.fileno(), needed)
        return np.memmap(file, dtype, "r+", shape=shape)


def _fill(array: Pixels, image: Any, pyvips: Any) -> None:
    """Copy the picture into `array` from the top down, so that it is never in memory whole."""
    rows = max(1, 16_000_000 // (image.width * image.bands))
    region = pyvips.Region.new(image)
    for top in range(0, image.height, rows):
        count = min(rows, image.height - top)
        data = region.fetch(0, top, image.width, count)
        strip = np.frombuffer(data, array.dtype)
        array[top : top + count] = strip.reshape(count, image.width, image.bands)
