"""The order of the runs: by plain error, recovered share and texture, never by G_L1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unretouch.metrics import Figure
from unretouch.tasks.compare.measuring import RunScore


@dataclass(frozen=True)
class Places:
    """Where a run stands among the others, from 1; runs that look equal share a place."""

    error: int
    recovered: int
    texture: int
    overall: int
    """by the sum of the three; of equal sums, the smaller error is first"""


def rank(scores: Mapping[str, RunScore]) -> dict[str, Places]:
    """Return the places by run, best first.

    Figures are compared as they are shown (error to 0.001 grey levels, shares to 0.1 %): what
    looks equal in the table is equal.
    """
    names = list(scores)
    error = _places([round(scores[name].level_error, 3) for name in names])
    recovered = _places([_shown(scores[name].recovered_share) for name in names])
    texture = _places([_shown(scores[name].texture.recovered) for name in names])
    sums = [sum(places) for places in zip(error, recovered, texture, strict=True)]
    order = sorted(range(len(names)), key=lambda i: (sums[i], scores[names[i]].level_error))
    return {
        names[i]: Places(error[i], recovered[i], texture[i], overall)
        for overall, i in enumerate(order, 1)
    }


def _places(badness: Sequence[float]) -> list[int]:
    """Return 1 + the number of runs that are better."""
    return [1 + sum(other < value for other in badness) for value in badness]


def _shown(share: Figure) -> float:
    """Return how bad a share is; all alike where there was nothing to recover."""
    return 0.0 if share is None else -round(share, 3)
