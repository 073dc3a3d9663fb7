"""Stopping on request: the first signal finishes the step and saves, the second stops now."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from unretouch.base.errors import ExitCode


class StoppedNow(KeyboardInterrupt):
    """A second signal came: leave without another save. `exit_code` is that of the first."""

    def __init__(self, exit_code: ExitCode) -> None:
        self.exit_code = exit_code
        super().__init__()


class Abandoned(KeyboardInterrupt):
    """The first signal came where what is under way may be left unfinished."""


def stop_signals() -> list[signal.Signals]:
    """Return the signals that ask to stop: Ctrl+C, SIGTERM, and that the terminal was closed.

    That last one is left alone where it is to be ignored, as after nohup.
    """
    asking = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        asking.append(signal.SIGHUP)
    return asking


def exit_code_of(number: int) -> ExitCode:
    """Return 130 for Ctrl+C, 143 for SIGTERM and for a terminal that was closed."""
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED


def is_hangup(number: int) -> bool:
    """Return whether the signal says that the terminal was closed (never on Windows)."""
    return number == getattr(signal, "SIGHUP", None)


def leave_terminal() -> None:
    """Print into nothing from now on: writing to a terminal that is gone would fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        with suppress(OSError):  # closed by whoever started us
            if stat.S_ISCHR(os.fstat(stream).st_mode):
                os.dup2(nothing, stream)
    os.close(nothing)


class StopRequest:
    """Catches the signals that ask to stop while it is entered.

    After the first signal `asked` is the exit code to end with (130 or 143) and the loop is meant
    to stop by itself; inside `abandonable()` it raises Abandoned, too. A second signal raises
    StoppedNow, but never inside `held()`: a save under way is finished first. A `patient` one takes
    no note of it: another process decides. That the terminal was closed is told by shell and kernel
    alike, so it never counts as the second.
    """

    def __init__(self, patient: bool = False) -> None:
        self.asked: ExitCode | None = None
        self._patient = patient
        self._holding = False
        self._abandonable = False
        self._urgent = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in stop_signals():
            try:
                self._before[number] = signal.signal(number, self._receive)
            except ValueError:  # not in the main thread: whoever runs us there stops us otherwise
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if is_hangup(number):
            leave_terminal()
        if self.asked is None:
            self.asked = exit_code_of(number)
            if self._abandonable:
                raise Abandoned
        elif self._patient or is_hangup(number):
            pass
        elif self._holding:
            self._urgent = True
        else:
            raise StoppedNow(self.asked)

    @contextmanager
    def abandonable(self) -> Iterator[None]:
        """Let the first signal end what is inside, by Abandoned: something long, without which the
        run is whole. Python raises it as soon as the call of a library returns that is under way,
        so nothing inside has to ask; it may come anywhere, so nothing inside may be trusted then.
        """
        self._abandonable = True
        try:
            if self.asked is not None:
                raise Abandoned
            yield
        finally:
            self._abandonable = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold back signals while files are being written."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._urgent and self.asked is not None:
            self._urgent = False
            raise StoppedNow(self.asked)
