"""Pairs: two aligned pictures of one subject, decoded and checked before the first step.

Everything that is wrong is listed at once. Pairs that do not fit memory together are decoded again
when they are looked at, the newest ones kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from unretouch.base import durable
from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.base.messages import Words
from unretouch.base.names import unique_stems
from unretouch.pixels import images, pair_check
from unretouch.pixels.pair_files import PairFiles, find_pairs
from unretouch.pixels.spaces import Bits, Rgb, at_most, depth, eight, holds_sixteen, in_depth
from unretouch.settings.train import Direction

Sides = tuple[Rgb, Rgb]
"""source and target, or A and B: file space (H, W, 3) of one size and depth"""

THREADS = 2
"""That decode ahead. Decoders release the interpreter, so they run beside the training."""
SAMPLE = 100
"""Pairs of a set that does not fit memory whose alignment is measured; all are decoded once."""
LOOKED_AT: Final = 3
"""Files at most by which it is told whether a folder holds pairs."""
AHEAD = 1
"""Pairs that are decoded while another one is looked at."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two pictures of one subject, pixel on pixel, in file space: both of 16 bits where either file
    has more than 8."""

    name: str
    """unique in the set, and fit for file names"""
    source: Rgb
    """what goes in, (H, W, 3)"""
    target: Rgb
    """what should come out, (H, W, 3)"""
    files: tuple[Path, ...]
    """one combined picture, or A and B"""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of both pictures, known without decoding them."""
        height, width = self.source.shape[:2]
        return height, width

    @property
    def bits(self) -> Bits:
        """Of a channel of both pictures, known without decoding them."""
        return depth(self.source)


class PictureCache:
    """Decoded pairs, those least lately used forgotten first; used from several threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """bytes of pictures that are kept"""
        self.held = 0
        """bytes of pictures that are here or on their way"""
        self._kept: OrderedDict[LazyPair, Future[Sides]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="decode")

    def sides(self, pair: LazyPair) -> Sides:
        """Return the pictures of `pair`, decoded now unless they are here or on their way."""
        own: Future[Sides] = Future()
        future = self._entered(pair, lambda: own)
        if future is own:
            try:
                own.set_result(pair.decode())
            except BaseException as error:
                self._forget(pair)
                own.set_exception(error)
        return future.result()

    def fetch(self, pairs: Iterable[LazyPair]) -> None:
        """Begin to decode `pairs` in the background: as many as half of the room takes.

        What is wrong with one is raised when it is looked at.
        """
        room = self.limit // 2
        for pair in pairs:
            room -= pair.bytes
            if room < 0:
                return
            self._entered(pair, lambda pair=pair: self._pool.submit(pair.decode))  # type: ignore[misc]

    def _entered(self, pair: LazyPair, begin: Callable[[], Future[Sides]]) -> Future[Sides]:
        with self._lock:
            if pair in self._kept:
                self._kept.move_to_end(pair)
                return self._kept[pair]
            future = self._kept[pair] = begin()
            self.held += pair.bytes
            while self.held > self.limit and len(self._kept) > 1:
                oldest, _ = self._kept.popitem(last=False)
                self.held -= oldest.bytes
            return future

    def _forget(self, pair: LazyPair) -> None:
        with self._lock:
            if self._kept.pop(pair, None) is not None:
                self.held -= pair.bytes


class LazyPair(Pair):
    """A pair whose pictures come from a cache; everywhere it is what a Pair is."""

    def __init__(
        self,
        name: str,
        files: tuple[Path, ...],
        shape: tuple[int, int],
        decode: Callable[[], Sides],
        cache: PictureCache,
        bits: Bits = 8,
    ) -> None:
        """`decode` reads both sides, (H, W, 3) or (H, W, 1) with `shape` (H, W)."""
        vars(self).update(name=name, files=files, _shape=shape, decode=decode, cache=cache)
        vars(self).update(_bits=bits)

    decode: Callable[[], Sides]
    cache: PictureCache
    _shape: tuple[int, int]
    _bits: Bits

    @property
    def bytes(self) -> int:
        """Of both pictures, decoded."""
        return 6 * math.prod(self._shape) * self._bits // 8

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def bits(self) -> Bits:
        return self._bits

    @property
    def kept_as(self) -> LazyPair:
        """The pair whose pictures the cache keeps."""
        return self

    @property
    def source(self) -> Rgb:
        return self.cache.sides(self)[0]

    @property
    def target(self) -> Rgb:
        return self.cache.sides(self)[1]


class _Swapped(LazyPair):
    """A lazy pair the other way round: both are decoded and kept as one."""

    def __init__(self, pair: LazyPair) -> None:
        super().__init__(
            pair.name, pair.files, pair.shape, lambda: pair.decode()[::-1], pair.cache, pair.bits
        )
        vars(self).update(_other=pair)

    _other: LazyPair

    @property
    def kept_as(self) -> LazyPair:
        return self._other

    @property
    def source(self) -> Rgb:
        return self._other.target

    @property
    def target(self) -> Rgb:
        return self._other.source


def changed(
    pair: Pair,
    shape: tuple[int, int],
    change: Callable[[Rgb, int], Rgb],
) -> Pair:
    """Return `pair` with `change` made to its source (called with 0) and target (with 1).

    They come out with `shape` (H, W), in the same depth. What is decoded later is changed later.
    """
    if not isinstance(pair, LazyPair):
        return dataclasses.replace(
            pair, source=change(pair.source, 0), target=change(pair.target, 1)
        )
    decode = pair.decode

    def decoded() -> Sides:
        source, target = decode()
        return change(source, 0), change(target, 1)

    return LazyPair(pair.name, pair.files, shape, decoded, pair.cache, pair.bits)


def swapped(pair: Pair) -> Pair:
    """Return the pair the other way round."""
    if not isinstance(pair, LazyPair):
        return dataclasses.replace(pair, source=pair.target, target=pair.source)
    return _Swapped(pair)


def fetch(pairs: Sequence[Pair]) -> None:
    """Begin to decode, in the background, what of `pairs` is decoded lazily."""
    lazy = [pair.kept_as for pair in pairs if isinstance(pair, LazyPair)]
    if lazy:
        lazy[0].cache.fetch(lazy)


@dataclass(frozen=True)
class LoadedPairs:
    """All pairs of a phase, decoded, or to be decoded when they are looked at."""

    pairs: list[Pair]
    warnings: list[str]
    """what is doubtful, each a line that names the pair"""
    manifest: list[dict[str, Any]]
    """a record a file: pair, file (relative to dataroot), sha256, width, height; the colour profile
    that it was converted from, if any; and its bits a channel, where they are 16"""
    identity: dict[str, float]
    """by the name of each pair: mean absolute difference of its sides, grey levels"""
    lazy: bool = False
    """whether they are decoded when they are looked at, since all do not fit the cache"""
    sides: dict[str, tuple[str, str]] = field(default_factory=dict)
    """by the name of each pair: digests of the pixels of its sides"""

    @property
    def digests(self) -> frozenset[str]:
        """Those of all files, and of the pixels of all sides."""
        files = {str(record["sha256"]) for record in self.manifest}
        return frozenset(files.union(*self.sides.values()))


NO_PAIRS: Final = LoadedPairs([], [], [], {})
FOR_ALSO: Final = "Name a folder of untouched pictures for --also"
OF_THE_PAIRS: Final = "left out of --also: it is a picture of the pairs"
SEARCHED: Final = 512
"""Pixels a side, at most, of the copy in which it is seen whether there is skin."""
WITHOUT_SKIN: Final = "no skin was found: is it like the portraits that are to be restored?"


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
    untouched: int = 0
    """pixels of the largest picture of --also, which are decoded one at a time"""
    bits: Bits = 8
    """of a channel: 16 where any picture has more than 8"""


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
    equal sides; DataError when no pair is found. Warnings: see pair_check.py.
    """
    root = Path(dataroot)
    try:
        found = find_pairs(root, phase)
    except OSError as error:  # a folder that may not be looked into
        reason = durable.reason_of(error)
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
    loaded = LoadedPairs([], [], [], {}, lazy=cache is not None)
    if unread := images.passed_over(path for pair in found.pairs for path in pair.files):
        loaded.warnings.append(unread)
    loaded.warnings.extend(found.notes)
    noted: list[tuple[str, Words]] = []
    for number, (files, pictures) in enumerate(_decoded(chosen, problems)):
        try:
            a, b = sides(files, pictures)
        except DataError as problem:
            problems.append(problem)
            continue
        doubts: list[Words] = [*pair_check.conversions(pictures)]
        if number in aligned:
            halves_of = files.files[0] if len(files.files) == 1 else None
            try:
                doubts += pair_check.warnings_for(a, b, direction, halves_of)
            except DataError as problem:
                problems.append(problem)
                continue
        noted.extend((files.name, doubt) for doubt in doubts)
        loaded.manifest.extend(
            _record(files.name, path, root, picture)
            for path, picture in zip(files.files, pictures, strict=True)
        )
        loaded.identity[files.name] = pair_check.mean_difference(a, b)
        pair = _pair(files, a, b, direction)
        loaded.sides[pair.name] = digest_of(pair.source), digest_of(pair.target)
        loaded.pairs.append(pair if cache is None else _lazy(files, pair, direction, cache))
        del pictures  # a combined picture, as large as both sides
        del a, b, pair  # while the next ones are decoded
    if not problems and all(source == target for source, target in loaded.sides.values()):
        problems.append(DataError("A and B are the same picture in every pair", root))
    if problems:
        raise ManyDataErrors(problems)
    loaded.warnings.extend(pair_check.gathered(noted))
    digests = [(name, *both) for name, both in loaded.sides.items()]
    loaded.warnings.extend(pair_check.repeated(digests))
    return loaded


def holds_pairs(root: Path, phase: str) -> bool:
    """Return whether most of the first LOOKED_AT files there that can be read are pairs."""
    try:
        found = find_pairs(root, phase).pairs
    except DataError:
        return False
    readable = (known for files in found if (known := _surely_pair(files)) is not None)
    looked = list(islice(readable, LOOKED_AT))
    return sum(looked) > len(looked) / 2


def _surely_pair(files: PairFiles) -> bool | None:
    """Return whether it is a pair beyond doubt; None where it cannot be read."""
    try:
        pictures = pictures_of(files)
    except DataError:
        return None
    try:
        return pair_check.surely_pair(*sides(files, pictures))
    except DataError:
        return False


def load_untouched(
    folder: Path, given: LoadedPairs = NO_PAIRS, further: LoadedPairs = NO_PAIRS
) -> LoadedPairs:
    """Return the pictures of a folder and its subfolders as pairs whose two sides are the picture.

    Files that belong to the pairs `given`, or to `further` ones that must not be seen, are left
    out, and those that show what a side of one does: of a pair in one file, say. The others are
    decoded once to be checked, and again when they are looked at, one at a time. Raises
    ManyDataErrors naming every file that is damaged, DataError when there is none.
    """
    from unretouch.pixels.retouch import LITTLE_SKIN, skin_mask  # late: pairs need no scipy

    loaded, cache = LoadedPairs([], [], [], {}, lazy=True), PictureCache(0)
    problems: list[DataError] = []
    known = given.digests | further.digests
    paths = _pictures(folder)
    names = unique_stems([path.relative_to(folder) for path in paths])
    chosen = [PairFiles(name, (path,)) for name, path in zip(names, paths, strict=True)]
    noted: list[tuple[str, Words]] = []
    for files, pictures in _decoded(chosen, problems):
        picture, path = pictures[0], files.files[0]
        record = _record(files.name, path, folder, picture)
        record["pixels"] = digest_of(picture.rgb)
        if not known.isdisjoint((record["sha256"], record["pixels"])):
            noted.append((files.name, OF_THE_PAIRS))
            continue
        noted.extend((files.name, note) for note in picture.notes)
        if skin_mask(at_most(picture.rgb, SEARCHED)).mean() < LITTLE_SKIN:
            noted.append((files.name, WITHOUT_SKIN))
        loaded.manifest.append(record)
        loaded.pairs.append(_untouched(files, picture.rgb, cache))
    if problems:
        raise ManyDataErrors(problems)
    if not loaded.pairs:
        raise DataError("holds nothing but pictures of the pairs themselves", folder, FOR_ALSO)
    if unread := images.passed_over(paths):
        loaded.warnings.append(unread)
    loaded.warnings.extend(pair_check.gathered(noted))
    return loaded


def largest_untouched(folder: Path) -> images.Header:
    """Return what the largest picture of such a folder takes, by the files' headers. Raises
    DataError where there are none."""
    headers = (images.header_of(path, images.MAX_PIXELS) for path in _pictures(folder))
    return max(headers, key=lambda header: header.bytes)


def _pictures(folder: Path) -> list[Path]:
    try:
        paths = images.list_images(folder)
    except DataError as error:
        raise DataError(error.what, error.where, FOR_ALSO) from error
    if not paths:
        raise DataError("holds no pictures that can be read", folder, FOR_ALSO)
    return paths


def _untouched(files: PairFiles, rgb: Rgb, cache: PictureCache) -> LazyPair:
    shape, bits = (rgb.shape[0], rgb.shape[1]), depth(rgb)

    def decode() -> Sides:
        picture = images.read(files.files[0]).rgb
        if (picture.shape[:2], depth(picture)) != (shape, bits):
            raise DataError("has changed since the run began", files.files[0])
        return picture, picture

    return LazyPair(files.name, files.files, shape, decode, cache, bits)


def _reading(chosen: Sequence[PairFiles], cache: PictureCache | None) -> Reading:
    """Return what is to be read, by the files' headers; bad files are told of later."""
    headers = [
        [images.header_of(path, _most_pixels(pair)) for path in pair.files] for pair in chosen
    ]
    largest = max((sum(each.pixels for each in files) // 2 for files in headers), default=0)
    # Both sides take the room of the deeper one.
    decoded = sum(len(files) * max(each.bytes for each in files) for files in headers)
    kept = decoded if cache is None else min(decoded, cache.limit)
    deep = any(each.bits == 16 for files in headers for each in files)
    return Reading(len(chosen), largest, decoded, kept, bits=16 if deep else 8)


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
    return images.read(path, _most_pixels(files))


def _most_pixels(files: PairFiles) -> int:
    """Return how many pixels a file of the pair may have: both sides side by side twice those of
    one."""
    return images.MAX_PIXELS * (3 - len(files.files))


def read_pair(files: PairFiles, direction: Direction) -> Pair:
    """Return one pair, decoded. Raises DataError."""
    return _pair(files, *sides(files, pictures_of(files)), direction)


def pictures_of(files: PairFiles) -> list[images.Picture]:
    """Return the pictures of a pair, decoded: one combined, or A and B. Raises DataError."""
    return [_read(files, path) for path in files.files]


def _pair(files: PairFiles, a: Rgb, b: Rgb, direction: Direction) -> Pair:
    return Pair(files.name, *((a, b) if direction == "AtoB" else (b, a)), files.files)


def _lazy(files: PairFiles, known: Pair, direction: Direction, cache: PictureCache) -> LazyPair:
    """Return the pair that is `known` by a first look, to be decoded again."""
    shape, bits = known.shape, known.bits

    def decode() -> Sides:
        pair = read_pair(files, direction)
        if (pair.shape, pair.bits) != (shape, bits):
            raise DataError("has changed since the run began", files.files[0])
        return pair.source, pair.target

    return LazyPair(files.name, files.files, shape, decode, cache, bits)


def sides(files: PairFiles, pictures: list[images.Picture], of_one_size: bool = True) -> Sides:
    """Return A and B, (H, W, 3), `of_one_size`, and both of 16 bits where either has more than 8.

    Raises DataError when they cannot be.
    """
    if len(pictures) == 2:
        deepest = max(depth(picture.rgb) for picture in pictures)
        a, b = (in_depth(picture.rgb, deepest) for picture in pictures)
        if a.shape == b.shape or not of_one_size:
            return a, b
        turned = a.shape[:2] == b.shape[1::-1]
        raise DataError(
            f"is {_size(b)}, but {files.files[0].name} of the same pair is {_size(a)}",
            files.files[1],
            "One of the two is turned by 90 degrees" if turned else pair_check.unequal(a, b),
        )
    whole = pictures[0].rgb
    width = whole.shape[1]
    if width % 2:
        raise DataError(
            f"is {width} pixels wide, which does not halve into A and B of one size",
            files.files[0],
            pair_check.LAID_OUT,
        )
    return whole[:, : width // 2].copy(), whole[:, width // 2 :].copy()


def _size(rgb: Rgb) -> str:
    return f"{rgb.shape[1]} x {rgb.shape[0]}"


def _record(name: str, path: Path, root: Path, picture: images.Picture) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # Names that are no Unicode exist on Linux, and could not be written as JSON.
    relative = path.relative_to(root).as_posix().encode(errors="backslashreplace").decode()
    height, width = picture.rgb.shape[:2]
    record = {"pair": name, "file": relative, "sha256": digest, "width": width, "height": height}
    if picture.converted_from:
        record["converted_from"] = picture.converted_from
    if depth(picture.rgb) == 16:
        record["bits"] = 16
    return record


def digest_of(rgb: Rgb) -> str:
    """Return what tells the pixels of a picture from those of any other: one of 8 bits is the same
    when it is held in 16."""
    if not holds_sixteen(rgb):
        rgb = eight(rgb)
    digest = hashlib.sha256(repr(rgb.shape).encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()
