"""What follows needs the engine Ray, and is skipped where its extra is not installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    try:
        # By its distribution: a package `ray` is found wherever this folder is looked through.
        distribution("ray")
    except PackageNotFoundError:
        missing = pytest.mark.skip(reason="the extra is missing: pip install '.[ray]'")
        for item in items:
            if item.path.parent.name == "ray":
                item.add_marker(missing)
