"""Metrics: how a prediction compares with its target; all of them are in table.py.

They take levels, float32 (H, W, 3), grey levels 0 to 255, the prediction not rounded, or file
space; and an optional area, bool (H, W), to look at a part of the frame. Here stands what needs
neither scipy nor torch.
"""

from unretouch.metrics.likeness import exact_pixels, level_error, recovered_share, weighted_l1
from unretouch.metrics.metric import Metric
from unretouch.metrics.pictures import Area, Figure, Levels, Picture

__all__ = [
    "Area",
    "Figure",
    "Levels",
    "Metric",
    "Picture",
    "exact_pixels",
    "level_error",
    "recovered_share",
    "weighted_l1",
]
