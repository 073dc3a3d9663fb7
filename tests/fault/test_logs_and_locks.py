"""Logs that were torn, two trainers of one run, a lock left behind, a clock that jumps.

Rows L1 to L4 of docs/reliability.md.
"""

from __future__ import annotations

import io
import json
import multiprocessing
from pathlib import Path
from typing import Any

import fault_harness as harness
import pytest
from fault_harness import Place, Warm

from unretouch.runs import history
from unretouch.runs.folder import RunDir

EVERY_STEP = ("--save_latest_freq", "1")


@pytest.fixture(scope="module")
def whole(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    done = Place(dataroot, tmp_path_factory.mktemp("whole"))
    assert forker.run(done.words()).code == 0
    return done


def test_L1_torn_last_line_of_the_records(forker: Warm, place: Place, whole: Place) -> None:
    assert forker.run(place.words(), steps=6).code == 0
    path = place.root / "metrics.jsonl"
    with path.open("a") as file:
        file.write('{"step": 7, "epo')
    done = forker.run(place.words("--continue_train"))
    assert done.code == 0
    assert "a line of metrics.jsonl was cut short: left out" in done.out
    assert harness.outcome(place.root) == harness.outcome(whole.root)


def test_L1_torn_in_the_middle_of_a_letter(forker: Warm, place: Place, whole: Place) -> None:
    assert forker.run(place.words(), steps=6).code == 0
    with (place.root / "metrics.jsonl").open("ab") as file:
        file.write('{"step": 7, "pair": "한'.encode()[:-1])
    assert forker.run(place.words("--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)


def test_L1_records_of_lost_steps_are_moved_aside(forker: Warm, place: Place, whole: Place) -> None:
    """Killed 5 steps after its save, a run logs those steps again: each step is there once."""
    freq = ("--save_latest_freq", "4")
    forker.run(place.words(*freq), signal_in_step=[9, 9, 1])
    assert [r["step"] for r in harness.metrics(place.root)] == list(range(1, 10))
    done = forker.run(place.words(*freq, "--continue_train"))
    assert "1 log records past that step: kept in" in done.out
    assert harness.outcome(place.root) == harness.outcome(whole.root)
    aside = (place.root / "metrics.aside.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in aside] == [9]


def test_L1_fresh_start_after_a_kill_before_the_first_save(
    forker: Warm, place: Place, whole: Place
) -> None:
    forker.run(place.words(), signal_in_step=[5, 9, 1])
    assert not harness.states(place.root)
    assert forker.run(place.words()).code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)


@pytest.mark.parametrize("name", ["loss_log.txt", "events.jsonl"])
def test_L1_nothing_is_glued_to_a_torn_line(forker: Warm, place: Place, name: str) -> None:
    assert forker.run(place.words(), steps=6).code == 0
    path = place.root / name
    path.write_bytes(path.read_bytes()[:-20])
    torn = path.read_text("utf-8").splitlines()[-1]
    assert forker.run(place.words("--continue_train")).code == 0
    lines = path.read_text("utf-8").splitlines()
    assert torn in lines
    if name == "loss_log.txt":
        headers = [line for line in lines if "Training Loss" in line]
        assert len(headers) == 2
        assert all(line.startswith("=") for line in headers)
    else:
        found = history.read_records(path)
        assert found.torn
        assert [r["event"] for r in found.records[-4:]] == ["open", "resume", "save", "stop"]


def test_L1_line_ends_inside_a_record(tmp_path: Path) -> None:
    """Only a newline ends a line: names may hold what Python takes for one."""
    for text in ("a\u2028b", "a\x85b", "a\x0cb", "\udc80"):
        history.append_record(tmp_path / "log.jsonl", {"text": text})
    found = history.read_records(tmp_path / "log.jsonl")
    assert not found.torn
    assert [r["text"] for r in found.records] == ["a\u2028b", "a\x85b", "a\x0cb", "\udc80"]


def test_L1_what_is_no_record_is_left_out(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "run")
    run.root.mkdir()
    lines = ['{"step": 1}', "3", "null", '{"step": "x"}', "{}", '{"step": 2}', '{"step": 3}']
    run.metrics.write_text("\n".join(lines) + "\n")
    found = history.set_aside_after(run, 2)
    assert (found.kept, found.moved, found.torn) == ([{"step": 1}, {"step": 2}], 1, True)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_L1_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the next test needs, which two writers that take turns by chance would not show."""
    writes: list[bytes] = []

    class Watched(io.FileIO):
        def write(self, data: Any) -> int:
            writes.append(bytes(data))
            return super().write(data)

    monkeypatch.setattr(Path, "open", lambda path, mode, **_: Watched(path, mode))
    for number in (1, 2):
        history.append_record(tmp_path / "log.jsonl", {"step": number})
    assert writes == [b'{"step": 1}\n', b'{"step": 2}\n']


def test_L1_lines_of_two_writers_stay_whole(tmp_path: Path) -> None:
    """One write call a line: also where processes append at once, as `open` events may."""
    log = tmp_path / "log.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(log, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = history.read_records(log)
    assert not found.torn
    assert len(found.records) == 400


def _write_many(log: Path, name: str) -> None:
    for number in range(200):
        history.append_record(log, {"name": name, "number": number})


@pytest.mark.parametrize("more", [(), ("--continue_train",)])
def test_L2_two_trainers(forker: Warm, place: Place, whole: Place, more: tuple[str, ...]) -> None:
    first = forker.start(place.words(*EVERY_STEP), slow_steps=0.3)
    first.wait_until(lambda: bool(harness.states(place.root)))
    second = forker.run(place.words(*more))
    assert second.code == 3, second.out
    assert f"another process is training this run (process {first.pid}, since 20" in second.out
    assert "Wait for it, stop it, or give this run another --name" in second.out
    assert first.wait().code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)
    assert [p.name for p in place.checkpoints.iterdir()] == ["run"]


def test_L3_lock_left_by_a_killed_process(forker: Warm, place: Place, whole: Place) -> None:
    forker.run(place.words(*EVERY_STEP), signal_in_step=[5, 9, 1])
    assert (place.root / "run.lock").exists()
    assert forker.run(place.words("--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)


@pytest.mark.parametrize("jump", [-86400.0, 1e6])
def test_L4_clock_jumps(forker: Warm, place: Place, whole: Place, jump: float) -> None:
    done = forker.run(place.words(*EVERY_STEP), steps=8, clock=jump)
    assert done.code == 0, done.out
    done = forker.run(place.words(*EVERY_STEP, "--continue_train"), clock=jump)
    assert done.code == 0, done.out
    assert harness.outcome(place.root) == harness.outcome(whole.root)
    records = history.read_records(place.root / "metrics.jsonl").records
    seconds = [r["elapsed_s"] for r in records]
    assert seconds == sorted(seconds)
    assert 0 < seconds[0] < seconds[-1] < 60
    events = history.read_records(place.root / "events.jsonl")
    assert not events.torn
    assert len(events.records) > 15
    assert "going on at epoch 3, step 9" in done.out
