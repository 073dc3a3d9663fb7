"""A run that goes on notices whatever number of the recipe is another one."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import pytest

from unretouch.pixels import slow_change
from unretouch.training import cameras, crops, fast_recipe, optimisers, retoucher, stages
from unretouch.training.recipe_mark import mark

DECIDE = [
    (retoucher, "SHARE", 0.3),
    (retoucher, "MOST_PIXELS", 7_000_000),
    (crops, "MADE_SHARE", 0.3),
    (crops, "EVENLY", 0.2),
    (stages, "LEAST_GAIN", 0.03),
    (stages, "EVENLY", 0.2),
    (cameras, "SCALE", 0.5),
    (cameras, "GAMMA", 0.3),
    (cameras, "FAR", cameras.FAR[1:]),
    (slow_change, "OF_PREDICTIONS", 1.0),
    (fast_recipe, "SPARSE", 0.3),
    (optimisers, "MOST_ROWS", 100),
    (fast_recipe, "RECIPES", {"restore": dataclasses.replace(fast_recipe.UNSEEN, cameras=0.4)}),
]


@pytest.mark.parametrize(("module", "name", "value"), DECIDE)
def test_every_number_that_decides_what_is_learnt_is_in_it(
    module: ModuleType, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = mark("restore", also=True)
    monkeypatch.setattr(module, name, value)
    assert mark("restore", also=True) != before


def test_what_decides_nothing_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, further = mark("restore"), mark("restore", also=True)
    assert alone != further
    of_fit = mark("fit")
    monkeypatch.setattr(cameras, "GAMMA", 0.3)
    assert mark("fit") == of_fit
    monkeypatch.undo()
    assert alone != mark("texture")
    monkeypatch.setattr(crops, "AHEAD", 9)
    assert mark("restore", also=True) == further
    monkeypatch.setattr(retoucher, "SHARE", 0.3)
    assert mark("restore") == alone
