"""Random choices by counter: fixed for ever, and spread as if drawn."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from unretouch.base import seeding


def test_the_same_counters_give_the_same_number_in_every_version() -> None:
    # Frozen: a saved run resumed by a later version must draw what it would have drawn.
    assert seeding.mix(0) == 0xE220A8397B1DCDAF
    assert seeding.mix(1, 2, 3) == seeding.mix(1, 2, 3) != seeding.mix(3, 2, 1)


def test_the_first_number_is_that_of_splitmix64() -> None:
    # Reference output of SplitMix64 seeded with 1234567 (Vigna's splitmix64.c).
    assert seeding.mix(1234567) == 6457827717110365317


@given(st.integers(1, 1000), st.integers(0, 2**64 - 1))
def test_a_bound_is_kept(bound: int, counter: int) -> None:
    assert 0 <= seeding.below(bound, counter) < bound


def test_numbers_are_spread_evenly() -> None:
    counts = Counter(seeding.below(10, 7, step) for step in range(20_000))
    assert all(1800 < counts[n] < 2200 for n in range(10))


@given(st.integers(0, 40), st.integers(0, 1000))
def test_a_shuffle_is_a_permutation(count: int, epoch: int) -> None:
    assert sorted(seeding.shuffled(count, 0, epoch)) == list(range(count))


def test_every_order_of_three_pairs_comes_up() -> None:
    orders = Counter(tuple(seeding.shuffled(3, 0, epoch)) for epoch in range(600))
    assert len(orders) == 6
    assert min(orders.values()) > 60
