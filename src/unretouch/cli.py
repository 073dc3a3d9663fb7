"""The command `unretouch`: a table of subcommands, and the one place that prints errors.

Nothing heavy is imported here: `unretouch --help` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from unretouch import __version__
from unretouch.base.errors import DataError, ExitCode, UnretouchError, UsageError
from unretouch.base.terminal import tell
from unretouch.base.threads import wait_briefly

Main = Callable[[list[str]], int | None]
"""What a surface offers: its words without the program's name in, the exit code out."""
Explain = Callable[[UnretouchError], None]
"""Says an error otherwise than a terminal does."""

BROKEN_PIPE = 141
"""Exit code when the reader of our output has gone, as a shell reports SIGPIPE."""


class Command(NamedTuple):
    """One subcommand. Nothing of it is imported before it is called.

    `settings` is the `module:class` in settings/ that holds its flags, `main` the
    `module:function` that is called with an instance of it and returns the exit code; with
    `reads_words` it reads the words itself.
    """

    name: str
    about: str
    main: str
    settings: str
    reads_words: bool = False


COMMANDS = (
    Command("demo", "see it work on one portrait, no data needed",
            "tasks.demo:run_demo", "commands:DemoSettings"),
    Command("train", "learn the way back from a folder of pairs",
            "tasks.classic_commands:train", "train:TrainOptions", reads_words=True),
    Command("apply", "restore photographs at their full size",
            "tasks.apply.command:main", "commands:ApplySettings", reads_words=True),
    Command("export", "a run as ONNX or other weights",
            "tasks.export:main", "commands:ExportSettings"),
    Command("test", "apply a run to its pairs or to new pictures",
            "tasks.classic_commands:test", "test:TestSettings", reads_words=True),
    Command("compare", "rank runs, and say which to take",
            "tasks.compare.command:main", "commands:CompareSettings"),
    Command("sweep", "train many runs that differ in settings, and compare them",
            "tasks.sweep.command:main", "commands:SweepFlags", reads_words=True),
    Command("verify", "prove it: figures, pictures, verdicts",
            "tasks.verify.command:main", "verify:VerifySettings"),
    Command("pair", "make pairs from two folders, or by simulation",
            "tasks.pair:main", "commands:PairSettings"),
    Command("serve", "do all of this in a browser",
            "serve.server:serve", "commands:ServeSettings"),
    Command("doctor", "what this computer offers, and what to do about what is missing",
            "tasks.doctor:main", "commands:DoctorSettings"),
)  # fmt: skip


def main() -> int:
    """Run the command `unretouch` on sys.argv and return the exit code."""
    return run_program(dispatch)


def dispatch(argv: list[str]) -> int | None:
    """Run the subcommand that `argv` begins with. Raises UsageError for an unknown one."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return ExitCode.OK
    if argv[0] == "--version":
        print(f"unretouch {__version__}")
        return ExitCode.OK
    if argv[0] == "--print-completion":
        from unretouch.settings.parser import print_completion  # late, as all of settings

        table = [(each.name, each.about, settings_of(each)) for each in COMMANDS]
        return print_completion(argv[1:], table)
    names = [command.name for command in COMMANDS]
    if argv[0] not in names:
        from unretouch.settings.fields import nearest_hint

        hint = nearest_hint(argv[0], names) or f"Commands: {', '.join(names)}"
        raise UsageError("unknown command", argv[0], hint)
    command = COMMANDS[names.index(argv[0])]
    words: Any = argv[1:]
    if not command.reads_words:
        from unretouch.settings.parser import parse

        words = parse(settings_of(command), words, f"unretouch {command.name}")
    code: int | None = _named(f"unretouch.{command.main}")(words)
    return code


def settings_of(command: Command) -> type:
    """Return the class that holds the flags of a command."""
    found: type = _named(f"unretouch.settings.{command.settings}")
    return found


def _named(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def overview() -> str:
    """Return what `unretouch --help` prints."""
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.about}" for command in COMMANDS]
    return "\n".join(
        [
            "usage: unretouch COMMAND [FLAGS]",
            "",
            "Learn the way back from a retouched portrait to real skin.",
            "",
            *lines,
            "",
            "unretouch COMMAND --help   every flag of a command",
            "unretouch --version        the version",
            "unretouch --print-completion bash   a script for the shell; also zsh, tcsh, fish",
            "--debug                    after any command: the traceback of an error",
        ]
    )


def run_program(command: Main, explain: Explain | None = None) -> int:
    """Run `command` on sys.argv as the last thing this process does; return the exit code. See
    `run`."""
    code = run(command, explain=explain)
    # All is saved and said: a second Ctrl+C while Python shuts down would only print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def run(command: Main, argv: list[str] | None = None, explain: Explain | None = None) -> int:
    """Run `command` on `argv` (sys.argv without its first word) and return the exit code.

    An UnretouchError becomes lines on stderr, or what `explain` makes of it, and its exit code;
    with `--debug` among the words its
    traceback comes first. Ctrl+C gives 130, a reader that has gone 141. Errors that no person can
    mend are bugs and keep their traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    _let_any_text_be_printed()
    wait_briefly()
    try:
        try:
            return command(words) or ExitCode.OK
        finally:  # a broken pipe shows here and not at interpreter exit
            sys.stdout.flush()
    except SystemExit as leaving:  # the help was asked for
        return int(leaving.code or 0)
    except BrokenPipeError:
        # Python flushes stdout once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (KeyboardInterrupt, UnretouchError, ModuleNotFoundError, PermissionError) as error:
        if debug:
            import traceback  # late: only for a mistake

            traceback.print_exc()
        if explain is not None and isinstance(error, UnretouchError):
            explain(error)
            return error.exit_code
        said, code = _explained(error)
        for line in said.splitlines():
            tell(f"unretouch: {line}", sys.stderr)
        return code


def _explained(error: BaseException) -> tuple[str, int]:
    """Return what is said of an error that ends a command, and the exit code."""
    if isinstance(error, UnretouchError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed. Run: pip install .", ExitCode.USAGE
    if isinstance(error, PermissionError):  # where nobody asked before whether it may be opened
        said = DataError("cannot be opened: permission denied", error.filename or "")
        return str(said), said.exit_code
    return "stopped by Ctrl+C", ExitCode.INTERRUPTED


def _let_any_text_be_printed() -> None:
    # A console or pipe with an old code page has no box characters, perhaps no Korean either:
    # better a question mark than an error while printing. Python does so on stderr by itself.
    with contextlib.suppress(AttributeError):  # a stdout that was replaced, as tests do
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
