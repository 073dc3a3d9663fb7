"""`unretouch compare`: runs side by side, which to take, and what to do next."""

from __future__ import annotations

from rich.console import Console

from unretouch.base.errors import ExitCode
from unretouch.report.console import say
from unretouch.settings.commands import CompareSettings
from unretouch.tasks.compare.comparison import compare
from unretouch.tasks.compare.output import write_comparison
from unretouch.tasks.compare.table import renderables


def main(settings: CompareSettings) -> int:
    """Compare. Returns the exit code. Raises UnretouchError."""
    console = Console()
    comparison = compare(
        settings.runs, settings.checkpoints_dir, settings.out, lambda line: say(console, line)
    )
    page = write_comparison(comparison, settings.out)
    for shown in renderables(comparison):
        console.print(shown, highlight=False)
    say(console, f"page: {page}")
    return ExitCode.OK
