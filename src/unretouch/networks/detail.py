"""`detail`: a residual U-Net at full resolution that returns its input until it has learnt better.

The prediction is source + residual. A retouch changes few grey levels, so the network predicts
only that difference, in units of a few levels, and its last layer starts at exactly zero: before
any update the output equals the input bit for bit. There is no normalisation over pictures or
positions, so the result does not depend on the batch or on where a tile was cut.

It may have further heads. One says by how much the texture that is left in the source is to be made
stronger: what a retouch left is a fraction of what there was, and 16 bits hold it. Another says
how far from the truth the prediction may be, from which follows how strong its texture should be.
The third is four numbers by which the texture of the change is multiplied: on faces that it never
saw a network gives less of it than on those it was trained on.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unretouch.networks import texture_bands
from unretouch.networks.generator import Generator, Part, WeightsDescription
from unretouch.networks.texture_bands import BANDS
from unretouch.pixels.spaces import GREY_LEVELS, LUMA_WEIGHTS
from unretouch.settings.train import HeadName

WIDTHS: Final[dict[str, tuple[int, ...]]] = {
    "s": (48, 96, 192),
    "m": (64, 128, 192),
    "deep": (48, 96, 192, 384),
    "l": (128, 256, 384),
}
"""Channels of each level; level k works at 1 / 2**(k + 1) of the picture's resolution. `deep` holds
three times as much as `m` for as many multiplications, where each weight is used less often."""

RESIDUAL_UNIT: Final = 4 / GREY_LEVELS
"""The last layer's unit in network space: 4 grey levels, the usual size of a retouch."""

HIGH_PASS_UNIT: Final = 4 / GREY_LEVELS
"""Unit of the high-passed source: makes single grey levels visible to a bf16 network."""

FURTHER_HEADS: Final = ("gain", "guess", "strength")
"""Beside that of the change: a HeadName joins those there are by a plus."""

LOG_LIMITS: Final = (-5.0, 3.0)
"""Of the logarithm of a deviation in grey levels."""


class Block(nn.Module):
    """x + conv(act(conv(act(x)))); the second convolution starts small, so x passes at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        if self.first.weight.is_meta:  # only the shape is asked for, as in classic.initialise
            return
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="relu")
        with torch.no_grad():
            self.second.weight.mul_(0.2)
        for conv in (self.first, self.second):
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(F.leaky_relu(x, 0.1))
        change: Tensor = self.second(F.leaky_relu(hidden, 0.1, inplace=True))
        return change.add_(x)  # in place: fresh memory costs more than the sum


class Strength(nn.Module):
    """Multiplies the texture of a change, (N, C, H, W), by a number for each band. They are 1 until
    they are measured: no gradient moves them."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(BANDS))

    def forward(self, change: Tensor) -> Tensor:
        texture = torch.cat(texture_bands.bands(in_channels(change, 1)), 1)
        return change + ((self.weight - 1).view(1, BANDS, 1, 1) * texture).sum(1, keepdim=True)


class Detail(Generator):
    """The generator `detail`; what it returns is not clamped."""

    margin: int
    _wanted: Part | None = None
    """of a source of which only a part is wanted; None: all of it"""
    _corner = (0, 0)
    """row and column where the source begins in the picture"""
    strengthens = True
    """whether its texture is made stronger, where it has learnt by how much"""
    strengths: Tensor
    """of one that guesses: what its deviations are multiplied by, one for each band"""

    def __init__(
        self,
        widths: tuple[int, ...],
        blocks: int = 1,
        input_nc: int = 3,
        output_nc: int = 3,
        head: HeadName = "change",
    ) -> None:
        """`head` says which further heads there are; not auto."""
        super().__init__()
        self.size_multiple = 2 ** len(widths)
        self.margin = margin(len(widths), blocks)
        self._reach = _reaches(len(widths), blocks)
        self.input_nc, self.output_nc = input_nc, output_nc
        self.stem = nn.Conv2d(2 * input_nc * 4, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in itertools.pairwise(widths)
        )
        self.before = nn.ModuleList(_blocks(width, blocks) for width in widths[:-1])
        self.bottom = _blocks(widths[-1], 2 * blocks)
        self.after = nn.ModuleList(_blocks(width, blocks) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], output_nc * 4, 3, padding=1)
        there = head.split("+")
        self.gain, self.guess = (
            nn.Conv2d(widths[0], BANDS * 4, 3, padding=1) if name in there else None
            for name in ("gain", "guess")
        )
        self.strength = Strength() if "strength" in there else None
        self._further = 0
        if self.strength is not None:
            self._further = texture_bands.REACH_IN_CELLS
        if self.guess is not None:
            self._further = texture_bands.FURTHER
            self.register_buffer("strengths", torch.ones(BANDS))
        self.margin += self._further
        for conv in (self.head, self.gain, self.guess):
            if conv is not None:
                nn.init.zeros_(conv.weight)
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    @property
    def guesses(self) -> bool:
        return self.guess is not None

    def forward(self, source: Tensor) -> Tensor:
        # A bf16 step near 1 is half a grey level: the sum must be float32 under autocast too.
        return in_channels(source.float(), self.output_nc) + self.change(source)

    def part_at(self, top: int, left: int, wanted: Part | None = None) -> Detail:
        part = copy.copy(self)
        if wanted is not None:
            rows, columns = (
                slice(max(0, side.start - self._further), side.stop + self._further)
                for side in wanted
            )
            wanted = rows, columns
        part._wanted, part._corner = wanted, (top, left)
        return part

    def spread(self, source: Tensor) -> Tensor:
        spread = None if self.adds_nothing() else self.change_and_spread(source)[1]
        return super().spread(source) if spread is None else spread

    def change(self, source: Tensor) -> Tensor:
        """Return what is added to the source, network space, float32, with what it guesses."""
        change, spread = self.change_and_spread(source)
        if spread is None or not self.draw.strength or self.adds_nothing():
            return change
        (top, left), (height, width) = self._corner, source.shape[2:]
        noise = texture_bands.noise_bands(top, left, height, width, self.draw.seed).to(spread)
        picture = in_channels(source.float(), self.output_nc) + change
        texture = texture_bands.at_full_strength(picture, spread, noise)
        return change + self.draw.strength * texture

    def change_and_spread(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the most likely change, (N, output_nc, H, W), and the deviation of the luma from
        it in each band, (N, BANDS, H, W), both network space; None where it does not guess."""
        says = self._seen(source)
        change = RESIDUAL_UNIT * says(self.head)
        if self.gain is not None:
            left = texture_bands.bands(in_channels(source.float(), self.output_nc))
            gains = says(self.gain)
            for number, band in enumerate(left):
                change = change + gains[:, number : number + 1] * band
        if self.strength is not None and self.strengthens:
            change = self.strength(change)
        if self.guess is None:
            return change, None
        spread = says(self.guess).clamp(*LOG_LIMITS).exp() / GREY_LEVELS
        return change, spread * self.strengths.view(1, BANDS, 1, 1)

    def residual(self, source: Tensor) -> Tensor:
        """Return what the first head says, float32: of a change, in units of RESIDUAL_UNIT."""
        return self._seen(source)(self.head)

    def _seen(self, source: Tensor) -> Callable[[nn.Module], Tensor]:
        """Return what each head makes of a source, (N, n, H, W) float32."""
        source = source.float()
        whole = (slice(0, source.shape[2]), slice(0, source.shape[3]))
        x = torch.cat([source, (source - _blur(source)).div_(HIGH_PASS_UNIT)], dim=1)
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        kept = []
        for before, down in zip(self.before, self.down, strict=True):
            x = before(x)
            kept.append(x)
            x = down(x)
        # On the way up the reach shrinks: what the wanted part does not depend on is cut off.
        part = self._needed(len(self.up), whole)
        x = self.bottom(_cut(x, whole, part, len(self.up)))
        for level in reversed(range(len(self.up))):
            had, part = part, self._needed(level, whole)
            x = _cut(self.up[level](x), had, part, level) + _cut(kept.pop(), whole, part, level)
            x = self.after[level](x)
        x = F.leaky_relu(x, 0.1, inplace=True)

        def said(head: nn.Module) -> Tensor:
            return _within(F.pixel_shuffle(head(x), 2).float(), part, whole)

        return said

    def _needed(self, level: int, whole: Part) -> Part:
        """Return the part of a source that the last blocks of a level have to see, in whole cells
        of the bottom."""
        if self._wanted is None:
            return whole
        reach, cell = self._reach[level], self.size_multiple
        rows, columns = (
            slice(
                max(0, (wanted.start - reach) // cell * cell),
                min(side.stop, -(-(wanted.stop + reach) // cell) * cell),
            )
            for wanted, side in zip(self._wanted, whole, strict=True)
        )
        return rows, columns

    def remembering(self) -> int:
        # Measured: a weight below the third level, which fewer places use, counts for a quarter.
        below = [*self.down[2:], *self.up[2:], *([self.bottom] if len(self.down) > 2 else [])]
        those: int = sum(weight.numel() for part in below for weight in part.parameters())
        return super().remembering() - those * 3 // 4

    def does_nothing(self) -> bool:
        return self.input_nc == self.output_nc and self.adds_nothing()

    def adds_nothing(self) -> bool:
        """Return whether the change is zero everywhere, as before the first update."""
        heads = [self.head] if self.gain is None else [self.head, self.gain]
        return not any(bool(weight.any()) for head in heads for weight in head.parameters())


def in_channels(source: Tensor, channels: int) -> Tensor:
    """Return a picture, grey or RGB, in as many `channels`, 1 or 3."""
    if source.shape[1] == channels:
        return source
    if source.shape[1] == 1:
        return source.expand(-1, channels, -1, -1)
    luma = source.new_tensor(LUMA_WEIGHTS).view(1, 3, 1, 1)
    return (source * luma).sum(1, keepdim=True)


def margin(levels: int, blocks: int = 1) -> int:
    """Return how many pixels around a pixel its prediction depends on, for so many levels."""
    # A 3 x 3 convolution at 1 / n of the resolution reaches n pixels: two a block on the way down,
    # as many on the way up, twice as many blocks at the bottom, and the first and last layer.
    reach = 2 * 2 + sum(4 * blocks * 2 ** (level + 1) for level in range(levels))
    blur, halving = 2, 2**levels - 1
    return int(-(-(reach + blur + halving) // 2**levels) * 2**levels)


def _reaches(levels: int, blocks: int) -> tuple[int, ...]:
    """Return for each level, the finest first, how many pixels around a pixel its last blocks and
    all that follows look at."""
    convolutions = [2 * blocks] * (levels - 1) + [4 * blocks]
    pixels = [count * 2 ** (level + 1) for level, count in enumerate(convolutions)]
    return tuple(2 + total for total in itertools.accumulate(pixels))  # 2: the last layer


def _cut(x: Tensor, had: Part, wanted: Part, level: int) -> Tensor:
    """Return the part `wanted` of a level's features for the part `had` of the source."""
    if wanted == had:
        return x
    cell = 2 ** (level + 1)
    rows, columns = (
        slice((inner.start - outer.start) // cell, (inner.stop - outer.start) // cell)
        for outer, inner in zip(had, wanted, strict=True)
    )
    return x[:, :, rows, columns]


def _within(x: Tensor, part: Part, whole: Part) -> Tensor:
    """Return (N, C, h, w) with zeros around it, at its place in the whole."""
    if part == whole:
        return x
    (top, bottom), (left, right) = (
        (inner.start, outer.stop - inner.stop) for inner, outer in zip(part, whole, strict=True)
    )
    return F.pad(x, (left, right, top, bottom))


def recognise_detail(state: Mapping[str, Tensor]) -> WeightsDescription | None:
    """Return what the state dict of a `detail` of a known size says of it; None if it is none."""
    stem, head = state.get("stem.weight"), state.get("head.weight")
    if stem is None or head is None or stem.dim() != 4:
        return None
    levels = sum(name.startswith("down.") and name.endswith(".weight") for name in state) + 1
    first = stem.shape[0]
    size = next((s for s, w in WIDTHS.items() if (w[0], len(w)) == (first, levels)), None)
    if size is None:
        return None
    return WeightsDescription(
        "detail", stem.shape[1] // 8, head.shape[0] // 4, size, head=further_heads(state)
    )


def further_heads(state: Mapping[str, Tensor]) -> HeadName:
    """Return which heads a state dict has beside that of the change."""
    there = [name for name in FURTHER_HEADS if f"{name}.weight" in state]
    return cast(HeadName, "+".join(there) or "change")


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))


def _blur(x: Tensor) -> Tensor:
    """Return the mean of the 5 x 5 neighbourhood, of those pixels that lie in the picture."""
    height, width = x.shape[2:]
    counts = _around(x.new_ones(1, 1, height, 1), 2) * _around(x.new_ones(1, 1, 1, width), 3)
    return _around(_around(x, 2), 3).div_(counts)


def _around(x: Tensor, axis: int) -> Tensor:
    """Return the sums of 5 pixels along an axis of (N, C, H, W), with zeros beyond the picture.

    Sums are a tenth of the work of pooling, which was a tenth of that of the network.
    """
    length = x.shape[axis]
    padded = F.pad(x, (0, 0, 2, 2) if axis == 2 else (2, 2))
    total = padded.narrow(axis, 0, length) + padded.narrow(axis, 1, length)
    for shift in (2, 3, 4):
        total += padded.narrow(axis, shift, length)
    return total


def of_size(size: str, input_nc: int = 3, output_nc: int = 3, head: HeadName = "change") -> Detail:
    """Return the generator of a size of WIDTHS, freshly initialised from torch's random state.

    The network is in channels_last layout, which convolutions on CPU and GPU prefer; saved weights
    do not depend on it.
    """
    net = Detail(WIDTHS[size], input_nc=input_nc, output_nc=output_nc, head=head)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net
