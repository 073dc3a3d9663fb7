"""Exact resume: a run that was stopped, in any way, and goes on is equal to one that never was.

Rows R1 to R5 of docs/reliability.md. Equal means the canonical digest of every tensor and value of
the state, and every record of metrics.jsonl but its seconds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

import fault_harness as harness
import pytest
from fault_harness import CLASSIC, FAST, Place, Warm
from serving import until

from unretouch.runs import history

STEPS = 15

EVERYTHING = (
    *CLASSIC, "--batch_size", "2", "--d_every", "2", "--lr_policy", "plateau", "--pool_size", "3",
    "--netD", "n_layers", "--n_layers_D", "2", "--gan_mode", "lsgan", "--lr", "0.01",
    "--n_epochs", "8", "--n_epochs_decay", "4", "--print_freq", "4",
)  # fmt: skip
"""Dropout, flips, random windows, a batch that does not divide the pairs, a rate that follows the
losses, a discriminator that is updated at every second step only, log lines over two steps."""

FLAT = (
    *CLASSIC, "--lr", "1e-7", "--lr_policy", "plateau", "--n_epochs", "10", "--n_epochs_decay", "0",
)  # fmt: skip
"""Nothing is learnt, so that the rate falls after the sixth bad epoch: that count must survive."""

FITS = {
    "classic": Place(Path(), Path()).flags,
    "everything": EVERYTHING,
    "plateau": FLAT,
    "norm instance": (*CLASSIC, "--norm", "instance", "--n_epochs", "5", "--n_epochs_decay", "0"),
    "fast": (*FAST, "--n_epochs", "3", "--n_epochs_decay", "2"),
    "fast, chosen by what was left out": (
        *FAST,
        "--aim",
        "texture",
        "--n_epochs",
        "3",
        "--n_epochs_decay",
        "2",
    ),
    "detail in the classic loop": (
        *CLASSIC,
        "--netG",
        "detail",
        "--size",
        "s",
        "--n_epochs",
        "3",
        "--n_epochs_decay",
        "2",
    ),
}


@pytest.fixture(scope="module")
def uninterrupted(
    forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Run folders of every fit, trained in one go."""
    found = {}
    for name, flags in FITS.items():
        whole = Place(dataroot, tmp_path_factory.mktemp("whole"), flags)
        done = forker.run(whole.words(), tiny_detail=True)
        assert done.code == 0, done.out
        found[name] = whole.root
    return found


def stopped_and_resumed(
    forker: Warm, place: Place, step: int, number: int, *more: str
) -> tuple[int, str]:
    """Train, get a signal in the update after `step`, resume. Returns the code of the first part
    and what the second printed."""
    first = forker.run(place.words(*more), tiny_detail=True, signal_in_step=[step, number, 1])
    second = forker.run(place.words(*more, "--continue_train"), tiny_detail=True)
    assert second.code == 0, second.out
    return first.code, second.out


@pytest.mark.parametrize("step", [0, 4, 5, STEPS - 1])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_R1_stopped_by_a_signal(
    forker: Warm, place: Place, uninterrupted: dict[str, Path], step: int, number: int, code: int
) -> None:
    ended, said = stopped_and_resumed(forker, place, step, number)
    assert ended == code
    # The step under way was finished and saved.
    assert f"step {step + 2} from" in said or step == STEPS - 1
    assert harness.outcome(place.root) == harness.outcome(uninterrupted["classic"])
    assert harness.latest_matches_state(place.root)


@pytest.mark.parametrize("step", [0, 7])
def test_R1_killed(forker: Warm, place: Place, uninterrupted: dict[str, Path], step: int) -> None:
    freq = ("--save_latest_freq", "1")
    ended, said = stopped_and_resumed(forker, place, step, signal.SIGKILL, *freq)
    assert ended == -signal.SIGKILL
    assert (f"step {step + 1} from" if step else "starting afresh") in said
    assert harness.outcome(place.root) == harness.outcome(uninterrupted["classic"])


@pytest.mark.parametrize("fit", FITS)
def test_R1_every_kind_of_fit(
    forker: Warm, place: Place, uninterrupted: dict[str, Path], fit: str
) -> None:
    place = dataclasses.replace(place, flags=FITS[fit])
    stopped_and_resumed(forker, place, 10, signal.SIGINT)
    assert harness.outcome(place.root) == harness.outcome(uninterrupted[fit])
    assert harness.latest_matches_state(place.root)


def test_R1_stopped_again_and_again(
    forker: Warm, place: Place, uninterrupted: dict[str, Path]
) -> None:
    place = dataclasses.replace(place, flags=EVERYTHING)
    for step in range(0, 24, 4):
        forker.run(place.words("--continue_train"), signal_in_step=[step, signal.SIGTERM, 1])
    assert forker.run(place.words("--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(uninterrupted["everything"])


def test_R1_a_copy_of_the_run_elsewhere_is_the_same_run(
    forker: Warm, place: Place, uninterrupted: dict[str, Path], tmp_path: Path
) -> None:
    forker.run(place.words(), signal_in_step=[4, signal.SIGINT, 1])
    copy = Place(tmp_path / "pairs", tmp_path / "elsewhere", name="다른_이름")
    shutil.copytree(place.dataroot, copy.dataroot)
    shutil.copytree(place.root, copy.root)
    assert forker.run(copy.words("--continue_train")).code == 0
    assert harness.outcome(copy.root) == harness.outcome(uninterrupted["classic"])


def test_R1_other_randomness_is_another_state(
    forker: Warm, place: Place, uninterrupted: dict[str, Path]
) -> None:
    """The digest is worth something: another seed, and nothing else, gives another."""
    assert forker.run(place.words("--seed", "1")).code == 0
    ours, theirs = harness.outcome(place.root), harness.outcome(uninterrupted["classic"])
    assert ours[0] != theirs[0]
    assert ours[1] != theirs[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_R2_second_signal_stops_now(
    forker: Warm, place: Place, uninterrupted: dict[str, Path], number: int, code: int
) -> None:
    freq = ("--save_latest_freq", "3")
    done = forker.run(place.words(*freq), signal_in_step=[4, number, 2])
    assert done.code == code
    assert "stopped at once" in done.out
    assert harness.step(place.root) == 3
    assert forker.run(place.words(*freq, "--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(uninterrupted["classic"])


def test_R2_signal_between_two_steps(forker: Warm, place: Place) -> None:
    """It is not lost where it comes just when the run has been found to go on."""
    done = forker.run(place.words(), signal_between_steps=[4, signal.SIGTERM])
    assert done.code == 143
    assert 4 <= harness.step(place.root) <= 5


@pytest.mark.parametrize("times", [1, 2])
def test_R2_signal_during_a_save(
    forker: Warm, place: Place, uninterrupted: dict[str, Path], times: int
) -> None:
    """Even the second signal waits until state and latest weights are written."""
    freq = ("--save_latest_freq", "3")
    done = forker.run(place.words(*freq), signal_in_save=[3, signal.SIGINT, times])
    assert done.code == 130
    assert harness.step(place.root) == 3
    assert harness.latest_matches_state(place.root)
    assert forker.run(place.words(*freq, "--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(uninterrupted["classic"])


@pytest.mark.parametrize(("times", "step"), [(1, 3), (2, 2)])
def test_R2_signal_during_a_preview(
    forker: Warm, place: Place, uninterrupted: dict[str, Path], times: int, step: int
) -> None:
    more = ("--save_latest_freq", "2", "--display_freq", "3")
    done = forker.run(place.words(*more), signal_in_preview=[3, signal.SIGTERM, times])
    assert done.code == 143
    assert harness.step(place.root) == step
    assert forker.run(place.words(*more, "--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(uninterrupted["classic"])


@pytest.mark.parametrize("nohup", [False, True])
def test_R2_the_terminal_is_closed(place: Place, nohup: bool) -> None:
    """As when a connection breaks: the run saves and ends, unless nohup says that it goes on."""
    pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")
    words = [sys.executable, "-m", "unretouch", "train", *place.words("--save_latest_freq", "1")]
    words += ["--model", "pix2pix", "--n_epochs", "30"]
    line = shlex.join(words) + (" >/dev/null 2>&1" if nohup else "")
    child, terminal = pty.fork()
    if child == 0:
        os.execv("/bin/sh", ["sh", "-c", ("trap '' HUP; " if nohup else "") + "exec " + line])
    os.set_blocking(terminal, False)

    def has_begun() -> bool:
        with contextlib.suppress(BlockingIOError):  # a terminal that nobody reads from fills up
            os.read(terminal, 1 << 16)
        return bool(harness.states(place.root)) and harness.step(place.root) >= 3

    until(has_begun)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (0 if nohup else 143)
    stopped = harness.events(place.root, "stop")[-1]
    assert stopped["reason"] == ("finished" if nohup else "terminated")
    assert 3 <= harness.step(place.root) == stopped["step"]
    assert (stopped["step"] == 96) == nohup
    assert harness.latest_matches_state(place.root)


def test_R3_finished_run_says_so(forker: Warm, place: Place) -> None:
    assert forker.run(place.words()).code == 0
    before = {p: p.read_bytes() for p in place.root.rglob("*") if p.name != "events.jsonl"
              if p.is_file()}  # fmt: skip
    done = forker.run(place.words("--continue_train"))
    assert done.code == 0
    assert "is finished (5 epochs): raise --n_epochs to go on" in done.out
    assert "going on" not in done.out
    assert {p: p.read_bytes() for p in before} == before


def test_R3_more_epochs_go_on_with_the_schedule(forker: Warm, place: Place, tmp_path: Path) -> None:
    assert forker.run(place.words()).code == 0
    done = forker.run(place.words("--n_epochs", "4", "--continue_train"))
    assert done.code == 0
    assert "--n_epochs is 4 now (was 3): the schedule goes on from this step" in done.out
    assert harness.events(place.root, "resume")[-1]["notes"][0].startswith("--n_epochs is 4")
    records = harness.metrics(place.root)
    assert [r["step"] for r in records] == list(range(1, 19))
    # The rate is that of epoch 6 of 4 + 2, as if those had been asked for from the beginning.
    whole = Place(place.dataroot, tmp_path / "whole", (*place.flags, "--n_epochs", "4"))
    assert forker.run(whole.words()).code == 0
    assert records[-1]["lr"] == harness.metrics(whole.root)[-1]["lr"]


def test_R3_more_minutes(forker: Warm, place: Place) -> None:
    """A time budget is that of the whole run: used up is finished, raised it goes on."""
    place = dataclasses.replace(place, flags=FAST)
    assert forker.run(place.words("--minutes", "0.01"), tiny_detail=True).code == 0
    reached = harness.step(place.root)
    done = forker.run(place.words("--minutes", "0.01", "--continue_train"), tiny_detail=True)
    assert done.code == 0
    assert "is finished (0.01 minutes): raise --minutes to go on" in done.out
    assert harness.step(place.root) == reached
    done = forker.run(place.words("--minutes", "0.03", "--continue_train"), tiny_detail=True)
    assert done.code == 0
    assert "--minutes is 0.03 now (was 0.01): the schedule goes on from this step" in done.out
    assert harness.step(place.root) > reached
    records = history.read_records(place.root / "metrics.jsonl").records
    for rising in ("step", "elapsed_s"):
        assert [r[rising] for r in records] == sorted(r[rising] for r in records)
    assert len({r["step"] for r in records}) == len(records)


def test_R4_first_run_with_continue_train(
    forker: Warm, place: Place, uninterrupted: dict[str, Path]
) -> None:
    done = forker.run(place.words("--continue_train"))
    assert done.code == 0
    assert f"nothing to go on from in {place.root}: starting afresh" in done.out
    assert harness.outcome(place.root) == harness.outcome(uninterrupted["classic"])


def test_R4_weights_asked_for_that_are_not_there(forker: Warm, place: Place) -> None:
    done = forker.run(place.words("--continue_train", "--epoch", "7"))
    assert done.code == 4
    assert "7_net_G.pth: no such weights file" in done.out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"threads": 2}, "threads is 2 now, was 1"),
        ({"surroundings": {"torch": "2.10.0"}}, "torch is 2.10.0 now, was 2."),
        ({"surroundings": {"device": "cuda"}}, "device is cuda now, was cpu"),
    ],
)
def test_R5_other_surroundings_are_told(
    forker: Warm, place: Place, fault: dict[str, object], said: str
) -> None:
    forker.run(place.words(), signal_in_step=[4, signal.SIGINT, 1])
    done = forker.run(place.words("--continue_train"), **fault)
    assert done.code == 0, done.out
    assert said in done.out
    notes = harness.events(place.root, "resume")[-1]["notes"]
    assert any(said in note and "not bit for bit" in note for note in notes)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--lr", "0.001"), "--lr is 0.001 from here on (was 0.0002)"),
        (("--beta1", "0.7"), "--beta1 is 0.7 from here on (was 0.5)"),
        (("--batch_size", "3"), "--batch_size is 3 from here on (was 1)"),
        (("--batch_size", "3"), "an epoch has 1 step from here on"),
        (("--lambda_L1", "50"), "--lambda_L1 is 50.0 from here on (was 100.0)"),
    ],
)
def test_R5_settings_that_may_change_are_told(
    forker: Warm, place: Place, flags: tuple[str, str], said: str
) -> None:
    forker.run(place.words(), signal_in_step=[4, signal.SIGINT, 1])
    done = forker.run(place.words(*flags, "--continue_train"))
    assert done.code == 0, done.out
    assert said in done.out
    assert any(said in n for n in harness.events(place.root, "resume")[-1]["notes"])


def test_R5_changed_momentum_is_used(forker: Warm, place: Place, tmp_path: Path) -> None:
    forker.run(place.words(), signal_in_step=[4, signal.SIGINT, 1])
    other = Place(place.dataroot, tmp_path / "other")
    shutil.copytree(place.root, other.root)
    forker.run(place.words("--continue_train"))
    forker.run(other.words("--continue_train", "--beta1", "0.9"))
    assert harness.metrics(place.root)[-1] != harness.metrics(other.root)[-1]


@pytest.mark.parametrize(
    ("flag", "value", "was"),
    [("netG", "resnet_9blocks", "resnet_6blocks"), ("ngf", "4", "2"), ("norm", "instance", "batch"),
     ("ndf", "4", "2"), ("lambda_GAN", "0", "1.0")],
)  # fmt: skip
def test_R5_other_networks_are_refused(
    forker: Warm, place: Place, flag: str, value: str, was: str
) -> None:
    forker.run(place.words(), signal_in_step=[4, signal.SIGINT, 1])
    before = harness.digest(place.root)
    done = forker.run(place.words(f"--{flag}", value, "--continue_train"))
    assert done.code == 2
    assert f"--{flag}: the run was begun with {was}" in done.out
    assert harness.digest(place.root) == before
