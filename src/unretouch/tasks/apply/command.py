"""`unretouch apply`: a run, or any weights file, over photographs of any size."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from unretouch.base.errors import DataError, ExitCode, ManyDataErrors
from unretouch.settings.commands import ApplySettings
from unretouch.tasks.apply.batch import Batch, Done, prepare


def main(settings: ApplySettings) -> int:
    """Restore photographs. Returns the exit code. Raises UnretouchError."""
    console = Console()
    batch = prepare(settings)
    _say(console, str(batch.model.info))
    problems = _show(batch, console)
    if problems:
        raise ManyDataErrors(problems)
    return ExitCode.OK


def _show(batch: Batch, console: Console) -> list[DataError]:
    """Run the batch, print a line for every photograph, return what went wrong."""
    problems: list[DataError] = []
    made = already = 0
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("photographs", total=len(batch.jobs))
        finished = 0

        def tell(share: float) -> None:
            bar.update(task, completed=finished + share)

        for outcome in batch.run(tell):
            finished += 1
            tell(0)
            if isinstance(outcome, DataError):
                problems.append(outcome)
                continue
            made, already = made + (not outcome.already), already + outcome.already
            for line in _lines(outcome):
                _say(console, line)
    before = f", {already} were there from before" if already else ""
    failed = f", {len(problems)} failed" if problems else ""
    _say(console, f"{made} restored{before}{failed}; in {batch.request.out}")
    return problems


def _lines(done: Done) -> Iterator[str]:
    if done.already:
        return
    yield (
        f"{done.source} -> {done.output}: {done.megapixels:.1f} megapixels, "
        f"{done.seconds:.1f} s, changed by {done.mean_change:.2f} levels on average"
    )
    for note in done.notes:
        yield f"  note: {note}"


def _say(console: Console, line: str) -> None:
    # Not report.console's: that imports torch, which --runtime onnx does without.
    console.print(line, markup=False, highlight=False, soft_wrap=True)
