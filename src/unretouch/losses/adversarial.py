"""Adversarial losses: what the discriminator's logits say about a picture, as a number to lower."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

GanLoss = Callable[[torch.Tensor, bool], torch.Tensor]
"""Of logits (any shape) and whether they should say "real"; lower means that they do."""


def vanilla(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Cross entropy with the answer 1 for real, 0 for not (Goodfellow et al. 2014)."""
    answer = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits, answer)


def least_squares(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Squared distance to 1 for real, 0 for not (Mao et al. 2017)."""
    return ((logits - 1) if real else logits).square().mean()


def wasserstein(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Mean of the critic's values, negated for real (Arjovsky et al. 2017); any sign."""
    return (-logits if real else logits).mean()
