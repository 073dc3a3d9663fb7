"""Mean absolute error."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def l1(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return mean |prediction - target|, network space (0 to 2; 1 grey level is 1 / 127.5)."""
    return F.l1_loss(prediction, target)
