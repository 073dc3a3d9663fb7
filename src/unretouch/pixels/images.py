"""Pictures in file space: the only place that opens one, how pairs are read, and PNG.

Pillow decodes here whatever has 8 bits a channel, for pairs as for photographs (photos.py), and
libvips what has more (vips.py).

Numbers of pixels are never changed without a word. What cannot become RGB of 8 or 16 bits without
guessing or cutting is refused; what is converted is said in `Picture.notes`:

| in the file | here |
|---|---|
| RGB, grey, palette, 1 bit | the same colours as RGB |
| a colour profile that is not sRGB | to sRGB, with a note: so networks see colours, here as in |
| | `apply`; a profile of tables is taken for sRGB, with a note. So are colours told by cICP, gAMA |
| | and cHRM in PNG, and by nclx in HEIC and AVIF |
| transparency | opaque: left out; else laid over white, with a note |
| CMYK | to sRGB by the file's own profile, with a note; without a profile refused |
| 9 to 16 bits a channel | 16 bits, by libvips, the decoder of HEIC, or portable_map.py |
| layers (PSD) | the flattened picture that lies beside them, with 8 or 16 bits |
| 32 bits, float, Lab, animation | refused |
| EXIF orientation 1 to 8 | turned upright |
"""

from __future__ import annotations

import io
import logging
import math
import os
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from unretouch.base import durable
from unretouch.base.errors import DataError, UnretouchError
from unretouch.base.messages import Message, Words, _
from unretouch.base.terminal import listed
from unretouch.pixels import colour, heif, jpeg_parts, png_chunks, portable_map, psd, vips
from unretouch.pixels.exif import ORIENTATION, kind_of_tiff
from unretouch.pixels.extras import needed_module
from unretouch.pixels.file_kind import HEIC, RAW, Kind, kind_of
from unretouch.pixels.metadata import profile_of
from unretouch.pixels.save_anew import AS_RGB, AS_TIFF_OR_PNG
from unretouch.pixels.spaces import Bits, Rgb, Rgb8, depth, eight, shares_to_file
from unretouch.pixels.spliced import Part, Spliced

MAX_PIXELS = 64_000_000
"""Largest picture that is decoded unless the caller says otherwise."""

ROWS = 64
"""Rows of a picture that are handled at a time where a copy of all would take memory: a strip of a
large photograph stays in the processor's cache."""

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF", "AVIF")
"""The decoders of Pillow that may run. Not JPEG 2000: it hides that it cuts to 8 bit. So does AVIF,
but its boxes tell."""

NOTICED = 0.01
"""Share of the pixels from which it is said that their colours are outside sRGB."""

EXTENSIONS = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff",
    ".bmp", ".ppm", ".pgm", ".pnm", ".gif", ".mpo", ".avif", *HEIC,
}  # fmt: skip
"""Endings of file names, in small letters, that are taken for pictures."""

NOT_READ = {
    ".jp2", ".j2k", ".jxl", ".psd", ".exr", *RAW,
}  # fmt: skip
"""Endings of pictures that are not read here; whoever passes over them says so."""

# Pillow's limit of size is one for all threads of a process. `opened` has its own, that of the
# caller, and looks at it before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
# Pillow only warns of files cut short, which decoding then refuses.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
# What else Pillow says of a broken file goes to whoever asks for logs, not into our output.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def _teach_pillow_deep_tiffs() -> None:
    """Let Pillow read the heads of TIFF files of 16 bits with transparency or saved selections
    beside grey or colours, as Photoshop writes them. Their pixels are a matter of libvips."""
    beside = [(), *((kind, *[0] * more) for kind in range(3) for more in range(4))]
    for order, (meaning, mode), extra in product(
        (b"II", b"MM"), ((0, "L"), (1, "L"), (2, "RGB")), beside
    ):
        bits = (16,) * (len(mode) + len(extra))
        told = mode + "A" if any(extra) else mode
        known = TiffImagePlugin.OPEN_INFO
        known.setdefault((order, meaning, (1,), 1, bits, extra), (told, "not by Pillow"))


_teach_pillow_deep_tiffs()

NO_PICTURE = _("is not a picture")
ANEW = _("Copy it anew from where it comes from")


class TooManyPixelsError(DataError):
    """A picture has more pixels than the caller takes."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright, in file space, which is sRGB."""

    rgb: Rgb
    """(H, W, 3), uint16 where the file has more than 8 bits a channel"""
    notes: tuple[Message, ...]
    """what had to be converted, for people"""
    converted_from: str = ""
    """the colour profile whose numbers were turned into those of sRGB, by its name"""


def read_rgb(path: Path) -> Rgb:
    """Return the picture at `path`, file space (H, W, 3), upright. Raises DataError."""
    return read(path).rgb


def read(path: Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the picture at `path` after decoding it to its last pixel.

    Raises DataError when it cannot be opened, is no picture of FORMATS, has more than `max_pixels`
    (found before any pixel is decoded), is damaged or cut short, or holds what the table at the
    head of this file refuses.
    """
    try:
        layered = psd.header_of(path)
    except OSError as error:
        raise cannot_be_opened(error, path) from error
    if layered is not None:
        return _picture(*_read_layered(layered, path, max_pixels))
    with opened(path, max_pixels) as image:
        bits = bits_of(image)
        if bits > 8:
            rgb, profile, notes = _read_deep(image, bits, path)
        else:
            image, profile, notes = decoded(image, path)
            if image.mode == "RGBA":
                clear = 1 - float((np.asarray(image.getchannel("A")) == 255).mean())
                if clear > 0:
                    white = Image.new("RGBA", image.size, "white")
                    image = Image.alpha_composite(white, image)
                    notes += (on_white(clear),)
            rgb = rgb_of(image)
    return _picture(rgb, profile, notes)


def _picture(rgb: Rgb, profile: bytes | None, notes: tuple[Message, ...]) -> Picture:
    """Return numbers of this profile as a picture in sRGB."""
    space, said = colour.told(profile)
    if said is not None:
        notes += (said,)
    if space is None:
        return Picture(rgb, notes)
    return Picture(rgb, (*notes, *_to_srgb(rgb, space)), str(space.name))


def on_white(clear: float) -> Message:
    """Return that so large a share of the pixels was not opaque."""
    share = f"{clear:.1%}"
    return _("transparency ({share} of the pixels) was laid over white", share=share)


def _read_deep(
    image: Image.Image, bits: int, path: Path
) -> tuple[Rgb, bytes | None, tuple[Message, ...]]:
    """Return an opened picture of more than 8 bits a channel, uint16 (H, W, 3), upright; the ICC
    profile of its numbers; and what had to be converted."""
    profile, notes = profile_of(image)
    if image.format == "HEIF":
        channels = heif.read_heic(path).channels  # upright, as it always comes
    else:
        # Not `image.getexif()`: of a PNG without, that decodes the pixels to look behind them.
        orientation = 1 if image.format == "AVIF" else Image.Image.getexif(image).get(ORIENTATION)
        channels = deep_channels(image, bits, path, of_bits(bits))
        channels = vips.oriented(channels, orientation or 1)
    return _opaque(channels, profile, notes)


def of_bits(bits: int) -> Message:
    """Return what a picture is that needs the extra for its depth."""
    return _("a picture of {bits} bits a channel", bits=bits)


def deep_channels(
    image: Image.Image, bits: int, path: Path, what: Words, folder: Path | None = None
) -> NDArray[Any]:
    """Return the pixels of an opened picture that Pillow would cut; see `vips.read_channels`."""
    if image.format == "PPM" and bits == 16:
        return portable_map.read_channels(image, path)
    if image.format == "TIFF" and image.mode in ("F", "I"):
        what, hint = unread(path)
        raise DataError(what, path, hint)
    return vips.read_channels(image, bits, path, what, folder)


def _read_layered(
    header: psd.Header, path: Path, max_pixels: int
) -> tuple[Rgb, bytes | None, tuple[Message, ...]]:
    """Return the flattened picture of a Photoshop file as `_read_deep` does."""
    _refuse_size((header.width, header.height), path, max_pixels)
    found = psd.read_flattened(path, header)
    return _opaque(shares_to_file(found.shares, header.bits), found.profile, ())


def _opaque(
    channels: NDArray[Any], profile: bytes | None, notes: tuple[Message, ...]
) -> tuple[Rgb, bytes | None, tuple[Message, ...]]:
    """Return (H, W, 1 to 4) as RGB, laid over white where it is transparent."""
    colours, alpha, _ = vips.apart(channels)
    rgb = np.ascontiguousarray(colours)
    if alpha is not None and (clear := laid_over_white(rgb, alpha)):
        notes += (on_white(clear),)
    return rgb, profile, notes


def laid_over_white(pixels: NDArray[Any], alpha: NDArray[Any]) -> float:
    """Lay the pixels over white, in place; return the share of those that were not opaque."""
    full, clear = np.iinfo(pixels.dtype).max, 0
    for rows in row_strips(len(pixels)):
        share = alpha[rows, :, None].astype(np.float32) / np.float32(full)
        clear += int(np.count_nonzero(share < 1))
        pixels[rows] = np.rint(full + (pixels[rows] - np.float32(full)) * share)
    return clear / alpha.size


def _to_srgb(rgb: Rgb, space: colour.Colour) -> Iterator[Message]:
    """Turn the numbers of a picture into those of sRGB, in place; yield what is to be said."""
    lost = 0
    for rows in row_strips(len(rgb)):
        rgb[rows], some = space.in_srgb(rgb[rows])
        lost += some
    yield _("its colours were converted from {profile} to sRGB", profile=space.name)
    if 3 * lost / rgb.size >= NOTICED:
        share = f"{3 * lost / rgb.size:.0%}"
        yield _(
            "{share} of it has colours outside sRGB, which became the nearest that it has",
            share=share,
        )


def cannot_be_opened(error: OSError, path: Path) -> DataError:
    """Return what to raise where the system does not let us read `path`."""
    return DataError(_("cannot be opened: {reason}", reason=durable.reason_of(error)), path)


@dataclass(frozen=True)
class Header:
    """What a file says of its picture; nothing of what `read` refuses."""

    pixels: int = 0
    bits: Bits = 8
    """of a channel, once it is decoded"""

    @property
    def bytes(self) -> int:
        """Of it decoded, in file space."""
        return 3 * self.pixels * self.bits // 8


def header_of(path: Path, max_pixels: int) -> Header:
    """Return what the header of the picture at `path` says.

    `read` is the one to say what is wrong.
    """
    try:
        if layered := psd.header_of(path):
            return Header(layered.width * layered.height, layered.bits)
        with opened(path, max_pixels) as image:
            return Header(image.width * image.height, 8 if bits_of(image) <= 8 else 16)
    except (DataError, OSError):
        return Header()


@contextmanager
def opened(path: Path, max_pixels: float = math.inf) -> Iterator[Image.Image]:
    """Open the one picture in the file `path`, with only its header read, and close it again.

    Whatever a decoder raises, here or while the caller has it open, becomes a DataError. Raises
    DataError too where the file cannot be opened, has more than `max_pixels`, or several pictures.
    """
    try:
        kind, file = kind_of(path), path.open("rb")
    except OSError as error:
        raise cannot_be_opened(error, path) from error
    try:
        with file, _opened(file, kind, path) as image:
            _refuse_size(image.size, path, max_pixels)
            # MPO is how phones and cameras save a JPEG with a second view behind the picture.
            if image.format != "MPO" and _pictures_in(image) > 1:
                hint = _("Save the one wanted by itself")
                raise DataError(_("holds more than one picture"), path, hint)
            yield image
    except (UnretouchError, MemoryError):  # too little memory is no fault of the file
        raise
    except UnidentifiedImageError as error:
        what, hint = unread(path)
        raise DataError(what, path, hint) from error
    except Exception as error:  # decoders raise nearly everything on hostile bytes
        reason = str(error) or type(error).__name__
        raise DataError(_("is damaged: {reason}", reason=reason), path) from error


def _pictures_in(image: Image.Image) -> int:
    """Return how many pictures are in the file; reduced copies, as TIFF files hold, are none."""
    count = getattr(image, "n_frames", 1)
    if image.format != "TIFF" or count == 1:
        return count
    whole = 0
    for index in reversed(range(count)):
        image.seek(index)
        whole += not image.tag_v2.get(254, 0) & 1  # type: ignore[attr-defined]
    return whole


def _opened(file: BinaryIO, kind: Kind, path: Path) -> Image.Image:
    """Open a file that the system lets us read, with what its decoder does not tell in `info`: of
    a PNG `png`, of HEIC and AVIF `boxes`."""
    if kind == "heic":
        needed_module("pi_heif", "HEIC", path).register_heif_opener()
        image = Image.open(file, formats=("HEIF",))
    elif (png := png_chunks.taken_apart(file)) is not None:
        if png.cut_short:
            raise _cut_short(path)
        image = Image.open(Spliced(file, png.parts), formats=("PNG",))  # type: ignore[arg-type]
        image.info["png"] = png
    else:
        file.seek(0)
        image = Image.open(file, formats=FORMATS)
    if kind in ("heic", "avif"):
        image.info["boxes"] = heif.boxes_of(path)
    return image


def unread(path: Path) -> tuple[Message, Message]:
    """Return what a file is that no decoder here takes, and what to do about it."""
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return _("is not a picture but empty"), ANEW
    if tiff := kind_of_tiff(path):
        hint = _("Save it as TIFF with RGB of 16 or 8 bits")
        return _("is a TIFF of {numbers}, which is not read", numbers=tiff), hint
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _("is a TIFF that is damaged or cut short"), ANEW
    for name, signs in _KNOWN.items():
        if any(head[at : at + len(sign)] == sign for at, sign in signs):
            return _("is {name}, which is not read", name=name), AS_TIFF_OR_PNG
    return NO_PICTURE, _("Readable are {formats}", formats=", ".join((*FORMATS, "HEIC")))


_KNOWN: dict[Words, tuple[tuple[int, bytes], ...]] = {
    _("a BigTIFF of this kind"): ((0, b"II+\0"), (0, b"MM\0+")),
    "JPEG XL": ((0, b"\xff\x0a"), (4, b"JXL ")),
    "JPEG 2000": ((4, b"jP  "), (0, b"\xff\x4f\xff\x51")),
    _("a Photoshop file"): ((0, b"8BPS"),),
    _("a portable map (PAM)"): ((0, b"P7\n"),),
    _("a portable map of floating-point numbers (PFM)"): ((0, b"PF\n"), (0, b"Pf\n")),
    "OpenEXR": ((0, b"\x76\x2f\x31\x01"),),
    "Radiance HDR": ((0, b"#?RADIANCE"),),
    _("a video"): ((4, b"ftypqt"), (4, b"ftypmp4"), (4, b"ftypisom")),
    _("a PDF"): ((0, b"%PDF"),),
}
"""Kinds of pictures that people have, by bytes at a place."""


def _refuse_size(size: tuple[int, int], path: Path, max_pixels: float) -> None:
    width, height = size
    if width * height > max_pixels:
        millions, most = f"{width * height / 1e6:.0f}", f"{max_pixels / 1e6:g}"
        what = _(
            "is {width} x {height}, {millions} million pixels, more than the {most} million "
            "allowed",
            width=width,
            height=height,
            millions=millions,
            most=most,
        )
        raise TooManyPixelsError(what, path)


def bits_of(image: Image.Image) -> int:
    """Return the bits of a channel in the file: Pillow cuts 16-bit RGB to 8 without a word."""
    if "boxes" in image.info:
        return int(image.info["boxes"].bits)
    if image.mode in ("F", "I"):
        # A 16-bit portable grey map comes as mode I.
        return 16 if (image.format, image.mode) == ("PPM", "I") else 32
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


def decoded(
    image: Image.Image, path: Path
) -> tuple[Image.Image, bytes | None, tuple[Message, ...]]:
    """Decode an opened picture of 8 bits a channel to its last pixel and turn it upright.

    Returns it in mode RGBA where it has transparency, else in one that becomes RGB without loss;
    the ICC profile its numbers belong to; and what had to be converted, for people. Raises
    DataError for colours that cannot be told.
    """
    image, notes = _loaded(image, path)
    ImageOps.exif_transpose(image, in_place=True)
    profile, said = profile_of(image)
    notes += said
    if image.mode == "CMYK":
        said = (_("CMYK was converted to sRGB"),)
        return _cmyk_to_srgb(image, profile, path), None, notes + said
    if image.mode not in ("RGB", "RGBA", "RGBX", "L", "LA", "La", "P", "PA", "1", "YCbCr"):
        what = _("is in the colour mode {mode}", mode=image.mode)
        raise DataError(what, path, AS_RGB)
    return image.convert("RGBA") if image.has_transparency_data else image, profile, notes


def _loaded(image: Image.Image, path: Path) -> tuple[Image.Image, tuple[Message, ...]]:
    """Decode `image`, a JPEG also without the mark of its end, where nothing else is missing."""
    if image.format in ("JPEG", "MPO"):
        stat = path.stat()
        # Not left to the decoder: to it zeros at the end of a copy that broke off are pixels, and
        # what is missing before a mark of the end is grey.
        if not _has_its_end(path, stat.st_size, stat.st_mtime_ns):
            return _without_its_end(path), (NO_END,)
    image.load()
    return image, ()


def require_its_end(path: Path) -> None:
    """Raise DataError for a JPEG of which the end is missing, and more than its mark. One that was
    cut and closed again is told only once it is read."""
    with path.open("rb") as file:
        told = jpeg_parts.taken_apart(file)
    if told is not None and not told.ended:
        _without_its_end(path)


NO_END = _("the mark of its end is missing, and nothing of the picture")


@lru_cache(maxsize=4096)
def _has_its_end(path: Path, size: int, changed: int) -> bool:
    """Return whether the end of a JPEG is marked. Raises DataError where it is, and some of the
    picture before it is missing; `size` and `changed` are those of the file, not to ask twice."""
    with path.open("rb") as file:
        told = jpeg_parts.taken_apart(file)
        if told is None or not told.ended:
            return told is None
        # Nothing is missing of what comes out the same whatever follows.
        reduced = not told.progressive and size > _LARGE
        end = _end_without(file, told.end, b"\xff")  # which would make markers of what follows
        filler = jpeg_parts.FILLERS[:1]
        same = told.arithmetic or _same(file, [(0, end)], filler, reduced=reduced)
    if not same or not told.restarts or not (told.whole or told.progressive):
        raise _cut_short(path)
    return True


_LARGE = 2_000_000
"""Bytes of a JPEG beyond which decoding it again would take noticeable time."""


def _cut_short(path: Path) -> DataError:
    hint = _("Copy it anew from where it comes from, or save what is left of it in another program")
    return DataError(_("is cut short: its last rows are missing"), path, hint)


def _end_without(file: BinaryIO, end: int, last: bytes) -> int:
    """Return the place of the end of a file, `end`, without those bytes at it that are `last`."""
    while end:
        start = max(0, end - 2**16)
        file.seek(start)
        if left := len(file.read(end - start).rstrip(last)):
            return start + left
        end = start
    return 0


def _ended(file: BinaryIO, parts: Sequence[Part]) -> Image.Image:
    """Open the JPEG of these parts of `file`, and the mark of its end."""
    ended = Spliced(file, [*parts, jpeg_parts.END])
    return Image.open(ended, formats=("JPEG",))  # type: ignore[arg-type]


def _same(
    file: BinaryIO, begun: Sequence[Part], fillers: Sequence[bytes], *, reduced: bool = False
) -> bool:
    """Return whether a JPEG that begins so is the same picture whatever follows.

    `reduced` compares means of 8 x 8 pixels only, in a fraction of the time; of a progressive one
    they are known long before its end.
    """
    first: Image.Image | None = None
    for filler in (b"", *fillers):
        other = _ended(file, [*begun, filler])
        if reduced:
            other.draft(None, (1, 1))
        other.load()
        if first is None:
            first = other
            continue
        strips = [(0, rows.start, other.width, rows.stop) for rows in row_strips(other.height)]
        if any(first.crop(box).tobytes() != other.crop(box).tobytes() for box in strips):
            return False
    return True


def _without_its_end(path: Path) -> Image.Image:
    """Return the picture of a JPEG that ends too early, decoded.

    Raises DataError where more is missing than the mark of its end.
    """
    with path.open("rb") as file:
        told = jpeg_parts.taken_apart(file)
        # A copy that broke off may be filled up with zeros; one of them belongs to an FF.
        end = _end_without(file, path.stat().st_size, b"\0")
        begun: list[Part] = [(0, end)]
        if _end_without(file, end, b"\xff") < end:
            begun.append(b"\0")
        if told is None or not (
            told.whole and told.restarts and _same(file, begun, jpeg_parts.FILLERS)
        ):
            raise _cut_short(path)
        image = _ended(file, begun)
        image.load()
    return image


def rgb_of(image: Image.Image) -> NDArray[np.uint8]:
    """Return `image` as uint8 (H, W, 3) RGB, copied some rows at a time.

    Pillow hands out a whole picture by way of two more copies of it.
    """
    width, height = image.size
    rgb = np.empty((height, width, 3), np.uint8)
    # Few at a time: it is where reading takes most, and three copies of them are made.
    for rows in row_strips(height, ROWS // 8):
        strip = image.crop((0, rows.start, width, rows.stop))
        rgb[rows] = np.asarray(strip.convert("RGB"))
    return rgb


def row_strips(height: int, rows: int = ROWS) -> Iterator[slice]:
    """Yield the rows of a picture of so many, `rows` at a time, from the top down."""
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))


def reduced(picture: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the means of cells of `factor` pixels; cells at the right and below may be smaller.

    `picture` is file space (H, W) or (H, W, 3), whose means are rounded, or float32 (H, W).
    """
    if factor == 1:
        return picture
    # In strips: Pillow copies what it is given.
    strips = (np.ascontiguousarray(picture[s]) for s in row_strips(len(picture), 64 * factor))
    return np.concatenate([_strip_reduced(strip, factor) for strip in strips])


def _strip_reduced(strip: NDArray[Any], factor: int) -> NDArray[Any]:
    if strip.dtype != np.uint16:
        return np.asarray(Image.fromarray(strip).reduce(factor))
    planes = strip.astype(np.float32).reshape(*strip.shape[:2], -1)
    means = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).reduce(factor))
        for plane in np.moveaxis(planes, 2, 0)
    ]
    rounded = np.rint(np.stack(means, 2)).astype(np.uint16)
    return np.asarray(rounded.reshape(*means[0].shape, *strip.shape[2:]))


def _cmyk_to_srgb(image: Image.Image, profile: bytes | None, path: Path) -> Image.Image:
    from PIL import ImageCms

    if profile is None:
        what = _("is CMYK without a colour profile, so its colours are unknown")
        raise DataError(what, path, AS_RGB)
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
    except (OSError, ImageCms.PyCMSError) as error:
        raise DataError(_("is CMYK with a broken colour profile"), path, AS_RGB) from error
    assert converted is not None  # only where it is told to convert in place
    return converted


def png_bytes(rgb: Rgb8, effort: int = 6) -> bytes:
    """Return `rgb`, uint8 (H, W, 3), or grey (H, W), as the bytes of a PNG without any metadata.

    `effort` is zlib's, 0 to 9: 1 takes a quarter of the time of 6 for a file a tenth larger.
    """
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=effort)
    return buffer.getvalue()


def write_png(path: Path, rgb: Rgb, effort: int = 6) -> None:
    """Write file space (H, W, 3) in its depth as PNG, in one step that a crash cannot halve.

    `effort` as for png_bytes. Raises DiskError, and DataError where 16 bits need the extra `photo`.
    """
    if depth(rgb) == 16:
        durable.write_bytes(path, vips.png_bytes(rgb, effort, path))
    else:
        durable.write_bytes(path, png_bytes(eight(rgb), effort))


def list_images(folder: Path) -> list[Path]:
    """Return the pictures below `folder`, in the order of their names.

    They are known by the ending of the name, in small or capital letters. Photoshop files count
    where there are no others: else they are what the others were made of. Raises DataError when
    `folder` is missing, is no folder or cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError("cannot be read", error.filename or folder) from error

    # A pipe or a device would block the reader for ever.
    below = files_below(folder, refuse)
    for endings in (EXTENSIONS, {psd.ENDING}):
        found = [path for path in below if path.suffix.lower() in endings and path.is_file()]
        if found:
            return found
    return []


def files_below(folder: Path, unreadable: Callable[[OSError], None]) -> list[Path]:
    """Return what is below `folder` and no folder itself, in the order of its names.

    Links are followed, each folder entered once. Hidden files, among them the `._*` twins that
    macOS leaves behind, are left out. `unreadable` is called where a folder cannot be read.
    Raises DataError when `folder` is missing or no folder.
    """
    if not folder.is_dir():
        raise DataError("is not a folder" if folder.exists() else "there is no such folder", folder)
    found: list[Path] = []
    entered: set[str] = set()

    for parent, subfolders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        real = os.path.realpath(parent)
        if real in entered:
            subfolders.clear()
            continue
        entered.add(real)
        subfolders[:] = sorted(name for name in subfolders if not _hidden(name))
        found += [Path(parent, name) for name in files if not _hidden(name)]
    return sorted(found, key=lambda path: _in_order(path.relative_to(folder)))


def passed_over(found: Iterable[Path]) -> str:
    """Return a line on the pictures beside those `found` that are of kinds not read here.

    An empty text where there are none.
    """
    read = set(found)
    folders = sorted({path.parent for path in read})
    names = [
        path.name
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in NOT_READ and path not in read and not _hidden(path.name)
    ]
    if not names:
        return ""
    return f"not read, save them as PNG or TIFF: {listed(names)}"


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db", "desktop.ini")


def _in_order(path: Path) -> tuple[str, str]:
    # Names in composed form, as macOS hands Korean and accented names out decomposed.
    return unicodedata.normalize("NFC", path.as_posix()), path.as_posix()
