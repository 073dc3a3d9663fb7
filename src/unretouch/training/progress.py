"""How far a run has come: its epochs, its pace by a time budget, and what must survive a stop."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from unretouch.training import rhythm
from unretouch.training.fit import Fit, Update
from unretouch.training.rhythm import RunClock

MEASURED_SHARE = 0.02
"""Of a time budget, or of the schedule, between two measurements of the pace."""
FEWEST_TIMED = 3
"""Steps by which the pace is measured, where there are as many."""
MOST_TIMED = 500
"""The same at most: more of them would say nothing new."""
SUMMED = ("G_GAN", "G_L1", "D_real", "D_fake", "mean_error", "identity")
"""What of an Update a log line tells the mean of."""


@dataclass(frozen=True)
class Epochs:
    """Epochs in steps. From `anchor_step` on, when `anchor_epoch` epochs were done, every epoch has
    `steps_per_epoch` steps; the anchor moves when the number of pairs or the batch size changes.
    """

    steps_per_epoch: int
    anchor_epoch: int = 0
    anchor_step: int = 0

    def of_step(self, step: int) -> int:
        """Return the epoch (from 1) that the update after `step` updates belongs to."""
        return self.anchor_epoch + (step - self.anchor_step) // self.steps_per_epoch + 1

    def place_in_epoch(self, step: int) -> int:
        """Return how many updates of its epoch lie before the update after `step` updates."""
        return (step - self.anchor_step) % self.steps_per_epoch

    def last_step(self, total_epochs: int) -> int:
        """Return how many updates there are when `total_epochs` epochs are done."""
        return self.anchor_step + max(0, total_epochs - self.anchor_epoch) * self.steps_per_epoch


@dataclass(frozen=True)
class Pace:
    """Progress from 0 to 1 through a schedule, linear in steps from an anchor to the last step.

    A time budget is turned into a number of steps, which is measured again now and then. Between
    two measurements progress depends on the step alone, and the anchor is part of the state.
    """

    total_steps: int
    anchor_step: int = 0
    anchor_progress: float = 0.0

    def progress(self, step: int) -> float:
        """Return the progress after `step` updates, in [0, 1]."""
        left = self.total_steps - self.anchor_step
        if left <= 0 or step >= self.total_steps:
            return 1.0
        return self.anchor_progress + (1 - self.anchor_progress) * (step - self.anchor_step) / left

    def measured(self, step: int, seconds_a_step: float, seconds_left: float) -> Pace:
        """Return the pace that uses up `seconds_left` from `step` on, by whole steps that fit.

        Progress goes on from where it was: at once linear in time again, whatever was planned. A
        plan that had too few steps ends at this one; then it goes on from the last update's, since
        a schedule that is over would never come back.
        """
        left = max(0, math.floor(seconds_left / seconds_a_step))
        reached = self.anchor_progress
        if self.anchor_step < self.total_steps:
            reached = self.progress(min(step, self.total_steps - 1))
        return Pace(step + left, step, reached)


def no_sums() -> dict[str, float]:
    """Return what `Progress.sums` is before the first update."""
    return {"count": 0, **dict.fromkeys(SUMMED, 0.0)}


@dataclass
class Progress:
    """Where a run stands. `state()` is the part that decides how it goes on."""

    epochs: Epochs
    total_epochs: int
    batch_size: int
    budget_s: float | None = None
    pace: Pace | None = None
    guessed: bool = False
    """whether the steps of the pace are a guess: none was timed yet"""
    step: int = 0
    ending_s: float = 0.0
    """seconds of a time budget to be left for what comes after the last update"""
    clock: RunClock = field(default_factory=RunClock)
    sums: dict[str, float] = field(default_factory=no_sums)
    """`count` updates since the last log line, and the sums of what was SUMMED over them"""
    epoch_l1: float = 0.0
    update_s: float = 0.0
    """seconds that the last update took"""
    lr: float = 0.0
    """the rate of the last update"""

    _before: float = 0.0
    _steps_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TIMED))
    """seconds of the newest steps, those since the last measurement and a few before"""
    _step_began: float = 0.0
    _measured_from: tuple[int, float] = (0, 0.0)

    @property
    def elapsed(self) -> float:
        """Seconds in this and all earlier processes: previews and saves counted, pauses not."""
        return self._before + self.clock.seconds()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take no time inside for that of a step: a preview, a save."""
        began = self.elapsed
        yield
        self._step_began += self.elapsed - began

    def has_room(self, seconds: float) -> bool:
        """Whether a time budget has so many `seconds` beside those that its end needs."""
        return self.budget_s is None or self.elapsed + seconds + self.ending_s <= self.budget_s

    def fits_a_last(self, seconds: float) -> bool:
        """Whether something may follow the last update that takes `seconds`: a time budget may be
        exceeded by a hundredth, lest a step that was held up costs the last picture."""
        return self.budget_s is None or self.elapsed + seconds <= 1.01 * self.budget_s

    @property
    def total_steps(self) -> int:
        """Updates of the whole run, as far as is known now."""
        if self.pace is not None:
            return self.pace.total_steps
        return self.epochs.last_step(self.total_epochs)

    def guess(self, steps: int, share: float = 0.0) -> None:
        """Take so many more steps for the rest of a time budget, `share` of which is used up, until
        the first updates are timed."""
        self.pace, self.guessed = Pace(self.step + steps, self.step, share), True

    @property
    def epoch(self) -> int:
        """The epoch, from 1, of the last update; 0 before the first."""
        if self.step > self.epochs.anchor_step:
            return self.epochs.of_step(self.step - 1)
        return self.epochs.anchor_epoch

    @property
    def done(self) -> bool:
        """Whether every update of the run is made."""
        return self.step >= self.total_steps

    @property
    def time_up(self) -> bool:
        """Whether the time budget is used up."""
        return self.budget_s is not None and self.elapsed >= self.budget_s

    @property
    def epoch_ended(self) -> bool:
        """Whether the last update was the last of its epoch."""
        return self.step > self.epochs.anchor_step and self.epochs.place_in_epoch(self.step) == 0

    def share_done(self) -> float:
        """Return the progress through the schedule, in [0, 1]."""
        if self.pace is not None:
            return self.pace.progress(self.step)
        return min(1.0, self.step / max(1, self.total_steps))

    def update(self, fit: Fit, share_done: float | None = None) -> Update:
        """Make one update and take note of its losses and of the time it took.

        `share_done` is the progress by which it goes, where another process measures it.
        """
        began = self.elapsed
        epoch, place = self.epochs.of_step(self.step), self.epochs.place_in_epoch(self.step)
        progress = self.share_done() if share_done is None else share_done
        update = fit.update(self.step, epoch, place, progress)
        self.step += 1
        self.sums["count"] += 1
        for name in SUMMED:
            self.sums[name] += getattr(update, name)
        self.epoch_l1 += update.mean_error
        if self.epoch_ended:
            fit.after_epoch(self.epoch_l1 / self.epochs.steps_per_epoch)
            self.epoch_l1 = 0.0
        self.lr = fit.learning_rate()
        now = self.elapsed
        self.update_s = now - began
        if share_done is None and self.budget_s is not None and self.pace is not None:
            self._steps_s.append(now - self._step_began)
            self._measure(now, self.budget_s, self.pace)
        self._step_began = now
        return update

    def _measure(self, now: float, budget_s: float, pace: Pace) -> None:
        """Now and then, fit the number of steps to the time that is left.

        Every MEASURED_SHARE of the budget, since other programs come and go; of the schedule, since
        a plan made in a slow moment goes through it too fast; and where the plan or the time ends.
        """
        left = budget_s - self.ending_s - now
        if (
            now - self._measured_from[1] >= MEASURED_SHARE * budget_s
            or pace.progress(self.step) - pace.anchor_progress >= MEASURED_SHARE
            or self.step >= pace.total_steps
            or left <= 0
        ):
            # What comes between steps takes its share of the time that is left, too.
            left *= 1 - rhythm.BETWEEN_STEPS_SHARE
            self.pace = pace.measured(self.step, usual(self._steps_s), left)
            self._measured_from, self.guessed = (self.step, now), False
            while len(self._steps_s) > FEWEST_TIMED - 1:
                self._steps_s.popleft()

    def passed(self, every_images: int) -> bool:
        """Whether a multiple of so many pictures was reached by the last step."""
        before = (self.step - 1) * self.batch_size
        return rhythm.passed(every_images, before, before + self.batch_size)

    def means(self) -> dict[str, float]:
        """Return the means of what was SUMMED since they were asked for before."""
        sums, self.sums = self.sums, no_sums()
        return {name: sums[name] / sums["count"] for name in SUMMED}

    def begin_epochs(self, steps_per_epoch: int, epochs_done: int) -> None:
        """Count epochs of another length, or from another number, from this step on."""
        self.epochs = Epochs(steps_per_epoch, epochs_done, self.step)
        self.epoch_l1 = 0.0

    def state(self) -> dict[str, Any]:
        """Return what decides how the run goes on, as plain values."""
        return {
            "step": self.step,
            "epochs": asdict(self.epochs),
            "pace": asdict(self.pace) if self.pace else None,
            "guessed": self.guessed,
            "sums": dict(self.sums),
            "epoch_l1": self.epoch_l1,
        }

    def restore(self, state: dict[str, Any], elapsed: float) -> None:
        """Go back to a `state`; a budget of this call replaces that of the saved one."""
        self.step = state["step"]
        self.epochs = Epochs(**state["epochs"])
        if self.pace is not None and state["pace"] is not None:
            # A state of before this was on record has steps that were timed.
            self.pace, self.guessed = Pace(**state["pace"]), state.get("guessed", False)
        self.sums = {name: state["sums"][name] for name in no_sums()}
        self.epoch_l1 = state["epoch_l1"]
        self._before = self._step_began = elapsed
        self._measured_from = (self.step, elapsed)
        if self.pace is not None and self.budget_s and self.pace.anchor_progress >= 1:
            # Saved by 0.1.0, whose schedule could be over, for ever, while there was time left.
            share = min(1.0, elapsed / self.budget_s)
            self.pace = replace(self.pace, anchor_progress=share)

    def left_s(self) -> float | None:
        """Return the seconds left, or None before there is a measure."""
        if self.budget_s is not None:
            return max(0.0, self.budget_s - self.elapsed)
        from_step, from_elapsed = self._measured_from
        if self.step <= from_step:
            return None
        a_step = (self.elapsed - from_elapsed) / (self.step - from_step)
        return (self.total_steps - self.step) * a_step


def usual(seconds: Sequence[float]) -> float:
    """Return the mean of the middle half: a few steps that something held up do not count."""
    cut = (len(seconds) + 1) // 4
    middle = sorted(seconds)[cut : len(seconds) - cut]
    return max(sum(middle) / len(middle), 1e-6)
