"""How many processes a run has, by its settings or by what started it, and which one this is.

Imports no torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass

from unretouch.base.errors import UsageError
from unretouch.settings.train import TrainSettings

ADDRESS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
"""What every machine is told where no launcher does it."""


@dataclass(frozen=True)
class Layout:
    """Processes on every machine, machines, and who starts them."""

    devices: int
    num_nodes: int
    launcher: str = ""
    """torchrun or SLURM; empty: the run starts the others of its machine itself"""

    @property
    def processes(self) -> int:
        return self.devices * self.num_nodes


def layout(settings: TrainSettings, environ: Mapping[str, str] = os.environ) -> Layout | None:
    """Return the processes of the run; None for one process, which then is an ordinary run.

    Raises UsageError where the flags disagree with the launcher, or machines lack an address.
    """
    found = _launched(environ)
    asked = (settings.devices, settings.num_nodes)
    if found is None:
        if asked == (1, 1):
            return None
        if settings.num_nodes > 1 and (missing := [n for n in ADDRESS if n not in environ]):
            raise UsageError(
                f"{', '.join(missing)} not set, so the machines cannot find each other",
                "--num_nodes",
                "Set MASTER_ADDR and MASTER_PORT to the first machine and NODE_RANK to 0, 1, ... "
                "on each, or start the command by torchrun or srun",
            )
        return Layout(*asked)
    if asked not in ((1, 1), (found.devices, found.num_nodes)):
        raise UsageError(
            f"{asked[0]} a machine on {asked[1]}, but {found.launcher} started "
            f"{found.devices} on {found.num_nodes}",
            "--devices",
            "Leave --devices and --num_nodes out: the launcher decides",
        )
    return found if found.processes > 1 else None


def ranks(plan: Layout, environ: MutableMapping[str, str] = os.environ) -> tuple[int, int]:
    """Return the number of this process among all of the run, and among those of its machine.

    Under SLURM, which names no meeting point, sets MASTER_ADDR and MASTER_PORT where nobody did, to
    the first machine and a port that follows from the job. Raises UsageError.
    """
    with _garbled_told():
        if plan.launcher == "torchrun":
            return int(environ["RANK"]), int(environ["LOCAL_RANK"])
        if not plan.launcher:
            local = int(environ["LOCAL_RANK"])
            return int(environ["NODE_RANK"]) * plan.devices + local, local
        machines = environ.get("SLURM_NODELIST", "127.0.0.1")
        first = re.sub(r"\[([^],-]*)[^]]*\]", r"\1", machines)  # of node[05-08,11] node05
        environ.setdefault("MASTER_ADDR", re.split("[ ,]", first)[0])
        if "MASTER_PORT" not in environ:
            environ["MASTER_PORT"] = str(15000 + int(environ["SLURM_JOB_ID"][-4:]))
        return int(environ["SLURM_PROCID"]), int(environ["SLURM_LOCALID"])


def is_first(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process may speak: the only one, or the first that a launcher started."""
    found = _launched(environ)
    if found is None:
        return environ.get("NODE_RANK", "0") == "0"
    return environ["SLURM_PROCID" if found.launcher == "SLURM" else "RANK"] == "0"


def _launched(environ: Mapping[str, str]) -> Layout | None:
    """Return what a launcher has started; None where none has."""
    with _garbled_told():
        if "TORCHELASTIC_RUN_ID" in environ:
            a_machine = int(environ["LOCAL_WORLD_SIZE"])
            return Layout(a_machine, int(environ["WORLD_SIZE"]) // a_machine, "torchrun")
        by_hand = environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
        if "SLURM_NTASKS" in environ and "SLURM_PROCID" in environ and not by_hand:
            tasks, machines = int(environ["SLURM_NTASKS"]), int(environ.get("SLURM_NNODES", "1"))
            if tasks % machines:
                raise UsageError(
                    f"{tasks} tasks on {machines} machines", "SLURM", "Use --ntasks-per-node"
                )
            return Layout(tasks // machines, machines, "SLURM")
    return None


@contextmanager
def _garbled_told() -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError) as error:
        raise UsageError(f"the launcher left out or garbled {error}", "environment") from error
