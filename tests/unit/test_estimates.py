"""What a run will need and can reach: memory, and the bits that its weights can hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unretouch.base import memory
from unretouch.networks import build_generator
from unretouch.pixels.pairs import Pair, Reading
from unretouch.settings.train import TrainSettings
from unretouch.training.estimates import EXACT_ERROR, SAMPLED, Capacity, capacity, memory_need

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


def test_a_fourth_level_needs_room_for_four_times_the_weights() -> None:
    one = Reading(pairs=1, largest=262_144, decoded=1_572_864, kept=1_572_864)
    small, deep = (
        memory_need(replace(FAST, size=size), one, on_gpu=False).work for size in ("s", "deep")
    )
    assert deep - small == pytest.approx(3 * 19_000 * 48**2)


def pair(noise: int, side: int = 64) -> Pair:
    """Source and target whose difference is 0 or up to `noise`, every value as likely."""
    random = np.random.default_rng(0)
    source = np.full((side, side, 3), 100, np.uint8)
    residual = random.integers(0, noise + 1, source.shape, dtype=np.uint8)
    return Pair("p", source, source + residual, ())


def test_bits_are_those_of_the_residual() -> None:
    values = 64 * 64 * 3
    found = capacity([pair(15)], 1, 1)
    assert found.residual_bits == pytest.approx(4 * values, rel=0.1)
    assert found.values == pytest.approx(values * 15 / 16, rel=0.05)
    assert found.identity_error == pytest.approx(7.5, rel=0.05)
    assert capacity([pair(15)] * 3, 1, 1).residual_bits == pytest.approx(3 * found.residual_bits)


def test_equal_sides_hold_next_to_nothing() -> None:
    found = capacity([pair(0)], 1000, 1)
    assert found.residual_bits < 2000
    assert found.expected == 0


def test_enough_weights_and_time_come_to_exact_pixels() -> None:
    assert capacity([pair(15)], 10**7, 1e9).expected == EXACT_ERROR


def test_more_weights_and_more_time_never_let_one_expect_more_error() -> None:
    by_size = [capacity([pair(15)], n, 1e9).expected for n in (0, 10**3, 10**4, 10**5)]
    by_time = [capacity([pair(15)], 10**6, n).expected for n in (0, 1, 10, 100, 1000)]
    for errors in (by_size, by_time):
        assert errors == sorted(errors, reverse=True)
        assert errors[0] > errors[-1]
    assert by_time[0] == capacity([pair(15)], 10**6, 0).identity_error


DEEP = build_generator(replace(FAST, size="deep")).remembering()


@pytest.mark.parametrize(
    ("parameters", "passes", "measured"),
    [
        (DEEP, 3.5, 1.806),
        (DEEP, 5, 1.444),
        (DEEP, 7, 1.149),
        (DEEP, 10, 0.997),
        (2_310_000, 33, 0.473),
        (2_310_000, 290, 0.207),
        (9_430_000, 236, 0.094),
        (DEEP, 290, 0.174),
    ],
)
def test_what_is_expected_is_near_what_was_measured(
    parameters: int, passes: float, measured: float
) -> None:
    """By trainings of 36 to 102 updates, and by benchmarks/fit.py, fit:1 and fit:10 with size m,
    fit:30:l, and as many updates of `deep` as fit:10 made, on three pairs of 5 Mbit in all."""
    pairs = Capacity(4.97e6, 1_530_806, parameters, 1.83, passes)
    assert measured * 0.9 < pairs.expected < measured * 1.4


def test_a_larger_generator_is_never_expected_to_do_worse() -> None:
    for passes in (1, 20, 33, 40, 500, 10_000):
        by_size = [Capacity(5e6, 1_500_000, n * 10**6, 1.8, passes).expected for n in (1, 3, 6, 10)]
        assert by_size == sorted(by_size, reverse=True)


def test_a_generator_that_is_too_small_is_told() -> None:
    for size in ("s", "m"):
        assert "--size deep holds more" in capacity([pair(15)], 10, 50).sentence(size)
    for size in ("deep", "l"):
        assert "holds more" not in capacity([pair(15)], 10, 50).sentence(size)
    assert "too little" not in capacity([pair(15)], 10**6, 50).sentence("s")


def test_a_training_that_is_too_short_promises_nothing() -> None:
    """Of 14 and of 21 updates nothing came."""
    for passes in (0, 1.4, 2.1):
        told = Capacity(4.97e6, 1_530_806, DEEP, 1.83, passes).sentence("deep")
        assert told.startswith("too short: next to nothing is recovered")
    assert told.endswith("half of the retouch takes about 5 times as long")
    assert "off by about 1.5" in Capacity(4.97e6, 1_530_806, DEEP, 1.83, 5).sentence("deep")


def test_a_large_picture_is_sampled_all_over() -> None:
    """What is retouched only far below is found all the same, and about as much of it."""
    random = np.random.default_rng(0)
    source = np.full((4000, 900, 3), 100, np.uint8)
    target = source.copy()
    target[3500:] += random.integers(0, 16, target[3500:].shape, dtype=np.uint8)
    assert source.size > 3 * SAMPLED
    found = capacity([Pair("p", source, target, ())], 1, 1)
    values = target[3500:].size
    assert found.residual_bits == pytest.approx(4 * values, rel=0.1)
    assert found.values == pytest.approx(values * 15 / 16, rel=0.05)
