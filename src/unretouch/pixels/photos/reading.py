"""Read a photograph of any size and depth, keeping what `images` drops.

Pillow decodes what has 8 bits a channel; it would cut 16 without a word. What is deeper, or larger
than Pillow can hold, goes to libvips; HEIC and RAW to their own decoders. Those come with the extra
`[photo]`, and without it such a file is refused in one line.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from unretouch.base import durable
from unretouch.base.errors import DataError, DiskError
from unretouch.base.extras import install_hint
from unretouch.pixels import images
from unretouch.pixels.photos.photo import FormatName, JpegCoding, Photo, Pixels
from unretouch.pixels.photos.tiff_exif import exif_of_raw, exif_of_tiff

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
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class _Header:
    """What Pillow tells of a file without decoding it."""

    format: FormatName
    mode: str
    width: int
    height: int
    bits: int
    exif: bytes | None
    orientation: int
    profile: bytes | None
    has_alpha: bool


def read_photo(path: Path, scratch: Path | None = None) -> Photo:
    """Return the photograph at `path`, upright, in its own depth.

    One of more than LARGEST_IN_MEMORY pixels lies in an unnamed file in the folder `scratch` (else
    the system's folder for temporary files). Raises DataError for what is no picture, is damaged,
    or needs the extra `photo` which is not installed; DiskError where `scratch` has no room.
    """
    ending = path.suffix.lower()
    try:
        if ending in HEIC:
            return _read_heic(path)
        if ending in RAW:
            return _read_raw(path)
        header = _header(path)
        large = header.width * header.height > LARGEST_IN_MEMORY
        if header.bits == 8 and not large:
            return _read_pillow(path, header)
        if header.mode in ("F", "I") or header.bits > 16:
            raise DataError(f"has {header.bits} bits a channel", path, "Save it with 16 or 8")
        return _read_vips(path, header, scratch if large else None, large)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot be opened: {reason}", path) from error


def _header(path: Path) -> _Header:
    try:
        with Image.open(path, formats=images.FORMATS) as image:
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                raise DataError("holds more than one picture", path, "Save the one wanted")
            return _described(image)
    except UnidentifiedImageError as error:
        raise DataError("is not a picture that can be read", path) from error
    except Image.DecompressionBombError:
        return _described_large(path)
    except (DataError, FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except Exception as error:  # decoders raise nearly everything on hostile bytes
        raise DataError(f"is damaged: {error or type(error).__name__}", path) from error


def _described(image: Image.Image) -> _Header:
    return _Header(
        format=_FORMATS[image.format or ""],
        mode=image.mode,
        width=image.width,
        height=image.height,
        bits=images.bits_of(image),
        exif=_exif(image),
        orientation=image.getexif().get(_ORIENTATION, 1),
        profile=image.info.get("icc_profile") or None,
        has_alpha=image.has_transparency_data,
    )


def _described_large(path: Path) -> _Header:
    """As Pillow refuses what it could not hold by the size alone, its limit is lifted to look."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path, formats=images.FORMATS) as image:
            return _described(image)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _exif(image: Image.Image) -> bytes | None:
    block: bytes | None = image.info.get("exif")
    if not block and image.format == "TIFF":
        block = exif_of_tiff(image.getexif())
    return block.removeprefix(b"Exif\0\0") if block else None


def _read_pillow(path: Path, header: _Header) -> Photo:
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST_IN_MEMORY
    try:
        with Image.open(path, formats=images.FORMATS) as image:
            coding = _jpeg_coding(image) if header.format == "jpeg" else None
            lossless = header.format == "webp" and _webp_is_lossless(path)
            image.load()
            # Pillow turns TIFF while loading, and says so by leaving the orientation out.
            orientation = image.getexif().get(_ORIENTATION, 1)
            notes: tuple[str, ...] = ()
            profile = header.profile
            if image.mode == "CMYK":
                rgb = images._cmyk_to_srgb(image, profile, path)
                upright: Image.Image = Image.fromarray(rgb)
                profile, coding = None, None
                notes = ("CMYK was converted to sRGB",)
            elif image.mode in ("RGB", "RGBA", "RGBX", "L", "LA", "La", "P", "PA", "1", "YCbCr"):
                upright = image
            else:
                raise DataError(f"is in the colour mode {image.mode}", path, "Save it as RGB")
            grey = upright.mode in ("L", "LA", "La", "1")
            alpha = None
            if header.has_alpha and image.mode != "CMYK":
                upright = upright.convert("RGBA")
                alpha = _oriented(np.array(upright.getchannel("A")), orientation)
            elif image.mode == "RGB":
                upright = image
            pixels = np.array(upright if upright.mode == "RGB" else upright.convert("RGB"))
    except (DataError, FileNotFoundError):
        raise
    except Exception as error:  # decoders raise nearly everything on hostile bytes
        raise DataError(f"is damaged: {error or type(error).__name__}", path) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    return Photo(
        pixels=_oriented(pixels, orientation),
        format=header.format,
        ending=path.suffix,
        alpha=alpha,
        grey=grey,
        profile=profile,
        exif=header.exif,
        turned=header.orientation in (5, 6, 7, 8),
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


def _need(module: str, what: str, path: Path) -> Any:
    try:
        return importlib.import_module(module)
    except (ImportError, OSError):
        raise DataError(f"{what} needs the extra `photo`", path, install_hint("photo")) from None


def _read_vips(path: Path, header: _Header, scratch: Path | None, large: bool) -> Photo:
    what = "its size" if header.bits == 8 else f"a picture of {header.bits} bits a channel"
    pyvips = _need("pyvips", what, path)
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="warning")
        if image.interpretation == "cmyk":
            raise DataError("is CMYK of 16 bits", path, "Save it as RGB")
        deep = image.format == "ushort"
        if not deep and image.format != "uchar":
            raise DataError(f"holds numbers of the kind {image.format}", path, "Save it as 16 bit")
        array = _room(image, deep, scratch, large)
        _fill(array, image, pyvips)
    except pyvips.Error as error:
        reason = str(error).strip().splitlines()
        raise DataError(f"is damaged: {reason[-1] if reason else 'unreadable'}", path) from error
    grey = array.shape[2] < 3
    alpha = array[..., -1] if array.shape[2] in (2, 4) else None
    colours = array[..., :1].repeat(3, axis=2) if grey else array[..., :3]
    turn = header.orientation
    return Photo(
        pixels=_oriented(colours, turn) if turn != 1 or alpha is not None else colours,
        format=header.format,
        ending=path.suffix,
        alpha=None if alpha is None else _oriented(alpha, turn),
        grey=grey,
        profile=header.profile,
        exif=header.exif,
        turned=turn in (5, 6, 7, 8),
    )


def _room(image: Any, deep: bool, scratch: Path | None, large: bool) -> Pixels:
    shape = (image.height, image.width, image.bands)
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    if not large:
        return np.empty(shape, dtype)
    folder = scratch or Path(tempfile.gettempdir())
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
    pi_heif = _need("pi_heif", "HEIC", path)
    try:
        image = pi_heif.open_heif(path, convert_hdr_to_8bit=False)
        # A copy: the decoder takes its memory back with `image`.
        array: NDArray[Any] = np.array(image)
        info, deep = image.info, image.mode.endswith(";16")
    except (ValueError, RuntimeError, EOFError, SyntaxError) as error:
        raise DataError(f"is damaged or no HEIC: {error}", path) from error
    if array.ndim == 2:
        array = array[..., None]
    grey = array.shape[2] < 3
    alpha = array[..., -1].copy() if array.shape[2] in (2, 4) else None
    colours = array[..., :1].repeat(3, axis=2) if grey else np.ascontiguousarray(array[..., :3])
    exif = info.get("exif")
    return Photo(
        pixels=colours.astype(np.uint16 if deep else np.uint8, copy=False),
        format="png",
        ending=path.suffix,
        alpha=alpha,
        grey=grey,
        profile=info.get("icc_profile") or None,
        exif=exif.removeprefix(b"Exif\0\0") if exif else None,
        notes=("HEIC cannot be written here: it becomes PNG",),
    )


def _read_raw(path: Path) -> Photo:
    rawpy = _need("rawpy", "RAW", path)
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
