"""Runs over two real processes, and what they need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fault_harness as harness
import pytest


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.Warm]:
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked, which this system cannot")
    with harness.warm(tmp_path_factory.mktemp("printed")) as warm:
        yield warm


@pytest.fixture(scope="session")
def dataroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness.make_pairs(tmp_path_factory.mktemp("pairs"), count=5)
