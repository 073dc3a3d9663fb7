"""How far off the predictions of whole pairs are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from unretouch.metrics import exact_pixels, level_error, recovered_share
from unretouch.metrics.retouched_area import identity_parts
from unretouch.networks.generator import Generator
from unretouch.networks.prediction import PredictMode, predict_picture
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap
from unretouch.runs.status import PlainFigures


def pair_error(pair: Pair, prediction: NDArray[np.float32]) -> PlainFigures:
    """Return the figures of `prediction` (levels) for `pair`."""
    source, target = pair.source, pair.target
    identity = level_error(source, target)
    return PlainFigures(
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


def told_apart(error: PlainFigures, pair: Pair) -> PlainFigures:
    """Return `error` with what of doing nothing is retouch, and what compression."""
    return dataclasses.replace(error, identity_parts=identity_parts(pair.source, pair.target))


def evaluate(
    generator: Generator, pairs: Sequence[Pair], mode: PredictMode = "evaluate"
) -> Iterator[tuple[Pair, NDArray[np.float32], PlainFigures]]:
    """Yield each pair with its prediction (levels) and its figures, one at a time."""
    for pair in pairs:
        prediction = predict_picture(generator, pair.source, mode)
        yield pair, prediction, pair_error(pair, prediction)
