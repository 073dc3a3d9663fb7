"""Which photographs are meant, where each goes, and what was made of them before."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unretouch.base import durable, names
from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.pixels import images
from unretouch.pixels.file_kind import RAW
from unretouch.pixels.photo_kind import Distance
from unretouch.pixels.photos import ENDINGS, EXTENSIONS, FITTING, Photo
from unretouch.runs.history import Record, append_record, read_records
from unretouch.settings.commands import ApplySettings
from unretouch.settings.paths import NAMED_MASKS

RECORDS = "apply.jsonl"
"""In the output folder: the treatment, and two lines for every file made."""
PAGE = "before_after"
"""Folder in the output folder: the page that compares."""
GUESS_MAPS = "guess_maps"
"""Folder in the output folder: where texture was guessed."""


@dataclass(frozen=True)
class Job:
    """One photograph, and the path in the output folder, without ending, of what is made of it."""

    source: Path
    stem: str
    ending: str = ""
    """that the result has if the photograph is what its name says"""
    other_stem: str = ""
    """where it is not, so that its result has another ending, which might be that of another"""


class NotRead(DataError):
    """Files beside the photographs that are not read, all of one kind."""

    def __init__(self, kind: str, files: Sequence[Path], hint: str = "") -> None:
        self.files = tuple(files)
        named = ", ".join(map(str, files))
        super().__init__(f"not read, {kind}: {named}", hint=hint)


@dataclass
class Meant:
    """What the words of a command line mean."""

    jobs: list[Job]
    unread: list[NotRead] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def meant(words: Sequence[str], out: Path, to: str = "keep", *, layered: bool = False) -> Meant:
    """Return the photographs that `words` mean: files, folders with all below them, patterns.

    What lies in the folder `out` is left out where it was found by folder or pattern, and so are
    the results of another apply. `to` is the format that is asked for, unless the files are to be
    `layered`. Raises ManyDataErrors naming
    every word that means nothing, UsageError for an `out` that is no folder's name.
    """
    if out.suffix.lower() in EXTENSIONS and not out.is_dir():
        raise UsageError(
            f"{str(out)!r} is the name of a file, and a folder is meant",
            "--out",
            f"Write -o {out.with_suffix('')}: the files in it keep their names",
        )
    folders = [Path(word) for word in words if Path(word).is_dir()]
    found: dict[str, tuple[Path, Path]] = {}
    others: dict[str, Path] = {}
    problems: list[DataError] = []
    notes: list[str] = []
    for word in words:
        # Of several folders each keeps its own, as when they are copied.
        here = _Search(out, in_own_folder=len(folders) > 1)
        try:
            here.look(word)
        except DataError as problem:
            problems.append(problem)
        for path, shown in here.photos:
            real = os.path.realpath(path)
            first = found.setdefault(real, (path, shown))[0]
            links = [each for each in (first, path) if os.path.islink(each)]
            if first == path or not links:
                continue
            if path not in links:  # the file itself gives the name
                found[real] = (path, shown)
            notes.append(f"{first} and {path} are one file, which is restored once")
        others |= {os.path.realpath(path): path for path in here.others}
        notes += here.notes
    if problems:
        raise ManyDataErrors(problems)
    left = [path for real, path in others.items() if real not in found]
    jobs, renamed = _jobs(list(found.values()), to, layered, _owners(out))
    return Meant(jobs, _not_read(left), notes + renamed)


class _Search:
    """What one word means."""

    def __init__(self, out: Path, in_own_folder: bool) -> None:
        self.photos: list[tuple[Path, Path]] = []
        """each with its path in the output folder"""
        self.others: list[Path] = []
        """files beside them that are none"""
        self.notes: list[str] = []
        self._out = os.path.realpath(out)
        self._in_own_folder = in_own_folder

    def look(self, word: str) -> None:
        """Take note of what `word` means. Raises DataError where that is nothing."""
        if not word:  # which as a path would be the folder that one is in
            raise DataError("one of the photographs has an empty name")
        path = Path(word)
        if path.is_dir():
            self._below(path)
        elif path.is_file():
            self.photos.append((path, Path(path.name)))
        elif os.path.lexists(path):
            raise DataError(f"is {_kind(path)}", path)
        else:
            self._matching(word)

    def _below(self, folder: Path) -> None:
        real = os.path.realpath(folder)
        if real == self._out:
            raise DataError(
                "is the folder of the photographs and that of the results, too",
                folder,
                "Choose another folder for --out",
            )

        def unreadable(error: OSError) -> None:
            self.others.append(Path(error.filename or folder))

        files = images.files_below(folder, unreadable)
        # Found in the results of another apply, a photograph would be restored twice.
        results = {path.parent for path in files if path.name == RECORDS} - {folder}
        for left in sorted(results):
            if not _within(os.path.realpath(left), self._out):
                self.notes.append(f"{left} holds results of apply and is left out")
        own = Path(folder.resolve().name) if self._in_own_folder else Path()
        made_here = {RECORDS, PAGE, GUESS_MAPS}
        for path in files:
            shown = path.relative_to(folder)
            inside = _within(os.path.realpath(path), self._out) and not _within(real, self._out)
            if inside or shown.parts[0] in made_here or not results.isdisjoint(path.parents):
                continue
            self._take(path, own / shown)
        if not self.photos:
            there = sorted({_kind(path) for path in self.others})
            there += ["results of apply"] if self.notes else []
            only = f", only {', '.join(there)}" if there else ""
            raise DataError(f"no photographs in this folder{only}", folder)

    def _matching(self, word: str) -> None:
        matches = [Path(match) for match in sorted(glob.glob(word, recursive=True))]
        files = [path for path in matches if not path.is_dir()]
        outside = [path for path in files if not _within(os.path.realpath(path), self._out)]
        for path in outside:
            self._take(path, Path(path.name))
        if self.photos:
            return
        if files and not outside:
            what = "means only files in the folder of the results"
            raise DataError(what, word, "Choose another folder for --out")
        raise DataError("there is no such file", word)

    def _take(self, path: Path, shown: Path) -> None:
        # Not `path.is_file()`, which raises where a folder may be listed, but not entered.
        if path.suffix.lower() in EXTENSIONS and os.path.isfile(path):
            self.photos.append((path, shown))
        else:
            self.others.append(path)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


# --- what is not read


_KINDS = {
    ".avif": "AVIF", ".jp2": "JPEG 2000", ".j2k": "JPEG 2000", ".jxl": "JPEG XL",
    ".psd": "Photoshop", ".psb": "Photoshop", ".xcf": "GIMP", ".kra": "Krita",
    ".afphoto": "Affinity", ".exr": "OpenEXR", ".svg": "drawing", ".pdf": "document",
    ".mov": "video", ".mp4": "video", ".avi": "video", ".xmp": "settings of a RAW program",
    ".txt": "text", ".zip": "archive",
}  # fmt: skip
"""What an ending stands for, where people may not know it."""


def _kind(path: Path) -> str:
    """Return the kind of a file that is not read, by its name."""
    if not os.access(path.parent, os.X_OK):
        return "in a folder that cannot be opened"
    if path.is_dir():
        return "a folder that cannot be opened"
    if not path.is_file():
        return "a link to nothing" if path.is_symlink() else "no file"
    return _kind_by_name(path)


def _kind_by_name(path: Path) -> str:
    ending = path.suffix.lower()
    told = _KINDS.get(ending)
    return f"{ending} ({told})" if told else ending or "a name without ending"


def _not_read(files: Collection[Path]) -> list[NotRead]:
    """Return what is said of these files, kind by kind."""
    kinds: defaultdict[str, list[Path]] = defaultdict(list)
    for path in files:
        kinds[_kind(path)].append(path)
    hint = "Save them as TIFF or PNG"
    savable = {_kind_by_name(Path(f"x{ending}")) for ending in images.NOT_READ}
    return [
        NotRead(kind, same, hint if kind in savable else "") for kind, same in sorted(kinds.items())
    ]


# --- where each goes


LAYERED = (".psd", ".tif")
"""Endings of files with layers, of 8 and 16 bits."""


def _jobs(
    found: Sequence[tuple[Path, Path]], to: str, layered: bool, owners: Mapping[str, Source]
) -> tuple[list[Job], list[str]]:
    """Return the photographs, each with its path in the output folder: its own, but for the ending
    of what cannot be written, or where two would be one file, to a file system that ignores
    capitals, too, or one that another photograph was made into before (`owners`). Then the later
    one gets its ending behind its name and, at need, a number; a note says so."""
    crowd = Counter(_folded(shown.with_suffix("").as_posix()) for _, shown in found)
    endings = [LAYERED if layered else (_ending(path.suffix, to),) for path, _ in found]
    taken: set[str] = set()

    def mine(path: Path, files: Collection[str]) -> bool:
        own = _source(path)
        return all(_same(owners.get(file, own), own) for file in files)

    def free(path: Path, shown: Path, endings: Collection[str], number: int = 0) -> str:
        plain = stem = shown.with_suffix("").as_posix()
        while True:
            if number:
                stem = f"{plain}_{shown.suffix.lstrip('.')}" + f"_{number}" * (number > 1)
            files = {_folded(stem + ending) for ending in endings}
            if files.isdisjoint(taken) and mine(path, files):
                taken.update(files)
                return stem
            number += 1

    stems = [free(*each, ends) for each, ends in zip(found, endings, strict=True)]
    jobs, renamed = [], []
    for (path, shown), stem, ends in zip(found, stems, endings, strict=True):
        plain = shown.with_suffix("").as_posix()
        if stem != plain:
            renamed.append(f"{path} as {stem}{ends[0]}")
        other = stem
        if not layered:
            alone = crowd[_folded(plain)] == 1
            every = {_folded(stem + ending) for ending in ENDINGS.values()}
            if not (alone and mine(path, every)):
                other = free(path, shown, ENDINGS.values(), 1)
        jobs.append(Job(path, stem, ends[0], other))
    said = f"not to replace what is made of another photograph of that name: {', '.join(renamed)}"
    return jobs, [said] if renamed else []


def _ending(ending: str, to: str) -> str:
    """Return the ending of what is made of a photograph with this one."""
    for name, written in ENDINGS.items():
        if to in ("keep", name) and ending.lower() in FITTING[name]:
            return ending
        if to == name:
            return written
    return ENDINGS["tiff" if ending.lower() in RAW else "png"]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def output_of(
    job: Job,
    photo: Photo,
    out: Path,
    *,
    inputs: Collection[str],
    made: Made,
    overwrite: bool,
    ending: str | None = None,
) -> Path:
    """Return where to write what is made of `photo`: in `out`, with its own ending if that fits, or
    with `ending`. Its folder is made.

    Raises DataError where that is one of `inputs` (real paths), or a file that apply did not make,
    or that was changed since, unless `overwrite`; DiskError.
    """
    if ending is None:
        fits = FITTING[photo.format]
        ending = photo.ending if photo.ending.lower() in fits else ENDINGS[photo.format]
    stem = job.stem if ending.lower() == job.ending.lower() else job.other_stem or job.stem
    path = _nameable(out, stem, ending)
    if os.path.realpath(path) in inputs:
        raise DataError("would be overwritten", job.source, "Choose another folder for --out")
    if path.is_dir():
        what = "is a folder, and the result would have its name"
        raise DataError(what, path, "Rename it, or choose another folder for --out")
    name = path.relative_to(out).as_posix()
    if not overwrite and os.path.lexists(path) and name not in made.untouched:
        if name in made.names:
            what, hint = "was changed after apply made it", "it, or choose another folder for --out"
        else:
            what, hint = "is there already and was not made by apply", "it"
        raise DataError(what, path, f"Give --overwrite to replace {hint}")
    return path


_UNNAMEABLE = {errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ}


def _nameable(out: Path, stem: str, ending: str) -> Path:
    """Return the path in `out`, its folder made: a plain, short one where the disk takes no such
    name. Raises DiskError."""
    tail = f"-{_digest(stem)[:8]}"
    *folders, last = (names.file_stem(part) for part in Path(stem).parts)
    plain = out.joinpath(*folders, names.file_stem(last, tail) + ending)
    for path in (out / (stem + ending), plain):
        # Only trying tells. Twice: an ending may be added to the name of one that is not finished.
        trial = path.with_name(path.name + 2 * durable.TEMPORARY_SUFFIX)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            trial.touch()
            trial.unlink()
        except OSError as error:
            if path is plain or error.errno not in _UNNAMEABLE:
                raise durable.disk_error(error, path) from error
        else:
            break
    return path


# --- what was made before


Source = Sequence[object]
"""Which photograph a file was made of: its path, links resolved, its size and its time."""


def _source(path: Path) -> Source:
    return [os.path.realpath(path), *(_identity(path) if path.exists() else ())]


def _same(one: Source, other: Source) -> bool:
    """Return whether both are the same photograph, though it may have been edited, or moved."""
    return one[0] == other[0] or (len(one) > 1 and one[1:] == other[1:])


def _owners(out: Path) -> dict[str, Source]:
    """Return of which photograph each file in the folder `out` was made, where that was noted."""
    owners: dict[str, Source] = {}
    for record in read_records(out / RECORDS).records:
        name, source = record.get("output"), record.get("source")
        if isinstance(name, str) and isinstance(source, list) and source:
            owners[name] = source
    there = ((name, source) for name, source in owners.items() if os.path.lexists(out / name))
    return {_folded(name): source for name, source in there}


def note_ready(out: Path, path: Path, file: Path, source: Path) -> None:
    """Note that `file`, made of `source`, is about to become `path` in the folder `out`. Raises
    DiskError."""
    name = path.relative_to(out).as_posix()
    record = {"output": name, "ready": _identity(file), "source": _source(source)}
    append_record(out / RECORDS, record)


def _identity(file: Path) -> list[int]:
    """Return what stays the same of a file when it is renamed."""
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]


@dataclass(frozen=True)
class Made:
    """The files in an output folder that apply made, by their paths in it."""

    names: frozenset[str] = frozenset()
    untouched: frozenset[str] = frozenset()
    """those that nobody changed since: they may be replaced"""


class Records:
    """What an output folder was filled with, so that the same command does nothing twice.

    A file is noted before it gets its name, by size and time, and again with a key of all that made
    it: source, model and options. So one that a crash left between the two is known for ours, and
    one that was changed since, or another of that name, is not.
    """

    def __init__(self, request: ApplySettings, weights: Path, jobs: Sequence[Job]) -> None:
        self._path = request.out / RECORDS
        self._out = request.out
        self._common = _common_key(request, weights)
        self._noted: Record | None = None
        by_output: dict[str, Record] = {}
        ready: defaultdict[str, list[object]] = defaultdict(list)
        for record in read_records(self._path).records:
            try:
                if "treatment" in record:
                    self._noted = record["treatment"]
                elif "ready" in record:
                    ready[str(record["output"])].append(record["ready"])
                else:
                    by_output[str(record["output"])] = {**record, "key": str(record["key"])}
            except (KeyError, TypeError):
                continue  # no record of ours
        self._by_key = {record["key"]: record for record in by_output.values()}
        stand = {name for name, noted in ready.items() if self._identity(name) in noted}
        self.made = Made(frozenset(by_output) | stand, frozenset(stand))
        self.inputs = {os.path.realpath(job.source) for job in jobs}

    def _identity(self, name: str) -> object:
        try:
            return _identity(self._out / name)
        except (OSError, ValueError):
            return None

    def before(self, job: Job) -> tuple[Path, Record | None] | None:
        """Return what this very command made of the photograph before, where it is still there, and
        what was noted if the photograph lies far from the pairs."""
        record = self._by_key.get(self._key(job))
        if record is None:
            return None
        path = self._out / str(record["output"])
        return (path, record.get("far")) if path.is_file() else None

    def check_writable(self) -> None:
        """Raise DiskError where there are records that nothing may be added to: found out before
        the first photograph is restored in vain."""
        if self._path.exists():
            durable.append_text(self._path, "")

    def note_treatment(self, treatment: Record) -> None:
        """Note what is done to the photographs, for `--like`. Raises DiskError."""
        if self._noted != treatment:
            append_record(self._path, {"treatment": treatment})
            self._noted = treatment

    def add(
        self, job: Job, output: Path, distance: Distance | None, weakened: float | None
    ) -> None:
        """Note that `output` was made of the photograph, and whether that lies far from the pairs.

        Raises DiskError.
        """
        far = {"far": distance.record(weakened)} if distance is not None and distance.far else {}
        name = output.relative_to(self._out).as_posix()
        made = {"output": name, "key": self._key(job), "source": _source(job.source)}
        append_record(self._path, {**made, **far})

    def _key(self, job: Job) -> str:
        about: list[object] = [job.stem, os.path.realpath(job.source)]
        if job.source.exists():
            stat = job.source.stat()
            about += [stat.st_size, stat.st_mtime_ns]
        return _digest([about, self._common])


def _common_key(request: ApplySettings, weights: Path) -> str:
    """Return a digest of all that decides the pixels besides the photograph."""
    mask = request.mask
    if mask not in (None, *NAMED_MASKS):
        mask = durable.digest_of(Path(str(mask)))
    checksum = durable.digest_of(weights)
    sizes = [request.fine, request.medium, request.coarse]
    guessed = 1 if request.guessed == 1 else request.guessed  # never 1.0, which JSON tells from it
    guess = [guessed, request.seed, request.guess_map]
    # Folders hold records of earlier versions: another name here would have all done again. There
    # a strength that was not given is 1.
    return _digest({
        **({"layers": True} if request.layers else {}),
        **({"sizes": sizes} if any(size != 1 for size in sizes) else {}),
        **({"guess": guess} if guess != [1, 0, False] else {}),
        "model": [checksum, request.runtime, request.precision],
        "strength": {None: 1.0, 1.0: "all"}.get(request.strength, request.strength),
        "mask": mask,
        "format": None if request.format == "keep" else request.format,
        "keep_gps": request.keep_gps,
        "full_scale": request.scale == "full",
        "honour_profile": request.profile == "honour",
    })  # fmt: skip


def _digest(value: object) -> str:
    # A name that is not UTF-8 comes as lone surrogates, which JSON writes as escapes.
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
