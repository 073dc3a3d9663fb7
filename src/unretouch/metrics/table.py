"""The literal table of all metrics: how a prediction compares with its target.

A new one is written in a file of its own, and gets a line here.
"""

from __future__ import annotations

from unretouch.metrics.likeness import EXACT_PIXELS, LEVEL_ERROR, PSNR, RECOVERED_SHARE
from unretouch.metrics.local_texture import (
    GRADIENT_RATIO,
    LAPLACIAN_RATIO,
    LOCAL_CONTRAST_DISTANCE,
)
from unretouch.metrics.metric import Metric
from unretouch.metrics.octave_bands import BAND_ENERGY, DETAIL_COHERENCE, DETAIL_RECOVERED
from unretouch.metrics.radial_spectrum import SPECTRUM_DISTANCE
from unretouch.metrics.ssim import DETAIL_SSIM, SSIM

METRICS: dict[str, Metric] = {
    "level_error": LEVEL_ERROR,
    "recovered_share": RECOVERED_SHARE,
    "exact_pixels": EXACT_PIXELS,
    "psnr": PSNR,
    "ssim": SSIM,
    "band_energy": BAND_ENERGY,
    "detail_coherence": DETAIL_COHERENCE,
    "detail_recovered": DETAIL_RECOVERED,
    "detail_ssim": DETAIL_SSIM,
    "spectrum_distance": SPECTRUM_DISTANCE,
    "local_contrast_distance": LOCAL_CONTRAST_DISTANCE,
    "gradient_ratio": GRADIENT_RATIO,
    "laplacian_ratio": LAPLACIAN_RATIO,
}
