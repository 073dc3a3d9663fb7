"""Child processes, the pool of workers, the rule of early stopping, an engine not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unretouch import jobs
from unretouch.base.errors import DataError, UsageError
from unretouch.cli import dispatch, run
from unretouch.jobs import child
from unretouch.jobs.engine import calls, trainings
from unretouch.jobs.ray_engine import EarlyStop
from unretouch.jobs.training import Training, last_error, learning_curve

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")

# --- children -----------------------------------------------------------------------------------

TALKER = """
import os, signal, sys, time
def heard(number, frame):
    print("asked to stop")
    sys.exit(143)
signal.signal(signal.SIGTERM, heard)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
print(*sys.argv[1:], os.getpid())
for _ in range(300):  # one long sleep would not hear of a signal that comes just before it begins
    time.sleep(0.1)
"""
PARENT = """
import sys, time
from unretouch.jobs import child
without_parent, module = sys.argv[1:]
process = child.start(module, ["started"], without_parent, sys.stdout.buffer)
time.sleep(30)
"""


@pytest.fixture
def talker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that says its words and its pid, and waits to be asked to stop."""
    (tmp_path / "talker_module.py").write_text(TALKER)
    source = Path(jobs.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(source)]))
    return "talker_module"


@posix
@pytest.mark.parametrize(
    ("without_parent", "code", "printed"),
    [("saves", 143, ["asked to stop"]), ("ends", 8, [])],
)
def test_a_child_that_is_let_go_of(
    talker: str,
    tmp_path: Path,
    without_parent: child.WithoutParent,
    code: int,
    printed: list[str],
) -> None:
    output = tmp_path / "printed.txt"
    with output.open("wb") as file:
        process = child.start(talker, ["started"], without_parent, file)
    end = time.monotonic() + 20
    while "started" not in output.read_text("utf-8"):
        assert time.monotonic() < end
        time.sleep(0.02)
    child.let_go(process)
    child.let_go(process)
    assert process.wait(20) == code
    assert output.read_text("utf-8").splitlines()[1:] == printed


@posix
@pytest.mark.parametrize(
    ("without_parent", "printed"),
    [("saves", "asked to stop\n"), ("ends", ""), ("lives_on", "KeyboardInterrupt\n")],
)
def test_a_child_whose_parent_is_killed(talker: str, without_parent: str, printed: str) -> None:
    """Both print into one pipe: that has an end only when both are gone."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, without_parent, talker], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    started, pid = parent.stdout.readline().split()
    assert started == "started"
    parent.kill()
    if without_parent == "lives_on":
        time.sleep(0.3)
        child.interrupt(int(pid))
    rest = parent.communicate(timeout=20)[0]
    assert rest.endswith(printed)
    assert bool(rest) == bool(printed)


def test_a_child_that_ends_removes_what_only_it_and_its_parent_need(
    talker: str, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    words = child.command(talker, ["started"], "ends", remove=private)
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child.environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"started")
        assert private.is_dir()
        child.let_go(process)
        assert process.wait(20) == 8
    assert not private.exists()


def test_the_environment_of_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    before = dict(os.environ)
    assert child.threads_asked() == 4
    assert child.environment()["OMP_NUM_THREADS"] == "4"
    made = child.environment(2, LOCAL_RANK="1")
    assert (made["OMP_NUM_THREADS"], made["MKL_NUM_THREADS"]) == ("2", "2")
    assert made["LOCAL_RANK"] == "1"
    assert made["PYTHONIOENCODING"] == "utf-8"
    assert dict(os.environ) == before
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert child.threads_asked() is None


# --- workers ------------------------------------------------------------------------------------


def doubler(threads: int) -> Callable[[int], int]:
    assert threads >= 1
    return lambda number: 2 * number


def dying(threads: int) -> Callable[[int], int]:
    return lambda number: os.kill(os.getpid(), signal.SIGKILL) or number  # type: ignore[func-returns-value]


@pytest.mark.parametrize("at_once", [None, 2])
def test_every_job_comes_back_with_its_result(at_once: int | None) -> None:
    ended = calls("local", doubler, range(20), at_once, str)
    assert sorted(ended) == [(number, 2 * number) for number in range(20)]


@posix
def test_workers_end_when_their_parent_is_killed() -> None:
    """They hold its stdout: that has an end only when all of them are gone."""
    code = (
        "import functools, time; from unretouch.jobs.engine import calls\n"
        "ended = calls('local', functools.partial(functools.partial, pow), [2], 2, str)\n"
        "next(ended); print('works', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "works\n"
    parent.kill()
    assert parent.communicate(timeout=30)[0] == ""


@posix
@pytest.mark.parametrize(("goes_on", "hint"), [(True, ": it goes on from there"), (False, "")])
def test_a_killed_worker_is_one_line_with_its_job(goes_on: bool, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        list(calls("local", dying, [7], 1, lambda job: f"photo {job}", goes_on))
    assert str(caught.value) == (
        "photo 7: a worker process was killed, perhaps out of memory. "
        f"Run the same command with fewer --jobs{hint}"
    )


# --- early stopping -----------------------------------------------------------------------------


def training(folder: Path, name: str = "run", minutes: float | None = None) -> Training:
    """Return a training of 10 epochs, its folder made."""
    made = Training(name, folder, (), folder, minutes, 10)
    made.run.root.mkdir(exist_ok=True)
    return made


def log(run: Training, errors: list[float], each: int = 1) -> None:
    """Log so many lines an epoch, with these errors in grey levels."""
    lines = [
        {"step": n, "epoch": 1 + n // each, "level_error": error, "elapsed_s": n}
        for n, error in enumerate(errors)
    ]
    run.run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_the_learning_curve_is_the_mean_error_of_each_percent(tmp_path: Path) -> None:
    of_epochs = training(tmp_path)
    log(of_epochs, [float(n) for n in range(8)], each=2)
    with of_epochs.run.metrics.open("a", encoding="utf-8") as file:
        file.write('{"step": 9, "epo')
    assert list(learning_curve(of_epochs)) == [(10, 2.5), (20, 4.5), (30, 6.5)]
    assert list(learning_curve(training(tmp_path, minutes=0.2)))[-1] == (58, 7.0)
    assert list(learning_curve(training(tmp_path, "none"))) == []


def test_a_run_is_given_up_beside_those_that_came_there_before_it(tmp_path: Path) -> None:
    """At 30 and at 60 percent it goes on if its error is at most their median."""
    good, fair, poor, late = (training(tmp_path, name) for name in ("good", "fair", "poor", "late"))
    rule = EarlyStop([])
    log(fair, [9, 8, 7, 6, 5])  # it has come to 30 % and a little further
    assert rule.hopeless(fair) is None  # the first
    log(good, [9, 8, 7, 5, 4])
    assert rule.hopeless(good) is None
    log(poor, [9, 9, 9])
    assert rule.hopeless(poor) is None  # not there yet
    log(poor, [9, 9, 9, 9])
    assert rule.hopeless(poor) is None  # there, but more may come of this percent
    log(poor, [9, 9, 9, 9, 9])
    assert rule.hopeless(poor) == "30 % of the way, 9.00 grey levels"
    log(late, [9, 8, 7, 6, 5, 4.5, 4.5, 4.5])  # at the median of 5, 6 and 9
    assert rule.hopeless(late) is None
    log(good, [9, 8, 7, 5, 4, 4, 4.5, 4])
    assert rule.hopeless(good) is None
    log(fair, [9, 8, 7, 6, 5, 5, 4.75, 4])
    assert rule.hopeless(fair) == "60 % of the way, 4.75 grey levels"


def test_runs_that_are_over_count_by_their_records_alone(tmp_path: Path) -> None:
    good, poor = training(tmp_path, "good"), training(tmp_path, "poor")
    log(good, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5])
    log(poor, [9, 9, 9, 9, 9])
    assert EarlyStop([]).hopeless(poor) is None
    assert EarlyStop([good]).hopeless(poor) == "30 % of the way, 9.00 grey levels"
    assert EarlyStop([good, training(tmp_path, "never_begun")]).hopeless(poor) is not None


def test_the_last_words_of_a_training_are_its_error(tmp_path: Path) -> None:
    made = training(tmp_path)
    assert last_error(made.run) == ""
    made.run.console.write_text("note: x\nunretouch: pairs: no pairs. Look there\n", "utf-8")
    assert last_error(made.run) == "pairs: no pairs. Look there"


# --- Ray ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "open_", [lambda: next(calls("ray", doubler, [1], 1, str)), lambda: trainings("ray", [], 1)]
)
def test_ray_that_is_not_installed_is_one_line(
    open_: Callable[[], Iterator[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as caught:
        open_()
    assert str(caught.value) == (
        "--engine ray: ray is not installed. In the folder of unretouch, run: pip install '.[ray]'"
    )


def test_ray_is_not_imported_unasked() -> None:
    for path in Path(jobs.__file__).parent.glob("*.py"):
        assert ("import ray\n" in path.read_text("utf-8")) == (path.stem == "ray_engine"), path
    code = "import sys, unretouch.jobs.engine; print('unretouch.jobs.ray_engine' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


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
