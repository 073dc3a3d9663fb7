"""Imports go down: from a floor to those below it, and never in a circle.

An import inside a function or under TYPE_CHECKING counts like any other: it, too, says that the one
file cannot be read without the other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "unretouch"

FLOORS = {
    "base": 0,
    "settings": 1, "pixels": 1,
    "runs": 2, "networks": 2, "losses": 2, "metrics": 2, "tiles": 2,
    "training": 3,
    "report": 4, "jobs": 4, "model": 4,
    "tasks": 5,
    "serve": 6, "cli": 6, "api": 6, "__main__": 6, "__init__": 6,
}  # fmt: skip
"""The files and packages of the first level. `__init__` offers the calls of api.py."""

CIRCLES_LEFT = (
    ("jobs.ray_engine", "jobs.ray_trials"),
    ("tasks.apply.batch", "tasks.apply.processes"),
)
"""Files and rooms that still import each other in a circle. This list only gets shorter."""

UPWARD_LEFT: set[tuple[str, str]] = set()
"""Rooms that still import from above. This list only gets shorter."""

Graph = Mapping[str, frozenset[str]]
"""What each file, or each room, imports."""


def module_of(file: Path) -> str:
    """Return the name of a file's module within the package: tasks.verify.run, or tasks.verify."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


FILES = {module_of(file): file for file in sorted(SOURCE.rglob("*.py"))}


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Yield each module of unretouch that a file imports, within the package, and the line."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} is a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("unretouch.") and name != "unretouch.__version__":
                yield imported_module(name.removeprefix("unretouch.")), node.lineno


def imported_module(name: str) -> str:
    """Return the module that the import of `name` means: `name`, or the one that holds it."""
    while name and name not in FILES:
        name = name.rpartition(".")[0]
    return name or "__init__"


def file_graph() -> Graph:
    return {
        module: frozenset(found for found, _ in imports(file)) - {module}
        for module, file in FILES.items()
    }


def room_graphs() -> Iterator[Graph]:
    """Yield, for each package that holds others, what they import of each other.

    A room is a file or a package right below; what it holds, at any depth, belongs to it.
    """
    files = file_graph()
    packages = {""} | {module_of(file) for file in SOURCE.rglob("*/__init__.py")}
    for package in sorted(packages):
        inside = f"{package}." if package else ""
        rooms: dict[str, set[str]] = {}
        for module, found in files.items():
            room = room_in(inside, module)
            if room:
                others = {room_in(inside, other) for other in found} - {"", room}
                rooms.setdefault(room, set()).update(others)
        yield {room: frozenset(others) for room, others in rooms.items()}


def room_in(inside: str, module: str) -> str:
    if not module.startswith(inside):
        return ""
    return inside + module.removeprefix(inside).split(".")[0]


def circles(graph: Graph) -> set[frozenset[str]]:
    """Return the sets of nodes that reach each other."""
    reached = {node: reach(graph, node) for node in graph}
    return {
        frozenset({node} | {other for other in reached[node] if node in reached[other]})
        for node in graph
        if node in reached[node]
    }


def reach(graph: Graph, start: str) -> set[str]:
    """Return all nodes that `start` comes to by at least one import."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for node in graph.get(ahead.pop(), frozenset()) - found:
            found.add(node)
            ahead.append(node)
    return found


def test_every_first_room_has_a_floor_and_every_floor_its_room() -> None:
    assert FLOORS.keys() == {module.split(".")[0] for module in FILES}


@pytest.mark.parametrize("room", sorted(FLOORS))
def test_nothing_is_imported_from_above(room: str) -> None:
    for module, file in FILES.items():
        if module.split(".")[0] != room:
            continue
        for found, line in imports(file):
            other = found.split(".")[0]
            if (room, other) not in UPWARD_LEFT:
                assert FLOORS[other] <= FLOORS[room], f"{file}:{line} imports {found} from above"


def test_what_is_left_of_upward_imports_is_still_there() -> None:
    rooms = {(a.split(".")[0], b.split(".")[0]) for a, found in file_graph().items() for b in found}
    assert {(a, b) for a, b in rooms if FLOORS[b] > FLOORS[a]} == UPWARD_LEFT


def test_no_files_and_no_rooms_import_each_other_in_a_circle() -> None:
    found = circles(file_graph())
    for graph in room_graphs():
        found |= circles(graph)
    assert sorted(map(sorted, found)) == sorted(map(list, CIRCLES_LEFT))


def test_a_circle_is_found_at_any_length() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}
    assert circles({node: frozenset(others) for node, others in graph.items()}) == {
        frozenset({"a", "b", "c"})
    }
