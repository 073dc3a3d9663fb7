"""Sweeps whose processes are killed, stopped, or started twice. Rows E1 and E2."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import fault_harness as harness
import pytest
import sweeping
from fault_harness import Place, Warm

from unretouch.cli import dispatch, run
from unretouch.jobs import local, training


@pytest.fixture(scope="module")
def calm(dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a sweep comes to that nobody disturbs."""
    checkpoints = tmp_path_factory.mktemp("calm")
    code, printed = sweeping.finish(
        sweeping.start(sweeping.words(dataroot, checkpoints, *sweeping.GRID))
    )
    assert code == 0, printed
    assert (checkpoints / "exp" / "comparison" / "index.html").is_file()
    assert f"page: {checkpoints / 'exp' / 'comparison' / 'index.html'}" in printed
    return sweeping.outcomes(checkpoints)


@pytest.fixture
def argv(dataroot: Path, tmp_path: Path) -> list[str]:
    return sweeping.words(dataroot, tmp_path, *sweeping.GRID)


def ends_like(calm: dict[str, object], checkpoints: Path) -> bool:
    return sweeping.outcomes(checkpoints) == calm


def test_E1_killed_worker_of_a_sweep(
    calm: dict[str, object], argv: list[str], tmp_path: Path
) -> None:
    """Each run is killed once in its middle; the engine begins it anew, and nobody notices."""
    process = sweeping.start(argv)
    killed = []
    for name, step in zip(sweeping.RUNS, (20, 50), strict=True):
        root = tmp_path / "exp" / name
        sweeping.until(sweeping.has_come_to(root, step))
        killed.append(sweeping.trainer(root))
        sweeping.kill(killed[-1])
    code, printed = sweeping.finish(process)
    assert code == 0, printed
    for name, pid in zip(sweeping.RUNS, killed, strict=True):
        openers = [e["pid"] for e in harness.events(tmp_path / "exp" / name, "open")]
        assert len(openers) == 2
        assert openers[0] == pid != openers[1]
        assert harness.events(tmp_path / "exp" / name, "resume")
    assert ends_like(calm, tmp_path)


def test_E1_killed_sweep(calm: dict[str, object], argv: list[str], tmp_path: Path) -> None:
    """The sweep itself is killed: its run saves and ends, and the same command goes on."""
    process = sweeping.start(argv)
    root = tmp_path / "exp" / sweeping.RUNS[0]
    sweeping.until(sweeping.has_come_to(root, 20))
    process.kill()
    process.wait()
    sweeping.until(lambda: bool(harness.events(root, "stop")), 30)
    assert harness.events(root, "stop")[-1]["reason"] == "terminated"
    assert harness.step(root) < 120
    code, printed = sweeping.finish(sweeping.start(argv))
    assert code == 0, printed
    assert ends_like(calm, tmp_path)


def test_E1_stopped_sweep(calm: dict[str, object], argv: list[str], tmp_path: Path) -> None:
    """Ctrl+C: the run under way saves, nothing else begins, and the same command goes on; so does
    it after SIGTERM."""
    root = tmp_path / "exp" / sweeping.RUNS[0]
    come_to = 20
    for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = sweeping.start([*argv, "--jobs", "1"])
        sweeping.until(sweeping.has_come_to(root, come_to))
        process.send_signal(number)
        code, printed = sweeping.finish(process)
        assert code == expected, printed
        assert "what was trained is saved, and the same command goes on" in printed
        stopped = harness.events(root, "stop")[-1]
        assert stopped["reason"] == "terminated"
        assert come_to <= harness.step(root) == stopped["step"] < 120
        assert not (tmp_path / "exp" / sweeping.RUNS[1]).exists()
        come_to = stopped["step"] + 10
    assert sweeping.finish(sweeping.start(argv))[0] == 0
    assert ends_like(calm, tmp_path)


def test_E1_a_worker_that_is_killed_for_ever_is_given_up(
    argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """As one would be that needs more memory than there is; the others are trained all the same."""
    begun = []
    begin = training.TrainingProcess._open

    def dying(self: training.TrainingProcess, console: object) -> subprocess.Popen[bytes]:
        if self._training.name.endswith(sweeping.RUNS[1]):
            return begin(self, console)
        begun.append(self._training.name)
        return subprocess.Popen(["sh", "-c", "kill -9 $$"], stdin=subprocess.PIPE)

    monkeypatch.setattr(training.TrainingProcess, "_open", dying)
    assert run(dispatch, argv) == 8
    assert len(begun) == 1 + training.RESTARTS
    printed = capsys.readouterr().out
    assert "exp/lambda_L1_10: failed (exit 8): killed 4 times over" in printed
    assert "exp/lambda_L1_20: done" in printed


def test_E2_the_same_sweep_or_one_of_its_runs_twice(
    calm: dict[str, object], argv: list[str], dataroot: Path, tmp_path: Path, forker: Warm
) -> None:
    first = sweeping.start(argv)
    root = tmp_path / "exp" / sweeping.RUNS[0]
    sweeping.until(sweeping.has_come_to(root, 3))
    flags = (*sweeping.TINY, "--lambda_L1", "10", "--continue_train")
    training_of_it = forker.run(Place(dataroot, tmp_path, flags, f"exp/{sweeping.RUNS[0]}").words())
    assert training_of_it.code == 3, training_of_it.out
    by = f"another process is training this run (process {sweeping.trainer(root)}"
    assert by in training_of_it.out
    code, printed = sweeping.finish(sweeping.start(argv))
    assert code == 3, printed
    assert f"another process sweeps here (process {first.pid})" in printed
    assert "Wait for it, stop it, or give this sweep another --name" in printed
    code, printed = sweeping.finish(first)
    assert code == 0, printed
    assert ends_like(calm, tmp_path)


def test_E2_a_sweep_meets_a_run_that_somebody_trains(
    argv: list[str],
    dataroot: Path,
    tmp_path: Path,
    forker: Warm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """That run is refused by its lock, the others are trained, and the exit code says so."""
    monkeypatch.setattr(training, "wait_until_free", lambda run: None)
    flags = (*sweeping.TINY, "--lambda_L1", "10")
    place = Place(dataroot, tmp_path, flags, f"exp/{sweeping.RUNS[0]}")
    first = forker.start(place.words(), slow_steps=0.5)
    first.wait_until(lambda: bool(harness.states(place.root)))
    assert run(dispatch, argv) == 3
    printed = capsys.readouterr().out
    assert "exp/lambda_L1_10: failed (exit 3)" in printed
    assert f"another process is training this run (process {first.pid}" in printed
    assert "exp/lambda_L1_20: done" in printed
    first.kill()
    first.wait()


def test_E2_waits_for_a_process_that_saves(tmp_path: Path, forker: Warm, dataroot: Path) -> None:
    place = Place(dataroot, tmp_path)
    first = forker.start(place.words("--save_latest_freq", "1"), slow_steps=0.5)
    first.wait_until(lambda: bool(harness.states(place.root)))
    run_dir = local.Training("run", tmp_path, (), tmp_path, None, 1).run
    training.wait_until_free(run_dir, 0.2)
    assert not harness.events(place.root, "stop")  # it trains on: the wait has an end
    first.kill(signal.SIGTERM)
    training.wait_until_free(run_dir, 20)
    assert harness.events(place.root, "stop")
    assert first.wait().code == 143
