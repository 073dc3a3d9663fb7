"""Files that survive a crash: written beside under a temporary name, flushed, then renamed.

Every step that changes the disk passes `_point`, so that a test can stop the process at each one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from unretouch.base.errors import DiskError
from unretouch.base.messages import Words, _

TEMPORARY_SUFFIX = ".partial"
CRASH_AT = "UNRETOUCH_CRASH_AT"
"""Test only: the number of the disk operation before which the process dies as if killed."""

GO_ON_HINT = _("Free some space, then run the same command again: it goes on from the last save")

_NO_MATTER_OF_SPACE = {
    errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
    errno.ENOENT,
}  # fmt: skip

_REASONS = (
    _("no space left on device"),
    _("permission denied"),
    _("read-only file system"),
    _("no such file or directory"),
)

_operations = 0


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _point(operation: str) -> None:
    global _operations
    _operations += 1
    if os.environ.get(CRASH_AT) == str(_operations):
        os._exit(137)


def write_bytes(path: Path, *parts: bytes | bytearray | memoryview) -> None:
    """Replace `path` by `parts`, one after the other, in one step that a crash cannot halve.

    After a return the bytes are on the disk. Raises DiskError, with the bytes needed and free, and
    leaves what stood at `path` before.
    """
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        # Made anew: what a crash left there, perhaps a link, is not written through.
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:
            _point("write")
            for part in parts:
                file.write(part)
            file.flush()
            _point("fsync")
            os.fsync(file.fileno())
        _point("replace")
        os.replace(temporary, path)
        _point("fsync folder")
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_error(error, path, needed=sum(map(len, parts))) from error


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8, newlines as given); see write_bytes."""
    write_bytes(path, _encoded(text))


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as readable JSON; see write_bytes. NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_text(path: Path, text: str) -> None:
    """Append `text` in one write call, so that a crash tears at most the last line.

    A last line that was torn gets its end first, so that nothing is glued to it. Raises DiskError.
    """
    data = _encoded(text)
    try:
        with path.open("ab+", buffering=0) as file:
            if file.seekable() and file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                data = data if file.read(1) == b"\n" else b"\n" + data
            _point("append")
            # A disk that is nearly full takes a part and says so only at the next call.
            done = 0
            while done < len(data):
                done += file.write(data[done:])
    except OSError as error:
        raise disk_error(error, path, needed=len(data)) from error


def remove(path: Path) -> None:
    """Remove `path` if it is there. Raises DiskError."""
    try:
        _point("remove")
        path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error


def rename(path: Path, new: Path) -> None:
    """Rename `path`, replacing what stood at `new`. Raises DiskError."""
    try:
        _point("rename")
        os.replace(path, new)
        _sync_folder(new.parent)
    except OSError as error:
        raise disk_error(error, path) from error


def remove_temporaries(folder: Path) -> None:
    """Remove what a crash left half-written in `folder`. Raises DiskError."""
    for temporary in folder.glob(f"*{TEMPORARY_SUFFIX}"):
        remove(temporary)


def make_folder(path: Path) -> None:
    """Create `path` and its parents. Raises DiskError, also where a file stands in the way."""
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in reversed(missing):
            _sync_folder(folder.parent)
    except OSError as error:
        raise disk_error(error, path) from error


def free_bytes(path: Path) -> int:
    """Return the free bytes on the disk of `path` or of its nearest parent that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def reason_of(error: OSError) -> Words:
    """Return why the system did not do something, in its own words; those that people meet most are
    translated."""
    reason = (error.strerror or str(error)).lower()
    return next((known for known in _REASONS if str(known) == reason), reason)


def disk_error(error: OSError, path: Path, needed: int = 0) -> DiskError:
    """Turn an OSError of a write to `path` into a DiskError that says what to do."""
    reason = reason_of(error)
    if error.errno not in _NO_MATTER_OF_SPACE:
        with contextlib.suppress(OSError):
            reason = _(
                "{reason} ({needed} needed, {free} free)",
                reason=reason,
                needed=megabytes(needed),
                free=megabytes(free_bytes(path)),
            )
    gone = _("The folder was removed or renamed while it was in use")
    elsewhere = _("Choose a folder you may write to")
    hints = {
        errno.ENOSPC: GO_ON_HINT,
        errno.EFBIG: _("Raise the file size limit, then run the same command again"),
        errno.EPERM: elsewhere,
        errno.EACCES: elsewhere,
        errno.EROFS: elsewhere,
        # The system makes no file in some folders, such as /proc, and says it so.
        errno.ENOENT: elsewhere if path.parent.is_dir() else gone,
        errno.ENOTDIR: _("A file stands where a folder is needed"),
        errno.EEXIST: _("A file stands where a folder is needed"),
    }
    hint = hints.get(error.errno or 0, "")
    what = _("cannot be written: {reason}", reason=reason)
    return DiskError(what, path, hint, full=error.errno == errno.ENOSPC)


def _encoded(text: str) -> bytes:
    # A file name that is not UTF-8 arrives as lone surrogates; in JSON `\\udc80` brings them back.
    return text.encode("utf-8", "backslashreplace")


def megabytes(count: int) -> str:
    """Return `count` bytes for people: `12.3 MB`, `1.8 GB` (powers of ten)."""
    if count >= 10**9:
        return f"{count / 10**9:.2f} GB"
    return f"{count / 10**6:.1f} MB"


def _sync_folder(folder: Path) -> None:
    # Windows has no way to flush a folder: opening one fails there.
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
