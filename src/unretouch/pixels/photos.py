"""A photograph of any size and depth, read and written with all that must come back with it.

Pillow handles what has 8 bits a channel, as for pairs (images.py); it would cut 16 without a word.
What is deeper, or larger than Pillow can hold, goes to libvips; HEIC and RAW to their own decoders.
Those come with the extra `[photo]`, and without it such a file is refused in one line.

A photograph is written beside its name first, then under it. Its EXIF block goes in byte for byte
after `exif.cleaned`; for TIFF, which has no such block, see `exif.append_exif`.
"""

from __future__ import annotations

import importlib
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from unretouch.base import durable
from unretouch.base.errors import DataError, DiskError, install_hint
from unretouch.pixels import images
from unretouch.pixels.exif import (
    ORIENTATION,
    PREFIX,
    append_exif,
    cleaned,
    exif_of_raw,
    exif_of_tiff,
)
from unretouch.pixels.spaces import luma

Pixels = NDArray[Any]
"""uint8 or uint16"""

FormatName = Literal["jpeg", "png", "tiff", "webp"]
"""What photographs can be written as."""

ENDINGS: dict[FormatName, str] = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp"}
FITTING: dict[FormatName, set[str]] = {
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "png": {".png"},
    "tiff": {".tif", ".tiff"},
    "webp": {".webp"},
}
"""All endings of file names that are of a format."""

HEIC = {".heic", ".heif", ".hif"}
RAW = {
    ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw",
}  # fmt: skip
EXTENSIONS = images.EXTENSIONS | HEIC | RAW

LARGEST_IN_MEMORY = 200_000_000
"""Pixels that are held in memory (about 1.5 GB while decoding); beyond, a file on the disk."""

_FORMATS: dict[str, FormatName] = {
    "JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "TIFF": "tiff", "WEBP": "webp",
    "BMP": "png", "PPM": "png", "GIF": "png",
}  # fmt: skip

_LARGEST_SIDE = {"jpeg": 65_500, "webp": 16_383}
_PNG_LEVEL = 4
"""Of zlib: photographs get hardly smaller above it, only slower."""


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


def read_photo(path: Path, scratch: Path | None = None) -> Photo:
    """Return the photograph at `path`, upright, in its own depth.

    One of more than LARGEST_IN_MEMORY pixels lies in an unnamed file in the folder `scratch` (else
    the system's folder for temporary files). Raises DataError for what is no picture, is damaged,
    needs more memory than there is, or needs the extra `photo` which is not installed; DiskError
    where `scratch` has no room.
    """
    ending = path.suffix.lower()
    try:
        if ending in HEIC:
            return _read_heic(path)
        if ending in RAW:
            return _read_raw(path)
        with images.opened(path) as image:
            large = image.width * image.height > LARGEST_IN_MEMORY
            # The bits first: looking for EXIF data may decode a PNG, which then tells of 8.
            bits, header = images.bits_of(image), _header(image, large)
            if bits == 8 and not large:
                return _read_pillow(image, header, path)
            if bits > 16 or image.mode in ("F", "I"):
                raise DataError(f"has {bits} bits a channel", path, "Save it with 16 or 8")
        what = "its size" if bits == 8 else f"a picture of {bits} bits a channel"
        folder = (scratch or Path(tempfile.gettempdir())) if large else None
        return _read_vips(path, header, what, folder)
    except OSError as error:
        raise images.cannot_be_opened(error, path) from error
    except MemoryError as error:
        raise DataError("needs more memory than there is", path, "Close other programs") from error


@dataclass(frozen=True)
class _Header:
    """What Pillow tells of a file without decoding it."""

    format: FormatName
    exif: bytes | None
    orientation: int
    profile: bytes | None

    @property
    def turned(self) -> bool:
        """Whether turning it upright makes width of height."""
        return self.orientation in (5, 6, 7, 8)


def _header(image: Image.Image, large: bool) -> _Header:
    # Of a PNG Pillow looks for EXIF data behind the pixels too, and decodes them: not large ones.
    found = Image.Image.getexif(image) if large else image.getexif()
    block: bytes | None = image.info.get("exif")
    if not block and image.format == "TIFF":
        block = exif_of_tiff(found)
    return _Header(
        format=_FORMATS[image.format or ""],
        exif=block.removeprefix(PREFIX) if block else None,
        orientation=found.get(ORIENTATION, 1),
        profile=image.info.get("icc_profile") or None,
    )


def _read_pillow(image: Image.Image, header: _Header, path: Path) -> Photo:
    coding = _jpeg_coding(image) if header.format == "jpeg" else None
    lossless = header.format == "webp" and _webp_is_lossless(path)
    grey = image.mode in ("L", "LA", "La", "1")
    upright, profile, notes = images.decoded(image, path)
    alpha = np.array(upright.getchannel("A")) if upright.mode == "RGBA" else None
    return Photo(
        pixels=images.rgb_of(upright),
        format=header.format,
        ending=path.suffix,
        alpha=alpha,
        grey=grey,
        profile=profile,
        exif=header.exif,
        turned=header.turned,
        jpeg=coding,
        lossless=lossless,
        notes=notes,
    )


def _oriented(pixels: Pixels, orientation: int) -> Pixels:
    """Return (H, W, ...) turned upright, as EXIF counts orientations from 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _jpeg_coding(image: Image.Image) -> JpegCoding | None:
    tables = getattr(image, "quantization", None)
    if not tables or image.mode not in ("RGB", "L"):
        return None
    sampling = JpegImagePlugin.get_sampling(image) if image.mode == "RGB" else 0
    return JpegCoding(
        tables={index: list(table) for index, table in tables.items()},
        subsampling=sampling if sampling in (0, 1, 2) else 0,
        progressive=bool(image.info.get("progressive")),
    )


def _webp_is_lossless(path: Path) -> bool:
    with path.open("rb") as file:
        return b"VP8L" in file.read(4096)


def _needed_module(module: str, what: str, path: Path) -> Any:
    """Return the module of the extra `photo`, or raise DataError that `what` needs it."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError):
        raise DataError(f"{what} needs the extra `photo`", path, install_hint("photo")) from None


def _read_vips(path: Path, header: _Header, what: str, folder: Path | None) -> Photo:
    pyvips = _needed_module("pyvips", what, path)
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="warning")
        if image.interpretation == "cmyk":
            raise DataError("is CMYK of 16 bits", path, "Save it as RGB")
        deep = image.format == "ushort"
        if not deep and image.format != "uchar":
            raise DataError(f"holds numbers of the kind {image.format}", path, "Save it as 16 bit")
        array = _room(image, deep, folder)
        _fill(array, image, pyvips)
    except pyvips.Error as error:
        raise DataError(f"is damaged: {_last_line(error, 'unreadable')}", path) from error
    colours, alpha, grey = _apart(array)
    return Photo(
        pixels=_oriented(colours, header.orientation),
        format=header.format,
        ending=path.suffix,
        alpha=None if alpha is None else _oriented(alpha, header.orientation),
        grey=grey,
        profile=header.profile,
        exif=header.exif,
        turned=header.turned,
    )


def _last_line(error: Exception, otherwise: str) -> str:
    """Return what libvips says in the end; before that come the steps that led to it."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else otherwise


def _apart(channels: Pixels) -> tuple[Pixels, Pixels | None, bool]:
    """Return of (H, W, 1 to 4) the colours (H, W, 3), alpha (H, W), and whether it is grey."""
    grey = channels.shape[2] < 3
    alpha = channels[..., -1] if channels.shape[2] in (2, 4) else None
    return channels[..., :1].repeat(3, axis=2) if grey else channels[..., :3], alpha, grey


def _room(image: Any, deep: bool, folder: Path | None) -> Pixels:
    """Return room for the pixels, in memory or in an unnamed file in `folder`."""
    shape = (image.height, image.width, image.bands)
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    if folder is None:
        return np.empty(shape, dtype)
    needed = int(np.prod(shape)) * dtype.itemsize
    if durable.free_bytes(folder) < needed:
        raise DiskError(
            f"not enough space: {durable.megabytes(needed)} needed for one photograph", folder
        )
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


def _read_heic(path: Path) -> Photo:
    pi_heif = _needed_module("pi_heif", "HEIC", path)
    try:
        image = pi_heif.open_heif(path, convert_hdr_to_8bit=False)
        # A copy: the decoder takes its memory back with `image`.
        array: NDArray[Any] = np.array(image)
        info, deep = image.info, image.mode.endswith(";16")
    except (ValueError, RuntimeError, EOFError, SyntaxError) as error:
        raise DataError(f"is damaged or no HEIC: {error}", path) from error
    if array.ndim == 2:
        array = array[..., None]
    colours, alpha, grey = _apart(array)
    exif = info.get("exif")
    return Photo(
        pixels=np.ascontiguousarray(colours, np.uint16 if deep else np.uint8),
        format="png",
        ending=path.suffix,
        alpha=None if alpha is None else alpha.copy(),
        grey=grey,
        profile=info.get("icc_profile") or None,
        exif=exif.removeprefix(PREFIX) if exif else None,
        notes=("HEIC cannot be written here: it becomes PNG",),
    )


def _read_raw(path: Path) -> Photo:
    rawpy = _needed_module("rawpy", "RAW", path)
    try:
        with rawpy.imread(str(path)) as raw:
            pixels = raw.postprocess(output_bps=16, use_camera_wb=True)
    except (rawpy.LibRawError, MemoryError) as error:
        raise DataError(f"is damaged or no RAW that is known: {error}", path) from error
    return Photo(
        pixels=np.ascontiguousarray(pixels),
        format="tiff",
        ending=path.suffix,
        exif=exif_of_raw(path),
        notes=("RAW was developed to sRGB with the camera's white balance",),
    )


def as_format(photo: Photo, name: FormatName) -> Photo:
    """Return `photo`, to be written as `name` instead of what it was."""
    return photo if name == photo.format else replace(photo, format=name, jpeg=None)


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
    pyvips = _needed_module("pyvips", "a picture of its size or depth", where)
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
        raise DataError(f"cannot be written: {_last_line(error, 'no reason')}", where) from error


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
