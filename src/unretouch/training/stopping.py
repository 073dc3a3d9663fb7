"""What ends a run before its schedule does.

A request: the first signal finishes the step and saves, the second stops now. Or a fit that is good
enough, as its previews show.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Literal

from unretouch.base.errors import ExitCode
from unretouch.runs.history import EarlyEnd
from unretouch.runs.status import Preview
from unretouch.settings.train import TrainSettings


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
    alike, so it never counts as the second. `heard` is called at the first signal, within whatever
    the main thread is doing.
    """

    def __init__(self, patient: bool = False, heard: Callable[[], None] = lambda: None) -> None:
        self.asked: ExitCode | None = None
        self._patient, self._heard = patient, heard
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
            self._heard()
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


# --- a fit that is good enough ----------------------------------------------------------------

PATIENCE = 0.25
"""Share of the schedule in which the error must fall by GAIN."""
GAIN = 0.005
LOOKS = 3
"""Previews in that time at least, lest one that came out badly decides."""
LONGEST_SHARE = 0.9
"""From here on the rate falls to zero, which is when the last of the error goes."""


def early_end(
    settings: TrainSettings, previews: Sequence[Preview], share_done: float, total_steps: int
) -> EarlyEnd | Literal[""]:
    """Return why the fast recipe may end now, or an empty text.

    `previews` are those taken so far, the newest last; `share_done` is that of the schedule. With
    the aims `restore` and `texture` only the schedule ends a run: what their training pairs show is
    not what they are for. When a preview is taken depends on the clock, so a run of a number of
    epochs, which is the same every time, ends early only where --target_error asks for it.
    """
    if settings.recipe != "fast" or settings.aim != "fit" or not previews:
        return ""
    newest = previews[-1].pairs
    if settings.target_error and _worst(previews[-1]) <= settings.target_error:
        return "target_reached"
    if settings.minutes is None:
        return ""
    if all(pair.exact_pixels == 1 and not pair.estimated for pair in newest):
        return "every_pixel_exact"
    since = previews[-1].step - PATIENCE * total_steps
    before = [p for p in previews if p.step <= since]
    after = previews[len(before) :]
    if not before or len(after) < LOOKS or share_done >= LONGEST_SHARE:
        return ""
    best = min(_mean(p) for p in after)
    # A fit that still does harm has not begun to gain.
    does_harm = best >= sum(p.identity_error for p in newest) / len(newest)
    gained = best <= (1 - GAIN) * min(_mean(p) for p in before)
    return "" if gained or does_harm else "no_more_gain"


def _worst(preview: Preview) -> float:
    return max(pair.level_error for pair in preview.pairs)


def _mean(preview: Preview) -> float:
    return sum(pair.level_error for pair in preview.pairs) / len(preview.pairs)
