"""Ray is an extra: without it these tests are skipped, and say so."""

from __future__ import annotations

import importlib.util

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if all(importlib.util.find_spec(name) for name in ("ray", "pandas", "pyarrow")):
        return
    for item in items:
        if "needs_no_ray" not in item.name and item.path.parent.name == "ray":
            item.add_marker(pytest.mark.skip(reason="the extra is missing: pip install '.[ray]'"))
