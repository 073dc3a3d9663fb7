"""What a sweep varies, and what its runs are called.

A grid comes from the command line, a grid and a list from a TOML file. A run is called by the
settings in which it differs, readable in a file manager.
"""

from __future__ import annotations

import hashlib
import itertools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from unretouch.base import names
from unretouch.base.errors import DataError, UsageError
from unretouch.settings.fields import Flag, nearest_hint

ROWS = "run"
"""Name of the tables in a file that list runs: [[run]]."""

Value = tuple[str, ...] | None
"""The words after a flag, none after a switch that is on; None: the switch is off."""
Settings = dict[str, Value]


@dataclass(frozen=True)
class Row:
    """A run of the list: the settings in which it differs, and what it is called if it says."""

    settings: Settings
    name: str | None = None


@dataclass(frozen=True)
class Plan:
    """What all runs share, and what varies: every row with every point of the grid."""

    common: Settings = field(default_factory=dict)
    axes: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def from_flags(flags: Mapping[str, tuple[str, ...]]) -> Plan:
    """Return the plan of a command line: a flag with several values is an axis.

    Raises UsageError where a value is there twice.
    """
    plan = Plan()
    for name, words in flags.items():
        if len(words) > 1:
            plan.axes[name] = tuple((word,) for word in words)
            _refuse_repeated(f"--{name}", plan.axes[name])
        else:
            plan.common[name] = words
    return plan


def from_file(path: Path, known: Mapping[str, Flag]) -> Plan:
    """Return the plan in a TOML file: lists are axes, tables [[run]] the list of runs.

    `known` are the settings there are. Raises DataError for a file that cannot be read, UsageError
    for what stands in it.
    """
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"is not TOML: {error}", path) from error
    rows = content.pop(ROWS, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError("is not a list of tables", f"{path}: {ROWS}", f"Write [[{ROWS}]] above it")
    plan = Plan(rows=tuple(_row(path, row, known) for row in rows))
    for name, found in content.items():
        listed = found if isinstance(found, list) else [found]
        values = tuple(_value(path, name, one, known) for one in listed)
        if not values:
            raise UsageError("has no value", f"{path}: {name}")
        _refuse_repeated(f"{path}: {name}", values)
        if len(values) > 1:
            plan.axes[name] = values
        else:
            plan.common[name] = values[0]
    return plan


def _row(path: Path, table: dict[str, Any], known: Mapping[str, Flag]) -> Row:
    name = table.pop("name", None)
    settings = {key: _value(path, key, value, known) for key, value in table.items()}
    if not settings:
        raise UsageError("changes nothing", f"{path}: [[{ROWS}]]")
    return Row(settings, None if name is None else str(name))


def _value(path: Path, name: str, value: object, known: Mapping[str, Flag]) -> Value:
    where = f"{path}: {name}"
    if name not in known:
        hint = nearest_hint(name, sorted(known))
        raise UsageError("no setting of a training is called so", where, hint)
    if isinstance(value, bool) != known[name].is_switch:
        wanted = "true or false" if known[name].is_switch else "a number or a text"
        raise UsageError(f"{value!r} is not {wanted}", where)
    if isinstance(value, bool):
        return () if value else None
    if not isinstance(value, int | float | str):
        raise UsageError(f"{value!r} is not a number or a text", where)
    return (str(value),)


def merged(file: Plan, flags: Plan) -> Plan:
    """Return the plan of a file in which the flags of the command line win.

    Raises UsageError for a setting that also stands in a row: which of the two is meant?
    """
    given = flags.common.keys() | flags.axes.keys()
    in_rows = {name for row in file.rows for name in row.settings}
    both = sorted(in_rows & (given | file.axes.keys()))
    if both:
        raise UsageError(f"is set in a [[{ROWS}]], too", f"--{both[0]}", "Set it in one place")
    common = {k: v for k, v in file.common.items() if k not in given} | flags.common
    axes = {k: v for k, v in file.axes.items() if k not in given} | flags.axes
    return Plan(common, axes, file.rows)


def combinations(plan: Plan) -> dict[str, Settings]:
    """Return the settings of each run by the last segment of its name, rows first, the last axis
    changing fastest.

    Raises UsageError where nothing varies, or where two runs would be called the same.
    """
    if not plan.axes and not plan.rows:
        raise UsageError(
            "nothing varies", "sweep", "Give a setting several values: --lambda_L1 300 500 1000"
        )
    found: dict[str, Settings] = {}
    taken: set[str] = set()
    for row in plan.rows or (Row({}),):
        for values in itertools.product(*plan.axes.values()):
            point = dict(zip(plan.axes, values, strict=True))
            if row.name is None:
                name = segment([*row.settings.items(), *point.items()])
            else:
                name = "-".join(filter(None, [row.name, segment(point.items())]))
            names.run_name(name)
            if name.casefold() in taken:
                raise UsageError(
                    f"two runs would be called {name!r}", "sweep", f"Give a [[{ROWS}]] a name"
                )
            taken.add(name.casefold())
            found[name] = {**plan.common, **row.settings, **point}
    return found


def _refuse_repeated(where: str, values: tuple[Value, ...]) -> None:
    shown = [plain(value) for value in values]
    again = next((text for text in shown if shown.count(text) > 1), None)
    if again is not None:
        raise UsageError(f"{again} is there twice", where)


# --- what a run is called ----------------------------------------------------------------------


def segment(settings: Iterable[tuple[str, Value]]) -> str:
    """Return one segment of a run's name for these settings: `lambda_L1_300-lr_0.0001`.

    Equal numbers have equal names, however they were typed. What is too long for a file name is
    cut, and ends in a checksum of the whole.
    """
    text = "-".join(f"{name}_{_shown(value)}" for name, value in settings)
    if len(text.encode()) <= names.LONGEST_SEGMENT:
        return text
    return names.file_stem(text, f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def plain(value: Value) -> str:
    """Return how people write the value: numbers without exponent or idle zeros."""
    if not value:
        return "no" if value is None else "yes"
    try:
        number = Decimal(value[0])
    except InvalidOperation:
        return value[0]
    if not number.is_finite():
        return value[0]
    return f"{number.normalize():f}" if number else "0"


def _shown(value: Value) -> str:
    text = plain(value).strip("./\\ ") or "none"
    return names.file_stem(text).strip("_") or "other"
