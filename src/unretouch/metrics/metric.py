"""What a metric is: how one figure about a prediction is named, read and measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float32]
"""A picture in grey levels: float32 (H, W, 3), 0 to 255, a prediction not rounded."""
Area = npt.NDArray[np.bool_]
"""The pixels that count: bool (H, W)."""
Figure = float | None
"""A measured number; None where it has no meaning."""
Measure = Callable[[Levels, Levels, Levels, Area | None], tuple[Figure, ...]]
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
    sentence for a photographer; `formula` says what is computed, and whose idea it is.
    """

    name: str
    unit: str
    lowest: float
    highest: float
    better: Better
    explanation: str
    formula: str
    measure: Measure
    parts: tuple[str, ...] = ("",)
    invariances: frozenset[Invariance] = frozenset()

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the figures, in the order of `parts`."""
        return tuple(f"{self.name}_{part}" if part else self.name for part in self.parts)

    def figures(
        self, prediction: Levels, target: Levels, source: Levels, area: Area | None = None
    ) -> dict[str, Figure]:
        """Return the figures by name, over `area` or, without one, the whole frame.

        All None over an empty area. Raises ValueError when the shapes differ.
        """
        _check_shapes(prediction, target, source, area=area)
        if area is not None and not area.any():
            return dict.fromkeys(self.keys)
        return dict(zip(self.keys, self.measure(prediction, target, source, area), strict=True))

    def badness(self, figure: float) -> float:
        """Return how far a figure is on the bad side: it grows as the figure gets worse."""
        if self.better == "one":
            return abs(math.log2(figure)) if figure > 0 else math.inf
        return figure if self.better == "lower" else -figure


def check(*pictures: Levels, area: Area | None = None) -> None:
    """Raise ValueError unless all pictures are (H, W, 3) of one size, and `area` bool (H, W) and
    not empty: a mean over nothing is no number."""
    _check_shapes(*pictures, area=area)
    if area is not None and not area.any():
        raise ValueError("the area is empty")


def _check_shapes(*pictures: Levels, area: Area | None) -> None:
    shape = pictures[0].shape
    if len(shape) != 3 or shape[2] != 3:
        raise ValueError(f"a picture is (H, W, 3), not {shape}")
    if any(picture.shape != shape for picture in pictures):
        raise ValueError(f"shapes differ: {[picture.shape for picture in pictures]}")
    if area is not None and (area.shape != shape[:2] or area.dtype != np.bool_):
        raise ValueError(f"the area is bool {shape[:2]}, not {area.dtype} {area.shape}")
