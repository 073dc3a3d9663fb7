"""A run over several processes or machines, by lightning-fabric. Imported late: it takes seconds.

Fabric forms the group and moves gradients. It does not start the processes here: its own launcher
kills the first process, without a word, when another ends. Nor does it wrap the networks: their
gradients are averaged where `train_step` has them, so the keys of the weights stay what they are,
and a discriminator that judges twice before an update is no special case.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from unretouch.base.errors import ExitCode, ProcessLostError, UsageError
from unretouch.runs.weights import deserialise, serialise
from unretouch.settings.train import TrainSettings
from unretouch.training import device as devices
from unretouch.training.launching import Layout
from unretouch.training.team import Team

IN_A_STEP = timedelta(minutes=3)
"""A process that is silent so long in the middle of a step is lost. One that dies is noticed at
once, by its connection."""
BETWEEN_STEPS = timedelta(hours=2)
"""The same between steps, when the first process saves, shows and checks while the others wait."""

T = TypeVar("T")


class Processes(Team):
    """All processes of a run. Every method is called by all of them in the same order."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank, self.size, self.device = fabric.global_rank, fabric.world_size, fabric.device
        # On the processor, whatever the networks are on: what is agreed are a few numbers.
        self._patient = dist.new_group(timeout=BETWEEN_STEPS, backend="gloo")
        self.waits_for_beginning = True
        """whether nothing was told yet, so that all others wait for where the run stands"""

    def average_gradients(self, net: nn.Module, share: float) -> None:
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        # One message for all: many small ones would each wait for the slowest process.
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        flat = self.average(flat, share)
        begin = 0
        for gradient in gradients:
            end = begin + gradient.numel()
            gradient.copy_(flat[begin:end].view(gradient.shape))
            begin = end

    def average(self, values: Tensor, share: float) -> Tensor:
        def summed() -> Tensor:
            total: Tensor = self._fabric.all_reduce(values * share, reduce_op="sum")  # type: ignore[assignment]
            return total

        return _together(summed)

    def agree(self, asked: ExitCode | None, ends: bool, progress: float) -> ExitCode | None:
        code, _, _ = self.ordered(asked, ends, progress)
        return code

    def ordered(
        self, asked: ExitCode | None, ends: bool = False, progress: float = 0.0
    ) -> tuple[ExitCode | None, bool, float]:
        """Take part in `agree`; return what is asked, whether the run ends, and the progress."""
        mine = [int(asked or 0), int(ends), progress]
        told = torch.tensor(mine if self.first else [mine[0], 0, 0], dtype=torch.float64)
        _together(lambda: dist.all_reduce(told, dist.ReduceOp.MAX, group=self._patient))
        code, ending, share = told.tolist()
        return ExitCode(int(code)) if code else None, bool(ending or code), share

    def tell(self, message: Any = None) -> Any:
        self.waits_for_beginning = False
        # It travels as states are saved: only data, never a program.
        packed = torch.empty(0, dtype=torch.uint8)
        if self.first:
            packed = torch.frombuffer(bytearray(serialise(message)), dtype=torch.uint8)
        length = torch.tensor([len(packed)])
        _together(lambda: dist.broadcast(length, 0, group=self._patient))
        if not self.first:
            packed = torch.empty(int(length), dtype=torch.uint8)
        _together(lambda: dist.broadcast(packed, 0, group=self._patient))
        return deserialise(packed.numpy().data, "message of the first process")

    def same(self, number: int) -> bool:
        ends = torch.tensor([number, -number])
        _together(lambda: dist.all_reduce(ends, dist.ReduceOp.MAX, group=self._patient))
        return int(ends[0]) == -int(ends[1])

    def excuse(self, code: ExitCode) -> None:
        """Let the others, who wait between steps, end with `code`. Raises ProcessLostError."""
        if not self.waits_for_beginning:
            self.ordered(code, ends=True)
        self.dismiss(code)

    def close(self) -> None:
        """Close the connections; the others notice where they still wait for this process.

        An interpreter that ends with the group open may abort instead of giving its exit code:
        threads of the group still run then.
        """
        dist.destroy_process_group()


def join(settings: TrainSettings, layout: Layout) -> Processes:
    """Form the group of all processes of the run. Returns when all are there.

    Raises UsageError for devices that this machine lacks, ProcessLostError when one does not come.
    """
    for name in ("lightning_fabric", "lightning.fabric"):  # its greetings are no news to anybody
        logging.getLogger(name).setLevel(logging.ERROR)
    kind = devices.choose(settings.device).type
    _require_devices(kind, layout)
    if not layout.launcher and layout.num_nodes == 1 and sys.platform == "linux":
        # Nobody outside this machine has business in the exchange.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    try:
        fabric = Fabric(
            accelerator=kind,
            devices=layout.devices,
            num_nodes=layout.num_nodes,
            strategy=DDPStrategy(timeout=IN_A_STEP, cluster_environment=_environment(layout)),
        )
    except (ValueError, RuntimeError) as error:
        raise UsageError(str(error).splitlines()[0], layout.launcher or "--devices") from error
    return _together(lambda: _launched(fabric))


def _launched(fabric: Fabric) -> Processes:
    fabric.launch()
    return Processes(fabric)


def _environment(layout: Layout) -> ClusterEnvironment:
    if layout.launcher == "torchrun":
        return TorchElasticEnvironment()
    # Requeueing is left to the job: the command with --continue_train goes on.
    return SLURMEnvironment(auto_requeue=False) if layout.launcher else LightningEnvironment()


def _require_devices(kind: str, layout: Layout) -> None:
    if kind == "mps":
        raise UsageError("is one only, and not to be shared", "--device mps", "Take --device cpu")
    if kind == "cuda" and layout.devices > torch.cuda.device_count():
        raise UsageError(
            f"{layout.devices} asked for, {torch.cuda.device_count()} GPUs are here", "--devices"
        )


def _together(exchange: Callable[[], T]) -> T:
    """Return what `exchange` does with the others. Raises ProcessLostError when one is gone."""
    try:
        return exchange()
    except RuntimeError as error:
        reason = str(error).splitlines()[0].split("] ")[-1]
        raise ProcessLostError(
            "another process of this run has died or is silent",
            hint=f"({reason}) --continue_train goes on from the last save",
        ) from error
