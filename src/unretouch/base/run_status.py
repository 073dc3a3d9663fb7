"""What a run tells about itself while it trains: plain data, and how it is thinned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

State = Literal["starting", "running", "finished", "stopped", "failed"]

CURVE_POINTS = 1000
"""Points a curve is thinned to."""
PREVIEWS_KEPT = 60
"""Previews a run keeps; see thin_previews."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class PreviewPair:
    """One pair as it looked at one step.

    Pictures are file names relative to the run's web folder, `/` between folders, not
    percent-encoded: `images/epoch012_face_fake_B.png`. Errors are mean absolute differences in
    grey levels, 0 to 255. Shares go up to 1; None where the source equals the target.
    """

    name: str
    real_A: str
    fake_B: str
    real_B: str
    error_map: str | None = None
    level_error: float
    identity_error: float
    recovered_share: float | None
    exact_pixels: float | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Pictures of every pair at one step; step 0 is before the first update."""

    step: int
    epoch: int
    pairs: Sequence[PreviewPair]


@dataclass(frozen=True, kw_only=True)
class LastSave:
    """The newest save: its step, and its time of day in Unix seconds."""

    step: int
    time: float


@dataclass(frozen=True, kw_only=True)
class TrainingStatus:
    """A run at one moment.

    `elapsed_s` and `left_s` are seconds; totals and time left are None where unknown.
    `stop_reason` is one of STOP_REASONS or any sentence; empty while the run goes on.
    `identity_error` is the mean over the pairs of what doing nothing costs, in grey levels.
    `curves` holds columns of one length: `step`, and any of `G_L1`, `G_GAN`, `D_real`, `D_fake`,
    `level_error`; NaN where a value is missing. Longer than CURVE_POINTS they are thinned.
    `previews` are in the order of their steps.
    """

    name: str
    state: State
    step: int
    total_steps: int | None
    epoch: int
    total_epochs: int | None
    elapsed_s: float
    left_s: float | None
    lr: float
    lambda_L1: float
    identity_error: float
    last_save: LastSave | None = None
    stop_reason: str = ""
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    previews: Sequence[Preview] = ()


STOP_REASONS = (
    "finished", "interrupted", "terminated", "time_up", "non_finite", "disk_full",
    "target_reached", "every_pixel_exact", "no_more_gain",
)  # fmt: skip
"""Reasons that the page words in the reader's language; any other text is shown as it is."""


def thin_curves(
    curves: Mapping[str, Sequence[float]], limit: int = CURVE_POINTS
) -> dict[str, list[float]]:
    """Return the columns with at most `limit` points of five significant digits.

    A point stands for equally many neighbours and is their mean, without NaN; the column `step`
    takes the last of them, so that the newest step stays.
    """
    return {name: _thin_column(name, values, limit) for name, values in curves.items()}


def _thin_column(name: str, values: Sequence[float], limit: int) -> list[float]:
    column = np.asarray(values, dtype=np.float64)
    if len(column) == 0:
        return []
    size = math.ceil(len(column) / limit)
    starts = np.arange(0, len(column), size)
    if name == "step":
        ends = np.minimum(starts + size, len(column)) - 1
        return [float(v) for v in column[ends]]
    finite = np.isfinite(column)
    sums = np.add.reduceat(np.where(finite, column, 0.0), starts)
    counts = np.add.reduceat(finite.astype(np.float64), starts)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    return [float(f"{v:.5g}") for v in means]


def thin_previews(previews: Sequence[Item], limit: int = PREVIEWS_KEPT) -> list[Item]:
    """Return the previews to keep: all up to `limit`, else every second one, and again if need be.

    The first and the newest always stay. Applied after each new preview this keeps between half of
    `limit` and `limit`, the newest half the densest, and never asks for one dropped before.
    """
    kept = list(previews)
    while len(kept) > max(limit, 2):
        kept = kept[:-1:2] + kept[-1:]
    return kept
