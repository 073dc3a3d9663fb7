"""The fault matrix of docs/reliability.md is complete, names only tests that there are, and every
row has defects in benchmarks/mutations.toml that its tests have seen."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ROWS = {
    "C": 11,
    "R": 5,
    "N": 3,
    "D": 4,
    "L": 4,
    "T": 4,
    "M": 3,
    "V": 2,
    "X": 2,
    "I": 6,
    "P": 3,
    "S": 6,
    "E": 2,
}


def names_of_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def rows_of_the_page() -> dict[str, str]:
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    matrix = text.partition("## Fault matrix")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([A-Z]\d+) (\|.*)$", matrix, re.MULTILINE))


def breaks() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads(
        (ROOT / "benchmarks" / "mutations.toml").read_text("utf-8")
    )["break"]
    return entries


def test_every_row_has_a_line_and_a_test() -> None:
    expected = [f"{group}{n}" for group, count in ROWS.items() for n in range(1, count + 1)]
    assert sorted(rows_of_the_page()) == sorted(expected)
    there = names_of_tests()
    assert [row for row in expected if not any(t.startswith(f"test_{row}_") for t in there)] == []


def test_the_page_names_tests_that_there_are() -> None:
    there = names_of_tests()
    for row, line in rows_of_the_page().items():
        for name in re.findall(r"`(test_\w+)`", line):
            assert name in there, (row, name)
            assert name.startswith(f"test_{row}_")


def test_every_break_can_be_made() -> None:
    """What it takes out is in the program, once; otherwise the break has to follow the program."""
    assert {entry["row"] for entry in breaks()} == rows_of_the_page().keys()
    for entry in breaks():
        texts: dict[str, str] = {}
        for edit in (entry, *entry.get("also", ())):
            file = edit["file"]
            path = ROOT / "src" / "unretouch" / file
            text = texts.get(file) or path.read_text("utf-8")
            assert text.count(edit["old"]) == 1, (entry["row"], entry["broken"])
            texts[file] = text.replace(edit["old"], edit["new"])


def test_every_break_was_seen_by_a_test_of_its_row() -> None:
    """As benchmarks/mutations.py found. Those it has not tried yet are named on the page."""
    found = json.loads((ROOT / "docs" / "mutations.json").read_text("utf-8"))
    tried = [(row, figure["broken"]) for row, figures in found.items() for figure in figures]
    assert set(tried) <= {(entry["row"], entry["broken"]) for entry in breaks()}
    there = names_of_tests()
    for row, figures in found.items():
        for figure in figures:
            assert figure["seen"] == "red", (row, figure)
            assert figure["by"].startswith(f"test_{row}_")
            assert figure["by"] in there
