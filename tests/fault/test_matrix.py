"""The fault matrix of docs/reliability.md is complete, and names only tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = {"C": 11, "R": 5, "N": 3, "D": 4, "L": 4, "I": 6, "P": 3, "S": 6, "E": 2}


def names_of_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def rows_of_the_page() -> dict[str, str]:
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    return dict(re.findall(r"^\| ([A-Z]\d+) (\|.*)$", text, re.MULTILINE))


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
