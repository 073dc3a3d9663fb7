"""Ray is an extra: without it these tests are skipped, and say so."""

from __future__ import annotations

import importlib.util

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if importlib.util.find_spec("ray"):
        return
    for item in items:
        if item.path.parent.name == "ray":
            item.add_marker(pytest.mark.skip(reason="the extra is missing: pip install '.[ray]'"))
