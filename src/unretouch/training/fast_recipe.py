"""The fast recipe: what drives a fit of the generator `detail`, as functions without hidden state.

Crops are a function of (seed, step), the learning rate of (progress, step), so that a resumed run
does what an uninterrupted one would have done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unretouch.base import seeding
from unretouch.networks.predict import SMALLEST
from unretouch.pixels.pairs import Pair
from unretouch.training.muon import Muon

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 / golden ratio


@dataclass(frozen=True, kw_only=True)
class FastRecipe:
    """The numbers of the recipe."""

    crop: int = 128
    """side of a training crop, pixels"""
    batch: int = 4
    """crops in one step"""
    rate: float = 0.02
    """learning rate of hidden convolutions (orthogonalised updates)"""
    adam_rate: float = 1e-3
    """learning rate of all other weights (Adam)"""
    warm_up: int = 20
    """steps in which the rates rise from zero"""
    decay: float = 0.995
    """memory of the averaged weights, per step"""
    clip: float = 1.0
    """largest global norm of the gradient"""
    huber: float = 1.0
    """grey levels where the loss turns from quadratic to linear"""


# --- crops -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class CropTable:
    """Pictures and where to crop them: crops that need more change are drawn more often."""

    sources: list[NDArray[np.uint8]]
    """(H, W, 3), reflected at the right and bottom to multiples of `multiple`"""
    targets: list[NDArray[np.uint8]]
    crop: int
    places: NDArray[np.int32]
    """(P, 3): picture, top, left"""
    cumulative: NDArray[np.int64]
    """(P,) running sum of the weights of `places`"""


def crop_table(pairs: Sequence[Pair], crop: int, multiple: int) -> CropTable:
    """Return the crops of `pairs` with tops and lefts at multiples of `multiple`.

    A crop is drawn in proportion to its mean absolute residual, plus a quarter of the mean of all
    so that untouched areas are seen too. Crops are moved inwards at the borders, so border pixels
    are seen about as often as others. `crop` shrinks to the smallest picture.
    """
    sources = [_pad(pair.source, multiple) for pair in pairs]
    targets = [_pad(pair.target, multiple) for pair in pairs]
    crop = min([crop // multiple * multiple] + [min(s.shape[:2]) for s in sources])
    places, weights = [], []
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        residual = np.abs(target.astype(np.int64) - source.astype(np.int64)).sum(2)
        tops = _starts(source.shape[0], crop, multiple)
        lefts = _starts(source.shape[1], crop, multiple)
        total = np.pad(residual.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        weights.append(
            total[np.ix_(tops + crop, lefts + crop)]
            - total[np.ix_(tops, lefts + crop)]
            - total[np.ix_(tops + crop, lefts)]
            + total[np.ix_(tops, lefts)]
        )
        grid = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
        places.append(np.insert(grid, 0, index, axis=1).astype(np.int32))
    weight = np.concatenate([w.ravel() for w in weights])
    weight = weight + int(weight.mean()) // 4 + 1
    return CropTable(sources, targets, crop, np.concatenate(places), weight.cumsum())


def sample_crops(table: CropTable, seed: int, step: int, batch: int) -> tuple[Tensor, Tensor]:
    """Return source and target crops of `step`, each (batch, 3, crop, crop) in network space.

    The draws of a run are one golden-ratio sequence over the weights: successive crops spread
    evenly over pictures and places, which covers everything sooner than independent draws do.
    """
    sources, targets = [], []
    for index, top, left in drawn_places(table, seed, step, batch):
        window = (slice(top, top + table.crop), slice(left, left + table.crop))
        sources.append(table.sources[index][window])
        targets.append(table.targets[index][window])
    return _network(np.stack(sources)), _network(np.stack(targets))


def drawn_places(table: CropTable, seed: int, step: int, batch: int) -> NDArray[np.int32]:
    """Return picture, top and left of the crops that `sample_crops` takes, (batch, 3)."""
    total = int(table.cumulative[-1])
    start = seeding.mix(seed)
    draws = [(start + (step * batch + i) * _GOLDEN) & _MASK for i in range(batch)]
    chosen = np.searchsorted(table.cumulative, [(u * total) >> 64 for u in draws], side="right")
    return table.places[chosen]


def _pad(picture: NDArray[np.uint8], multiple: int) -> NDArray[np.uint8]:
    """Return `picture` padded as `networks.predict` pads it."""
    height, width = (-(-max(side, SMALLEST) // multiple) * multiple for side in picture.shape[:2])
    missing = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
    return np.pad(picture, missing, mode="reflect")


def _starts(length: int, crop: int, multiple: int) -> NDArray[np.int64]:
    """Return where crops centred on every cell of `multiple` pixels start, moved inside."""
    centred = np.arange(0, length, multiple) - crop // 2 // multiple * multiple
    return np.clip(centred, 0, length - crop)


def _network(stack: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(stack).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


# --- loss ------------------------------------------------------------------------------------


def residual_loss(prediction: Tensor, target: Tensor, huber: float) -> Tensor:
    """Return the mean Huber loss in grey levels: quadratic below `huber` levels, then linear.

    Most pixels need no change, so the median residual is zero and a plain absolute error keeps a
    network at the identity; the quadratic core pulls it away.
    """
    error = (prediction.float() - target) * 127.5
    return F.huber_loss(error, torch.zeros_like(error), delta=huber) / huber


# --- optimiser -------------------------------------------------------------------------------


def make_optimizer(net: nn.Module, recipe: FastRecipe) -> Muon:
    """Return the optimiser of `net`: Muon for hidden kernels; Adam for first, last and biases."""
    hidden: list[nn.Parameter] = []
    other: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        outer = name.startswith(("stem.", "head."))
        (hidden if parameter.ndim == 4 and not outer else other).append(parameter)
    return Muon(hidden, other, recipe.rate, recipe.adam_rate)


def rate_factor(progress: float, step: int, recipe: FastRecipe) -> float:
    """Return the factor on every group's base_lr: a linear rise over the first steps, then a cosine
    down to zero as `progress` goes from 0 to 1."""
    rise = min(1.0, (step + 1) / recipe.warm_up)
    return rise * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to `factor` times its base_lr."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def clip_gradient(net: nn.Module, recipe: FastRecipe) -> Tensor:
    """Scale the gradient of `net` down to the recipe's norm; return the norm before, to be checked
    for being finite before the update."""
    return nn.utils.clip_grad_norm_(net.parameters(), recipe.clip)


@torch.no_grad()
def update_average(average: nn.Module, net: nn.Module, step: int, recipe: FastRecipe) -> None:
    """Move the weights of `average` towards those of `net`; first steps are forgotten faster."""
    decay = min(recipe.decay, (1 + step) / (10 + step))
    for mean, value in zip(average.parameters(), net.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
