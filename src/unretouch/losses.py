"""Losses: what training lowers. Each takes float32 tensors and returns a float32 scalar tensor."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F

from unretouch.pixels.spaces import GREY_LEVELS, LUMA_WEIGHTS
from unretouch.settings.train import GanMode

# --- reconstruction: of prediction and target, (N, C, H, W) in network space; zero at equality

GREY_LEVEL = 1 / GREY_LEVELS
"""One grey level in network space."""


def l1(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return mean |prediction - target|, network space (0 to 2; 1 grey level is 1 / 127.5)."""
    return F.l1_loss(prediction, target)


def huber(
    prediction: torch.Tensor, target: torch.Tensor, delta: float = GREY_LEVEL
) -> torch.Tensor:
    """Return the Huber loss (Huber 1964) divided by `delta`, network space.

    With d = |prediction - target|: mean of d - delta / 2 where d >= delta, d^2 / (2 delta) below.
    So its slope far away is that of L1, and weights mean the same for both.
    """
    return F.huber_loss(prediction, target, delta=delta) / delta


def beyond(prediction: torch.Tensor, target: torch.Tensor, zone: float) -> torch.Tensor:
    """Return the mean of what |prediction - target| has beyond `zone`, network space: zero, and
    without a slope, within it."""
    return ((prediction - target).abs() - zone).clamp_min(0).mean()


# --- grid: what repeats every few pixels is drawn by a network that works in cells, not by skin

CELL = 8
"""Pixels a side of the largest cells that a `detail` works in."""


def grid(change: torch.Tensor) -> torch.Tensor:
    """Return the energy of what repeats in every cell of a change, grey levels squared.

    `change` is (N, C, H, W) in network space, with sides of whole cells. The mean over
    many cells has every period of 2, 4 and 8 pixels and no other; its own mean is no grid. It is
    taken of every second cell, as on a chessboard, and of the others: texture, too, leaves
    something in a mean, but only a grid leaves the same in both, so their product is its energy. By
    its own energy, texture would cost, and the finest most. Zero for a change of one colour.
    """
    count, channels, height, width = change.shape
    shape = (count, channels, height // CELL, CELL, width // CELL, CELL)
    cells = change.float().reshape(shape) / GREY_LEVEL
    down, right = (torch.arange(side // CELL, device=change.device) for side in (height, width))
    white = ((down[:, None] + right) % 2).to(cells)[:, None, :, None]
    both = []
    for half in (white, 1 - white):
        mean = (cells * half).sum((2, 4)) / half.sum().clamp_min(1)
        both.append(mean - mean.mean((2, 3), keepdim=True))
    return (both[0] * both[1]).mean().clamp_min(0)


# --- local band energy: is there as much texture of each size, here, as in the target?

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
    luma = picture.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
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


# --- a proper score: is what is expected as uncertain as it turns out to be?


def crps(error: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """Return the mean continuous ranked probability score of normal distributions, in the unit of
    both: `error` is observation - mean, `deviation` above zero, of one shape.

    Gneiting and Raftery 2007, in closed form (Gneiting et al. 2005): the least where each deviation
    is what the error comes to, so nobody gains by saying less or more than is known.
    """
    z = error / deviation
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    within = torch.erf(z / math.sqrt(2))  # 2 Phi(z) - 1
    return (deviation * (z * within + 2 * density - 1 / math.sqrt(math.pi))).mean()


# --- adversarial: what the discriminator says about a picture

GanLoss = Callable[[torch.Tensor, bool], torch.Tensor]
"""Of logits (any shape) and whether they should say "real"; lower means that they do."""


def vanilla(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Cross entropy with the answer 1 for real, 0 for not (Goodfellow et al. 2014)."""
    answer = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits, answer)


def least_squares(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Squared distance to 1 for real, 0 for not (Mao et al. 2017)."""
    return ((logits - 1) if real else logits).square().mean()


def wasserstein(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Mean of the critic's values, negated for real (Arjovsky et al. 2017); any sign."""
    return (-logits if real else logits).mean()


GAN_LOSSES: dict[GanMode, GanLoss] = {
    "vanilla": vanilla,
    "lsgan": least_squares,
    "wgangp": wasserstein,
}
