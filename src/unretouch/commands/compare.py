"""`unretouch compare`: runs side by side, which to take, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from unretouch.base.errors import ExitCode
from unretouch.settings.parser import parse

PROG = "unretouch compare"

Runs = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="[RUN ...]", help_behavior_hint=""),
]


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Rank runs by what they do to their training pairs, and say what to do next."""

    runs: Runs = ()
    """names of runs; none: every run in checkpoints_dir"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""
    out: str = "./comparison"
    """folder of the page (index.html) and of the figures (comparison.json)"""


def main(argv: list[str]) -> int:
    """Compare. Returns the exit code. Raises UnretouchError."""
    options = parse(CompareOptions, argv, PROG)
    from rich.console import Console

    from unretouch.tasks.compare.comparison import compare
    from unretouch.tasks.compare.output import write_comparison
    from unretouch.tasks.compare.table import renderables

    console = Console()

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    out = Path(options.out)
    comparison = compare(options.runs, Path(options.checkpoints_dir), out, tell)
    page = write_comparison(comparison, out)
    for shown in renderables(comparison):
        console.print(shown, highlight=False)
    tell(f"page: {page}")
    return ExitCode.OK
