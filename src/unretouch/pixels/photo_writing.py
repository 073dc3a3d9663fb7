"""Write a photograph beside its name first, then under it, with what it came with.

Pillow writes 8 bits a channel, libvips 16 and pictures too large for memory. The EXIF block goes in
byte for byte after `exif.cleaned`; for TIFF, which has no such block, see `exif.append_exif`.
"""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unretouch.base import durable
from unretouch.base.errors import DataError
from unretouch.pixels.exif import PREFIX, append_exif, cleaned
from unretouch.pixels.photos import LARGEST_IN_MEMORY, Photo, Pixels, needed_module
from unretouch.pixels.spaces import luma

_LARGEST_SIDE = {"jpeg": 65_500, "webp": 16_383}
_PNG_LEVEL = 4
"""Of zlib: photographs get hardly smaller above it, only slower."""


def write_photo(
    path: Path,
    photo: Photo,
    *,
    keep_gps: bool = False,
    ready: Callable[[Path], None] = lambda temporary: None,
) -> None:
    """Write `photo` to `path` in its format, depth and coding, whole or not at all.

    A JPEG is coded with the tables and the subsampling it came with, any other with quality 95 and
    whole colours. `ready` is called with the finished file before it gets its name. Raises
    DataError for what the format cannot hold, DiskError.
    """
    _refuse_misfit(path, photo)
    exif = None
    if photo.exif:
        exif = cleaned(photo.exif, keep_gps=keep_gps, turned=photo.turned)
    temporary = path.with_name(path.name + durable.TEMPORARY_SUFFIX)
    try:
        temporary.unlink(missing_ok=True)
        if photo.full > 255 or photo.pixels[..., 0].size > LARGEST_IN_MEMORY:
            _write_vips(temporary, photo, path)
        else:
            _write_pillow(temporary, photo, exif)
        if exif and photo.format == "png":
            _insert_exif(temporary, exif)
        elif exif and photo.format == "tiff":
            append_exif(temporary, exif)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        ready(temporary)
        durable.rename(temporary, path)
    except OSError as error:
        size = photo.pixels.nbytes
        raise durable.disk_error(error, path, needed=size) from error
    finally:
        if temporary.exists():
            durable.remove(temporary)


def _refuse_misfit(path: Path, photo: Photo) -> None:
    height, width = photo.pixels.shape[:2]
    limit = _LARGEST_SIDE.get(photo.format)
    if limit is not None and max(height, width) > limit:
        raise DataError(
            f"has {max(height, width)} pixels a side, {photo.format} holds {limit}",
            path,
            "Choose --format png or tiff",
        )
    if photo.full > 255 and photo.format in ("jpeg", "webp"):
        raise DataError(
            f"has 16 bits a channel, {photo.format} holds 8", path, "Choose --format png or tiff"
        )


def _channels(photo: Photo) -> Pixels:
    """Return (H, W, C) as the file stores them: 1, 2, 3 or 4 channels."""
    pixels: Pixels = photo.pixels
    if photo.grey:
        # Where the three are equal, as before any change, their luma is rounded to themselves.
        pixels = np.rint(luma(pixels)).astype(pixels.dtype)[..., None]
    if photo.alpha is not None and photo.format != "jpeg":
        pixels = np.concatenate([pixels, photo.alpha[..., None]], axis=2)
    return pixels


def _write_pillow(path: Path, photo: Photo, exif: bytes | None) -> None:
    channels = _channels(photo)
    image = Image.fromarray(channels[..., 0] if channels.shape[2] == 1 else channels)
    options: dict[str, Any] = {}
    if photo.profile:
        options["icc_profile"] = photo.profile
    if exif and photo.format in ("jpeg", "webp"):
        options["exif"] = PREFIX + exif
    match photo.format:
        case "jpeg" if photo.jpeg:
            options |= {
                "qtables": photo.jpeg.tables,
                "subsampling": photo.jpeg.subsampling,
                "progressive": photo.jpeg.progressive,
            }
        case "jpeg":
            options |= {"quality": 95, "subsampling": 0}
        case "png":
            options |= {"compress_level": _PNG_LEVEL}
        case "tiff":
            options |= {"compression": "tiff_adobe_deflate"}
        case "webp":
            # exact: colours under full transparency are passed through as well
            options |= {"lossless": photo.lossless, "quality": 95, "exact": True}
    with path.open("xb") as file:
        image.save(file, photo.format.upper(), **options)


def _write_vips(path: Path, photo: Photo, where: Path) -> None:
    pyvips = needed_module("pyvips", "a picture of its size or depth", where)
    channels = np.ascontiguousarray(_channels(photo))
    height, width, bands = channels.shape
    kind = "uchar" if channels.dtype == np.uint8 else "ushort"
    meaning = {"uchar": ("b-w", "srgb"), "ushort": ("grey16", "rgb16")}[kind][bands > 2]
    try:
        image = pyvips.Image.new_from_memory(
            channels.data.cast("B"), width, height, bands, kind
        ).copy(interpretation=meaning)
        if photo.profile:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", photo.profile)
        match photo.format:
            case "png":
                image.pngsave(str(path), compression=_PNG_LEVEL)
            case "tiff":
                big = channels.nbytes > 3 * 10**9
                image.tiffsave(
                    str(path), compression="deflate", predictor="horizontal", bigtiff=big
                )
            case "jpeg":
                image.jpegsave(str(path), Q=95, subsample_mode="off")
            case "webp":
                image.webpsave(str(path), Q=95, lossless=photo.lossless)
    except pyvips.Error as error:
        reason = str(error).strip().splitlines()
        raise DataError(
            f"cannot be written: {reason[-1] if reason else 'no reason'}", where
        ) from error


def _insert_exif(path: Path, exif: bytes) -> None:
    """Put the chunk eXIf (PNG 1.5 extensions, 3.7) behind the header of the PNG file `path`."""
    head = 8 + 25  # signature and IHDR
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    whole = path.with_name(path.name + durable.TEMPORARY_SUFFIX)
    try:
        with path.open("rb") as source, whole.open("wb") as target:
            target.write(source.read(head) + chunk)
            shutil.copyfileobj(source, target, 1 << 20)
        os.replace(whole, path)
    finally:
        whole.unlink(missing_ok=True)
