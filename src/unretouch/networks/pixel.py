"""The classic discriminator `pixel`: judges every pixel by itself (1 x 1 PatchGAN).

Formula: Isola et al. 2017. Module names are chosen so that the state dict has the classic keys.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.networks.initial import initialise
from unretouch.networks.norms import convolutions_have_bias, make_norm
from unretouch.settings.train import NormName, TrainSettings

SLOPE = 0.2
"""Of the leaky ReLU."""


class PixelDiscriminator(nn.Module):
    """Source and picture side by side, (N, input_nc, H, W), to logits (N, 1, H, W)."""

    def __init__(self, input_nc: int = 6, ndf: int = 64, norm: NormName = "batch") -> None:
        super().__init__()
        bias = convolutions_have_bias(norm)
        self.net = nn.ModuleDict(
            {
                "0": nn.Conv2d(input_nc, ndf, 1),
                "2": nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
                "3": make_norm(norm, 2 * ndf),
                "5": nn.Conv2d(2 * ndf, 1, 1, bias=bias),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to logits (N, 1, H, W)."""
        part = self.net
        x = F.leaky_relu_(part["0"](x), SLOPE)
        x = F.leaky_relu_(part["3"](part["2"](x)), SLOPE)
        y: torch.Tensor = part["5"](x)
        return y


def build(settings: TrainSettings) -> nn.Module:
    """Return the discriminator `pixel` with fresh weights."""
    net = PixelDiscriminator(settings.input_nc + settings.output_nc, settings.ndf, settings.norm)
    initialise(net, settings.init_type, settings.init_gain)
    return net
