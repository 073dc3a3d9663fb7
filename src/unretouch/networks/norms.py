"""Normalisation of the classic networks: batch, instance or none."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.settings.train import NormName

EPSILON = 1e-5
"""Added to variances, as in the classic program."""


class InstanceNorm(nn.Module):
    """Every channel of every picture to mean 0 and variance 1; without parameters or statistics."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same."""
        if len(x) == 1:
            # One picture's statistics are its batch's: the same numbers, and this kernel keeps
            # channels-last memory as it is.
            return F.batch_norm(x, None, None, training=True, eps=EPSILON)
        return F.instance_norm(x, eps=EPSILON)


def make_norm(name: NormName, channels: int) -> nn.Module:
    """Return the normalisation `name` for `channels` channels."""
    match name:
        case "batch":
            return nn.BatchNorm2d(channels, eps=EPSILON)
        case "instance":
            return InstanceNorm()
        case "none":
            return nn.Identity()


def convolutions_have_bias(name: NormName) -> bool:
    """Whether a convolution before the normalisation has a bias: in classic files only before
    instance normalisation (before batch normalisation it would be superfluous)."""
    return name == "instance"
