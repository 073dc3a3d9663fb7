"""The errors a person can cause, each with what happened, where, and what to do about it."""

from __future__ import annotations

from enum import IntEnum

from unretouch.base.messages import Message, Words, _, message_of, untranslated


class ExitCode(IntEnum):
    """Exit codes of every unretouch command."""

    OK = 0
    USAGE = 2
    DATA = 3
    CHECKPOINT = 4
    NON_FINITE = 5
    DISK = 6
    VERIFICATION = 7
    PROCESS_LOST = 8
    INTERRUPTED = 130
    TERMINATED = 143


class UnretouchError(Exception):
    """Something a person can mend. Printed as `where: what. hint`, without a traceback.

    `what` says what is wrong, `where` names the file, folder or flag, `hint` says what to do. A
    terminal says it in English; what the app shows as well are messages.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, what: Words, where: object = "", hint: Words = "") -> None:
        self.what = what
        self.where = str(where)
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else str(self.what)
        return f"{head}. {self.hint}" if self.hint else head

    @property
    def message(self) -> Message:
        """What a page says of it, which names the file by itself, if at all."""
        what = message_of(self.what)
        return _("{what}. {hint}", what=what, hint=self.hint) if self.hint else what

    @property
    def stop_reason(self) -> str:
        """Why a run stopped that this ended: a word that its page translates, else the error."""
        return str(self)


class UsageError(UnretouchError):
    """A wrong flag, value or name."""


class DataError(UnretouchError):
    """Something wrong with pictures, pairs or folders of the user, or a run already in use."""

    exit_code = ExitCode.DATA


class ManyDataErrors(DataError):
    """Several things wrong with the data, found together so that all can be mended at once."""

    def __init__(self, problems: list[DataError]) -> None:
        self.problems = problems
        super().__init__(f"{len(problems)} problems with the data")

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)

    @property
    def message(self) -> Message:
        return untranslated(str(self))  # each with its place


class CheckpointError(UnretouchError):
    """A checkpoint or weights file that is damaged, hostile, or does not fit the run."""

    exit_code = ExitCode.CHECKPOINT


class NonFiniteError(UnretouchError):
    """NaN or infinity in a loss or a gradient; raised before any update is applied."""

    exit_code = ExitCode.NON_FINITE

    def at(self, step: int, pairs: tuple[str, ...]) -> NonFiniteError:
        """Return the same error, saying which update it would have been, and on which pairs."""
        place = f"step {step + 1}, pair {', '.join(pairs)}"
        return NonFiniteError(self.what, place, self.hint)

    @property
    def stop_reason(self) -> str:
        return "non_finite"


class DiskError(UnretouchError):
    """A file could not be written: read-only folder, folder gone, or a disk that is `full`."""

    exit_code = ExitCode.DISK

    def __init__(
        self, what: Words, where: object = "", hint: Words = "", *, full: bool = False
    ) -> None:
        super().__init__(what, where, hint)
        self.full = full

    @property
    def stop_reason(self) -> str:
        return "disk_full" if self.full else str(self)


class VerificationError(UnretouchError):
    """The figures stay below the level that `--fail_below` asked for."""

    exit_code = ExitCode.VERIFICATION


class ProcessLostError(UnretouchError):
    """Another process of the run has died or fallen silent, so that this one cannot go on."""

    exit_code = ExitCode.PROCESS_LOST


def install_hint(extra: str = "") -> Message:
    """Return what to do where a package of `extra`, or of the core, is missing.

    From the folder of unretouch, since it is on no package index.
    """
    command = f"pip install '.[{extra}]'" if extra else "pip install ."
    return _("In the folder of unretouch, run: {command}", command=command)
