"""Losses: one file an idea, one literal table each.

Every loss takes float32 tensors and returns a float32 scalar tensor.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from unretouch.losses.adversarial import GanLoss, least_squares, vanilla, wasserstein
from unretouch.losses.huber import huber
from unretouch.losses.l1 import l1
from unretouch.losses.local_band_energy import local_band_energy
from unretouch.settings.train import GanMode

__all__ = [
    "GAN_LOSSES",
    "RECONSTRUCTIONS",
    "GanLoss",
    "ReconstructionLoss",
    "huber",
    "l1",
    "local_band_energy",
]

ReconstructionLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of prediction and target, (N, C, H, W) in network space: zero at equality, gradient finite."""

RECONSTRUCTIONS: dict[str, ReconstructionLoss] = {"l1": l1, "huber": huber}

GAN_LOSSES: dict[GanMode, GanLoss] = {
    "vanilla": vanilla,
    "lsgan": least_squares,
    "wgangp": wasserstein,
}
