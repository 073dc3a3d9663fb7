"""The clock of a run: what is a pause, and what is not."""

from __future__ import annotations

import pytest

from unretouch.training.rhythm import RunClock, in_words, pause_in


def test_T3_a_process_that_neither_beats_nor_computes_was_suspended() -> None:
    assert pause_in(gap=720.0, busy=0.0) == 720.0
    assert pause_in(gap=720.0, busy=0.25) == 719.75  # the time since the last beat before it


@pytest.mark.parametrize(
    ("gap", "busy"),
    [
        (0.25, 0.0),  # asleep until the next beat
        (2.0, 0.0),  # the machine is busy with others
        (20.0, 19.0),  # one long computation that lets no other thread in
        (20.0, 4.0),  # the same on a machine that is busy with others
    ],
)
def test_T3_a_busy_machine_and_long_work_are_no_pause(gap: float, busy: float) -> None:
    assert pause_in(gap, busy) == 0.0


def test_T3_pauses_are_left_out_of_the_seconds() -> None:
    now, busy = [1000.0], [5.0]
    clock = RunClock(lambda: now[0], lambda: busy[0])
    assert clock.seconds() == 0.0
    with clock:
        for computed in (2.0, 30.0):
            now[0] += computed
            busy[0] += computed
            clock.seconds()
        assert clock.seconds() == 32.0
        for paused in (60.0, 5.0):
            now[0] += paused
            assert clock.seconds() == 32.0
            assert clock.seconds() == 32.0
        assert clock.pauses == (60.0, 5.0)
        now[0] += 1.0
    now[0] += 100.0
    assert clock.seconds() == 33.0


def test_a_clock_that_is_looked_at_by_nobody_beats_by_itself() -> None:
    """Without a pause: nobody has looked for long, but it has run."""
    now = [0.0]

    def going_on() -> float:
        now[0] += 1.0
        return now[0]

    with RunClock(going_on, lambda: 0.0) as clock:
        before = now[0]
        clock._end.wait(0.7)
        assert now[0] > before
        assert clock.pauses == ()


def test_durations_are_said_in_words() -> None:
    said = [in_words(seconds) for seconds in (4.4, 119, 720, 3599, 3600, 11_100)]
    assert said == ["4 s", "119 s", "12 min", "1 h 00 min", "1 h 00 min", "3 h 05 min"]
