"""Templates, and the files that every page carries beside it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from unretouch.base import durable
from unretouch.base.messages import _, korean
from unretouch.pixels.error_map import SCALE

PICTURE_ASSETS = (
    "page.css",
    "page.js",
    "pairs.js",
    "vendor/img-comparison-slider/img-comparison-slider.js",
    "vendor/img-comparison-slider/LICENSE",
)
"""Assets of every page that compares pictures."""

# No request leaves the page. `file:` is for browsers in which 'self' matches nothing when the
# page was opened from the disk.
_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; "
    "img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
)


def picture_url(name: str) -> str:
    """Return the relative URL of a file name that may hold any character; `/` parts folders."""
    return quote(name, safe="/")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("unretouch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["url"] = picture_url
    environment.globals["policy"] = _POLICY
    environment.globals["_"] = _
    return environment


def render(template: str, **values: Any) -> str:
    """Return the template of that file name, filled; every value is escaped."""
    return _environment().get_template(template).render(**values)


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


def copy_assets(folder: Path, names: tuple[str, ...]) -> None:
    """Write the assets, and the words of the page, below `folder`. Raises DiskError."""
    static = files("unretouch.report") / "static"
    for name in names:
        target = folder / name
        durable.make_folder(target.parent)
        durable.write_bytes(target, static.joinpath(*name.split("/")).read_bytes())
    durable.write_text(folder / "words.js", words_script())


@cache
def words_script() -> str:
    """Return words.js, by which a page says its messages in languages other than English."""
    told = {"catalogues": {"ko": korean()}, "errorScale": SCALE}
    return f"window.unretouch = {script_json(told)};\n"
