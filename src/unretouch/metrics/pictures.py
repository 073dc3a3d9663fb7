"""What metrics take: pictures in grey levels, and the part of the frame that counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float32]
"""A picture in grey levels: float32 (H, W, 3), 0 to 255, a prediction not rounded."""
Picture = npt.NDArray[np.uint8] | Levels
"""File space or levels, (H, W, 3): 0 to 255 in both. A large picture that is bytes anyway need not
become four times its size to be measured."""
Area = npt.NDArray[np.bool_]
"""The pixels that count: bool (H, W)."""
Figure = float | None
"""A measured number; None where it has no meaning."""


def check(*pictures: Picture, area: Area | None = None) -> None:
    """Raise ValueError unless all pictures are (H, W, 3) of one size, and `area` bool (H, W) and
    not empty: a mean over nothing is no number."""
    check_shapes(*pictures, area=area)
    if area is not None and not area.any():
        raise ValueError("the area is empty")


def check_shapes(*pictures: Picture, area: Area | None) -> None:
    """Raise ValueError unless all pictures are (H, W, 3) of one size and `area` bool (H, W)."""
    shape = pictures[0].shape
    if len(shape) != 3 or shape[2] != 3:
        raise ValueError(f"a picture is (H, W, 3), not {shape}")
    if any(picture.shape != shape for picture in pictures):
        raise ValueError(f"shapes differ: {[picture.shape for picture in pictures]}")
    if area is not None and (area.shape != shape[:2] or area.dtype != np.bool_):
        raise ValueError(f"the area is bool {shape[:2]}, not {area.dtype} {area.shape}")
