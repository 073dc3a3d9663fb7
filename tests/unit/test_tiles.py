"""Tiles: every pixel counted once, and no seam for a function that sees no further than they do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from unretouch.tiles import Span, Tiling, spans, strips, whole

Floats = NDArray[np.float32]

tilings = st.builds(
    lambda core, overlap: Tiling(core, min(core, overlap)), st.integers(1, 40), st.integers(0, 20)
)


@given(st.integers(1, 300), tilings)
def test_the_weights_of_all_tiles_add_up_to_one(length: int, tiling: Tiling) -> None:
    total = np.zeros(length)
    for span in spans(length, tiling):
        total[span.first : span.last] += span.weights
        assert 0 <= span.start <= span.first < span.last <= span.stop <= length
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(st.integers(1, 300), tilings)
def test_no_tile_is_larger_than_its_core_and_two_overlaps(length: int, tiling: Tiling) -> None:
    assert all(s.stop - s.start <= tiling.core + 2 * tiling.overlap for s in spans(length, tiling))


@given(st.integers(1, 300), st.integers(1, 10))
def test_tiles_begin_on_the_grid_of_the_network(length: int, multiple: int) -> None:
    tiling = Tiling(4 * multiple, 2 * multiple)
    assert all(span.start % multiple == 0 for span in spans(length, tiling))


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), tilings, st.integers(0, 2**32 - 1))
def test_a_function_of_the_pixel_alone_comes_back(
    height: int, width: int, tiling: Tiling, seed: int
) -> None:
    picture = np.random.default_rng(seed).random((height, width, 3), np.float32)
    result = whole(strips(height, width, tiling, lambda r, c: picture[r.seen, c.seen] * 2))
    np.testing.assert_allclose(result, picture * 2, atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(12, 40), st.integers(0, 2**32 - 1))
def test_no_seam_where_the_outer_part_of_the_overlap_reaches_far_enough(
    height: int, width: int, core: int, seed: int
) -> None:
    radius, overlap = 6, 8
    picture = np.random.default_rng(seed).random((height, width, 1), np.float32)

    def local(window: Floats) -> Floats:
        # Zero at the edges: a tile that is cut too near would show it.
        kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.float32)
        return ndimage.convolve(window[..., 0], kernel, mode="constant")[..., None]

    tiled = whole(
        strips(height, width, Tiling(core, overlap), lambda r, c: local(picture[r.seen, c.seen]))
    )
    np.testing.assert_allclose(tiled, local(picture), rtol=1e-4)


def test_a_step_between_tiles_becomes_a_ramp() -> None:
    """Where tiles disagree, the blend goes evenly from one to the other: no step is left."""
    tiling = Tiling(40, 20)

    def constant(rows: Span, columns: Span) -> Floats:
        value = float(columns.start > 0)
        return np.full((rows.stop - rows.start, columns.stop - columns.start, 1), value, np.float32)

    row = whole(strips(10, 80, tiling, constant))[0, :, 0]
    assert np.abs(np.diff(row)).max() == pytest.approx(1 / (2 * tiling.ramp), abs=1e-6)


def test_rows_come_from_the_top_and_earlier_ones_are_not_read_again() -> None:
    tiling = Tiling(16, 8)
    highest_read: list[int] = []

    def note(rows: Span, columns: Span) -> Floats:
        highest_read.append(rows.start)
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)

    bottom, written = 0, 0
    for strip in strips(100, 30, tiling, note):
        assert strip.top == bottom
        # The caller writes a strip when the next has come: nothing above was needed for that.
        assert min(highest_read) >= written - tiling.overlap
        written, bottom = bottom, strip.top + len(strip.rows)
        highest_read.clear()
    assert bottom == 100


@pytest.mark.parametrize(("core", "overlap"), [(0, 0), (4, 5), (4, -1)])
def test_impossible_tilings_are_refused(core: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        Tiling(core, overlap)


def test_what_is_computed_is_not_changed_where_it_is_kept() -> None:
    kept = np.ones((40, 40, 3), np.float32)
    parts = strips(40, 40, Tiling(16, 8), lambda r, c: kept[r.seen, c.seen])
    np.testing.assert_allclose(whole(parts), 1, atol=1e-6)
    assert (kept == 1).all()
