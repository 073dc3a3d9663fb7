"""Pictures that a browser sends: the raw body, its size known beforehand, under a name of ours.

No form, no multipart, no file name: what a client calls its file is never seen here.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError
from starlette.requests import ClientDisconnect, Request

from unretouch.serve.limits import Limits

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}
ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}


class Refused(Exception):
    """An answer other than 2xx. `code` is a key of the pages' words, `values` fill it in."""

    def __init__(self, status: int, code: str, **values: object) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.values = values


@dataclass(frozen=True)
class Picture:
    """A picture that lies in a private folder, not decoded yet."""

    path: Path
    width: int
    height: int


async def receive_picture(request: Request, folder: Path, stem: str, limits: Limits) -> Picture:
    """Write the body of `request` to `folder`/`stem` + ending and return what its header says.

    Raises Refused: 411 without a length, 413 over the caps, 415 for what is no PNG, JPEG or WebP,
    408 when the body comes too slowly, 400 when it ends early. Nothing stays then.
    """
    kind, length = check_headers(request, limits)
    part = folder / f"{stem}-{secrets.token_hex(4)}.part"  # of this upload, if two come at once
    try:
        await _store(request, part, length, limits)
        width, height, found = await asyncio.to_thread(_look, part, kind, limits)
        path = folder / f"{stem}{ENDINGS[found]}"
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Picture(path, width, height)


def check_headers(request: Request, limits: Limits) -> tuple[str, int]:
    """Return Pillow's name of the kind of picture announced, and its bytes. Raises Refused."""
    length = request.headers.get("content-length")
    if length is None or not (length.isascii() and length.isdigit()):
        raise Refused(411, "refused_length")
    if int(length) > limits.upload_bytes:
        raise Refused(413, "refused_bytes", limit=limits.upload_bytes // 1_000_000)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORMATS or int(length) == 0:
        raise Refused(415, "refused_kind")
    return FORMATS[kind], int(length)


async def _store(request: Request, path: Path, length: int, limits: Limits) -> None:
    got = 0
    stream = request.stream()
    with path.open("xb") as file:
        try:
            async with asyncio.timeout(limits.upload_s):
                while True:
                    # Not wait_for: in Python 3.11 it forgets that the time for the whole upload is
                    # over when a chunk comes in the same turn of the loop.
                    async with asyncio.timeout(limits.read_s):
                        chunk = await anext(stream, None)
                    if chunk is None:
                        break
                    got += len(chunk)
                    await asyncio.to_thread(file.write, chunk)
        except TimeoutError:
            raise Refused(408, "refused_slow") from None
        except ClientDisconnect:
            raise Refused(400, "refused_short") from None
    if got != length:
        raise Refused(400, "refused_short")


def _look(path: Path, kind: str, limits: Limits) -> tuple[int, int, str]:
    """Read the header of the picture: no pixel is decoded here."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
            # MPO: a camera's JPEG with a second view behind the picture.
            found = "JPEG" if image.format == "MPO" else str(image.format)
    except Image.DecompressionBombError:
        raise Refused(413, "refused_pixels", limit=limits.pixels // 1_000_000) from None
    except UnidentifiedImageError:
        raise Refused(415, "refused_kind") from None
    except Exception:  # decoders raise nearly everything on hostile bytes
        raise Refused(415, "refused_kind") from None
    if width * height > limits.pixels:
        raise Refused(413, "refused_pixels", limit=limits.pixels // 1_000_000)
    if found != kind:
        raise Refused(415, "refused_kind")
    return width, height, found
