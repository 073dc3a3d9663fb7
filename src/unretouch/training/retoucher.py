"""Pairs made of untouched pictures: a network that has learnt the retouch itself retouches them.

So the way back is learnt on many more targets than the pairs have, under this retoucher's hand, and
on targets of the camera, the light and the people of the pictures that are to be restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unretouch.networks import Generator
from unretouch.networks.prediction import PartPredictor, Window, windows
from unretouch.pixels.pairs import Pair, fetch
from unretouch.pixels.retouch import skin_mask

SIDE: Final = 512
"""Pixels a side of a window, at most."""
MOST_PIXELS: Final = 6_000_000
"""Of all windows together: retouching them takes seconds on two cores."""
LEAST_SKIN: Final = 0.05
"""What a window without skin counts, beside one of skin alone."""
SHARE: Final = 0.3
"""Of the run, in which the retouch is learnt."""


def note(pictures: int) -> str:
    """Return what is said before the retouch is learnt."""
    some = "1 untouched picture" if pictures == 1 else f"{pictures} untouched pictures"
    return f"first the retouch itself is learnt, to make pairs of {some}: errors are those of that"


def note_after(made: int, stage: str) -> str:
    """Return what is said before the way back is learnt; `stage` is what its first stage says."""
    some = "1 made pair" if made == 1 else f"{made} made pairs"
    return f"now the way back, with {some}" + (f"; {stage}" if stage else "")


def retouched(pictures: Sequence[Pair], retoucher: Generator) -> list[Pair]:
    """Return pairs made of windows of untouched `pictures`, whose two sides are the same: the
    source as the `retoucher` makes it, the target as it was.

    The windows are those with most skin, as many of each picture as MOST_PIXELS allows.
    """
    each = max(1, MOST_PIXELS // SIDE**2 // max(1, len(pictures)))
    made = []
    for number, picture in enumerate(pictures):
        fetch(pictures[number : number + 2])
        rgb = picture.target
        predictor = PartPredictor(retoucher, rgb)
        for count, window in enumerate(_with_most_skin(rgb, each)):
            levels = np.rint(np.clip(predictor.at(window), 0, 255)).astype(np.uint8)
            own = np.ascontiguousarray(window.of(rgb))
            made.append(Pair(f"{picture.name}_{count}", levels, own, picture.files))
    return made


def _with_most_skin(rgb: NDArray[np.uint8], count: int) -> list[Window]:
    skin = skin_mask(rgb)
    found = sorted(
        windows((len(rgb), rgb.shape[1]), SIDE),
        key=lambda window: -(float(window.of(skin).mean()) + LEAST_SKIN) * window.pixels,
    )
    return found[:count]
