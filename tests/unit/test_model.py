"""Models: which weights are meant, what they tell of themselves, and at what scale they see."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unretouch import networks
from unretouch.base.errors import CheckpointError
from unretouch.model.load import load_model, weights_file, weights_of
from unretouch.pixels.pairs import Pair
from unretouch.runs.folder import RunDir
from unretouch.runs.history import run_lock, write_event
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings, save_settings

torch.set_num_threads(1)

SMALL_UNET: dict[str, Any] = {"netG": "unet_128", "ngf": 4}


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run folder with empty weights files of several names."""
    run = RunDir(tmp_path / "checkpoints", "people/first")
    run.root.mkdir(parents=True)
    for name in ("latest", "5", "iter_300"):
        run.weights(name).touch()
    run.weights("latest", suffix="_A").touch()
    return run


def write(folder: Path, **settings: Any) -> Path:
    """Write random weights of such a generator, without their settings."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    net = networks.build_generator(TrainSettings(dataroot="-", **settings))
    save_weights(folder / "w.pth", net.state_dict())
    return folder / "w.pth"


def test_weights_of_a_run_are_found_by_epoch_iteration_and_suffix(run: RunDir) -> None:
    assert weights_of(run).name == "latest_net_G.pth"
    assert weights_of(run, "5").name == "5_net_G.pth"
    assert weights_of(run, "iter_300").name == "iter_300_net_G.pth"
    assert weights_of(run, suffix="_A").name == "latest_net_G_A.pth"
    with pytest.raises(CheckpointError, match="no best weights yet"):
        weights_of(run, "best")
    run.best.write_text(json.dumps({"epoch": 5}))
    assert weights_of(run, "best").name == "5_net_G.pth"


def test_a_run_is_meant_by_its_name_or_by_its_folder(run: RunDir, tmp_path: Path) -> None:
    runs = str(tmp_path / "checkpoints")
    assert weights_file("people/first", None, checkpoints_dir=runs) == run.weights("latest")
    assert weights_file(str(run.root), None) == run.weights("latest")
    assert weights_file("people/first/", None, checkpoints_dir=runs) == run.weights("latest")


@pytest.mark.parametrize("word", ["people/frist", "{runs}/people/frist", "/nowhere/else", ".", ""])
def test_a_run_that_is_not_there_is_told_so_however_it_was_written(
    word: str, run: RunDir, tmp_path: Path
) -> None:
    runs = str(tmp_path / "checkpoints")
    near = "Did you mean 'people/first'" if "frist" in word else "There are: people/first"
    with pytest.raises(CheckpointError, match=f"no such run. {near}"):
        weights_file(word.format(runs=runs), None, checkpoints_dir=runs)


def test_a_folder_of_runs_names_those(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"folder of runs\. Take one of them: people/first"):
        weights_file("people", None, checkpoints_dir=str(tmp_path / "checkpoints"))


def test_of_a_run_that_has_no_weights_yet_it_is_said_whether_it_trains(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "young")
    run.prepare()
    write_event(run, "start", step=0, pid=os.getpid())
    with pytest.raises(CheckpointError, match="Train the run first"):
        weights_of(run)
    with run_lock(run), pytest.raises(CheckpointError, match="come with the first save"):
        weights_of(run)


def test_what_is_missing_is_said_with_what_there_is(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"There are: 5_net_G\.pth, iter_300_net_G\.pth"):
        weights_of(run, "6")
    with pytest.raises(CheckpointError, match="unretouch export people/first"):
        weights_of(run, exported=True)
    with pytest.raises(CheckpointError, match="no such weights file"):
        weights_file(None, tmp_path / "gone.pth")
    with pytest.raises(CheckpointError, match="is no ONNX file"):
        weights_file(None, run.weights("latest"), exported=True)


def test_settings_beside_the_weights_count_and_those_that_are_given_win(tmp_path: Path) -> None:
    path = write(tmp_path, **SMALL_UNET)
    told = TrainSettings(dataroot="people", load_size=40, crop_size=40, **SMALL_UNET)
    save_settings(tmp_path / "config.json", told, {})
    assert load_model(path).settings == told
    model = load_model(path, flags={"crop_size": 64, "norm": None})
    assert (model.settings.load_size, model.settings.crop_size) == (64, 64)
    assert model.settings.dataroot == "people"


def test_where_nothing_tells_the_size_it_is_that_of_the_picture_or_of_the_classic_program(
    tmp_path: Path,
) -> None:
    classic = write(tmp_path / "classic", **SMALL_UNET)
    ours = write(tmp_path / "ours", netG="detail", size="s")
    assert load_model(classic).settings.preprocess == "none"
    as_in_test = load_model(classic, flags={}).settings
    assert (as_in_test.preprocess, as_in_test.load_size) == ("resize_and_crop", 256)
    told = load_model(ours, flags={}).settings
    assert (told.netG, told.size, told.preprocess) == ("detail", "s", "none")


@pytest.mark.parametrize("kind", [SMALL_UNET, {"netG": "detail", "size": "s"}])
def test_a_grey_model_sees_grey_pairs_and_makes_grey(tmp_path: Path, kind: dict[str, Any]) -> None:
    model = load_model(write(tmp_path, **kind, input_nc=1, output_nc=1))
    assert (model.settings.input_nc, model.settings.output_nc) == (1, 1)
    sides = np.random.default_rng(0).integers(0, 255, (2, 40, 50, 3)).astype(np.uint8)
    pair = model.at_scale(Pair("a", sides[0], sides[1], ()))
    for picture in (pair.source, pair.target, model.predict(pair.source)):
        assert picture.shape == (40, 50, 3)
        assert (picture == picture[..., :1]).all()
