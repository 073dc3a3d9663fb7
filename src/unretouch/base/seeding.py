"""Randomness by counter: every choice is a fixed function of (seed, step, ...), never of the past.

This is what makes a resumed run equal to an uninterrupted one: there is no generator whose state
could be lost. Mixing is SplitMix64 (Steele, Lea and Flood, 2014) on 64-bit integers.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1


def mix(*counters: int) -> int:
    """Return 64 random bits, as an integer, that depend on all `counters` and on nothing else."""
    state = 0
    for counter in counters:
        state = _finalise((state ^ (counter & _MASK)) + 0x9E3779B97F4A7C15 & _MASK)
    return state


def below(bound: int, *counters: int) -> int:
    """Return an integer in [0, bound), uniform to within bound / 2**64."""
    return mix(*counters) * bound >> 64


def shuffled(count: int, *counters: int) -> list[int]:
    """Return 0 .. count - 1 in an order that depends on `counters` (Fisher and Yates)."""
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        chosen = below(last + 1, *counters, last)
        order[last], order[chosen] = order[chosen], order[last]
    return order


def torch_seed(*counters: int) -> int:
    """Return a seed in [0, 2**63) for torch.manual_seed."""
    return mix(*counters) >> 1


def _finalise(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31
