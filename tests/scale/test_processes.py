"""One run over two processes, through the real command line, against the run of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fault_harness as harness
import pytest
import torch
from fault_harness import CLASSIC, FAST, Place, Warm

from unretouch.runs import checkpoint

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")

TWO = ("--devices", "2")
SPLIT = (
    *CLASSIC, "--norm", "none", "--no_dropout", "--batch_size", "2", "--print_freq", "1",
    "--n_epochs", "3", "--n_epochs_decay", "1",
)  # fmt: skip
"""Five pairs by two: the last batch of an epoch has one pair for two processes."""

FITS = {
    "classic": (*SPLIT, "--d_every", "2", "--lr_policy", "plateau"),
    "fast": (
        *FAST,
        "--batch_size",
        "2",
        "--n_epochs",
        "2",
        "--n_epochs_decay",
        "1",
        "--print_freq",
        "1",
    ),
}
LOSSES = ("G_GAN", "G_L1", "D_real", "D_fake", "level_error", "recovered_share")


def place(dataroot: Path, folder: Path, flags: tuple[str, ...] = SPLIT) -> Place:
    return Place(dataroot, folder / "checkpoints", flags)


@pytest.fixture(scope="module")
def alone(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The run of one process that nobody disturbs."""
    run = place(dataroot, tmp_path_factory.mktemp("alone"))
    assert forker.run(run.words()).code == 0
    return run


@pytest.fixture(scope="module")
def both(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The run of two processes that nobody disturbs."""
    run = place(dataroot, tmp_path_factory.mktemp("both"))
    assert forker.run(run.words(*TWO)).code == 0
    return run


def others_of(pid: int) -> list[int]:
    """Return the processes that `pid` has started."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def weights(root: Path) -> dict[str, torch.Tensor]:
    state = checkpoint.load(harness.states(root)[0]).state["fit"]["weights"]
    return {f"{net}.{key}": value for net, part in state.items() for key, value in part.items()}


def assert_the_same_run(one: Path, two: Path, weight_tolerance: float = 1e-6) -> None:
    tolerance = 1e-5
    records = harness.metrics(one)
    assert [r["step"] for r in records] == [r["step"] for r in harness.metrics(two)]
    for before, after in zip(records, harness.metrics(two), strict=True):
        for name in LOSSES:
            assert after[name] == pytest.approx(before[name], rel=tolerance, abs=tolerance), (
                f"{name} of step {before['step']}"
            )
    expected = weights(one)
    assert expected.keys() == weights(two).keys()
    for key, value in weights(two).items():
        torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=weight_tolerance, msg=key)


def in_training(child: Any, root: Path, step: int = 3) -> int:
    """Wait until `step` updates are logged; return the pid of the other process."""
    child.wait_until(
        lambda: (root / "metrics.jsonl").exists() and len(harness.metrics(root)) >= step, 60
    )
    [other] = others_of(child.pid)
    return other


@pytest.mark.parametrize("fit", FITS)
def test_two_processes_train_as_one(forker: Warm, dataroot: Path, tmp_path: Path, fit: str) -> None:
    one, two = (place(dataroot, tmp_path / name, FITS[fit]) for name in ("one", "two"))
    assert forker.run(one.words()).code == 0
    done = forker.run(two.words(*TWO))
    assert done.code == 0, done.out
    # Muon gives the weakest directions, which are rounding, the size of the strongest.
    assert_the_same_run(one.root, two.root, 1e-3 if fit == "fast" else 1e-6)
    # Only the first process writes and speaks.
    assert done.out.count("done at step") == 1
    assert done.out.count("2 processes, 1 of 2 in each step") == 1
    assert len(harness.events(two.root, "open")) == 1
    assert len(harness.events(two.root, "save")) == len(harness.events(one.root, "save"))


def test_two_processes_learn_the_retouch_as_one(
    forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    folder = harness.make_pairs(tmp_path / "untouched", count=2)
    flags = (*FITS["fast"], "--aim", "restore", "--also", str(folder))
    one, two = (place(dataroot, tmp_path / name, flags) for name in ("one", "two"))
    assert forker.run(one.words()).code == 0
    done = forker.run(two.words(*TWO))
    assert done.code == 0, done.out
    assert "with 2 made pairs" in done.out
    assert_the_same_run(one.root, two.root, 1e-3)
    assert any(key.startswith("retoucher.") for key in weights(two.root))


def test_instance_norm_is_the_same_but_for_rounding(
    forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    flags = (*SPLIT, "--norm", "instance", "--n_epochs", "1", "--n_epochs_decay", "0")
    one, two = (place(dataroot, tmp_path / name, flags) for name in ("one", "two"))
    assert forker.run(one.words()).code == 0
    assert forker.run(two.words(*TWO)).code == 0
    for before, after in zip(harness.metrics(one.root), harness.metrics(two.root), strict=True):
        for name in LOSSES:
            assert after[name] == pytest.approx(before[name], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--batch_size", "3"), "a batch of 3 does not divide by 2 processes. Set it to 4"),
        (("--norm", "batch"), "another one in every process. Take --norm instance"),
        (("--num_nodes", "2"), "MASTER_ADDR, MASTER_PORT, NODE_RANK not set"),
        (("--device", "cuda"), "cuda is not available here"),
    ],
)
def test_what_would_be_another_run_is_refused(
    forker: Warm, dataroot: Path, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    refused = place(dataroot, tmp_path)
    done = forker.run(refused.words(*TWO, *flags))
    assert done.code == 2
    assert said in done.out
    assert not refused.root.exists()


def test_dropout_is_trained_and_told(forker: Warm, dataroot: Path, tmp_path: Path) -> None:
    flags = tuple(f for f in SPLIT if f != "--no_dropout")
    done = forker.run(place(dataroot, tmp_path, flags).words(*TWO, "--n_epochs", "1"))
    assert done.code == 0
    assert "dropout is drawn anew in every process" in done.out


@pytest.mark.parametrize(
    ("number", "code", "to_first"),
    [(signal.SIGTERM, 143, True), (signal.SIGINT, 130, False)],
)
def test_a_signal_to_either_stops_both_and_the_run_goes_on_bit_for_bit(
    forker: Warm,
    dataroot: Path,
    both: Place,
    tmp_path: Path,
    number: int,
    code: int,
    to_first: bool,
) -> None:
    stopped = place(dataroot, tmp_path)
    child = forker.start(stopped.words(*TWO), slow_steps=0.6)
    other = in_training(child, stopped.root)
    os.kill(child.pid if to_first else other, number)
    done = child.wait()
    assert done.code == code, done.out
    assert not alive(other)
    assert len(harness.events(stopped.root, "save")) == 1
    assert 3 <= harness.step(stopped.root) < 12
    assert forker.run(stopped.words(*TWO, "--continue_train")).code == 0
    assert harness.outcome(stopped.root) == harness.outcome(both.root)


def test_a_process_that_dies_ends_the_run_in_one_line_and_one_process_goes_on(
    forker: Warm, dataroot: Path, alone: Place, tmp_path: Path
) -> None:
    broken = place(dataroot, tmp_path)
    child = forker.start(broken.words(*TWO), slow_steps=0.6)
    os.kill(in_training(child, broken.root), signal.SIGKILL)
    began = time.monotonic()
    done = child.wait()
    assert time.monotonic() - began < 30
    assert done.code == 8, done.out
    [line] = [line for line in done.out.splitlines() if line.startswith("unretouch: ")]
    assert "process 2 of this run was killed by signal 9" in line
    assert "Traceback" not in done.out
    # Saved at the last whole step, from which another number of processes may go on.
    assert harness.step(broken.root) >= 3
    on = forker.run(broken.words("--continue_train"))
    assert on.code == 0, on.out
    assert "processes is 1 now, was 2" in on.out
    assert_the_same_run(alone.root, broken.root)


def test_when_the_first_process_is_killed_the_others_end(
    forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    run = place(dataroot, tmp_path)
    child = forker.start(run.words(*TWO), slow_steps=0.6)
    other = in_training(child, run.root)
    child.kill()
    child.wait()
    end = time.monotonic() + 30
    while alive(other):
        assert time.monotonic() < end, "the other process lives on"
        time.sleep(0.05)


def test_a_full_disk_in_the_first_process_ends_both(
    forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    run = place(dataroot, tmp_path)
    done = forker.run(run.words(*TWO, "--save_latest_freq", "2"), disk_full_in_save=[4, "write"])
    assert done.code == 6, done.out
    assert done.out.count("unretouch: ") == 1


# --- started by others ------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    paths = filter(None, [str(harness.SOURCE), os.environ.get("PYTHONPATH")])
    ours = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return {**os.environ, **ours, **more}


TRAIN = ("-m", "unretouch", "train", "--model", "pix2pix")
LEAVING = """
import sys
from unretouch.cli import dispatch, run
code = run(dispatch, sys.argv[1:])
import torch.distributed
sys.exit("the group is open" if torch.distributed.is_initialized() else code)
"""
TRAIN_AND_LEAVE = ("-c", LEAVING, *TRAIN[2:])
"""The same command; it fails where the group of the processes is left open, with which Python may
abort at its end."""


def test_torchrun(dataroot: Path, alone: Place, tmp_path: Path) -> None:
    two = place(dataroot, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
         *TRAIN, *two.words()],
        env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done at step") == 1
    assert_the_same_run(alone.root, two.root)


def test_slurm(dataroot: Path, alone: Place, tmp_path: Path) -> None:
    """Two tasks with the variables that srun sets; there is no SLURM here."""
    two = place(dataroot, tmp_path)
    started = [
        subprocess.Popen(
            [sys.executable, *TRAIN_AND_LEAVE, *two.words()],
            env=environment(
                SLURM_NTASKS="2", SLURM_NTASKS_PER_NODE="2", SLURM_NNODES="1", SLURM_NODEID="0",
                SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_JOB_ID="70123",
                SLURM_JOB_NAME="train", SLURM_NODELIST="localhost",
                MASTER_PORT=str(20000 + os.getpid() % 10000),
            ),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert "done at step" in said[0]
    assert said[1] == ""
    assert_the_same_run(alone.root, two.root)


def test_a_loss_that_is_nan_in_the_other_process_only(
    forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    """The first process refuses the same update, and nothing is touched."""
    calm, poisoned = (place(dataroot, tmp_path / name) for name in ("calm", "poisoned"))
    assert forker.run(calm.words(*TWO), steps=4).code == 0
    (tmp_path / "sitecustomize.py").write_text(POISON)
    done = subprocess.run(
        [sys.executable, *TRAIN_AND_LEAVE, *poisoned.words(*TWO, "--save_latest_freq", "1")],
        env=environment(PYTHONPATH=os.pathsep.join([str(tmp_path), str(harness.SOURCE)])),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "step 5, pair " in done.stderr
    assert "G_L1 is nan" in done.stderr
    assert harness.digest(poisoned.root) == harness.digest(calm.root)


POISON = """
import os
if os.environ.get("LOCAL_RANK") == "1":
    from unretouch.training import step
    real, calls = step.l1, []
    def l1(*given):
        calls.append(1)
        return real(*given) * (float("nan") if len(calls) == 5 else 1)
    step.l1 = l1
"""
