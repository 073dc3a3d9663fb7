"""Metrics: how a prediction compares with its target, one file each, one literal table.

All take levels: float32 (H, W, 3), grey levels 0 to 255, the prediction not rounded; and an
optional area, bool (H, W), to look at a part of the frame.
"""

from __future__ import annotations

from unretouch.metrics.band_energy import BAND_ENERGY, band_energy
from unretouch.metrics.detail_coherence import DETAIL_COHERENCE, detail_coherence
from unretouch.metrics.detail_recovered import DETAIL_RECOVERED, detail_recovered
from unretouch.metrics.detail_ssim import DETAIL_SSIM, detail_ssim
from unretouch.metrics.exact_pixels import EXACT_PIXELS, exact_pixels
from unretouch.metrics.gradient_ratio import GRADIENT_RATIO, gradient_ratio
from unretouch.metrics.grain import grain_overlay
from unretouch.metrics.laplacian_ratio import LAPLACIAN_RATIO, laplacian_ratio
from unretouch.metrics.level_error import LEVEL_ERROR, level_error, level_error_spread
from unretouch.metrics.local_contrast import LOCAL_CONTRAST_DISTANCE, local_contrast_distance
from unretouch.metrics.metric import Area, Figure, Levels, Metric, Picture
from unretouch.metrics.psnr import PSNR, psnr
from unretouch.metrics.radial_spectrum import (
    SPECTRUM_DISTANCE,
    radial_spectrum,
    spectrum_distance,
)
from unretouch.metrics.recovered_share import RECOVERED_SHARE, recovered_share
from unretouch.metrics.retouched_area import noise_level, retouched_area
from unretouch.metrics.ssim import SSIM, ssim
from unretouch.metrics.weighted_l1 import level_error_at, weighted_l1

__all__ = [
    "METRICS",
    "Area",
    "Figure",
    "Levels",
    "Metric",
    "Picture",
    "band_energy",
    "detail_coherence",
    "detail_recovered",
    "detail_ssim",
    "exact_pixels",
    "gradient_ratio",
    "grain_overlay",
    "laplacian_ratio",
    "level_error",
    "level_error_at",
    "level_error_spread",
    "local_contrast_distance",
    "noise_level",
    "psnr",
    "radial_spectrum",
    "recovered_share",
    "retouched_area",
    "spectrum_distance",
    "ssim",
    "weighted_l1",
]

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
