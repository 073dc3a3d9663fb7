"""Large pictures are measured in bounded memory, and can be interrupted.

Rows M3 and T4 of docs/reliability.md, through `unretouch verify`.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fault_harness import Warm
from PIL import Image

from unretouch import networks
from unretouch.networks import predict_picture
from unretouch.pixels.pairs import load_pairs
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings, save_settings

MOST_MEGABYTES = 1500
"""for 24 megapixels"""


def write_pair(dataroot: Path, width: int, height: int, quality: int = 92) -> None:
    """Write a pair of JPEGs saved apart: light, fine texture, and two smoothed squares in A."""
    random = np.random.default_rng(0)
    light = random.integers(60, 190, (5, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(light).resize((width, height), Image.Resampling.BICUBIC)
    grain = random.integers(-4, 5, (500, 500, 1), dtype=np.int16)
    target, source = np.array(picture), np.array(picture)
    for top in range(0, height, 500):
        for left in range(0, width, 500):
            place = np.s_[top : top + 500, left : left + 500]
            target[place] = target[place] + grain[: height - top, : width - left]
    smooth = np.zeros((height, width, 1), np.bool_)
    smooth[:300, :300] = smooth[height // 2 :, width // 2 :][:300, :300] = True
    source = np.where(smooth, source, target)
    for side, rgb in (("A", source), ("B", target)):
        (dataroot / f"train{side}").mkdir(parents=True)
        Image.fromarray(rgb).save(dataroot / f"train{side}" / "one.jpg", quality=quality)


def untrained(folder: Path, dataroot: Path) -> tuple[RunDir, TrainSettings]:
    """A run whose network makes something of a picture, though nothing that was learnt."""
    settings = TrainSettings(
        dataroot=str(dataroot), name="run", checkpoints_dir=str(folder), preprocess="none",
        netG="detail", size="s", recipe="fast", lambda_GAN=0.0, minutes=1.0, device="cpu",
        no_flip=True, no_dropout=True, lambda_L1=300.0,
    )  # fmt: skip
    run = RunDir(folder, "run")
    run.root.mkdir(parents=True)
    save_settings(run.config, settings, {})
    save_weights(run.weights("latest"), generator(settings).state_dict())
    return run, settings


def generator(settings: TrainSettings) -> torch.nn.Module:
    torch.manual_seed(0)
    net = networks.build_generator(settings)
    torch.nn.init.normal_(net.head.weight, 0, 0.01)  # type: ignore[arg-type, union-attr]
    return net


def test_M3_verify_of_6_megapixels(forker: Warm, tmp_path: Path) -> None:
    """The same where it takes a quarter of the time: less room beside what torch takes itself."""
    measure(forker, tmp_path, 3000, 2000, 900)


@pytest.mark.slow
def test_M3_verify_of_24_megapixels(forker: Warm, tmp_path: Path) -> None:
    measure(forker, tmp_path, 6000, 4000, MOST_MEGABYTES)


def measure(forker: Warm, tmp_path: Path, width: int, height: int, most_megabytes: int) -> None:
    write_pair(tmp_path / "pairs", width, height)
    with_tiny_network(tmp_path, tmp_path / "pairs")
    words = ["run", "--checkpoints_dir", str(tmp_path), "--no_probe"]
    done = forker.run(words, "verify", tiny_detail=True)
    assert done.code == 0, done.out
    assert done.megabytes < most_megabytes
    made = sorted(path.name for path in (tmp_path / "run" / "verify" / "images").iterdir())
    places = [f"training_one_{place}_real_A.png" for place in ("typical", "worst")]
    assert set(places) < set(made)
    with Image.open(tmp_path / "run" / "verify" / "images" / "training_one_real_A.png") as shown:
        assert shown.size == (1500, 1000)


def with_tiny_network(folder: Path, dataroot: Path) -> None:
    """A run for a process that begins with the fault `tiny_detail`."""
    widths = networks.detail.WIDTHS
    kept = widths["s"]
    widths["s"] = (4, 8)  # type: ignore[index]
    try:
        untrained(folder, dataroot)
    finally:
        widths["s"] = kept  # type: ignore[index]


def test_M3_a_large_picture_is_predicted_in_tiles(forker: Warm, tmp_path: Path) -> None:
    """In a process of its own: what torch takes for a tile, not for the picture."""
    write_pair(tmp_path / "pairs", 2000, 1600)
    untrained(tmp_path, tmp_path / "pairs")
    words = ["run", "--checkpoints_dir", str(tmp_path), "--no_probe"]
    done = forker.run(words, "verify", only_predict=True)
    assert done.code == 0, done.out
    assert done.megabytes < MOST_MEGABYTES


@pytest.mark.parametrize("size", [(523, 401), (170, 901)], ids=str)
def test_M3_tiles_are_the_whole(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unretouch.networks.prediction.TILE", 60_000)
    monkeypatch.setattr("unretouch.networks.prediction.WHOLE", 100_000)
    write_pair(tmp_path / "pairs", *size)
    _, settings = untrained(tmp_path, tmp_path / "pairs")
    net = generator(settings).eval()
    source = load_pairs(tmp_path / "pairs", "train").pairs[0].source
    tiles = predict_picture(net, source)
    monkeypatch.setattr("unretouch.networks.prediction.WHOLE", 10**9)
    whole = predict_picture(net, source)
    assert np.abs(whole - source).mean() > 0.01
    assert np.abs(tiles - whole).max() < 1e-3
    assert np.abs(tiles - whole).mean() < 1e-4


def test_T4_ctrl_c_in_verify(forker: Warm, tmp_path: Path) -> None:
    write_pair(tmp_path / "pairs", 2000, 1600)
    with_tiny_network(tmp_path, tmp_path / "pairs")
    words = ["run", "--checkpoints_dir", str(tmp_path), "--no_probe"]
    report = tmp_path / "run" / "verify"
    for where in ("predicted", "measured"):
        child = forker.start(
            words, "verify", tiny_detail=True, signal_in_verify=[where, signal.SIGINT]
        )
        done = child.wait()
        ended = time.monotonic()
        assert done.code == 130, done.out
        sent = float(done.out.partition("signal at ")[2].split()[0])
        assert ended - sent < 2
        assert not list(report.rglob("*.partial"))
        assert not (report / "report.json").exists()
