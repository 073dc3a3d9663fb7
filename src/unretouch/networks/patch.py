"""The classic PatchGAN discriminators: basic (70 x 70 patches) and n_layers.

Formula: Isola et al. 2017. Each output value judges one patch, as logits (no sigmoid). Module names
are chosen so that the state dict has the classic program's keys.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.networks.convolutions import Halve, Keep
from unretouch.networks.initial import initialise
from unretouch.networks.norms import convolutions_have_bias, make_norm
from unretouch.settings.train import NormName, TrainSettings

SLOPE = 0.2
"""Of the leaky ReLU."""


class PatchDiscriminator(nn.Module):
    """Source and picture side by side, (N, input_nc, H, W), to logits (N, 1, h, w).

    With three layers h = H / 8 - 2, and each value sees 70 x 70 pixels.
    """

    def __init__(
        self, input_nc: int = 6, ndf: int = 64, layers: int = 3, norm: NormName = "batch"
    ) -> None:
        super().__init__()
        bias = convolutions_have_bias(norm)
        widths = [ndf * min(8, 2**layer) for layer in range(layers + 1)]
        part: dict[str, nn.Module] = {"0": Halve(input_nc, ndf, bias=True)}
        for layer in range(1, layers + 1):
            kind = Keep if layer == layers else Halve
            part[str(3 * layer - 1)] = kind(widths[layer - 1], widths[layer], bias)
            part[str(3 * layer)] = make_norm(norm, widths[layer])
        part[str(3 * layers + 2)] = Keep(widths[layers], 1, bias=True)
        self.layers = layers
        self.model = nn.ModuleDict(part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to logits (N, 1, h, w)."""
        part = self.model
        x = F.leaky_relu_(part["0"](x), SLOPE)
        for layer in range(1, self.layers + 1):
            x = part[str(3 * layer)](part[str(3 * layer - 1)](x))
            x = F.leaky_relu_(x, SLOPE)
        y: torch.Tensor = part[str(3 * self.layers + 2)](x)
        return y


def _build(layers: int, settings: TrainSettings) -> nn.Module:
    net = PatchDiscriminator(
        settings.input_nc + settings.output_nc, settings.ndf, layers, settings.norm
    )
    initialise(net, settings.init_type, settings.init_gain)
    return net


def build_basic(settings: TrainSettings) -> nn.Module:
    """Return the discriminator `basic` with fresh weights."""
    return _build(3, settings)


def build_n_layers(settings: TrainSettings) -> nn.Module:
    """Return the discriminator `n_layers`, with settings.n_layers_D layers and fresh weights."""
    return _build(settings.n_layers_D, settings)
