"""Adversarial losses: what the discriminator's logits say about a picture, as a number to lower."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

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


def gradient_penalty(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    """Return the mean of (|gradient| - 1)^2 of the critic between real and fake inputs, unweighted.

    Formula: Gulrajani et al. 2017, with one random mixture a pair of inputs (N, C, H, W), drawn
    from torch's random state. The gradient is that of the summed logits of one input.
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    between = torch.lerp(fake, real, share).requires_grad_()
    logits = discriminator(between)
    (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
    # The small number keeps the root's derivative finite where the gradient is zero.
    length = (gradient.flatten(1).square().sum(1) + 1e-12).sqrt()
    return (length - 1).square().mean()
