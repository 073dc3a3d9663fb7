"""What a JPEG file holds beside its pixels, marker by marker (ITU-T T.81, annex B)."""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from unretouch.pixels.exif import inches
from unretouch.pixels.iptc import IN_JPEG

END = b"\xff\xd9"
FILLERS = (bytes(n * n % 251 for n in range(1024)), b"\xaa" * 64)
"""Bytes that a decoder takes for more of the picture, if any of it is missing: all kinds of them,
since few are a code in every file."""
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""Within the coded pixels 0 stands behind an FF that is none, and D0 to D7 are restarts."""
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_LONE = {0x01, *range(0xD0, 0xD9)}
"""Markers that nothing follows."""


@dataclass(frozen=True)
class JpegFile:
    """A JPEG file, taken apart."""

    xmp: bytes | None
    resolution: tuple[float, float] | None
    """pixels an inch, across and down, as JFIF says"""
    resources: bytes
    """of Photoshop"""
    more_xmp: bool
    """whether its XMP goes on in further packets"""
    gain_map: bool
    """whether a picture behind it, or its own tag, makes it an HDR picture"""
    ended: bool
    """whether its end is marked"""
    end: int
    """the place of that mark, or how long the file is"""
    whole: bool
    """whether, by the heads of its scans, each coefficient was coded to its last bit"""
    restarts: bool
    """whether there are as many marks of a restart as there must be"""
    progressive: bool
    arithmetic: bool
    """coded so that zeros at the end of the pixels may be left out"""
    behind: int
    """bytes that follow its end, zeros at either side left out"""


def taken_apart(file: BinaryIO) -> JpegFile | None:
    """Return what is in the file; None where it is no JPEG. It is read from its beginning."""
    file.seek(0)
    if file.read(3) != b"\xff\xd8\xff":
        return None
    # Looked at where it lies: several are read at a time, and a copy of each takes memory.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
        return _taken_apart(data)


def _taken_apart(data: mmap.mmap) -> JpegFile:
    xmp = resolution = None
    more_xmp = gain_map = ended = progressive = arithmetic = False
    left = dict[int, dict[int, int]]()
    resources = frame = scan = b""
    interval = missing = 0
    place, end = 2, len(data)
    while match := _MARKER.search(data, place):
        if scan and interval:
            there = len(_RESTART.findall(data, place, match.start()))
            missing += max(0, (_pieces(frame, scan) - 1) // interval - there)
        marker, place, scan = match[1][0], match.end(), b""
        if marker == 0xD9:
            ended, end = True, match.start()
            break
        if marker in _LONE:
            continue
        if len(data) < place + 2:
            break
        (length,) = struct.unpack_from(">H", data, place)
        body = data[place + 2 : place + length]
        place += max(2, length)
        if marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) >= 12:
            unit, across, down = struct.unpack_from(">BHH", body, 7)
            resolution = inches(across, down, unit + 1)  # JFIF counts 1 inch, 2 centimetre
        elif marker == 0xE1 and body.startswith(_XMP) and xmp is None:
            xmp = body.removeprefix(_XMP)
        elif marker == 0xE1:
            more_xmp |= body.startswith(_MORE_XMP)
        elif marker == 0xE2:
            gain_map |= body.startswith(_GAIN_MAP)
        elif marker == 0xED:
            resources += body.removeprefix(IN_JPEG) if body.startswith(IN_JPEG) else b""
        elif marker in _FRAMES and len(body) > 5:
            frame, progressive, arithmetic = body, marker in (0xC2, 0xCA), marker >= 0xC9
            left = {component: dict.fromkeys(range(64), 1) for component in body[6::3]}
        elif marker == 0xDD and len(body) == 2:
            (interval,) = struct.unpack(">H", body)
        elif marker == 0xDA and body:
            scan = body
            _note_scan(body, left)
    gain_map |= ended and any(
        data.find(sign, place) >= 0 for sign in (_GAIN_MAP, b"HDRGainMap", b"hdrgm:")
    )
    behind = len(data[place:].strip(b"\0")) if ended else 0
    whole = not any(bit for bits in left.values() for bit in bits.values())
    return JpegFile(
        xmp, resolution, resources, more_xmp, gain_map, ended, end, whole, not missing,
        progressive, arithmetic, behind,
    )  # fmt: skip


def _pieces(frame: bytes, scan: bytes) -> int:
    """Return how many pieces (MCU) a scan is coded in; 0 where its head is damaged."""
    height, width = struct.unpack_from(">HH", frame, 1)
    factors = {
        frame[at]: (frame[at + 1] & 15, frame[at + 1] >> 4) for at in range(6, len(frame) - 2, 3)
    }
    present = [factors.get(component, (0, 0)) for component in scan[1 : 1 + 2 * scan[0] : 2]]
    if not factors or not present or min(map(min, [*factors.values(), *present])) == 0:
        return 0
    most = [max(sides) for sides in zip(*factors.values(), strict=True)]
    # One component by itself is coded block by block, and none beyond the picture.
    own = present[0] if len(present) == 1 else (1, 1)
    down, across = (
        -(-side * part // (8 * largest))
        for side, part, largest in zip((height, width), own, most, strict=True)
    )
    return int(down * across)


def _note_scan(head: bytes, left: dict[int, dict[int, int]]) -> None:
    """Note in `left` down to which bit the coefficients of a scan are coded now."""
    count = head[0]
    if len(head) < 2 * count + 4:
        return
    first, last, approximation = head[1 + 2 * count : 4 + 2 * count]
    for component in head[1 : 1 + 2 * count : 2]:
        for coefficient in range(first, min(63, last) + 1):
            left.setdefault(component, {})[coefficient] = approximation & 15
