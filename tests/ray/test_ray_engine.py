"""Sweeps and bulk work through Ray: the same ends, early stopping, crashes of worker and driver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import fault_harness as harness
import pytest
import sweeping

RAY = ("--engine", "ray", "--jobs", "1")
EACH_STEP = ("--save_latest_freq", "1")
"""Slow on purpose: Ray needs seconds to end a worker, and the run must not be over by then."""
GRID = (*sweeping.GRID, *EACH_STEP)

looks_for_parents = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for parents in /proc"
)


@pytest.fixture(scope="module")
def dataroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness.make_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="module")
def calm(dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the sweep comes to without Ray, undisturbed."""
    checkpoints = tmp_path_factory.mktemp("calm")
    argv = sweeping.words(dataroot, checkpoints, *GRID)
    code, printed = sweeping.finish(sweeping.start(argv))
    assert code == 0, printed
    return sweeping.outcomes(checkpoints)


def parent_of(child: int) -> int:
    """Return the process that began a training: a worker of Ray, as long as it lives."""
    state = Path(f"/proc/{child}/stat").read_text("utf-8")
    return int(state.rpartition(")")[2].split()[1])


def kill_ray_worker_of(child: int) -> None:
    os.kill(parent_of(child), signal.SIGKILL)


def kill_driver(driver: subprocess.Popen[str], root: Path) -> None:
    """Kill the sweep, and with it at once the worker that trains `root`.

    Ray itself ends the worker some seconds later, when such a short run may be over.
    """
    worker = parent_of(sweeping.trainer(root))
    driver.kill()
    os.kill(worker, signal.SIGKILL)
    driver.wait()
    sweeping.until(lambda: bool(harness.events(root, "stop")), 60)
    assert harness.events(root, "stop")[-1]["reason"] == "terminated"


@looks_for_parents
def test_E1_killed_ray_worker_and_killed_child(
    calm: dict[str, object], dataroot: Path, tmp_path: Path
) -> None:
    """The worker of the first run and the training of the second are killed: both end equal."""
    argv = sweeping.words(dataroot, tmp_path, *GRID, *RAY, "--no_early_stop")
    process = sweeping.start(argv)
    kill: list[Callable[[int], None]] = [kill_ray_worker_of, sweeping.kill]
    for name, act in zip(sweeping.RUNS, kill, strict=True):
        root = tmp_path / "exp" / name
        sweeping.until(sweeping.has_come_to(root, 20), 150)
        act(sweeping.trainer(root))
    code, printed = sweeping.finish(process)
    assert code == 0, printed
    for name in sweeping.RUNS:
        root = tmp_path / "exp" / name
        assert len(harness.events(root, "open")) >= 2
        assert harness.events(root, "resume")
    assert sweeping.outcomes(tmp_path) == calm
    assert "page: " in printed
    assert not list(tmp_path.rglob(".ray"))


@looks_for_parents
def test_E1_killed_and_stopped_driver(
    calm: dict[str, object], dataroot: Path, tmp_path: Path
) -> None:
    """The sweep is killed, run again and stopped by Ctrl+C, and run again, by then without Ray."""
    argv = sweeping.words(dataroot, tmp_path, *GRID)
    first = sweeping.start([*argv, *RAY, "--no_early_stop"])
    root = tmp_path / "exp" / sweeping.RUNS[0]
    sweeping.until(sweeping.has_come_to(root, 10), 150)
    kill_driver(first, root)
    at = harness.step(root)
    second = sweeping.start([*argv, *RAY, "--no_early_stop"])
    sweeping.until(sweeping.has_come_to(root, at + 5), 150)
    second.send_signal(signal.SIGINT)
    code, printed = sweeping.finish(second)
    assert code == 130, printed
    assert "what was trained is saved" in printed
    assert harness.events(root, "stop")[-1]["step"] == harness.step(root)
    code, printed = sweeping.finish(sweeping.start(argv))
    assert code == 0, printed
    assert sweeping.outcomes(tmp_path) == calm


@looks_for_parents
def test_hopeless_runs_are_given_up_and_the_others_are_not(dataroot: Path, tmp_path: Path) -> None:
    """A rate that learns nothing beside one that does: after 30 % the worse one is stopped, also
    where the driver was killed before that and knows the better one from its records alone."""
    argv = sweeping.words(dataroot, tmp_path, "--lr", "2e-3", "1e-9", *EACH_STEP, *RAY)
    good, poor = (tmp_path / "exp" / name for name in ("lr_0.002", "lr_0.000000001"))
    driver = sweeping.start(argv)
    sweeping.until(sweeping.has_come_to(poor, 3), 150)
    kill_driver(driver, poor)
    assert harness.step(poor) < 36
    assert harness.step(good) == 120
    code, printed = sweeping.finish(sweeping.start(argv))
    assert code == 0, printed
    assert "exp/lr_0.002: finished before" in printed
    assert "exp/lr_0.000000001: given up as hopeless beside the others, at 3" in printed
    assert harness.events(poor, "stop")[-1]["reason"] == "terminated"
    assert 36 <= harness.step(poor) < 120
    code, printed = sweeping.finish(sweeping.start(argv))
    assert code == 0, printed
    assert "exp/lr_0.000000001: given up before, at 3" in printed
    assert "exp/lr_0.002: finished before" in printed


def test_photographs_and_verify_go_through_ray(dataroot: Path, tmp_path: Path) -> None:
    train = [
        "train", "--dataroot", str(dataroot), "--checkpoints_dir", str(tmp_path / "checkpoints"),
        "--name", "run", *harness.FAST, "--n_epochs", "1", "--n_epochs_decay", "0",
    ]  # fmt: skip
    code, printed = sweeping.finish(sweeping.start(train))
    assert code == 0, printed
    photos = dataroot / "train"
    for engine in ("local", "ray"):
        words = [
            "apply", "run", str(photos), "--out", str(tmp_path / engine), "--engine", engine,
            "--checkpoints_dir", str(tmp_path / "checkpoints"),
        ]  # fmt: skip
        code, printed = sweeping.finish(sweeping.start(words))
        assert code == 0, printed
        assert "3 restored" in printed
    for made in sorted((tmp_path / "local").glob("*.png")):
        assert made.read_bytes() == (tmp_path / "ray" / made.name).read_bytes()
    assert len(list((tmp_path / "ray").glob("*.png"))) == 3
    reports = {}
    for engine in ("local", "ray"):
        report = tmp_path / f"verify_{engine}"
        words = [
            "verify", "run", "--no_probe", "--engine", engine, "--out", str(report),
            "--checkpoints_dir", str(tmp_path / "checkpoints"),
        ]  # fmt: skip
        code, printed = sweeping.finish(sweeping.start(words))
        assert code == 0, printed
        reports[engine] = json.loads((report / "report.json").read_text("utf-8"))
    assert len(reports["local"]["training"]["pairs"]) == 3
    for part in ("training", "verdicts"):
        assert reports["ray"][part] == reports["local"][part]
