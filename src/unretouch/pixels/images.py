"""The only place that opens or saves a picture, and the bridge between the spaces of pixels.

*File space* is uint8 (H, W, 3) RGB, *network space* float32 (N, 3, H, W) in [-1, 1], *levels*
float32 (H, W, 3) grey levels from 0 to 255, not rounded.

Numbers of pixels are never changed unasked: an RGB colour profile is handed on, not applied. What
cannot become 8-bit RGB without guessing or cutting is refused; what is converted is said in
`Picture.notes`:

| in the file | here |
|---|---|
| RGB, grey, palette, 1 bit | the same colours as RGB |
| transparency | opaque: left out; else laid over white, with a note |
| CMYK | to sRGB by the file's own profile, with a note; without a profile refused |
| 16 bits a channel, float, Lab, animation | refused |
| EXIF orientation 1 to 8 | turned upright |
"""

from __future__ import annotations

import io
import logging
import os
import unicodedata
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from unretouch.base import durable
from unretouch.base.errors import DataError, NonFiniteError

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 64_000_000
"""Largest picture that is decoded unless the caller says otherwise."""

ROWS = 64
"""Rows of a picture that are handled at a time where a copy of all would take memory: a strip of a
large photograph stays in the processor's cache."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
"""The decoders of Pillow that may run. Not AVIF and JPEG 2000: they hide that they cut to 8 bit."""

EXTENSIONS = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff",
    ".bmp", ".ppm", ".pgm", ".pnm", ".gif",
}  # fmt: skip
"""Endings of file names, in small letters, that are taken for pictures."""

NOT_READ = {
    ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".psd", ".exr", ".dng", ".cr2", ".cr3",
    ".nef", ".arw", ".raf", ".orf", ".rw2",
}  # fmt: skip
"""Endings of pictures that are not read here; whoever passes over them says so."""

# `decode` refuses what Pillow only warns of: sizes by its own cap, and files cut short.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# What else Pillow says of a broken file goes to whoever asks for logs, not into our output.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright, in file space."""

    rgb: NDArray[np.uint8]
    """uint8 (H, W, 3)"""
    profile: bytes | None
    """the ICC profile the numbers of `rgb` belong to; None stands for sRGB"""
    notes: tuple[str, ...]
    """what had to be converted, for people"""


def read_rgb(path: Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return the picture at `path` as uint8 (H, W, 3) RGB, upright. Raises DataError."""
    return read(path, max_pixels).rgb


def read(path: Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the picture at `path`. Raises DataError, also for a file that cannot be opened."""
    try:
        with path.open("rb") as file:
            return decode(file, path, max_pixels)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot be opened: {reason}", path) from error


def pixels_of(path: Path) -> int:
    """Return how many pixels the picture at `path` has, by its header; 0 for one that has none."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.width * image.height
    except Exception:  # decoders raise nearly everything; `read` will say what is wrong
        return 0


def decode(
    file: BinaryIO,
    where: object,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = FORMATS,
) -> Picture:
    """Return the picture in `file` after decoding it to its last pixel.

    `where` names it in errors. Raises DataError when it is no picture of `formats`, has more than
    `max_pixels` (found before any pixel is decoded), is damaged or cut short, or holds what the
    table at the head of this file refuses.
    """
    try:
        with Image.open(file, formats=formats) as image:
            _refuse_size(image, where, max_pixels)
            _refuse_kind(image, where)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _to_picture(image, where)
    except (DataError, MemoryError):  # too little memory is no fault of the file
        raise
    except Image.DecompressionBombError as error:
        raise DataError(
            f"has more pixels than the {max_pixels / 1e6:g} million allowed", where
        ) from error
    except UnidentifiedImageError as error:
        raise DataError("is not a picture", where, f"Readable are {', '.join(formats)}") from error
    except Exception as error:  # decoders raise nearly everything on hostile bytes
        raise DataError(f"is damaged: {error or type(error).__name__}", where) from error


def _refuse_size(image: Image.Image, where: object, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(
            f"is {width} x {height}, {width * height / 1e6:.0f} million pixels, "
            f"more than the {max_pixels / 1e6:g} million allowed",
            where,
        )


def _refuse_kind(image: Image.Image, where: object) -> None:
    bits = bits_of(image)
    if bits > 8:
        raise DataError(
            f"has {bits} bits a channel, of which only 8 could be read",
            where,
            "Save it with 8 bits a channel",
        )
    # MPO is how phones and cameras save a JPEG with a second view behind the picture.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise DataError("holds more than one picture", where, "Save the one wanted by itself")


def bits_of(image: Image.Image) -> int:
    """Return the bits of a channel in the file: Pillow cuts 16-bit RGB to 8 without a word."""
    if image.mode in ("F", "I"):
        # A 16-bit portable grey map comes as mode I.
        return 16 if image.format == "PPM" else 32
    if image.format == "TIFF":
        return int(max(np.atleast_1d(image.tag_v2.get(258, 1))))  # type: ignore[attr-defined]
    if image.mode.startswith("I;16"):
        return 16
    # The decoder's own name of how the file stores a pixel, "RGB;16B" for example; in portable
    # maps it is followed by the largest value.
    for tile in getattr(image, "tile", ()):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(arg, str) and ";16" in arg and not arg.startswith("BGR") for arg in args):
            return 16
        if image.format == "PPM" and isinstance(args[-1], int) and args[-1] > 255:
            return 16
    return 8


def _to_picture(image: Image.Image, where: object) -> Picture:
    profile = image.info.get("icc_profile") or None
    if image.mode == "CMYK":
        return Picture(_cmyk_to_srgb(image, profile, where), None, ("CMYK was converted to sRGB",))
    if image.mode not in ("RGB", "RGBA", "RGBX", "L", "LA", "La", "P", "PA", "1", "YCbCr"):
        raise DataError(f"is in the colour mode {image.mode}", where, "Save it as 8-bit RGB")
    if not image.has_transparency_data:
        return Picture(_pixels(image), profile, ())
    image = image.convert("RGBA")
    clear = 1 - float((np.asarray(image.getchannel("A")) == 255).mean())
    if clear == 0:
        return Picture(_pixels(image), profile, ())
    white = Image.new("RGBA", image.size, "white")
    note = f"transparency ({clear:.1%} of the pixels) was laid over white"
    return Picture(_pixels(Image.alpha_composite(white, image)), profile, (note,))


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Return `image` as uint8 (H, W, 3) RGB, copied some rows at a time.

    Pillow hands out a whole picture by way of two more copies of it.
    """
    width, height = image.size
    rgb = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, ROWS):
        rows = image.crop((0, top, width, min(height, top + ROWS)))
        rgb[top : top + ROWS] = np.asarray(rows.convert("RGB"))
    return rgb


def _cmyk_to_srgb(image: Image.Image, profile: bytes | None, where: object) -> NDArray[np.uint8]:
    from PIL import ImageCms

    hint = "Save it as RGB"
    if profile is None:
        raise DataError("is CMYK without a colour profile, so its colours are unknown", where, hint)
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
    except (OSError, ImageCms.PyCMSError) as error:
        raise DataError("is CMYK with a broken colour profile", where, hint) from error
    return np.array(converted)


def png_bytes(rgb: NDArray[np.uint8], effort: int = 6) -> bytes:
    """Return `rgb`, uint8 (H, W, 3), as the bytes of a PNG file without any metadata.

    `effort` is zlib's, 0 to 9: 1 takes a quarter of the time of 6 for a file a tenth larger.
    """
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=effort)
    return buffer.getvalue()


def write_png(path: Path, rgb: NDArray[np.uint8], effort: int = 6) -> None:
    """Write `rgb`, uint8 (H, W, 3), as PNG in one step that a crash cannot halve.

    `effort` as for png_bytes. Raises DiskError.
    """
    durable.write_bytes(path, png_bytes(rgb, effort))


def resize(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return `rgb` (H, W, 3) in the given size by Pillow's bicubic filter, as pix2pix resizes."""
    return np.array(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


def list_images(folder: Path) -> list[Path]:
    """Return the pictures below `folder`, in the order of their names.

    They are known by the ending of the name, in small or capital letters. Links are followed, each
    folder entered once. Hidden files, among them the `._*` twins that macOS leaves behind, are left
    out. Raises DataError when `folder` is missing, is no folder or cannot be read.
    """
    if not folder.is_dir():
        raise DataError("is not a folder" if folder.exists() else "there is no such folder", folder)
    found: list[Path] = []
    entered: set[str] = set()

    def refuse(error: OSError) -> None:
        raise DataError("cannot be read", error.filename or folder) from error

    for parent, subfolders, files in os.walk(folder, followlinks=True, onerror=refuse):
        real = os.path.realpath(parent)
        if real in entered:
            subfolders.clear()
            continue
        entered.add(real)
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        for name in files:
            path = Path(parent, name)
            # A pipe or a device would block the reader for ever.
            if path.suffix.lower() in EXTENSIONS and not _hidden(name) and path.is_file():
                found.append(path)
    return sorted(found, key=lambda path: _in_order(path.relative_to(folder)))


def passed_over(found: Iterable[Path]) -> str:
    """Return a line on the pictures beside those `found` that are of kinds not read here.

    An empty text where there are none.
    """
    folders = sorted({path.parent for path in found})
    names = [
        path.name
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in NOT_READ and not _hidden(path.name)
    ]
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"not read, save them as PNG or TIFF: {', '.join(names[:3])}{more}"


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _in_order(path: Path) -> tuple[str, str]:
    # Names in composed form, as macOS hands Korean and accented names out decomposed.
    return unicodedata.normalize("NFC", path.as_posix()), path.as_posix()


def compressed_again(rgb: NDArray[np.uint8], quality: int, offset: int) -> NDArray[np.uint8]:
    """Return uint8 (H, W, 3) as it comes out of a JPEG (4:2:0) of this quality, 1 to 95.

    The blocks of the JPEG begin `offset` pixels below and right of those of the picture; the first
    `offset` rows and columns stay as they are.
    """
    file = io.BytesIO()
    part = np.ascontiguousarray(rgb[offset:, offset:])
    Image.fromarray(part).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    file.seek(0)
    again = rgb.copy()
    with Image.open(file, formats=("JPEG",)) as image:
        again[offset:, offset:] = np.asarray(image)
    return again


def grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `rgb` (H, W, 3) without its colours: luma of ITU-R BT.601, rounded, as in pix2pix."""
    return np.array(Image.fromarray(rgb).convert("L").convert("RGB"))


def to_network(rgb: NDArray[np.uint8], channels: int = 3) -> torch.Tensor:
    """Return uint8 (H, W, 3) as float32 (1, `channels`, H, W) in [-1, 1]; 1 channel is grey."""
    import torch

    if channels == 1:
        rgb = grey(rgb)[..., :1]
    planes = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
    return planes.unsqueeze(0).float().div_(127.5).sub_(1)


def to_file(tensor: torch.Tensor) -> NDArray[np.uint8]:
    """Return network space (1, C, H, W) or (C, H, W) as uint8 (H, W, 3), rounded, not truncated.

    C is 3 or 1 (grey). Values outside [-1, 1] are clamped. Raises NonFiniteError for NaN.
    """
    return levels_to_file(to_levels(tensor))


def levels_to_file(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return levels (H, W, 3) from 0 to 255 as uint8, rounded, not truncated."""
    return np.rint(levels).astype(np.uint8)


def to_levels(tensor: torch.Tensor) -> NDArray[np.float32]:
    """Return network space (1, C, H, W) or (C, H, W) as float32 (H, W, 3) grey levels, unrounded.

    C is 3 or 1 (grey). Clamped to 0..255, as a file would. Raises NonFiniteError for NaN.
    """
    planes = tensor.detach().reshape(-1, *tensor.shape[-2:]).float()
    levels: NDArray[Any] = planes.add(1).mul(127.5).clamp(0, 255).cpu().numpy()
    if np.isnan(levels).any():
        raise NonFiniteError("the network's picture has NaN in it")
    if len(levels) == 1:
        levels = levels.repeat(3, axis=0)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))
