"""The picture of an error: where a prediction is off, and by how much."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SCALE = (0.0, 1.0, 4.0, 9.0, 16.0)
"""Grey levels that the colours stand for. Squares, so that errors below one level can be seen
beside those of an untrained network; what is larger than the last looks like it."""

COLOURS = ((0, 0, 0), (59, 15, 112), (183, 55, 121), (252, 137, 97), (252, 253, 191))
"""One for each level of SCALE, blended between; lightness rises steadily."""


def error_map(
    prediction: npt.NDArray[np.float32], target: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """Return the error of each pixel as a colour, uint8 (H, W, 3).

    Both inputs are levels (H, W, 3) in 0..255. The error of a pixel is the mean absolute
    difference of its channels; black is none, pale yellow is 16 grey levels or more.
    Raises ValueError when the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"shapes differ: {prediction.shape} and {target.shape}")
    error = np.abs(prediction.astype(np.float32) - target.astype(np.float32)).mean(axis=2)
    place = np.sqrt(np.minimum(error, SCALE[-1]))
    colours = np.asarray(COLOURS, dtype=np.float32)
    channels = [np.interp(place, np.sqrt(SCALE), colours[:, c]) for c in range(3)]
    picture: npt.NDArray[np.uint8] = np.rint(np.stack(channels, axis=2)).astype(np.uint8)
    return picture
