"""A fit that does not leave the identity: noticed within seconds, so that it can begin anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PATIENCE = 150
"""Updates after which a fit must have moved: half a minute on two cores."""
LOOKED_AT = 50
"""Of these, the last ones, whose errors are compared with doing nothing."""
MOVED = 0.02
"""Share of the retouch undone from which on a fit has moved."""
MOST_ATTEMPTS = 3
"""Pairs from which nothing can be learnt so soon are not begun anew for ever."""


@dataclass(frozen=True)
class Attempt:
    """Where a fit stands that may have to begin anew. Plain values: part of the state."""

    number: int = 0
    begun_at: int = 0
    """step of its first update"""
    error: float = 0.0
    """summed over the last updates of its patience"""
    identity: float = 0.0

    def after(self, step: int, error: float, identity: float) -> Attempt:
        """Return the attempt after the update that follows `step` updates, which had this mean
        error, and would have had `identity` by doing nothing."""
        place = step - self.begun_at
        if not PATIENCE - LOOKED_AT <= place < PATIENCE:
            return self
        return Attempt(self.number, self.begun_at, self.error + error, self.identity + identity)

    def is_stuck(self, step: int) -> bool:
        """Whether, after `step` updates in all, its patience is used up and nothing has moved."""
        return (
            step - self.begun_at == PATIENCE
            and self.number + 1 < MOST_ATTEMPTS
            and self.error > (1 - MOVED) * self.identity
        )

    def next(self, step: int) -> Attempt:
        """Return the attempt that begins after `step` updates in all."""
        return Attempt(self.number + 1, step)

    def state(self) -> dict[str, Any]:
        return asdict(self)
