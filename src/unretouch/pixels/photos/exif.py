"""EXIF data as bytes: what must not travel is taken out in place, all else stays byte for byte.

A reader that parses EXIF and writes it anew breaks the maker's notes, whose offsets count from the
start of the block. So nothing is moved here but entries within a directory.

Layout (EXIF 2.32, TIFF 6.0): byte order, 42, offset of the first directory; a directory is a count,
entries of 12 bytes (tag, type, number, value or offset) and the offset of the next directory. The
second directory describes the thumbnail.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

ORIENTATION, GPS, EXIF = 0x0112, 0x8825, 0x8769
WIDTH, HEIGHT = 0xA002, 0xA003
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_PREFIX = b"Exif\0\0"


def cleaned(exif: bytes, *, keep_gps: bool = False, turned: bool = False) -> bytes | None:
    """Return `exif` for a picture that was turned upright and changed; None where it is damaged.

    The orientation becomes 1; the thumbnail, which shows the picture before, is unlinked and
    blanked; so is the place where the picture was taken unless `keep_gps`. `turned` says that
    width and height changed places. A leading `Exif\\0\\0` is left out of the result.
    """
    block = bytearray(exif.removeprefix(_PREFIX))
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
