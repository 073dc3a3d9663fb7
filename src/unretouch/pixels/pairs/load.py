"""Decode and check every pair before the first step, and list everything that is wrong at once."""

from __future__ import annotations

import hashlib
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.base.config import Direction
from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.pixels import images
from unretouch.pixels.pairs import check
from unretouch.pixels.pairs.find import PairFiles, search
from unretouch.pixels.pairs.lazy import LazyPair, PictureCache
from unretouch.pixels.pairs.pair import Pair


@dataclass(frozen=True)
class LoadedPairs:
    """All pairs of a phase, decoded, or to be decoded when they are looked at."""

    pairs: list[Pair]
    warnings: list[str]
    """what is doubtful, each a line that names the pair"""
    manifest: list[dict[str, Any]]
    """a record a file: pair, file (relative to dataroot), sha256, width, height"""
    lazy: bool = False
    """whether they are decoded when they are looked at, since all do not fit the cache"""


SAMPLE = 100
"""Pairs of a set that does not fit memory whose alignment is measured; all are decoded once."""


def load_pairs(
    dataroot: Path | str,
    phase: str,
    direction: Direction = "AtoB",
    max_dataset_size: float = math.inf,
    cache: PictureCache | None = None,
) -> LoadedPairs:
    """Return the first `max_dataset_size` pairs of `phase` below `dataroot`, decoded and checked.

    AtoB takes A for the source, BtoA takes B. Where all together are larger than the `cache`, they
    are decoded one by one to be checked, and again when they are looked at. Raises ManyDataErrors
    naming every file that is damaged, has no partner, cannot be halved or differs in size from its
    partner, or telling that all pairs have equal sides; DataError when no pair is found. Warnings:
    see pairs/check.py.
    """
    root = Path(dataroot)
    try:
        found = search(root, phase)
    except OSError as error:  # a folder that may not be looked into
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot be read: {reason}", error.filename or root) from error
    problems = list(found.problems)
    chosen = found.pairs[: int(min(max_dataset_size, len(found.pairs)))]
    if cache is not None and _decoded_bytes(chosen) <= cache.limit:
        cache = None
    aligned = range(len(chosen))
    if cache is not None:
        aligned = range(0, len(chosen), -(-len(chosen) // SAMPLE))
    pairs: list[Pair] = []
    unread = images.passed_over(path for pair in found.pairs for path in pair.files)
    warnings = [unread] if unread else []
    manifest: list[dict[str, Any]] = []
    digests: list[tuple[str, str, str]] = []
    for number, files in enumerate(chosen):
        pictures = [read_or_report(path, problems) for path in files.files]
        whole = [picture for picture in pictures if picture is not None]
        if len(whole) < len(pictures):
            continue
        try:
            a, b = sides(files, whole)
        except DataError as problem:
            problems.append(problem)
            continue
        doubts = colour_doubts(whole)
        if number in aligned:
            doubts += check.warnings_for(a, b, direction)
        warnings += [f"{files.name}: {doubt}" for doubt in doubts]
        source, target = (a, b) if direction == "AtoB" else (b, a)
        digests.append((files.name, _digest(source), _digest(target)))
        pair = Pair(files.name, source, target, files.files)
        pairs.append(pair if cache is None else _lazy(files, pair.shape, direction, cache))
        manifest += [
            _record(files.name, path, root, picture)
            for path, picture in zip(files.files, whole, strict=True)
        ]
    if not problems and all(source == target for _, source, target in digests):
        problems.append(DataError("A and B are the same picture in every pair", root))
    if problems:
        raise ManyDataErrors(problems)
    return LoadedPairs(pairs, warnings + _repeated(digests), manifest, lazy=cache is not None)


def _decoded_bytes(chosen: Sequence[PairFiles]) -> int:
    """Return what the pictures take in memory, by their headers; bad files are told of later."""
    return sum(3 * images.pixels_of(path) for pair in chosen for path in pair.files)


def _lazy(
    files: PairFiles, shape: tuple[int, int], direction: Direction, cache: PictureCache
) -> LazyPair:
    def decode() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        a, b = sides(files, [images.read(path) for path in files.files])
        if a.shape[:2] != shape:
            raise DataError("has changed since the run began", files.files[0])
        return (a, b) if direction == "AtoB" else (b, a)

    return LazyPair(files.name, files.files, shape, decode, cache)


def read_or_report(path: Path, problems: list[DataError]) -> images.Picture | None:
    """Return the picture at `path`, or None after adding what is wrong to `problems`."""
    try:
        return images.read(path)
    except DataError as problem:
        problems.append(problem)
        return None


def sides(
    files: PairFiles, pictures: list[images.Picture]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return A and B, uint8 (H, W, 3) of one size. Raises DataError when they cannot be."""
    if len(pictures) == 2:
        a, b = (picture.rgb for picture in pictures)
        if a.shape == b.shape:
            return a, b
        turned = a.shape[:2] == b.shape[1::-1]
        raise DataError(
            f"is {_size(b)}, but {files.files[0].name} of the same pair is {_size(a)}",
            files.files[1],
            "One of the two is turned by 90 degrees" if turned else "Export both at one size",
        )
    whole = pictures[0].rgb
    width = whole.shape[1]
    if width % 2:
        raise DataError(
            f"is {width} pixels wide, which does not halve into A and B of one size",
            files.files[0],
        )
    return whole[:, : width // 2].copy(), whole[:, width // 2 :].copy()


def _size(rgb: NDArray[np.uint8]) -> str:
    return f"{rgb.shape[1]} x {rgb.shape[0]}"


def colour_doubts(pictures: list[images.Picture]) -> list[str]:
    """Return what had to be converted, and whether A and B belong to different colour profiles."""
    doubts = [note for picture in pictures for note in picture.notes]
    a, b = (_profile_name(picture.profile) for picture in (pictures[0], pictures[-1]))
    if a != b:
        doubts.append(f"A has the colour profile {a}, B has {b}: their colours cannot be compared")
    return doubts


def _profile_name(profile: bytes | None) -> str:
    from PIL import ImageCms

    if profile is None:
        return "sRGB"
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(own).strip()
    except (OSError, ImageCms.PyCMSError):
        return "one that cannot be read"
    return "sRGB" if "sRGB" in name else name


def _record(name: str, path: Path, root: Path, picture: images.Picture) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # Names that are no Unicode exist on Linux, and could not be written as JSON.
    relative = path.relative_to(root).as_posix().encode(errors="backslashreplace").decode()
    height, width = picture.rgb.shape[:2]
    return {"pair": name, "file": relative, "sha256": digest, "width": width, "height": height}


def _repeated(digests: list[tuple[str, str, str]]) -> list[str]:
    """Return warnings for pairs that hold the same pictures, or one input with two answers.

    `digests` are name, digest of the source and digest of the target of every pair.
    """
    by_source: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, source, target in digests:
        by_source[source].append((name, target))
    found = []
    for (first, answer), *others in by_source.values():
        for other, target in others:
            if answer == target:
                found.append(f"{other}: holds the same two pictures as {first}")
            else:
                found.append(
                    f"{other}: has the same input as {first} but another answer, "
                    "so both cannot be memorised"
                )
    return found


def _digest(rgb: NDArray[np.uint8]) -> str:
    return hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest()
