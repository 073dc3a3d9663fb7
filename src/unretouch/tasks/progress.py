"""How far a long task is: for whoever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from unretouch.base.messages import Message, _

FIGURES = 6
"""What the figures of a pair take, in predictions of it, about."""


@dataclass(frozen=True)
class Stage:
    """What is being done, and how long all of it will still take, in seconds; None before there is
    a measure."""

    doing: Message
    left_s: float | None


Tell = Callable[[Stage], None]


def tell_nobody(_stage: Stage) -> None:
    """Say nothing: nobody waits."""


class Work:
    """Work in units of a prediction; says after each what is left."""

    def __init__(
        self, units: int, tell: Tell = tell_nobody, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._units, self._tell, self._now = units, tell, now
        self._done = 0
        self._began = now()
        self._doing = _("Reading the pairs")

    def add(self, units: int) -> None:
        """Count so many units as done."""
        self._done += units
        self._say()

    def begin(self, doing: Message) -> None:
        """Say what is done next."""
        self._doing = doing
        self._say()

    def _left_s(self, besides_s: float = 0.0) -> float | None:
        """Return what the units left will take, where `besides_s` went into something else."""
        if not self._done:
            return None
        a_unit = (self._now() - self._began - besides_s) / self._done
        return max(0, self._units - self._done) * a_unit

    def _say(self) -> None:
        self._tell(Stage(self._doing, self._left_s()))
