"""The page of a test: results/NAME/PHASE_EPOCH/index.html, complete in itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from unretouch.base import durable
from unretouch.report.rendering import PICTURE_ASSETS, copy_assets, render, script_json

_ASSETS = (*PICTURE_ASSETS, "results.js")


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One picture that was treated, or one pair.

    Pictures are file names relative to the page's folder, not percent-encoded. Without `target`
    the labels are the classic `real` and `fake`, with it `real_A`, `fake_B` and `real_B`, and the
    errors, in grey levels, are given. `recovered_share` is None where source equals target.
    """

    name: str
    source: str
    prediction: str
    target: str | None = None
    error_map: str | None = None
    level_error: float | None = None
    identity_error: float | None = None
    recovered_share: float | None = None
    exact_pixels: float | None = None

    def pictures(self) -> dict[str, str]:
        """Return the picture of each classic label, in the classic order."""
        if self.target is None:
            return {"real": self.source, "fake": self.prediction}
        return {"real_A": self.source, "fake_B": self.prediction, "real_B": self.target}


def write_results_page(
    folder: Path,
    title: str,
    rows: Sequence[ResultRow],
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write index.html for pictures that lie below `folder`, and return its path.

    `facts` are shown as they are under the title (epoch, netG, sizes), `notes` as sentences.
    Raises DiskError.
    """
    durable.make_folder(folder)
    copy_assets(folder / "assets", _ASSETS)
    page = render(
        "results_page.html",
        title=title,
        rows=rows,
        facts=facts or {},
        notes=notes,
        measured=[row for row in rows if row.level_error is not None],
        means=_means(rows),
        data=Markup(script_json([_record(row) for row in rows])),  # escaped for a script tag
    )
    index = folder / "index.html"
    durable.write_text(index, page)
    return index


def _record(row: ResultRow) -> dict[str, Any]:
    figures = ("level_error", "identity_error", "recovered_share", "exact_pixels")
    return {
        "name": row.name,
        "pictures": row.pictures(),
        "error_map": row.error_map,
        **{name: getattr(row, name) for name in figures},
    }


def _means(rows: Sequence[ResultRow]) -> dict[str, float | None]:
    """Return the mean of each figure over the rows that have it.

    The share is that of the mean errors: a picture with little to recover must not weigh as much
    as one with a lot.
    """
    means: dict[str, float | None] = {}
    for name in ("level_error", "identity_error", "exact_pixels"):
        values = [value for row in rows if (value := getattr(row, name)) is not None]
        means[name] = sum(values) / len(values) if values else None
    error, identity = means["level_error"], means["identity_error"]
    means["recovered_share"] = 1 - error / identity if error is not None and identity else None
    return means
