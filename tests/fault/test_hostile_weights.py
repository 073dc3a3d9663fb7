"""Weights files made by an enemy: each gets one line and exit 4, and none of its code runs.

Row C10 of docs/reliability.md.
"""

from __future__ import annotations

import hashlib
import io
import pickletools
import zipfile
from pathlib import Path

import pytest
import torch
from fault_harness import Place, Warm
from fault_hostile import corpus

from unretouch.base.errors import CheckpointError
from unretouch.runs import checkpoint, weights
from unretouch.runs.weights import load_weights, serialise

NAMES = list(corpus(Path("canary")))


@pytest.fixture(scope="module")
def trained(forker: Warm, dataroot: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(dataroot, tmp_path_factory.mktemp("trained"))
    assert forker.run(place.words(), steps=2).code == 0
    return place


def words_of_a_test(place: Place) -> list[str]:
    return [
        "--dataroot", str(place.dataroot / "train"), "--name", place.name, "--model", "test",
        "--checkpoints_dir", str(place.checkpoints), "--results_dir", str(place.root / "results"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_C10_as_weights(forker: Warm, trained: Place, tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    path = trained.root / "latest_net_G.pth"
    path.write_bytes(corpus(canary)[name])
    done = forker.run(words_of_a_test(trained), "test")
    assert done.code == 4, done.out
    (line,) = done.out.splitlines()
    assert line.startswith(f"unretouch: {path}: ")
    assert not canary.exists()
    assert done.seconds < 2
    assert done.megabytes < 500
    assert not (trained.root / "results").exists()


@pytest.mark.parametrize("name", NAMES)
def test_C10_inside_a_state(trained: Place, tmp_path: Path, name: str) -> None:
    """A checksum says who damaged nothing, not who made it: what is inside is not trusted."""
    canary = tmp_path / "canary"
    payload = corpus(canary)[name]
    head = b"unretouch state 1"
    checksum = hashlib.sha256(head + payload).hexdigest().encode()
    path = tmp_path / "000000001.ckpt"
    path.write_bytes(b"%s %s %d\n" % (head, checksum, len(payload)) + payload)
    with pytest.raises(CheckpointError, match=str(path)) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)
    assert not canary.exists()


def test_C10_the_corpus_is_hostile(tmp_path: Path) -> None:
    """Unguarded, these files do what they are made for."""
    canary = tmp_path / "canary"
    for name in ("os.system", "eval", "legacy file"):
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever follows the attack
            torch.load(io.BytesIO(corpus(canary)[name]), weights_only=False)["w"].shape  # noqa: B018
        assert canary.exists()
        canary.unlink()


def test_C10_our_own_guard_does_not_lean_on_torch(monkeypatch: pytest.MonkeyPatch,
                                                  tmp_path: Path) -> None:  # fmt: skip
    """With torch's own guard gone, nothing runs either."""
    load, canary = torch.load, tmp_path / "canary"
    monkeypatch.setattr(
        torch, "load", lambda file, **_: load(file, map_location="cpu", weights_only=False)
    )
    path = tmp_path / "latest_net_G.pth"
    for name, data in corpus(canary).items():
        if name == "wrong keys":
            continue  # plain weights, of another network
        path.write_bytes(data)
        with pytest.raises(CheckpointError):
            load_weights(path)
        assert not canary.exists()


def test_C10_torchs_own_guard_is_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two guards: behind ours, torch opens nothing but plain weights, and there is no retry."""
    load, calls = torch.load, []

    def watched(file: object, **options: object) -> object:
        calls.append(options.get("weights_only"))
        return load(file, **options)

    monkeypatch.setattr(torch, "load", watched)
    monkeypatch.setattr(weights, "problem_of", lambda index: "")
    canary, path = tmp_path / "canary", tmp_path / "latest_net_G.pth"
    for name in ("os.system", "eval", "exec", "chain of getattr"):
        path.write_bytes(corpus(canary)[name])
        with pytest.raises(CheckpointError):
            load_weights(path)
        assert not canary.exists()
    assert calls == [True] * 4


def test_C10_a_compressed_archive_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by its table of contents: what it holds may be a thousand times its size."""
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(corpus(tmp_path / "canary")["10 GB in a compressed archive"])

    def unpacking(*_: object, **__: object) -> None:
        pytest.fail("it is unpacked")

    monkeypatch.setattr(zipfile.ZipFile, "open", unpacking)
    with pytest.raises(CheckpointError, match="its archive is compressed"):
        load_weights(path)


@pytest.mark.parametrize(
    "state",
    [
        {"w": torch.zeros(4)},
        torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict(),
        {"w": torch.nn.Parameter(torch.zeros(2, 2))},
        {str(kind): torch.ones(3, dtype=kind) for kind in (
            torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)},
        {"w": torch.zeros(6).view(2, 3).T, "v": torch.zeros(())},
    ],
)  # fmt: skip
def test_C10_honest_files_are_opened(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "latest_net_G.pth"
    torch.save(state, path)
    loaded = load_weights(path)
    assert checkpoint.digest(loaded) == checkpoint.digest({k: v.detach() for k, v in state.items()})


def test_C10_limits_leave_room() -> None:
    """A state with 2000 tensors, more than any network here has, needs a third of the opcodes."""
    tensors = {n: torch.zeros(1) for n in range(2000)}
    with zipfile.ZipFile(io.BytesIO(serialise({"moments": tensors}))) as archive:
        index = archive.read("archive/data.pkl")
    assert weights.problem_of(index) == ""
    assert 3 * sum(1 for _ in pickletools.genops(index)) < weights.MOST_OPCODES
