"""A sweep through Ray whose worker, training and driver are killed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import fault_harness as harness
import pytest
import sweeping
from fault_harness import Warm

RAY = ("--engine", "ray", "--jobs", "1")
WAIT_S = 150.0

looks_for_parents = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for parents in /proc"
)


def worker_of(root: Path) -> int:
    """Return the worker of Ray that trains the run: the parent of the training."""
    state = Path(f"/proc/{sweeping.trainer(root)}/stat").read_text("utf-8")
    return int(state.rpartition(")")[2].split()[1])


def assert_token(worker: int) -> None:
    """Fail unless nobody can give work to Ray who does not know its token, made for this sweep."""
    lines = Path(f"/proc/{worker}/environ").read_text("utf-8").split("\0")
    environ = dict(line.split("=", 1) for line in lines if line)
    assert environ["RAY_AUTH_MODE"] == "token"
    assert len(environ["RAY_AUTH_TOKEN"]) == 64


def trained_by(root: Path, processes: int, steps: int) -> Callable[[], bool]:
    """Return whether so many processes have begun to train the run, the last of them `steps`."""
    begun_at = harness.step(root) if harness.states(root) else 0

    def there() -> bool:
        opened = (root / "events.jsonl").is_file() and len(harness.events(root, "open"))
        return opened == processes and sweeping.has_come_to(root, begun_at + steps)()

    return there


@looks_for_parents
def test_E1_killed_ray_worker_child_and_driver(
    forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    """Of the first run Ray's worker, the training and the sweep itself are killed. Run again, it is
    stopped by Ctrl+C, and run again, by then without Ray: both runs end equal."""
    argv = sweeping.words(dataroot, tmp_path, *sweeping.GRID, *sweeping.SLOW)
    root = tmp_path / "exp" / sweeping.RUNS[0]
    sweep = sweeping.start(forker, [*argv, *RAY, "--no_early_stop"])
    sweep.wait_until(trained_by(root, 1, 5), WAIT_S)
    worker = worker_of(root)
    assert_token(worker)
    sweeping.kill(worker)
    sweep.wait_until(sweeping.has_stopped(root), WAIT_S)
    sweep.wait_until(trained_by(root, 2, 5), WAIT_S)
    sweeping.kill(sweeping.trainer(root))
    sweep.wait_until(trained_by(root, 3, 5), WAIT_S)
    assert len(harness.events(root, "resume")) == 2
    # Ray itself ends the worker some seconds after its driver, when such a short run may be over.
    worker = worker_of(root)
    sweep.kill()
    sweeping.kill(worker)
    assert sweep.wait().code == -signal.SIGKILL
    sweep.wait_until(lambda: len(harness.events(root, "stop")) == 2, WAIT_S)
    assert all(event["reason"] == "terminated" for event in harness.events(root, "stop"))
    assert harness.step(root) < sweeping.SLOW_STEPS

    sweep = sweeping.start(forker, [*argv, *RAY, "--no_early_stop"])
    sweep.wait_until(trained_by(root, 4, 5), WAIT_S)
    sweep.kill(signal.SIGINT)
    stopped = sweep.wait()
    assert stopped.code == 130, stopped.out
    assert "what was trained is saved" in stopped.out
    assert harness.events(root, "stop")[-1]["step"] == harness.step(root) < sweeping.SLOW_STEPS
    assert not (tmp_path / "exp" / sweeping.RUNS[1]).exists()

    code, printed = sweeping.finish(forker, argv)
    assert code == 0, printed
    assert "page: " in printed
    calm = sweeping.undisturbed(forker, dataroot, tmp_path / "calm", *sweeping.SLOW)
    assert sweeping.outcomes(tmp_path) == calm
