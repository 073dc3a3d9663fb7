"""What a generator makes of whole pairs, in evaluation mode, and how far off it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unretouch import networks
from unretouch.base.memory import give_back
from unretouch.metrics.exact_pixels import exact_pixels
from unretouch.metrics.identity_parts import identity_parts
from unretouch.metrics.level_error import level_error
from unretouch.metrics.recovered_share import recovered_share
from unretouch.metrics.tiling import tiles_of
from unretouch.networks.detail import Detail
from unretouch.networks.predict import PredictMode
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap

WHOLE = 1_500_000
"""Pixels up to which a picture goes through the network whole."""
TILE = 900_000
"""Pixels of a tile of larger ones, with its margin: beside the prediction there is less room."""


@dataclass(frozen=True)
class PairError:
    """Plain figures of one pair, errors in grey levels (mean absolute difference)."""

    name: str
    level_error: float
    identity_error: float
    recovered_share: float | None
    """None where source and target are equal"""
    exact_pixels: float | None
    """None for estimates"""
    identity_parts: tuple[float, float] | None = None
    """what of `identity_error` is retouch, and what two files compressed apart; None for lossless
    pairs, and where it was not asked for"""

    @property
    def estimated(self) -> bool:
        """Whether only parts of a large pair were measured; `identity_error` is exact even then."""
        return self.exact_pixels is None


def predicted(
    generator: nn.Module, rgb: NDArray[np.uint8], mode: PredictMode = "evaluate"
) -> NDArray[np.float32]:
    """Return the prediction for a picture of any size, as levels (H, W, 3) in 0..255, unrounded.

    Pictures larger than WHOLE go through `detail` tile by tile, with its margin around each: the
    same but for rounding, in bounded memory. Between two tiles Ctrl+C is heeded. The classic
    generators normalise over the picture, and take it whole.
    """
    height, width = rgb.shape[:2]
    if not isinstance(generator, Detail) or height * width <= WHOLE:
        return _predicted(generator, rgb, mode)
    # Tiles begin where the network's cells of `size_multiple` pixels do, as in the whole picture.
    multiple, margin = generator.size_multiple, generator.margin
    side = (math.isqrt(TILE) - 2 * margin) // multiple * multiple
    give_back()
    prediction = np.empty((height, width, 3), np.float32)
    for tile in tiles_of(height, width, margin, side):
        prediction[tile.own] = _predicted(generator, rgb[tile.around], mode)[tile.inner]
    give_back()
    return prediction


def _predicted(
    generator: nn.Module, rgb: NDArray[np.uint8], mode: PredictMode
) -> NDArray[np.float32]:
    source = images.to_network(rgb, int(generator.input_nc))  # type: ignore[arg-type]
    return images.to_levels(networks.predict(generator, source, mode))


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Return this part of `picture`, (H, W) or (H, W, C), without a copy."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def in_cells(self, side: int) -> Window:
        """Return this window counted in squares of `side` pixels, at one of which it begins."""
        return Window(
            self.top // side, self.left // side, -(-self.height // side), -(-self.width // side)
        )

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def is_local(generator: nn.Module) -> bool:
    """Whether a pixel of the prediction depends on its surroundings alone (see Detail).

    The classic generators normalise over the picture: a part of it would come out differently.
    """
    return isinstance(generator, Detail)


def does_nothing(generator: nn.Module) -> bool:
    """Whether the prediction is the source as it is: a `detail` before its first update."""
    if not isinstance(generator, Detail) or generator.input_nc != generator.output_nc:
        return False
    head = generator.head
    return not any(bool(tensor.any()) for tensor in (head.weight, head.bias) if tensor is not None)


def surroundings(generator: nn.Module, window: Window, shape: tuple[int, int]) -> Window:
    """Return the window of a picture of `shape` (H, W) that a prediction of `window` depends on.

    It begins where the network's cells of `size_multiple` pixels do, as in the whole picture.
    """
    multiple, margin = int(generator.size_multiple), int(generator.margin)  # type: ignore[arg-type]
    spans = []
    for start, length, end in (
        (window.top, window.height, shape[0]),
        (window.left, window.width, shape[1]),
    ):
        low = max(0, start - margin) // multiple * multiple
        high = -(-(start + length + margin) // multiple) * multiple
        spans.append((low, min(end, high) - low))
    (top, height), (left, width) = spans
    return Window(top, left, height, width)


def predicted_window(
    generator: nn.Module, around: NDArray[np.uint8], place: Window
) -> NDArray[np.float32]:
    """Return the prediction at `place` of `around`, file space, which holds its surroundings.

    As levels (H, W, 3), like those of the whole picture. The generator must be local.
    """
    return np.ascontiguousarray(place.of(predicted(generator, np.ascontiguousarray(around))))


def pair_error(pair: Pair, prediction: NDArray[np.float32]) -> PairError:
    """Return the figures of `prediction` (levels) for `pair`."""
    source, target = pair.source, pair.target
    identity = level_error(source, target)
    return PairError(
        name=pair.name,
        level_error=level_error(prediction, target),
        identity_error=identity,
        recovered_share=recovered_share(prediction, target, source) if identity else None,
        exact_pixels=exact_pixels(prediction, target),
    )


def asked_of(pair: Pair, known: PairMap | None) -> Pair:
    """Return the pair with the answer that is asked for in place of its target."""
    if known is None or known.lossless:
        return pair
    whole = (slice(0, length) for length in pair.shape)
    source, target = pair.source, pair.target
    return Pair(pair.name, source, known.asked(source, target, *whole), pair.files)


def told_apart(error: PairError, pair: Pair) -> PairError:
    """Return `error` with what of doing nothing is retouch, and what compression."""
    return dataclasses.replace(error, identity_parts=identity_parts(pair.source, pair.target))


def evaluate(
    generator: nn.Module, pairs: Sequence[Pair], mode: PredictMode = "evaluate"
) -> Iterator[tuple[Pair, NDArray[np.float32], PairError]]:
    """Yield each pair with its prediction (levels) and its figures, one at a time."""
    for pair in pairs:
        prediction = predicted(generator, pair.source, mode)
        yield pair, prediction, pair_error(pair, prediction)
