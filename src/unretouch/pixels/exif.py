"""EXIF data as bytes: what must not travel is taken out in place, all else stays byte for byte.

A reader that parses EXIF and writes it anew breaks the maker's notes, whose offsets count from the
start of the block. So nothing is moved here but entries within a directory.

In a TIFF what the camera said is no block of its own but entries among those of the picture, and
neither libvips nor Pillow with libtiff writes the directory of exposure and lens. So it is appended
to the finished file, with a new first directory: the picture's own entries as they stand, and the
camera's. Only then does the head of the file point to it (TIFF 6.0; EXIF 2.32, section 4.6).

Layout (EXIF 2.32, TIFF 6.0): byte order, 42, offset of the first directory; a directory is a count,
entries of 12 bytes (tag, type, number, value or offset) and the offset of the next directory. The
second directory describes the thumbnail.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

ORIENTATION, GPS, EXIF = 0x0112, 0x8825, 0x8769
WIDTH, HEIGHT = 0xA002, 0xA003
CAMERA_TAGS = (270, 271, 272, 305, 306, 315, 33432)
"""Description, maker, model, software, date, artist, copyright."""
MAKER_NOTE = 0x927C
"""Counts its offsets from where it stood, so that it would be broken anywhere else in a TIFF."""
_ENTRY = 12
"""Bytes of an entry."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
PREFIX = b"Exif\0\0"
"""Of the block in a JPEG and a WebP file."""


def cleaned(exif: bytes, *, keep_gps: bool = False, turned: bool = False) -> bytes | None:
    """Return `exif` for a picture that was turned upright and changed; None where it is damaged.

    The orientation becomes 1; the thumbnail, which shows the picture before, is unlinked and
    blanked; so is the place where the picture was taken unless `keep_gps`. `turned` says that
    width and height changed places. A leading `Exif\\0\\0` is left out of the result.
    """
    block = bytearray(exif.removeprefix(PREFIX))
    try:
        directory = _first(block)
        directory.set_number(ORIENTATION, 1)
        directory.unlink_next()
        inner = directory.inner(EXIF)
        if inner is not None and turned:
            width, height = inner.number(WIDTH), inner.number(HEIGHT)
            if width is not None and height is not None:
                inner.set_number(WIDTH, height)
                inner.set_number(HEIGHT, width)
        gps = None if keep_gps else directory.inner(GPS)
        if gps is not None:
            gps.blank()
            directory.remove(GPS)
    except (struct.error, IndexError, ValueError):
        return None
    return bytes(block)


@dataclass(frozen=True)
class _Directory:
    block: bytearray
    order: str
    offset: int

    def inner(self, tag: int) -> _Directory | None:
        """Return the directory that the entry `tag` points to."""
        offset = self.number(tag)
        return None if offset is None else _Directory(self.block, self.order, offset)

    def number(self, tag: int) -> int | None:
        place = self._find(tag)
        if place is None:
            return None
        kind, value = self._kind(place), place + 8
        return int(self._read("H" if kind == 3 else "I", value))

    def set_number(self, tag: int, number: int) -> None:
        place = self._find(tag)
        if place is not None:
            code = "H" if self._kind(place) == 3 else "I"
            struct.pack_into(self.order + code, self.block, place + 8, number)

    def remove(self, tag: int) -> None:
        """Take the entry out; those behind it move up, the block keeps its length."""
        place = self._find(tag)
        if place is None:
            return
        end = self._end() + 4  # with the offset of the next directory
        self.block[place : end - 12] = self.block[place + 12 : end]
        self.block[end - 12 : end] = bytes(12)
        struct.pack_into(self.order + "H", self.block, self.offset, self._count() - 1)

    def blank(self) -> None:
        """Overwrite the directory and all its values with zeros."""
        for place in self._places():
            kind, number = self._kind(place), self._read("I", place + 4)
            size = _SIZES.get(kind, 0) * number
            if size > 4:
                start = self._read("I", place + 8)
                if start + size > len(self.block):
                    raise ValueError("a value outside of the block")
                self.block[start : start + size] = bytes(size)
        end = self._end() + 4
        self.block[self.offset : end] = bytes(end - self.offset)

    def unlink_next(self) -> None:
        """Blank the directory that follows, with the thumbnail it points to, and forget it."""
        following = self._read("I", self._end())
        if following:
            thumbnail = _Directory(self.block, self.order, following)
            start, size = thumbnail.number(0x0201), thumbnail.number(0x0202)
            if start is not None and size is not None and start + size <= len(self.block):
                self.block[start : start + size] = bytes(size)
            struct.pack_into(self.order + "I", self.block, self._end(), 0)

    def _count(self) -> int:
        return int(self._read("H", self.offset))

    def _end(self) -> int:
        end = self.offset + 2 + 12 * self._count()
        if end + 4 > len(self.block):
            raise ValueError("a directory outside of the block")
        return end

    def _places(self) -> range:
        return range(self.offset + 2, self._end(), 12)

    def _find(self, tag: int) -> int | None:
        return next((p for p in self._places() if self._read("H", p) == tag), None)

    def _kind(self, place: int) -> int:
        return int(self._read("H", place + 2))

    def _read(self, code: str, place: int) -> int:
        return int(struct.unpack_from(self.order + code, self.block, place)[0])


def _first(block: bytearray) -> _Directory:
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or struct.unpack_from(order + "H", block, 2)[0] != 42:
        raise ValueError("no EXIF")
    return _Directory(block, order, struct.unpack_from(order + "I", block, 4)[0])


def exif_of_tiff(found: Image.Exif) -> bytes | None:
    """Return what the directories of a TIFF say about the camera as an EXIF block, those of its own
    layout left out; None where they say nothing."""
    kept = Image.Exif()
    for tag in (*CAMERA_TAGS, ORIENTATION):
        if tag in found:
            kept[tag] = found[tag]
    for directory in (EXIF, GPS):
        kept.get_ifd(directory).update(_inner(found, directory))
    if not dict(kept) and not any(kept.get_ifd(directory) for directory in (EXIF, GPS)):
        return None
    try:
        block: bytes = kept.tobytes()
    except Exception:  # values that are not what their tags stand for
        return None
    return block


def _inner(found: Image.Exif, directory: int) -> dict[int, Any]:
    """Return what stands in that directory, but for the maker's notes; nothing if it is broken."""
    try:
        entries = dict(found.get_ifd(directory))
    except Exception:  # parsers raise nearly everything on hostile bytes
        return {}
    return {tag: value for tag, value in entries.items() if tag != MAKER_NOTE}


def exif_of_raw(path: Path) -> bytes | None:
    """Return the same of a RAW file, most of which are TIFF inside; None for those that are not.

    Its orientation is left out, since what develops it turns it upright.
    """
    found = Image.Exif()
    try:
        with path.open("rb") as file:
            found.load_from_fp(file)
            found.pop(ORIENTATION, None)
            return exif_of_tiff(found)
    except Exception:  # parsers raise nearly everything on what is no TIFF
        return None


def append_exif(path: Path, exif: bytes) -> None:
    """Put the camera data of the block `exif` into the TIFF file `path`, but for maker's notes.

    A BigTIFF stays as it is: few programs read one, fewer look for camera data there. So does a
    picture whose camera data is broken.
    """
    with path.open("rb+") as file:
        head = file.read(8)
        order = "<" if head[:2] == b"II" else ">"
        magic, first = struct.unpack(order + "HI", head[2:])
        if magic != 42:
            return
        file.seek(first)
        (count,) = struct.unpack(order + "H", file.read(2))
        own = [file.read(_ENTRY) for _ in range(count)]
        following = file.read(4)
        end = file.seek(0, 2)
        file.write(bytes(end % 2))  # directories begin at even places
        end += end % 2
        try:
            block = _directory(exif, head[:2], {_tag(entry, order) for entry in own}).tobytes(end)
        except Exception:  # values that are not what their tags stand for
            return
        (more,) = struct.unpack(order + "H", block[:2])
        entries = own + [block[at : at + _ENTRY] for at in range(2, 2 + more * _ENTRY, _ENTRY)]
        entries.sort(key=lambda entry: _tag(entry, order))
        block += bytes(len(block) % 2)
        file.write(block)
        file.write(struct.pack(order + "H", len(entries)) + b"".join(entries) + following)
        file.seek(4)
        file.write(struct.pack(order + "I", end + len(block)))


def _directory(exif: bytes, order: bytes, taken: set[int]) -> ImageFileDirectory_v2:
    given = Image.Exif()
    given.load(exif)
    head = {b"II": b"II*\0\0\0\0\0", b"MM": b"MM\0*\0\0\0\0"}[order]
    directory = ImageFileDirectory_v2(head)
    for tag in CAMERA_TAGS:
        if tag in given and tag not in taken:
            directory[tag] = given[tag]
    for tag in (EXIF, GPS):
        if inner := _inner(given, tag):
            directory[tag] = inner
    return directory


def _tag(entry: bytes, order: str) -> int:
    return int(struct.unpack(order + "H", entry[:2])[0])
