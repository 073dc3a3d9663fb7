"""Named settings: the guide's three methods and the fast fit, read from presets.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from unretouch.base.errors import UsageError
from unretouch.settings.fields import nearest_hint

PresetName = Literal["fast", "balanced", "strong", "extreme"]

GUIDE: tuple[PresetName, ...] = ("balanced", "strong", "extreme")
"""The presets that are commands of the guide."""

_EPOCHS = ("n_epochs", "n_epochs_decay")


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("presets.toml").read_text("utf-8"))


def preset(name: str) -> Mapping[str, Any]:
    """Return the settings of a preset by their names. Raises UsageError for an unknown one."""
    known = list(get_args(PresetName))
    if name not in known:
        raise UsageError(
            f"{name!r} is not one of {', '.join(known)}", "--preset", nearest_hint(name, known)
        )
    return _table()[name]


def filled(given: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, and where there is none, that of `below`.

    Who gives epochs and no time means the epochs: then no minutes are taken from below.
    """
    values = {**below, **given}
    if "minutes" not in given and not given.keys().isdisjoint(_EPOCHS):
        values["minutes"] = None
    return values


def flag_words(values: Mapping[str, Any]) -> list[str]:
    """Return the words of a command line that set `values`; a switch that is on has none behind.

    None and a switch that is off are left out: no flag says so.
    """
    return [
        word
        for name, value in values.items()
        if value is not None and value is not False
        for word in ([f"--{name}"] if value is True else [f"--{name}", str(value)])
    ]
