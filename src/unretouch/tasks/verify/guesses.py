"""Whether what a model says of its guesses is true: where it says that it is sure, is it right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from unretouch.metrics.likeness import noise_and_area
from unretouch.model.torch_model import TorchModel
from unretouch.networks import texture_bands
from unretouch.networks.prediction import Window
from unretouch.pixels.pair_pictures import map_of_errors
from unretouch.pixels.pairs import Pair
from unretouch.pixels.spaces import Rgb, in_levels
from unretouch.report.short_verdicts import judged_part
from unretouch.report.verdicts import Guesses

PLACE = 16
"""Pixels a side of the places that are sure or not."""
LEAST_PLACES = 30
"""Below which nothing is said."""


@dataclass(frozen=True)
class Places:
    """Of places of a pair, in grey levels squared: what was expected, and what was found."""

    said: tuple[float, ...]
    found: tuple[float, ...]


def places_of(model: TorchModel, pair: Pair) -> Places:
    """Return how far off the texture of the retouched places of a pair was expected to be, and how
    far it was: of a large pair, where it was retouched most."""
    part = judged_part(pair, None, 1)
    source, target = (np.ascontiguousarray(part.of(side)) for side in (pair.source, pair.target))
    expected, deviations = model.expected(pair.source, part)
    off = torch.from_numpy(in_levels(target) - expected).permute(2, 0, 1)[None]
    found = texture_bands.luma_bands(off).square().sum(1)[0].numpy()
    said = np.square(deviations).sum(2)
    area = noise_and_area(source, target)[1].astype(np.float32)
    share, said, found = (
        ndimage.uniform_filter(plane, PLACE, mode="constant")[
            PLACE // 2 :: PLACE, PLACE // 2 :: PLACE
        ]
        for plane in (area, said, found)
    )
    inside = share > 0.99
    return Places(tuple(said[inside].tolist()), tuple(found[inside].tolist()))


def guess_map(model: TorchModel, pair: Pair, part: Window) -> Rgb:
    """Return how far off the texture of a part of a pair is expected to be, a deviation of the
    luma, in the colours of an error map."""
    return map_of_errors(np.sqrt(np.square(model.deviations(pair.source, part)).sum(2)))


def guesses_of(all_places: list[Places]) -> Guesses | None:
    """Return what all places come to, a third of them each; None where they are too few."""
    said, found = (
        np.array([value for places in all_places for value in getattr(places, name)])
        for name in ("said", "found")
    )
    if len(said) < LEAST_PLACES:
        return None
    thirds = np.array_split(np.argsort(said), 3)
    expected, real = (
        tuple(float(np.sqrt(values[third].mean())) for third in thirds) for values in (said, found)
    )
    return Guesses(expected, real)
