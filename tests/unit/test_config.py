"""The settings of a run: what is refused before anything else happens, and their file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from unretouch.base.errors import UsageError
from unretouch.settings.train import TrainSettings, load_settings, save_settings


@pytest.mark.parametrize("name", ["lr", "keep_gb", "minutes", "init_gain", "load_size", "d_every"])
@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_what_must_be_above_zero_must_be_finite_too(name: str, value: float) -> None:
    values: dict[str, Any] = {name: value}
    with pytest.raises(UsageError, match=rf"^--{name}: must be a number more than 0"):
        TrainSettings(dataroot="x", **values)


@pytest.mark.parametrize("value", [0.5, 0, -1, math.nan])
def test_at_least_one_pair_is_asked_for(value: float) -> None:
    with pytest.raises(UsageError, match=r"--max_dataset_size: must be 1 or more"):
        TrainSettings(dataroot="x", max_dataset_size=value)


def test_settings_come_back_from_their_file(tmp_path: Path) -> None:
    settings = TrainSettings(dataroot="나", lr=0.1 + 0.2, minutes=1.5)
    save_settings(tmp_path / "config.json", settings, {})
    assert load_settings(tmp_path / "config.json") == settings
