"""Decode and check every pair before the first step, and list everything that is wrong at once."""

from __future__ import annotations

import hashlib
import io
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.pixels import images
from unretouch.pixels.pairs import check
from unretouch.pixels.pairs.find import PairFiles, search
from unretouch.pixels.pairs.lazy import THREADS, LazyPair, PictureCache
from unretouch.pixels.pairs.pair import Pair
from unretouch.settings.train import Direction


@dataclass(frozen=True)
class LoadedPairs:
    """All pairs of a phase, decoded, or to be decoded when they are looked at."""

    pairs: list[Pair]
    warnings: list[str]
    """what is doubtful, each a line that names the pair"""
    manifest: list[dict[str, Any]]
    """a record a file: pair, file (relative to dataroot), sha256, width, height"""
    identity: dict[str, float]
    """by the name of each pair: mean absolute difference of its sides, grey levels"""
    lazy: bool = False
    """whether they are decoded when they are looked at, since all do not fit the cache"""


@dataclass(frozen=True)
class Reading:
    """What is about to be decoded, by the headers of the files."""

    pairs: int
    largest: int
    """pixels of the largest side"""
    decoded: int
    """bytes of all pictures together, decoded"""
    kept: int
    """bytes of them that are kept in memory"""


SAMPLE = 100
"""Pairs of a set that does not fit memory whose alignment is measured; all are decoded once."""
AHEAD = 1
"""Pairs that are decoded while another one is looked at."""


def load_pairs(
    dataroot: Path | str,
    phase: str,
    direction: Direction = "AtoB",
    max_dataset_size: float = math.inf,
    cache: PictureCache | None = None,
    before: Callable[[Reading], None] | None = None,
) -> LoadedPairs:
    """Return the first `max_dataset_size` pairs of `phase` below `dataroot`, decoded and checked.

    AtoB takes A for the source, BtoA takes B. Where all together are larger than the `cache`, they
    are decoded one by one to be checked, and again when they are looked at. `before` is told what
    is going to be read; it may raise. Raises ManyDataErrors naming every file that is damaged, has
    no partner, cannot be halved or differs in size from its partner, or telling that all pairs have
    equal sides; DataError when no pair is found. Warnings: see pairs/check.py.
    """
    root = Path(dataroot)
    try:
        found = search(root, phase)
    except OSError as error:  # a folder that may not be looked into
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot be read: {reason}", error.filename or root) from error
    problems = list(found.problems)
    chosen = found.pairs[: int(min(max_dataset_size, len(found.pairs)))]
    if cache is not None or before is not None:
        reading = _reading(chosen, cache)
        if cache is not None and reading.decoded <= cache.limit:
            cache = None
        if before is not None:
            before(reading)
    aligned = range(len(chosen))
    if cache is not None:
        aligned = range(0, len(chosen), -(-len(chosen) // SAMPLE))
    unread = images.passed_over(path for pair in found.pairs for path in pair.files)
    checked: list[_Checked] = []
    for number, (files, pictures) in enumerate(_decoded(chosen, problems)):
        try:
            checked.append(_checked(files, pictures, direction, number in aligned, root, cache))
        except DataError as problem:
            problems.append(problem)
        del pictures  # a combined picture, as large as both sides
    if not problems and all(pair.digests[0] == pair.digests[1] for pair in checked):
        problems.append(DataError("A and B are the same picture in every pair", root))
    if problems:
        raise ManyDataErrors(problems)
    doubts = [f"{one.pair.name}: {doubt}" for one in checked for doubt in one.doubts]
    repeated = _repeated([(one.pair.name, *one.digests) for one in checked])
    return LoadedPairs(
        pairs=[one.pair for one in checked],
        warnings=([unread] if unread else []) + doubts + repeated,
        manifest=[record for one in checked for record in one.manifest],
        identity={one.pair.name: one.identity for one in checked},
        lazy=cache is not None,
    )


def _reading(chosen: Sequence[PairFiles], cache: PictureCache | None) -> Reading:
    """Return what is to be read, by the files' headers; bad files are told of later."""
    pixels = [[images.pixels_of(path) for path in pair.files] for pair in chosen]
    largest = max((sum(files) // 2 for files in pixels), default=0)
    decoded = 3 * sum(map(sum, pixels))
    kept = decoded if cache is None else min(decoded, cache.limit)
    return Reading(len(chosen), largest, decoded, kept)


def _decoded(
    chosen: Sequence[PairFiles], problems: list[DataError]
) -> Iterator[tuple[PairFiles, list[images.Picture]]]:
    """Yield the pairs with their pictures, in order; files that cannot be read are put to
    `problems` and their pairs left out.

    Files are decoded by THREADS at once: decoders release the interpreter.
    """
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="decode")
    waiting: deque[tuple[PairFiles, list[Future[images.Picture]]]] = deque()
    todo = iter(chosen)
    try:
        while True:
            for files in islice(todo, 1 + AHEAD - len(waiting)):
                futures = [pool.submit(_read, files, path) for path in files.files]
                waiting.append((files, futures))
            if not waiting:
                return
            files, futures = waiting.popleft()
            pictures = []
            for future in futures:
                try:
                    pictures.append(future.result())
                except DataError as problem:
                    problems.append(problem)
            whole = len(pictures) == len(futures)
            del future, futures
            if whole:
                yield files, pictures
    finally:
        pool.shutdown(cancel_futures=True)


def _read(files: PairFiles, path: Path) -> images.Picture:
    # Both sides side by side may have twice as many pixels as one.
    return images.read(path, images.MAX_PIXELS * (3 - len(files.files)))


@dataclass(frozen=True)
class _Checked:
    """A pair, and what was found in it."""

    pair: Pair
    doubts: list[str]
    digests: tuple[str, str]
    """of source and target"""
    identity: float
    manifest: list[dict[str, Any]]


def _checked(
    files: PairFiles,
    pictures: list[images.Picture],
    direction: Direction,
    aligned: bool,
    root: Path,
    cache: PictureCache | None,
) -> _Checked:
    """Look at a decoded pair, where `aligned` at its alignment too. Raises what `sides` raises."""
    a, b = sides(files, pictures)
    doubts = colour_doubts(pictures)
    if aligned:
        doubts += check.warnings_for(a, b, direction)
    source, target = (a, b) if direction == "AtoB" else (b, a)
    pair = Pair(files.name, source, target, files.files)
    return _Checked(
        pair=pair if cache is None else _lazy(files, pair.shape, direction, cache),
        doubts=doubts,
        digests=(_digest(source), _digest(target)),
        identity=check.mean_difference(a, b),
        manifest=[
            _record(files.name, path, root, picture)
            for path, picture in zip(files.files, pictures, strict=True)
        ],
    )


def _lazy(
    files: PairFiles, shape: tuple[int, int], direction: Direction, cache: PictureCache
) -> LazyPair:
    def decode() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        a, b = sides(files, [_read(files, path) for path in files.files])
        if a.shape[:2] != shape:
            raise DataError("has changed since the run began", files.files[0])
        return (a, b) if direction == "AtoB" else (b, a)

    return LazyPair(files.name, files.files, shape, decode, cache)


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
    digest = hashlib.sha256(repr(rgb.shape).encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()
