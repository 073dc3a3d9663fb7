"""Words in the way of IPTC-IIM (IIM 4.2): what agencies wrote before there was XMP.

They are a list of datasets (28, record, number, length, text), which JPEG files hold among the
resources of Photoshop, TIFF and PSD files by themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

RESOURCE = 0x0404
"""Their number among the resources of Photoshop."""
_PATHS = range(2000, 2998)
_PLACES = {26, 27, 90, 92, 95, 100, 101}
"""Of record 2: where the picture was taken, or what it shows lies."""
IN_JPEG = b"Photoshop 3.0\0"
"""Before the resources in a JPEG."""


def of_resources(resources: bytes) -> bytes | None:
    """Return the datasets among the resources of Photoshop, also those of a JPEG."""
    found = dict(_resources(resources.removeprefix(IN_JPEG)))
    return found.get(RESOURCE) or None


def has_paths(resources: bytes) -> bool:
    """Return whether there are paths, as for cutting out, among the resources of Photoshop."""
    return any(number in _PATHS for number, _ in _resources(resources.removeprefix(IN_JPEG)))


def as_resources(datasets: bytes) -> bytes:
    """Return the datasets as resources of Photoshop."""
    head = b"8BIM" + struct.pack(">HHI", RESOURCE, 0, len(datasets))
    return head + datasets + bytes(len(datasets) % 2)


def cleaned(data: bytes, *, keep_gps: bool = False) -> bytes | None:
    """Return the datasets without the place in words, unless `keep_gps`; None where nothing is left
    or is understood."""
    kept = [whole for place, whole in _datasets(data) if keep_gps or not place]
    return b"".join(kept) or None


def _resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        number, name = struct.unpack_from(">HB", data, at + 4)
        at += 6 + (name + 2) // 2 * 2
        if at + 4 > len(data):
            return
        (size,) = struct.unpack_from(">I", data, at)
        yield number, data[at + 4 : at + 4 + size]
        at += 4 + size + size % 2


def _datasets(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """Yield each, and whether it tells a place."""
    at = 0
    while data[at : at + 1] == b"\x1c" and at + 5 <= len(data):
        record, number, size = struct.unpack_from(">BBH", data, at + 1)
        start = at + 5
        if size & 0x8000:  # the length stands in so many bytes
            start += size & 0x7FFF
            size = int.from_bytes(data[at + 5 : start])
        end = start + size
        if end > len(data):
            return
        yield record == 2 and number in _PLACES, data[at:end]
        at = end
