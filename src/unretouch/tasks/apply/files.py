"""Which photographs are meant, where each goes, and what was made of them before."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unretouch.base import names
from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.pixels.photo_kind import Distance
from unretouch.pixels.photos import ENDINGS, EXTENSIONS, FITTING, Photo
from unretouch.runs.history import append_record, read_records
from unretouch.settings.commands import ApplySettings


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
    job: Job,
    photo: Photo,
    out: Path,
    *,
    inputs: frozenset[str],
    ours: frozenset[str] | None,
    ending: str | None = None,
) -> Path:
    """Return where to write what is made of `photo`: in `out`, with its own ending if that fits,
    or with `ending`.

    Raises DataError where that is one of `inputs` (real paths), or a file there already whose name
    is not among `ours` (None: any may be replaced).
    """
    if ending is None:
        fits = FITTING[photo.format]
        ending = photo.ending if photo.ending.lower() in fits else ENDINGS[photo.format]
    path = out / (job.stem + ending)
    if os.path.realpath(path) in inputs:
        raise DataError("would be overwritten", job.source, "Choose another folder for --out")
    if ours is not None and path.exists() and path.name not in ours:
        raise DataError(
            "is there already and was not made by apply", path, "Give --overwrite to replace it"
        )
    return path


RECORDS = "apply.jsonl"
"""In the output folder: two lines for every file made."""


def note_ready(out: Path, name: str, file: Path) -> None:
    """Note that `file` is about to become `name` in the folder `out`. Raises DiskError."""
    append_record(out / RECORDS, {"output": name, "ready": _identity(file)})


def _identity(file: Path) -> list[int]:
    """Return what stays the same of a file when it is renamed."""
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]


class Records:
    """What an output folder was filled with, so that the same command does nothing twice.

    A file is noted before it gets its name, by size and time, and again with a key of all that made
    it: source, model and options. So one that a crash left between the two is known for ours, and
    another of that name is not.
    """

    def __init__(self, request: ApplySettings, weights: Path, jobs: Sequence[Job]) -> None:
        self._path = request.out / RECORDS
        self._out = request.out
        self._common = _common_key(request, weights)
        self._by_output: dict[str, str] = {}
        self._ready: dict[str, list[int]] = {}
        for record in read_records(self._path).records:
            try:
                output = Path(str(record["output"])).name
                if "ready" in record:
                    self._ready[output] = list(record["ready"])
                else:
                    self._by_output[output] = str(record["key"])
            except (KeyError, TypeError):
                continue  # no record of ours
        self._outputs = {key: output for output, key in self._by_output.items()}
        self.inputs = {os.path.realpath(job.source) for job in jobs}

    @property
    def ours(self) -> frozenset[str]:
        """Names of the files that apply made here."""
        left = {name for name, identity in self._ready.items() if self._stands(name, identity)}
        return frozenset(self._by_output) | left

    def _stands(self, name: str, identity: list[int]) -> bool:
        try:
            return _identity(self._out / name) == identity
        except OSError:
            return False

    def made(self, job: Job) -> Path | None:
        """Return what this very command made of the photograph before, where it is still there."""
        output = self._outputs.get(self._key(job))
        path = None if output is None else self._out / output
        return path if path is not None and path.is_file() else None

    def add(self, job: Job, output: Path, distance: Distance | None = None) -> None:
        """Note that `output` was made of the photograph, and whether that lies far from the pairs.

        Raises DiskError.
        """
        far = {"far": distance.record()} if distance is not None and distance.far else {}
        append_record(self._path, {"output": output.name, "key": self._key(job), **far})

    def _key(self, job: Job) -> str:
        about: list[object] = [job.stem, os.path.realpath(job.source)]
        if job.source.exists():
            stat = job.source.stat()
            about += [stat.st_size, stat.st_mtime_ns]
        return _digest([about, self._common])


def _common_key(request: ApplySettings, weights: Path) -> str:
    """Return a digest of all that decides the pixels besides the photograph."""
    mask = request.mask
    if mask not in (None, "skin", "learnt"):
        mask = hashlib.sha256(Path(str(mask)).read_bytes()).hexdigest()
    checksum = hashlib.sha256(weights.read_bytes()).hexdigest()
    sizes = [request.fine, request.medium, request.coarse]
    # Folders hold records of earlier versions: another name here would have all done again.
    return _digest({
        **({"layers": True} if request.layers else {}),
        **({"sizes": sizes} if any(size != 1 for size in sizes) else {}),
        "model": [checksum, request.runtime, request.precision],
        "strength": request.strength,
        "mask": mask,
        "format": None if request.format == "keep" else request.format,
        "keep_gps": request.keep_gps,
        "full_scale": request.scale == "full",
        "honour_profile": request.profile == "honour",
    })  # fmt: skip


def _digest(value: object) -> str:
    # A name that is not UTF-8 comes as lone surrogates, which JSON writes as escapes.
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
