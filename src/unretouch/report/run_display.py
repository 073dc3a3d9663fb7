"""What a person sees of a run while it trains: a progress display, or lines in a log, and a page.

The page, web/index.html, opens from the disk and keeps itself current. It reads status.js again
every few seconds through a script tag, the one way that works from `file://`. So it is never
reloaded, and nothing flashes or loses its place.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from unretouch.base import durable
from unretouch.base.errors import DiskError
from unretouch.report.console import TIMES_FROM, duration, percent_recovered, say
from unretouch.report.pages import render, script_json, write_assets
from unretouch.runs.status import (
    Preview,
    PreviewPair,
    TrainingStatus,
    of_whole_pictures,
    recent,
    share_made,
    thin_curves,
)

PREVIEW_BYTES = 255_000
"""Of status.js for the previews; where many pairs exceed it, previews are left out evenly."""
ROWS_WITHOUT_SCRIPT = 200
"""Rows of pictures for browsers without JavaScript, the newest first."""
SHORTEST_BAR = 20
"""Columns of the bar at least."""
PLAIN_LINE_S = 30.0
"""Seconds between two lines where the output is no terminal."""
HEARD = "stopping; Ctrl+C again: at once"
"""Beside the bar from the first Ctrl+C on: this step is finished and saved first."""
_OF_A_PHOTO = ("real_A", "fake_B")


class _Said(ProgressColumn):
    """What a call returns whenever the bar is drawn, ten times a second."""

    def __init__(self, said: Callable[[Task], str]) -> None:
        super().__init__(Column(no_wrap=True))
        self._said = said

    def render(self, task: Task) -> Text:
        return Text(self._said(task))


class RunDisplay:
    """Shows a run on the console and, when `web` is given, on its page."""

    def __init__(self, console: Console, web: Path | None) -> None:
        self._console, self._web = console, web
        self._bar = Progress(
            TextColumn("{task.fields[place]}"),
            BarColumn(bar_width=None),
            _Said(lambda task: HEARD if self._stopping else task.fields["figures"]),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._plain_at = float("-inf")
        self._last: TrainingStatus | None = None
        self._stopping = False
        if web is not None:
            write_training_page(web)

    def __enter__(self) -> RunDisplay:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def stopping(self) -> None:
        """Say beside the bar that a stop is under way: a step may take long. To be called from the
        handler of a signal: whatever lock there is may be held."""
        self._stopping = True

    def stopped_at_once(self) -> None:
        """Let the page say that the run stopped, where it was shown last."""
        if self._web is not None and self._last is not None:
            status = dataclasses.replace(
                self._last, state="stopped", stop_reason="stopped_at_once", left_s=None
            )
            with suppress(DiskError):  # the disk may be why
                write_status(self._web, status)

    def tell(self, line: str) -> None:
        """Print one line, above the progress display."""
        say(self._console, line)

    def show(self, status: TrainingStatus) -> None:
        """Bring the display and the page up to date."""
        self._last = status
        if self._web is not None:
            write_status(self._web, status)
        place, figures = _place(status), _figures(status)
        if not self._console.is_terminal:
            now = time.monotonic()
            if now - self._plain_at >= PLAIN_LINE_S or status.state != "running":
                self._plain_at = now
                self.tell(f"{place}: {', '.join(figures)}")
            return
        said = _fitting(figures, self._console.width - cell_len(place) - SHORTEST_BAR - 2)
        if self._task is None:
            self._task = self._bar.add_task("", total=1.0, place=place, figures=said)
        self._bar.update(self._task, completed=share_made(vars(status)), place=place, figures=said)


def _place(status: TrainingStatus) -> str:
    if status.total_epochs is None:
        return f"step {status.step}"
    return f"epoch {status.epoch}/{status.total_epochs}  step {status.step}"


def _figures(status: TrainingStatus) -> list[str]:
    """Return what is said beside the step, the most important first."""
    parts = []
    if status.state != "running":
        parts.append(f"{status.state} after {duration(status.elapsed_s)}")
    elif status.left_s is not None:
        parts.append(f"{duration(status.left_s)} left")
    error, nothing = _training_error(status), status.identity_error
    last = status.previews[-1] if status.previews else None
    if status.state != "running" and last is not None and last.step:
        error = last.mean.level_error  # as the table, the page and the list of runs say
    if nothing > 0 and not math.isnan(error):
        # -2936.7% says nothing to anybody; the error behind it says how far off it is.
        far_off = error >= TIMES_FROM * nothing
        share = percent_recovered(1 - error / nothing)
        parts.append("nothing recovered yet" if far_off else f"{share} recovered")
    if not math.isnan(error):
        beside = f", doing nothing by {nothing:.3f}" if nothing else ""
        parts.append(f"off by {error:.3f} grey levels{beside}")
    weighted = recent(status.curves, "G_L1")
    if status.weighted and not math.isnan(weighted):
        parts.append(f"G_L1 {weighted:.3f}")
    return parts


def _fitting(parts: Sequence[str], columns: int) -> str:
    """Return the first of the parts, as many as find room."""
    said = parts[0] if parts else ""
    for part in parts[1:]:
        if cell_len(f"{said}, {part}") > columns:
            break
        said = f"{said}, {part}"
    return said


# --- The page


def write_training_page(web: Path) -> None:
    """Write what stays the same during a run: the page's scripts, styles and words.

    Call once at the start, then `write_status`. Raises DiskError.
    """
    durable.make_folder(web)
    write_assets(web, "training")


_CALL = ("window.unretouchStatus(", ");")


def status_script(record: Mapping[str, Any]) -> str:
    """Return a status.js that gives `record` to the page."""
    return f"{script_json(record).join(_CALL)}\n"


def read_status(web: Path) -> dict[str, Any] | None:
    """Return the record in the status.js of a page: what stands there is data, never a script. None
    where there is none that can be read."""
    before, after = _CALL
    try:
        text = (web / "status.js").read_text("utf-8").strip()
        if not (text.startswith(before) and text.endswith(after)):
            return None
        status = json.loads(text[len(before) : -len(after)])
    except (OSError, ValueError):
        return None
    good = isinstance(status, dict) and {"state", "step", "previews", "curves"} <= status.keys()
    return status if good else None


def write_status(web: Path, status: TrainingStatus) -> None:
    """Bring the page in `web` up to date; an open page shows it within seconds.

    Writes status.js, and index.html where its rows for browsers without JavaScript have changed.
    Raises DiskError, except on Windows while a browser is just reading the file: the next update
    comes soon.
    """
    record = _record(status)
    _replace(web / "status.js", status_script(record))
    page = _index(status.name, _rows(status.previews))
    index = web / "index.html"
    if not index.exists() or index.read_text("utf-8") != page:
        _replace(index, page)


@lru_cache(maxsize=1)
def _index(name: str, previews: tuple[Preview, ...]) -> str:
    # Kept: most updates bring no new pictures, and this is the most expensive part of one.
    return render("training", name=name, previews=previews)


def _replace(path: Path, text: str) -> None:
    try:
        durable.write_text(path, text)
    except DiskError as error:
        if not (os.name == "nt" and isinstance(error.__cause__, PermissionError)):
            raise


def _record(status: TrainingStatus) -> dict[str, Any]:
    # Field by field, not asdict: that copies every point of every curve.
    record = {
        field.name: getattr(status, field.name)
        for field in dataclasses.fields(status)
        if field.name not in ("curves", "previews", "last_save", "outcome")
    }
    record["last_save"] = dataclasses.asdict(status.last_save) if status.last_save else None
    record["outcome"] = status.outcome.record() if status.outcome else None
    record["curves"] = _curves(status)
    record["training_error"] = _training_error(status)
    record["previews"] = _affordable([_preview(preview) for preview in status.previews])
    record["errors"] = [(preview.step, preview.mean.level_error) for preview in status.previews]
    record["written"] = time.time()
    return record


def _curves(status: TrainingStatus) -> dict[str, list[float]]:
    """Return the thinned curves, the error as one of whole pictures: comparable to the previews."""
    curves = thin_curves(status.curves)
    identities = curves.pop("identity_error", None)
    if identities and "level_error" in curves:
        whole = status.identity_error
        curves["level_error"] = of_whole_pictures(curves["level_error"], identities, whole)
    return curves


def _training_error(status: TrainingStatus) -> float:
    error, identity = (recent(status.curves, name) for name in ("level_error", "identity_error"))
    return of_whole_pictures([error], [identity], status.identity_error)[0]


def _preview(preview: Preview) -> dict[str, Any]:
    pairs = [_pair(pair) for pair in preview.pairs]
    photo = {}
    if preview.photo:
        photo = {"photo": {name: getattr(preview.photo, name) for name in ("name", *_OF_A_PHOTO)}}
    return {"step": preview.step, "epoch": preview.epoch, "pairs": pairs, **photo}


def _pair(pair: PreviewPair) -> dict[str, Any]:
    told = {k: v for k, v in vars(pair).items() if v is not None}
    if pair.size is None:
        for name in ("estimated", "sampled_tiles", "places"):
            del told[name]  # many pairs, and each would say the same
    else:
        told["places"] = [vars(place) for place in pair.places]
    return told


def _affordable(previews: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not previews:
        return []
    room = max(2, PREVIEW_BYTES // len(script_json(previews[-1]).encode("utf-8")))
    if len(previews) <= room:
        return previews
    last = len(previews) - 1
    return [previews[round(i * last / (room - 1))] for i in range(room)]


def _rows(previews: Sequence[Preview]) -> tuple[Preview, ...]:
    rows: list[Preview] = []
    room = ROWS_WITHOUT_SCRIPT
    for preview in reversed(previews):
        if room <= 0:
            break
        pairs = tuple(preview.pairs[:room])
        rows.append(dataclasses.replace(preview, pairs=pairs))
        room -= sum(1 + len(pair.places) for pair in pairs)
    return tuple(rows)
