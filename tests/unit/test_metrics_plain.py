"""Level error, recovered share, exact pixels and G_L1: values found by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from unretouch.metrics import (
    Area,
    Figure,
    Levels,
    exact_pixels,
    level_error,
    recovered_share,
    weighted_l1,
)
from unretouch.metrics.likeness import LEVEL_ERROR


def level_error_spread(
    prediction: Levels, target: Levels, area: Area | None = None
) -> tuple[Figure, ...]:
    return LEVEL_ERROR.over(prediction, target, target, area)


def grey(*levels: float) -> Levels:
    """A picture of one row, every pixel grey."""
    return np.repeat(np.array(levels, dtype=np.float32)[None, :, None], 3, axis=2)


def test_level_error_is_the_mean_of_all_colour_values() -> None:
    prediction = np.zeros((1, 2, 3), dtype=np.float32)
    target = np.array([[[1, 2, 3], [0, 0, 0.5]]], dtype=np.float32)
    assert level_error(prediction, target) == pytest.approx(6.5 / 6)
    assert level_error(target, prediction) == pytest.approx(6.5 / 6)


def test_spread_gives_percentiles_between_values_and_the_largest() -> None:
    errors = np.arange(101, dtype=np.float32)
    mean, p95, p99, largest = level_error_spread(grey(*errors), grey(*np.zeros(101)))
    assert mean == pytest.approx(50)
    assert p95 == pytest.approx(np.percentile(np.repeat(errors, 3), 95))
    assert p99 == pytest.approx(np.percentile(np.repeat(errors, 3), 99))
    assert largest == 100


def test_a_prediction_is_not_rounded_first() -> None:
    assert level_error(grey(10.25), grey(10)) == pytest.approx(0.25)


def test_an_area_leaves_the_rest_out() -> None:
    area = np.array([[True, False]])
    assert level_error(grey(1, 200), grey(0, 0), area) == pytest.approx(1)
    assert exact_pixels(grey(0, 200), grey(0, 0), area) == 1
    assert recovered_share(grey(1, 9), grey(0, 0), grey(4, 0), area) == pytest.approx(0.75)


@pytest.mark.parametrize("measure", [level_error, level_error_spread, exact_pixels])
def test_over_an_empty_area_there_is_no_mean(measure: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="empty"):
        measure(grey(1), grey(0), np.zeros((1, 1), dtype=np.bool_))


def test_recovered_share_is_one_when_perfect_zero_when_idle_negative_when_harmful() -> None:
    source, target = grey(14, 8), grey(10, 10)
    assert recovered_share(target, target, source) == 1
    assert recovered_share(source, target, source) == 0
    assert recovered_share(grey(16, 7), target, source) == pytest.approx(-0.5)


def test_recovered_share_says_nothing_where_nothing_was_retouched() -> None:
    assert recovered_share(grey(3), grey(3), grey(3)) is None


def test_exact_pixels_need_all_three_channels() -> None:
    target = np.array([[[10, 20, 30], [10, 20, 30], [10, 20, 30], [0, 255, 30]]], dtype=np.float32)
    prediction = np.array(
        [[[10.4, 19.6, 30], [10.6, 20, 30], [10, 20, 31], [-3, 300, 30]]], dtype=np.float32
    )
    assert exact_pixels(prediction, target) == 0.5


def test_exact_pixels_round_halves_to_even_as_files_do() -> None:
    assert exact_pixels(grey(10.5, 11.5), grey(10, 12)) == 1


@pytest.mark.parametrize(("lambda_L1", "levels"), [(500, 0.255), (300, 0.425), (1000, 0.1275)])
def test_the_goal_of_one_means_these_grey_levels(lambda_L1: float, levels: float) -> None:
    assert weighted_l1(levels, lambda_L1) == pytest.approx(1.0)


def test_pictures_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        level_error(grey(1, 2), grey(1))
    with pytest.raises(ValueError, match="area"):
        level_error(grey(1), grey(1), np.ones((2, 2), dtype=np.bool_))
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        level_error(np.zeros((2, 2), dtype=np.float32), np.zeros((2, 2), dtype=np.float32))
