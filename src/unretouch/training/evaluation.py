"""What a generator makes of whole pairs, in evaluation mode, and how far off it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unretouch import networks
from unretouch.metrics.exact_pixels import exact_pixels
from unretouch.metrics.level_error import level_error
from unretouch.metrics.recovered_share import recovered_share
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
    exact_pixels: float


def predicted(
    generator: nn.Module, rgb: NDArray[np.uint8], mode: PredictMode = "evaluate"
) -> NDArray[np.float32]:
    """Return the prediction for a picture of any size, as levels (H, W, 3) in 0..255, unrounded."""
    source = images.to_network(rgb, int(generator.input_nc))  # type: ignore[arg-type]
    return images.to_levels(networks.predict(generator, source, mode))


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
