"""`pyramid`: two `detail` networks, one for the large changes of a photograph, one for its pores.

In a photograph of many megapixels most of a retouch is large: dodge and burn, creases, and where
anything was retouched at all. That is seen best in the picture at an eighth of its size, where a
network looks as far as half a face, and learns a 64th of the pixels. The second network works at
full resolution on the picture so changed, and only where the first one says that there is retouch:
elsewhere the prediction is the source, bit for bit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unretouch.networks import detail
from unretouch.networks.detail import RESIDUAL_UNIT, Detail, in_channels
from unretouch.networks.predict import padded
from unretouch.settings.train import TrainSettings

FACTOR: Final = 8
"""Pixels a side of a cell of the reduced picture: a block of JPEG, and of the retouched area."""
SIZE: Final = "s"
"""Of each of the two networks, see detail.WIDTHS."""
STRIP: Final = 512
"""Rows of a picture that are reduced at a time."""
GATE_UNIT: Final = 0.25
"""The last layer's unit for the gate, before its sigmoid."""


class Pyramid(nn.Module):
    """The generator `pyramid`.

    `forward` takes (N, input_nc, H, W) in network space, H and W multiples of `size_multiple`, and
    returns (N, output_nc, H, W) float32 in network space, not clamped. What lies further away than
    `margin` pixels does not change a pixel of the prediction.
    """

    def __init__(self, coarse: Detail, fine: Detail) -> None:
        """`coarse` returns a channel more than the picture has: the gate."""
        super().__init__()
        self.coarse, self.fine = coarse, fine
        self.input_nc, self.output_nc = coarse.input_nc, fine.output_nc
        self.size_multiple = FACTOR * coarse.size_multiple
        # Interpolated are cells beside those that the coarse network has made.
        self.margin = FACTOR * (coarse.margin + 1) + fine.margin

    def forward(self, source: Tensor) -> Tensor:
        source = source.float()
        return refined(self.fine, source, enlarged(guide(self.coarse, reduced(source))))


def guide(coarse: Detail, cells: Tensor) -> Tensor:
    """Return what is to be done in every cell: its large change, network space, and the gate, 0 to
    1: (N, C + 1, h, w) float32 for the reduced picture `cells` (N, C, h, w)."""
    change, gate = change_and_logit(coarse, cells)
    gate = opened(gate)
    return torch.cat([change * gate, gate], 1)


def change_and_logit(coarse: Detail, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Return the change as it would be with an open gate, and the logit of the gate."""
    found = coarse.residual(cells)
    return RESIDUAL_UNIT * found[:, :-1], GATE_UNIT * found[:, -1:]


def refined(fine: Detail, source: Tensor, enlarged_guide: Tensor) -> Tensor:
    """Return the prediction for `source`, (N, C, H, W), with a guide of its size."""
    base = in_channels(source.float(), fine.output_nc) + enlarged_guide[:, :-1]
    # Exactly the source where the gate is shut.
    return base + enlarged_guide[:, -1:] * (RESIDUAL_UNIT * fine.residual(base))


def opened(logit: Tensor) -> Tensor:
    """Return how far the gate is open, 0 to 1: a sigmoid that reaches both."""
    return (1.2 * torch.sigmoid(logit) - 0.1).clamp(0, 1)


def reduced(source: Tensor) -> Tensor:
    """Return the means of the cells of a picture, (N, C, H, W) to (N, C, H / 8, W / 8)."""
    return F.avg_pool2d(source, FACTOR)


def enlarged(cells: Tensor) -> Tensor:
    """Return a guide at the size of the picture, (N, C, h, w) to (N, C, 8 h, 8 w)."""
    return F.interpolate(cells, scale_factor=FACTOR, mode="bilinear")


def open_cells(of_whole: Tensor) -> Tensor:
    """Return in which cells a guide, (N, C, h, w), changes anything, bool (N, h, w): those whose
    gate is open, and their neighbours, since it is interpolated."""
    gate = (of_whole[:, -1:] > 0).float()
    return F.max_pool2d(gate, 3, 1, 1)[:, 0] > 0


def strips_of(height: int, coarse: Detail) -> Iterator[slice]:
    """Yield the rows of a picture in strips that begin at a whole cell of the coarse network."""
    multiple = FACTOR * coarse.size_multiple
    rows = STRIP // multiple * multiple
    # The last one is no smaller than what it may have to be extended by.
    tops = list(range(0, max(1, height - multiple), rows))
    yield from (slice(*ends) for ends in itertools.pairwise([*tops, height]))


@torch.no_grad()
def guide_of_whole(coarse: Detail, strips: Iterable[Tensor]) -> Tensor:
    """Return the guide of a picture of any size, (1, C + 1, h, w), from the strips of strips_of,
    (1, C, H, W) in network space: extended by reflection to whole cells of that network."""
    multiple = FACTOR * coarse.size_multiple
    cells = torch.cat([reduced(padded(strip, multiple)) for strip in strips], 2)
    return guide(coarse, cells.to(next(coarse.parameters()).device))


def guide_at(of_whole: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """Return the part of a picture's enlarged guide for a window that begins at a cell's corner:
    (N, C, height, width). Beyond the last cell it stays as it is there."""
    rows, columns = (
        torch.arange(start // FACTOR - 1, -(-(start + length) // FACTOR) + 1).clamp(0, last - 1)
        for start, length, last in (
            (top, height, of_whole.shape[2]),
            (left, width, of_whole.shape[3]),
        )
    )
    cells = of_whole.index_select(2, rows.to(of_whole.device))
    cells = cells.index_select(3, columns.to(of_whole.device))
    return enlarged(cells)[:, :, FACTOR : FACTOR + height, FACTOR : FACTOR + width]


class Guided(nn.Module):
    """The fine network with the guide of a whole picture, for a part of it."""

    size_multiple = FACTOR

    def __init__(self, pyramid: Pyramid, of_whole: Tensor, top: int, left: int) -> None:
        """The part begins at row `top` and column `left`, at a cell's corner."""
        super().__init__()
        self.fine, self.input_nc = pyramid.fine, pyramid.input_nc
        self._guide, self._corner = of_whole, (top, left)

    def forward(self, source: Tensor) -> Tensor:
        height, width = source.shape[2:]
        part = guide_at(self._guide, *self._corner, height, width)
        return refined(self.fine, source, part)


def build(settings: TrainSettings) -> Pyramid:
    """Return the generator `pyramid`, freshly initialised from torch's random state."""
    input_nc, output_nc = settings.input_nc, settings.output_nc
    coarse = detail.of_size(SIZE, input_nc, output_nc + 1)
    return Pyramid(coarse, detail.of_size(SIZE, output_nc, output_nc))
