"""What a file says of its picture beside the pixels: colours, camera, resolution, words.

What is found here comes back with the picture (photos.py), and what of it cannot is a note.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unretouch.base.messages import Message, _
from unretouch.pixels import code_points, iptc, jpeg_parts, xmp
from unretouch.pixels.code_points import CodePoints
from unretouch.pixels.exif import (
    EXIF,
    IPTC,
    MAKER_NOTE,
    ORIENTATION,
    PREFIX,
    cleaned,
    exif_of_tiff,
    inches,
    is_sound,
    resolution_of,
)
from unretouch.pixels.heif import Boxes
from unretouch.pixels.png_chunks import COLOURS, Chunk, PngFile

COMMENT = b"COM"
"""As the kind of a text: the comment of a JPEG."""
GAIN_MAP = _(
    "its HDR part (a gain map) is not carried over: it comes back as screens without HDR show it"
)
MAKERS_NOTES = _("the maker's own notes are not carried over: they are bound to their place")
PATHS = _("its paths of Photoshop are not carried over")
PARTLY_DAMAGED = _("some of its EXIF data is damaged, so it is not carried over")
NOT_UNDERSTOOD = _("its EXIF data is damaged, so it is not carried over")
_LITTLE = 1024
"""Bytes behind a picture that are not worth a line."""
_EXTRA, _PHOTOSHOP, _LAYERS = 338, 34377, 37724
"""Tags of a TIFF."""


@dataclass(frozen=True)
class Metadata:
    """What comes back of it."""

    orientation: int = 1
    exif: bytes | None = None
    """the block as it stands in the file, without the prefix `Exif\\0\\0`"""
    xmp: bytes | None = None
    """the packet as it stands in the file"""
    iptc: bytes | None = None
    """the datasets of IPTC-IIM"""
    resolution: tuple[float, float] | None = None
    """pixels an inch, across and down"""
    colour_chunks: tuple[Chunk, ...] = ()
    """of a PNG: all that tells its colours, word for word"""
    texts: tuple[Chunk, ...] = ()
    """chunks of words of a PNG, or the comment of a JPEG"""
    notes: tuple[Message, ...] = ()
    """what does not come back, for people"""

    @property
    def turned(self) -> bool:
        """Whether turning it upright makes width of height."""
        return self.orientation in (5, 6, 7, 8)


def metadata_of(image: Image.Image, path: Path) -> Metadata:
    """Return what the opened picture `image`, of the file `path`, says. Raises OSError."""
    # Not `image.getexif()`: of a PNG without, that decodes the pixels to look behind them.
    found = Image.Image.getexif(image)
    notes: list[Message] = []
    exif: bytes | None = image.info.get("exif")
    packet: bytes | None = image.info.get("xmp")
    datasets: bytes | None = None
    texts: tuple[Chunk, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    resolution = None
    if image.format == "PNG":
        png: PngFile = image.info["png"]
        packet, datasets, texts, resolution = png.xmp, png.iptc, png.texts, png.resolution
        kinds = (*COLOURS, b"iCCP")
        chunks = tuple(chunk for chunk in png.chunks if chunk[0] in kinds)
        notes += [_("its chunk {kind} is damaged and is left out", kind=k) for k in png.damaged]
    elif image.format in ("JPEG", "MPO"):
        packet, datasets, resolution = _of_jpeg(image, path, notes)
        if comment := image.info.get("comment"):
            texts = ((COMMENT, comment),)
    elif image.format == "TIFF":
        exif = exif_of_tiff(found)
        datasets, resolution = _of_tiff(image, found, notes)
    elif image.format == "BMP":
        resolution = _of_bmp(image)
    elif image.format == "GIF" and (comment := image.info.get("comment")):
        texts = ((b"tEXt", b"Comment\0" + comment),)
    if "boxes" in image.info:
        notes += beside(image.info["boxes"])
    exif, packet = understood(exif, packet, notes)
    if resolution is None and exif is not None:
        resolution = resolution_of(exif)
    if datasets and iptc.cleaned(datasets, keep_gps=True) is None:
        notes.append(_("its IPTC-IIM data is damaged, so it is not carried over"))
        datasets = None
    return Metadata(
        found.get(ORIENTATION, 1), exif, packet, datasets, resolution, chunks, texts, tuple(notes)
    )


def beside(boxes: Boxes) -> list[Message]:
    """Return what is to be said of further pictures in a HEIC or AVIF file."""
    notes = [GAIN_MAP] if boxes.gain_map else []
    if boxes.more:
        notes.append(_("what belongs to the picture, as one of depth, is left out"))
    return notes


def _of_bmp(image: Image.Image) -> tuple[float, float] | None:
    across, down = image.info.get("dpi", (0, 0))
    return (round(across, 2), round(down, 2)) if across and down else None


def understood(
    exif: bytes | None, packet: bytes | None, notes: list[Message]
) -> tuple[bytes | None, bytes | None]:
    """Return EXIF block and XMP packet without what cannot be read, which is put to `notes`."""
    if exif:
        exif = exif.removeprefix(PREFIX)
        if cleaned(exif) is None:
            notes.append(NOT_UNDERSTOOD)
            exif = None
    if packet and not xmp.is_understood(packet):
        notes.append(_("its XMP data is damaged, so it is not carried over"))
        packet = None
    return exif or None, packet or None


def _of_jpeg(
    image: Image.Image, path: Path, notes: list[Message]
) -> tuple[bytes | None, bytes | None, tuple[float, float] | None]:
    with path.open("rb") as file:
        jpeg = jpeg_parts.taken_apart(file)
    if jpeg is None:
        return None, None, None
    if jpeg.gain_map or (jpeg.xmp and xmp.has_gain_map(jpeg.xmp)):
        notes.append(GAIN_MAP)
    elif image.format == "MPO" or jpeg.behind > _LITTLE:
        notes.append(
            _("what follows the picture in the file, another view or a video, is left out")
        )
    if iptc.has_paths(jpeg.resources):
        notes.append(PATHS)
    if jpeg.more_xmp:
        notes.append(_("its XMP data has more than one part, of which the first is carried over"))
    return jpeg.xmp, iptc.of_resources(jpeg.resources), jpeg.resolution


def _of_tiff(
    image: Image.Image, found: Image.Exif, notes: list[Message]
) -> tuple[bytes | None, tuple[float, float] | None]:
    tags = image.tag_v2  # type: ignore[attr-defined]
    resources = _bytes_of(tags, _PHOTOSHOP)
    datasets = _bytes_of(tags, IPTC) or iptc.of_resources(resources)
    if iptc.has_paths(resources):
        notes.append(PATHS)
    if not is_sound(found):
        notes.append(PARTLY_DAMAGED)
    lost = len(tags.get(_EXTRA, ())) - image.has_transparency_data
    if lost > 0:
        notes.append(
            _(
                "channels beside its colours ({count}), as saved selections, are left out",
                count=lost,
            )
        )
    if _LAYERS in tags:
        notes.append(_("its layers are not carried over: it comes back flattened"))
    try:
        if MAKER_NOTE in found.get_ifd(EXIF):
            notes.append(MAKERS_NOTES)
        return datasets, inches(float(tags[282]), float(tags[283]), tags.get(296, 2))
    except Exception:  # nothing there, or values that are not what their tags stand for
        return datasets, None


def _bytes_of(tags: Any, tag: int) -> bytes:
    """Return the bytes of an entry, which some programs write as numbers of four."""
    value = tags.get(tag, b"")
    if isinstance(value, bytes):
        return value
    numbers = value if isinstance(value, tuple) else (value,)
    order = "<" if tags.prefix == b"II" else ">"
    try:
        return struct.pack(f"{order}{len(numbers)}I", *numbers)
    except struct.error:
        return b""


def profile_of(image: Image.Image) -> tuple[bytes | None, tuple[Message, ...]]:
    """Return the ICC profile of an opened picture, or one that says what it says otherwise; None
    stands for sRGB. And what is to be said of it.

    In a PNG, `cICP` counts before a profile, and that before `gAMA` and `cHRM`.
    """
    own: bytes | None = image.info.get("icc_profile") or None
    if "boxes" in image.info:
        boxes: Boxes = image.info["boxes"]
        return (own, ()) if own or boxes.points is None else by_points(boxes.points, None)
    if image.format != "PNG":
        return own, ()
    png: PngFile = image.info["png"]
    own = png.profile
    points = code_points.of_cicp(png.first(b"cICP") or b"")
    if points is not None:
        return by_points(points, own)
    if own is not None or png.first(b"sRGB") is not None:
        return own, ()
    try:
        return code_points.profile_of_gamma(png.first(b"gAMA"), png.first(b"cHRM")), ()
    except ValueError:
        return None, (_("its gAMA and cHRM say what cannot be: its numbers are taken as sRGB"),)


def by_points(
    points: CodePoints, otherwise: bytes | None
) -> tuple[bytes | None, tuple[Message, ...]]:
    """Return the profile that says what the code points do, and what is to be said of it.

    It is `otherwise` where they are not known.
    """
    if not points.known:
        said = (
            _(
                "its colours are of a kind not known here (primaries {primaries}, transfer "
                "{transfer}): taken by its profile",
                primaries=points.primaries,
                transfer=points.transfer,
            )
            if otherwise
            else _(
                "its colours are of a kind not known here (primaries {primaries}, transfer "
                "{transfer}): taken as sRGB",
                primaries=points.primaries,
                transfer=points.transfer,
            )
        )
        return otherwise, (said,)
    if points.hdr:
        said = _(
            "it is HDR ({name}): what is brighter than white is not restored", name=points.name
        )
        return points.profile, (said,)
    return points.profile, ()
