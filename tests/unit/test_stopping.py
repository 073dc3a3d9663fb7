"""Signals that ask to stop, and what they may interrupt."""

from __future__ import annotations

import signal

import pytest

from unretouch.base.errors import ExitCode
from unretouch.training.stopping import Abandoned, StoppedNow, StopRequest


def test_the_first_signal_only_asks() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked == ExitCode.TERMINATED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_T4_what_may_be_abandoned_ends_at_the_first_signal(number: signal.Signals) -> None:
    with StopRequest() as stop:
        with pytest.raises(Abandoned), stop.abandonable():
            signal.raise_signal(number)
        assert stop.asked is not None
        # Whatever else may be abandoned is not begun.
        with pytest.raises(Abandoned), stop.abandonable():
            raise AssertionError


def test_T4_after_what_may_be_abandoned_a_signal_only_asks_again() -> None:
    with StopRequest() as stop:
        with stop.abandonable():
            pass
        signal.raise_signal(signal.SIGINT)
        assert stop.asked == ExitCode.INTERRUPTED
        with pytest.raises(StoppedNow):
            signal.raise_signal(signal.SIGINT)
