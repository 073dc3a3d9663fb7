"""Crops of reduced pictures, whose pixels are cells of FACTOR pixels: for the coarse network of a
`pyramid`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from unretouch.networks.pyramid import FACTOR, reduced
from unretouch.pixels.spaces import in_network_space
from unretouch.training.crops import CropTable, asked_at

TILE: Final = 512
"""Pixels a side of what is reduced at a time."""
MOST_TILES: Final = 2048
"""That are remembered, 120 kB each: those of twenty pictures of 24 megapixels."""


class ReducedPictures:
    """The pictures of a table of crops, reduced where they are looked at."""

    def __init__(self, table: CropTable) -> None:
        self._table = table
        self._tiles: OrderedDict[tuple[int, int, int], NDArray[np.float32]] = OrderedDict()

    def at(self, index: int, top: int, left: int) -> NDArray[np.float32]:
        """Return the crop of a place of the table, (S, S, 8), S cells a side: source and answer in
        network space (3 each), the share of the pixels that are to change, and 1 where left out."""
        side = self._table.crop
        first_row, first_column = top // TILE, left // TILE
        tiles = [
            [
                self._tile(index, row, column)
                for column in range(first_column, -(-(left + side) // TILE))
            ]
            for row in range(first_row, -(-(top + side) // TILE))
        ]
        whole = np.concatenate([np.concatenate(row, 1) for row in tiles])
        rows, columns = (
            slice((start - first * TILE) // FACTOR, (start - first * TILE + side) // FACTOR)
            for start, first in ((top, first_row), (left, first_column))
        )
        left_out = self._table.left_out[index].mask(top, left, side)[::FACTOR, ::FACTOR]
        return np.concatenate([whole[rows, columns], left_out[..., None]], 2, dtype=np.float32)

    def _tile(self, index: int, row: int, column: int) -> NDArray[np.float32]:
        key = index, row, column
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        source, answer = asked_at(self._table, index, row * TILE, column * TILE, TILE)
        sides = torch.from_numpy(np.stack([source, answer]))
        changed = torch.from_numpy((source != answer).any(2)).float()[None, None]
        means = reduced(in_network_space(sides)).flatten(0, 1)
        cells = torch.cat([means, F.avg_pool2d(changed, FACTOR)[0]])
        self._tiles[key] = np.ascontiguousarray(cells.permute(1, 2, 0).numpy())
        if len(self._tiles) > MOST_TILES:
            self._tiles.popitem(last=False)
        return self._tiles[key]
