"""SSIM: do light, contrast and structure agree, small window by small window?

Of the pictures, and of their texture alone (detail SSIM).

Written out here, for it is wanted over an irregular area and in tiles, and torchmetrics takes seven
times as long on a processor; tests hold it to the values of torchmetrics and of scikit-image.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from unretouch.base.messages import N_
from unretouch.metrics.metric import Metric, Patch, Sums, Tally, View, added_up, mean
from unretouch.metrics.octave_bands import NOTHING, detail_of
from unretouch.metrics.pictures import Layer

if TYPE_CHECKING:
    import torch

WINDOW = 11
"""Pixels across the Gaussian window."""
SIGMA = 1.5
"""Its standard deviation, in pixels."""
K1, K2 = 0.01, 0.03
_STRIP = 32
"""Pixels that are blurred together."""

Moments = tuple[Layer, Layer, Layer]
"""A layer, its mean and its mean square in the window around each pixel."""


def _sums(view: View) -> Sums:
    if min(view.frame) < WINDOW:
        return np.zeros(2)
    layers = view.prediction.made_with(view.target, _coloured)
    return added_up(np.stack([view.counted(layer) for layer in layers]))


def _coloured(ours: Patch, theirs: Patch) -> list[Layer]:
    """Return the similarity of the tile's own pixels in R, G and B."""
    _, own = ours.near(WINDOW // 2)
    both = zip(ours.made(_moments), theirs.made(_moments), strict=True)
    return [_similarity(one, other, 255.0)[own] for one, other in both]


def _moments(patch: Patch) -> list[Moments]:
    window, _ = patch.near(WINDOW // 2)
    return [_moments_of(channel) for channel in np.moveaxis(patch.levels[window], 2, 0)]


def _moments_of(layer: Layer) -> Moments:
    """Return the moments of a layer, reflected at its border."""
    layer = np.ascontiguousarray(layer)
    return layer, _blurred(layer), _blurred(layer**2)


def _similarity(ours: Moments, theirs: Moments, data_range: float) -> Layer:
    """Return the similarity of the windows around each pixel of two layers whose values span
    `data_range`."""
    (one, mean, square), (other, other_mean, other_square) = ours, theirs
    both = mean * other_mean
    squares = mean**2 + other_mean**2
    covariance = _blurred(one * other) - both
    variances = square + other_square - squares
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    light = (2 * both + c1) / (squares + c1)
    # Rounding may leave a variance of flat parts a little below 0.
    structure = (2 * covariance + c2) / (np.maximum(variances, 0) + c2)
    return np.asarray(light * structure, dtype=np.float32)


def _blurred(layer: Layer) -> Layer:
    """Return the mean in the window around each pixel, reflected at the border."""
    import torch  # late: it takes longer to load than most pairs to be checked

    height, width = layer.shape
    down, across = (-(-length // _STRIP) * _STRIP for length in layer.shape)
    half = WINDOW // 2
    padded = np.pad(layer, half, mode="reflect")
    room = np.zeros((down + 2 * half, across + 2 * half), np.float32)
    room[: height + 2 * half, : width + 2 * half] = padded
    # Strip by strip a product with a banded matrix: twice as fast as a filter.
    size, step = _STRIP + 2 * half, room.shape[1]
    strips = torch.from_numpy(room).as_strided(
        (down // _STRIP, size, step), (_STRIP * step, step, 1)
    )
    banded = _banded()
    rows = torch.matmul(banded, strips).reshape(down, step)
    strips = rows.as_strided((across // _STRIP, down, size), (_STRIP, step, 1))
    blurred = torch.matmul(strips, banded.T).permute(1, 0, 2).reshape(down, across)
    return np.asarray(blurred[:height, :width].numpy())


@cache
def _banded() -> torch.Tensor:
    """Return the matrix that takes the Gaussian means of _STRIP values from those around them."""
    import torch

    weights = np.exp(-np.square(np.arange(WINDOW) - WINDOW // 2) / (2 * SIGMA**2))
    matrix = np.zeros((_STRIP, _STRIP + WINDOW - 1), np.float32)
    for place in range(_STRIP):
        matrix[place, place : place + WINDOW] = weights / weights.sum()
    return torch.from_numpy(matrix)


SSIM = Metric(
    name="ssim",
    unit="",
    lowest=-1.0,
    highest=1.0,
    better="higher",
    explanation=N_(
        "How alike the two pictures are in light, contrast and structure, looked at through a "
        "small loupe. 1 is the same."
    ),
    formula="SSIM of Wang et al. 2004, Gaussian window 11 px, K1 0.01, K2 0.03",
    measure=Tally(_sums, mean),
    invariances=frozenset({"mirror", "quarter_turn", "source"}),
)
"""None for a frame smaller than one window. The pixels of an area are judged with their whole
windows."""


# --- detail SSIM: the structural similarity of the texture alone

SPREADS = 6.0
"""Standard deviations of the target's detail that its values are taken to span. With 255 instead,
SSIM's constants would drown skin, whose texture spans some ten grey levels."""


def detail_energy(view: View) -> Sums:
    """Return the energy of the target's detail, added up over the pixels that count, and their
    number."""
    return added_up(np.square(view.own(view.target.made(detail_of))))


def _detail_sums(view: View) -> Sums:
    assert view.first is not None
    energy = view.first[0] / view.first[1]
    if not energy > NOTHING or min(view.frame) < WINDOW:
        return np.zeros(2)
    ours, theirs = (patch.made(_detail_moments) for patch in (view.prediction, view.target))
    similar = _similarity(ours, theirs, SPREADS * float(energy) ** 0.5)
    _, own = view.target.near(WINDOW // 2)
    return added_up(view.counted(similar[own]))


def _detail_moments(patch: Patch) -> Moments:
    window, _ = patch.near(WINDOW // 2)
    detail: Layer = patch.made(detail_of)[window]
    return _moments_of(detail)


DETAIL_SSIM = Metric(
    name="detail_ssim",
    unit="",
    lowest=-1.0,
    highest=1.0,
    better="higher",
    explanation=N_(
        "How alike the texture is once light and shade are taken away. 1 is the same skin. "
        "Smoothness lowers it, and so does foreign grain."
    ),
    formula=(
        "SSIM of the luma's detail below 32 px, dynamic range 6 standard deviations of the "
        "target's detail in the area"
    ),
    measure=Tally(_detail_sums, mean, detail_energy),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
"""None for a frame smaller than one window, and where the target has no detail."""
