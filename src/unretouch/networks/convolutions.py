"""The 4 x 4 convolutions of the classic networks, computed the quickest way while training.

They are torch's own layers, with the same weights and, but for rounding, the same results. Only the
order of the sums differs, and only where that was measured to be quicker: on a processor, in
training. Everything else (prediction, export, GPUs) takes torch's own way.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unretouch.networks import winograd

MANY_CHANNELS = 128
"""From so many channels on a layer is wide."""

FEW_POSITIONS = 256
"""Up to so many positions a wide layer's time goes into moving its weights, not multiplying."""

FEW_OUTPUTS = 4
"""Up to so many output channels the kernels of convolutions compute mostly padding."""


class Halve(nn.Conv2d):
    """Convolution to half the size: (N, C, H, W) to (N, out, H / 2, W / 2)."""

    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__(channels, out, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] // 2, x.shape[3] // 2
        if not (_in_training(self, x) and _is_wide(self) and height * width <= FEW_POSITIONS):
            return super().forward(x)
        # As one matrix product the weights are used as they lie in memory, not rearranged for the
        # convolution's kernel at every use.
        y = self.weight.flatten(1) @ F.unfold(x.contiguous(), 4, padding=1, stride=2)
        return _finished(self, y.view(len(x), -1, height, width))


class Double(nn.ConvTranspose2d):
    """Transposed convolution to twice the size: (N, C, H, W) to (N, out, 2 H, 2 W)."""

    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__(channels, out, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = x.shape[2:]
        few = _is_wide(self) and height * width <= FEW_POSITIONS
        if not (_in_training(self, x) and (few or self.out_channels <= FEW_OUTPUTS)):
            return super().forward(x, output_size)
        parts = self.weight.flatten(1).t() @ x.flatten(2)
        return _finished(self, F.fold(parts, (2 * height, 2 * width), 4, padding=1, stride=2))


class Keep(nn.Conv2d):
    """Convolution that keeps the size but for one: (N, C, H, W) to (N, out, H - 1, W - 1)."""

    def __init__(self, channels: int, out: int, bias: bool) -> None:
        super().__init__(channels, out, 4, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if _in_training(self, x) and self.out_channels <= FEW_OUTPUTS:
            # What each position gives to each output around it, then added up there.
            parts = self.weight.flip(2, 3).permute(0, 2, 3, 1).flatten(0, 2)
            y = F.fold(parts @ x.flatten(2), (height - 1, width - 1), 4, padding=2)
            return _finished(self, y)
        float32 = not torch.is_autocast_enabled(x.device.type)
        if _in_training(self, x) and _is_wide(self) and float32:
            return _finished(self, winograd.convolve(x, self.weight))
        return super().forward(x)


def _in_training(layer: nn.Module, x: Tensor) -> bool:
    return x.device.type == "cpu" and layer.training and torch.is_grad_enabled()


def _is_wide(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    return min(layer.in_channels, layer.out_channels) >= MANY_CHANNELS


def _finished(layer: nn.Conv2d | nn.ConvTranspose2d, y: Tensor) -> Tensor:
    """`y` with the layer's bias, in the memory order that convolutions hand on."""
    y = y.contiguous(memory_format=torch.channels_last)
    return y if layer.bias is None else y + layer.bias[:, None, None]
