"""Rules for sets of many pairs: what is kept in memory, and which pairs stand for all."""

from __future__ import annotations

from collections.abc import Sequence

from unretouch.base import seeding
from unretouch.base.memory import memory_bytes
from unretouch.pixels.pairs import Pair
from unretouch.settings.train import TrainSettings
from unretouch.training.previews import MOST_PAIRS

SHARE_OF_MEMORY = 0.25
"""Kept for decoded pairs on a machine, unless --cache_gb says otherwise."""
SHOWN = 12
"""Pairs that stand for more than MOST_PAIRS, or for a set that does not fit memory."""


def cache_bytes(settings: TrainSettings) -> int:
    """Return the bytes of decoded pairs that this process keeps."""
    if settings.cache_gb is not None:
        return int(settings.cache_gb * 10**9)
    return int(memory_bytes() * SHARE_OF_MEMORY / settings.devices)


def shown_pairs(pairs: Sequence[Pair], seed: int, lazy: bool) -> list[Pair]:
    """Return the pairs that the page and the table show: all, or SHOWN of many, drawn by `seed`."""
    if len(pairs) <= (SHOWN if lazy else MOST_PAIRS):
        return list(pairs)
    return [pairs[index] for index in sorted(seeding.shuffled(len(pairs), seed)[:SHOWN])]
