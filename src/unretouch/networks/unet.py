"""The classic U-Net generators: unet_256 (8 halvings) and unet_128 (7 halvings).

Formula: Isola et al. 2017, Image-to-Image Translation with Conditional Adversarial Networks.
Module names are chosen so that the state dict has the classic program's keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.networks.classic import (
    SLOPE,
    TAKES,
    Double,
    Halve,
    convolutions_have_bias,
    initialise,
    make_norm,
    norm_of,
)
from unretouch.networks.generator import Generator, GeneratorKind, WeightsDescription
from unretouch.settings.train import NormName, TrainSettings


def _beside(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Both rectified, side by side.

    Rectified before they are joined, so that their gradients come out whole: as halves of a joint
    gradient they would slow the normalisation's backward pass down tenfold.
    """
    if torch.is_grad_enabled():
        return torch.cat([F.relu(x), F.relu_(y)], 1)
    return F.relu_(torch.cat([x, y], 1))  # a copy of x less in memory


class Innermost(nn.Module):
    """The narrowest level: one halving, one doubling."""

    def __init__(self, outer: int, inner: int, norm: NormName) -> None:
        super().__init__()
        bias = convolutions_have_bias(norm)
        self.model = nn.ModuleDict(
            {
                "1": Halve(outer, inner, bias),
                "3": Double(inner, outer, bias),
                "4": make_norm(norm, outer),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, outer, H, W) to rectified (N, 2 * outer, H, W): what came in, and what was made."""
        x = F.leaky_relu_(x, SLOPE)
        y = F.relu_(self.model["1"](x))
        return _beside(x, self.model["4"](self.model["3"](y)))


class Middle(nn.Module):
    """A level around `within`: halve, pass through `within`, double."""

    def __init__(
        self, outer: int, inner: int, within: nn.Module, norm: NormName, dropout: float
    ) -> None:
        super().__init__()
        bias = convolutions_have_bias(norm)
        self.model = nn.ModuleDict(
            {
                "1": Halve(outer, inner, bias),
                "2": make_norm(norm, inner),
                "3": within,
                "5": Double(2 * inner, outer, bias),
                "6": make_norm(norm, outer),
                "7": nn.Dropout(dropout),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, outer, H, W) to rectified (N, 2 * outer, H, W): what came in, and what was made."""
        part = self.model
        x = F.leaky_relu_(x, SLOPE)
        y = part["3"](part["2"](part["1"](x)))
        y = part["7"](part["6"](part["5"](y)))  # what it was made of is free from here on
        return _beside(x, y)


class Outermost(nn.Module):
    """The level that takes and gives pictures."""

    def __init__(
        self, input_nc: int, output_nc: int, width: int, within: nn.Module, norm: NormName
    ) -> None:
        super().__init__()
        bias = convolutions_have_bias(norm)
        self.model = nn.ModuleDict(
            {
                "0": Halve(input_nc, width, bias),
                "1": within,
                "3": Double(2 * width, output_nc, bias=True),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to (N, output_nc, H, W)."""
        part = self.model
        y = part["1"](part["0"](x))
        # The last layer in float32 even under autocast: a step of bf16 is up to half a grey level.
        with torch.autocast(x.device.type, enabled=False):
            picture: torch.Tensor = part["3"](y.float())
            return picture.tanh()


class UNet(Generator):
    """Network space (N, input_nc, H, W) to (N, output_nc, H, W), float32 in [-1, 1].

    H and W must be multiples of `size_multiple`.
    """

    def __init__(self, halvings: int, settings: TrainSettings) -> None:
        """Fresh weights are drawn from torch's random state."""
        super().__init__()
        self.size_multiple = 2**halvings
        self.input_nc, self.output_nc = settings.input_nc, settings.output_nc
        norm, ngf = settings.norm, settings.ngf
        widths = [ngf * min(8, 2**level) for level in range(halvings)]
        within: nn.Module = Innermost(widths[-2], widths[-1], norm)
        for level in range(halvings - 2, 0, -1):
            # Dropout stands where the way up is as wide on both sides: the three levels around
            # the innermost one in unet_256, two in unet_128.
            wide = widths[level - 1] == 8 * ngf
            rate = 0.5 if wide and not settings.no_dropout else 0.0
            within = Middle(widths[level - 1], widths[level], within, norm, rate)
        self.model = Outermost(self.input_nc, self.output_nc, ngf, within, norm)
        initialise(self, settings.init_type, settings.init_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to (N, output_nc, H, W)."""
        y: torch.Tensor = self.model(x)
        return y


def recognise(state: Mapping[str, torch.Tensor]) -> WeightsDescription | None:
    """Return what a U-Net's state dict says of it, by keys and shapes; None if it is none."""
    first, last = state.get("model.model.0.weight"), state.get("model.model.3.weight")
    if first is None or last is None or first.dim() != 4 or last.dim() != 4:
        return None
    halvings = max(key.count("model.3.") for key in state) + 1
    return WeightsDescription(
        netG={8: "unet_256", 7: "unet_128"}.get(halvings, f"U-Net of {halvings} halvings"),
        input_nc=first.shape[1],
        output_nc=last.shape[1],
        norm=norm_of(state, "model.model.1.model.1", "model.model.1.model.2"),
        ngf=first.shape[0],
    )


def _kind(halvings: int) -> GeneratorKind:
    return GeneratorKind(
        build=partial(UNet, halvings),
        recognise=recognise,
        takes=TAKES,
        width=lambda settings: settings.ngf,
        weights_bytes=203_000,
        pixel_bytes=22,
    )


UNET_256, UNET_128 = _kind(8), _kind(7)
