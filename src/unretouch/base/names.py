"""Names of runs and files: what is allowed, and that a path stays below its root."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from unretouch.base.errors import DataError, UsageError
from unretouch.base.messages import Message, _

LONGEST_SEGMENT = 100
"""Bytes of UTF-8 in one segment: room for suffixes below the 255 of common file systems."""

LONGEST_NAME = 200
"""Bytes of UTF-8 in a whole name: paths below it must fit the system, too."""

_LEFT_OUT = b"__"
"""In place of the middle of a name that is too long."""

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}


def run_name(text: str) -> str:
    """Return `text` in NFC if it can name a run: segments of letters, digits, `._-` joined by `/`.

    Letters of any script are allowed; a space becomes `_`. Raises UsageError for names that would
    leave the root, that Windows reserves, that begin with `-`, or that exceed LONGEST_NAME bytes
    or, in a segment, LONGEST_SEGMENT.
    """
    name = unicodedata.normalize("NFC", text)
    name = without_spaces(name)
    if problem := name_problem(name):
        raise UsageError(
            f"{text!r} cannot name a run: {problem}",
            "--name",
            "Use letters of any script, digits, '.', '_' and '-'",
        )
    return name


def name_problem(name: str) -> Message | None:
    """Return why `name`, in NFC and without spaces, cannot name a run; None where it can."""
    for segment in name.split("/"):
        if problem := _segment_problem(segment):
            return problem
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        return _("it is longer than {most} bytes", most=LONGEST_NAME)
    return None


def without_spaces(text: str) -> str:
    """Return `text` with `_` for spaces of any width, those around it left out."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    return spaced.strip(" ").replace(" ", "_")


def _segment_problem(segment: str) -> Message | None:
    if segment in ("", ".", ".."):
        return _("a part of it is empty, '.' or '..'")
    if segment.startswith("-"):
        return _("a part of it begins with '-'")
    if segment.endswith("."):
        return _("a part of it ends with '.'")
    if segment.split(".")[0].lower() in _RESERVED:
        return _("Windows reserves that name")
    if len(segment.encode("utf-8", "surrogatepass")) > LONGEST_SEGMENT:
        return _("a part of it is longer than {most} bytes", most=LONGEST_SEGMENT)
    bad = sorted({c for c in segment if not _is_name_character(c)})
    if bad:
        return _("it contains {characters}", characters=" ".join(map(_shown, bad)))
    return None


def _shown(character: str) -> str:
    """Return a character as people know it: what cannot be seen by its name."""
    if character.isprintable():
        return character
    return unicodedata.name(character, "a control character").lower()


def _is_name_character(character: str) -> bool:
    if character in "._-":
        return True
    # Mn and Mc: vowel signs of Devanagari, Thai and others belong to the letters before them.
    return unicodedata.category(character) in {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Mn", "Mc"}


def file_stem(text: str, tail: str = "") -> str:
    """Return a name like `text` + `tail` that any file system takes, to put an ending behind.

    NFC; all but letters of any script, digits and `._-` becomes `_`. Where it would exceed
    LONGEST_SEGMENT bytes of UTF-8, the middle of `text` is left out, since photographs are mostly
    numbered at the end; with a `tail`, which tells them apart, its end.
    """
    body, end = (
        "".join(c if _is_name_character(c) else "_" for c in unicodedata.normalize("NFC", part))
        for part in (text, tail)
    )
    room = LONGEST_SEGMENT - 1 - len(end.encode())
    kept = body.encode()
    if len(kept) > room and not tail:
        half = (room - len(_LEFT_OUT)) // 2
        kept = kept[:half] + _LEFT_OUT + kept[-half:]
    stem = (kept[:room].decode(errors="ignore") + end).rstrip(".")
    return f"_{stem}" if _segment_problem(stem) or stem.startswith(".") else stem


def unique_stems(relative: list[Path]) -> list[str]:
    """Return a file-name safe name for each path: `sub/001.png` is sub_001.

    Where two would be the same, also to a file system that ignores capitals, the later one gets its
    ending and, at need, a number.
    """
    result: list[str] = []
    taken: set[str] = set()
    for path in relative:
        plain = "_".join(path.with_suffix("").parts)
        name, number = file_stem(plain), 1
        while name.casefold() in taken:
            ending = path.suffix.replace(".", "_")
            name = file_stem(plain, ending if number == 1 else f"{ending}_{number}")
            number += 1
        taken.add(name.casefold())
        result.append(name)
    return result


def inside(root: Path, *parts: str) -> Path:
    """Return `root/parts` after checking that, links resolved, it lies below `root`.

    Raises DataError when a link or a `..` leads outside.
    """
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            "is a link that leads outside of its folder", path, f"Expected below {root}"
        )
    return path
