"""Sweeps of tiny runs, as the command line starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fault_harness as harness

TINY = (
    *harness.CLASSIC, "--model", "pix2pix", "--n_epochs", "30", "--n_epochs_decay", "10",
    "--save_latest_freq", "3", "--print_freq", "3",
)  # fmt: skip
"""120 updates on three pairs: some seconds."""
GRID = ("--lambda_L1", "10", "20")
RUNS = ("lambda_L1_10", "lambda_L1_20")


def words(dataroot: Path, checkpoints: Path, *more: str) -> list[str]:
    """Return the words of a sweep called `exp`."""
    return [
        "sweep", "--dataroot", str(dataroot), "--checkpoints_dir", str(checkpoints),
        "--name", "exp", *TINY, *more,
    ]  # fmt: skip


def start(argv: list[str]) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "unretouch", *argv],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "COLUMNS": "200"},
    )  # fmt: skip


def until(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait until `condition` holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def finish(process: subprocess.Popen[str], seconds: float = 240.0) -> tuple[int, str]:
    """Wait for its end; return its exit code and what it printed."""
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, _ = process.communicate()
        raise AssertionError(f"does not end; printed:\n{printed}") from None
    return process.returncode, printed


def outcomes(checkpoints: Path) -> dict[str, object]:
    """Return what must be equal between two sweeps that trained the same."""
    return {run: harness.outcome(checkpoints / "exp" / run) for run in RUNS}


def trainer(root: Path) -> int:
    """Return the process that trained the run last."""
    return int(harness.events(root, "open")[-1]["pid"])


def has_come_to(root: Path, step: int) -> Callable[[], bool]:
    """Return whether the run has saved a state of at least this step."""
    return lambda: bool(harness.states(root)) and harness.step(root) >= step


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
