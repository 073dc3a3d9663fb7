"""A time budget that previews, saves, slow steps and pauses do not break; Ctrl+C that is heeded.

Rows T1 to T4 of docs/reliability.md; tests/unit/test_pace.py has the first two on a clock that the
test moves.
"""

from __future__ import annotations

import dataclasses
import signal
import time
from pathlib import Path

import fault_harness as harness
import pytest
from fault_harness import CLASSIC, FAST, Place, Warm

from unretouch.runs import history
from unretouch.runs.folder import RunDir

TIMED = (
    *CLASSIC, "--netG", "detail", "--size", "s", "--lambda_GAN", "0", "--lr", "1e-6",
    "--n_epochs", "1", "--n_epochs_decay", "999", "--print_freq", "1",
)  # fmt: skip
"""Quick steps; the rate falls evenly from the first one on, so it tells the progress."""


@dataclasses.dataclass(frozen=True)
class Course:
    """When the updates of a run were made, in seconds of its budget, and by which progress."""

    elapsed: list[float]
    progress: list[float]

    def require_even(self, begin: float, end: float) -> None:
        """The rate fell to zero between the times `begin` and `end`, evenly, and not before."""
        assert self.progress == sorted(self.progress)
        assert self.progress[-1] > 0.9
        assert self.elapsed[-1] == pytest.approx(end, abs=0.3)
        inside = [(s, p) for s, p in zip(self.elapsed, self.progress, strict=True) if s >= begin]
        first = inside[0][1]
        for seconds, progress in inside:
            even = first + (1 - first) * (seconds - begin) / (end - begin)
            assert progress == pytest.approx(even, abs=0.2)


def course(root: Path) -> Course:
    records = history.read_records(root / "metrics.jsonl").records
    return Course([r["elapsed_s"] for r in records], [1 - r["lr"] / 1e-6 for r in records])


@pytest.fixture
def timed(place: Place) -> Place:
    """A run of 3 seconds."""
    return dataclasses.replace(place, flags=(*TIMED, "--minutes", "0.05"))


def test_T1_previews_that_take_half_of_the_time(forker: Warm, timed: Place) -> None:
    done = forker.run(timed.words(), tiny_detail=True, slow_preview=1.5)
    assert done.code == 0, done.out
    went = course(timed.root)
    assert went.elapsed[0] > 1.5
    went.require_even(begin=1.5, end=3.0)
    assert "no last preview: it would take about 2 s, more than is left of the time" in done.out


def test_T1_a_save_that_takes_half_of_the_time(forker: Warm, timed: Place) -> None:
    """It is asked for every 8 pictures: before the end there is no room for another one."""
    done = forker.run(timed.words("--save_latest_freq", "8"), tiny_detail=True, slow_save=1.5)
    assert done.code == 0, done.out
    went = course(timed.root)
    went.require_even(begin=went.elapsed[8], end=3.0)
    assert went.elapsed[8] - went.elapsed[7] > 1.5
    assert went.progress[8] < 0.5
    assert len(went.elapsed) > 16
    assert [e["step"] for e in harness.events(timed.root, "save")] == [8, len(went.elapsed)]


def test_T2_steps_that_become_slow_and_fast_again(forker: Warm, timed: Place) -> None:
    done = forker.run(
        timed.words(), tiny_detail=True, slow_steps=0.005, slower_steps=[15, 25, 0.12]
    )
    assert done.code == 0, done.out
    went = course(timed.root)
    went.require_even(begin=0.0, end=3.0)
    assert len(went.elapsed) > 30


def test_T3_a_pause_longer_than_the_budget(forker: Warm, timed: Place) -> None:
    run = forker.start(timed.words(), tiny_detail=True)
    records = timed.root / "metrics.jsonl"
    run.wait_until(lambda: records.exists() and len(records.read_bytes().splitlines()) > 20)
    run.kill(signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(4.0)
    run.kill(signal.SIGCONT)
    paused = time.monotonic() - began
    done = run.wait()
    assert done.code == 0, done.out
    course(timed.root).require_even(begin=0.0, end=3.0)
    assert "paused for 4 s: not counted as training time" in done.out
    (pause,) = harness.events(timed.root, "pause")
    assert pause["seconds"] == pytest.approx(paused, abs=0.6)
    assert harness.step(timed.root) > pause["step"] + 20


@pytest.mark.parametrize(("picture", "step"), [(2, 0), (14, 3)])
def test_T4_ctrl_c_in_a_preview(forker: Warm, place: Place, picture: int, step: int) -> None:
    shown = [flag for flag in place.flags if flag != "--no_html"]
    place = dataclasses.replace(place, flags=(*shown, "--display_freq", "3"))
    run = forker.start(place.words(), stuck_in_picture=picture)
    run.wait_until(lambda: run.said(harness.STUCK))
    began = time.monotonic()
    run.kill(signal.SIGINT)
    done = run.wait()
    assert time.monotonic() - began < 2.0
    assert done.code == 130, done.out
    assert f"stopped at step {step}," in done.out
    assert harness.step(place.root) == step
    assert harness.latest_matches_state(place.root)
    # Of the preview that was interrupted nothing is there, of the ones before everything.
    records = history.read_records(RunDir(place.checkpoints, "run").previews).records
    assert [record["step"] for record in records] == [0] * (step > 0)
    names = {v for r in records for p in r["pairs"] for v in p.values() if str(v).endswith(".png")}
    there = {f"images/{path.name}" for path in (place.root / "web" / "images").iterdir()}
    assert there == names
    # And the run goes on as if it had not been stopped.
    assert forker.run(place.words("--continue_train")).code == 0
    whole = dataclasses.replace(place, checkpoints=place.checkpoints.with_name("whole"))
    assert forker.run(whole.words()).code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)


def test_T4_a_stop_shows_what_the_run_has_come_to(forker: Warm, place: Place) -> None:
    """Not the pictures of step 0: one more preview is taken, of the step that was saved."""
    shown = [flag for flag in place.flags if flag != "--no_html"]
    place = dataclasses.replace(place, flags=(*shown, "--display_freq", "1000"))
    run = forker.start(place.words())
    records = place.root / "metrics.jsonl"
    run.wait_until(lambda: records.exists() and len(records.read_bytes().splitlines()) > 2)
    run.kill(signal.SIGINT)
    assert run.wait().code == 130
    taken = history.read_records(RunDir(place.checkpoints, "run").previews).records
    assert [record["step"] for record in taken] == [0, harness.step(place.root)]


@pytest.mark.parametrize(
    "where",
    [
        ("unretouch.pixels.pair_check", "warnings_for"),
        ("unretouch.training.crops", "crop_table"),
        ("unretouch.training.fast_fit", "capacity"),
    ],
)
def test_T4_ctrl_c_in_the_checks_at_the_start(
    forker: Warm, place: Place, where: tuple[str, str]
) -> None:
    place = dataclasses.replace(place, flags=(*FAST, "--n_epochs", "1", "--n_epochs_decay", "0"))
    run = forker.start(place.words(), tiny_detail=True, stuck_before_training=list(where))
    run.wait_until(lambda: run.said(harness.STUCK))
    began = time.monotonic()
    run.kill(signal.SIGINT)
    done = run.wait()
    assert time.monotonic() - began < 2.0
    assert done.code == 130, done.out
    assert done.out.splitlines()[-1] == "unretouch: stopped by Ctrl+C"
    assert "Traceback" not in done.out
    written = [path.name for path in place.checkpoints.rglob("*") if path.is_file()]
    assert set(written) <= {"run.lock", "events.jsonl"}
    assert forker.run(place.words(), tiny_detail=True).code == 0
