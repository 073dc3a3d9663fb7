"""The network as it leaves: RGB in 0..1, any size, in and out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from unretouch.networks.detail import in_channels
from unretouch.networks.norms import EPSILON, InstanceNorm
from unretouch.networks.predict import SMALLEST


class Exported(nn.Module):
    """float32 (1, 3, H, W) RGB in 0..1 to the same, H and W free, clamped.

    Contains what `spaces.to_network`, `networks.predict` in mode "evaluate" and `spaces.to_levels`
    do: the range, padding to the network's multiple by reflection, statistics of the picture.
    """

    def __init__(self, net: nn.Module, input_nc: int, output_nc: int) -> None:
        super().__init__()
        self.net = net.eval()
        self.multiple = int(net.size_multiple)  # type: ignore[arg-type]
        self.input_nc, self.output_nc = input_nc, output_nc
        _normalise_by_picture(self.net)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        height, width = picture.shape[-2:]
        source = in_channels(picture * 2 - 1, self.input_nc)
        extended = _extended(_extended(source, 2, self.multiple), 3, self.multiple)
        prediction = self.net(extended)[:, :, :height, :width]
        if (self.input_nc, self.output_nc) == (3, 3):
            result: torch.Tensor = (prediction + 1) / 2
        else:  # a grey network changes the light and leaves the colours
            result = picture + (prediction - source) / 2
        return result.clamp(0, 1)


def _extended(x: torch.Tensor, dimension: int, multiple: int) -> torch.Tensor:
    """As networks.predict.padded, in operations whose sizes stay free."""
    size = x.shape[dimension]
    least = torch.sym_max(size, SMALLEST)  # type: ignore[no-untyped-call]
    wanted = (least + multiple - 1) // multiple * multiple
    # A tensor, as the exporter knows no remainder by a free size.
    period = torch.sym_max(2 * (size - 1), 1)  # type: ignore[no-untyped-call]
    period = torch.full((1,), period, dtype=torch.int64)
    index = torch.arange(wanted) % period
    index = torch.minimum(index, period - index)
    # For one pixel: period 1 leaves 0 and 1 - 0.
    return x.index_select(dimension, index.clamp(max=size - 1))


class _PictureNorm(nn.Module):
    """Batch normalisation by the statistics of one picture, as instance normalisation."""

    def __init__(self, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = (
            None if weight is None else nn.Parameter(weight.detach().clone()),
            None if bias is None else nn.Parameter(bias.detach().clone()),
            eps,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


def _normalise_by_picture(net: nn.Module) -> None:
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, _PictureNorm(child.weight, child.bias, child.eps))
            elif isinstance(child, InstanceNorm):
                setattr(module, name, _PictureNorm(None, None, EPSILON))
