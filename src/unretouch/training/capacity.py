"""Can this generator hold these pairs? Bits to be remembered against bits that weights hold."""

from __future__ import annotations

import itertools
import lzma
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unretouch.pixels.pair_check import mean_difference
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap

BITS_A_PARAMETER = 2.0
"""What a weight comes to hold when it is trained long enough (Allen-Zhu and Li 2024, Physics of
Language Models 3.3)."""
EXACT_ERROR = 0.05
"""Grey levels of error at which nearly every pixel is rounded to the answer (measured: 99 %)."""
LEARNT, PASSES = 0.25, 33.0
"""Measured (docs/performance.md): after 33 passes over every pixel a quarter of the retouch is
left."""
TIGHT, ROOMY, ROOM = 0.356, 0.65, 3.0
"""What is left falls with the passes to a power, measured too: to the first before that, and where
the weights hold no more bits than the retouch; later to the second where they hold so many times as
many."""
SAMPLED = 3_000_000
"""Values of all pairs that are compressed at most, since that takes about a second: strips of rows,
spread evenly over each picture, stand for it."""
STRIP = 4
"""Rows of a strip: what repeats from row to row is seen, and many places are."""


@dataclass(frozen=True)
class Capacity:
    """What is to be remembered, what remembers it, and what error that lets one expect."""

    residual_bits: float
    """of all pairs' residuals, by lossless compression"""
    values: int
    """numbers in all residuals that are not zero"""
    parameters: int
    identity_error: float
    """grey levels, mean over the pairs"""
    passes: float
    """how often every pixel will be seen"""

    @property
    def parameter_bits(self) -> float:
        return BITS_A_PARAMETER * self.parameters

    @property
    def limit(self) -> float:
        """Grey levels that the weights let it reach, however long it is trained.

        Rate and distortion: each bit a value too few doubles the error.
        """
        missing = max(0.0, self.residual_bits - self.parameter_bits)
        halvings = missing / max(1, self.values)
        return float(min(self.identity_error, EXACT_ERROR * 2.0**halvings))

    @property
    def expected(self) -> float:
        """Grey levels to be expected from the time there is, and from the weights."""
        left = min(1.0, LEARNT * math.pow(PASSES / max(self.passes, 1e-9), self._power))
        return max(self.limit, self.identity_error * left)

    @property
    def _power(self) -> float:
        """The power of the passes with which the retouch that is left falls."""
        if self.passes <= PASSES:
            return TIGHT
        room = max(1.0, self.parameter_bits / max(1.0, self.residual_bits))
        return TIGHT + (ROOMY - TIGHT) * min(1.0, math.log(room, ROOM))

    def sentence(self, size: str) -> str:
        """Return the line that is printed before training."""
        weights = f"{self.parameters / 1e6:.1f} M parameters"
        too_small = self.residual_bits > 1.5 * self.parameter_bits and size in ("s", "m")
        return (
            f"capacity: the retouch holds {self.residual_bits / 1e6:.1f} Mbit, --size {size} "
            f"({weights}) about {self.parameter_bits / 1e6:.1f}"
            + (
                f", too little for every pixel: --size {'m' if size == 's' else 'l'} holds more"
                if too_small
                else ""
            )
            + f"; an error of about {self.expected:.2g} grey levels is to be expected after "
            f"{self.passes:.0f} passes (doing nothing: {self.identity_error:.2g})"
        )


def capacity(
    pairs: Sequence[Pair],
    parameters: int,
    passes: float,
    maps: Sequence[PairMap] | None = None,
) -> Capacity:
    """Return the capacity of a network of so many `parameters` for `pairs` seen `passes` times.

    `maps` tell the retouch, which is to be remembered, from noise, which is not.
    """
    bits, values, errors = 0.0, 0, []
    for pair, known in zip(pairs, maps or itertools.repeat(None), strict=False):
        source, target = pair.source, pair.target
        noisy = known is not None and not known.lossless
        errors.append(known.retouch_error if known and noisy else mean_difference(source, target))
        # Modulo 256 nothing is lost beside the source, and a value is one byte.
        sample = np.concatenate(
            [
                (target[rows] - source[rows]) * (known.block_rows(rows) if known and noisy else 1)
                for rows in _strips(source.shape, SAMPLED // len(pairs))
            ]
        )
        share = source.size / sample.size
        values += round(share * np.count_nonzero(sample))
        bits += 8 * share * len(lzma.compress(sample.data))
    return Capacity(bits, values, parameters, sum(errors) / len(errors), passes)


def _strips(shape: tuple[int, ...], at_most: int) -> list[slice]:
    """Return strips of rows of a picture (H, W, C), evenly spread, of about `at_most` values: the
    whole picture where it has no more."""
    height, strip = shape[0], STRIP * shape[1] * shape[2]
    count = max(1, at_most // strip)
    if count * STRIP >= height:
        return [slice(0, height)]
    tops = np.linspace(0, height - STRIP, count + 2)[1:-1].astype(int)
    return [slice(top, top + STRIP) for top in tops.tolist()]
