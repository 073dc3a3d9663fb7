"""What the classic networks share: normalisation, and fresh weights as the classic program draws
them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.settings.train import InitName, NormName

TAKES = frozenset({"input_nc", "output_nc", "ngf", "norm", "no_dropout", "init_type", "init_gain"})
"""The settings by which classic generators are built."""

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


def norm_of(state: Mapping[str, torch.Tensor], convolution: str, norm: str) -> NormName:
    """Return the normalisation in a state dict, told by the keys of one and of the convolution
    before it."""
    if f"{norm}.weight" in state:
        return "batch"
    return "instance" if f"{convolution}.bias" in state else "none"


def initialise(net: nn.Module, init_type: InitName, gain: float) -> None:
    """Draw fresh weights in place, from torch's random state.

    Convolutions: `init_type` with `gain` (standard deviation of "normal", gain of "xavier" and
    "orthogonal"; "kaiming" has its own), biases 0. Batch normalisation: scale N(1, gain), shift 0.
    """
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            match init_type:
                case "normal":
                    nn.init.normal_(module.weight, 0.0, gain)
                case "xavier":
                    nn.init.xavier_normal_(module.weight, gain)
                case "kaiming":
                    nn.init.kaiming_normal_(module.weight)
                case "orthogonal":
                    nn.init.orthogonal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)
