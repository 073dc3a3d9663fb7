"""Texture by its size, as networks work with it: the bands of a picture, and noise in them.

The bands are those of the starlet transform (Starck, Fadili and Murtagh 2007), what one smoothing
by the cubic B-spline takes away after the other, each twice as wide as the one before. Its finest
band is divided once more, since skin and noise differ most in it. So they hold texture with periods
of about 2 to 3, 3 to 5, 5 to 9 and 9 to 18 pixels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unretouch.pixels.spaces import LUMA_WEIGHTS

_SMOOTHINGS: Final = ((0, 1), (1, 1), (1, 2), (1, 4))
"""One after the other: whether by the B-spline (1, 4, 6, 4, 1) or by (1, 2, 1), and the pixels
between its weights."""
BANDS: Final = len(_SMOOTHINGS)
REACH: Final = sum((1 + spline) * step for spline, step in _SMOOTHINGS)
"""Pixels around one that its bands depend on."""
REACH_IN_CELLS: Final = 16
"""The same in whole cells of any network."""
OF_WHITE_NOISE: Final = (0.8004, 0.2049, 0.147, 0.0795)
"""Deviation of each band of white noise whose own is 1."""
FURTHER: Final = 32
"""Pixels around one that its texture at full strength depends on, in whole cells of any network."""
MOST: Final = 2.0
"""By how much what is known of the texture is made stronger at most."""
SQUARE: Final = 64
"""Pixels a side of the squares in which noise is drawn, each by its place."""
_NEVER_NEGATIVE: Final = 1 << 20
"""Added to the numbers of squares: there are some above and left of a picture."""


def bands(picture: Tensor) -> list[Tensor]:
    """Return the bands of (N, C, H, W), the finest first, each of that size; beyond the borders the
    picture is reflected."""
    found = []
    for spline, step in _SMOOTHINGS:
        smooth = _smoothed(picture, (6, 4, 1) if spline else (2, 1), step)
        found.append(picture - smooth)
        picture = smooth
    return found


def luma_bands(picture: Tensor) -> Tensor:
    """Return those of the luma of (N, 3, H, W): (N, BANDS, H, W)."""
    weights = picture.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return torch.cat(bands((picture * weights).sum(1, keepdim=True)), 1)


def _smoothed(picture: Tensor, weights: tuple[int, ...], step: int) -> Tensor:
    """Return a picture smoothed across and down by symmetric `weights`, that of the middle first,
    `step` pixels apart.

    Sums of moved pictures take a seventh of the time of convolutions.
    """
    reach, whole = (len(weights) - 1) * step, weights[0] + 2 * sum(weights[1:])
    for axis in (2, 3):
        length = picture.shape[axis]
        # A picture narrower than the reach has nothing to reflect so far out.
        mode = "reflect" if length > reach else "replicate"
        margins = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        around = F.pad(picture, margins, mode=mode)
        total = around.narrow(axis, reach, length) * (weights[0] / whole)
        for number, weight in enumerate(weights[1:], 1):
            for moved in (-number * step, number * step):
                total.add_(around.narrow(axis, reach + moved, length), alpha=weight / whole)
        picture = total
    return picture


def at_full_strength(picture: Tensor, spread: Tensor, noise: Tensor) -> Tensor:
    """Return what the most likely picture, (N, 3, H, W) network space, lacks of the texture that is
    expected: a change of its luma, (N, 1, H, W).

    `spread` is how far the truth may be from it in each band (a deviation), `noise` has a deviation
    of 1, both (N, BANDS, H, W). The most likely picture is weak where little is known. What it has
    is made stronger first: the straight way from the least error to full texture, at the least cost
    in error (Freirich, Michaeli and Meir 2021, https://arxiv.org/abs/2107.02555). What MOST times
    of that does not come to is drawn.
    """
    known = luma_bands(picture)
    energy, lacks = (_around(plane.square()) for plane in (known, spread))
    times = (1 + lacks / energy.clamp_min(1e-12)).sqrt().clamp_max(MOST)
    drawn = (energy + lacks - times.square() * energy).clamp_min(0).sqrt()
    return ((times - 1) * known + drawn * noise).sum(1, keepdim=True)


def _around(planes: Tensor) -> Tensor:
    """Return the mean of the surroundings of each pixel, about 16 pixels wide."""
    for step in (1, 2, 4):
        planes = _smoothed(planes, (6, 4, 1), step)
    return planes


def noise_bands(top: int, left: int, height: int, width: int, seed: int) -> Tensor:
    """Return noise of deviation 1 in each band, (1, BANDS, height, width) float32, for the part of
    a picture that begins there: the same for the same pixels, whatever the part."""
    rows = range(top - REACH, top + height + REACH)
    columns = range(left - REACH, left + width + REACH)
    across = range(columns.start // SQUARE, -(-columns.stop // SQUARE))
    drawn = np.concatenate(
        [
            np.concatenate([_square(down, right, seed) for right in across], 1)
            for down in range(rows.start // SQUARE, -(-rows.stop // SQUARE))
        ]
    )
    first = rows.start % SQUARE, columns.start % SQUARE
    cut = drawn[first[0] : first[0] + len(rows), first[1] : first[1] + len(columns)]
    white = torch.from_numpy(np.ascontiguousarray(cut))[None, None]
    found = torch.cat(bands(white), 1)[:, :, REACH:-REACH, REACH:-REACH]
    return found / found.new_tensor(OF_WHITE_NOISE).view(1, BANDS, 1, 1)


def _square(down: int, right: int, seed: int) -> NDArray[np.float32]:
    place = (down + _NEVER_NEGATIVE) << 32 | (right + _NEVER_NEGATIVE)
    random = np.random.Generator(np.random.Philox(key=[place, seed]))
    return random.standard_normal((SQUARE, SQUARE), np.float32)
