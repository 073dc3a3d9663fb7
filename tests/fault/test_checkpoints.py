"""A whole checkpoint or the one before it, whatever happens to the process, the disk or the file.

Rows C1 to C9 and C11 of docs/reliability.md; C10 is in test_hostile_weights.py.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path

import fault_harness as harness
import numpy as np
import pytest
import torch
from fault_harness import CLASSIC, Place, Warm
from lost_power import Disk
from PIL import Image

from unretouch.base.errors import CheckpointError
from unretouch.pixels import spaces
from unretouch.runs import checkpoint
from unretouch.runs.checkpoint import Checkpoint
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import load_weights, save_weights

EVERY_STEP = (*CLASSIC, "--n_epochs", "4", "--n_epochs_decay", "1", "--save_latest_freq", "1")


@pytest.fixture
def place(dataroot: Path, tmp_path: Path) -> Place:
    return Place(dataroot, tmp_path / "checkpoints", EVERY_STEP)


@pytest.fixture(scope="module")
def whole(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run of 15 steps that nothing happened to."""
    done = Place(dataroot, tmp_path_factory.mktemp("whole"), EVERY_STEP)
    assert forker.run(done.words()).code == 0
    return done


@pytest.fixture(scope="module")
def half(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run that was stopped after 8 of its 15 steps: its states are those of steps 7 and 8."""
    stopped = Place(dataroot, tmp_path_factory.mktemp("half"), EVERY_STEP)
    assert forker.run(stopped.words(), steps=8).code == 0
    return stopped


@pytest.fixture
def stopped(half: Place, place: Place) -> Place:
    """A copy of `half` of one's own."""
    shutil.copytree(half.root, place.root)
    return place


def resumed(forker: Warm, place: Place, whole: Place) -> str:
    """Go on to the end; check that it is the end `whole` came to. Returns what was printed."""
    done = forker.run(place.words("--continue_train"))
    assert done.code == 0, done.out
    assert harness.outcome(place.root) == harness.outcome(whole.root)
    assert harness.latest_matches_state(place.root)
    assert not list(place.root.rglob("*.partial"))
    return done.out


@pytest.mark.parametrize("seed", range(6))
def test_C1_killed_at_a_random_instant(forker: Warm, place: Place, whole: Place, seed: int) -> None:
    began = time.monotonic()
    shutil.rmtree(place.root, ignore_errors=True)
    child = forker.start(place.words("--continue_train"))
    child.wait_until(lambda: (place.root / "metrics.jsonl").exists())
    start = time.monotonic() - began
    time.sleep(random.Random(seed).uniform(0, 0.5) * max(1.0, start))
    child.kill()
    child.wait()
    # A record is written before the state of its step: one step at most is lost.
    logged = len((place.root / "metrics.jsonl").read_bytes().splitlines())
    saved = harness.step(place.root) if harness.states(place.root) else 0
    assert logged - saved <= 1
    # A start from nothing would come to the same end.
    expected = f"step {saved + 1} from" if saved < 15 else "is finished"
    assert (expected if saved else "starting afresh") in resumed(forker, place, whole)


@pytest.mark.parametrize("operation", range(1, 64, 7))
def test_C2_killed_before_a_disk_operation(
    forker: Warm, place: Place, whole: Place, operation: int
) -> None:
    """Every operation is in benchmarks/faults.py."""
    done = forker.run(place.words("--continue_train"), crash_at=operation)
    assert done.code == 137
    resumed(forker, place, whole)


def test_C2_what_a_crash_left_half_written_is_removed(
    forker: Warm, stopped: Place, whole: Place
) -> None:
    """Also of files that are not written again under the same name."""
    for folder in ("", "state", "web", "web/images"):
        (stopped.root / folder / "000000123.ckpt.partial").write_bytes(b"half")
    resumed(forker, stopped, whole)


def _state(step: int) -> Checkpoint:
    return Checkpoint(step, {"weights": torch.full((64,), float(step))}, {"elapsed_s": 1.0})


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc to look into")
@pytest.mark.parametrize("reading", ["strict", "hasty"])
def test_C3_lost_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: str) -> None:
    root, crashes = tmp_path / "disk", []
    root.mkdir()
    returned = [0]

    def lost() -> None:
        left = tmp_path / f"left_{len(crashes)}"
        crashes.append(left)
        getattr(disk, reading)(left)
        run = RunDir(left, "a/run")
        loaded = checkpoint.load_newest(run) if run.root.exists() else None
        # The save under way may be there or not; the last one that returned is never gone.
        step = loaded.checkpoint.step if loaded else 0
        assert returned[0] <= step <= returned[0] + 1
        assert not (loaded and loaded.passed_over)
        if returned[0]:
            assert load_weights(run.weights("latest"))["weights"][0] in (step, step - 1)
        else:
            assert not run.weights("latest").exists() or load_weights(run.weights("latest"))

    disk = Disk(root, lost)
    run = RunDir(root, "a/run")
    with monkeypatch.context() as patch:
        disk.watch(patch)
        run.prepare()
        for step in (1, 2, 3, 4):
            checkpoint.save(run, _state(step))
            save_weights(run.weights("latest"), _state(step).state)
            returned[0] = step
        lost()
    assert len(crashes) > 30


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_C4_truncated(forker: Warm, stopped: Place, whole: Place, share: float) -> None:
    newest = harness.states(stopped.root)[0]
    data = newest.read_bytes()
    newest.write_bytes(data[: int(len(data) * share)])
    said = resumed(forker, stopped, whole)
    assert "passed over a bad state" in said
    assert str(newest) in said
    assert "going on at epoch 3, step 8" in said
    # Set aside, so that it does not count as one of the two that are kept.
    assert newest.with_name(newest.name + ".bad").exists()
    assert len(harness.states(stopped.root)) == 2


def flipped(data: bytes, seed: int) -> bytes:
    """Return `data` with one bit flipped; the first 16 of 64 in the first 200 bytes."""
    place = random.Random(seed).randrange(200 if seed < 16 else len(data))
    return data[:place] + bytes([data[place] ^ 1 << seed % 8]) + data[place + 1 :]


def test_C5_flipped_bit_in_a_state(half: Place, tmp_path: Path) -> None:
    """64 of 64 are noticed, where torch.load alone notices none."""
    data, path = harness.states(half.root)[0].read_bytes(), tmp_path / "000000008.ckpt"
    for seed in range(64):
        path.write_bytes(flipped(data, seed))
        with pytest.raises(CheckpointError, match=str(path)) as caught:
            checkpoint.load(path)
        assert type(caught.value) is CheckpointError  # damage, not a state of a newer version
        assert "\n" not in str(caught.value)


def test_C5_flipped_bit_in_the_first_line(half: Place, tmp_path: Path) -> None:
    """Every bit: that of the version, too, is damage and not a state of another version."""
    data, path = harness.states(half.root)[0].read_bytes(), tmp_path / "000000008.ckpt"
    for place in range(data.index(b"\n") + 1):
        for bit in range(8):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
            with pytest.raises(CheckpointError) as caught:
                checkpoint.load(path)
            assert type(caught.value) is CheckpointError


def test_C5_flipped_bit_in_weights(half: Place, tmp_path: Path) -> None:
    """Noticed, or in the padding between the tensors, where it changes nothing."""
    data, path = (half.root / "latest_net_G.pth").read_bytes(), tmp_path / "latest_net_G.pth"
    right = checkpoint.digest(load_weights(half.root / "latest_net_G.pth"))
    noticed = 0
    for seed in range(64):
        path.write_bytes(flipped(data, seed))
        try:
            assert checkpoint.digest(load_weights(path)) == right
        except CheckpointError:
            noticed += 1
    assert noticed > 30


def test_C5_falls_back(forker: Warm, stopped: Place, whole: Place) -> None:
    newest = harness.states(stopped.root)[0]
    newest.write_bytes(flipped(newest.read_bytes(), 40))
    assert "is damaged: its checksum does not match" in resumed(forker, stopped, whole)


def test_C6_all_states_bad(forker: Warm, stopped: Place) -> None:
    for path in harness.states(stopped.root):
        path.write_bytes(flipped(path.read_bytes(), 40))
    done = forker.run(stopped.words("--continue_train"))
    assert done.code == 4
    assert "no state can be read" in done.out
    assert "Move the folder state/ away to start afresh from the weights" in done.out
    (stopped.root / "state").rename(stopped.root / "state.bad")
    done = forker.run(stopped.words("--continue_train"))
    assert done.code == 0
    assert "going on from the weights in" in done.out
    steps = [record["step"] for record in harness.metrics(stopped.root)]
    assert steps == list(range(1, 16))  # counted anew; the old records are kept beside
    assert len((stopped.root / "metrics.aside.jsonl").read_bytes().splitlines()) == 8


@pytest.mark.parametrize("call", [1, 2, 5, 8])
def test_C7_interrupted_inside_torch_save(
    forker: Warm, place: Place, whole: Place, call: int
) -> None:
    """torch then leaves a valid zip with records missing: it must not come under a final name."""
    done = forker.run(place.words(), interrupt_torch_save=call)
    assert done.code == 130, done.out
    saved = [*harness.states(place.root), *place.root.glob("*.pth")]
    assert all(checkpoint.load(p) if p.suffix == ".ckpt" else load_weights(p) for p in saved)
    resumed(forker, place, whole)


def test_C7_half_a_state_is_not_opened_as_a_zip(half: Place, tmp_path: Path) -> None:
    path = tmp_path / "latest_net_G.pth"
    with torch.serialization._open_zipfile_writer(str(path)) as archive:
        archive.write_record("version", b"3\n", 2)
    with pytest.raises(CheckpointError):
        load_weights(path)


@pytest.mark.parametrize("wrong", ["gone", "older", "damaged", "link"])
def test_C8_latest_weights_that_do_not_match(
    forker: Warm, stopped: Place, tmp_path: Path, wrong: str
) -> None:
    latest = stopped.root / "latest_net_G.pth"
    weights, data = load_weights(latest), latest.read_bytes()
    right = checkpoint.digest(weights)
    latest.unlink()
    if wrong == "older":
        save_weights(latest, {key: value + 1 for key, value in weights.items()})
    elif wrong == "damaged":
        latest.write_bytes(data[:3000])
    elif wrong == "link":
        (tmp_path / "elsewhere").write_bytes(b"not ours")
        latest.symlink_to(tmp_path / "elsewhere")
    done = forker.run(stopped.words("--continue_train"), signal_in_step=[8, signal.SIGKILL, 1])
    assert done.code == -signal.SIGKILL
    assert "latest_net_G.pth did not match the state: written again" in done.out
    assert checkpoint.digest(load_weights(latest)) == right
    if wrong == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"not ours"


def test_C9_state_of_a_newer_version(
    forker: Warm, stopped: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, not passed over: going on from the older state would undo what the newer did."""
    monkeypatch.setattr(checkpoint, "SCHEMA", 2)
    checkpoint.save(RunDir(stopped.checkpoints, stopped.name), _state(9))
    done = forker.run(stopped.words("--continue_train"))
    assert done.code == 4
    assert "written by another version of unretouch (schema 2)" in done.out
    assert harness.step(stopped.root) == 9


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sharpness": 3}, "unknown setting 'sharpness'"),
        ({"netG": "unet_512"}, "'unet_512' is not one of"),
        ({"lr": "high"}, "has an impossible setting"),
    ],
)
def test_C9_settings_of_another_version(
    forker: Warm, stopped: Place, change: dict[str, object], said: str
) -> None:
    newest = harness.states(stopped.root)[0]
    loaded = checkpoint.load(newest)
    loaded.state["settings"].update(change)
    checkpoint.save(RunDir(stopped.checkpoints, stopped.name), loaded)
    done = forker.run(stopped.words("--continue_train"))
    assert done.code == 4, done.out
    assert f"{newest}: " in done.out
    assert said in done.out or "cannot be read" in done.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "was written by a newer unretouch (schema 2)"),
        ({"settings": {"dataroot": "x", "sharpness": 3}}, "unknown setting 'sharpness'"),
        ({"settings": {}}, "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_C9_config_of_another_version(
    forker: Warm, stopped: Place, tmp_path: Path, change: dict[str, object] | None, said: str
) -> None:
    path = stopped.root / "config.json"
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**record, **change}) if change else '{"schema": 1, ', "utf-8")
    done = forker.run(test_words(stopped, tmp_path), "test")
    assert done.code == 4
    assert f"{path}: " in done.out
    assert said in done.out


@pytest.mark.parametrize("parts", [{}, {"progress": {}}, {"progress": {"step": "x"}}, {"fit": {}}])
def test_C9_state_with_parts_missing(
    forker: Warm, stopped: Place, parts: dict[str, object]
) -> None:
    """A right checksum does not make it a state."""
    loaded = checkpoint.load(harness.states(stopped.root)[0])
    state = {**loaded.state, **parts} if parts else {}
    checkpoint.save(RunDir(stopped.checkpoints, "run"), Checkpoint(9, state, loaded.about))
    done = forker.run(stopped.words("--continue_train"))
    assert done.code == 4, done.out
    assert "000000009.ckpt: " in done.out
    assert len([line for line in done.out.splitlines() if line.startswith("unretouch:")]) == 1


def test_C9_changed_picture(forker: Warm, stopped: Place, whole: Place, tmp_path: Path) -> None:
    changed = Place(tmp_path / "pairs", stopped.checkpoints, EVERY_STEP)
    shutil.copytree(stopped.dataroot, changed.dataroot)
    picture = changed.dataroot / "train" / "001.png"
    pixels = np.array(Image.open(picture))
    pixels[:, :, 0] ^= 1
    Image.fromarray(pixels).save(picture)
    done = forker.run(changed.words("--continue_train"))
    assert done.code == 3
    assert "the pairs are not those this run was trained on" in done.out
    assert "001.png" in done.out
    done = forker.run(changed.words("--continue_train", "--allow_changed_data"))
    assert done.code == 0
    assert harness.digest(stopped.root) != harness.digest(whole.root)


def test_words(place: Place, results: Path) -> list[str]:
    """Return the words of a test command on the pictures of `place`."""
    return [
        "--dataroot", str(place.dataroot / "train"), "--name", place.name, "--model", "test",
        "--checkpoints_dir", str(place.checkpoints), "--results_dir", str(results),
    ]  # fmt: skip


test_words.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize("network", ["unet_256_batch_vanilla", "unet_128_instance_lsgan",
                                     "resnet_6blocks_instance_lsgan"])  # fmt: skip
@pytest.mark.parametrize("mode", ["", "--eval"])
def test_C11_weights_of_the_classic_program(
    forker: Warm, shared: Path, tmp_path: Path, network: str, mode: str
) -> None:
    golden = np.load(shared / "golden" / f"{network}.npz")
    state = {
        key.removeprefix("G4/"): torch.from_numpy(golden[key])
        for key in golden.files
        if key.startswith("G4/")
    }
    place = Place(tmp_path / "pictures", tmp_path / "checkpoints")
    place.root.mkdir(parents=True)
    torch.save(state, place.root / "latest_net_G.pth")
    (place.dataroot / "train").mkdir(parents=True)
    Image.fromarray(golden["A"]).save(place.dataroot / "train" / "face.png")
    words = [*test_words(place, tmp_path / "results"), *([mode] if mode else [])]
    done = forker.run(words, "test")
    assert done.code == 0, done.out
    (fake,) = (tmp_path / "results").rglob("face_fake.png")
    golden_fake = golden["fake_eval_mode" if mode else "fake_train_mode"].astype(np.float32)
    expected = spaces.levels_to_file(spaces.to_levels(torch.from_numpy(golden_fake)))
    difference = np.abs(np.array(Image.open(fake)).astype(int) - expected.astype(int))
    assert difference.max() <= 1  # half precision in the vectors, then rounding
    assert difference.mean() < 0.05
