"""Of what kind a picture file is: by its first bytes, since names of files say what people like."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from unretouch.pixels.exif import is_dng
from unretouch.pixels.heif import boxes_of

Kind = Literal["heic", "avif", "raw", "jpeg", "other"]

HEIC = {".heic", ".heif", ".hif"}
RAW = {
    ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw",
}  # fmt: skip
"""Endings of file names."""

_NO_RAW = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"GIF8", b"BM", b"P5", b"P6")
_ONLY_RAW = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")


_LOSSLESS = (b"\x89PNG", b"II*\0", b"MM\0*", b"BM", b"P5", b"P6", b"8BPS")


def is_lossless(path: Path) -> bool:
    """Return whether files of this kind lose nothing of a picture. Raises OSError."""
    with path.open("rb") as file:
        return file.read(4).startswith(_LOSSLESS)


def kind_of(path: Path) -> Kind:
    """Return the kind of the file. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[4:8] == b"ftyp":
        if head[8:11] == b"crx":
            return "raw"
        found = boxes_of(path).kind
        return found or "other"
    if head.startswith(_ONLY_RAW) or head[8:10] == b"CR":
        return "raw"
    if head[:4] in (b"II*\0", b"MM\0*") and is_dng(path):
        return "raw"
    if path.suffix.lower() in RAW and not head.startswith(_NO_RAW):
        return "raw"
    if path.suffix.lower() in HEIC and not head.startswith((*_NO_RAW, b"II*\0", b"MM\0*")):
        return "heic"  # whose decoder says what is wrong with it
    return "other"
