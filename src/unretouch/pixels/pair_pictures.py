"""The four pictures that show a pair: input, prediction, answer and where the prediction is off.

Every page shows them, so their names, their making and their writing are here, once. A file name is
a label, what the picture is, and `.png`: `epoch003_001_fake_B.png`. The picture of a large pair
takes much memory, so each is made when it is written, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unretouch.pixels import images, spaces
from unretouch.pixels.spaces import Bits, Rgb, in_levels

Kind = Literal["real_A", "fake_B", "real_B", "error"]
KINDS: tuple[Kind, ...] = ("real_A", "fake_B", "real_B", "error")
"""source, prediction, target and error map, by the names of the classic program"""
REAL: tuple[Kind, ...] = ("real_A", "real_B")
"""what stays the same however often a pair is predicted"""

Make = Callable[[], Rgb]
"""makes a picture, file space (H, W, 3), when it is wanted"""

FAST = 1
"""Effort of compression for large pictures, where the usual one costs more time than it saves."""

SCALE = (0.0, 1.0, 4.0, 9.0, 16.0)
"""Grey levels that the colours of an error map stand for. Squares, so that errors below one level
can be seen beside those of an untrained network; what is larger than the last looks like it."""
COLOURS = ((0, 0, 0), (59, 15, 112), (183, 55, 121), (252, 137, 97), (252, 253, 191))
"""One for each level of SCALE, blended between; lightness rises steadily."""


def picture_files(label: str, real_label: str | None = None) -> dict[Kind, str]:
    """Return the file name of each kind of picture of a pair, each with `label` before it.

    With `real_label` that is the label of the REAL ones, which many predictions then share.
    """
    return {
        kind: f"{real_label if real_label is not None and kind in REAL else label}_{kind}.png"
        for kind in KINDS
    }


def pair_pictures(
    source: Rgb, prediction: NDArray[Any], target: Rgb, bits: Bits = 8
) -> dict[Kind, Make]:
    """Return the pictures of a pair, to be made when they are written.

    `source` and `target` are file space, `prediction` levels (or file space), (H, W, 3) of one
    size. They come with so many `bits`: pages show 8.
    """
    return {
        "real_A": lambda: spaces.in_depth(source, bits),
        "fake_B": lambda: in_strips(lambda rows: as_file(rows, bits), prediction),
        "real_B": lambda: spaces.in_depth(target, bits),
        "error": lambda: in_strips(error_map, prediction, target),
    }


def as_file(picture: NDArray[Any], bits: Bits = 8) -> Rgb:
    """Return levels or file space, (H, W, 3), in file space of so many bits."""
    if picture.dtype.kind == "u":
        return spaces.in_depth(picture, bits)
    return spaces.levels_to_file(picture, bits)


def write_pictures(
    folder: Path,
    files: Mapping[Kind, str],
    pictures: Mapping[Kind, Make],
    *,
    once: Container[Kind] = (),
    effort: int = 6,
) -> None:
    """Make `pictures` and write them into `folder` under the names that `files` gives them.

    Those of the kinds `once` are left alone where their file is there already. `effort` as for
    images.png_bytes. Raises DiskError.
    """
    for kind, make in pictures.items():  # one at a time: each may be large
        path = folder / files[kind]
        if kind not in once or not path.exists():
            images.write_png(path, make(), effort)


def error_map(prediction: NDArray[Any], target: NDArray[Any]) -> Rgb:
    """Return the error of each pixel as a colour, uint8 (H, W, 3).

    Both inputs are levels or file space, (H, W, 3). The error of a pixel is the mean absolute
    difference of its channels; black is none, pale yellow is 16 grey levels or more.
    Raises ValueError when the shapes differ.
    """
    if prediction.shape != target.shape:
        raise ValueError(f"shapes differ: {prediction.shape} and {target.shape}")
    return map_of_errors(np.abs(in_levels(prediction) - in_levels(target)).mean(2))


def map_of_errors(errors: NDArray[np.float32]) -> Rgb:
    """Return grey levels of error, (H, W), as the colours of an error map, uint8 (H, W, 3)."""
    place = np.sqrt(np.minimum(errors, SCALE[-1]))
    colours = np.asarray(COLOURS, dtype=np.float32)
    channels = [np.interp(place, np.sqrt(SCALE), colours[:, c]) for c in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=2)), np.uint8)


def in_strips(make: Callable[..., Rgb], *pictures: NDArray[Any]) -> Rgb:
    """Return `make` of the pictures, (H, W, 3), made some rows at a time: its copies are small."""
    made: Rgb | None = None
    for rows in images.row_strips(len(pictures[0])):
        strip = make(*(picture[rows] for picture in pictures))
        if made is None:
            made = np.empty(pictures[0].shape, strip.dtype)
        made[rows] = strip
    assert made is not None
    return made
