"""`unretouch pair`: combined pairs from two folders, or from photographs whose
retouch is simulated. A bad file does not stop the rest; all that is wrong comes with the report.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console

from unretouch.base import durable, names
from unretouch.base.errors import DataError, ExitCode, ManyDataErrors
from unretouch.base.messages import Message, Words, _
from unretouch.base.terminal import counted, listed, typed
from unretouch.metrics.likeness import ruler_of
from unretouch.metrics.texture_ceiling import TextureCeiling
from unretouch.pixels import images, pair_check, spaces
from unretouch.pixels.file_kind import is_lossless, kind_of
from unretouch.pixels.pair_files import PairFiles, find_pairs, match_folders, phase_exists
from unretouch.pixels.pair_noise import was_jpeg
from unretouch.pixels.pairs import pictures_of, sides
from unretouch.pixels.photos import ENDINGS, Photo, write_photo
from unretouch.pixels.retouch import LITTLE_SKIN, retouch, skin_mask
from unretouch.pixels.retouched_area import pair_map
from unretouch.pixels.spaces import Bits, Rgb
from unretouch.report.console import FittedTable, number, say, say_command, table
from unretouch.report.pair_figures import ceiling_of
from unretouch.report.verdicts import of_16_bits
from unretouch.settings.commands import PairSettings

PairFormat = Literal["png", "tiff"]
LITTLE_LOST = 0.05
"""Grey levels of noise or compression that are not worth a line."""


@dataclass(frozen=True)
class PairRow:
    """A pair that was written, with the figures to judge it by."""

    name: str
    file: Path
    width: int
    height: int
    """of one side, in pixels"""
    shift: tuple[float, float] | None
    """(dx, dy) of B against A in pixels; None where the sides have too little in common"""
    detail_ratio: float
    """fine detail of A over that of B: below 1 as it should be, far above it A and B are swapped"""
    difference: float
    """mean absolute difference in grey levels"""
    warnings: tuple[str, ...]
    ceiling: TextureCeiling | None = None
    """how much of the removed texture the two sides can still hold; None where that is unknown"""
    swapped: bool = False
    """whether A seems to be the side before"""
    no_retouch: str = ""
    """what of the difference is no retouch, for people; empty where all of it is"""


@dataclass(frozen=True)
class PairingReport:
    """What came of all files; a caller raises ManyDataErrors(problems) once it has shown `rows`."""

    rows: list[PairRow]
    problems: list[DataError]
    notes: tuple[str, ...] = ()
    """of the files together"""


def main(settings: PairSettings) -> int:
    """Write pairs and report them. Returns the exit code. Raises UnretouchError."""
    out = settings.out / settings.phase
    before = images.list_images(out) if out.is_dir() else []
    if settings.simulate:
        report = simulate_pairs(
            settings.simulate,
            out,
            settings.seed,
            settings.detail_left,
            settings.sparse,
            settings.size,
            settings.bits,
            settings.format,
        )
    else:
        a_folder, *others = settings.folders
        report = pair_folders(
            a_folder, others[0] if others else None, out, settings.align,
            settings.grade == "remove", settings.phase, settings.format,
        )  # fmt: skip
    console = Console()
    if report.rows:
        console.print(_table(report.rows))
    notes = pair_check.gathered((row.name, note) for row in report.rows for note in row.warnings)
    for line in (*report.notes, *notes):
        say(console, f"note: {line}")
    for row in report.rows:
        if row.no_retouch:
            say(console, f"{row.name}: {row.no_retouch}")
    if report.rows:
        _say_written(console, settings, out, report.rows, before)
    if report.problems:
        raise ManyDataErrors(report.problems)
    return ExitCode.OK


def _say_written(
    console: Console, settings: PairSettings, out: Path, rows: list[PairRow], before: list[Path]
) -> None:
    """Say where the pairs are, which were there `before` beside them, and how to train on all."""
    written = {row.file for row in rows}
    if others := [path.stem for path in before if path not in written]:
        some = counted(len(others), "other pair")
        say(console, f"note: {some} in {out}, from before: {listed(others)}")
    some = counted(len(rows), "pair")
    if settings.phase != "train":
        say(console, f"{some} written to {out}")
        return
    them = f"all {len(rows) + len(others)}" if others else "them"
    swapped = not others and all(row.swapped for row in rows)
    turned = ", from B to A since their sides seem swapped" if swapped else ""
    say(console, f"{some} written to {out}. To train on {them}{turned}:")
    say_command(console, _command(settings, swapped))


def _command(settings: PairSettings, swapped: bool) -> str:
    """Return the command that trains on the pairs, in a run that is called as their folder."""
    direction = ["--direction", "BtoA"] if swapped else []
    name = names.without_spaces(settings.out.resolve().name)
    if names.name_problem(name):
        name = "first"
    words = ["unretouch", "train", "--dataroot", str(settings.out), "--name", name]
    return typed([*words, *direction])


def pair_folders(
    a_folder: Path,
    b_folder: Path | None,
    out: Path,
    align: bool = False,
    remove_grade: bool = False,
    phase: str = "",
    form: PairFormat = "png",
) -> PairingReport:
    """Write a combined PNG, or TIFF, A left and B right, to `out` for each name that is in both
    folders: of 16 bits where either side has more than 8.

    Without `b_folder`, `a_folder` holds pairs in any layout, those of `phase` if it has any of it.
    With `align` the sides are brought together first (see pixels/alignment.py), with `remove_grade`
    an A that is graded is brought to the colours of B. Raises DataError when a folder is missing,
    empty or holds `out`, or no name is in both; DiskError when a file cannot be written.
    """
    folders = [folder for folder in (a_folder, b_folder) if folder is not None]
    _refuse_inside(out, *folders)
    if b_folder is None:
        found = find_pairs(a_folder, phase if phase_exists(a_folder, phase) else "")
    else:
        found = match_folders(a_folder, b_folder)

    def make(files: PairFiles) -> PairRow:
        pictures = pictures_of(files)
        notes: list[Words] = [*pair_check.conversions(pictures)]
        if align:
            moved = sides(files, pictures, of_one_size=False)
            together = pair_check.brought_together(*moved, files.files[0])
            a, b = together.a, together.b
            notes.append(together.said)
        else:
            a, b = sides(files, pictures)
        return _write(
            out / f"{files.name}{ENDINGS[form]}", a, b, notes, remove_grade, _cause(files, a, b)
        )

    return replace(_all(found.pairs, make, found.problems), notes=found.notes)


def simulate_pairs(
    photos: Sequence[Path],
    out: Path,
    seed: int = 0,
    detail_left: float = 0.15,
    sparse: bool = False,
    size: int | None = None,
    bits: Bits | None = None,
    form: PairFormat = "png",
) -> PairingReport:
    """Write a combined picture to `out` for each untouched portrait: A its simulated retouch, B
    itself.

    `photos` are pictures and folders of pictures. `size` first scales each down until its longer
    side has at most so many pixels. For `seed`, `detail_left` and `sparse` see `retouch`; with too
    little skin (LITTLE_SKIN) every smooth surface is treated, and a warning says so. Raises
    DataError when one of `photos` is missing, empty or holds `out`, UsageError for values out of
    range, DiskError.
    """
    found: list[Path] = []
    relative: list[Path] = []
    for photo in photos:
        pictures, folder = [photo], photo.parent
        if not photo.is_file():
            pictures, folder = images.list_images(photo), photo
            _refuse_inside(out, folder)
            if not pictures:
                raise DataError("has no pictures that can be read", folder)
        found += pictures
        relative += [path.relative_to(folder) for path in pictures]

    def make(files: PairFiles) -> PairRow:
        sides = simulated(files.files[0], files.name, seed, detail_left, sparse, size, bits)
        return _write(out / f"{files.name}{ENDINGS[form]}", *sides)

    labels = names.unique_stems(relative)
    jobs = [PairFiles(name, (path,)) for name, path in zip(labels, found, strict=True)]
    return _all(jobs, make)


def simulated(
    photo: Path,
    name: str,
    seed: int = 0,
    detail_left: float = 0.15,
    sparse: bool = False,
    size: int | None = None,
    bits: Bits | None = None,
) -> tuple[Rgb, Rgb, list[Message]]:
    """Return the simulated retouch of the picture at `photo`, itself, and notes about the two.

    Both have so many `bits`, else those of the picture. Values and errors as for `simulate_pairs`;
    `name` is part of the seed.
    """
    picture = images.read(photo)
    before = picture.rgb if bits is None else spaces.in_depth(picture.rgb, bits)
    before = before if size is None else spaces.at_most(before, size)
    skin = float(skin_mask(before).mean())
    own_seed = (seed << 32) + zlib.crc32(name.encode())
    little = skin < LITTLE_SKIN
    after = retouch(before, own_seed, detail_left, sparse, all_surfaces=little)
    notes = list(picture.notes)
    if little:
        share = f"{skin:.1%}"
        notes.append(
            _("only {share} of it is skin, so every smooth surface was retouched", share=share)
        )
    return after, before, notes


def write_new(path: Path, rgb: Rgb) -> None:
    """Write `rgb` as PNG to `path`, or as TIFF where it is called so. Raises DataError when another
    picture is there already."""
    if not path.exists():
        durable.make_folder(path.parent)
        if path.suffix == ENDINGS["tiff"]:
            write_photo(path, Photo(rgb, "tiff", path.suffix))
        else:
            images.write_png(path, rgb)
        return
    with contextlib.suppress(DataError):
        if np.array_equal(images.read_rgb(path), rgb):
            return
    raise DataError("is there already and is another picture", path, "Choose a new folder")


def _all(
    jobs: Iterable[PairFiles],
    make: Callable[[PairFiles], PairRow],
    problems: Iterable[DataError] = (),
) -> PairingReport:
    report = PairingReport([], list(problems))
    for files in jobs:
        try:
            report.rows.append(make(files))
        except DataError as problem:
            report.problems.append(problem)
    return report


def _write(
    file: Path,
    a: Rgb,
    b: Rgb,
    notes: Sequence[Words],
    remove_grade: bool = False,
    cause: str = "",
) -> PairRow:
    """Write a pair to `file`; `cause` says of what is no retouch what it is, where it is asked
    how much."""
    found = pair_check.doubts(a, b, "AtoB")
    lost = _lost(a, b, found) if cause else 0.0
    if remove_grade and found.grade is not None:
        told = (
            f"one side was graded: {pair_check.explained(found.grade)} levels were a colour curve"
        )
        notes = [*notes, f"{told}, which is taken out: A has the colours of B now"]
        a, found = found.grade.of_file(a), replace(found, grade=None)
    difference = pair_check.mean_difference(a, b)
    write_new(file, np.concatenate([a, b], axis=1))
    return PairRow(
        name=file.stem,
        file=file,
        width=a.shape[1],
        height=a.shape[0],
        shift=pair_check.shift(a, b),
        detail_ratio=pair_check.detail_ratio(a, b, found.grade),
        difference=difference,
        warnings=(*map(str, notes), *pair_check.said_of(found, "AtoB")),
        ceiling=_ceiling(a, b, found),
        swapped=found.detail_ratio is not None,
        no_retouch=f"{lost:.2f} of {difference:.2f} levels {cause}" if lost >= LITTLE_LOST else "",
    )


def _ceiling(a: Rgb, b: Rgb, found: pair_check.Doubts) -> TextureCeiling | None:
    """Return how much of the removed texture a pair holds, where its sides lie upon each other."""
    if found.same or found.misplaced:
        return None
    return ceiling_of(ruler_of(a, b), a, b)


def _cause(files: PairFiles, a: Rgb, b: Rgb) -> str:
    """Return what is to be said of what in the difference of two files is no retouch."""
    if all(kind_of(path) == "jpeg" for path in files.files):
        return "are compression: JPEG against JPEG"
    if all(map(is_lossless, files.files)) and not was_jpeg(a, b):
        return "look like grain or noise, not like a retouch"
    return "are compression: the two files were compressed apart"


def _lost(a: Rgb, b: Rgb, found: pair_check.Doubts) -> float:
    """Return how many grey levels of the difference are no retouch."""
    elsewhere = (found.correlation, found.grade, found.liquified) != (None, None, None)
    if found.same or found.misplaced or elsewhere:
        return 0.0  # they differ by more than that
    known = pair_map(a, b)
    return 0.0 if known.exact else known.identity_error - known.retouch_error


def _refuse_inside(out: Path, *inputs: Path) -> None:
    # A second run would take the pairs of the first for photographs.
    for folder in inputs:
        if out.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"lies inside {folder}, which is read", out, "Choose a folder outside")


_ABOUT = (
    "A should be the retouched side, B the side before: A/B detail is below 1 then. Pores: at most "
    "so much of the finest can come back in its place on unseen skin, 1 is all."
)


def _table(rows: Sequence[PairRow]) -> FittedTable:
    cells = []
    for row in rows:
        # Adding 0.0 makes a rounded -0.0 a plain zero.
        shift = row.shift and ", ".join(f"{round(axis, 1) + 0.0:+.1f}" for axis in row.shift)
        ratio, difference = number(row.detail_ratio, 2), number(row.difference, 2)
        size = f"{row.width} x {row.height}"
        pores = number(row.ceiling.bands[0] if row.ceiling else None, 2)
        cells.append((row.name, size, shift or "unknown", ratio, difference, pores))
    about = _ABOUT
    if finer := [one for row in rows if (one := of_16_bits(row.ceiling)) is not None]:
        low, high = number(min(finer), 2), number(max(finer), 2)
        about += f" 16-bit files would allow {low if low == high else f'{low} to {high}'}."
    headings = ("size", "shift of B (px)", "A/B detail", "difference (levels)", "pores")
    return table("", ("pair",), headings, cells, about)
