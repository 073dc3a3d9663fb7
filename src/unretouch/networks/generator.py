"""What every generator says of itself, so that nobody has to ask which one it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from unretouch.settings.train import NormName, TrainSettings

Part = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclass(frozen=True)
class Draw:
    """How much texture a network that guesses gives beyond what is known of it."""

    strength: float = 1.0
    """0: none, which is nearest to the truth on average; 1: as strong as it is expected to be"""
    seed: int = 0
    """of what is drawn of it"""


class Generator(nn.Module):
    """A network that maps the source to the prediction, both in network space.

    `forward` takes (N, input_nc, H, W), H and W multiples of `size_multiple` (see prediction for
    any size), and returns (N, output_nc, H, W), float32.
    """

    size_multiple: int
    input_nc: int
    output_nc: int
    margin: int | None = None
    """Pixels beyond which nothing changes a pixel of the prediction, so that a large picture may be
    predicted in parts. None: it normalises over the picture, and must see the whole."""
    slower: float | None = None
    """Sigma in pixels of the slow change that is taken out of its predictions: see slow_change.
    None: it was asked for all of the change."""
    only_skin: bool = False
    """Whether its predictions leave all but skin as it is: see on_skin."""
    looks_first = False
    """Whether it looks at the whole of a picture before it predicts a part."""
    open_cells: NDArray[np.bool_] | None = None
    """(h, w): which cells of `size_multiple` pixels of the picture looked at it may change; where
    it may not, the prediction is the source. None: all."""

    large_change: NDArray[np.float32] | None = None
    """(h, w, 3): by how many grey levels each of those cells changes as a whole, about. None: it
    has not looked at the whole of a picture."""

    draw = Draw()
    """for one that guesses, see there"""

    @property
    def guesses(self) -> bool:
        """Whether it says how far from the truth it may be, and makes texture as strong as that."""
        return False

    @property
    def is_local(self) -> bool:
        """Whether a pixel of the prediction depends on its surroundings alone, up to the margin."""
        return self.margin is not None

    @property
    def networks(self) -> Sequence[Generator]:
        """Those it is made of, in the order in which they are trained. The last one works at full
        resolution."""
        return (self,)

    def made_of(self, networks: Sequence[Generator]) -> Generator:
        """Return a generator of this kind made of such `networks`."""
        (only,) = networks
        return only

    def remembering(self) -> int:
        """Return how many weights of the usual kind remember as much as this network's."""
        return sum(weight.numel() for weight in self.parameters())

    def set_draw(self, draw: Draw) -> None:
        """Draw what it guesses so from now on."""
        for network in {self, *self.networks}:
            network.draw = draw

    def spread(self, source: Tensor) -> Tensor:
        """Return how far the luma may be from what is expected, where it guesses: a deviation in
        each band of texture, (N, bands, H, W) network space."""
        return source.new_zeros(len(source), 1, *source.shape[2:])

    def does_nothing(self) -> bool:
        """Return whether the prediction is the source as it is, bit for bit."""
        return False

    def look(self, height: int, rows: Callable[[slice], Tensor]) -> Generator:
        """Return this generator for the parts of one picture, having looked at the whole of it.

        The picture has `height` rows; `rows` returns some of them in their full width, (1,
        input_nc, n, W) in network space.
        """
        return self

    def may_change(self, top: int, left: int, height: int, width: int) -> NDArray[np.bool_]:
        """Return which pixels of a part of the picture looked at are not known to stay as they are,
        (height, width)."""
        if self.open_cells is None:
            return np.ones((height, width), np.bool_)
        rows, columns = (
            np.arange(start, start + length) // self.size_multiple
            for start, length in ((top, height), (left, width))
        )
        return np.asarray(self.open_cells[np.ix_(rows, columns)])

    def part_at(self, top: int, left: int, wanted: Part | None = None) -> Generator:
        """Return this generator for the part that begins at this row and column of the picture
        looked at, both multiples of `size_multiple`.

        Only the rows and columns `wanted` of its prediction, counted from there, need be right.
        """
        return self


@dataclass(frozen=True)
class WeightsDescription:
    """What a state dict says of its generator."""

    netG: str
    """a name that settings know, or such as `U-Net of 5 halvings`"""
    input_nc: int
    output_nc: int
    size: str | None = None
    head: str | None = None
    norm: NormName | None = None
    ngf: int | None = None
    dropout: bool | None = None
    """None: the keys do not tell"""

    def settings(self) -> dict[str, Any]:
        """Return the settings by which such a generator is built."""
        told = {
            "netG": self.netG, "input_nc": self.input_nc, "output_nc": self.output_nc,
            "size": self.size, "head": self.head, "norm": self.norm, "ngf": self.ngf,
            "no_dropout": None if self.dropout is None else not self.dropout,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}

    def __str__(self) -> str:
        text = self.netG
        if self.norm is not None:
            text += " without norm" if self.norm == "none" else f" with {self.norm} norm"
        if self.size is not None:
            text += f", size {self.size}"
        if self.head not in (None, "change"):
            text += f", head {self.head}"
        if self.ngf not in (None, 64):
            text += f", ngf {self.ngf}"
        if (self.input_nc, self.output_nc) != (3, 3):
            text += f", {self.input_nc} to {self.output_nc} channels"
        if self.dropout is not None:
            text += ", with dropout" if self.dropout else ", no dropout"
        return text


@dataclass(frozen=True)
class GeneratorKind:
    """What is known of a generator before there is one: a line of the table GENERATORS."""

    build: Callable[[TrainSettings], Generator]
    """fresh weights, from torch's random state"""
    recognise: Callable[[Mapping[str, Tensor]], WeightsDescription | None]
    """what a state dict, by its keys and shapes, says of its generator; None: it is another's"""
    takes: frozenset[str]
    """the settings that it is built by"""
    width: Callable[[TrainSettings], int]
    """channels of the first level"""
    weights_bytes: int
    """in a training step, measured: bytes of weights, gradients and moments (of the discriminator,
    too) a squared channel of the first level; each of the further levels has four times as many"""
    pixel_bytes: int
    """in a training step, measured: bytes of activations a pixel and channel of the first level"""
    further_levels: Callable[[TrainSettings], int] = lambda _: 0
    """levels beyond those of the network that was measured"""
    takes_bf16: bool = False
    """whether a prediction by bf16 keeps the source's depth, since its last sum is float32"""
    takes_fast_recipe: bool = False
    """whether the fast recipe can train it: without dropout and statistics, and the source itself
    at the start"""
    kept_bytes: int = 16_000_000
    """bytes of the largest tensor whose memory is kept in predictions; the tensors of the classic
    generators are of so many sizes that kept memory would fall into gaps which nothing fits into:
    half as much again as is needed"""
