"""G_L1: the level error in the units of the training log, which contain lambda."""

from __future__ import annotations

HALF_SCALE = 127.5
"""Grey levels in one unit of network space, which runs from -1 to 1."""


def weighted_l1(level_error: float, lambda_L1: float) -> float:
    """Return G_L1 as the log shows it: the error in network space times lambda.

    The classic log's figure: lambda_L1 * mean|fake_B - real_B| with pictures in [-1, 1].
    """
    return level_error / HALF_SCALE * lambda_L1


def level_error_at(weighted_l1: float, lambda_L1: float) -> float:
    """Return the level error, in grey levels, of a G_L1 at a lambda above 0.

    Raises ValueError where lambda is 0 or less: G_L1 then says nothing about the error.
    """
    if lambda_L1 <= 0:
        raise ValueError(f"G_L1 at lambda {lambda_L1} says nothing about the error")
    return weighted_l1 / lambda_L1 * HALF_SCALE
