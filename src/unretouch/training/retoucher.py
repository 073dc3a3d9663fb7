"""Pairs made of untouched pictures: a network that has learnt the retouch itself retouches them.

So the way back is learnt on many more targets than the pairs have, under this retoucher's hand, and
on targets of the camera, the light and the people of the pictures that are to be restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from unretouch.base.messages import _
from unretouch.base.terminal import counted
from unretouch.networks import Generator
from unretouch.networks.prediction import PartPredictor, Window
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouch import skin_mask
from unretouch.pixels.spaces import Bits, Rgb, in_depth, levels_to_file

SIDE: Final = 768
"""Pixels a side of a window: no crop of training is larger."""
LEAST_SIDE: Final = 128
"""Pixels of the shorter side below which a picture would make the crops of all training smaller."""
MOST_PIXELS: Final = 6_000_000
"""Of all windows together: retouching them takes seconds on two cores."""
SHARE: Final = 0.25
"""Of the run, in which the retouch is learnt."""
ENDED_EARLY: Final = _(
    "The run ended while it still learnt the retouch itself, so the model leaves every picture as "
    "it is. Train it to its end."
)


def note(pictures: int) -> str:
    """Return what is said before the retouch is learnt."""
    some = counted(pictures, "untouched picture")
    return (
        f"first the retouch itself is learnt, to make pairs of {some}. In this part the errors "
        "are those of the retouch"
    )


def note_after(made: int, stage: str) -> str:
    """Return what is said before the way back is learnt; `stage` is what its first stage says."""
    if not made:
        return "no untouched picture is large enough to make a pair of it: going on without them"
    some = counted(made, "made pair")
    return f"now the way back, with {some}" + (f"; {stage}" if stage else "")


def retouched(
    pictures: Sequence[Pair], retoucher: Generator, least: int, bits: Bits = 8
) -> list[Pair]:
    """Return pairs made of windows of untouched `pictures`, whose two sides are the same: the
    source as the `retoucher` makes it, the target as it was.

    The windows are those with most skin, as many as MOST_PIXELS allows, of as many pictures.
    Pictures smaller than LEAST_SIDE are left out, but for those of `least` pixels a side: the
    smallest of the pairs that were given is no larger. Made pairs have so many `bits`, as those.
    """
    least = min(LEAST_SIDE, least)
    chosen = _spread([picture for picture in pictures if min(picture.shape) >= least])
    each = max(1, MOST_PIXELS // SIDE**2 // max(1, len(chosen)))
    made = []
    for picture in chosen:
        rgb = picture.target
        predictor = PartPredictor(retoucher, rgb)
        for count, window in enumerate(_with_most_skin(rgb, each)):
            source = levels_to_file(predictor.unsteadied_at(window), bits)
            own = in_depth(np.ascontiguousarray(window.of(rgb)), bits)
            made.append(Pair(f"{picture.name}_{count}", source, own, picture.files))
    return made


def _spread(pictures: Sequence[Pair]) -> list[Pair]:
    """Return pictures from all over a list, a window of each of which MOST_PIXELS allows."""
    pixels = [min(SIDE, height) * min(SIDE, width) for height, width in (p.shape for p in pictures)]
    every = max(1, -(-sum(pixels) // MOST_PIXELS))
    return list(pictures[::every])


def _with_most_skin(rgb: Rgb, count: int) -> list[Window]:
    skin = skin_mask(rgb)
    rows, columns = ((min(SIDE, length), _starts(length)) for length in rgb.shape[:2])
    found = [Window(y, x, rows[0], columns[0]) for y in rows[1] for x in columns[1]]
    return sorted(found, key=lambda window: -float(window.of(skin).mean()))[:count]


def _starts(length: int) -> list[int]:
    """Return where windows begin on a side; the last one ends with it."""
    return [*range(0, length - SIDE, SIDE), max(0, length - SIDE)]
