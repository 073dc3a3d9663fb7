"""Pages: the one place that makes HTML, and the files that every page carries beside it.

A page is a template, the data that its scripts read, and its assets; it is complete in its folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unretouch.base import durable
from unretouch.base.messages import _, korean
from unretouch.pixels.pair_pictures import SCALE
from unretouch.runs.status import EARLY, FIGURES, FRESH, LEAST_HARM, SAME, PlainFigures

PageKind = Literal["training", "results", "verify", "compare", "before_after"]

_PICTURES = (
    "page.css",
    "page.js",
    "pairs.js",
    "vendor/img-comparison-slider/img-comparison-slider.js",
    "vendor/img-comparison-slider/LICENSE",
)
_CHARTS = (
    "vendor/uplot/uPlot.iife.min.js",
    "vendor/uplot/uPlot.min.css",
    "vendor/uplot/LICENSE",
)
ASSETS: dict[PageKind, tuple[str, ...]] = {
    "training": (*_PICTURES, *_CHARTS, "charts.js", "training.js"),
    "results": (*_PICTURES, "results.js"),
    "verify": (*_PICTURES, *_CHARTS, "verify.css", "verify_charts.js", "verify.js"),
    "compare": (*_PICTURES, *_CHARTS, "compare.css", "charts.js", "compare.js"),
    "before_after": (*_PICTURES, "before_after.css", "before_after.js"),
}
"""What lies in the folder `assets` of a page, beside its words."""


@dataclass(frozen=True, kw_only=True)
class ShownPair:
    """A pair, or a picture without an answer, as a page shows it."""

    name: str
    files: Mapping[Any, str]
    """by label, relative to the page's folder, not percent-encoded: the classic real_A, fake_B,
    real_B and error; of a picture without an answer real and fake"""
    figures: PlainFigures | None = None

    @property
    def pictures(self) -> dict[str, str]:
        """The files but the error map, in the classic order."""
        return {label: file for label, file in self.files.items() if label != "error"}

    def record(self) -> dict[str, Any]:
        """Return what the page's script reads."""
        figures = self.figures.record() if self.figures else dict.fromkeys(FIGURES)
        error_map = self.files.get("error")
        return {"name": self.name, "pictures": self.pictures, "error_map": error_map, **figures}


# No request leaves the page. `file:` is for browsers in which 'self' matches nothing when the
# page was opened from the disk.
_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; "
    "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
)


def write_page(folder: Path, kind: PageKind, data: Any, **values: Any) -> Path:
    """Write index.html and its assets into `folder`, where the pictures lie; return its path.

    `data` is what the page's script reads, `values` what its template shows, every one escaped.
    Raises DiskError.
    """
    write_assets(folder, kind)
    index = folder / "index.html"
    durable.write_text(index, render(kind, data=Markup(script_json(data)), **values))
    return index


def write_assets(folder: Path, kind: PageKind) -> None:
    """Write the styles and scripts of a page, and the words they speak. Raises DiskError."""
    static, assets = files("unretouch.report") / "static", folder / "assets"
    for name in ASSETS[kind]:
        target = assets / name
        durable.make_folder(target.parent)
        durable.write_bytes(target, static.joinpath(*name.split("/")).read_bytes())
    durable.write_text(assets / "words.js", words_script())


@cache
def words_script() -> str:
    """Return words.js, by which a page says its messages in languages other than English, and the
    figures that pages and Python judge by alike."""
    told = {"catalogues": {"ko": korean()}, "errorScale": SCALE, "same": SAME}
    told |= {"leastHarm": LEAST_HARM, "fresh": FRESH, "early": EARLY}
    return f"window.unretouch = {script_json(told)};\n"


def render(kind: PageKind, **values: Any) -> str:
    """Return the template of a page, filled; every value is escaped."""
    return environment(_POLICY).get_template(f"{kind}_page.html").render(**values)


@cache
def environment(policy: str, *packages: str) -> Environment:
    """Return what finds and fills templates, those of `packages` before ours.

    `policy` says what a page may load, as its Content-Security-Policy.
    """
    loaders = [PackageLoader(package) for package in (*packages, "unretouch.report")]
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["url"] = picture_url
    made.globals["policy"] = policy
    made.globals["_"] = _
    return made


def picture_url(name: str) -> str:
    """Return the relative URL of a file name that may hold any character; `/` parts folders."""
    return quote(name, safe="/")


def script_json(value: Any) -> str:
    """Return `value` as JSON that neither a script tag nor a comment in it can end.

    NaN and infinity become null: JSON has no word for them.
    """
    text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
