"""What every test shares: one thread, slow tests on request, and test data beside the checkout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import fault_harness as harness
import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from unretouch.report.deep_distance import EarlyStages

# Before torch is first imported, and for the processes that tests start: the workers of
# pytest-xdist share the cores already, and one thread makes timing and rounding repeatable.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout: portraits and vectors that are not committed."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    return folder


@pytest.fixture(scope="session")
def portrait() -> NDArray[np.uint8]:
    """The astronaut Eileen Collins (NASA, public domain), uint8 (512, 512, 3)."""
    from skimage import data

    picture: NDArray[np.uint8] = data.astronaut()
    return picture


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of size s, and both of a pyramid, with so few channels that they cost little."""
    from unretouch.networks import detail

    monkeypatch.setitem(detail.WIDTHS, "s", (16, 16, 16))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def stages() -> EarlyStages:
    """The network of the deep distance."""
    from unretouch.base.errors import UsageError
    from unretouch.report.deep_distance import early_stages

    try:
        return early_stages()
    except UsageError:
        pytest.skip("the extra is missing: pip install '.[deep]'")


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.Warm]:
    """A process that has imported everything and forks tiny runs."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked, which this system cannot")
    with harness.warm(tmp_path_factory.mktemp("printed")) as warm:
        yield warm


@pytest.fixture(scope="session")
def dataroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiny pairs."""
    return harness.make_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture
def place(dataroot: Path, tmp_path: Path) -> harness.Place:
    """A tiny run on them, not begun."""
    return harness.Place(dataroot, tmp_path / "checkpoints")
