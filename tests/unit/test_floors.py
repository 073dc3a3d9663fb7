"""A file imports only from its own floor or from floors below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "unretouch"

# A folder stands for its files.
FLOORS = {
    "base": 0,
    "settings": 1, "pixels": 1,
    "runs": 2, "networks": 2, "losses": 2, "metrics": 2, "tiles": 2,
    "training": 3,
    "report": 4, "jobs": 4, "model": 4,
    "tasks": 5,
    "api": 6, "cli": 6, "__main__": 6, "commands": 6, "compat": 6, "serve": 6,
}  # fmt: skip


def modules() -> list[str]:
    files = [path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__"]
    packages = [path.parent.name for path in SOURCE.glob("*/__init__.py")]
    return sorted(files + packages)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield each module of unretouch that the file imports, by its first name, and the line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level > 0:
            names = [f"unretouch.(relative, level {node.level})"]
        else:
            continue
        for name in names:
            if name.startswith("unretouch."):
                yield name.split(".")[1], node.lineno


def files_of(module: str) -> list[Path]:
    single = SOURCE / f"{module}.py"
    return [single] if single.exists() else sorted((SOURCE / module).rglob("*.py"))


def test_every_module_has_a_floor_and_every_floor_its_module() -> None:
    assert sorted(FLOORS) == modules()


@pytest.mark.parametrize("module", sorted(FLOORS))
def test_nothing_is_imported_from_above(module: str) -> None:
    for path in files_of(module):
        for imported, line in imports(path):
            if imported.startswith("__"):  # unretouch.__version__
                continue
            assert imported in FLOORS, f"{path}:{line} imports {imported}"
            assert FLOORS[imported] <= FLOORS[module], (
                f"{path}:{line} imports {imported} from above"
            )
