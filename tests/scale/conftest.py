"""What runs over two real processes need: a batch that can be split, and one that cannot evenly."""

from __future__ import annotations

from pathlib import Path

import fault_harness as harness
import pytest


@pytest.fixture(scope="session")
def dataroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness.make_pairs(tmp_path_factory.mktemp("pairs"), count=5)
