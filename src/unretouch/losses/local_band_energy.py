"""Local band energy: is there as much texture of each size, here, as in the target?"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F

GREY_LEVELS = 127.5
"""Of one unit of network space."""
BLURS = (1.2, 2.4, 4.8)
"""Standard deviations in pixels between which the bands lie: periods of about 2 to 4, 4 to 8, 8 to
16 pixels."""
WINDOW = 16
"""Pixels a side over which energy is gathered; windows overlap by half."""
ROUNDING = 0.1
"""Grey levels squared added to every energy: what 8-bit rounding holds is not to be imitated."""


def local_band_energy(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute log ratio of local energies of luma, by band and window.

    A texture statistic in the manner of Portilla and Simoncelli 2000, of second order: it does not
    ask where a pore lies, but how strong skin of each fineness is around it. So its minimum is not
    the blurred mean of all possible answers. Both (N, 3, H, W) in network space, H and W at least
    WINDOW. Zero at equality.
    """
    found = [
        (_energies(ours) / _energies(theirs)).log().abs().mean()
        for ours, theirs in zip(_bands(prediction), _bands(target), strict=True)
    ]
    return torch.stack(found).mean()


def _bands(picture: torch.Tensor) -> list[torch.Tensor]:
    luma = picture.new_tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)  # ITU-R BT.601
    plane = (picture.float() * (GREY_LEVELS * luma)).sum(1, keepdim=True)
    blurred = [plane, *(_blur(plane, sigma) for sigma in BLURS)]
    return [fine - coarse for fine, coarse in itertools.pairwise(blurred)]


def _energies(band: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(band.square(), WINDOW, WINDOW // 2) + ROUNDING


def _blur(plane: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of (N, 1, H, W), continued by its border pixels."""
    reach = math.ceil(2.5 * sigma)
    at = torch.arange(-reach, reach + 1, device=plane.device, dtype=plane.dtype)
    weight = torch.exp(-(at**2) / (2 * sigma**2))
    weight = weight / weight.sum()
    padded = F.pad(plane, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, weight.view(1, 1, 1, -1)), weight.view(1, 1, -1, 1))
