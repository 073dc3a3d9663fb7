"""Batches of crops, for tests of what is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unretouch.training import crops
from unretouch.training.crops import Crops, CropTable


def crops_at(table: CropTable, places: NDArray[np.int32], turns: Sequence[int]) -> Crops:
    """Return a batch of crops at places of a table, each turned."""
    return Crops.joined(
        [
            crops.crop_at(table, *place, table.crop).turned(turn)
            for place, turn in zip(places.tolist(), turns, strict=True)
        ]
    )
