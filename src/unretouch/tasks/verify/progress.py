"""How far a verification is."""

from __future__ import annotations

import time
from collections.abc import Callable

from unretouch.base.messages import _
from unretouch.metrics import Levels
from unretouch.pixels.spaces import Rgb
from unretouch.tasks.progress import FIGURES, Tell, Work
from unretouch.tasks.verify.probe import AMOUNTS, Predict

PROBED = sum(map(len, AMOUNTS.values()))


class Verifying(Work):
    """The work of a verification."""

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
        units = pairs * (1 + FIGURES) + probed * PROBED + turns * (turns + FIGURES)
        super().__init__(units, tell, now)
        self._pairs, self._turns, self._turn_s = pairs, turns, turn_s
        self._trained_s = 0.0
        self._turn_began: float | None = None
        self._turns_left = turns
        self._at = 0

    def counted(self, predict: Predict) -> Predict:
        """Return `predict`, each call of which counts as a unit."""

        def counting(rgb: Rgb) -> Levels:
            predicted = predict(rgb)
            self.add(1)
            return predicted

        return counting

    def begin_pair(self, name: str) -> None:
        """Say that the next pair is measured."""
        self._at += 1
        self.begin(
            _(
                "Measuring {pair}, {number} of {count}",
                pair=name,
                number=self._at,
                count=self._pairs,
            )
        )

    def begin_turn(self, name: str) -> None:
        """Say that a run is trained without the pair `name`."""
        self._end_turn()
        self._turn_began = self._now()
        self._turns_left -= 1
        self.begin(
            _(
                "Training without {pair}, {number} of {count}",
                pair=name,
                number=self._turns - self._turns_left,
                count=self._turns,
            )
        )

    def _end_turn(self) -> None:
        if self._turn_began is not None:
            self._trained_s += min(self._now() - self._turn_began, self._turn_s)
            self._turn_began = None

    def _left_s(self, besides_s: float = 0.0) -> float | None:
        now, training = self._now(), 0.0
        if self._turn_began is not None:
            training = min(now - self._turn_began, self._turn_s)
        measuring = super()._left_s(besides_s + self._trained_s + training)
        if measuring is None:
            return None
        left = self._turns_left * self._turn_s + measuring
        return left if self._turn_began is None else left + self._turn_s - training
