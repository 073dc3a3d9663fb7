"""What a generator makes of whole pairs, in evaluation mode, and how far off it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unretouch import networks
from unretouch.metrics.exact_pixels import exact_pixels
from unretouch.metrics.level_error import level_error
from unretouch.metrics.recovered_share import recovered_share
from unretouch.networks.detail import Detail
from unretouch.networks.predict import PredictMode
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair


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

    @property
    def estimated(self) -> bool:
        """Whether only parts of a large pair were measured; `identity_error` is exact even then."""
        return self.exact_pixels is None


def predicted(
    generator: nn.Module, rgb: NDArray[np.uint8], mode: PredictMode = "evaluate"
) -> NDArray[np.float32]:
    """Return the prediction for a picture of any size, as levels (H, W, 3) in 0..255, unrounded."""
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
    source, target = pair.source.astype(np.float32), pair.target.astype(np.float32)
    identity = level_error(source, target)
    return PairError(
        name=pair.name,
        level_error=level_error(prediction, target),
        identity_error=identity,
        recovered_share=recovered_share(prediction, target, source) if identity else None,
        exact_pixels=exact_pixels(prediction, target),
    )


def evaluate(
    generator: nn.Module, pairs: Sequence[Pair], mode: PredictMode = "evaluate"
) -> Iterator[tuple[Pair, NDArray[np.float32], PairError]]:
    """Yield each pair with its prediction (levels) and its figures, one at a time."""
    for pair in pairs:
        prediction = predicted(generator, pair.source, mode)
        yield pair, prediction, pair_error(pair, prediction)
