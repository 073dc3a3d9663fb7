"""The simulated retoucher: natural, repeatable, and only in the skin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from unretouch.base.errors import UsageError
from unretouch.pixels import images, pair_check, spaces
from unretouch.pixels.retouch import SPARSE_LEVELS, retouch, skin_mask

FACE = np.s_[95:150, 190:265]
CHIN = np.s_[158:172, 212:245]
SUIT = np.s_[300:340, 60:120]
HAIR = np.s_[50:75, 190:240]
BLACK = np.s_[300:340, 470:510]
BADGE = np.s_[360:420, 140:205]


def changed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    result: np.ndarray = (a != b).any(2)
    return result


def test_skin_is_found_and_the_rest_is_not(portrait: np.ndarray) -> None:
    mask = skin_mask(portrait)
    assert mask.shape == (512, 512)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert mask[FACE].mean() > 0.5
    for other in (SUIT, HAIR, BLACK):
        assert mask[other].mean() < 0.01


@pytest.mark.parametrize("shade", [(235, 200, 185), (200, 150, 125), (120, 85, 70), (80, 58, 50)])
@pytest.mark.parametrize("light", [0.8, 1.0])
def test_skin_of_every_shade_is_skin(shade: tuple[int, int, int], light: float) -> None:
    random = np.random.default_rng(0)
    rgb = np.full((128, 128, 3), (90, 120, 150), np.float32)
    rgb[30:100, 30:100] = np.array(shade) * light
    rgb += random.normal(0, 2, rgb.shape)
    mask = skin_mask(rgb.clip(0, 255).astype(np.uint8))
    assert mask[45:85, 45:85].min() > 0.8
    assert mask[:15].max() < 0.1


def test_grey_and_noise_have_no_skin() -> None:
    random = np.random.default_rng(0)
    for rgb in (
        np.full((64, 64, 3), 128, np.uint8),
        random.integers(0, 256, (64, 64, 3), np.uint8),
    ):
        assert skin_mask(rgb).max() == 0
        assert np.array_equal(retouch(rgb, 0), rgb)


def test_a_large_photograph_is_searched_in_a_smaller_copy(portrait: np.ndarray) -> None:
    large = spaces.resize(portrait, 2048, 2048)
    shrunk = ndimage.zoom(skin_mask(large), 0.25, order=1)
    assert np.abs(shrunk - skin_mask(portrait)).mean() < 0.05


def test_the_same_seed_retouches_alike_and_another_otherwise(portrait: np.ndarray) -> None:
    first = retouch(portrait, 1)
    assert np.array_equal(first, retouch(portrait, 1))
    assert not np.array_equal(first, retouch(portrait, 2))


def test_what_is_not_skin_keeps_every_pixel(portrait: np.ndarray) -> None:
    after = retouch(portrait, 0)
    assert not changed(after, portrait)[skin_mask(portrait) == 0].any()
    assert changed(after, portrait)[FACE].mean() > 0.5


def test_texture_goes_as_asked_and_large_forms_stay(portrait: np.ndarray) -> None:
    ratios = []
    for left in (0.0, 0.15, 0.5, 1.0):
        after = retouch(portrait, 0, detail_left=left)
        ratios.append(pair_check.detail_ratio(after[CHIN], portrait[CHIN]))
        slow = [
            ndimage.gaussian_filter(rgb.astype(float), (12, 12, 0)) for rgb in (after, portrait)
        ]
        assert np.abs(slow[0] - slow[1]).max() < 6  # no halo
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.5
    assert pair_check.shift(retouch(portrait, 0), portrait) == pytest.approx((0, 0), abs=0.05)


def test_all_surfaces_reach_cloth_and_keep_its_edges(portrait: np.ndarray) -> None:
    after = retouch(portrait, 0, all_surfaces=True)
    assert changed(after, portrait)[SUIT].mean() > 0.5
    assert np.abs(after[SUIT].astype(int) - portrait[SUIT]).mean() > 0.5
    assert (after >= 0).all()
    assert pair_check.likeness(after[BADGE], portrait[BADGE]) > 0.99  # its letters stay


def test_spots_are_healed() -> None:
    random = np.random.default_rng(0)
    skin = np.array([205, 160, 140])
    rgb = skin + random.normal(0, 1.5, (400, 400, 1))
    y, x = np.ogrid[:400, :400]
    spots = [(100, 100), (150, 250), (300, 180), (220, 300), (330, 80), (60, 330)]
    for cy, cx in spots:
        rgb[(y - cy) ** 2 + (x - cx) ** 2 <= 9] -= (20, 28, 22)
    before = rgb.clip(0, 255).astype(np.uint8)
    after = retouch(before, 0, detail_left=1)  # so that healing alone can take them away
    healed = [np.abs(after[at].astype(int) - skin).max() < 12 for at in spots]
    assert sum(healed) >= 4  # a hand may leave some


def test_a_share_of_detail_out_of_range_is_refused(portrait: np.ndarray) -> None:
    for left in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError):
            retouch(portrait, 0, detail_left=left)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.booleans())
def test_any_size_works(height: int, width: int, sparse: bool, all_surfaces: bool) -> None:
    rgb = np.full((height, width, 3), (205, 160, 140), np.uint8)
    after = retouch(rgb, 0, sparse=sparse, all_surfaces=all_surfaces)
    assert after.shape == rgb.shape
    assert after.dtype == np.uint8


@pytest.mark.parametrize("name", ["london_003", "london_042", "selfie_15cm"])
def test_real_portraits_are_retouched_by_the_expected_amount(shared: Path, name: str) -> None:
    before = images.read_rgb(shared / f"portraits/{name}.jpg")
    before = spaces.resize(before, before.shape[1] // 2, before.shape[0] // 2)
    after = retouch(before, 0)
    where = changed(after, before)
    assert 0.1 < where.mean() < 0.5
    assert pair_check.detail_ratio(after, before) < 0.8
    sparse = retouch(before, 0, sparse=True)
    where = changed(sparse, before)
    assert 0.04 <= where.mean() <= 0.07
    levels = np.abs(sparse.astype(int) - before)[where].mean()
    assert levels == pytest.approx(SPARSE_LEVELS, abs=0.5)
