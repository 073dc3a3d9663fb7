"""What messages, hints and help texts say of flags is true: every flag that they name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from unretouch.cli import dispatch

SOURCE = Path(__file__).parents[2] / "src" / "unretouch"
FLAG = re.compile(r"(?<![\w-])--([A-Za-z][A-Za-z0-9_-]*)")
FLAG_OF_PAGES = re.compile(r"(?<![\w-])--([A-Za-z][A-Za-z0-9_]*)(?=[\s`<.,)가-힣])")
"""There `--name` may also be a property of CSS; Korean puts a particle right behind."""
NOT_OF_A_COMMAND = {"help", "version", "print-completion", "debug", "flag", "ntasks-per-node"}
"""Those of the program itself, `--flag` for any, and one of srun."""


def strings(path: Path) -> list[tuple[int, str]]:
    """Return the string literals of a file, its docstrings among them, with their lines."""
    tree = ast.parse(path.read_text("utf-8"))
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def named() -> dict[str, str]:
    """Return every flag that a string names, and the first place that names it."""
    found: dict[str, str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for line, text in strings(path):
            for flag in FLAG.findall(text):
                found.setdefault(flag, f"{path.relative_to(SOURCE)}:{line}")
    for path in sorted(SOURCE.rglob("*.html")) + sorted(SOURCE.rglob("*.po")):
        for flag in FLAG_OF_PAGES.findall(path.read_text("utf-8")):
            found.setdefault(flag, str(path.relative_to(SOURCE)))
    return found


def test_every_flag_that_is_named_exists(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["--print-completion", "bash"]) == 0
    there = set(FLAG.findall(capsys.readouterr().out)) | NOT_OF_A_COMMAND
    assert {"dataroot", "detail_left", "fail_below"} <= there
    places = named()
    assert len(places) > 50
    assert {flag: places[flag] for flag in places.keys() - there} == {}
