"""Pairs that do not fit memory together: decoded when they are looked at, the newest ones kept."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unretouch.pixels.pairs.pair import Pair

Sides = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""source and target"""

THREADS = 2
"""That decode ahead. Decoders release the interpreter, so they run beside the training."""


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
    ) -> None:
        """`decode` reads both sides, (H, W, 3) or (H, W, 1) with `shape` (H, W)."""
        for field, value in (
            ("name", name), ("files", files), ("_shape", shape), ("decode", decode),
            ("cache", cache), ("bytes", 6 * shape[0] * shape[1]),
        ):  # fmt: skip
            object.__setattr__(self, field, value)

    name: str
    files: tuple[Path, ...]
    decode: Callable[[], Sides]
    cache: PictureCache
    bytes: int
    """of both pictures, decoded"""
    _shape: tuple[int, int]

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def shape(self) -> tuple[int, int]:
        return self._shape

    @property
    def source(self) -> NDArray[np.uint8]:
        return self.cache.sides(self)[0]

    @property
    def target(self) -> NDArray[np.uint8]:
        return self.cache.sides(self)[1]


def changed(
    pair: Pair,
    shape: tuple[int, int],
    change: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]],
) -> Pair:
    """Return `pair` with `change` made to its source (called with 0) and target (with 1).

    They come out with `shape` (H, W). What is decoded later is changed later.
    """
    if not isinstance(pair, LazyPair):
        return dataclasses.replace(
            pair, source=change(pair.source, 0), target=change(pair.target, 1)
        )
    decode = pair.decode

    def decoded() -> Sides:
        source, target = decode()
        return change(source, 0), change(target, 1)

    return LazyPair(pair.name, pair.files, shape, decoded, pair.cache)


def fetch(pairs: Sequence[Pair]) -> None:
    """Begin to decode, in the background, what of `pairs` is decoded lazily."""
    lazy = [pair for pair in pairs if isinstance(pair, LazyPair)]
    if lazy:
        lazy[0].cache.fetch(lazy)
