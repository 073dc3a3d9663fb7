"""The retouched area and its noise, and the grain that is laid over it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from unretouch.metrics import Levels, Picture
from unretouch.metrics.grain import grain_overlay
from unretouch.metrics.likeness import noise_and_area
from unretouch.metrics.octave_bands import BAND_ENERGY
from unretouch.pixels import retouched_area as areas
from unretouch.pixels.pair_noise import HIGHEST_NOISE
from unretouch.pixels.retouched_area import PairMap, pair_map

SIZE = 160

Rgb = np.ndarray
Mask = np.ndarray


def noise_level(source: Picture, target: Picture) -> float:
    return noise_and_area(source, target)[0]


def retouched_area(source: Picture, target: Picture) -> Mask:
    return noise_and_area(source, target)[1]


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
    assert not area[:34].any()
    assert not area[:, :34].any()
    assert not area[86:].any()
    assert not area[:, 86:].any()


def test_rounding_is_no_retouching() -> None:
    target = skin()
    assert not retouched_area(np.rint(target), target).any()
    assert not retouched_area(np.rint(target + 0.3), np.rint(target)).any()


def test_the_noise_of_a_second_compression_is_read_off_the_untouched_part() -> None:
    recompressed = np.random.default_rng(1).normal(0, 0.8, (SIZE, SIZE, 3)).astype(np.float32)
    source = spot(skin()) + recompressed
    # Both are rounded to 8 bits: 0.29 levels RMS each.
    assert noise_level(source, skin()) == pytest.approx(np.hypot(0.8, 0.41), rel=0.1)
    area = retouched_area(source, skin())
    assert area[42:78, 42:78].mean() > 0.99
    assert area[100:].mean() < 0.01


def test_a_retouch_of_the_whole_frame_does_not_pass_for_noise() -> None:
    target = skin()
    source = np.full_like(target, 150)
    assert noise_level(source, target) <= HIGHEST_NOISE
    assert retouched_area(source, target).mean() > 0.99


def test_frames_smaller_than_two_blocks_have_no_noise() -> None:
    assert noise_level(skin()[:9, :9], skin(1)[:9, :9]) == 0


# --- a retouch that is known, under noise that is known --------------------------------------


def jpeg(rgb: Rgb, quality: int, offset: int = 0) -> Rgb:
    """Compressed by 4:2:0, on blocks that begin `offset` pixels before the picture."""
    file = io.BytesIO()
    moved = np.pad(rgb, ((offset, 0), (offset, 0), (0, 0)), mode="edge")
    Image.fromarray(moved).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file).convert("RGB"))[offset:, offset:].copy()


@pytest.fixture(scope="module")
def photo(portrait: np.ndarray) -> Rgb:
    return portrait[:448, :512].copy()


@pytest.fixture(scope="module")
def sparse(photo: Rgb) -> tuple[Rgb, Mask]:
    """The photo with healed spots, dodged blobs and smoothed patches, and where that changed it."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    made = photo.astype(np.float32)
    for kind, count, width in (("heal", 12, 5), ("dodge", 3, 20), ("smooth", 3, 18)):
        for _ in range(count):
            row, column = random.integers(30, np.array(photo.shape[:2]) - 30)
            brush = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))[..., None]
            brush = np.clip(1.6 * brush - 0.2, 0, 1)
            blurred = ndimage.gaussian_filter(made, (2 * width / 4, 2 * width / 4, 0))
            made += brush * (6 if kind == "dodge" else blurred - made)
    source = np.rint(np.clip(made, 0, 255)).astype(np.uint8)
    return source, (source != photo).any(2)


def overlap(found: Mask, true: Mask) -> float:
    return float((found & true).sum() / (found | true).sum())


@pytest.mark.parametrize("quality", [92, 80])
def test_retouch_is_told_from_two_compressions(
    photo: Rgb, sparse: tuple[Rgb, Mask], quality: int
) -> None:
    source, true = sparse
    found = retouched_area(jpeg(source, quality), jpeg(photo, quality, offset=3))
    assert overlap(found, true) > 0.7


def test_retouch_is_told_from_noise_on_both_sides(photo: Rgb, sparse: tuple[Rgb, Mask]) -> None:
    source, true = sparse
    random = np.random.default_rng(5)

    def noisy(side: Rgb) -> Rgb:
        return np.rint(np.clip(side + random.normal(0, 1.5, side.shape), 0, 255)).astype(np.uint8)

    assert overlap(retouched_area(noisy(source), noisy(photo)), true) > 0.7


def test_V1_faint_specks_of_two_compressions_pass_for_noise(photo: Rgb) -> None:
    assert not retouched_area(jpeg(photo, 80), jpeg(photo, 80, offset=3)).any()


@pytest.mark.parametrize("size", [2, 3])
def test_a_spot_of_few_pixels_counts_where_it_is_clear(photo: Rgb, size: int) -> None:
    target = photo.copy()
    places = [(row, column) for row in range(40, 420, 60) for column in range(40, 480, 60)]
    for row, column in places:
        spot = np.s_[row : row + size, column : column + size]
        target[spot] = np.where(photo[spot] > 127, photo[spot] - 90, photo[spot] + 90)
    found = retouched_area(jpeg(photo, 85), jpeg(target, 85, offset=3))
    seen = [found[row : row + size, column : column + size].any() for row, column in places]
    assert np.mean(seen) > 0.9


def test_of_lossless_files_a_single_pixel_counts(photo: Rgb) -> None:
    source = photo.copy()
    source[200, 200] ^= 32
    assert retouched_area(source, photo)[200, 200]


def test_a_healed_spot_of_ten_pixels_counts(photo: Rgb) -> None:
    source = photo.copy()
    source[196:206, 196:206] = photo[196:206, 196:206].mean((0, 1)).astype(np.uint8) - 12
    assert retouched_area(jpeg(source, 92), jpeg(photo, 92, offset=3))[198:204, 198:204].all()


def test_lossless_files_need_no_allowance(photo: Rgb, sparse: tuple[Rgb, Mask]) -> None:
    source, true = sparse
    assert overlap(retouched_area(source, photo), true) > 0.8
    assert noise_level(source, photo) == 0


def test_two_compressions_of_one_picture_are_no_retouch(photo: Rgb) -> None:
    found = retouched_area(jpeg(photo, 92), jpeg(photo, 92, offset=3))
    assert found.mean() < 0.01


def test_a_part_that_is_the_same_on_both_sides_does_not_make_the_rest_retouch(
    photo: Rgb, sparse: tuple[Rgb, Mask]
) -> None:
    source, true = sparse
    before, after = jpeg(source, 92), jpeg(photo, 92, offset=3)
    before[:100] = after[:100]
    true = true.copy()
    true[:100] = False
    assert overlap(retouched_area(before, after), true) > 0.65


def test_a_large_faint_change_is_found_under_noise(photo: Rgb) -> None:
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    blob = 2.5 * np.exp(-((y - 220) ** 2 + (x - 250) ** 2) / (2 * 50**2))
    source = np.rint(np.clip(photo - blob[..., None], 0, 255)).astype(np.uint8)
    found = retouched_area(jpeg(source, 92), jpeg(photo, 92, offset=3))
    assert found[blob > 1.5].mean() > 0.9
    assert found[blob < 0.1].mean() < 0.05


# --- the map ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(photo: Rgb, sparse: tuple[Rgb, Mask]) -> tuple[PairMap, Rgb, Rgb]:
    before, after = jpeg(sparse[0], 92), jpeg(photo, 92, offset=3)
    return pair_map(before, after), before, after


def test_the_map_tells_retouch_from_compression(known: tuple[PairMap, Rgb, Rgb]) -> None:
    found, before, after = known
    nothing = np.abs(after.astype(float) - before).mean()
    assert found.identity_error == pytest.approx(nothing, rel=1e-3)
    area = areas.retouched_area(before, after, found)
    inside = (np.abs(after.astype(float) - before).mean(2) * area).mean()
    assert found.retouch_error == pytest.approx(inside, rel=0.15)
    assert not found.lossless


def test_a_window_of_the_mask_is_that_of_the_whole(known: tuple[PairMap, Rgb, Rgb]) -> None:
    found, before, after = known
    whole = retouched_area(before, after)
    for rows, columns in (((0, 90), (7, 300)), ((200, 448), (500, 512)), ((431, 433), (0, 512))):
        window = found.mask(before, after, slice(*rows), slice(*columns))
        np.testing.assert_array_equal(window, whole[slice(*rows), slice(*columns)])


# --- grain -----------------------------------------------------------------------------------


def test_grain_has_the_missing_energy_of_each_band_and_none_outside() -> None:
    target = skin()
    source = spot(target)
    area = retouched_area(source, target)
    grain = grain_overlay(source, target, area, seed=3)
    assert BAND_ENERGY.over(grain, target, source, area) == pytest.approx((1, 1, 1, 1), abs=0.25)
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
