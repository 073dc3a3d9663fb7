"""Stopping on request: the first signal finishes the step and saves, the second stops now."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from unretouch.base.errors import ExitCode


class StoppedNow(KeyboardInterrupt):
    """A second signal came: leave without another save. `exit_code` is that of the first."""

    def __init__(self, exit_code: ExitCode) -> None:
        self.exit_code = exit_code
        super().__init__()


class StopRequest:
    """Catches Ctrl+C and SIGTERM while it is entered.

    After the first signal `asked` is the exit code to end with (130 or 143) and the loop is meant
    to stop by itself. A second signal raises StoppedNow, but never inside `held()`: a save under
    way is finished first. A `patient` one takes no note of it: another process decides.
    """

    def __init__(self, patient: bool = False) -> None:
        self.asked: ExitCode | None = None
        self._patient = patient
        self._holding = False
        self._urgent = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
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
        if self.asked is None:
            self.asked = ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.INTERRUPTED
        elif self._patient:
            pass
        elif self._holding:
            self._urgent = True
        else:
            raise StoppedNow(self.asked)

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
