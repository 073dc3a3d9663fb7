"""When something is due, and which of the old files stay: by steps, time and sizes."""

from __future__ import annotations

import math
from collections.abc import Collection

LOG_LINES = 2000
"""Log lines a run is given at most when --print_freq is not set."""
KEPT_WEIGHTS = 20
"""Numbered weights kept at most, however small they are."""
SAVE_EVERY_S = 300.0
"""Seconds between two saves of the state at least when --save_latest_freq is not set."""
PREVIEWS_SHARE = 0.013
"""Share of the training time that previews may cost."""
PAGE_SHARE = 0.002
"""The same for the files of the live page."""
SAVES_SHARE = 0.03
WEIGHTS_SHARE = 0.02
"""The same for states and for numbered weights, where the run has as many updates as it needs."""
TIMED_SAVES_SHARE = 0.003
TIMED_WEIGHTS_SHARE = 0.0015
"""The same with a time budget, whose updates they cost."""
BETWEEN_STEPS_SHARE = PREVIEWS_SHARE + PAGE_SHARE + TIMED_SAVES_SHARE + TIMED_WEIGHTS_SHARE
"""All of it with a time budget, the first and the last of each left aside: less than 2 %."""
LAST_SHARE = 0.2
"""Share of a time budget that is kept for the last preview, or for the last save, at most."""
LAST_MARGIN = 1.25
"""Times what the newest one took that are kept for it."""


def kept_for_the_last(cost: float, budget_s: float) -> float:
    """Return the seconds of a time budget to keep for the last preview, or the last save, where the
    newest took `cost` seconds: none where it takes too large a share of the budget."""
    return LAST_MARGIN * cost if cost <= LAST_SHARE * budget_s else 0.0


def log_every(total_steps: int) -> int:
    """Return the steps between two log lines: every step for short runs."""
    return max(1, total_steps // LOG_LINES)


def passed(every: int, images_before: int, images_now: int) -> bool:
    """Whether a multiple of `every` images was reached by the last step."""
    return images_before // every != images_now // every


class CostShare:
    """Says when a costly thing is due so that, over time, it takes `share` of it at most.

    `shortest` seconds lie between two of them at least, and the share `growth` of the time run so
    far: above zero it keeps a long run from piling them up.
    """

    def __init__(self, shortest: float, growth: float, share: float) -> None:
        self._shortest, self._growth, self._share = shortest, growth, share
        self._affordable = self._next = 0.0

    def affordable(self, elapsed: float) -> bool:
        """Whether after `elapsed` seconds of training its share of them is not used up."""
        return elapsed >= self._affordable

    def due(self, elapsed: float) -> bool:
        """Whether it is due after `elapsed` seconds of training."""
        return elapsed >= self._next

    def spent(self, elapsed: float, cost: float, total: float = math.inf) -> None:
        """Record that at `elapsed` seconds it was done and took `cost` seconds.

        `total` seconds of training are to be expected: what it costs at their beginning and at
        their end is part of the share.
        """
        share = self._share - 2 * cost / total
        self._affordable = elapsed + (cost / share if share > 0 else math.inf)
        soonest = elapsed + max(self._shortest, elapsed * self._growth)
        self._next = max(self._affordable, soonest)


def thinned(steps: Collection[int], limit: int, keep: Collection[int] = ()) -> list[int]:
    """Return at most `limit` of `steps`: `keep`, the last, the first, and evenly between.

    Evenly on a logarithmic scale: the step goes whose neighbours lie closest together in relation
    to it, since a run changes fastest at its start. Where there is no room for all of them, the
    first goes, then the last; `keep` always stays.
    """
    kept = sorted(steps)

    def crowding(index: int) -> float:
        return (kept[index + 1] - kept[index - 1]) / (kept[index] + 1)

    while len(kept) > max(limit, 1):
        between = [i for i in range(1, len(kept) - 1) if kept[i] not in keep]
        ends = [i for i in (0, len(kept) - 1) if kept[i] not in keep]
        if not between and not ends:
            break
        del kept[min(between, key=crowding) if between else ends[0]]
    return kept
