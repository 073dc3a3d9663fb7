"""Run a generator over pictures of any size, the same way every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

PredictMode = Literal["evaluate", "running", "train"]

SMALLEST = 16
"""Pixels a side that any generator can take; the residual ones reflect at a quarter of the size."""


@torch.no_grad()
def predict(net: nn.Module, source: torch.Tensor, mode: PredictMode = "evaluate") -> torch.Tensor:
    """Return the prediction for `source`, network space, float32 (N, C, H, W), any H and W.

    "evaluate": no dropout; batch normalisation by the statistics of each picture itself, as in
    training with one picture a step. The same every time. "running": no dropout, the running
    statistics. "train": the classic noise, dropout from torch's random state, and the statistics of
    each picture. None of them changes the network: statistics and mode are left as found.

    Sides are padded right and below by reflection to the network's `size_multiple`.
    """
    height, width = source.shape[-2:]
    weight = next(net.parameters())
    ready = padded(source.to(weight.device, torch.float32), int(net.size_multiple))  # type: ignore[arg-type]
    with _prepared(net, mode):
        # One by one, so that a prediction does not depend on its neighbours in the batch.
        pictures = [net(ready[n : n + 1]) for n in range(len(ready))]
    return torch.cat(pictures)[..., :height, :width].float().contiguous()


@contextmanager
def _prepared(net: nn.Module, mode: PredictMode) -> Iterator[None]:
    modules = list(net.modules())
    found = [module.training for module in modules]
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d)] if mode != "running" else []
    statistics = [(norm.running_mean, norm.running_var) for norm in norms]
    try:
        net.train(mode == "train")
        for norm in norms:
            # Without running statistics, batch normalisation takes those of the picture.
            norm.eval()
            norm.running_mean = norm.running_var = None
        yield
    finally:
        for module, training in zip(modules, found, strict=True):
            module.training = training
        for norm, (mean, variance) in zip(norms, statistics, strict=True):
            norm.running_mean, norm.running_var = mean, variance


def padded(source: torch.Tensor, multiple: int) -> torch.Tensor:
    """Return (N, C, H, W) extended right and below by reflection to multiples of `multiple`."""
    for dimension in (-2, -1):
        size = source.shape[dimension]
        wanted = -(-max(size, SMALLEST) // multiple) * multiple
        if wanted > size:
            source = source.index_select(dimension, _reflected(size, wanted).to(source.device))
    return source


def _reflected(size: int, wanted: int) -> torch.Tensor:
    """Indices 0, 1 .. size-1, size-2 .. 0, 1 ..: there and back without repeating the ends."""
    period = max(1, 2 * (size - 1))
    index = torch.arange(wanted) % period
    return torch.minimum(index, period - index) if size > 1 else index
