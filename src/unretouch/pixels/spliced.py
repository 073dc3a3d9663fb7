"""A file as if some of its bytes were others, for decoders that stumble over what is no pixel."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from typing import BinaryIO

Part = bytes | tuple[int, int]
"""Bytes, or the place and length of some of the file."""


class Spliced(io.RawIOBase):
    """The `parts` of `file` one after the other; nothing of it is copied before it is read."""

    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        self._file = file
        self._parts = [part for part in parts if _length(part)]
        self._starts = [0]
        for part in self._parts:
            self._starts.append(self._starts[-1] + _length(part))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._starts[-1] if size is None or size < 0 else self._at + size
        found = []
        while self._at < min(end, self._starts[-1]):
            index = bisect_right(self._starts, self._at) - 1
            part, within = self._parts[index], self._at - self._starts[index]
            count = min(end - self._at, _length(part) - within)
            if isinstance(part, bytes):
                data = part[within : within + count]
            else:
                self._file.seek(part[0] + within)
                data = self._file.read(count)
            if not data:
                break
            found.append(data)
            self._at += len(data)
        return b"".join(found)


def _length(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1]
