"""Can this generator hold these pairs? Bits to be remembered against bits that weights hold."""

from __future__ import annotations

import lzma
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unretouch.pixels.pairs import Pair

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
SAMPLED = 4_000_000
"""Values of a pair that are compressed at most: the rest is taken to be alike."""


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
        too_small = self.residual_bits > 1.5 * self.parameter_bits and size != "l"
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


def capacity(pairs: Sequence[Pair], parameters: int, passes: float) -> Capacity:
    """Return the capacity of a network of so many `parameters` for `pairs` seen `passes` times."""
    bits, values, errors = 0.0, 0, []
    for pair in pairs:
        residual = pair.target.astype(np.int16) - pair.source
        errors.append(float(np.abs(residual).mean()))
        values += int(np.count_nonzero(residual))
        sample = residual.reshape(-1, residual.shape[-1])[: SAMPLED // 3]
        share = residual.size / sample.size
        # Modulo 256 nothing is lost beside the source, and a value is one byte.
        bits += 8 * share * len(lzma.compress(sample.astype(np.uint8).tobytes()))
    return Capacity(bits, values, parameters, sum(errors) / len(errors), passes)
