"""Sweeps whose processes are killed, stopped, or started twice. Rows E1 and E2."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import fault_harness as harness
import pytest
import sweeping
from fault_harness import Finished, Place, Warm

from unretouch.jobs import training

WAIT_S = 90.0


@pytest.fixture(scope="module")
def calm(
    forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    """What the runs of a sweep come to that nobody disturbs."""
    return sweeping.undisturbed(forker, dataroot, tmp_path_factory.mktemp("calm"))


@dataclass(frozen=True)
class Disturbed:
    """A sweep that others got in the way of, and whose trainings were killed once each."""

    checkpoints: Path
    pid: int
    trainer: int
    """of its first run, when it was asked for once more"""
    same_run: Finished
    same_sweep: Finished
    killed: list[int]
    """the processes of the trainings that were killed"""
    ended: Finished


@pytest.fixture(scope="module")
def disturbed(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    checkpoints = tmp_path_factory.mktemp("disturbed")
    argv = sweeping.words(dataroot, checkpoints, *sweeping.GRID)
    sweep = sweeping.start(forker, argv)
    first, second = (checkpoints / "exp" / name for name in sweeping.RUNS)
    sweep.wait_until(sweeping.has_come_to(first, 3), WAIT_S)
    trainer = sweeping.trainer(first)
    flags = (*sweeping.TINY, "--lambda_L1", "10", "--continue_train")
    same_run = forker.run(Place(dataroot, checkpoints, flags, f"exp/{first.name}").words())
    same_sweep = forker.run(argv, "unretouch")
    if "another process sweeps here" not in same_sweep.out:  # the test that says so fails
        sweep.kill()
        return Disturbed(checkpoints, sweep.pid, trainer, same_run, same_sweep, [], sweep.wait())
    sweep.wait_until(sweeping.has_come_to(first, 9), WAIT_S)
    sweeping.kill(trainer)
    sweep.wait_until(sweeping.has_come_to(second, 24), WAIT_S)
    killed = [trainer, sweeping.trainer(second)]
    sweeping.kill(killed[-1])
    return Disturbed(checkpoints, sweep.pid, trainer, same_run, same_sweep, killed, sweep.wait())


def test_E1_killed_worker_of_a_sweep(calm: dict[str, object], disturbed: Disturbed) -> None:
    """Each run is killed once in its middle; the engine restarts it, and nobody notices."""
    assert disturbed.ended.code == 0, disturbed.ended.out
    page = disturbed.checkpoints / "exp" / "comparison" / "index.html"
    assert page.is_file()
    assert f"page: {page}" in disturbed.ended.out
    for name, pid in zip(sweeping.RUNS, disturbed.killed, strict=True):
        root = disturbed.checkpoints / "exp" / name
        openers = [event["pid"] for event in harness.events(root, "open")]
        assert len(openers) == 2
        assert openers[0] == pid != openers[1]
        assert harness.events(root, "resume")
    assert sweeping.outcomes(disturbed.checkpoints) == calm


def test_E2_the_same_sweep_or_one_of_its_runs_twice(
    calm: dict[str, object], disturbed: Disturbed
) -> None:
    assert disturbed.same_run.code == 3, disturbed.same_run.out
    by = f"another process is training this run (process {disturbed.trainer}"
    assert by in disturbed.same_run.out
    assert disturbed.same_sweep.code == 3, disturbed.same_sweep.out
    said = disturbed.same_sweep.out
    assert f"another process sweeps here (process {disturbed.pid})" in said
    assert "Wait for it, stop it, or give this sweep another --name" in said
    assert disturbed.ended.code == 0, disturbed.ended.out
    assert sweeping.outcomes(disturbed.checkpoints) == calm


def test_E1_killed_and_stopped_sweep(
    calm: dict[str, object], forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    """The sweep itself is killed: its run saves and ends, and the same command goes on. Ctrl+C: the
    run under way saves, nothing else begins, and the same command goes on; so does it after
    SIGTERM."""
    argv = sweeping.words(dataroot, tmp_path, *sweeping.GRID)
    root = tmp_path / "exp" / sweeping.RUNS[0]
    sweep = sweeping.start(forker, argv)
    sweep.wait_until(sweeping.has_come_to(root, 6), WAIT_S)
    sweep.kill()
    assert sweep.wait().code == -signal.SIGKILL
    sweep.wait_until(sweeping.has_stopped(root), 30)
    for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        stopped = harness.events(root, "stop")[-1]
        assert stopped["reason"] == "terminated"
        assert harness.step(root) == stopped["step"] < sweeping.STEPS
        come_to = stopped["step"] + 4
        sweep = sweeping.start(forker, [*argv, "--jobs", "1"])
        sweep.wait_until(sweeping.has_come_to(root, come_to), WAIT_S)
        sweep.kill(number)
        ended = sweep.wait()
        assert ended.code == expected, ended.out
        assert "what was trained is saved, and the same command goes on" in ended.out
        assert harness.events(root, "stop")[-1]["reason"] == "terminated"
        assert come_to <= harness.step(root) == harness.events(root, "stop")[-1]["step"]
        assert harness.step(root) < sweeping.STEPS
        assert not (tmp_path / "exp" / sweeping.RUNS[1]).exists()
    code, printed = sweeping.finish(forker, argv)
    assert code == 0, printed
    assert sweeping.outcomes(tmp_path) == calm


@dataclass(frozen=True)
class Met:
    """A sweep of three runs: one that somebody trains, one that is always killed, one more."""

    ended: Finished
    trainer: int


@pytest.fixture(scope="module")
def met(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Met:
    checkpoints = tmp_path_factory.mktemp("met")
    flags = (*sweeping.TINY, "--lambda_L1", "10")
    place = Place(dataroot, checkpoints, flags, f"exp/{sweeping.RUNS[0]}")
    somebody = forker.start(place.words(), slow_steps=0.5)
    somebody.wait_until(lambda: bool(harness.states(place.root)))
    argv = sweeping.words(dataroot, checkpoints, "--lambda_L1", "10", "15", "20")
    ended = forker.run(argv, "unretouch", killed_trainings="exp/lambda_L1_15", impatient=True)
    somebody.kill()
    somebody.wait()
    return Met(ended, somebody.pid)


def test_E2_a_sweep_meets_a_run_that_somebody_trains(met: Met) -> None:
    """That run is refused by its lock, the others are trained, and the exit code says so: it is
    that of the first that failed."""
    assert met.ended.code == 3
    assert "exp/lambda_L1_10: failed (exit 3)" in met.ended.out
    by = f"another process is training this run (process {met.trainer}"
    assert by in " ".join(met.ended.out.split())
    assert "exp/lambda_L1_20: done" in met.ended.out


def test_E1_a_worker_that_is_killed_for_ever_is_given_up(met: Met) -> None:
    """As one would be that needs more memory than there is; the others are trained all the same."""
    assert met.ended.out.splitlines().count("killed") == 1 + training.RESTARTS
    assert "exp/lambda_L1_15: failed (exit 8): killed 4 times over" in met.ended.out
    assert "exp/lambda_L1_20: done" in met.ended.out


def test_E2_waits_for_a_process_that_saves(tmp_path: Path, forker: Warm, dataroot: Path) -> None:
    place = Place(dataroot, tmp_path)
    first = forker.start(place.words("--save_latest_freq", "1"), slow_steps=0.5)
    first.wait_until(lambda: bool(harness.states(place.root)))
    run = training.Training("run", tmp_path, (), tmp_path, None, 1).run
    training.wait_until_free(run, 0.2)
    assert not harness.events(place.root, "stop")  # it trains on: the wait has an end
    first.kill(signal.SIGTERM)
    training.wait_until_free(run, 20)
    assert harness.events(place.root, "stop")
    assert first.wait().code == 143
