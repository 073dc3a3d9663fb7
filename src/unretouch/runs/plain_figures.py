"""How a prediction compares with its answer: the plain figures of one pair, and their means.

Every table, page and record of a run shows these, whoever measured them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FIGURES = ("level_error", "identity_error", "recovered_share", "exact_pixels")
"""What a page and a record hold of a pair's figures."""


@dataclass(frozen=True, kw_only=True)
class PlainFigures:
    """The plain figures of one pair; errors are mean absolute differences in grey levels, 0..255.

    Of an estimate only parts of a large pair were measured; its `identity_error` is exact even so.
    """

    name: str
    level_error: float
    """between prediction and target"""
    identity_error: float
    """between source and target: what doing nothing costs"""
    recovered_share: float | None
    """up to 1, below 0 is harm; None where source and target are equal"""
    exact_pixels: float | None = None
    """share of pixels that equal the target's in a file; None where it is not known exactly"""
    estimated: bool = False
    identity_parts: tuple[float, float] | None = None
    """what of `identity_error` is retouch, and what two files compressed apart; None for lossless
    pairs, and where it was not asked for"""

    def record(self) -> dict[str, Any]:
        """Return the figures as the pages and the records of comparisons hold them."""
        return {name: getattr(self, name) for name in FIGURES}


def share_of(level_error: float, identity_error: float) -> float | None:
    """Return the recovered share that two mean errors come to; None with nothing to recover."""
    return 1 - level_error / identity_error if identity_error else None


def mean_of(pairs: Sequence[PlainFigures]) -> PlainFigures:
    """Return the mean of each figure over the pairs that have it; errors are NaN without pairs.

    The share is that of the mean errors: a pair with little to recover must not weigh as much as
    one with a lot.
    """
    level_error = _mean([pair.level_error for pair in pairs])
    identity_error = _mean([pair.identity_error for pair in pairs])
    exact = [pair.exact_pixels for pair in pairs if pair.exact_pixels is not None]
    return PlainFigures(
        name="mean",
        level_error=level_error,
        identity_error=identity_error,
        recovered_share=share_of(level_error, identity_error) if pairs else None,
        exact_pixels=_mean(exact) if exact else None,
        estimated=any(pair.estimated for pair in pairs),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
