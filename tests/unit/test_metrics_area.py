"""The retouched area and its noise, and the grain that is laid over it."""

from __future__ import annotations

import numpy as np
import pytest

from unretouch.metrics import Levels, band_energy, grain_overlay, noise_level, retouched_area
from unretouch.metrics.retouched_area import HIGHEST_NOISE

SIZE = 160


def skin(seed: int = 0) -> Levels:
    noise = np.random.default_rng(seed).normal(0, 6, (SIZE, SIZE, 1))
    return np.repeat(150 + noise, 3, axis=2).astype(np.float32)


def spot(target: Levels) -> Levels:
    """A source whose square 40..80 was smoothed by hand."""
    source = target.copy()
    source[40:80, 40:80] = 150
    return source


def test_the_area_is_the_spot_and_a_rim_of_the_neighbourhood() -> None:
    area = retouched_area(spot(skin()), skin())
    assert area[40:80, 40:80].all()
    assert not area[:38].any()
    assert not area[:, :38].any()
    assert not area[82:].any()
    assert not area[:, 82:].any()


def test_rounding_is_no_retouching() -> None:
    target = skin()
    assert not retouched_area(np.rint(target), target).any()
    assert not retouched_area(np.rint(target + 0.3), np.rint(target)).any()


def test_the_noise_of_a_second_compression_is_read_off_the_untouched_part() -> None:
    recompressed = np.random.default_rng(1).normal(0, 0.8, (SIZE, SIZE, 3)).astype(np.float32)
    source = spot(skin()) + recompressed
    assert noise_level(source, skin()) == pytest.approx(0.8, rel=0.1)
    area = retouched_area(source, skin())
    assert area[42:78, 42:78].all()
    assert area[100:].mean() < 0.01


def test_noise_can_be_given() -> None:
    source = spot(skin())
    assert not retouched_area(source, skin(), noise=50.0).any()


def test_a_retouch_of_the_whole_frame_does_not_pass_for_noise() -> None:
    target = skin()
    source = np.full_like(target, 150)
    assert noise_level(source, target) == HIGHEST_NOISE
    assert retouched_area(source, target).mean() > 0.99


def test_frames_smaller_than_a_block_have_no_noise() -> None:
    assert noise_level(skin()[:9, :9], skin(1)[:9, :9]) == 0


def test_grain_has_the_missing_energy_of_each_band_and_none_outside() -> None:
    target = skin()
    source = spot(target)
    area = retouched_area(source, target)
    grain = grain_overlay(source, target, area, seed=3)
    assert band_energy(grain, target, area) == pytest.approx((1, 1, 1, 1), abs=0.25)
    np.testing.assert_array_equal(grain[~area], source[~area])
    assert grain[area] != pytest.approx(target[area])


def test_grain_is_the_same_for_the_same_seed_alone() -> None:
    target = skin()
    source = spot(target)
    area = retouched_area(source, target)
    once = grain_overlay(source, target, area, seed=3)
    np.testing.assert_array_equal(grain_overlay(source, target, area, seed=3), once)
    assert not np.array_equal(grain_overlay(source, target, area, seed=4), once)


def test_grain_is_a_picture() -> None:
    target, source = np.rint(skin() + 105), np.full_like(skin(), 250)
    target = np.clip(target, 0, 255)
    grain = grain_overlay(source, target, np.ones((SIZE, SIZE), dtype=np.bool_))
    assert grain.dtype == np.float32
    assert grain.max() <= 255
