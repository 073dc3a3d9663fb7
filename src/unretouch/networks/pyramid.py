"""`pyramid`: two `detail` networks, one for the large changes of a photograph, one for its pores.

In a photograph of many megapixels most of a retouch is large: dodge and burn, creases, and where
anything was retouched at all. That is seen best in the picture at an eighth of its size, where a
network looks as far as half a face, and learns a 64th of the pixels. The second network works at
full resolution on the picture so changed, and only where the first one says that there is retouch:
elsewhere the prediction is the source, bit for bit.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from unretouch.networks.detail import (
    RESIDUAL_UNIT,
    WIDTHS,
    Detail,
    further_heads,
    in_channels,
    of_size,
    recognise_detail,
)
from unretouch.networks.generator import Generator, GeneratorKind, Part, WeightsDescription
from unretouch.networks.prediction import padded
from unretouch.pixels.spaces import GREY_LEVELS, Bits
from unretouch.settings.train import AimName, HeadName, SizeName, TrainSettings

FACTOR: Final = 8
"""Pixels a side of a cell of the reduced picture: a block of JPEG, and of the retouched area."""
LARGE_PIXELS: Final = 2_000_000
"""Of a pair, from which on the size `auto` is a pyramid."""
SIZE: Final = "s"
"""Of each of the two networks, see detail.WIDTHS."""
STRIP: Final = 512
"""Rows of a picture that are reduced at a time."""
GATE_UNIT: Final = 0.25
"""The last layer's unit for the gate, before its sigmoid."""


class Pyramid(Generator):
    """The generator `pyramid`; what it returns is not clamped.

    Of a whole picture the coarse network takes a look, once; then a part needs no more around it
    than the margin of the fine one.
    """

    margin: int
    looks_first = True

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

    @property
    def guesses(self) -> bool:
        return self.fine.guesses

    def spread(self, source: Tensor) -> Tensor:
        source = source.float()
        of_whole = enlarged(guide(self.coarse, reduced(source)))
        spread = refined_and_spread(self.fine, source, of_whole)[1]
        return super().spread(source) if spread is None else spread

    @property
    def networks(self) -> tuple[Detail, Detail]:
        return self.coarse, self.fine

    def made_of(self, networks: Sequence[Generator]) -> Pyramid:
        made = Pyramid(*networks)  # type: ignore[arg-type]
        made.slower, made.only_skin = self.slower, self.only_skin
        return made

    def does_nothing(self) -> bool:
        same = self.input_nc == self.output_nc
        return same and self.coarse.adds_nothing() and self.fine.adds_nothing()

    def look(self, height: int, rows: Callable[[slice], Tensor]) -> Guided:
        return Guided(self, guide_of_whole(self.coarse, height, rows))


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
    return base + enlarged_guide[:, -1:] * fine.change(base)


def refined_and_spread(
    fine: Detail, source: Tensor, enlarged_guide: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the most likely prediction, and the deviation from it as Detail has it."""
    base = in_channels(source.float(), fine.output_nc) + enlarged_guide[:, :-1]
    gate = enlarged_guide[:, -1:]
    change, spread = fine.change_and_spread(base)
    return base + gate * change, None if spread is None else gate * spread


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


@torch.no_grad()
def guide_of_whole(coarse: Detail, height: int, rows: Callable[[slice], Tensor]) -> Tensor:
    """Return the guide of a picture of any size, (1, C + 1, h, w).

    The picture has `height` rows; `rows` returns some of them, (1, C, n, W) in network space. It is
    extended by reflection to whole cells of the coarse network.
    """
    multiple = FACTOR * coarse.size_multiple
    strips = _strips(height, multiple)
    cells = torch.cat([reduced(padded(rows(strip), multiple)) for strip in strips], 2)
    return guide(coarse, cells.to(next(coarse.parameters()).device))


def _strips(height: int, multiple: int) -> Iterator[slice]:
    """Yield the rows of a picture in strips that begin at multiples of `multiple`."""
    step = STRIP // multiple * multiple
    # The last one is no smaller than what it may have to be extended by.
    tops = list(range(0, max(1, height - multiple), step))
    yield from (slice(*ends) for ends in itertools.pairwise([*tops, height]))


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


class Guided(Generator):
    """The fine network with the guide of a whole picture, for parts of it."""

    size_multiple = FACTOR

    def __init__(self, pyramid: Pyramid, of_whole: Tensor) -> None:
        super().__init__()
        self.fine, self.margin = pyramid.fine, pyramid.fine.margin
        self.input_nc, self.output_nc = pyramid.input_nc, pyramid.output_nc
        self.open_cells = open_cells(of_whole)[0].cpu().numpy()
        large = of_whole[0, :-1].expand(3, -1, -1).permute(1, 2, 0)
        self.large_change = (GREY_LEVELS * large).float().cpu().numpy()
        self._guide, self._corner = of_whole, (0, 0)
        self._wanted: Part | None = None

    def part_at(self, top: int, left: int, wanted: Part | None = None) -> Guided:
        part = copy.copy(self)
        part._corner, part._wanted = (top, left), wanted
        return part

    def forward(self, source: Tensor) -> Tensor:
        return refined(*self._part(source))

    def spread(self, source: Tensor) -> Tensor:
        spread = refined_and_spread(*self._part(source))[1]
        return super().spread(source) if spread is None else spread

    def _part(self, source: Tensor) -> tuple[Detail, Tensor, Tensor]:
        """Return the fine network for a source, the source, and its guide."""
        height, width = source.shape[2:]
        part = guide_at(self._guide, *self._corner, height, width)
        return self.fine.part_at(*self._corner, self._wanted), source, part


def build(settings: TrainSettings) -> Detail | Pyramid:
    """Return the generator of the size `settings.size`, with fresh weights."""
    input_nc, output_nc = settings.input_nc, settings.output_nc
    head = "change" if settings.head == "auto" else settings.head
    if settings.size != "pyramid":
        return of_size(_size(settings), input_nc, output_nc, head)
    coarse = of_size(SIZE, input_nc, output_nc + 1)
    return Pyramid(coarse, of_size(SIZE, output_nc, output_nc, head))


def recognise(state: Mapping[str, Tensor]) -> WeightsDescription | None:
    """Return what the state dict of a `detail` of any size says of it; None if it is none."""
    stem, head = state.get("coarse.stem.weight"), state.get("fine.head.weight")
    if stem is None or head is None or stem.dim() != 4:
        return recognise_detail(state)
    fine = {key.removeprefix("fine."): value for key, value in state.items()}
    return WeightsDescription(
        "detail", stem.shape[1] // 8, head.shape[0] // 4, "pyramid", head=further_heads(fine)
    )


def settled(settings: TrainSettings, pixels: float, bits: Bits) -> TrainSettings:
    """Return the settings with what `auto` means, as size and as head, for pairs of so many pixels
    each at most whose sources hold so many bits."""
    size, head = settings.size, settings.head
    if size == "auto":
        size = "pyramid" if pixels > LARGE_PIXELS else usual_size(settings.aim)
    if head == "auto":
        # By what of the texture is left in 8 bits little can be made stronger but the rounding.
        heads: dict[AimName, HeadName] = {
            "fit": "change",
            "restore": "gain" if bits == 16 else "change",
            "texture": "strength",
        }
        head = heads[settings.aim]
    return replace(settings, size=size, head=head)


def usual_size(aim: AimName) -> SizeName:
    """Return the size that `auto` means for pairs that are not large."""
    return "m" if aim == "texture" else "deep"


def _size(settings: TrainSettings) -> str:
    """Return the size of the network, of each of the two where it is a pyramid."""
    size = usual_size(settings.aim) if settings.size == "auto" else settings.size
    return SIZE if size == "pyramid" else size


def width(settings: TrainSettings) -> int:
    """Return the channels of the first level, of each of the two where it is a pyramid."""
    return WIDTHS[_size(settings)][0]


def further_levels(settings: TrainSettings) -> int:
    """Return how many levels there are beyond three."""
    return max(0, len(WIDTHS[_size(settings)]) - 3)


DETAIL: Final = GeneratorKind(
    build=build,
    recognise=recognise,
    takes=frozenset({"input_nc", "output_nc", "size", "head"}),
    width=width,
    further_levels=further_levels,
    weights_bytes=19_000,
    pixel_bytes=28,
    takes_bf16=True,
    takes_fast_recipe=True,
    kept_bytes=128_000_000,  # those of a tile
)
"""`detail` of any size, of which the largest is a pyramid."""
