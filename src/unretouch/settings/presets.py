"""Named settings: the guide's three methods and the fast fit, read from presets.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal, get_args

from unretouch.base.errors import UsageError
from unretouch.settings.train import nearest_hint

PresetName = Literal["fast", "balanced", "strong", "extreme"]

GUIDE: tuple[PresetName, ...] = ("balanced", "strong", "extreme")
"""The presets that are commands of the guide."""

EPOCHS = ("n_epochs", "n_epochs_decay")
"""Who gives one of these and no time means the epochs: the minutes of a preset are left out."""

Value = bool | int | float | str


@cache
def _table() -> dict[str, dict[str, Value]]:
    text = resources.files("unretouch.settings").joinpath("presets.toml").read_text("utf-8")
    table: dict[str, dict[str, Value]] = tomllib.loads(text)
    return table


def preset(name: str) -> Mapping[str, Value]:
    """Return the settings of a preset by their names. Raises UsageError for an unknown one."""
    known = list(get_args(PresetName))
    if name not in known:
        raise UsageError(
            f"{name!r} is not one of {', '.join(known)}", "--preset", nearest_hint(name, known)
        )
    return _table()[name]


def flags(values: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Return the words after each flag that sets `values`: none after a switch that is on.

    None and a switch that is off are left out: no flag says so.
    """
    return {
        name: () if value is True else (str(value),)
        for name, value in values.items()
        if value is not None and value is not False
    }
