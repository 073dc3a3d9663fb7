"""Picture files with all that can stand beside the pixels, made by hand at need."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

DATA = Path(__file__).parent / "data"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    b'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmp:Rating="5" exif:GPSLatitude="37,33.99N" '
    b'tiff:Orientation="6"><photoshop:City>Seoul</photoshop:City>'
    b"<photoshop:Credit>me</photoshop:Credit></rdf:Description></rdf:RDF></x:xmpmeta>"
)

Chunk = tuple[bytes, bytes]


def chunk(kind: bytes, data: bytes, check: int = 0) -> bytes:
    """A chunk of a PNG; a `check` other than 0 makes its sum wrong."""
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data) ^ check)
    )


def png(pixels: NDArray[np.generic], *beside: bytes) -> bytes:
    """A PNG of uint8 or uint16 (H, W, 1 to 4) with the chunks `beside`."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in pixels)
    parts = [chunk(b"IHDR", head), *beside, chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def chunks_of(data: bytes) -> list[Chunk]:
    """Kind and data of the chunks of a PNG."""
    found, place = [], 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length)[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        place += length + 12
    return found


def encoded(pixels: NDArray[np.generic], kind: str, **options: object) -> bytes:
    """The picture as Pillow saves it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
    """A HEIC or AVIF file whose box `colr` says other colours."""
    place = data.index(b"nclx") + 4
    return data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :]


def portrait_like(height: int = 24, width: int = 32, channels: int = 3) -> NDArray[np.uint8]:
    """A smooth picture with some noise, uint8 (H, W, C)."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [90 + 2 * x + 3 * y, 60 + 3 * x + y, 50 + x + 2 * y, 255 - 0 * x][:channels]
    noise = np.random.default_rng(0).integers(0, 9, (height, width, channels))
    rgb = np.stack(planes, axis=2) + noise
    return np.asarray(rgb.clip(0, 255), np.uint8)


_UNIT = tuple(part for a in range(3) for b in range(3) for part in (10_000 * (a == b), 10_000))
DNG_TAGS = [
    (50706, "B", 4, (1, 4, 0, 0), True), (50707, "B", 4, (1, 1, 0, 0), True),
    (33421, "H", 2, (2, 2), True), (33422, "B", 4, (0, 1, 1, 2), True),
    (50708, "s", 0, "Camera", True), (50721, "2i", 9, _UNIT, True),
    (50778, "H", 1, 21, True), (50717, "I", 1, 16383, True),
    (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
]  # fmt: skip
"""Of a mosaic that tifffile writes: a RAW file of a camera whose colours are XYZ."""


def write_psd(path: Path, rgb: NDArray[Any]) -> None:
    """Write (H, W, 3) as a Photoshop file of its depth, flattened."""
    pytest.importorskip("psd_tools")
    from psd_tools.constants import ColorMode, Compression
    from psd_tools.psd.document import PSD
    from psd_tools.psd.header import FileHeader
    from psd_tools.psd.image_data import ImageData

    height, width, channels = rgb.shape
    header = FileHeader(
        channels=channels, height=height, width=width, depth=8 * rgb.itemsize,
        color_mode=ColorMode.RGB,
    )  # fmt: skip
    data = ImageData(compression=Compression.RLE)
    planes = [rgb[..., c].astype(rgb.dtype.newbyteorder(">")).tobytes() for c in range(channels)]
    data.set_data(planes, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        PSD(header=header, image_data=data).write(file)
