"""Changes that were computed before, kept in a folder, so that another strength or another mask of
the same photograph costs no forward pass.

What is kept is what the network said of the whole photograph, before strength, mask and colour
space: float32, as it was, so that the result is bit for bit that of computing it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unretouch.base import durable
from unretouch.model.interface import ModelInfo
from unretouch.pixels.photos import Photo
from unretouch.settings.commands import ApplySettings
from unretouch.tiles import Rows

Floats = NDArray[np.float32]

LIMIT = 2_000_000_000
"""Bytes that a folder holds at most: six photographs of 24 megapixels. The oldest go first."""
ENDING = ".unretouch_change"
"""Of arrays as numpy writes them; of nobody else, since old ones are removed."""


class KeptChanges:
    """The folder, for one model and one way to use it."""

    def __init__(
        self, folder: Path, request: ApplySettings, weights: Path, info: ModelInfo
    ) -> None:
        """`info` tells what else decides what the weights make of a photograph: the size at which
        they see it, say, or what is taken out of it."""
        durable.make_folder(folder)
        self._folder = folder
        checksum = durable.digest_of(weights)
        how = (request.runtime, request.device, request.precision, request.scale, request.profile,
               request.guessed, request.seed)  # fmt: skip
        self._model = json.dumps([checksum, *how, info.record()])

    def place(self, photo: Photo) -> Path:
        """Return where the change of this photograph is kept, or would be."""
        about = [photo.pixels.shape, str(photo.pixels.dtype)]
        digest = hashlib.sha256(json.dumps([about, self._model]).encode())
        digest.update(photo.profile or b"")
        for top in range(0, len(photo.pixels), 256):
            digest.update(np.ascontiguousarray(photo.pixels[top : top + 256]).data)
        return self._folder / (digest.hexdigest()[:32] + ENDING)

    def read(self, place: Path) -> Floats | None:
        """Return the change kept there, float32 (H, W, 3); None where there is none."""
        try:
            change: Floats = np.load(place, mmap_mode="r")
            os.utime(place)  # used last, so removed last
        except (OSError, ValueError):
            return None
        return change

    def keep(self, place: Path, parts: Rows, height: int, width: int) -> Rows:
        """Yield the strips, and keep them where there is room. Raises DiskError."""
        needed = height * width * 3 * 4
        if needed > LIMIT or needed > durable.free_bytes(self._folder) // 2:
            yield from parts
            return
        self._make_room(needed)
        temporary = place.with_name(f"{place.name}.{os.getpid()}{durable.TEMPORARY_SUFFIX}")
        try:
            with temporary.open("wb") as file:
                head = {"descr": "<f4", "fortran_order": False, "shape": (height, width, 3)}
                np.lib.format.write_array_header_1_0(file, head)
                for strip in parts:
                    file.write(np.ascontiguousarray(strip.rows, "<f4").data)
                    yield strip
            durable.rename(temporary, place)
        except OSError as error:
            raise durable.disk_error(error, place, needed) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, needed: int) -> None:
        kept = []
        for path in self._folder.glob(f"*{ENDING}"):
            with contextlib.suppress(OSError):  # another process may have removed it
                kept.append((path.stat().st_mtime_ns, path.stat().st_size, path))
        room = LIMIT - sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if room >= needed:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            room += size
