"""The slow part of a retouch is left out of what is asked for, and taken out of predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import ndimage

from unretouch.pixels.retouched_area import exact_map, pair_map
from unretouch.pixels.slow_change import SlowChange, cell_of, enlarged, without_slow_change

SIDE = 320
WHOLE = slice(0, SIDE)
SIGMA = 32.0


def sides(light: float, texture: float) -> tuple[np.ndarray, np.ndarray]:
    """A retouch in the left half: so many levels darker, and texture taken out."""
    random = np.random.default_rng(0)
    target = np.rint(120 + texture * random.standard_normal((SIDE, SIDE, 3))).astype(np.uint8)
    source = target.copy()
    source[:, : SIDE // 2] = np.rint(120 - light)
    return source, target


def asked(light: float, texture: float, sigma: float | None) -> tuple[np.ndarray, np.ndarray]:
    source, target = sides(light, texture)
    answer = exact_map(source, target).asked(source, target, WHOLE, WHOLE, sigma)
    return answer.astype(np.float32) - source, target.astype(np.float32) - source


def test_light_that_changed_as_a_whole_is_not_asked_for_and_texture_is() -> None:
    found, true = asked(6, 4, SIGMA)
    left = np.s_[32:-32, 32:128]
    assert abs(found[left].mean()) < 0.3 < 5.5 < true[left].mean()
    assert found[left].std() == pytest.approx(float(true[left].std()), rel=0.05)


def test_without_a_size_all_is_asked_for() -> None:
    found, true = asked(6, 4, None)
    assert (found == true).all()


def test_what_was_not_retouched_is_asked_to_stay() -> None:
    found, _ = asked(6, 4, SIGMA)
    assert not found[:, SIDE // 2 :].any()


def test_a_change_smaller_than_the_size_stays() -> None:
    source, target = sides(0, 0)
    target[100:110, 40:50] += 20
    answer = exact_map(source, target).asked(source, target, WHOLE, WHOLE, SIGMA)
    assert answer[100:110, 40:50].astype(int).mean() > 120 + 12


def freckles(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Skin without its freckles, and with them: 2 x 2 pixels, 10 levels darker, over `share`."""
    spots = np.random.default_rng(2).random((SIDE // 2, SIDE // 2)) < share
    change = np.where(spots.repeat(2, 0).repeat(2, 1)[..., None], -10, 0).repeat(3, 2)
    source = np.full((SIDE, SIDE, 3), 150, np.uint8)
    return source, (source + change).astype(np.uint8)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2])
def test_many_spots_of_one_sign_are_asked_for(share: float) -> None:
    source, target = freckles(share)
    answer = exact_map(source, target).asked(source, target, WHOLE, WHOLE, 96)
    found = answer.astype(np.float32) - source
    assert found[target < source].mean() < -10 * (1 - 1.3 * share)


def test_any_window_of_the_picture_is_asked_alike() -> None:
    source, target = sides(6, 4)
    known = exact_map(source, target)
    whole = known.asked(source, target, WHOLE, WHOLE, SIGMA)
    rows, columns = slice(13, 77), slice(101, 190)
    assert (known.asked(source, target, rows, columns, SIGMA) == whole[rows, columns]).all()


def test_blocks_are_enlarged_linearly() -> None:
    blocks = np.arange(5, dtype=np.float32)[:, None, None].repeat(6, 1).repeat(3, 2)
    found = enlarged(blocks, slice(0, 40), slice(8, 32))
    wanted = np.clip((np.arange(40) + 0.5) / 8 - 0.5, 0, 4)
    np.testing.assert_allclose(
        found, np.broadcast_to(wanted[:, None, None], found.shape), atol=1e-5
    )


def guessed(light: float) -> np.ndarray:
    """A change of texture and of light in all but the right edge."""
    random = np.random.default_rng(1)
    change = (light + 3 * random.standard_normal((SIDE, SIDE, 3))).astype(np.float32)
    change[:, -40:] = 0
    return change


def steadied(change: np.ndarray, *cuts: int, sigma: float = SIGMA) -> np.ndarray:
    strips = np.split(change.copy(), cuts)
    return np.concatenate(list(without_slow_change(iter(strips), len(change), sigma)))


def test_light_that_was_guessed_is_taken_out_and_texture_stays() -> None:
    change = guessed(light=2)
    found, texture = steadied(change)[:, :-136], guessed(light=0)[:, :-136]
    assert abs(found.mean()) < 0.1 < 1.9 < change[:, :-136].mean()
    assert np.corrcoef(found.ravel(), texture.ravel())[0, 1] > 0.98


def test_what_a_network_leaves_as_it_is_stays_to_the_bit() -> None:
    assert not steadied(guessed(light=2))[:, -40:].any()
    assert not steadied(np.zeros((SIDE, SIDE, 3), np.float32)).any()


@pytest.mark.parametrize("drawn", [(2, 1), (1, 2), (2, 2)])
def test_a_grid_of_two_pixels_that_a_network_draws_is_taken_out(drawn: tuple[int, int]) -> None:
    grid = np.zeros((SIDE, SIDE, 3), np.float32)
    grid[:: drawn[0], :: drawn[1]] = 1
    texture = guessed(light=0)[:, :-136]
    found = steadied(guessed(light=0) + grid)[:, :-136]
    left = np.fft.fft2((found - texture).mean(2))
    added = np.fft.fft2(grid[:, :-136].mean(2))
    half = SIDE // 2, found.shape[1] // 2
    places = (half[0], 0), (0, half[1]), half
    assert max(abs(left[at]) for at in places) < 0.1 * max(abs(added[at]) for at in places)
    assert np.corrcoef(found.ravel(), texture.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (33, 35)])
def test_pictures_of_any_size_are_steadied(shape: tuple[int, int]) -> None:
    found = steadied(np.full((*shape, 3), 2, np.float32))
    np.testing.assert_allclose(found, 0, atol=1e-4)


def test_a_spot_comes_back_in_full() -> None:
    change = np.zeros((SIDE, SIDE, 3), np.float32)
    change[100:110, 40:50] = 20
    assert steadied(change, sigma=96)[100:110, 40:50].min() > 18


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2])
def test_many_spots_of_one_sign_are_no_change_of_light(share: float) -> None:
    source, target = freckles(share)
    change = target.astype(np.float32) - source
    assert steadied(change, sigma=96)[change < 0].mean() < -10 * (1 - 1.3 * share)


@pytest.mark.parametrize("side", [32, 200])
def test_a_picture_smaller_than_the_size_keeps_no_guessed_light(side: int) -> None:
    light = np.full((side, side, 3), 3, np.float32)
    assert abs(steadied(light, sigma=768)).max() < 1e-4


def test_a_wide_mean_is_taken_on_few_cells_and_is_nearly_that_of_all_blocks() -> None:
    """A pyramid's takes 768 pixels on either side: of blocks of 8 it would take seconds."""
    sigma, side = 768.0, 1536
    change = np.zeros((side, side, 3), np.float32)
    change[: side // 3, side // 2 :] = 4
    found = change - steadied(change, sigma=sigma)
    assert cell_of(sigma) == 64
    blocks = change.reshape(side // 8, 8, side // 8, 8, 3).mean((1, 3))
    sums = np.dstack([blocks, np.ones((side // 8, side // 8))])
    sums = ndimage.gaussian_filter(sums, (sigma / 8, sigma / 8, 0), truncate=3, mode="constant")
    wanted = enlarged((sums[..., :3] / sums[..., 3:]).astype(np.float32), *2 * [slice(0, side)])
    np.testing.assert_allclose(found[change > 0], wanted[change > 0], atol=0.003 * 4)


@pytest.mark.parametrize("cuts", [(100,), (8, 16, 313), tuple(range(1, SIDE, 7))])
def test_strips_of_any_height_agree(cuts: tuple[int, ...]) -> None:
    np.testing.assert_allclose(steadied(guessed(2), *cuts), steadied(guessed(2)), atol=1e-5)


def test_a_picture_is_changed_while_the_rest_is_still_to_come() -> None:
    seen = 0

    def strips() -> Iterator[np.ndarray]:
        nonlocal seen
        for _ in range(40):
            seen += 1
            yield np.ones((16, 32, 3), np.float32)

    next(without_slow_change(strips(), 640, sigma=16.0))
    assert seen < 8


def test_a_crop_of_a_lossy_pair_needs_no_look_at_the_whole() -> None:
    source, target = (side.repeat(2, 0).repeat(2, 1) for side in sides(6, 4))
    source = np.clip(source + np.random.default_rng(1).normal(0, 1, source.shape), 0, 255)
    source, window = source.astype(np.uint8), slice(100, 164)
    known = pair_map(source, target)
    assert not known.lossless
    elsewhere = target.copy()
    elsewhere[600:] = 0  # nobody looks there
    found, again = (
        dataclasses.replace(known, _tiles={}, _slow={}).asked(source, side, window, window, 128.0)
        for side in (target, elsewhere)
    )
    assert (found == again).all()


def test_of_any_window_the_same_is_taken_out() -> None:
    grid = np.zeros((SIDE, SIDE, 3), np.float32)
    grid[:, ::2] = 2
    change = guessed(light=1) + grid
    slow = SlowChange(SIDE, SIDE, SIGMA)
    slow.add(change, 0)
    whole = change.copy()
    slow.take_out(whole, 0)
    for top, left in ((0, 0), (13, 40), (16, 41), (7, 33)):
        part = change[top : top + 50, left : left + 61].copy()
        slow.take_out(part, top, left)
        np.testing.assert_allclose(part, whole[top : top + 50, left : left + 61], atol=1e-4)
