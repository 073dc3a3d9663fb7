"""What a person at a terminal sees of a run: a progress display, or plain lines in a log."""

from __future__ import annotations

import math
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from unretouch.report import training_page
from unretouch.report.tables import duration
from unretouch.runs.status import TrainingStatus, recent

PLAIN_LINE_S = 30.0
"""Seconds between two lines where the output is no terminal."""


def say(console: Console, line: str) -> None:
    """Print one plain line, whatever brackets and numbers are in it."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


class RunDisplay:
    """Shows a run on the console and, when `web` is given, on its page."""

    def __init__(self, console: Console, web: Path | None) -> None:
        self._console, self._web = console, web
        self._bar = Progress(
            TextColumn("{task.fields[place]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._plain_at = float("-inf")
        if web is not None:
            training_page.write_training_page(web)

    def __enter__(self) -> RunDisplay:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, line: str) -> None:
        """Print one line, above the progress display."""
        say(self._console, line)

    def show(self, status: TrainingStatus) -> None:
        """Bring the display and the page up to date."""
        if self._web is not None:
            training_page.write_status(self._web, status)
        place, figures = _place(status), _figures(status)
        if not self._console.is_terminal:
            now = time.monotonic()
            if now - self._plain_at >= PLAIN_LINE_S or status.state != "running":
                self._plain_at = now
                self.tell(f"{place}  {figures}")
            return
        if self._task is None:
            self._task = self._bar.add_task("", total=1.0, place=place, figures=figures)
        self._bar.update(self._task, completed=_share(status), place=place, figures=figures)


def _place(status: TrainingStatus) -> str:
    if status.total_epochs is None:
        return f"step {status.step}"
    return f"epoch {status.epoch}/{status.total_epochs}  step {status.step}"


def _figures(status: TrainingStatus) -> str:
    parts = []
    error, nothing, weighted = (
        recent(status.curves, name) for name in ("level_error", "identity_error", "G_L1")
    )
    if not math.isnan(error):
        parts.append(f"error {error:.3f} levels (doing nothing there {nothing:.3f})")
    if not math.isnan(weighted):
        parts.append(f"G_L1 {weighted:.3f}")
    if status.state == "running" and status.left_s is not None:
        parts.append(f"{duration(status.left_s)} left")
    if status.state != "running":
        parts.append(f"{status.state} after {duration(status.elapsed_s)}")
    return "  ".join(parts)


def _share(status: TrainingStatus) -> float:
    if status.left_s is not None:
        return status.elapsed_s / max(1e-9, status.elapsed_s + status.left_s)
    return status.step / max(1, status.total_steps or 1)
