"""The retouched area: where source and target differ by more than noise."""

from __future__ import annotations

import numpy as np

from unretouch.metrics.pictures import Area, Picture, check
from unretouch.pixels import retouched_area as areas
from unretouch.pixels.retouched_area import PairMap, Rgb


def measured(source: Picture, target: Picture) -> PairMap:
    """Return what is known of the difference of a pair. Raises ValueError when shapes differ."""
    check(source, target)
    return areas.pair_map(_rgb(source), _rgb(target))


def noise_level(source: Picture, target: Picture) -> float:
    """Return the RMS difference, in grey levels, that is not the retoucher's doing.

    That of a typical block: 0 for lossless files, more where the two were compressed apart. See
    pixels/retouched_area.py for how it is told from the retouch.
    """
    return measured(source, target).noise_level


def retouched_area(source: Picture, target: Picture, known: PairMap | None = None) -> Area:
    """Return where the retouch changed the picture: bool (H, W).

    `known` is what `measured` returned of them, where that was called before. Raises ValueError
    when the shapes differ.
    """
    check(source, target)
    return areas.retouched_area(_rgb(source), _rgb(target), known)


def _rgb(picture: Picture) -> Rgb:
    if picture.dtype == np.uint8:
        return np.asarray(picture, np.uint8)
    rounded: Rgb = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return rounded
