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
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from unretouch.base.messages import Message, Words, _

ORIENTATION, GPS, EXIF = 0x0112, 0x8825, 0x8769
WIDTH, HEIGHT = 0xA002, 0xA003
RESOLUTION, UNIT, XMP, IPTC, DNG = (282, 283), 296, 700, 33723, 50706
CAMERA_TAGS = (
    269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096),
)  # fmt: skip
"""Name of the document, description, maker, model, name of the page, software, date, artist,
computer, rating (two), copyright, and the five in which Windows has words."""
MAKER_NOTE, INTEROPERABILITY = 0x927C, 0xA005
"""Bound to where they stood, so that they would be broken anywhere else."""
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
        directory.require_next()
        directory.set_number(ORIENTATION, 1)
        directory.unlink_next()
        if not keep_gps and directory.number(GPS) is not None:
            with suppress(struct.error, ValueError):  # broken: then nobody finds the place either
                directory.inner(GPS).blank()  # type: ignore[union-attr]
            directory.remove(GPS)
    except (struct.error, ValueError):
        return None
    if turned:
        with suppress(struct.error, ValueError):
            _swap_sides(directory)
    return bytes(block)


def _swap_sides(directory: _Directory) -> None:
    inner = directory.inner(EXIF)
    if inner is None:
        return
    width, height = inner.number(WIDTH), inner.number(HEIGHT)
    if width is not None and height is not None:
        inner.set_number(WIDTH, height)
        inner.set_number(HEIGHT, width)


def has_makers_notes(exif: bytes) -> bool:
    """Return whether the block holds notes of the maker of the camera."""
    with suppress(struct.error, ValueError):
        inner = _first(bytearray(exif.removeprefix(PREFIX))).inner(EXIF)
        return inner is not None and inner.number(MAKER_NOTE) is not None
    return False


def resolution_of(exif: bytes) -> tuple[float, float] | None:
    """Return how many pixels an inch the block says, across and down."""
    try:
        directory = _first(bytearray(exif.removeprefix(PREFIX)))
        across, down = (directory.ratio(tag) for tag in RESOLUTION)
        unit = directory.number(UNIT)
    except (struct.error, ValueError):
        return None
    return inches(across, down, 2 if unit is None else unit)


def inches(across: float | None, down: float | None, unit: int) -> tuple[float, float] | None:
    """Return pixels an inch; None where the `unit` is neither inch (2) nor centimetre (3)."""
    scale = {2: 1.0, 3: 2.54}.get(unit)
    if scale is None or not (across and down):
        return None
    return round(across * scale, 2), round(down * scale, 2)


def with_resolution(exif: bytes | None, resolution: tuple[float, float]) -> bytes:
    """Return the block with so many pixels an inch, where it does not tell any; nothing in it is
    moved but its first directory."""
    block = exif or b"MM\0*\0\0\0\x08" + bytes(6)
    if resolution_of(block) is not None:
        return block
    try:
        first = _first(bytearray(block))
        taken = {*RESOLUTION, UNIT}
        kept = [e for e in first.entries() if _tag(e, first.order) not in taken]
    except (struct.error, ValueError):
        return block
    block += bytes(len(block) % 2)
    entries, values = _resolution_entries(resolution, first.order, len(block))
    block += values
    entries = sorted([*kept, *entries], key=lambda entry: _tag(entry, first.order))
    place = struct.pack(first.order + "I", len(block))
    directory = struct.pack(first.order + "H", len(entries)) + b"".join(entries) + bytes(4)
    return block[:4] + place + block[8:] + directory


def _resolution_entries(
    resolution: tuple[float, float] | None, order: str, place: int
) -> tuple[list[bytes], bytes]:
    """Return the entries of a resolution in pixels an inch, and their values, which are to stand at
    `place`. None stands for none: pixels as wide as high."""
    across, down = resolution or (1, 1)
    values = b"".join(struct.pack(order + "II", round(each * 100), 100) for each in (across, down))
    pointers = [
        struct.pack(order + "HHII", tag, 5, 1, place + 8 * number)
        for number, tag in enumerate(RESOLUTION)
    ]
    unit = struct.pack(order + "HHIHH", UNIT, 3, 1, 1 if resolution is None else 2, 0)
    return [*pointers, unit], values


def is_dng(path: Path) -> bool:
    """Return whether a file that is TIFF inside is a RAW file of the kind DNG. Raises OSError."""
    return DNG in _numbers_of_tiff(path)


def kind_of_tiff(path: Path) -> Message | None:
    """Return what numbers a TIFF file holds, for people; None where that cannot be told or the file
    is none. Raises OSError."""
    told = _numbers_of_tiff(path)
    bits = told.get(258, 1) if told else 0
    what = {
        1: _("whole numbers"),
        2: _("signed numbers"),
        3: _("floating-point numbers"),
        6: _("complex numbers"),
    }
    kind = what.get(told.get(339, 1), _("numbers"))
    if bits in (8, 16) and kind == what[1]:  # so it is not for them
        models: dict[int, Words] = {5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}
        model = models.get(told.get(262, 2), _("colours"))
        kind = _("{model} in {count} channels", model=model, count=told.get(277, 1))
    return _("{numbers} of {bits} bits", numbers=kind, bits=bits) if bits else None


def _numbers_of_tiff(path: Path) -> dict[int, int]:
    """Return the first number of each entry in the first directory of a TIFF file, by its tag."""
    with path.open("rb") as file:
        head = file.read(8)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
        if order is None or len(head) < 8:
            return {}
        file.seek(struct.unpack(order + "I", head[4:])[0])
        (count,) = struct.unpack(order + "H", file.read(2).rjust(2, b"\0"))
        directory = file.read(count * _ENTRY)
        found = {}
        for at in range(0, len(directory) - _ENTRY + 1, _ENTRY):
            tag, kind, number, value = struct.unpack_from(order + "HHII", directory, at)
            code, size = {1: ("B", 1), 3: ("H", 2)}.get(kind, ("I", 4))
            data = directory[at + 8 : at + 12]
            if number * size > 4:
                file.seek(value)
                data = file.read(size).ljust(4, b"\0")
            (found[tag],) = struct.unpack_from(order + code, data)
    return found


@dataclass
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
        end = self._end() + (4 if self._has_next() else 0)
        self.block[place : end - 12] = self.block[place + 12 : end]
        self.block[end - 12 : end] = bytes(12)
        struct.pack_into(self.order + "H", self.block, self.offset, self._count() - 1)

    def ratio(self, tag: int) -> float | None:
        place = self._find(tag)
        if place is None:
            return None
        value = self._read("I", place + 8)
        above, below = self._read("I", value), self._read("I", value + 4)
        return above / below if below else None

    def entries(self) -> list[bytes]:
        return [bytes(self.block[place : place + _ENTRY]) for place in self._places()]

    def blank(self) -> None:
        """Overwrite the directory and all its values with zeros, as far as they are there."""
        end = self._end() + (4 if self._has_next() else 0)
        for start, size in self._values():
            self._zero(start, size)
        self._zero(self.offset, end - self.offset)

    def require_next(self) -> None:
        """Give the directory the offset of the next one, where whoever wrote the block has left
        that out. Then the directory is moved behind the block, and nothing else."""
        if self._has_next():
            return
        entries = self.entries()
        self.block += bytes(len(self.block) % 2)
        struct.pack_into(self.order + "I", self.block, 4, len(self.block))
        self.offset = len(self.block)
        self.block += struct.pack(self.order + "H", len(entries)) + b"".join(entries) + bytes(4)

    def unlink_next(self) -> None:
        """Blank the directory that follows, with the thumbnail it points to, and forget it."""
        following = self._read("I", self._end())
        struct.pack_into(self.order + "I", self.block, self._end(), 0)
        thumbnail = _Directory(self.block, self.order, following)
        with suppress(struct.error, ValueError):
            for place, length in ((0x0201, 0x0202), (0x0111, 0x0117)):
                start, size = thumbnail.number(place), thumbnail.number(length)
                if following and start is not None and size is not None:
                    self._zero(start, size)

    def _zero(self, start: int, size: int) -> None:
        size = max(0, min(size, len(self.block) - start))
        self.block[start : start + size] = bytes(size)

    def _values(self) -> list[tuple[int, int]]:
        """Return place and length of what the entries have outside of the directory."""
        found = []
        for place in self._places():
            size = _SIZES.get(self._kind(place), 0) * self._read("I", place + 4)
            if size > 4:
                found.append((self._read("I", place + 8), size))
            elif self._read("H", place) in (EXIF, GPS):
                found.append((self._read("I", place + 8), 2))
        return found

    def _has_next(self) -> bool:
        """Return whether the offset of the next directory stands behind the entries, and not the
        end of the block or a value."""
        end = self._end()
        taken = any(end <= start < end + 4 for start, _ in self._values())
        return not taken and end + 4 <= len(self.block)

    def _count(self) -> int:
        return int(self._read("H", self.offset))

    def _end(self) -> int:
        end = self.offset + 2 + 12 * self._count()
        if end > len(self.block):
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


def exif_of_tiff(found: Image.Exif, left_out: Collection[int] = ()) -> bytes | None:
    """Return what the directories of a TIFF say about the camera as an EXIF block, those of its own
    layout and the tags `left_out` not among it; None where they say nothing."""
    kept = Image.Exif()
    for tag, value in _outer(found, (*CAMERA_TAGS, ORIENTATION)).items():
        if tag not in left_out:
            kept[tag] = value
    for directory in (EXIF, GPS):
        inner = _inner(found, directory)
        kept.get_ifd(directory).update({t: v for t, v in inner.items() if t not in left_out})
    if not dict(kept) and not any(kept.get_ifd(directory) for directory in (EXIF, GPS)):
        return None
    try:
        block: bytes = kept.tobytes()
    except Exception:  # values that are not what their tags stand for
        return None
    return block


def _outer(found: Image.Exif, tags: Sequence[int] = CAMERA_TAGS) -> dict[int, Any]:
    """Return what stands under these tags in the first directory, as far as it can be written."""
    return _sound({tag: found[tag] for tag in tags if tag in found})


def _inner(found: Image.Exif, directory: int) -> dict[int, Any]:
    """Return what stands in that directory, as far as it can be written, but for what is bound to
    its place; nothing if it is broken."""
    return _sound(_entries(found, directory), directory)


def _entries(found: Image.Exif, directory: int) -> dict[int, Any]:
    try:
        entries = dict(found.get_ifd(directory))
    except Exception:  # parsers raise nearly everything on hostile bytes
        return {}
    bound = (MAKER_NOTE, INTEROPERABILITY)
    return {tag: value for tag, value in entries.items() if tag not in bound}


def _sound(entries: dict[int, Any], directory: int | None = None) -> dict[int, Any]:
    """Return the entries that can be written: others hold what their tags do not stand for."""
    kept = {}
    for tag, value in entries.items():
        words = _Words(value) if isinstance(value, str) else value
        alone = ImageFileDirectory_v2(group=directory)
        with suppress(Exception):  # parsers raise nearly everything on hostile bytes
            alone[tag] = words
            alone.tobytes(8)
            kept[tag] = words
    return kept


def is_sound(given: Image.Exif | bytes) -> bool:
    """Return whether all that is said can be written into a TIFF."""
    if isinstance(given, bytes):
        found = Image.Exif()
        try:
            found.load(given)
        except Exception:  # parsers raise nearly everything on hostile bytes
            return False
    else:
        found = given
    outer = sum(tag in found for tag in CAMERA_TAGS) - len(_outer(found))
    return not outer and all(
        len(_inner(found, part)) == len(_entries(found, part)) for part in (EXIF, GPS)
    )


class _Words(str):
    """Words that are written with the bytes they were read from: Pillow takes each for a letter,
    and writes what is not ASCII as a question mark."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "replace") -> bytes:
        return str.encode(self, "latin-1", "replace")


def shortened(exif: bytes, largest: int) -> bytes | None:
    """Return the block with what is understood of it, without the maker's notes, the thumbnail and,
    at need, its longest values, so that it has at most `largest` bytes; None where nothing is left.
    """
    found = Image.Exif()
    try:
        found.load(exif)
    except Exception:  # parsers raise nearly everything on hostile bytes
        return None
    left_out: set[int] = set()
    while True:
        block = exif_of_tiff(found, left_out)
        if block is None or len(block) <= largest:
            return block and block.removeprefix(PREFIX)
        values = _outer(found) | _inner(found, EXIF) | _inner(found, GPS)
        sizes = {t: _size(value) for t, value in values.items() if t not in left_out}
        if not sizes:
            return None
        left_out.add(max(sizes, key=lambda tag: sizes[tag]))


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else 8 * len(np.atleast_1d(value))


def told_by_raw(path: Path) -> tuple[bytes | None, bytes | None]:
    """Return the EXIF block and the XMP packet of a RAW file, most of which are TIFF inside; None
    for those that are not.

    The orientation is left out, since what develops it turns it upright.
    """
    found = Image.Exif()
    try:
        with path.open("rb") as file:
            found.load_from_fp(file)
            found.pop(ORIENTATION, None)
            packet = found.get(XMP)
            return exif_of_tiff(found), packet if isinstance(packet, bytes) else None
    except Exception:  # parsers raise nearly everything on what is no TIFF
        return None, None


def append_exif(
    path: Path,
    exif: bytes | None = None,
    resolution: tuple[float, float] | None = None,
    xmp: bytes | None = None,
    iptc: bytes | None = None,
) -> None:
    """Let the TIFF file `path` say what the camera said, in the block `exif` but for the maker's
    notes; so many pixels an inch, or none; an XMP packet; and datasets of IPTC-IIM.

    A BigTIFF stays as it is: few programs read one, fewer look for camera data there. What is
    broken of the camera data is left out.
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
        # Encoders say 25.4 pixels an inch, or 1, where nobody has told them any.
        own = [entry for entry in own if _tag(entry, order) not in (*RESOLUTION, UNIT)]
        following = file.read(4)
        end = file.seek(0, 2)
        file.write(bytes(end % 2))  # directories begin at even places
        end += end % 2
        pointers, values = _resolution_entries(resolution, order, end)
        file.write(values)
        end += len(values)
        taken = {_tag(entry, order) for entry in own}
        block, more = _camera(exif, {XMP: xmp, IPTC: iptc}, head[:2], taken, end)
        entries = own + pointers + more
        entries.sort(key=lambda entry: _tag(entry, order))
        file.write(block)
        file.write(struct.pack(order + "H", len(entries)) + b"".join(entries) + following)
        file.seek(4)
        file.write(struct.pack(order + "I", end + len(block)))


def _camera(
    exif: bytes | None, blocks: dict[int, bytes | None], order: bytes, taken: set[int], end: int
) -> tuple[bytes, list[bytes]]:
    """Return a directory that is to stand at `end`, with all it points to, and its entries."""
    for block in (exif, None):
        if not (block or any(blocks.values())):
            break
        try:
            made = _directory(block, blocks, order, taken).tobytes(end)
        except Exception:  # values that are not what their tags stand for
            continue
        (count,) = struct.unpack("<H" if order == b"II" else ">H", made[:2])
        entries = [made[at : at + _ENTRY] for at in range(2, 2 + count * _ENTRY, _ENTRY)]
        return made + bytes(len(made) % 2), entries
    return b"", []


def _directory(
    exif: bytes | None, blocks: dict[int, bytes | None], order: bytes, taken: set[int]
) -> ImageFileDirectory_v2:
    head = {b"II": b"II*\0\0\0\0\0", b"MM": b"MM\0*\0\0\0\0"}[order]
    directory = ImageFileDirectory_v2(head)
    for tag, data in blocks.items():
        if data:
            directory.tagtype[tag] = 1
            directory[tag] = data
    if exif is None:
        return directory
    given = Image.Exif()
    given.load(exif)
    for tag, value in _outer(given).items():
        if tag not in taken:
            directory[tag] = value
    for tag in (EXIF, GPS):
        if inner := _inner(given, tag):
            directory[tag] = inner
    return directory


def _tag(entry: bytes, order: str) -> int:
    return int(struct.unpack(order + "H", entry[:2])[0])
