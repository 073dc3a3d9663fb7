"""docs/migrating.md goes through every option of the classic program, and of ours."""

from __future__ import annotations

import re

import pytest
from fenced import ROOT

from unretouch.compat.options import (
    OURS_TEST,
    OURS_TRAIN,
    ClassicTestOptions,
    ClassicTrainOptions,
    classic_names,
)

PARTS = {"Train": ClassicTrainOptions, "Test": ClassicTestOptions}


def section(title: str) -> str:
    text = (ROOT / "docs/migrating.md").read_text("utf-8")
    return re.split(r"^## ", text.partition(f"## {title}")[2], maxsplit=1, flags=re.M)[0]


@pytest.mark.parametrize("part", PARTS)
def test_every_classic_option_has_its_line(part: str) -> None:
    told = set(re.findall(r"--(\w+)", section(f"{part}, option by option")))
    assert classic_names(PARTS[part]) <= told


def test_every_option_of_ours_has_its_line() -> None:
    told = set(re.findall(r"--(\w+)", section("New options")))
    assert told >= OURS_TRAIN | OURS_TEST
