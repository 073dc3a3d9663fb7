"""The live page of a run: web/index.html, which opens from the disk and keeps itself current.

index.html reads status.js again every few seconds through a script tag, the one way that works
from `file://`. So the page is never reloaded, and nothing flashes or loses its place.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from unretouch.base import durable
from unretouch.base.errors import DiskError
from unretouch.report.pages import render, script_json, write_assets
from unretouch.runs.status import (
    Preview,
    PreviewPair,
    TrainingStatus,
    of_whole_pictures,
    recent,
    thin_curves,
)

PREVIEW_BYTES = 300_000
"""Of status.js for the previews; where many pairs exceed it, previews are left out evenly."""
ROWS_WITHOUT_SCRIPT = 200
"""Rows of pictures for browsers without JavaScript, the newest first."""


def write_training_page(web: Path) -> None:
    """Write what stays the same during a run: the page's scripts, styles and words.

    Call once at the start, then `write_status`. Raises DiskError.
    """
    durable.make_folder(web)
    write_assets(web, "training")


def write_status(web: Path, status: TrainingStatus) -> None:
    """Bring the page in `web` up to date; an open page shows it within seconds.

    Writes status.js, and index.html where its rows for browsers without JavaScript have changed.
    Raises DiskError, except on Windows while a browser is just reading the file: the next update
    comes soon.
    """
    record = _record(status)
    _replace(web / "status.js", f"window.unretouchStatus({script_json(record)});\n")
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
        if field.name not in ("curves", "previews", "last_save")
    }
    record["last_save"] = dataclasses.asdict(status.last_save) if status.last_save else None
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
    return {"step": preview.step, "epoch": preview.epoch, "pairs": pairs}


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
