"""HEIC and AVIF: what the boxes of such a file say (ISO/IEC 14496-12, 23008-12), and its pixels.

HEIC is decoded by libheif, AVIF of 8 bits by Pillow and of more by libvips: each of those would
lose something of the other. Pillow and libheif hand on an ICC profile, but not what the box `colr`
says in code points.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unretouch.base.errors import DataError
from unretouch.base.messages import _
from unretouch.pixels.code_points import CodePoints
from unretouch.pixels.exif import PREFIX
from unretouch.pixels.extras import needed_module

_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
_LARGEST = 64 << 20
"""Bytes of the box `meta` beyond which it is no such thing."""
_GAIN_MAPS = (b"hdrgainmap", b"tmap")
_AUXILIARY = re.compile(rb"auxC.{4}([^\0]+)\0", re.DOTALL)
_KNOWN_AUXILIARY = re.compile(rb"auxid:1$|alpha|hdrgainmap")
"""Transparency, which comes along, and gain maps."""

Box = tuple[bytes, bytes]


@dataclass(frozen=True)
class Boxes:
    """What the boxes say of the main picture."""

    brands: tuple[bytes, ...]
    points: CodePoints | None = None
    """its colours, where code points tell them"""
    bits: int = 8
    """of a channel"""
    gain_map: bool = False
    """whether a further picture makes it an HDR picture"""
    more: bool = False
    """whether there are others that belong to it, such as one of depth"""
    size: tuple[int, int] | None = None
    """width and height, as it lies in the file; None where they are not told"""

    @property
    def kind(self) -> Literal["avif", "heic", ""]:
        """Which of the two it is, or neither."""
        if any(brand in _AVIF for brand in self.brands):
            return "avif"
        return "heic" if any(brand in _HEIC for brand in self.brands) else ""


@dataclass(frozen=True)
class HeifPicture:
    """A decoded HEIC file."""

    channels: NDArray[Any]
    """uint8 or uint16, (H, W, 1 to 4), upright"""
    profile: bytes | None
    exif: bytes | None
    """without the prefix `Exif\\0\\0`"""
    xmp: bytes | None


def boxes_of(path: Path) -> Boxes:
    """Return what the boxes of the file say; without brands where it has none. Raises OSError."""
    brands: tuple[bytes, ...] = ()
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if not brands and kind != b"ftyp":
                break
            start = 8
            if size == 1:
                size, start = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))[0], 16
            if kind == b"meta" and start <= size <= _LARGEST:
                return _told(brands, file.read(size - start))
            if kind == b"ftyp" and start < size < 4096:
                data = file.read(size - start)
                brands = tuple(data[at : at + 4] for at in range(0, len(data), 4) if at != 4)
            elif size < start:
                break
            else:
                file.seek(size - start, 1)
    return Boxes(brands)


def _told(brands: tuple[bytes, ...], meta: bytes) -> Boxes:
    found = dict(_boxes(meta[4:]))
    try:
        properties = _of_main(found)
    except (struct.error, IndexError, KeyError):
        properties = []
    points, bits, size = None, 8, None
    for kind, data in properties:
        if kind == b"colr" and data[:4] == b"nclx" and len(data) >= 11:
            primaries, transfer, matrix = struct.unpack_from(">3H", data, 4)
            points = CodePoints(primaries, transfer, matrix, full_range=bool(data[10] & 128))
        elif kind == b"pixi" and len(data) > 5:
            bits = max(data[5 : 5 + data[4]], default=8)
        elif kind == b"ispe" and len(data) >= 12:
            size = struct.unpack_from(">2I", data, 4)
    gain_map = any(sign in meta for sign in _GAIN_MAPS)
    others = (kind for kind in _AUXILIARY.findall(meta) if not _KNOWN_AUXILIARY.search(kind))
    return Boxes(brands, points, bits, gain_map, any(others), size)


def _of_main(meta: dict[bytes, bytes]) -> list[Box]:
    """Return the properties of the main picture, in their order."""
    version, main = meta[b"pitm"][0], meta[b"pitm"][4:]
    item = struct.unpack(">I" if version else ">H", main[: 4 if version else 2])[0]
    inner = dict(_boxes(meta[b"iprp"]))
    known = list(_boxes(inner[b"ipco"]))
    table = inner[b"ipma"]
    wide_item, wide_index = table[0] > 0, table[3] & 1
    (count,) = struct.unpack_from(">I", table, 4)
    place = 8
    for _index in range(count):
        (this,) = struct.unpack_from(">I" if wide_item else ">H", table, place)
        place += 4 if wide_item else 2
        number, place = table[place], place + 1
        codes = struct.unpack_from(f">{number}{'H' if wide_index else 'B'}", table, place)
        place += number * (2 if wide_index else 1)
        if this == item:
            indices = [code & (0x7FFF if wide_index else 0x7F) for code in codes]
            return [known[index - 1] for index in indices if 0 < index <= len(known)]
    return []


def _boxes(data: bytes) -> Iterator[Box]:
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        start = 8
        if size == 1 and place + 16 <= len(data):
            size, start = struct.unpack_from(">Q", data, place + 8)[0], 16
        elif size == 0:
            size = len(data) - place
        if size < start:
            return
        yield kind, data[place + start : place + size]
        place += size


def read_heic(path: Path) -> HeifPicture:
    """Return the picture in the HEIC file at `path`. Raises DataError."""
    pi_heif = needed_module("pi_heif", "HEIC", path)
    try:
        image = pi_heif.open_heif(path, convert_hdr_to_8bit=False)
        # A copy: the decoder takes its memory back with `image`.
        array: NDArray[Any] = np.array(image)
        info, deep = image.info, image.mode.endswith(";16")
    except (ValueError, RuntimeError, EOFError, SyntaxError) as error:
        what = _("is damaged or no HEIC: {reason}", reason=str(error))
        raise DataError(what, path) from error
    exif = info.get("exif")
    channels = array[..., None] if array.ndim == 2 else array
    channels = np.ascontiguousarray(channels, np.uint16 if deep else np.uint8)
    if deep:
        fill_up(channels, info.get("bit_depth", 16))
    return HeifPicture(
        channels=channels,
        profile=info.get("icc_profile") or None,
        exif=exif.removeprefix(PREFIX) if exif else None,
        xmp=info.get("xmp") or None,
    )


def fill_up(channels: NDArray[np.uint16], bits: int) -> None:
    """Bring numbers of so many bits, shifted up to 16, to the whole range: white is 65535."""
    channels |= channels >> bits
