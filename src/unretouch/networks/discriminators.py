"""The classic discriminators: the PatchGANs basic (70 x 70 patches) and n_layers, and pixel.

Formula: Isola et al. 2017. Each output value judges one patch, as logits (no sigmoid). Module names
are chosen so that the state dict has the classic program's keys.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.networks.classic import (
    SLOPE,
    Halve,
    Keep,
    convolutions_have_bias,
    initialise,
    make_norm,
)
from unretouch.settings.train import TrainSettings


class PatchDiscriminator(nn.Module):
    """Source and picture side by side, (N, input_nc, H, W), to logits (N, 1, h, w).

    With three layers h = H / 8 - 2, and each value sees 70 x 70 pixels.
    """

    def __init__(self, layers: int, settings: TrainSettings) -> None:
        """Fresh weights are drawn from torch's random state."""
        super().__init__()
        norm, ndf = settings.norm, settings.ndf
        bias = convolutions_have_bias(norm)
        widths = [ndf * min(8, 2**layer) for layer in range(layers + 1)]
        part: dict[str, nn.Module] = {
            "0": Halve(settings.input_nc + settings.output_nc, ndf, bias=True)
        }
        for layer in range(1, layers + 1):
            kind = Keep if layer == layers else Halve
            part[str(3 * layer - 1)] = kind(widths[layer - 1], widths[layer], bias)
            part[str(3 * layer)] = make_norm(norm, widths[layer])
        part[str(3 * layers + 2)] = Keep(widths[layers], 1, bias=True)
        self.layers = layers
        self.model = nn.ModuleDict(part)
        initialise(self, settings.init_type, settings.init_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to logits (N, 1, h, w)."""
        part = self.model
        x = F.leaky_relu_(part["0"](x), SLOPE)
        for layer in range(1, self.layers + 1):
            x = part[str(3 * layer)](part[str(3 * layer - 1)](x))
            x = F.leaky_relu_(x, SLOPE)
        y: torch.Tensor = part[str(3 * self.layers + 2)](x)
        return y


class PixelDiscriminator(nn.Module):
    """Judges every pixel by itself (1 x 1 PatchGAN): (N, input_nc, H, W) to logits (N, 1, H, W)."""

    def __init__(self, settings: TrainSettings) -> None:
        """Fresh weights are drawn from torch's random state."""
        super().__init__()
        norm, ndf = settings.norm, settings.ndf
        bias = convolutions_have_bias(norm)
        self.net = nn.ModuleDict(
            {
                "0": nn.Conv2d(settings.input_nc + settings.output_nc, ndf, 1),
                "2": nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
                "3": make_norm(norm, 2 * ndf),
                "5": nn.Conv2d(2 * ndf, 1, 1, bias=bias),
            }
        )
        initialise(self, settings.init_type, settings.init_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to logits (N, 1, H, W)."""
        part = self.net
        x = F.leaky_relu_(part["0"](x), SLOPE)
        x = F.leaky_relu_(part["3"](part["2"](x)), SLOPE)
        y: torch.Tensor = part["5"](x)
        return y
