"""How many processes a run is to have, by its settings or by what started it. Imports no torch."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass

from unretouch.base.errors import UsageError, install_hint
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


def require_fabric() -> None:
    """Raise UsageError when lightning-fabric is not installed, saying how to get it."""
    if importlib.util.find_spec("lightning_fabric") is None:
        raise UsageError(
            "several processes need lightning-fabric, which is not installed",
            "--devices",
            install_hint("scale"),
        )


def is_first(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process may speak: the only one, or the first that a launcher started."""
    found = _launched(environ)
    if found is None:
        return environ.get("NODE_RANK", "0") == "0"
    return environ["SLURM_PROCID" if found.launcher == "SLURM" else "RANK"] == "0"


def _launched(environ: Mapping[str, str]) -> Layout | None:
    """Return what a launcher has started, found as lightning-fabric finds it."""
    try:
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
    except (KeyError, ValueError) as error:
        raise UsageError(f"the launcher left out or garbled {error}", "environment") from error
    return None
