"""Training crops: inside the pictures, drawn by what has to change, the same for every resume."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from crop_batches import crops_at
from hypothesis import given, settings
from hypothesis import strategies as st

from unretouch.networks.prediction import SMALLEST
from unretouch.pixels.pairs import Pair
from unretouch.training import crops


def table_of(pairs: list[Pair], *sizes: int, **given: Any) -> crops.CropTable:
    return crops.crop_table(pairs, crops.pair_maps(pairs), *sizes, **given)


def pair(height: int, width: int, seed: int = 0, changed: slice = slice(None)) -> Pair:
    random = np.random.default_rng(seed)
    target = random.integers(60, 190, (height, width, 3), dtype=np.uint8)
    source = target.copy()
    source[:, changed] = source[:, changed] // 2 + 62
    return Pair(f"p{seed}", source, target, ())


def left_out(table: crops.CropTable, index: int) -> np.ndarray:
    """The pixels of a picture that are left out, bool (H, W)."""
    height, width = table.pairs[index].shape
    return table.left_out[index].mask(0, 0, max(height, width))[:height, :width]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([8, 16]), st.integers(16, 128))
def test_crops_lie_inside_and_on_the_grid(
    height: int, width: int, multiple: int, crop: int
) -> None:
    table = table_of([pair(height, width)], crop, multiple)
    assert table.crop % multiple == 0
    assert 0 < table.crop <= max(crop, 16)
    padded = np.array([-(-max(side, SMALLEST) // multiple) * multiple for side in (height, width)])
    for _, *place in crops.drawn_places(table, 3, 5, 20):
        assert (np.array(place) % multiple == 0).all()
        assert (np.array(place) >= 0).all()
        assert (np.array(place) + table.crop <= padded).all()


def test_pixels_of_a_crop_are_those_of_the_pair() -> None:
    one = pair(48, 64)
    table = table_of([one], 16, 8)
    batch = crops_at(table, *crops.drawn(table, 1, 2, 3))
    for i, (_, top, left) in enumerate(crops.drawn_places(table, 1, 2, 3)):
        for found, side in ((batch.source, one.source), (batch.target, one.target)):
            wanted = side[top : top + 16, left : left + 16].transpose(2, 0, 1) / 127.5 - 1
            np.testing.assert_allclose(found[i].numpy(), wanted, atol=1e-6)


def test_draws_depend_on_seed_and_step_alone() -> None:
    table = table_of([pair(64, 64), pair(64, 96, 1)], 16, 8)
    again = table_of([pair(64, 64), pair(64, 96, 1)], 16, 8)
    crops_at(again, *crops.drawn(again, 0, 0, 7))
    first, second = (crops.drawn_places(t, 4, 10**9, 8) for t in (table, again))
    assert (first == second).all()
    assert (first != crops.drawn_places(table, 5, 10**9, 8)).any()
    assert (first != crops.drawn_places(table, 4, 10**9 + 1, 8)).any()


def test_changed_areas_are_drawn_more_often_and_all_are_drawn() -> None:
    table = table_of([pair(64, 256, changed=slice(128, 256))], 16, 8)
    lefts = crops.drawn_places(table, 0, 0, 4000)[:, 2]
    in_change = (lefts >= 128).mean()
    assert 0.75 < in_change < 0.95
    assert set(lefts.tolist()) == set(range(0, 248, 8))


def test_pairs_of_different_sizes_share_the_smallest_crop() -> None:
    table = table_of([pair(20, 200), pair(300, 64, 1)], 128, 8)
    batch = crops_at(table, *crops.drawn(table, 0, 0, 4))
    assert batch.source.shape == batch.target.shape == (4, 3, 24, 24)


def test_turned_crops_are_the_eight_positions_of_the_same_pixels() -> None:
    table = table_of([pair(64, 64)], 16, 8)
    places = np.repeat(crops.drawn_places(table, 0, 0, 1), 8, axis=0)
    turned = crops_at(table, places, range(8))
    flat = {tuple(one.flatten().tolist()) for one in turned.source}
    assert len(flat) == 8
    upright = turned.source[0]
    assert all(
        sorted(one.flatten().tolist()) == sorted(upright.flatten().tolist())
        for one in turned.source
    )
    # Source and target are turned alike: the residual keeps its place.
    for source, target in zip(turned.source, turned.target, strict=True):
        assert (source - target).abs().sum() == pytest.approx(
            float((turned.source[0] - turned.target[0]).abs().sum()), rel=1e-4
        )
    assert (crops_at(table, *crops.drawn(table, 0, 3, 8, turn=True)).source.shape) == (
        8,
        3,
        16,
        16,
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(16, 400), st.integers(16, 400), st.floats(0.02, 0.3), st.integers(0, 99))
def test_left_out_blocks_are_about_the_share_and_never_more_than_half(
    height: int, width: int, share: float, seed: int
) -> None:
    table = table_of([pair(height, width)], 64, 8, left_out=share, seed=seed)
    mask = left_out(table, 0)
    assert mask.mean() <= 0.5
    if min(height, width) >= 256:
        assert mask.mean() == pytest.approx(share, abs=64 * 64 / mask.size)


def test_nothing_is_left_out_unless_asked() -> None:
    table = table_of([pair(128, 128)], 64, 8)
    assert not left_out(table, 0).any()
    assert len(crops.left_out_places(table, 16)) == 0


def test_what_was_left_out_is_shown_by_the_crops_that_judge() -> None:
    table = table_of([pair(256, 192), pair(128, 256, 1)], 96, 8, left_out=0.1, seed=3)
    places = crops.left_out_places(table, 100)
    masks = [left_out(table, index) for index in range(2)]
    shown = [np.zeros_like(mask) for mask in masks]
    for index, top, left in places:
        shown[index][top : top + 96, left : left + 96] = True
    for mask, seen in zip(masks, shown, strict=True):
        assert mask.any()
        assert seen[mask].all()
    assert len(crops.left_out_places(table, 2)) == 2
