"""Find the files of pairs in every customary layout, without opening one.

Below the folder of the data, for the phase `train`:

| layout | files |
|---|---|
| combined | `train/**` : one picture a pair, A its left half, B its right |
| two folders | `train/A` + `train/B`, `trainA` + `trainB`, `A/train` + `B/train` |
| | `train_A` + `train_B` (pix2pixHD) |
| flat | combined pictures in the folder itself, when it has no subfolder |

In two folders, files belong together by the path below A and B, whatever the ending; names are
compared composed (NFC), so that Korean names from macOS and Windows meet. What is left over meets
by what programs and people add to a name (ADDED), where that leaves no doubt.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unretouch.base import names
from unretouch.base.errors import DataError
from unretouch.base.terminal import listed
from unretouch.pixels import images

RETOUCHED = (
    "edit", "edited", "enhanced", "retouch", "retouched", "final", "after", "보정", "보정본",
    "보정후", "편집", "편집본", "편집됨", "수정", "수정본", "리터치", "최종", "최종본", "후",
    "bearbeitet", "retuschiert", "retusche", "nachher", "retouche", "retouché", "retouchée",
    "après", "editado", "retocado", "después", "ritoccato", "dopo", "修图", "精修", "修正",
    "レタッチ", "編集済み",
)  # fmt: skip
BEFORE = (
    "before", "orig", "original", "untouched", "unedited", "unretouched", "보정전", "전", "원본",
    "unbearbeitet", "vorher", "avant", "antes", "prima", "原图",
)  # fmt: skip
"""Added to the names of A and of B, in small or capital letters, with a space, `-` or `_` before:
IMG_1234-Edit."""
COPIES = ("copy", "copie", "copia", "kopie", "복사본", "사본")
"""Added in the same way to either: some keep the original as a copy, some work on one."""
ADDED = re.compile(
    rf"(?:(?P<word>(?:\s*[-_]\s*|\s+)(?:{'|'.join(RETOUCHED + BEFORE + COPIES)}))"
    r"|[-_]\d{1,2}|\s*\(\d{1,2}\))$",
    re.IGNORECASE,
)
"""The same, and numbers of copies: IMG_1234-2, IMG_1234 (1)."""


@dataclass(frozen=True)
class PairFiles:
    """Where a pair lies."""

    name: str
    """unique in the set, and fit for file names"""
    files: tuple[Path, ...]
    """one combined picture, or A and B"""


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    pairs: tuple[PairFiles, ...]
    problems: tuple[DataError, ...]
    """files without a partner, or with more than one"""
    notes: tuple[str, ...] = ()
    """what people should know of how files were brought together"""


def phase_exists(dataroot: Path | str, phase: str) -> bool:
    """Whether `dataroot` has a folder for `phase`, in any layout but the flat one."""
    root = Path(dataroot)
    return (root / phase).is_dir() or bool(_sides(root, phase))


def find_pairs(root: Path, phase: str) -> Found:
    """Return the pairs of `phase` below `root`, in the order of their names, and what is wrong.

    An empty `phase` takes `root` itself for the folder of the phase. Raises DataError when nothing
    is there or the layout is unclear.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "there is no such folder"
        raise DataError(what, root, _how_to(root, phase))
    sides = _sides(root, phase)
    folder = _combined_folder(root, phase)
    combined = [
        path
        for path in (images.list_images(folder) if folder else [])
        if not any(path.is_relative_to(side) for pair in sides for side in pair)
    ]
    if len(sides) + bool(combined) > 1:
        places = [f"{a.relative_to(root)} + {b.relative_to(root)}" for a, b in sides]
        places += [f"combined pictures such as {combined[0].relative_to(root)}"] if combined else []
        raise DataError(f"holds pairs in several ways: {'; '.join(places)}", root, "Keep one")
    if sides:
        return match_folders(*sides[0])
    if folder is None or not combined:
        raise DataError(_nothing(root, phase), root, _how_to(root, phase))
    labels = names.unique_stems([path.relative_to(folder) for path in combined])
    return Found(
        tuple(PairFiles(name, (path,)) for name, path in zip(labels, combined, strict=True)), ()
    )


def match_folders(a: Path, b: Path) -> Found:
    """Bring the pictures of folders `a` and `b` together by name.

    The same path with the same ending comes first, then the same path with another ending, then
    what meets without the words and numbers that were added to names. Raises DataError when a
    folder is missing or empty, or no name is in both.
    """
    left, right = (_by_name(folder) for folder in (a, b))
    met = _met(left, right)
    problems = list(met.unclear)
    for stem in sorted({*met.rest_a, *met.rest_b}):
        ours, theirs = met.rest_a[stem], met.rest_b[stem]
        for files, other in ((ours, b), (theirs, a)):
            what = "fits several" if ours and theirs else "has no picture"
            problems += [DataError(f"{what} of the same name in {other}", path) for path in files]
    if not met.both and not met.unclear:
        raise DataError(
            "no name is in both folders",
            f"{a} and {b}",
            f"The first are {next(iter(left))!r} and {next(iter(right))!r}; "
            "give the two pictures of a pair the same name",
        )
    both = sorted(met.both, key=lambda files: _key(files[0], a))
    labels = names.unique_stems([first.relative_to(a) for first, _ in both])
    return Found(
        tuple(PairFiles(name, files) for name, files in zip(labels, both, strict=True)),
        tuple(problems),
        _note(met.by_suffix),
    )


def match_names(left: Iterable[str], right: Iterable[str]) -> list[tuple[str, str]]:
    """Return which names of files on the `left` and on the `right` are those of a pair, by the same
    rule as `match_folders`; what has no partner, or more than one, is left out. Of files of one
    name on one side the first counts."""
    sides = []
    for words in (left, right):
        known: dict[str, Path] = {}
        for word in words:
            known.setdefault(unicodedata.normalize("NFC", word), Path(word))
        sides.append(known)
    return [(str(a), str(b)) for a, b in _met(*sides).both]


def match_heap(heap: Iterable[str]) -> list[tuple[str, str]]:
    """Return which names of files that lie in one heap are A and B of a pair, by the rule of
    `match_names`; what was added to them tells the sides. Of a file and its copy, of which nothing
    tells them, the copy is A."""
    told: dict[str, list[str]] = {"a": [], "b": [], "": []}
    for name in heap:
        told[side_told(name)].append(name)
    met = match_names(told["a"], [*told["b"], *told[""]])
    known = {name for pair in met for name in pair}
    rest = {side: [name for name in found if name not in known] for side, found in told.items()}
    met += match_names(rest[""], rest["b"])
    known = {name for pair in met for name in pair}
    plain = [name for name in rest[""] if name not in known]
    copies = [name for name in plain if _told(name, COPIES)]
    return met + match_names(copies, [name for name in plain if name not in copies])


def side_told(name: str) -> str:
    """Return the side of a pair, a or b, that a file's name tells; empty where it tells none."""
    if _told(name, BEFORE):
        return "b"
    return "a" if _told(name, RETOUCHED) else ""


def _told(name: str, words: Sequence[str]) -> bool:
    """Whether the last word that was added to a file's name, but for that it is a copy, is one of
    `words`."""
    stem = Path(unicodedata.normalize("NFC", name)).stem
    while end := ADDED.search(stem):
        word = (end["word"] or "").strip(" -_").casefold()
        if word in words:
            return True
        if word and word not in COPIES:
            return False
        stem = stem[: end.start()]
    return False


@dataclass(frozen=True)
class _Met:
    """Files that were brought together by their names, and the rest, by stems."""

    both: list[tuple[Path, Path]]
    by_suffix: list[tuple[Path, Path]]
    """those of `both` that met without what was added to their names"""
    unclear: list[DataError]
    rest_a: defaultdict[str, list[Path]]
    rest_b: defaultdict[str, list[Path]]


def _met(left: dict[str, Path], right: dict[str, Path]) -> _Met:
    """Bring files together; they are known by the path below the folder of their side, in NFC."""
    both = [(path, right[key]) for key, path in left.items() if key in right]
    rest_a = _by_stem({key: path for key, path in left.items() if key not in right})
    rest_b = _by_stem({key: path for key, path in right.items() if key not in left})
    for stem in sorted({*rest_a} & {*rest_b}):
        if len(rest_a[stem]) == len(rest_b[stem]) == 1:
            both.append((rest_a.pop(stem)[0], rest_b.pop(stem)[0]))
    by_suffix, unclear = _met_by_suffix(rest_a, rest_b)
    return _Met(both + by_suffix, by_suffix, unclear, rest_a, rest_b)


def _met_by_suffix(
    rest_a: dict[str, list[Path]], rest_b: dict[str, list[Path]]
) -> tuple[list[tuple[Path, Path]], list[DataError]]:
    """Return the files that meet without what was added to their names, and which of them meet
    more than one; both are taken out of what is left, by stems."""
    # A stem that is on both sides is not short of a partner: it has several.
    by_all, by_words = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for other in rest_b:
        if other not in rest_a:
            for known, words_only in ((by_all, False), (by_words, True)):
                for short in _shortened(other, words_only):
                    known[short].append(other)
    partners = {one: _meeting(one, by_all, by_words) for one in sorted(rest_a) if one not in rest_b}
    fits = defaultdict[str, list[str]](list)
    for one, theirs in partners.items():
        for other in theirs:
            fits[other].append(one)
    met: list[tuple[Path, Path]] = []
    unclear: list[DataError] = []
    while partners:
        # All that hang together: from one to its partners, to theirs, and so on.
        ones, others = {next(iter(partners))}, set[str]()
        while True:
            others = {other for one in ones for other in partners[one]}
            more = ones | {one for other in others for one in fits[other]}
            if more == ones:
                break
            ones = more
        for one in ones:
            del partners[one]
        if not others:
            continue
        left = [path for one in sorted(ones) for path in rest_a.pop(one)]
        right = [path for other in sorted(others) for path in rest_b.pop(other)]
        if len(left) == len(right) == 1:
            met.append((left[0], right[0]))
            continue
        fit, to = (", ".join(path.name for path in side) for side in (left, right))
        hint = "Give the two pictures of each pair the same name"
        unclear.append(DataError(f"{fit} could belong to {to}", left[0].parent, hint))
    return met, unclear


def _meeting(one: str, by_all: dict[str, list[str]], by_words: dict[str, list[str]]) -> list[str]:
    """Return the stems that are the same as `one` without what was added, of those that are known
    by what is left of them. Numbers were added to one only: photo_1 and photo_2 are two
    photographs."""
    found = [other for short in _shortened(one) for other in by_words.get(short, ())]
    found += [
        other for short in _shortened(one, words_only=True) for other in by_all.get(short, ())
    ]
    return list(dict.fromkeys(found))


def _shortened(stem: str, words_only: bool = False) -> list[str]:
    """Return the stem, and what is left of it as one addition after the other is taken off."""
    found = [stem]
    while True:
        end = ADDED.search(found[-1])
        if end is None or (words_only and not end["word"]):
            return found
        left = found[-1][: end.start()]
        if not left or left.endswith("/"):
            return found
        found.append(left)


def _note(met: list[tuple[Path, Path]]) -> tuple[str, ...]:
    if not met:
        return ()
    named = listed([f"{a.name} and {b.name}" for a, b in met], between="; ")
    return (f"taken for pairs though their names differ: {named}",)


def _sides(root: Path, phase: str) -> list[tuple[Path, Path]]:
    """Return the two-folder layouts that stand below `root`. Raises DataError for half of one."""
    candidates = dict.fromkeys(
        (
            (root / phase / "A", root / phase / "B"),
            (root / f"{phase}A", root / f"{phase}B"),
            (root / f"{phase}_A", root / f"{phase}_B"),
            (root / "A" / phase, root / "B" / phase),
        )
    )
    sides = [pair for pair in candidates if any(side.is_dir() for side in pair)]
    for a, b in sides:
        here, missing = (a, b) if a.is_dir() else (b, a)
        if not missing.is_dir():
            raise DataError(f"has no {missing.relative_to(root)} beside it", here)
    return sides


def _combined_folder(root: Path, phase: str) -> Path | None:
    if (root / phase).is_dir():
        return root / phase
    # Flat only without subfolders: pictures that lie beside train/ are not the pairs of test.
    has_subfolder = any(p.is_dir() and not p.name.startswith(".") for p in root.iterdir())
    return None if has_subfolder else root


def _nothing(root: Path, phase: str) -> str:
    folder = _combined_folder(root, phase)
    if folder is None:
        return f"has no pairs for {phase!r}"
    place = f" in {phase}" if folder != root else ""
    kinds = sorted({p.suffix.lower() for p in folder.rglob("*") if p.is_file() and p.suffix})
    others = f", only files of the kinds {', '.join(kinds[:5])}" if kinds else ""
    return f"has no pictures{place}{others}"


def _how_to(root: Path, phase: str) -> str:
    folder = root / phase
    also = f" (also understood: {phase}A + {phase}B, A/{phase} + B/{phase})" if phase else ""
    return (
        f"Put combined pictures, A left and B right, into {folder}, or pictures of the same names "
        f"into {folder / 'A'} and {folder / 'B'}{also}"
    )


def _key(path: Path, folder: Path) -> str:
    return unicodedata.normalize("NFC", path.relative_to(folder).as_posix())


def _by_name(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in images.list_images(folder):
        twin = found.setdefault(_key(path, folder), path)
        if twin != path:  # one composed, one decomposed: two files that look the same by name
            raise DataError("has the same name as another file, written otherwise", path)
    if not found:
        raise DataError("has no pictures that can be read", folder)
    return found


def _by_stem(files: dict[str, Path]) -> defaultdict[str, list[Path]]:
    groups: defaultdict[str, list[Path]] = defaultdict(list)
    for key, path in files.items():
        groups[key.removesuffix(path.suffix)].append(path)
    return groups
