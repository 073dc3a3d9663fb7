"""What a metric is: how one figure about a prediction is named, read and measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unretouch.metrics.pictures import Area, Figure, Picture, check, check_shapes
from unretouch.metrics.tally import Patch, Sums, Tally, View, tallied

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
