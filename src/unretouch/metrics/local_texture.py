"""Texture pixel by pixel: are its edges as steep, its finest grain as strong, and as many places
rough and smooth as in the answer?"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from unretouch.base.messages import N_
from unretouch.metrics.metric import Metric, Patch, Sums, Tally, View, added_up, luma_of, of_both
from unretouch.metrics.pictures import Figure, Layer

FLAT = 1e-3
"""Grey levels (a pixel) below which the target counts as flat."""
SQUARE = 7
"""Pixels across the square whose standard deviation is the contrast at its centre."""


def _ratio(ours: float, theirs: float) -> tuple[Figure, ...]:
    return (float(ours / theirs) if theirs > FLAT else None,)


# --- gradient ratio


def _slope(view: View, patch: Patch) -> Sums:
    window, own = patch.near(1)
    picture = patch.made(luma_of)[window]
    across = ndimage.sobel(picture, axis=1, mode="mirror")
    slope = np.hypot(across, ndimage.sobel(picture, axis=0, mode="mirror"), out=across)
    return added_up(view.counted(slope[own]))


def _steepness(sums: Sums) -> tuple[Figure, ...]:
    return _ratio(*(sums[::2] / sums[1::2] / 8))  # a unit ramp gives Sobel 8


GRADIENT_RATIO = Metric(
    name="gradient_ratio",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=N_(
        "How crisp the texture is beside the untouched skin. 1 is the same, below 1 is soft, "
        "above 1 is harsh."
    ),
    formula="mean gradient magnitude of luma, prediction / target, by the Sobel operator",
    measure=Tally(of_both(_slope), _steepness),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
"""None where the target is flat."""


# --- Laplacian ratio


def _energy(view: View, patch: Patch) -> Sums:
    window, own = patch.near(1)
    laplacian = ndimage.laplace(patch.made(luma_of)[window], mode="mirror")
    return added_up(np.square(view.counted(laplacian[own])))


def _strength(sums: Sums) -> tuple[Figure, ...]:
    return _ratio(*np.sqrt(sums[::2] / sums[1::2]))


LAPLACIAN_RATIO = Metric(
    name="laplacian_ratio",
    unit="ratio",
    lowest=0.0,
    highest=math.inf,
    better="one",
    explanation=N_(
        "How strong the very finest grain of the skin is. 1 is the same as untouched, below 1 is "
        "blurred, above 1 is noisy or oversharpened."
    ),
    formula="RMS of the five-point Laplacian of luma, prediction / target",
    measure=Tally(of_both(_energy), _strength),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
"""None where the target is flat."""


# --- local contrast

BINS = 1024
"""Of the histograms, in one grey level: the distance is off by 0.001 at most."""
_HIGHEST = 128
"""Above any contrast."""


def _local_contrast(picture: Layer) -> Layer:
    """Return the standard deviation around each pixel of luma (H, W): float32, grey levels."""
    # The difference of two large squares: float32 would leave noise of some hundredths.
    values = picture.astype(np.float64)
    mean = ndimage.uniform_filter(values, SQUARE, mode="mirror")
    variance = ndimage.uniform_filter(np.square(values, out=values), SQUARE, mode="mirror")
    variance -= np.square(mean, out=mean)
    np.maximum(variance, 0, out=variance)
    return np.asarray(np.sqrt(variance, out=variance), dtype=np.float32)


def _histogram(view: View, patch: Patch) -> Sums:
    window, own = patch.near(SQUARE // 2)
    contrast = view.counted(_local_contrast(patch.made(luma_of)[window])[own])
    places = np.minimum(np.rint(contrast * BINS), _HIGHEST * BINS).astype(np.intp)
    return np.bincount(places, minlength=_HIGHEST * BINS + 1).astype(np.float64)


def _moved(sums: Sums) -> tuple[Figure, ...]:
    ours, theirs = np.split(sums, 2)
    behind = np.cumsum(ours - theirs)
    return (float(np.abs(behind).sum() / BINS / ours.sum()),)


LOCAL_CONTRAST_DISTANCE = Metric(
    name="local_contrast_distance",
    unit="grey levels",
    lowest=0.0,
    highest=127.5,
    better="lower",
    explanation=N_(
        "Whether smooth and rough places are as common as in the untouched skin. It says by "
        "how many grey levels their roughness is off."
    ),
    formula=(
        "Wasserstein-1 distance of the histograms of the standard deviation of luma in 7 px squares"
    ),
    measure=Tally(of_both(_histogram), _moved),
    invariances=frozenset({"brightness", "mirror", "quarter_turn", "source"}),
)
"""Where in the area a contrast stands does not matter."""
