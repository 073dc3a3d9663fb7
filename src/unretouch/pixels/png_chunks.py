"""What a PNG file says beside its pixels, chunk by chunk (PNG, third edition, 5 and 11.3).

Decoders give up a whole picture for a text that is long, or whose check sum is wrong. So they get
the chunks that make up the pixels, and what else there is is read here.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from unretouch.base import durable
from unretouch.pixels.exif import PREFIX
from unretouch.pixels.iptc import as_resources, of_resources
from unretouch.pixels.spliced import Part

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = (b"cICP", b"mDCV", b"cLLI", b"sRGB", b"gAMA", b"cHRM")
"""What tells the colours of the pixels, beside a profile."""
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP = b"XML:com.adobe.xmp"
_IPTC = b"Raw profile type iptc"
_FOR_PIXELS = (b"tRNS", b"acTL", b"fcTL", b"fdAT")
"""What a decoder needs beside the critical chunks: transparency, and whether there are frames."""
_CARRIED = (*COLOURS, *TEXTS, b"tIME", b"pHYs", b"iCCP", b"eXIf")
_LARGEST = 256 << 20
"""Bytes of a profile or a text beyond which it is no such thing."""

Chunk = tuple[bytes, bytes]
"""kind and data"""


@dataclass(frozen=True)
class PngFile:
    """A PNG file, taken apart."""

    parts: tuple[Part, ...]
    """of the file, that a decoder is to see"""
    chunks: tuple[Chunk, ...]
    """what was said beside the pixels and is understood here"""
    damaged: tuple[str, ...]
    """kinds of chunks whose check sum is wrong, which are left out"""
    cut_short: bool
    """whether the file ends within the data of its pixels"""

    def first(self, kind: bytes) -> bytes | None:
        """Return the data of the first chunk of the kind."""
        return next((data for name, data in self.chunks if name == kind), None)

    @property
    def profile(self) -> bytes | None:
        """The ICC profile."""
        data = self.first(b"iCCP")
        return None if data is None else _inflated(data.partition(b"\0")[2][1:])

    @property
    def exif(self) -> bytes | None:
        """The EXIF block, also where ImageMagick has put it."""
        data = self.first(b"eXIf")
        if data is None:
            for keyword in (b"Raw profile type exif", b"Raw profile type APP1"):
                if (found := _unwrapped(self._text(keyword))).startswith(PREFIX):
                    data = found
        return data.removeprefix(PREFIX) if data else None

    @property
    def xmp(self) -> bytes | None:
        """The XMP packet, also where ImageMagick has put it."""
        return self._text(XMP) or _unwrapped(self._text(b"Raw profile type xmp")) or None

    @property
    def iptc(self) -> bytes | None:
        """The datasets of IPTC-IIM, where ImageMagick has put them."""
        found = _unwrapped(self._text(_IPTC))
        return (of_resources(found) if found.startswith(b"8BIM") else found) or None

    @property
    def texts(self) -> tuple[Chunk, ...]:
        """The chunks of words and of the time that are neither XMP nor a block of something."""
        return tuple(
            (kind, data)
            for kind, data in self.chunks
            if kind == b"tIME" or (kind in TEXTS and _is_words(data.partition(b"\0")[0]))
        )

    @property
    def resolution(self) -> tuple[float, float] | None:
        """Pixels an inch, across and down."""
        data = self.first(b"pHYs")
        if data is None or len(data) != 9 or data[8] != 1:
            return None
        across, down = (round(each * 0.0254, 2) for each in struct.unpack(">II", data[:8]))
        return (across, down) if across and down else None

    def _text(self, keyword: bytes) -> bytes | None:
        for kind, data in self.chunks:
            name, _, rest = data.partition(b"\0")
            if kind in TEXTS and name == keyword:
                return _words(kind, rest)
        return None


def _is_words(keyword: bytes) -> bool:
    return keyword != XMP and not keyword.lower().startswith((b"raw profile type", b"exif:"))


def taken_apart(file: BinaryIO) -> PngFile | None:
    """Return what is in the file; None where it is no PNG. It is read from its beginning."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(8) != SIGNATURE:
        return None
    parts: list[Part] = [SIGNATURE]
    chunks: list[Chunk] = []
    damaged: list[str] = []
    cut_short = False
    for kind, place, length in _places(file):
        cut_short |= kind == b"IDAT" and place + 8 + length > size
        whole = (place, length + 12)
        critical = not kind[0] & 32
        if critical or kind in _FOR_PIXELS:
            last = parts[-1]
            if isinstance(last, tuple) and sum(last) == place and len(parts) > 2:
                whole = (last[0], last[1] + whole[1])
                parts.pop()
            parts.append(whole)
            continue
        if kind not in _CARRIED or length > _LARGEST:
            continue
        file.seek(place + 4)
        data = file.read(length + 4)
        (check,) = struct.unpack(">I", file.read(4))
        if zlib.crc32(data) == check:
            chunks.append((kind, data[4:]))
        else:
            damaged.append(kind.decode())
    found = PngFile((), tuple(chunks), tuple(dict.fromkeys(damaged)), cut_short)
    if found.exif:  # the decoder turns the picture upright by it: before the pixels
        parts.insert(2, _written(b"eXIf", found.exif))
    return replace(found, parts=tuple(parts))


def _places(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, place and length of the data of each chunk; one cut short is the last."""
    place = 8
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield kind, place, length
        if kind == b"IEND" or length > 0x7FFFFFFF:
            return
        place += length + 12


def rewritten(path: Path, chunks: Sequence[Chunk]) -> None:
    """Let the PNG file `path` say `chunks` beside its pixels, and nothing else.

    Encoders add what nobody said: a resolution of 25.4 pixels an inch, an empty EXIF block.
    """
    whole = path.with_name(path.name + durable.TEMPORARY_SUFFIX)
    try:
        with path.open("rb") as source, whole.open("wb") as target:
            found = list(_places(source))
            target.write(SIGNATURE)
            for kind, place, length in found:
                if kind[0] & 32 and kind != b"tRNS":
                    continue
                source.seek(place)
                _copy(source, target, length + 12)
                if kind == b"IHDR":
                    for chunk in chunks:
                        target.write(_written(*chunk))
        os.replace(whole, path)
    finally:
        whole.unlink(missing_ok=True)


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count:
        data = source.read(min(count, 1 << 20))
        if not data:
            return
        target.write(data)
        count -= len(data)


def _written(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def icc_chunk(profile: bytes) -> Chunk:
    """Return the chunk of an ICC profile."""
    return b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)


def resolution_chunk(resolution: tuple[float, float]) -> Chunk:
    """Return the chunk of so many pixels an inch, across and down."""
    return b"pHYs", struct.pack(">IIB", *(round(each / 0.0254) for each in resolution), 1)


def xmp_chunk(xmp: bytes) -> Chunk:
    """Return the chunk of an XMP packet."""
    return b"iTXt", XMP + bytes(5) + xmp


def iptc_chunk(datasets: bytes) -> Chunk:
    """Return the chunk of datasets of IPTC-IIM, as ImageMagick and ExifTool have it."""
    resources = as_resources(datasets)
    text = f"\niptc\n{len(resources):8}\n{resources.hex()}\n"
    return b"zTXt", _IPTC + b"\0\0" + zlib.compress(text.encode())


def _words(kind: bytes, rest: bytes) -> bytes | None:
    """Return the text that follows a keyword in a chunk of the kind."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:])
    language = rest[2:].split(b"\0", 2)  # and the keyword in that language
    if len(language) < 3:
        return None
    return _inflated(language[2]) if rest[:1] == b"\1" else language[2]


def _inflated(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, _LARGEST)
    except zlib.error:
        return None


def _unwrapped(text: bytes | None) -> bytes:
    """Return the bytes of a block written as ImageMagick does: name, length, hexadecimal digits."""
    lines = (text or b"").strip().split(b"\n", 2)
    try:
        return bytes.fromhex(lines[2].decode("ascii")) if len(lines) == 3 else b""
    except ValueError:
        return b""
