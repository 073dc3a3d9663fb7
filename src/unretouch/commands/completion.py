"""`unretouch --print-completion SHELL`: a script by which a shell completes the whole command."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
from typing import Any, Literal, get_args, get_origin

from unretouch.base.errors import ExitCode, UsageError
from unretouch.cli import COMMANDS, Command
from unretouch.settings.parser import Flag, flags_of

FOLDERS = frozenset({
    "checkpoints_dir", "dataroot", "datasets_dir", "heldout", "images", "like", "out", "pairs",
    "results_dir",
})  # fmt: skip
FILES = frozenset({"mask", "photo", "self_test", "simulate", "weights"})
"""Flags after which the shell offers folders, and files."""


def main(argv: list[str]) -> int:
    """Print the script for the shell that `argv` names. Raises UsageError."""
    import shtab  # late: no other start pays for it

    if len(argv) != 1 or argv[0] not in shtab.SUPPORTED_SHELLS:
        shells = ", ".join(shtab.SUPPORTED_SHELLS)
        raise UsageError(f"needs one of {shells}", "--print-completion")
    print(shtab.complete(_parser(), argv[0]))
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    """Return a parser with all commands and flags. It only serves to be looked at by shtab."""
    parser = argparse.ArgumentParser("unretouch")
    parser.add_argument("--version", action="store_true")
    commands = parser.add_subparsers()
    for command in COMMANDS:
        _add(commands.add_parser(command.name, help=command.about), command)
    return parser


def _add(parser: argparse.ArgumentParser, command: Command) -> None:
    module, _, name = command.options.partition(":")
    schema = getattr(importlib.import_module(module), name)
    flags = flags_of(schema)
    for flag in flags.values():
        _complete(parser.add_argument(f"--{flag.name}", **_takes(flag)), flag.name)
    for field in dataclasses.fields(schema):
        if field.name not in flags:  # words: runs, photographs, folders
            _complete(parser.add_argument(field.name, nargs="*"), "photo")


def _takes(flag: Flag) -> dict[str, Any]:
    if flag.is_switch:
        return {"action": "store_true"}
    takes: dict[str, Any] = {"nargs": "+"} if flag.many else {}
    if get_origin(flag.kind) is Literal:
        takes["choices"] = [str(choice) for choice in get_args(flag.kind)]
    return takes


def _complete(action: argparse.Action, name: str) -> None:
    import shtab

    if name in FOLDERS:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif name in FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
