"""Export: what leaves is equal to what was trained, runs without torch, and tells no names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from short_runs import write_pairs

from unretouch import networks
from unretouch.base.errors import CheckpointError, VerificationError
from unretouch.cli import dispatch, run
from unretouch.model.load import load_any, load_network
from unretouch.networks.detail import Detail
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings, save_settings
from unretouch.tasks.export import Exported, difference

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytest.importorskip("safetensors")

torch.set_num_threads(1)

# Few: the exporter takes a quarter of a minute for each.
KINDS = {
    "gain": {"netG": "detail", "size": "s", "head": "gain", "preprocess": "none"},
    "pyramid": {
        "netG": "detail",
        "size": "pyramid",
        "head": "strength",
        "preprocess": "none",
    },
    "unet": {"netG": "unet_128", "ngf": 4, "load_size": 128, "crop_size": 128},
    "grey": {
        "netG": "resnet_6blocks",
        "ngf": 4,
        "norm": "instance",
        "input_nc": 1,
        "output_nc": 1,
    },
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with random weights, each exported as all three kinds."""
    root = tmp_path_factory.mktemp("checkpoints")
    for name, values in KINDS.items():
        torch.manual_seed(1)
        told = TrainSettings(dataroot="/home/kim/secret", name=name, **values)  # type: ignore[arg-type]
        net = networks.build_generator(told)
        for part in net.modules():
            if isinstance(part, Detail):
                torch.nn.init.normal_(part.head.weight, std=0.05)
                if part.gain is not None:
                    torch.nn.init.normal_(part.gain.weight, std=0.05)
                if part.strength is not None:
                    part.strength.weight.fill_(1.3)
        (root / name).mkdir()
        save_settings(root / name / "config.json", told, {})
        save_weights(root / name / "latest_net_G.pth", net.state_dict())
        manifest = [{"pair": "kim", "file": "kim.png", "sha256": "ab", "width": 400, "height": 100}]
        (root / name / "data.json").write_text(json.dumps(manifest))
        for kind in ("onnx", "safetensors", "pth"):
            assert run(dispatch, ["export", str(root / name), "--to", kind]) == 0
    return root


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), np.float32)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [(61, 93), (128, 256), (33, 200)])
def test_every_kind_makes_the_same_picture(
    exported: Path, name: str, size: tuple[int, int]
) -> None:
    folder = exported / name
    models = [
        load_any(path, precision="32-true", device="cpu")
        for path in (
            folder / "latest_net_G.pth",
            folder / "latest_net_G.export.pth",
            folder / "latest_net_G.safetensors",
            folder / "latest_net_G.onnx",
        )
    ]
    source = picture(*size)
    first, *others = [np.clip(source + model.change(source), 0, 1) for model in models]
    assert np.abs(first - source).mean() > 1e-3
    for other in others:
        assert np.abs(first - other).max() * 255 < 0.01
    assert len({model.info.sizing for model in models}) == 1


def test_the_file_tells_what_it_is_and_no_names(exported: Path) -> None:
    path = exported / "unet" / "latest_net_G.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    record = json.loads(session.get_modelmeta().custom_metadata_map["unretouch"])
    assert record["settings"]["netG"] == "unet_128"
    assert record["data"] == [{"pair": 1, "sha256": "ab", "width": 400, "height": 100}]
    assert record["trained_aspect"] == 2
    assert len(record["weights_sha256"]) == 64
    for kind in ("onnx", "safetensors"):
        data = (exported / "unet" / f"latest_net_G.{kind}").read_bytes()
        assert b"kim" not in data
        card = (exported / "unet" / f"latest_net_G.{kind}.md").read_text("utf-8")
        assert "unet_128" in card
        assert "kim" not in card


def test_a_plain_file_says_what_it_does_not_hold(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(exported / "unet"), "--to", "pth", "-o", str(tmp_path / "alone.pth")]
    assert run(dispatch, words) == 0
    assert "holds no settings: lay the run's config.json beside it" in capsys.readouterr().out
    assert "config.json" in (tmp_path / "alone.pth.md").read_text("utf-8")
    alone = load_network(tmp_path / "alone.pth")[2].sizing
    (tmp_path / "config.json").write_bytes((exported / "unet" / "config.json").read_bytes())
    told = load_network(tmp_path / "alone.pth")[2].sizing
    assert alone.preprocess == "none"
    assert told == load_network(exported / "unet" / "latest_net_G.pth")[2].sizing != alone


def test_a_network_that_differs_is_refused(exported: Path) -> None:
    net = load_network(exported / "gain" / "latest_net_G.pth")[0]
    with torch.no_grad():
        net.head.bias.add_(0.1)  # type: ignore[operator, union-attr]
    data = (exported / "gain" / "latest_net_G.onnx").read_bytes()
    with pytest.raises(VerificationError, match="nothing was written"):
        difference(Exported(net), data)


WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Absent())
from unretouch.cli import main
sys.exit(main())
"""


def test_apply_runs_where_torch_is_not_installed(exported: Path, tmp_path: Path) -> None:
    Image.fromarray((picture(70, 90) * 255).astype(np.uint8)).save(tmp_path / "a.png")
    words = ["apply", str(exported / "gain"), str(tmp_path / "a.png")]
    for out, more in (("without", ["--runtime", "onnx"]), ("skin", ["--mask", "skin"])):
        weights = ["--weights", str(exported / "gain" / "latest_net_G.onnx")]
        call = words + more if out == "without" else ["apply", *weights, *words[2:], *more]
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH, *call, "-o", str(tmp_path / out)],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    precise = ["--precision", "32-true", "--device", "cpu"]
    assert run(dispatch, [*words, "-o", str(tmp_path / "with"), *precise]) == 0
    with Image.open(tmp_path / "with" / "a.png") as a, Image.open(tmp_path / "without/a.png") as b:
        difference = np.abs(np.asarray(a).astype(int) - np.asarray(b))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


@pytest.mark.parametrize("content", [b"", b"nothing", b"\x08\x07"])
@pytest.mark.parametrize("ending", ["onnx", "safetensors", "pth"])
def test_damaged_files_are_one_line(content: bytes, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        load_any(path, device="cpu")
    assert "\n" not in str(error.value)


def test_the_weights_themselves_are_not_written_over(exported: Path) -> None:
    path = exported / "gain" / "latest_net_G.pth"
    before = path.read_bytes()
    assert run(dispatch, ["export", str(path.parent), "--to", "pth", "-o", str(path)]) == 2
    assert path.read_bytes() == before


def test_an_exported_file_is_verified_by_itself(exported: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    (tmp_path / "sent.safetensors").write_bytes(
        (exported / "gain" / "latest_net_G.safetensors").read_bytes()
    )
    words = ["verify", "--weights", str(tmp_path / "sent.safetensors"), "--no_probe"]
    assert run(dispatch, words) == 2, "nothing tells the pairs"
    out = ["--out", str(tmp_path / "report")]
    assert run(dispatch, [*words, "--dataroot", str(pairs), *out]) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert [pair["name"] for pair in report["training"]["pairs"]] == ["face_0", "face_1"]
