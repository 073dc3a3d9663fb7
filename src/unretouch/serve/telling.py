"""`unretouch verify` and `unretouch compare` for the app: the same commands, which say in lines of
JSON how far they are.

    python -m unretouch.serve.telling COMMAND WORDS...
"""

from __future__ import annotations

import json

from rich.console import Console

from unretouch.base.errors import ExitCode
from unretouch.cli import run_program
from unretouch.jobs import child
from unretouch.settings.commands import CompareSettings
from unretouch.settings.parser import parse
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.compare import command as comparing
from unretouch.tasks.progress import Stage
from unretouch.tasks.verify import command as verifying


def main(words: list[str]) -> int:
    """Do what the words say; every line that is printed is a stage. Returns the exit code. Raises
    as the command does."""
    name, *rest = words
    console, program = Console(quiet=True), f"unretouch {name}"
    if name == "compare":
        return comparing.main(parse(CompareSettings, rest, program), console, _tell)
    verifying.verify(parse(VerifySettings, rest, program), console, _tell)
    return ExitCode.OK


def _tell(stage: Stage) -> None:
    told = {"doing": stage.doing.record(), "left_s": stage.left_s}
    print(json.dumps(told, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    raise SystemExit(run_program(main, child.tell_error))
