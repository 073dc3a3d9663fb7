"""A PNG without what it tells beside its picture: camera, time, text, place."""

from __future__ import annotations

import struct

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = frozenset(
    {
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS",
        # what its numbers mean as colours, and their resolution
        b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"pHYs",
    }
)  # fmt: skip


def without_metadata(data: bytes) -> bytes:
    """Return the PNG file `data` with the chunks of KEPT only; pixels stay byte for byte.

    Raises ValueError for what is no whole PNG.
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("no PNG")
    kept = [SIGNATURE]
    at = len(SIGNATURE)
    while at < len(data):
        if at + 12 > len(data):
            raise ValueError("cut short")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length  # length, kind, content, checksum
        if end > len(data):
            raise ValueError("cut short")
        if kind in KEPT:
            kept.append(data[at:end])
        at = end
        if kind == b"IEND":
            break
    return b"".join(kept)
