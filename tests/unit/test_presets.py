"""--preset and --like: where settings come from, and that a flag that is given wins."""

from __future__ import annotations

import dataclasses
import tomllib
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest
from short_runs import train, write_pairs

from unretouch.base.errors import CheckpointError, UsageError
from unretouch.settings.train import GUIDE, PresetName, TrainOptions, TrainSettings, load_settings
from unretouch.tasks.classic_commands import asked
from unretouch.tasks.classic_commands import read_train as read

METHODS = {
    "balanced": (800, 300.0, 0.0001),
    "strong": (1000, 500.0, 0.0001),
    "extreme": (2000, 1000.0, 0.00005),
}


@pytest.mark.parametrize("name", GUIDE)
def test_a_method_of_the_guide_has_its_values(name: str) -> None:
    options, notes = read(["--preset", name, "--dataroot", "d"])
    epochs, weight, rate = METHODS[name]
    assert notes == []
    assert (options.n_epochs, options.n_epochs_decay) == (epochs, epochs)
    assert (options.lambda_L1, options.lr) == (weight, rate)
    assert (options.load_size, options.crop_size, options.batch_size) == (512, 512, 1)
    assert (options.netG, options.norm, options.recipe) == ("unet_256", "batch", "classic")
    assert options.continue_train


def test_fast_is_what_the_own_command_does_anyway() -> None:
    options, _ = read(["--preset", "fast", "--dataroot", "d"])
    assert options.settings() == asked(["--dataroot", "d"])


def test_a_flag_that_is_given_wins() -> None:
    words = ["--dataroot", "d", "--lr", "0.01", "--preset", "strong", "--n_epochs", "7"]
    options, _ = read(words)
    assert (options.lr, options.n_epochs, options.n_epochs_decay) == (0.01, 7, 1000)
    assert read(["--dataroot", "d", "--preset", "fast", "--n_epochs", "7"])[0].minutes is None
    assert read(["--dataroot", "d", "--preset", "strong", "--minutes", "7"])[0].minutes == 7


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"fast, balanced, strong, extreme.* 'strong'"):
        read(["--dataroot", "d", "--preset", "strog"])


def test_the_file_holds_the_presets_there_are_and_nothing_unknown() -> None:
    text = resources.files("unretouch.settings").joinpath("presets.toml").read_text("utf-8")
    table = tomllib.loads(text)
    assert set(table) == set(get_args(PresetName))
    known = {field.name for field in dataclasses.fields(TrainOptions)}
    assert all(known.issuperset(values) for values in table.values())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("like")
    write_pairs(root / "pairs")
    train(root, "first", lambda_L1=123.5, lr=5e-05, seed=7)
    return root


def like(root: Path, *words: str, run: str = "first") -> tuple[TrainOptions, list[str]]:
    return read(["--like", run, "--checkpoints_dir", str(root / "checkpoints"), *words])


def test_like_takes_all_settings_and_a_new_name(trained: Path) -> None:
    options, notes = like(trained)
    before = load_settings(trained / "checkpoints/first/config.json")
    for field in dataclasses.fields(TrainSettings):
        if field.name != "name":
            assert getattr(options, field.name) == getattr(before, field.name), field.name
    assert options.name == "first_2"
    assert not options.continue_train
    assert "under the name first_2" in notes[-1]


def test_like_takes_a_folder_and_gives_way_to_flags(trained: Path) -> None:
    folder = str(trained / "checkpoints/first")
    options, _ = read(["--like", folder, "--name", "second", "--lambda_L1", "9"])
    assert (options.name, options.lambda_L1, options.seed) == ("second", 9, 7)
    assert options.checkpoints_dir == "./checkpoints"


@pytest.mark.usefixtures("narrow")
def test_like_chooses_anew_what_nobody_gave_and_keeps_what_was_given(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs")
    fast = {"netG": "detail", "recipe": "fast", "lambda_GAN": 0, "minutes": 0.001}
    train(tmp_path, "first", size="auto", head="auto", seed=7, **fast)
    before = load_settings(tmp_path / "checkpoints/first/config.json")
    assert (before.size, before.head) == ("deep", "change")
    options, _ = like(tmp_path, "--aim", "texture")
    assert (options.size, options.head, options.seed) == ("auto", "auto", 7)
    options, _ = like(tmp_path, "--aim", "texture", "--size", "s")
    assert (options.size, options.head) == ("s", "auto")
    assert options.precision == before.precision


def test_like_never_goes_on_with_the_run_itself(trained: Path) -> None:
    with pytest.raises(UsageError, match="is the run itself"):
        like(trained, "--name", "first", "--continue_train")


def test_like_and_preset_are_not_mixed(trained: Path) -> None:
    with pytest.raises(UsageError, match="--preset, --like"):
        like(trained, "--preset", "strong")


def test_a_run_that_is_not_there_names_the_nearest(trained: Path) -> None:
    with pytest.raises(CheckpointError, match="Did you mean 'first'"):
        like(trained, run="frist")
