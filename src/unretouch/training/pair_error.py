"""How far off the prediction for a pair is, as training sees it."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from unretouch.metrics import exact_pixels, level_error
from unretouch.metrics.likeness import nearly_exact
from unretouch.networks.generator import Generator
from unretouch.networks.prediction import predict_picture
from unretouch.pixels.images import row_strips
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import STRIP, PairMap, nearest_answer
from unretouch.pixels.spaces import Rgb
from unretouch.runs.status import PlainFigures, share_of


def asked_in(pair: Pair, known: PairMap | None, rows: slice, columns: slice) -> Rgb:
    """Return what is asked for in a window of a pair: the target; the source where the pair is
    `known` to differ by noise alone."""
    if known is None:
        return pair.target[rows, columns]
    return known.asked(pair.source, pair.target, rows, columns)


def evaluated(
    generator: Generator, pair: Pair, known: PairMap | None = None
) -> tuple[NDArray[np.float32], PlainFigures]:
    """Return the prediction for the whole of a pair (levels), and its figures."""
    prediction = predict_picture(generator, pair.source)
    return prediction, pair_error(pair, prediction, known)


def pair_error(
    pair: Pair, prediction: NDArray[np.float32], known: PairMap | None = None
) -> PlainFigures:
    """Return the figures of `prediction` (levels) for `pair`, of what is `known` to be asked for;
    and what its sides differ by besides."""
    error = nothing = exact = 0.0
    for rows in row_strips(pair.shape[0], STRIP):
        part, asked = prediction[rows], asked_in(pair, known, rows, slice(0, pair.shape[1]))
        answer = nearest_answer(part, asked, pair.target[rows])
        error += len(part) * level_error(part, answer)
        nothing += len(part) * level_error(pair.source[rows], asked)
        exact += len(part) * exact_pixels(part, answer)
    error, nothing, exact = (total / pair.shape[0] for total in (error, nothing, exact))
    whole = level_error(pair.source, pair.target)
    return PlainFigures(
        name=pair.name,
        level_error=error,
        identity_error=nothing,
        recovered_share=share_of(error, nothing),
        exact_pixels=exact,
        left_out=max(0.0, whole - nothing) if known and not known.lossless else 0.0,
    )


def with_steps(error: PlainFigures, pair: Pair, prediction: NDArray[np.float32]) -> PlainFigures:
    """Return `error` with how near to the answer `prediction` (levels) comes in 16 bits."""
    return dataclasses.replace(error, nearly_exact=nearly_exact(prediction, pair.target))
