"""How far a verification is: for whoever waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from unretouch.base.messages import Message, _
from unretouch.metrics import Levels
from unretouch.pixels.spaces import Rgb
from unretouch.tasks.verify.probe import AMOUNTS, Predict

FIGURES = 6
"""What the figures of a pair take, in predictions of it, about."""
PROBED = sum(map(len, AMOUNTS.values()))


@dataclass(frozen=True)
class Stage:
    """What is being done, and how long all of it will still take, in seconds; None before there is
    a measure."""

    doing: Message
    left_s: float | None


Tell = Callable[[Stage], None]


class Work:
    """The work of a verification in units of a prediction; says after each what is left."""

    def __init__(
        self,
        pairs: int,
        probed: int,
        turns: int,
        turn_s: float,
        tell: Tell,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pairs` are measured, `probed` of them by the memorisation probe, too; then `turns` runs
        are trained, `turn_s` seconds each."""
        self._pairs, self._turns, self._turn_s = pairs, turns, turn_s
        self._tell, self._now = tell, now
        self._units = pairs * (1 + FIGURES) + probed * PROBED + turns * (turns + FIGURES)
        self._done = 0
        self._began = now()
        self._trained_s = 0.0
        self._turn_began: float | None = None
        self._turns_left = turns
        self._at = 0
        self._doing = _("Reading the pairs")

    def counted(self, predict: Predict) -> Predict:
        """Return `predict`, each call of which counts as a unit."""

        def counting(rgb: Rgb) -> Levels:
            predicted = predict(rgb)
            self.add(1)
            return predicted

        return counting

    def add(self, units: int) -> None:
        """Count so many units as done."""
        self._done += units
        self._say()

    def begin_pair(self, name: str) -> None:
        """Say that the next pair is measured."""
        self._at += 1
        self._doing = _(
            "Measuring {pair}, {number} of {count}", pair=name, number=self._at, count=self._pairs
        )
        self._say()

    def begin_turn(self, name: str) -> None:
        """Say that a run is trained without the pair `name`."""
        self._end_turn()
        self._turn_began = self._now()
        self._turns_left -= 1
        self._doing = _(
            "Training without {pair}, {number} of {count}",
            pair=name,
            number=self._turns - self._turns_left,
            count=self._turns,
        )
        self._say()

    def _end_turn(self) -> None:
        if self._turn_began is not None:
            self._trained_s += min(self._now() - self._turn_began, self._turn_s)
            self._turn_began = None

    def _left_s(self) -> float | None:
        if not self._done:
            return None
        now = self._now()
        training = 0.0 if self._turn_began is None else min(now - self._turn_began, self._turn_s)
        a_unit = (now - self._began - self._trained_s - training) / self._done
        left = self._turns_left * self._turn_s + max(0, self._units - self._done) * a_unit
        return left if self._turn_began is None else left + self._turn_s - training

    def _say(self) -> None:
        self._tell(Stage(self._doing, self._left_s()))
