"""`unretouch --print-completion SHELL`: a script by which a shell completes the whole command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from unretouch.base.errors import ExitCode, UsageError
from unretouch.settings.parser import add_arguments

FOLDERS = frozenset({
    "checkpoints_dir", "dataroot", "datasets_dir", "heldout", "images", "like", "out", "pairs",
    "results_dir",
})  # fmt: skip
FILES = frozenset({"file", "mask", "photo", "self_test", "simulate", "weights"})
"""Flags after which the shell offers folders, and files. After a word it offers files."""


def main(argv: list[str], commands: Iterable[tuple[str, str, type]]) -> int:
    """Print the script for the shell that `argv` names.

    `commands` are the names of all, what is said of them, and their settings. Raises UsageError.
    """
    import shtab  # late: no other start pays for it

    if len(argv) != 1 or argv[0] not in shtab.SUPPORTED_SHELLS:
        shells = ", ".join(shtab.SUPPORTED_SHELLS)
        raise UsageError(f"needs one of {shells}", "--print-completion")
    parser = argparse.ArgumentParser("unretouch")
    parser.add_argument("--version", action="store_true")
    subparsers = parser.add_subparsers()
    for name, about, schema in commands:
        for action in add_arguments(subparsers.add_parser(name, help=about), schema):
            if action.dest in FOLDERS and action.option_strings:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.dest in FILES or not action.option_strings:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, argv[0]))
    return ExitCode.OK
