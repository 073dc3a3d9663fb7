"""What a run needs of its processes: which part of a batch is whose, and means over all of them, by
torch.distributed. The ordinary run is a team of one, which shares nothing.

The networks are not wrapped: their gradients are averaged where `train_step` has
them, so the keys of the weights stay what they are, and a discriminator that judges twice before an
update is no special case.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from unretouch.base.errors import DataError, ExitCode, ProcessLostError, UsageError
from unretouch.pixels.pairs import Pair
from unretouch.runs.weights import deserialise, serialise
from unretouch.settings.train import TrainSettings
from unretouch.training import device as devices
from unretouch.training.fit import Fit
from unretouch.training.launching import Layout, ranks
from unretouch.training.progress import Progress

IN_A_STEP = timedelta(minutes=3)
"""A process that is silent so long in the middle of a step is lost. One that dies is noticed at
once, by its connection."""
BETWEEN_STEPS = timedelta(hours=2)
"""The same between steps, when the first process saves, shows and checks while the others wait."""

T = TypeVar("T")


class Team:
    """All processes of a run: each calls every method, in the same order.

    Whatever they exchange raises ProcessLostError when one of them is gone.
    """

    rank = 0
    size = 1
    device: torch.device | None = None
    """where this process computes; None: as the settings say"""
    waits_for_beginning = False
    """whether nothing was told yet, so that all others wait for where the run stands"""
    _patient: dist.ProcessGroup | None = None

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
        """Replace the gradients of `net` by their mean over all processes, weighted by `share`."""
        if self.size == 1:
            return
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        # One message for all: many small ones would each wait for the slowest process.
        flat = self.average(torch.cat([gradient.reshape(-1) for gradient in gradients]), share)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))

    def average(self, values: Tensor, share: float) -> Tensor:
        """Return the mean of `values` over all processes, weighted by `share`.

        NaN and infinity anywhere reach every process.
        """
        if self.size == 1:
            return values
        total = values * share
        _exchanged(lambda: dist.all_reduce(total))
        return total

    def agree(
        self, asked: ExitCode | None, ends: bool = False, progress: float = 0.0
    ) -> tuple[ExitCode | None, bool, float]:
        """Before an update: tell all whether the run `ends`, and that a stop was `asked` for.

        Every process takes part once before every update, and the first one leads: its `ends` and
        `progress` are those of all. Returns the stop that anybody was asked for, whether the run
        ends, and the progress.
        """
        if self.size == 1:
            return asked, ends, progress
        mine = [int(asked or 0), int(ends), progress]
        told = torch.tensor(mine if self.first else [mine[0], 0, 0], dtype=torch.float64)
        _exchanged(lambda: dist.all_reduce(told, dist.ReduceOp.MAX, group=self._patient))
        code, ending, share = told.tolist()
        return ExitCode(int(code)) if code else None, bool(ending or code), share

    def begin(
        self, settings: TrainSettings, fit: Fit, progress: Progress, pairs: Sequence[Pair]
    ) -> None:
        """Tell the other processes where the run stands; they build the same and go along.

        Raises DataError when they see other pairs.
        """
        if self.size == 1:
            return
        self.tell(
            {
                "code": None,
                "precision": settings.precision,
                "size": settings.size,
                "head": settings.head,
                "fit": fit.state(),
                "progress": progress.state(),
            }
        )
        if not self.same(pairs):
            raise DataError(
                "the processes see different pairs here",
                settings.dataroot,
                "Give every machine the same folder",
            )

    def tell(self, message: Any = None) -> Any:
        """Return the `message` of the first process, of tensors and plain values, to all."""
        self.waits_for_beginning = False
        if self.size == 1:
            return message
        # It travels as states are saved: only data, never a program.
        packed = torch.empty(0, dtype=torch.uint8)
        if self.first:
            packed = torch.frombuffer(bytearray(serialise(message)), dtype=torch.uint8)
        length = torch.tensor([len(packed)])
        _exchanged(lambda: dist.broadcast(length, 0, group=self._patient))
        if not self.first:
            packed = torch.empty(int(length), dtype=torch.uint8)
        _exchanged(lambda: dist.broadcast(packed, 0, group=self._patient))
        return deserialise(packed.numpy().data, "message of the first process")

    def dismiss(self, code: ExitCode) -> None:
        """Let the other processes end with the exit code of the run."""
        self.tell({"code": int(code)})

    def excuse(self, code: ExitCode) -> None:
        """Let the others, who wait between steps, end with `code`."""
        if not self.waits_for_beginning:
            self.agree(code, ends=True)
        self.dismiss(code)

    def same(self, pairs: Sequence[Pair]) -> bool:
        """Return whether all processes see the same pairs: names, sizes, and some pictures."""
        summary = hashlib.sha256()
        for pair in pairs:
            summary.update(f"{pair.name} {pair.shape};".encode())
        for pair in pairs[:3]:
            for side in (pair.source, pair.target):
                summary.update(np.ascontiguousarray(side).data)
        number = int.from_bytes(summary.digest()[:8], "big") >> 2
        ends = torch.tensor([number, -number])
        _exchanged(lambda: dist.all_reduce(ends, dist.ReduceOp.MAX, group=self._patient))
        return int(ends[0]) == -int(ends[1])

    def close(self) -> None:
        """Close the connections; the others notice where they still wait for this process.

        An interpreter that ends with the group open may abort instead of giving its exit code:
        threads of the group still run then.
        """
        dist.destroy_process_group()


ALONE = Team()


def join(settings: TrainSettings, layout: Layout) -> Team:
    """Form the group of all processes of the run. Returns when all are there.

    Raises UsageError for devices that this machine lacks, ProcessLostError when one does not come.
    """
    kind = devices.choose(settings.device).type
    _require_devices(kind, layout)
    rank, local_rank = ranks(layout)
    if not layout.launcher and layout.num_nodes == 1 and sys.platform == "linux":
        # Nobody outside this machine has business in the exchange.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    where, backend = torch.device(kind), "gloo"
    if kind == "cuda":
        where, backend = torch.device(kind, local_rank), "nccl"
        torch.cuda.set_device(where)

    def formed() -> Team:
        team = Team()
        team.rank, team.size, team.device = rank, layout.processes, where
        team.waits_for_beginning = True
        dist.init_process_group(backend, timeout=IN_A_STEP, rank=rank, world_size=team.size)
        # On the processor, whatever the networks are on: what is agreed are a few numbers.
        team._patient = dist.new_group(timeout=BETWEEN_STEPS, backend="gloo")
        return team

    return _exchanged(formed)


def _require_devices(kind: str, layout: Layout) -> None:
    if not dist.is_available():
        raise UsageError("this build of torch has no torch.distributed", "--devices")
    if kind == "mps":
        raise UsageError("is one only, and not to be shared", "--device mps", "Take --device cpu")
    if kind == "cuda" and layout.devices > torch.cuda.device_count():
        raise UsageError(
            f"{layout.devices} asked for, {torch.cuda.device_count()} GPUs are here", "--devices"
        )


def _exchanged(exchange: Callable[[], T]) -> T:
    """Return what `exchange` does with the others. Raises ProcessLostError when one is gone."""
    try:
        return exchange()
    except RuntimeError as error:
        reason = str(error).splitlines()[0].split("] ")[-1]
        raise ProcessLostError(
            "another process of this run has died or is silent",
            hint=f"({reason}) --continue_train goes on from the last save",
        ) from error
