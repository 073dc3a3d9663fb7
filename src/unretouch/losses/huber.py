"""Huber loss: quadratic close to the target, like L1 farther away."""

from __future__ import annotations

import torch
import torch.nn.functional as F

GREY_LEVEL = 1 / 127.5
"""One grey level in network space."""


def huber(
    prediction: torch.Tensor, target: torch.Tensor, delta: float = GREY_LEVEL
) -> torch.Tensor:
    """Return the Huber loss (Huber 1964) divided by `delta`, network space.

    With d = |prediction - target|: mean of d - delta / 2 where d >= delta, d^2 / (2 delta) below.
    So its slope far away is that of L1, and weights mean the same for both.
    """
    return F.huber_loss(prediction, target, delta=delta) / delta
