"""What a run needs of its processes: which part of a batch is whose, and means over all of them.

`Team` itself is the ordinary run, one process that shares nothing; several are `Processes` in
processes.py. No class here imports more than torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unretouch.base.errors import ExitCode


class Team:
    """One process: every batch is its own, and every mean is what it was given."""

    rank = 0
    size = 1
    device: torch.device | None = None
    """where this process computes; None: as the settings say"""

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def part(self, count: int) -> range:
        """Return which of the `count` samples of a batch this process computes.

        The last batch of an epoch may be too small for all: who has none computes the first sample,
        which then counts nothing (see `share`).
        """
        own = range(self.rank * count // self.size, (self.rank + 1) * count // self.size)
        return own or range(1)

    def share(self, count: int) -> float:
        """Return what this process's part of `count` samples counts; all shares add up to 1."""
        own = (self.rank + 1) * count // self.size - self.rank * count // self.size
        return own / count

    def average_gradients(self, net: nn.Module, share: float) -> None:
        """Replace the gradients of `net` by their mean over all processes, weighted by `share`.

        Raises ProcessLostError.
        """

    def average(self, values: Tensor, share: float) -> Tensor:
        """Return the mean of `values` over all processes, weighted by `share`.

        NaN and infinity anywhere reach every process. Raises ProcessLostError.
        """
        return values

    def agree(self, asked: ExitCode | None, ends: bool, progress: float) -> ExitCode | None:
        """Before an update: tell all whether the run `ends`, and that a stop was `asked` for.

        Every process takes part once before every update, and the first one leads: its `ends` and
        `progress` are those of all. Returns the stop that anybody was asked for. Raises
        ProcessLostError.
        """
        return asked

    def tell(self, message: Any = None) -> Any:
        """Return the `message` of the first process, of tensors and plain values, to all.

        Raises ProcessLostError.
        """
        return message

    def dismiss(self, code: ExitCode) -> None:
        """Let the other processes end with the exit code of the run. Raises ProcessLostError."""
        self.tell({"code": int(code)})

    def same(self, number: int) -> bool:
        """Return whether `number` (0 to below 2**62) is one and the same in all processes."""
        return True


ALONE = Team()
