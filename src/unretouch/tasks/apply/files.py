"""Which photographs are meant, and where each goes."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unretouch.base import names
from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.pixels.photos import ENDINGS, EXTENSIONS, FormatName, Photo


@dataclass(frozen=True)
class Job:
    """One photograph and the name, without ending, of what is made of it."""

    source: Path
    stem: str


def jobs_for(words: Sequence[str], out: Path) -> list[Job]:
    """Return the photographs that `words` mean: files, folders with all below them, patterns.

    What lies in the folder `out` is left out where it was found by folder or pattern. Raises
    ManyDataErrors naming every word that means nothing.
    """
    found: dict[str, tuple[Path, Path]] = {}
    problems: list[DataError] = []
    for word in words:
        here = _meant(word, out)
        if isinstance(here, DataError):
            problems.append(here)
            continue
        for path, shown in here:
            found.setdefault(os.path.realpath(path), (path, shown))
    if problems:
        raise ManyDataErrors(problems)
    listed = list(found.values())
    stems = names.unique_stems([shown for _, shown in listed])
    return [Job(path, stem) for (path, _), stem in zip(listed, stems, strict=True)]


def _meant(word: str, out: Path) -> list[tuple[Path, Path]] | DataError:
    path = Path(word)
    if path.is_dir():
        below = [(p, p.relative_to(path)) for p in _all_below(path) if not _within(p, out)]
        return below or DataError("no photographs in this folder", path)
    if path.is_file():
        return [(path, Path(path.name))]
    matches = sorted(Path(match) for match in glob.glob(word, recursive=True))
    files = [p for p in matches if p.is_file() and _is_photo(p) and not _within(p, out)]
    if files:
        return [(p, Path(p.name)) for p in files]
    return DataError("there is no such file", word)


def _all_below(folder: Path) -> list[Path]:
    found = {p for p in folder.rglob("*") if _is_photo(p) and p.is_file()}
    hidden = {p for p in found if any(part.startswith(".") for part in p.relative_to(folder).parts)}
    return sorted(found - hidden)


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def output_of(
    job: Job, photo: Photo, out: Path, *, inputs: frozenset[str], ours: frozenset[str] | None
) -> Path:
    """Return where to write what is made of `photo`: in `out`, with its own ending if that fits.

    Raises DataError where that is one of `inputs` (real paths), or a file there already whose name
    is not among `ours` (None: any may be replaced).
    """
    fits = _FITTING[photo.format]
    ending = photo.ending if photo.ending.lower() in fits else ENDINGS[photo.format]
    path = out / (job.stem + ending)
    if os.path.realpath(path) in inputs:
        raise DataError("would be overwritten", job.source, "Choose another folder for --out")
    if ours is not None and path.exists() and path.name not in ours:
        raise DataError(
            "is there already and was not made by apply", path, "Give --overwrite to replace it"
        )
    return path


_FITTING: dict[FormatName, set[str]] = {
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "png": {".png"},
    "tiff": {".tif", ".tiff"},
    "webp": {".webp"},
}
