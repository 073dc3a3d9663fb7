"""Sweeps of tiny runs: what drives them is forked, what trains are processes as always."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import fault_harness as harness
from fault_harness import Child, Place, Warm

STEPS = 60
TINY = (
    *harness.CLASSIC, "--model", "pix2pix", "--n_epochs", "15", "--n_epochs_decay", "5",
    "--save_latest_freq", "3", "--print_freq", "3",
)  # fmt: skip
"""60 updates on three pairs: some seconds."""
SLOW = ("--n_epochs", "20", "--n_epochs_decay", "7", "--save_latest_freq", "1")
"""Added to those: it takes Ray a second to notice something, and the run must not be over then."""
SLOW_STEPS = 81
GRID = ("--lambda_L1", "10", "20")
RUNS = ("lambda_L1_10", "lambda_L1_20")


def words(dataroot: Path, checkpoints: Path, *more: str) -> list[str]:
    """Return the words of a sweep called `exp`."""
    return [
        "sweep", "--dataroot", str(dataroot), "--checkpoints_dir", str(checkpoints),
        "--name", "exp", *TINY, *more,
    ]  # fmt: skip


def start(forker: Warm, argv: list[str], **faults: object) -> Child:
    """Start a command line of `unretouch`."""
    return forker.start(argv, "unretouch", **faults)


def finish(forker: Warm, argv: list[str], **faults: object) -> tuple[int, str]:
    """Do what a command line of `unretouch` says; return its exit code and what it printed."""
    done = forker.run(argv, "unretouch", **faults)
    return done.code, done.out


def undisturbed(forker: Warm, dataroot: Path, checkpoints: Path, *more: str) -> dict[str, object]:
    """Return what the runs of GRID come to, trained one by one without a sweep.

    How often they save makes no difference, except to the time.
    """
    for value, name in zip(GRID[1:], RUNS, strict=True):
        flags = (*TINY, GRID[0], value, *more, "--save_latest_freq", "1000")
        done = forker.run(Place(dataroot, checkpoints, flags, f"exp/{name}").words())
        assert done.code == 0, done.out
    return outcomes(checkpoints)


def outcomes(checkpoints: Path) -> dict[str, object]:
    """Return what must be equal between two sweeps that trained the same."""
    return {run: harness.outcome(checkpoints / "exp" / run) for run in RUNS}


def trainer(root: Path) -> int:
    """Return the process that trained the run last."""
    return int(harness.events(root, "open")[-1]["pid"])


def has_come_to(root: Path, step: int) -> Callable[[], bool]:
    """Return whether the run has saved a state of at least this step."""
    return lambda: bool(harness.states(root)) and harness.step(root) >= step


def has_stopped(root: Path) -> Callable[[], bool]:
    """Return whether a training of the run was stopped."""
    return lambda: bool(harness.events(root, "stop"))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
