"""Python and the packages, held against what unretouch says it needs."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from unretouch import __version__
from unretouch.base.errors import ExitCode, install_hint
from unretouch.tasks.doctor.finding import Finding

EXTRAS = {
    "photo": "16 bits a channel, HEIC, RAW, pictures over 200 megapixels",
    "export": "ONNX and safetensors",
    "deep": "the deep distance of verify",
}
"""What people may want beyond the core, and what it is for."""

SHOWN = ("torch", "pillow")
"""Packages whose versions have a line of their own."""

OLDEST_PYTHON = (3, 11)

_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?([^;]*)(?:;.*extra\s*==\s*['\"]([\w-]+)['\"])?")


def examine() -> Iterator[Finding]:
    """Yield Python, unretouch, the packages it needs, and its extras."""
    yield _python()
    yield Finding("unretouch", __version__)
    needed = requirements()
    states = {name: _problem(name, bounds) for name, bounds in needed[""].items()}
    for name in SHOWN:
        yield _package(name, states.pop(name, ""))
    bad = [f"{name} {problem}" for name, problem in states.items() if problem]
    if bad:
        yield Finding("packages", ", ".join(bad), "trouble", _install(), ExitCode.USAGE)
    else:
        yield Finding("packages", f"{len(states)} others, all there")
    for extra, purpose in EXTRAS.items():
        yield _extra(extra, purpose, needed.get(extra, {}))


def requirements() -> dict[str, dict[str, str]]:
    """Return what the installed unretouch asks for: by extra ("" is the core), name to bounds."""
    found: dict[str, dict[str, str]] = {"": {}}
    try:
        lines = metadata.requires("unretouch") or []
    except metadata.PackageNotFoundError:  # run from its source, not installed
        lines = []
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match:
            found.setdefault(match[3] or "", {})[match[1].lower()] = match[2].strip()
    return found


def satisfies(version: str, bounds: str) -> bool:
    """Return whether `version` lies within `bounds`, such as `>=2.10,<2.14`; others are ignored."""
    for bound in bounds.split(","):
        match = re.match(r"\s*(>=|<)\s*([\d.]+)", bound)
        if match is None:
            continue
        at_least = _numbers(version) >= _numbers(match[2])
        if at_least != (match[1] == ">="):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    numbers = re.match(r"\d+(\.\d+)*", version)
    parts = [int(part) for part in numbers[0].split(".")] if numbers else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _python() -> Finding:
    value = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", value, "trouble", "Install Python 3.11 or newer", ExitCode.USAGE)
    return Finding("python", value)


def _problem(name: str, bounds: str) -> str:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"
    return "" if satisfies(version, bounds) else f"is {version}, {bounds} is needed"


def _package(name: str, problem: str) -> Finding:
    if not problem:
        try:
            return Finding(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            problem = "is not installed"
    return Finding(name, problem, "trouble", _install(), ExitCode.USAGE)


def _extra(extra: str, purpose: str, packages: dict[str, str]) -> Finding:
    missing = [name for name, bounds in packages.items() if _problem(name, bounds)]
    if packages and not missing:
        return Finding(f"extra [{extra}]", "installed")
    advice = f"For {purpose}. {install_hint(extra)}"
    what = f"without {', '.join(missing)}" if missing else "not known"
    return Finding(f"extra [{extra}]", what, "note", advice)


def _install() -> str:
    return install_hint()
