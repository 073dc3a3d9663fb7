"""What a metric is: how one figure about a prediction is named, read and measured."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt

from unretouch.metrics.pictures import (
    Area,
    Figure,
    Layer,
    Levels,
    Picture,
    Tile,
    Window,
    check,
    check_shapes,
    luma,
    tiles_of,
)
from unretouch.pixels.spaces import in_levels

Measure = Callable[[Picture, Picture, Picture, Area | None], tuple[Figure, ...]]
"""(prediction, target, source, area) to one figure for each part."""
Better = Literal["lower", "higher", "one"]
"""Which way is better; `one`: a ratio, best at 1, below too little and above too much."""
Invariance = Literal["brightness", "mirror", "quarter_turn", "shuffle", "source"]
"""A change that leaves a figure as it is: the same grey levels added to all pictures, all mirrored,
all turned by 90 degrees, all pixels moved alike, any other source."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One idea of what makes a prediction good, and the figures that express it.

    `parts` name the figures (`band_energy` with part `2_4` gives `band_energy_2_4`); a part without
    a name is the metric's own. `lowest` and `highest` bound every figure. `explanation` is one
    sentence for a photographer; `formula` says what is computed, and whose idea it is. It is
    measured by sums over tiles, or by a function of whole pictures.
    """

    name: str
    unit: str
    lowest: float
    highest: float
    better: Better
    explanation: str
    formula: str
    measure: Tally | Measure
    parts: tuple[str, ...] = ("",)
    invariances: frozenset[Invariance] = frozenset()

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the figures, in the order of `parts`."""
        return tuple(f"{self.name}_{part}" if part else self.name for part in self.parts)

    def named(self, figures: tuple[Figure, ...]) -> dict[str, Figure]:
        """Return the figures, one for each part, by name."""
        return dict(zip(self.keys, figures, strict=True))

    def figures(
        self, prediction: Picture, target: Picture, source: Picture, area: Area | None = None
    ) -> dict[str, Figure]:
        """Return the figures by name, over `area` or, without one, the whole frame.

        All None over an empty area. Raises ValueError when the shapes differ.
        """
        if area is None or area.any():
            return self.named(self.over(prediction, target, source, area))
        check_shapes(prediction, target, source, area=area)
        return dict.fromkeys(self.keys)

    def over(
        self, prediction: Picture, target: Picture, source: Picture, area: Area | None = None
    ) -> tuple[Figure, ...]:
        """Return one figure for each part. Raises ValueError for an empty area too."""
        check(prediction, target, source, area=area)
        if isinstance(self.measure, Tally):
            return tallied(self.measure, prediction, target, source, area)
        return self.measure(prediction, target, source, area)

    def badness(self, figure: float) -> float:
        """Return how far a figure is on the bad side: it grows as the figure gets worse."""
        if self.better == "one":
            return abs(math.log2(figure)) if figure > 0 else math.inf
        return figure if self.better == "lower" else -figure


# --- of which many metrics are made


def added_up(values: npt.NDArray[Any]) -> Sums:
    """Return the sum of some values of a tile, and how many they are."""
    return np.array([values.sum(), values.size], dtype=np.float64)


def mean(sums: Sums) -> tuple[Figure, ...]:
    """Return the mean that a sum and a number come to; None of nothing."""
    return (float(sums[0] / sums[1]) if sums[1] else None,)


def of_both(how: Callable[[View, Patch], Sums]) -> Callable[[View], Sums]:
    """Return what makes the sums `how` of the prediction and behind them those of the target."""
    return lambda view: np.concatenate(
        [view.made(how, patch) for patch in (view.prediction, view.target)]
    )


# --- a metric as sums over tiles: whatever the frame, memory holds a few of them


SIDE = 384
"""Side of a tile's own part: small enough that a sparse retouch leaves most tiles out."""
HALO = 64
"""Pixels around it that metrics look at: two periods of the coarsest octave band."""

Sums = npt.NDArray[np.float64]
"""What a metric adds up over tiles, (n,)."""
Made = TypeVar("Made")
Job = TypeVar("Job")
Result = TypeVar("Result")


class Patch:
    """A tile of one picture with its surroundings, and what was made of it."""

    def __init__(self, picture: Picture, tile: Tile) -> None:
        self.levels: Levels = in_levels(picture[tile.around])
        self.tile = tile
        self._made: dict[Hashable, Any] = {}

    def made(self, how: Callable[[Patch], Made]) -> Made:
        """Return `how(self)`, made at the first call only."""
        if how not in self._made:
            self._made[how] = how(self)
        return cast(Made, self._made[how])

    def made_with(self, other: Patch, how: Callable[[Patch, Patch], Made]) -> Made:
        """Return `how(self, other)`, made at the first call only; `other` lives as long as this."""
        key = (how, id(other))  # not itself: patches that hold each other are freed late
        if key not in self._made:
            self._made[key] = how(self, other)
        return cast(Made, self._made[key])

    def near(self, reach: int) -> tuple[Window, Window]:
        """Return the tile's own part with `reach` pixels around it, within the patch, and the own
        part within that."""
        near, own = [], []
        for inner, around in zip(self.tile.inner, self.tile.around, strict=True):
            start = max(inner.start - reach, 0)
            stop = min(inner.stop + reach, around.stop - around.start)
            near.append(slice(start, stop))
            own.append(slice(inner.start - start, inner.stop - start))
        return (near[0], near[1]), (own[0], own[1])


def luma_of(patch: Patch) -> Layer:
    """Return the luma of a tile."""
    return luma(patch.levels)


@dataclass(frozen=True)
class View:
    """A tile of an answer, its target and its source, and which of its pixels count."""

    prediction: Patch
    target: Patch
    source: Patch
    frame: tuple[int, int]
    """(H, W) of the whole pictures"""
    inside: Area | None = None
    """of the tile's own pixels; None: all"""
    first: Sums | None = None
    """what Tally.first came to over all tiles"""
    shared: dict[Hashable, Any] = field(default_factory=dict)
    """may be one for several answers, with the same `inside`"""

    def made(self, how: Callable[[View, Patch], Made], patch: Patch) -> Made:
        """Return `how(self, patch)`, made at the first call only."""
        if (how, patch) not in self.shared:
            self.shared[how, patch] = how(self, patch)
        return cast(Made, self.shared[how, patch])

    def own(self, layer: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the pixels that count of a layer of the patch, (h, w, ...), as (n, ...)."""
        return self.counted(layer[self.target.tile.inner])

    def counted(self, part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the pixels that count of a layer of the tile's own part, as (n, ...)."""
        if self.inside is None:
            return part.reshape(-1, *part.shape[2:])
        return part[self.inside]


@dataclass(frozen=True)
class Tally:
    """How a metric is measured: `sums` of every tile are added up, `figures` follow from them."""

    sums: Callable[[View], Sums]
    figures: Callable[[Sums], tuple[Figure, ...]]
    first: Callable[[View], Sums] | None = None
    """sums over all tiles that must be known before the first tile of `sums`: `View.first`"""


def tallied(
    tally: Tally, prediction: Picture, target: Picture, source: Picture, area: Area | None
) -> tuple[Figure, ...]:
    """Return the figures over the area, which must not be empty, or over the frame."""
    pictures = (prediction, target, source)
    first = None if tally.first is None else total(tally.first, *pictures, area)
    return tally.figures(total(tally.sums, *pictures, area, first))


def total(
    sums: Callable[[View], Sums],
    prediction: Picture,
    target: Picture,
    source: Picture,
    area: Area | None,
    first: Sums | None = None,
) -> Sums:
    """Return the sums of all tiles of three pictures, added up."""
    frame = (target.shape[0], target.shape[1])

    def of(tile: Tile) -> Sums:
        ours, true, before = (Patch(picture, tile) for picture in (prediction, target, source))
        inside = None if area is None else area[tile.own]
        return sums(View(ours, true, before, frame, inside, first))

    tiles = tiles_of(*frame, HALO, SIDE)
    return added(in_order(of, (t for t in tiles if area is None or area[t.own].any())))


def added(sums: Iterable[Sums]) -> Sums:
    """Return the sum of the sums, of which there is at least one."""
    whole: Sums | None = None
    for part in sums:
        if whole is None:
            whole = part.copy()
        else:
            whole += part
    assert whole is not None
    return whole


def in_order(work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Yield the result of each job, in the order of the jobs, by as many threads as torch takes.

    Few are under way at a time, so that memory stays small. An interrupt is heeded between two.
    """
    import torch  # late: the figures of a finished report need no torch

    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(work, jobs)
        return
    # One thread each, or those of torch would come on top.
    pool = ThreadPoolExecutor(threads, "measure", torch.set_num_threads, (1,))
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
