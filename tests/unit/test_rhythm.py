"""When something is due, and what is kept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unretouch.training import rhythm

steps = st.sets(st.integers(1, 10_000), min_size=1, max_size=60)


def test_the_strong_command_gets_about_two_thousand_log_lines() -> None:
    assert 6000 // rhythm.log_every(6000) == 2000


def test_a_short_run_logs_every_step() -> None:
    assert rhythm.log_every(300) == 1


def test_a_frequency_counts_pictures_not_steps() -> None:
    assert rhythm.passed(100, 96, 100)
    assert rhythm.passed(100, 98, 102)
    assert not rhythm.passed(100, 100, 104)


SHARES = (rhythm.WEIGHTS_SHARE, rhythm.PREVIEWS_SHARE, rhythm.PAGE_SHARE)


@pytest.mark.parametrize("share", SHARES)
def test_what_is_costly_takes_its_share_of_the_time_at_most(share: float) -> None:
    clock = rhythm.CostShare(shortest=1.0, growth=0.0, share=share)
    elapsed = spent = 0.0
    while elapsed < 100_000:
        if clock.due(elapsed):
            clock.spent(elapsed, 3.0)
            spent += 3.0
        elapsed += 1.0
    assert 0.9 * share <= spent / elapsed <= share * 1.02


@given(st.floats(0.01, 20), st.floats(60, 20_000), st.floats(0, 0.05))
def test_the_first_and_the_last_are_part_of_the_share(
    cost: float, total: float, growth: float
) -> None:
    clock = rhythm.CostShare(shortest=1.0, growth=growth, share=rhythm.PREVIEWS_SHARE)
    clock.spent(0.0, cost, total)  # the first
    times, elapsed = 2, 0.0  # and the last
    while elapsed < total:
        if clock.due(elapsed):
            clock.spent(elapsed, cost, total)
            times += 1
        elapsed += 1.0
    assert times * cost <= max(rhythm.PREVIEWS_SHARE * total * 1.0001, 2 * cost)


def test_the_live_page_may_cost_less_than_two_percent() -> None:
    assert rhythm.PREVIEWS_SHARE + rhythm.PAGE_SHARE < 0.02


@given(steps, st.integers(1, 20))
def test_thinning_keeps_best_last_and_first_within_the_limit(found: set[int], limit: int) -> None:
    best = sorted(found)[len(found) // 2]
    kept = rhythm.thinned(found, limit, keep=[best])
    assert kept == sorted(kept)
    assert set(kept) <= found
    assert len(kept) == min(limit, len(found))
    by_importance = list(dict.fromkeys([best, max(found), min(found)]))
    assert set(by_importance[:limit]) <= set(kept)


def test_thinning_spreads_evenly_on_a_logarithmic_scale() -> None:
    kept = rhythm.thinned(range(1, 1025), 11)
    ratios = [b / a for a, b in itertools.pairwise(kept)]
    assert max(ratios) < 2 * min(ratios) + 1
