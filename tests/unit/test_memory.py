"""How much memory there is, and how much a run needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from unretouch.base import memory
from unretouch.pixels.pairs import Reading
from unretouch.settings.train import TrainSettings
from unretouch.training.estimates import memory_need

FAST = TrainSettings(
    dataroot="d", netG="detail", recipe="fast", lambda_GAN=0.0, preprocess="none", size="m"
)
TEN = Reading(pairs=10, largest=24_000_000, decoded=1_440_000_000, kept=1_440_000_000)


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 1\nactive_file 100000\ninactive_file 200000\n")
    return tmp_path


def test_a_container_has_what_is_below_its_limit_and_not_kept_for_files(container: Path) -> None:
    (container / "memory.max").write_text("1000000\n")
    if memory.total_bytes() is None:
        pytest.skip("this system does not tell its memory")
    assert memory.total_bytes() == memory.memory_bytes() == 1_000_000
    assert memory.free_bytes() == memory.free_bytes(swap=True) == 600_000


def test_a_container_without_a_limit_is_the_machine(container: Path) -> None:
    before = memory.total_bytes()
    (container / "memory.max").write_text("max\n")
    assert memory.total_bytes() == before
    assert memory.free_bytes() is None or memory.free_bytes() > 1_000_000  # type: ignore[operator]


def test_a_shortage_is_known_by_what_the_system_says() -> None:
    assert memory.is_shortage(MemoryError())
    said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"
    assert memory.is_shortage(RuntimeError(said))
    assert not memory.is_shortage(RuntimeError("shapes do not fit"))
    assert not memory.is_shortage(ValueError("not enough memory"))


def test_what_ten_large_pairs_need_fits_three_gigabytes() -> None:
    need = memory_need(FAST, TEN, on_gpu=False)
    assert need.pairs == TEN.decoded
    assert need.total < 2.3 * 10**9  # beside what the program takes itself


@pytest.mark.parametrize(
    ("changed", "least"),
    [
        ({"recipe": "classic", "netG": "resnet_9blocks"}, 200),
        ({"recipe": "classic", "netG": "unet_256", "preprocess": "crop"}, 0.8),
        ({"size": "l"}, 0.5),
    ],
)
def test_larger_networks_and_whole_pictures_need_more(
    changed: dict[str, object], least: float
) -> None:
    settings = TrainSettings(**{**FAST.to_dict(), "max_dataset_size": 9.0, **changed})
    one = Reading(pairs=1, largest=24_000_000, decoded=144_000_000, kept=144_000_000)
    assert memory_need(settings, one, on_gpu=False).work >= least * 10**9
    assert memory_need(settings, one, on_gpu=True).work == 480_000_000
