"""The engine of this computer, what it asks of a worker, and an engine that is not installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from unretouch import jobs as engines
from unretouch.base.errors import UsageError
from unretouch.cli import dispatch, run
from unretouch.jobs import ENGINES, WorkerLostError, calls, trainings


def doubler(threads: int) -> Callable[[int], int]:
    assert threads >= 1
    return lambda number: 2 * number


def dying(threads: int) -> Callable[[int], int]:
    return lambda number: os.kill(os.getpid(), signal.SIGKILL) or number  # type: ignore[func-returns-value]


@pytest.mark.parametrize("at_once", [None, 2])
def test_every_job_comes_back_with_its_result(at_once: int | None) -> None:
    engine = calls("local", doubler, at_once)
    try:
        for number in range(20):
            engine.submit(number)
        assert sorted(engine.wait()) == [(number, 2 * number) for number in range(20)]
    finally:
        engine.cancel()
        engine.cancel()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_workers_end_when_their_parent_is_killed() -> None:
    """They hold its stdout: that has an end only when all of them are gone."""
    code = (
        "import functools, time; from unretouch.jobs import calls\n"
        "engine = calls('local', functools.partial(functools.partial, pow), 2)\n"
        "engine.submit(2); next(engine.wait()); print('works', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "works\n"
    parent.kill()
    assert parent.communicate(timeout=30)[0] == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_killed_worker_is_told_with_its_job() -> None:
    engine = calls("local", dying, 1)
    engine.submit(7)
    with pytest.raises(WorkerLostError) as caught:
        list(engine.wait())
    assert caught.value.job == 7
    engine.cancel()


@pytest.mark.parametrize(
    "open_", [lambda: calls("ray", doubler, 1), lambda: trainings("ray", 1, True)]
)
def test_ray_that_is_not_installed_is_one_line(
    open_: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as caught:
        open_()
    assert str(caught.value) == (
        "--engine ray: ray is not installed. In the folder of unretouch, run: pip install '.[ray]'"
    )


def test_ray_is_not_imported_unasked() -> None:
    assert set(ENGINES) == {"local", "ray"}
    for module in ("__init__", "local", "training", "course", "kept"):
        text = (Path(engines.__file__).parent / f"{module}.py").read_text("utf-8")
        assert "import ray" not in text


def test_a_sweep_without_ray_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import fault_harness as harness

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    harness.make_pairs(tmp_path / "pairs", count=1)
    words = ["sweep", "--dataroot", "pairs", "--lr", "1e-3", "2e-3", "--engine", "ray"]
    assert run(dispatch, words) == 2
    assert "pip install '.[ray]'" in capsys.readouterr().err
    assert not list(tmp_path.glob("checkpoints/*/*/config.json"))
