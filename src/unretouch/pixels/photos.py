"""A photograph of any size and depth, read and written with all that must come back with it.

Pillow handles what has up to 8 bits a channel, as for pairs (images.py); it would cut 16 without a
word. What is deeper, or larger than Pillow can hold, goes to libvips; HEIC and RAW to their own
decoders. Those come with the extra `[photo]`, and without it such a file is refused in one line.
Which of them it is, its first bytes tell (file_kind.py), and what it says beside its pixels
metadata.py.

A photograph is written beside its name first, then under it. Its EXIF block goes in byte for byte
after `exif.cleaned`; for TIFF, which has no such block, see `exif.append_exif`. PNG files get their
chunks from here, not from the encoder.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from unretouch.base import durable
from unretouch.base.errors import DataError
from unretouch.base.messages import N_, Message, Words, _
from unretouch.pixels import colour, heif, images, iptc, png_chunks, vips, xmp
from unretouch.pixels.exif import (
    PREFIX,
    append_exif,
    cleaned,
    has_makers_notes,
    is_sound,
    resolution_of,
    shortened,
    told_by_raw,
    with_resolution,
)
from unretouch.pixels.extras import needed_module
from unretouch.pixels.file_kind import HEIC, RAW, kind_of
from unretouch.pixels.metadata import (
    COMMENT,
    MAKERS_NOTES,
    PARTLY_DAMAGED,
    Metadata,
    beside,
    by_points,
    metadata_of,
    profile_of,
    understood,
)
from unretouch.pixels.png_chunks import Chunk
from unretouch.pixels.save_anew import AS_TIFF_OR_PNG
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

EXTENSIONS = images.EXTENSIONS | HEIC | RAW

LARGEST_IN_MEMORY = 200_000_000
"""Pixels that are held in memory (about 1.5 GB while decoding); beyond, a file on the disk."""

_FORMATS: dict[str, FormatName] = {
    "JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "TIFF": "tiff", "WEBP": "webp",
    "BMP": "png", "PPM": "png", "GIF": "png", "AVIF": "png",
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
    xmp: bytes | None = None
    """the XMP packet as it stands in the file"""
    iptc: bytes | None = None
    """the datasets of IPTC-IIM as they stand in the file"""
    resolution: tuple[float, float] | None = None
    """pixels an inch, across and down"""
    colour_chunks: tuple[Chunk, ...] = ()
    """what tells its colours in a PNG, there in place of `profile`, which says the same"""
    texts: tuple[Chunk, ...] = ()
    """chunks of words of a PNG, or the comment of a JPEG"""
    turned: bool = False
    """whether turning it upright made width of height"""
    jpeg: JpegCoding | None = None
    lossless: bool = False
    """of WebP: whether it was coded without loss"""
    notes: tuple[Message, ...] = ()
    """what had to be converted, and what does not come back, for people"""

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
    try:
        kind = kind_of(path)
        if kind == "heic":
            return _read_heic(path)
        if kind == "raw":
            return _read_raw(path)
        with images.opened(path) as image:
            large = image.width * image.height > LARGEST_IN_MEMORY
            # The bits first: looking for EXIF data may decode a PNG, which then tells of 8.
            bits, told = images.bits_of(image), metadata_of(image, path)
            if bits <= 8 and not large:
                return _read_pillow(image, told, path)
            if image.format == "PPM" and large:
                too_large = _("is a portable map of more than 200 megapixels, which is not read")
                raise DataError(too_large, path, AS_TIFF_OR_PNG)
            what = _("its size") if bits <= 8 else images.of_bits(bits)
            folder = (scratch or Path(tempfile.gettempdir())) if large else None
            return _read_deep(image, told, bits, path, what, folder)
    except OSError as error:
        raise images.cannot_be_opened(error, path) from error
    except MemoryError as error:
        what, hint = _("needs more memory than there is"), _("Close other programs")
        raise DataError(what, path, hint) from error


def _with(photo: Photo, told: Metadata) -> Photo:
    """Return `photo` with what its file says beside the pixels."""
    told_all = replace(
        photo,
        exif=told.exif,
        xmp=told.xmp,
        iptc=told.iptc,
        resolution=told.resolution,
        colour_chunks=told.colour_chunks,
        texts=told.texts,
        turned=told.turned,
        notes=photo.notes + told.notes,
    )
    return _held(told_all)


def _read_pillow(image: Image.Image, told: Metadata, path: Path) -> Photo:
    name = _FORMATS[image.format or ""]
    coding = _jpeg_coding(image) if name == "jpeg" else None
    lossless = name == "webp" and _webp_is_lossless(path)
    grey = image.mode in ("L", "LA", "La", "1")
    became = _became(image, name)
    upright, profile, notes = images.decoded(image, path)
    alpha = np.array(upright.getchannel("A")) if upright.mode == "RGBA" else None
    photo = Photo(
        pixels=images.rgb_of(upright),
        format=name,
        ending=path.suffix,
        alpha=alpha,
        grey=grey,
        profile=profile,
        jpeg=coding,
        lossless=lossless,
        notes=notes + became,
    )
    return _with(photo, told)


BECOMES_PNG = N_("{format} cannot be written here: it becomes PNG")


def _became(image: Image.Image, name: FormatName) -> tuple[Message, ...]:
    """Return what of the way in which the pixels are stored cannot stay as it is."""
    notes: tuple[Message, ...] = ()
    own = image.format or ""
    if own not in ("MPO", name.upper()):
        notes += (Message(BECOMES_PNG, {"format": own}),)
    if image.mode == "1":
        notes += (_("1 bit a pixel becomes 8"),)
    elif image.mode in ("P", "PA"):
        notes += (_("its palette becomes full colour"),)
    return notes


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


def _read_deep(
    opened: Image.Image, told: Metadata, bits: int, path: Path, what: Words, folder: Path | None
) -> Photo:
    profile, notes = profile_of(opened)
    array = images.deep_channels(opened, bits, path, what, folder)
    if opened.format == "AVIF":
        told = replace(told, orientation=1)  # libheif has turned it
    colours, alpha, grey = vips.apart(array)
    name = _FORMATS[opened.format or ""]
    photo = Photo(
        pixels=vips.oriented(colours, told.orientation),
        format=name,
        ending=path.suffix,
        alpha=None if alpha is None else vips.oriented(alpha, told.orientation),
        grey=grey,
        profile=profile,
        notes=notes + _became(opened, name),
    )
    return _with(photo, told)


def _read_heic(path: Path) -> Photo:
    picture, boxes = heif.read_heic(path), heif.boxes_of(path)
    notes = [Message(BECOMES_PNG, {"format": "HEIC"})]
    profile = picture.profile
    points = boxes.points if profile is None else None
    if points is not None:
        profile, said = by_points(points, None)
        notes += said
    notes += beside(boxes)
    exif, packet = understood(picture.exif, picture.xmp, notes)
    colours, alpha, grey = vips.apart(picture.channels)
    return Photo(
        pixels=np.ascontiguousarray(colours),
        format="png",
        ending=path.suffix,
        alpha=None if alpha is None else alpha.copy(),
        grey=grey,
        profile=profile,
        exif=exif,
        xmp=packet,
        resolution=resolution_of(exif) if exif else None,
        colour_chunks=(points.chunk,) if points is not None and points.hdr else (),
        notes=tuple(notes),
    )


RAW_NOTE = _(
    "RAW was developed to sRGB (exponent 2.2) with the camera's white balance, as bright as it was "
    "exposed: no automatic brightening, no look of the camera, no maker's notes, no "
    "settings of RAW programs"
)


def _read_raw(path: Path) -> Photo:
    rawpy = needed_module("rawpy", "RAW", path)
    try:
        with rawpy.imread(str(path)) as raw:
            # What LibRaw does unasked depends on what is in the picture: it lets 1 % go white, and
            # takes the brightest pixel for white. A series would come back with steps in it.
            pixels = raw.postprocess(
                output_bps=16,
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0,
                gamma=(2.2, 0),
            )
    except (rawpy.LibRawError, MemoryError) as error:
        what = _("is damaged or no RAW that is known")
        raise DataError(what, path, AS_TIFF_OR_PNG) from error
    notes = [RAW_NOTE]
    exif, packet = told_by_raw(path)
    exif, packet = understood(exif, packet and xmp.without_settings(packet), notes)
    return Photo(
        pixels=np.ascontiguousarray(pixels),
        format="tiff",
        ending=path.suffix,
        exif=exif,
        xmp=packet,
        notes=tuple(notes),
    )


def as_format(photo: Photo, name: FormatName) -> Photo:
    """Return `photo`, to be written as `name` instead of what it was; notes tell what is lost.

    For a JPEG transparency is laid over white, as it is for pairs (images.py).
    """
    if name == photo.format:
        return photo
    changed = replace(photo, format=name, jpeg=None)
    notes: list[Message] = []
    if name == "jpeg" and photo.alpha is not None:
        clear = images.laid_over_white(photo.pixels, photo.alpha)
        changed = replace(changed, alpha=None)
        if clear:
            notes.append(images.on_white(clear))
    if photo.profile and photo.grey and not colour.is_grey(photo.profile):
        changed = replace(changed, grey=False)  # what tells its colours is a profile for three
    elif photo.profile and name == "webp" and colour.is_grey(photo.profile):
        changed = replace(changed, grey=False, profile=colour.of_three(photo.profile))
        if changed.profile is None:
            notes.append(_("its colour profile is for grey and damaged, so it is not carried over"))
    if name == "tiff" and photo.exif:
        notes += [MAKERS_NOTES] * has_makers_notes(photo.exif)
        notes += [PARTLY_DAMAGED] * (not is_sound(photo.exif))
    if photo.texts:
        notes.append(
            _("the words in its chunks, or its comment, are not carried into another format")
        )
        changed = replace(changed, texts=())
    before = (note for note in photo.notes if note.template != BECOMES_PNG)
    return _held(replace(changed, notes=(*before, *notes)))


def _held(photo: Photo) -> Photo:
    """Return the photograph with what its format has room for; notes tell of the rest."""
    notes = []
    if photo.format == "jpeg" and len(photo.xmp or b"") > _LARGEST_XMP:
        notes.append(_("its XMP data is too large for a JPEG and is not carried over"))
        photo = replace(photo, xmp=None)
    if photo.format == "jpeg" and len(cleaned(photo.exif or b"") or b"") > _LARGEST_EXIF:
        notes.append(_("its EXIF data is too large for a JPEG: its longest parts are left out"))
        photo = replace(photo, exif=shortened(photo.exif or b"", _LARGEST_XMP))
    if photo.iptc and (photo.format == "webp" or len(photo.iptc) > _LARGEST_XMP):
        notes.append(_("its IPTC-IIM data is not carried over; EXIF and XMP are"))
        photo = replace(photo, iptc=None)
    if photo.format == "tiff" and photo.pixels.nbytes > _LARGEST_TIFF and (photo.exif or photo.xmp):
        notes.append(_("what is said beside its pixels is not carried into a TIFF of its size"))
    return replace(photo, notes=(*photo.notes, *notes))


_LARGEST_EXIF = 65_527
_LARGEST_XMP = 65_000
"""Bytes: a JPEG holds 64 KiB in one piece."""
_LARGEST_TIFF = 3 * 10**9
"""Bytes of pixels beyond which a TIFF is a BigTIFF."""


@dataclass(frozen=True)
class Said:
    """What may be written beside a picture that was turned upright and changed."""

    exif: bytes | None
    xmp: bytes | None
    iptc: bytes | None


def said_of(photo: Photo, *, keep_gps: bool) -> Said:
    """Return what may travel of what the file said: without `keep_gps` not the place."""
    return Said(
        exif=cleaned(photo.exif, keep_gps=keep_gps, turned=photo.turned) if photo.exif else None,
        xmp=xmp.cleaned(photo.xmp, keep_gps=keep_gps) if photo.xmp else None,
        iptc=iptc.cleaned(photo.iptc, keep_gps=keep_gps) if photo.iptc else None,
    )


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
    refuse_misfit(path, photo)
    said = said_of(photo, keep_gps=keep_gps)
    if photo.format == "webp" and photo.resolution:  # it has no other place for it
        said = replace(said, exif=with_resolution(said.exif, photo.resolution))
    temporary = path.with_name(path.name + durable.TEMPORARY_SUFFIX)
    try:
        temporary.unlink(missing_ok=True)
        if photo.full > 255 or photo.pixels[..., 0].size > LARGEST_IN_MEMORY:
            _write_vips(temporary, photo, said, path)
        else:
            _write_pillow(temporary, photo, said)
        if photo.format == "png":
            png_chunks.rewritten(temporary, _chunks(photo, said))
        elif photo.format == "tiff":
            append_exif(temporary, said.exif, photo.resolution, said.xmp, said.iptc)
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


def refuse_misfit(path: Path, photo: Photo) -> None:
    """Raise DataError for a photograph that its format cannot hold."""
    height, width = photo.pixels.shape[:2]
    limit = _LARGEST_SIDE.get(photo.format)
    if limit is not None and max(height, width) > limit:
        what = _(
            "has {pixels} pixels a side, {format} holds {most}",
            pixels=max(height, width),
            format=photo.format,
            most=limit,
        )
        raise DataError(what, path, _("Choose the format png or tiff"))
    if photo.format != "png" and (hdr := colour.hdr_of(photo.profile)):
        what = _("is HDR ({name}), which {format} cannot tell", name=hdr, format=photo.format)
        raise DataError(what, path, _("Choose the format png"))
    if photo.full > 255 and photo.format in ("jpeg", "webp"):
        what = _("has 16 bits a channel, {format} holds 8", format=photo.format)
        raise DataError(what, path, _("Choose the format png or tiff"))


def _channels(photo: Photo) -> Pixels:
    """Return (H, W, C) as the file stores them: 1, 2, 3 or 4 channels."""
    pixels: Pixels = photo.pixels
    if photo.grey:
        # Where the three are equal, as before any change, their luma is rounded to themselves.
        pixels = np.rint(luma(pixels)).astype(pixels.dtype)[..., None]
    if photo.alpha is not None and photo.format != "jpeg":
        pixels = np.concatenate([pixels, photo.alpha[..., None]], axis=2)
    return pixels


def _chunks(photo: Photo, said: Said) -> list[Chunk]:
    """Return what a PNG says beside its pixels."""
    chunks = list(photo.colour_chunks)
    if not chunks and photo.profile:
        chunks.append(png_chunks.icc_chunk(photo.profile))
    if photo.resolution:
        chunks.append(png_chunks.resolution_chunk(photo.resolution))
    if said.exif:
        chunks.append((b"eXIf", said.exif))
    if said.xmp:
        chunks.append(png_chunks.xmp_chunk(said.xmp))
    if said.iptc:
        chunks.append(png_chunks.iptc_chunk(said.iptc))
    return [*chunks, *photo.texts]


def _write_pillow(path: Path, photo: Photo, said: Said) -> None:
    channels = _channels(photo)
    image = Image.fromarray(channels[..., 0] if channels.shape[2] == 1 else channels)
    options: dict[str, Any] = {}
    if photo.profile and photo.format != "png":
        options["icc_profile"] = photo.profile
    if photo.format in ("jpeg", "webp"):
        options |= {"exif": PREFIX + said.exif} if said.exif else {}
        options |= {"xmp": said.xmp} if said.xmp else {}
    if photo.format == "jpeg":
        options |= {"dpi": photo.resolution} if photo.resolution else {}
        comments = [data for kind, data in photo.texts if kind == COMMENT]
        options |= {"comment": comments[0]} if comments else {}
        if said.iptc:
            segment = iptc.IN_JPEG + iptc.as_resources(said.iptc)
            options["extra"] = b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
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


def _write_vips(path: Path, photo: Photo, said: Said, where: Path) -> None:
    pyvips = needed_module("pyvips", _("a picture of its size or depth"), where)
    channels = np.ascontiguousarray(_channels(photo))
    try:
        image = vips.image_of(channels, pyvips)
        blobs = {"icc-profile-data": photo.profile}
        if photo.format in ("jpeg", "webp"):
            blobs |= {"exif-data": PREFIX + said.exif if said.exif else None, "xmp-data": said.xmp}
        if photo.format == "jpeg" and said.iptc:
            blobs["iptc-data"] = iptc.IN_JPEG + iptc.as_resources(said.iptc)
        for name, data in blobs.items():
            if data:
                image.set_type(pyvips.GValue.blob_type, name, data)
        match photo.format:
            case "png":
                image.pngsave(str(path), compression=_PNG_LEVEL)
            case "tiff":
                big = channels.nbytes > _LARGEST_TIFF
                image.tiffsave(
                    str(path), compression="deflate", predictor="horizontal", bigtiff=big
                )
            case "jpeg":
                image.jpegsave(str(path), Q=95, subsample_mode="off")
            case "webp":
                image.webpsave(str(path), Q=95, lossless=photo.lossless)
    except pyvips.Error as error:
        reason = vips.last_line(error, _("no reason"))
        raise DataError(_("cannot be written: {reason}", reason=reason), where) from error
