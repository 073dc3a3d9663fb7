"""A time budget, on a clock that the test moves: the rate is zero at its end, and not before."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from unretouch.training.fit import Update
from unretouch.training.progress import Epochs, Pace, Progress, usual
from unretouch.training.rhythm import RunClock

BUDGET = 600.0


class Clock(RunClock):
    """Seconds that only the test adds to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def seconds(self) -> float:
        return self.now


@dataclass
class Run:
    """A run whose steps take `seconds(elapsed)`; keeps when each began and by which progress."""

    seconds: Callable[[float], float]
    budget: float = BUDGET
    progress: Progress = field(init=False)
    went: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.progress = Progress(Epochs(3), 200, 1, self.budget, Pace(1000), clock=self.clock)

    def update(self, step: int, epoch: int, place: int, progress: float) -> Update:
        self.went.append((self.clock.now, progress))
        self.clock.now += self.seconds(self.clock.now)
        return Update(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ("pair",), 0.0)

    def after_epoch(self, mean_l1: float) -> None:
        pass

    def learning_rate(self) -> float:
        return 1.0

    def aside(self, seconds: float) -> None:
        """Something takes `seconds` between two steps: a preview, a save."""
        with self.progress.aside():
            self.clock.now += seconds

    def train(self, until: float = float("inf"), between: Callable[[], Any] = lambda: None) -> None:
        progress = self.progress
        while not (progress.done or progress.time_up) and progress.elapsed < until:
            progress.update(self)  # type: ignore[arg-type]
            between()

    def require_whole(self, begin: float = 0.0, end: float = BUDGET, slack: float = 0.05) -> None:
        """The rate fell from the time `begin` to the time `end`, evenly and to the very end."""
        self.require_end(end)
        for when, progress in self.went:
            assert progress == pytest.approx((when - begin) / (end - begin), abs=slack)

    def require_end(self, end: float = BUDGET) -> None:
        passed = [progress for _, progress in self.went]
        assert passed == sorted(passed)
        assert passed[-1] < 1.0
        assert passed[-1] > 0.97
        last = self.seconds(end - 1)
        assert end - 2 * last - 0.02 * end < self.clock.now <= end + last


@pytest.mark.parametrize("seconds", [0.1, 1.0, 5.0])
def test_the_rate_falls_evenly_over_the_time(seconds: float) -> None:
    run = Run(lambda _: seconds)
    run.train()
    run.require_whole()


def test_T1_a_first_preview_that_takes_half_of_the_time() -> None:
    run = Run(lambda _: 0.5)
    run.aside(300)
    run.train()
    run.require_whole(begin=300)


def test_T1_a_save_that_takes_half_of_the_time() -> None:
    run = Run(lambda _: 0.5)
    run.train(until=150)
    reached = run.went[-1][1]
    run.aside(300)
    run.train()
    run.require_end()
    assert reached == pytest.approx(0.25, abs=0.02)
    # What was left of the schedule is spread over the 150 seconds that are left.
    for when, progress in run.went:
        if when > 450:
            assert progress == pytest.approx(reached + (1 - reached) * (when - 450) / 150, abs=0.05)


def test_T1_time_is_left_for_the_last_preview() -> None:
    run = Run(lambda _: 0.5)
    run.progress.ending_s = 90.0
    run.train()
    run.require_whole(end=BUDGET - 90)


def test_T1_a_preview_that_takes_longer_every_time() -> None:
    run = Run(lambda _: 0.5)
    takes = iter([1.0] * 300 + [60.0] + [2.0] * 2000)
    run.train(between=lambda: run.aside(next(takes) if len(run.went) % 10 == 0 else 0.0))
    run.require_end()


@pytest.mark.parametrize(
    ("slow", "begin"), [(10.0, 0.0), (10.0, 200.0), (10.0, 500.0), (100.0, 0.0), (100.0, 200.0)]
)
def test_T2_steps_that_become_slower_and_fast_again(slow: float, begin: float) -> None:
    """For 80 seconds of ten minutes."""
    run = Run(lambda now: 0.2 * (slow if begin <= now < begin + 80 else 1.0))
    run.train()
    run.require_whole(slack=0.1)


def test_T2_steps_that_stay_slow() -> None:
    run = Run(lambda now: 2.0 if now > 300 else 0.2)
    run.train()
    run.require_whole(slack=0.1)


@pytest.mark.parametrize("begin", [10.0, 300.0])
def test_T2_one_step_is_held_up(begin: float) -> None:
    """It costs its minute, but the schedule does not run off, as if all would take that long."""
    run = Run(lambda now: 5.0)
    run.train(until=begin)
    run.seconds = lambda now: 60.0
    run.train(until=begin + 1)
    run.seconds = lambda now: 5.0
    run.train()
    run.require_whole(slack=0.12)
    passed = [progress for _, progress in run.went]
    assert max(b - a for a, b in itertools.pairwise(passed)) < 2 / len(passed)


def test_T2_a_slow_first_step_and_every_tenth_one() -> None:
    run = Run(lambda _: 0.0)
    run.seconds = lambda _: 30.0 if len(run.went) == 1 else 0.8 if len(run.went) % 10 else 3.0
    run.train()
    run.require_end()


def test_progress_depends_on_the_step_alone_between_two_measurements() -> None:
    """So that a run that was killed makes the same updates again; and the plan is in its state."""
    run = Run(lambda _: 0.01)
    run.train(until=100)
    state, pace = run.progress.state(), run.progress.pace
    again = Run(lambda _: 0.03)
    again.progress.restore(state, run.clock.now)
    for one in (run, again):
        one.went.clear()
        one.train(until=one.progress.elapsed + 1)
    assert run.progress.pace == again.progress.pace == pace
    assert [p for _, p in run.went][:30] == [p for _, p in again.went][:30]


def test_steps_that_are_a_guess_stay_one_after_a_stop_before_the_first_was_timed() -> None:
    run, again = Run(lambda _: 0.5), Run(lambda _: 0.5)
    run.progress.guess(1000)
    again.progress.restore(run.progress.state(), 2.0)
    assert again.progress.guessed
    again.train()
    assert not again.progress.guessed
    again.progress.restore(run.progress.state() | {"guessed": False}, 2.0)
    assert not again.progress.guessed
    old = run.progress.state()
    del old["guessed"]
    again.progress.restore(old, 2.0)
    assert not again.progress.guessed


def test_a_state_of_0_1_0_whose_schedule_was_over_has_one_again() -> None:
    run = Run(lambda _: 0.5)
    state = run.progress.state() | {"step": 40, "pace": {
        "total_steps": 365, "anchor_step": 30, "anchor_progress": 1.0}}  # fmt: skip
    run.progress.restore(state, 60.0)
    run.clock.now = 0.0
    assert run.progress.share_done() < 0.2
    run.train()
    assert run.went[-1][1] > 0.97


def test_a_run_of_epochs_takes_no_note_of_the_time() -> None:
    run = Run(lambda _: 5.0)
    run.progress.budget_s = run.progress.pace = None
    run.train(until=100.0, between=lambda: run.aside(50.0))
    assert [progress for _, progress in run.went] == [0.0, 1 / 600]


def test_what_held_up_a_few_steps_does_not_count() -> None:
    assert usual([1.0, 1.1, 0.9, 60.0]) == pytest.approx(1.05)
    assert usual([1.0, 60.0, 1.0]) == 1.0
    assert usual([2.0, 4.0]) == 3.0
    assert usual([0.0]) > 0
