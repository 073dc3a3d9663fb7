"""The classic residual generators: resnet_9blocks and resnet_6blocks.

Formula: Johnson et al. 2016, Perceptual Losses, as the classic program adapts it. Module names are
chosen so that the state dict has the classic program's keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.networks.classic import (
    TAKES,
    convolutions_have_bias,
    initialise,
    make_norm,
    norm_of,
)
from unretouch.networks.generator import Generator, GeneratorKind, WeightsDescription
from unretouch.settings.train import NormName, TrainSettings

WIDENING = 4
"""The blocks work at a quarter of the size with this many times the width."""


def _reflect(x: torch.Tensor, by: int) -> torch.Tensor:
    return F.pad(x, (by, by, by, by), mode="reflect")


class Block(nn.Module):
    """x + f(x), f being two 3 x 3 convolutions, with dropout between if wanted."""

    def __init__(self, width: int, norm: NormName, dropout: bool) -> None:
        super().__init__()
        bias = convolutions_have_bias(norm)
        self.dropout = dropout
        second = 6 if dropout else 5  # the classic keys count the dropout layer
        self.conv_block = nn.ModuleDict(
            {
                "1": nn.Conv2d(width, width, 3, bias=bias),
                "2": make_norm(norm, width),
                str(second): nn.Conv2d(width, width, 3, bias=bias),
                str(second + 1): make_norm(norm, width),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, width, H, W) to the same; H and W at least 2."""
        first, first_norm, second, second_norm = self.conv_block.values()
        y = F.relu_(first_norm(first(_reflect(x, 1))))
        if self.dropout:
            y = F.dropout(y, 0.5, self.training)
        y = second_norm(second(_reflect(y, 1)))
        total: torch.Tensor = x + y
        return total


class ResNet(Generator):
    """Network space (N, input_nc, H, W) to (N, output_nc, H, W), float32 in [-1, 1].

    H and W must be multiples of `size_multiple`, and at least 8.
    """

    size_multiple = WIDENING

    def __init__(self, blocks: int, settings: TrainSettings) -> None:
        """Fresh weights are drawn from torch's random state."""
        super().__init__()
        self.input_nc, self.output_nc = settings.input_nc, settings.output_nc
        norm, ngf, dropout = settings.norm, settings.ngf, not settings.no_dropout
        bias = convolutions_have_bias(norm)
        part: dict[str, nn.Module] = {
            "1": nn.Conv2d(self.input_nc, ngf, 7, bias=bias),
            "2": make_norm(norm, ngf),
            "4": nn.Conv2d(ngf, 2 * ngf, 3, stride=2, padding=1, bias=bias),
            "5": make_norm(norm, 2 * ngf),
            "7": nn.Conv2d(2 * ngf, 4 * ngf, 3, stride=2, padding=1, bias=bias),
            "8": make_norm(norm, 4 * ngf),
        }
        self.block_keys = [str(10 + block) for block in range(blocks)]
        for key in self.block_keys:
            part[key] = Block(4 * ngf, norm, dropout)
        after = 10 + blocks
        self.up_keys = [str(after), str(after + 3)]
        for key, width in zip(self.up_keys, (4 * ngf, 2 * ngf), strict=True):
            part[key] = nn.ConvTranspose2d(
                width, width // 2, 3, stride=2, padding=1, output_padding=1, bias=bias
            )
            part[str(int(key) + 1)] = make_norm(norm, width // 2)
        self.last_key = str(after + 7)
        part[self.last_key] = nn.Conv2d(ngf, self.output_nc, 7)
        self.model = nn.ModuleDict(part)
        initialise(self, settings.init_type, settings.init_gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, input_nc, H, W) to (N, output_nc, H, W)."""
        x = self._rectified("1", _reflect(x, 3))
        for key in ("4", "7"):
            x = self._rectified(key, x)
        for key in self.block_keys:
            x = self.model[key](x)
        for key in self.up_keys:
            x = self._rectified(key, x)
        # The last layer in float32 even under autocast: a step of bf16 is up to half a grey level.
        with torch.autocast(x.device.type, enabled=False):
            picture: torch.Tensor = self.model[self.last_key](_reflect(x.float(), 3))
            return picture.tanh()

    def _rectified(self, key: str, x: torch.Tensor) -> torch.Tensor:
        """Convolution `key`, the normalisation after it, ReLU."""
        return F.relu_(self.model[str(int(key) + 1)](self.model[key](x)))


def recognise(state: Mapping[str, torch.Tensor]) -> WeightsDescription | None:
    """Return what a residual generator's state dict says of it, by keys and shapes; None if it is
    none."""
    blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    first, last = state.get("model.1.weight"), state.get(f"model.{17 + blocks}.weight")
    if not blocks or first is None or last is None or first.dim() != 4 or last.dim() != 4:
        return None
    between = state.get("model.10.conv_block.6.weight")
    return WeightsDescription(
        netG=f"resnet_{blocks}blocks",
        input_nc=first.shape[1],
        output_nc=last.shape[0],
        norm=norm_of(state, "model.1", "model.2"),
        ngf=first.shape[0],
        # There it is a convolution's, with dropout before it; else the normalisation's.
        dropout=between is not None and between.dim() == 4,
    )


def _kind(blocks: int) -> GeneratorKind:
    return GeneratorKind(
        build=partial(ResNet, blocks),
        recognise=recognise,
        takes=TAKES,
        width=lambda settings: settings.ngf,
        weights_bytes=40_000,
        pixel_bytes=155,
    )


RESNET_9, RESNET_6 = _kind(9), _kind(6)
