"""A disk that is full, read-only or gone: said at once, with what is needed, and nothing spoilt.

Rows D1 to D4 of docs/reliability.md.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tempfile
from pathlib import Path

import fault_harness as harness
import pytest
from fault_harness import Place, Warm

from unretouch.base import durable
from unretouch.base.errors import DiskError

EVERY_STEP = ("--save_latest_freq", "1")
NEEDED_AND_FREE = re.compile(r"[\d.]+ [MG]B needed, [\d.]+ [MG]B free")


@pytest.fixture(scope="module")
def whole(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    done = Place(dataroot, tmp_path_factory.mktemp("whole"))
    assert forker.run(done.words()).code == 0
    return done


@pytest.mark.parametrize(
    "fault",
    [
        {"file_size_limit": 150_000},
        {"disk_full_in_save": [6, "write"]},
        {"disk_full_in_save": [6, "fsync"]},
    ],
)
def test_D1_full_while_saving(
    forker: Warm, place: Place, whole: Place, fault: dict[str, object]
) -> None:
    assert forker.run(place.words(*EVERY_STEP), steps=5).code == 0
    before = harness.digest(place.root)
    done = forker.run(place.words(*EVERY_STEP, "--continue_train"), **fault)
    assert done.code == 6, done.out
    assert "000000006.ckpt: cannot be written" in done.out
    assert NEEDED_AND_FREE.search(done.out)
    assert not list(place.root.rglob("*.partial"))
    assert (harness.step(place.root), harness.digest(place.root)) == (5, before)
    assert harness.latest_matches_state(place.root)
    assert "000000006.ckpt" in harness.events(place.root, "fault")[-1]["reason"]
    assert forker.run(place.words("--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)


def test_D1_the_page_says_it_in_the_readers_language(forker: Warm, place: Place) -> None:
    shown = tuple(flag for flag in place.flags if flag != "--no_html")
    place = dataclasses.replace(place, flags=(*shown, *EVERY_STEP))
    assert forker.run(place.words(), disk_full_in_save=[2, "write"]).code == 6
    status = (place.root / "web" / "status.js").read_text("utf-8")
    assert re.search(r'"stop_reason": ?"disk_full"', status)


def test_D1_checked_before_a_state_is_written(forker: Warm, place: Place) -> None:
    """While it trains: there was room enough when it began."""
    done = forker.run(place.words(*EVERY_STEP), disk_fills_in_step=[5, 20_000])
    assert done.code == 6, done.out
    assert "state: not enough space: " in done.out
    assert NEEDED_AND_FREE.search(done.out)
    assert harness.step(place.root) == 5
    assert harness.latest_matches_state(place.root)
    assert not list(place.root.rglob("*.partial"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("log", ["loss_log.txt", "metrics.jsonl", "events.jsonl"])
def test_D1_full_while_logging(forker: Warm, place: Place, log: str) -> None:
    done = forker.run(place.words(*EVERY_STEP), log_to_full_disk=log)
    assert done.code == 6, done.out
    assert "/dev/full: cannot be written: no space left on device" in done.out
    assert NEEDED_AND_FREE.search(done.out)
    assert "Traceback" not in done.out


def test_D1_a_log_line_written_in_part_is_an_error(tmp_path: Path) -> None:
    """A disk that is nearly full takes a part of a line without an error."""
    pid = os.fork()
    if pid == 0:
        harness.file_size_limit(20)
        try:
            durable.append_text(tmp_path / "log", "0123456789" * 4 + "\n")
        except DiskError:
            os._exit(6)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 6


def test_D2_not_enough_before_the_start(forker: Warm, place: Place) -> None:
    done = forker.run(place.words(), free_space=50_000_000)
    assert done.code == 6
    assert "disk: at most 121.0 MB" in done.out
    assert "not enough space: 121.2 MB needed, 50.0 MB free" in done.out
    assert "lower --keep_gb" in done.out
    assert not harness.states(place.root)
    assert not (place.root / "metrics.jsonl").exists()


def test_D2_what_is_there_already_is_not_needed_again(forker: Warm, place: Place) -> None:
    assert forker.run(place.words(), steps=5).code == 0
    (place.root / "web" / "pictures").write_bytes(bytes(100_000_000))
    assert forker.run(place.words("--continue_train"), free_space=50_000_000).code == 0


@pytest.mark.skipif(os.name == "nt", reason="folders have other rights there")
@pytest.mark.parametrize("made_before", [False, True])
def test_D3_read_only_folder(forker: Warm, dataroot: Path, made_before: bool) -> None:
    # Not in tmp_path: only its owner may look into that.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        place = Place(shutil.copytree(dataroot, Path(folder) / "pairs"), Path(folder) / "runs")
        os.chmod(place.dataroot, 0o755)
        (place.root if made_before else place.checkpoints).mkdir(parents=True)
        for path in (place.checkpoints, *place.checkpoints.rglob("*")):
            os.chmod(path, 0o555)
        done = forker.run(place.words(), **({"as_nobody": True} if os.getuid() == 0 else {}))
        assert done.code == 6, done.out
        assert f"{place.root}" in done.out
        assert "cannot be written: permission denied" in done.out
        assert "Choose a folder you may write to" in done.out
        assert not place.root.exists() or not list(place.root.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="folders have other rights there")
@pytest.mark.parametrize("what", ["folder", "records"])
def test_D3_results_where_nobody_may_write(forker: Warm, dataroot: Path, what: str) -> None:
    """Told at once, by the file that cannot be written, and nothing is left there."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        place = Place(shutil.copytree(dataroot, Path(folder) / "pairs"), Path(folder) / "runs")
        os.chmod(place.dataroot, 0o755)
        assert forker.run(place.words()).code == 0
        photo, out = next(place.dataroot.rglob("*.*")), Path(folder) / "out"
        out.mkdir()
        os.chmod(out, 0o777)
        refused = out / (photo.name if what == "folder" else "apply.jsonl")
        if what == "records":
            refused.write_text("")
        os.chmod(out if what == "folder" else refused, 0o555)
        before = list(out.iterdir())
        words = ["apply", str(place.root), str(photo), "-o", str(out), "--device", "cpu"]
        nobody = {"as_nobody": True} if os.getuid() == 0 else {}
        done = forker.run(words, "unretouch", **nobody)
        assert done.code == 6, done.out
        said = f"{refused}: cannot be written: permission denied. Choose a folder you may write to"
        assert done.out.splitlines()[1:] == [f"unretouch: {said}"]
        assert list(out.iterdir()) == before


@pytest.mark.parametrize("blocked", ["checkpoints", "run", "state", "web", "web/images"])
def test_D3_file_where_a_folder_should_be(forker: Warm, place: Place, blocked: str) -> None:
    path = place.checkpoints if blocked == "checkpoints" else place.root
    path = path if blocked in ("checkpoints", "run") else path / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    done = forker.run(place.words())
    assert done.code == 6, done.out
    assert f"{path}" in done.out
    assert "A file stands where a folder is needed" in done.out
    assert path.read_text() == "mine"
    assert not (place.root / "metrics.jsonl").exists()


def test_D3_a_folder_in_which_the_system_makes_none() -> None:
    nowhere = Path("/proc/nothing")
    if not nowhere.parent.is_dir():
        pytest.skip("there is no /proc")
    with pytest.raises(DiskError) as raised:
        durable.make_folder(nowhere)
    assert "Choose a folder you may write to" in str(raised.value)
    assert "removed" not in str(raised.value)


def test_D4_run_folder_removed_while_training(forker: Warm, place: Place) -> None:
    done = forker.run(
        place.words("--print_freq", "100", "--save_latest_freq", "6"),
        remove_run_in_step=[3, str(place.root)],
    )
    assert done.code == 6, done.out
    assert "The folder was removed or renamed while it was in use" in done.out
    assert str(place.root) in done.out
    assert "Traceback" not in done.out


def test_D4_starts_again_after_it(forker: Warm, place: Place, whole: Place) -> None:
    forker.run(place.words(), remove_run_in_step=[3, str(place.root)])
    shutil.rmtree(place.root, ignore_errors=True)
    assert forker.run(place.words("--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)


@pytest.mark.skipif(os.name == "nt", reason="folders have other rights there")
def test_D3_unreadable_pairs(forker: Warm, dataroot: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        place = Place(shutil.copytree(dataroot, Path(folder) / "pairs"), Path(folder) / "runs")
        os.chmod(place.dataroot / "train", 0o000)
        done = forker.run(place.words(), **({"as_nobody": True} if os.getuid() == 0 else {}))
        os.chmod(place.dataroot / "train", 0o755)
    assert done.code == 3, done.out
    assert ": cannot be read: permission denied" in done.out
