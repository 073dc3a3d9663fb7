"""Many files as one ZIP, sent as it is made: nothing of it is kept on the disk or in memory."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_PIECE = 1_000_000
_LARGE = 2**31


def zipped(files: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield a ZIP of the files, each by its name in it, as they are: pictures are compressed
    already. One that is gone by then is left out."""
    pieces = _Pieces()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as made:  # type: ignore[call-overload]
        for name, path in files:
            try:
                file = path.open("rb")
            except OSError:
                continue
            with file:
                stat = path.stat()
                about = zipfile.ZipInfo(name, time.localtime(stat.st_mtime)[:6])
                with made.open(about, "w", force_zip64=stat.st_size >= _LARGE) as entry:
                    while data := file.read(_PIECE):
                        entry.write(data)
                        yield pieces.taken()
    yield pieces.taken()


class _Pieces:
    """What a ZIP is written to: it cannot be sought in, and gives away what it has."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data
