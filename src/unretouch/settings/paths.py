"""Paths as people write them: with a `~` that no shell saw, in quotation marks, with `\\`."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import Final

from unretouch.base.errors import DataError, UsageError

FOLDERS = frozenset({
    "also", "checkpoints_dir", "dataroot", "datasets_dir", "heldout", "images", "keep_changes",
    "like", "out", "pairs", "results_dir",
})  # fmt: skip
FILES = frozenset({"file", "mask", "photo", "self_test", "simulate", "test_photo", "weights"})
"""Flags after which the shell offers folders, and files. After a word it offers files."""
NAMED_MASKS: Final = ("everywhere", "skin", "learnt")
"""Of `apply`: those that need no file."""
NAMED = {"mask": NAMED_MASKS}
"""Words that such a flag takes in place of a file."""
WORDS = frozenset({"folders", "photos", "run"})
"""Words without a flag that are paths, or may be."""
READ = frozenset({"also", "dataroot", "folders", "heldout", "images", "like", "pairs"})
"""Of these, folders that are read. Whoever writes into one says what stands in the way."""

_QUOTES = "\"'`“”„‘’«»"
_ARCHIVES = {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz"}


def understood(text: str, name: str) -> str:
    """Return the path that is meant by `text`, given for the setting `name`.

    What stands there as it is written always wins. Raises UsageError where nothing sensible is
    meant, DataError for a file where a folder is read.
    """
    if name not in FOLDERS | FILES | WORDS or "\0" in text:
        return text
    where = name if name in WORDS else f"--{name}"
    path = _meant(text, where)
    if name in READ and os.path.isfile(path):
        parent = Path(path).parent
        archive = Path(path).suffix.lower() in _ARCHIVES
        hint = "Unpack it" if archive else f"Give the folder that it lies in: {parent.absolute()}"
        raise DataError("is a file, and a folder is meant", path, hint)
    return path


def _meant(text: str, where: str) -> str:
    plain = text.strip(_QUOTES + " \t\r\n")
    if not plain or _there(text):
        return text
    readings = [plain]
    if os.sep == "/":
        # As a shell takes it, and as Windows does.
        readings += [re.sub(r"\\(.)", r"\1", plain), plain.replace("\\", "/")]
    readings = [_from_home(reading) for reading in readings]
    for reading in readings:
        if _there(reading):
            return reading
    if '"' in plain:
        hint = "Write no backslash before the closing quotation mark, or leave both marks out"
        raise UsageError(f"{text!r} has a quotation mark in it", where, hint)
    if os.sep == "/" and "\\" in plain:
        raise UsageError(f"there is no {plain}", where, "Write / between folders, not a backslash")
    return readings[0]


def _there(path: str) -> bool:
    return os.path.lexists(path) or (glob.has_magic(path) and any(glob.iglob(path)))


def _from_home(path: str) -> str:
    return (
        os.path.expanduser(path) if path == "~" or path.startswith(("~/", "~" + os.sep)) else path
    )
