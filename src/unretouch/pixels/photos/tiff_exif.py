"""Camera data in a TIFF, where it is no block of its own but entries among those of the picture.

Neither libvips nor Pillow with libtiff writes the directory of exposure and lens. So it is appended
to the finished file, with a new first directory: the picture's own entries as they stand, and the
camera's. Only then does the head of the file point to it (TIFF 6.0; EXIF 2.32, section 4.6).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from unretouch.pixels.photos.exif import EXIF, GPS, ORIENTATION

CAMERA_TAGS = (270, 271, 272, 305, 306, 315, 33432)
"""Description, maker, model, software, date, artist, copyright."""
MAKER_NOTE = 0x927C
"""Counts its offsets from where it stood, so that it would be broken anywhere else."""
_ENTRY = 12


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
