"""docs/migrating.md goes through every option of the classic program, and of ours."""

from __future__ import annotations

import re

import pytest
from fenced import ROOT

from unretouch.settings import test, train
from unretouch.settings.fields import flags_of

PARTS = {
    "Train": flags_of(train.TrainOptions).keys() - train.OURS,
    "Test": flags_of(test.TestSettings).keys() - test.OURS,
}


def section(title: str) -> str:
    text = (ROOT / "docs/migrating.md").read_text("utf-8")
    return re.split(r"^## ", text.partition(f"## {title}")[2], maxsplit=1, flags=re.M)[0]


@pytest.mark.parametrize("part", PARTS)
def test_every_classic_option_has_its_line(part: str) -> None:
    told = set(re.findall(r"--(\w+)", section(f"{part}, option by option")))
    assert PARTS[part] <= told


def test_every_option_of_ours_has_its_line() -> None:
    told = set(re.findall(r"--(\w+)", section("New options")))
    assert told >= train.OURS | test.OURS
