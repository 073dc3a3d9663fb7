"""What the classic command lines ask of training and testing, without doing it."""

from __future__ import annotations

import dataclasses
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from unretouch.base.errors import UsageError
from unretouch.cli import dispatch, run
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings
from unretouch.tasks import classic_commands

GUIDE_TRAIN = shlex.split(
    "--dataroot ./portrait_retouch --name portrait_retouch_reverse --model pix2pix "
    "--direction AtoB --batch_size 1 --load_size 512 --crop_size 512 --n_epochs 1000 "
    "--n_epochs_decay 1000 --lambda_L1 500.0 --lr 0.0001 --continue_train"
)
GUIDE_TEST = shlex.split(
    "--dataroot ./portrait_retouch --name portrait_retouch_reverse --model pix2pix "
    "--direction AtoB --epoch latest --netG unet_256 --norm batch"
)
GUIDE_SINGLE = shlex.split(
    "--dataroot ./test_images/test --name portrait_retouch_reverse --model test --direction AtoB "
    "--dataset_mode single --epoch latest --netG unet_256 --norm batch"
)
TRAIN_CALLS = (classic_commands.classic_train, lambda argv: dispatch(["train", *argv]))
TEST_CALLS = (classic_commands.classic_test, lambda argv: dispatch(["test", *argv]))


class Continuation(types.SimpleNamespace):
    """Stands for training_run.Continuation, which imports torch."""


class Asked:
    """Collects the calls of the tasks, which are replaced here."""

    settings: TrainSettings
    continuation: Continuation
    text: str | None
    request: TestSettings

    def train_run(
        self, settings: Any, continuation: Any, console: Any, text: Any, report: bool
    ) -> int:
        assert report, "the command ends with the table of its pairs"
        self.settings, self.continuation, self.text = settings, continuation, text
        return 130

    def run_test(self, request: Any, console: Any) -> None:
        self.request = request


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    calls = Asked()
    training: Any = types.ModuleType("unretouch.tasks.train")
    training.train_run, training.Continuation = calls.train_run, Continuation
    testing: Any = types.ModuleType("unretouch.tasks.test")
    testing.run_test = calls.run_test
    monkeypatch.setitem(sys.modules, "unretouch.tasks.train", training)
    monkeypatch.setitem(sys.modules, "unretouch.tasks.test", testing)
    monkeypatch.chdir(tmp_path)
    return calls


def refusal(read: Any, *words: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(["--dataroot", "d", *words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def notes(read: Any, *words: str) -> list[str]:
    lines: list[str] = read(["--dataroot", "d", *words])[1]
    return lines


@pytest.mark.parametrize("call", TRAIN_CALLS)
def test_the_guide_s_training_command(asked: Asked, call: Any) -> None:
    assert call(GUIDE_TRAIN) == 130
    assert asked.settings == TrainSettings(
        dataroot="./portrait_retouch", name="portrait_retouch_reverse", load_size=512,
        crop_size=512, n_epochs=1000, n_epochs_decay=1000, lambda_L1=500.0, lr=0.0001,
    )  # fmt: skip
    assert vars(asked.continuation) == {
        "continue_train": True, "load_epoch": "latest", "epoch_count": None,
        "allow_changed_data": False,
    }  # fmt: skip
    assert asked.text is not None
    assert "n_epochs: 1000" in asked.text


@pytest.mark.parametrize("call", TEST_CALLS)
def test_the_guide_s_two_tests(asked: Asked, call: Any, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "portrait_retouch_reverse").mkdir(parents=True)
    assert call(GUIDE_TEST) == 0
    expected = TestSettings(
        dataroot="./portrait_retouch",
        model="pix2pix",
        name="portrait_retouch_reverse",
        direction="AtoB",
        netG="unet_256",
        norm="batch",
    )
    assert asked.request == expected
    assert call(GUIDE_SINGLE) == 0
    single = dataclasses.replace(
        expected, dataroot="./test_images/test", model="test", dataset_mode="single"
    )
    assert asked.request == single


def test_a_test_keeps_its_options_and_leaves_those_of_the_training(
    asked: Asked, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoints" / "r"
    folder.mkdir(parents=True)
    (folder / "train_opt.txt").write_text("of the training", "utf-8")
    classic_commands.classic_test(["--dataroot", "d", "--name", "r", "--phase", "train"])
    assert (folder / "train_opt.txt").read_text("utf-8") == "of the training"
    assert "phase: train" in (folder / "test_opt.txt").read_text("utf-8")


def test_a_run_that_cannot_be_written_to_is_still_tested(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classic_commands.classic_test(["--dataroot", "d", "--name", "not_there"]) == 0
    assert "test_opt.txt: cannot be written" in capsys.readouterr().err


def test_the_modern_command_has_its_own_defaults(asked: Asked) -> None:
    dispatch(["train", "--dataroot", "d", "--continue_train", "--minutes", "3"])
    assert asked.settings == TrainSettings(
        dataroot="d", preprocess="none", no_flip=True, netG="detail", no_dropout=True,
        recipe="fast", size="auto", head="auto", lambda_L1=500.0, lambda_GAN=0.0, minutes=3.0,
        precision="auto",
    )  # fmt: skip
    assert asked.continuation.continue_train


@pytest.mark.parametrize(
    ("words", "minutes"),
    [
        ([], 10.0),
        (["--n_epochs", "50"], None),
        (["--n_epochs_decay=50"], None),
        (["--n_epochs", "50", "--minutes", "3"], 3.0),
    ],
)
def test_epochs_count_where_they_are_asked_for(
    asked: Asked, words: list[str], minutes: float | None
) -> None:
    dispatch(["train", "--dataroot", "d", *words])
    assert asked.settings.minutes == minutes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--epoch", "5"], {"load_epoch": "5"}),
        (["--load_iter", "500"], {"load_epoch": "iter_500"}),
        (["--epoch_count", "3"], {"epoch_count": 3}),
        (["--allow_changed_data"], {"allow_changed_data": True}),
    ],
)
def test_where_a_training_begins(asked: Asked, words: list[str], expected: dict[str, Any]) -> None:
    classic_commands.classic_train(["--dataroot", "d", "--continue", *words])
    assert expected.items() <= vars(asked.continuation).items()


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ([], "mode", "evaluate"),
        (["--eval"], "mode", "running"),
        (["--noisy"], "mode", "train"),
        ([], "num_test", None),
        (["--num_test", "50"], "num_test", 50),
        (["--no_dropout"], "no_dropout", True),
        ([], "no_dropout", False),
        (["--gpu_ids", "-1"], "device", "cpu"),
        (["--norm", "syncbatch"], "norm", "batch"),
        (["--phase", "train"], "phase", "train"),
        (["--results_dir", "r", "--aspect_ratio", "1.5"], "aspect_ratio", 1.5),
        (["--load_iter", "500"], "load_iter", 500),
        (["--name", "a", "--suffix", "{load_size}", "--load_size", "512"], "name", "a_512"),
    ],
)
def test_what_a_flag_asks_of_a_test(words: list[str], field: str, value: object) -> None:
    options, _ = classic_commands.read_test(["--dataroot", "d", *words])
    assert getattr(classic_commands.named(options), field) == value


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--name", "가나다"], "가나다"),
        (["--name", "a", "--suffix", "{netG}_{load_size}"], "a_unet_256_286"),
        (["--name", "a", "--suffix", "l1_{lambda_L1}", "--lambda", "300"], "a_l1_300.0"),
    ],
)
def test_the_name_of_a_run(words: list[str], name: str) -> None:
    assert classic_commands.read_train(["--dataroot", "d", *words])[0].name == name


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--gpu_ids", "0"], "--gpu_ids 0: one device is used"),
        (["--gpu_ids", "-1"], "--gpu_ids -1: computing on the processor"),
        (["--gpu_ids", "-1", "--device", "mps"], "--gpu_ids -1: --device mps decides"),
        (["--display_id", "0", "--display_port", "1"], "--display_id, --display_port: no visdom"),
        (["--use_wandb"], "--use_wandb: nothing is sent to wandb"),
        (["--num_threads", "0"], "--num_threads: pairs are kept in memory"),
        (["--norm", "syncbatch"], "--norm syncbatch: on one device this is --norm batch"),
        (["--save_by_iter"], "--save_by_iter: states are saved under their step"),
        (["--update_html_freq", "1"], "--update_html_freq: the page is renewed"),
        (["--display_winsize", "9"], "--display_winsize: the page fits"),
        (["--verbose"], "--verbose: the networks"),
        (["--epoch", "5", "--load_iter", "3"], "--epoch, --load_iter: used only with --continue"),
    ],
)
def test_one_line_says_what_stands_in(words: list[str], line: str) -> None:
    (said,) = notes(classic_commands.read_train, *words)
    assert said.startswith(line)


def test_nothing_is_said_of_what_was_not_given() -> None:
    assert notes(classic_commands.read_train, "--lambda_L1", "300") == []
    assert notes(classic_commands.read_test, "--netG", "unet_256") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epoch_count", "201"], "--epoch_count: 201 is beyond the last epoch, 200"),
        (["--epoch_count", "0"], "--epoch_count: must be 1 or more; you gave 0"),
        (["--epoch", "x"], "--epoch: must be latest, best or the number of an epoch; you gave x"),
        (["--epoch", "0"], "--epoch: must be latest, best or the number of an epoch; you gave 0"),
        (["--load_iter", "-1"], "--load_iter: must be a number, 0 or more; you gave -1"),
        (["--suffix", "{nothing}"], "--suffix: '{nothing}' cannot be filled in"),
        (["--suffix", "{"], "--suffix: '{' cannot be filled in"),
        (["--suffix", "/../../x"], "--name: "),
        (["--num_test", "5"], "--num_test: is a flag of test"),
        (["--niter", "5"], "--niter: is called --n_epochs since 2019"),
        (["--netG", "unet"], "--netG: 'unet' is not one of unet_256, unet_128,"),
        (["--crop_size", "512"], "--crop_size: 512 is larger than --load_size 286"),
    ],
)
def test_train_refuses_what_cannot_be_in_one_line(words: list[str], said: str) -> None:
    assert said in refusal(classic_commands.read_train, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lambda_L1", "5"], "--lambda_L1: is a flag of train"),
        (["--how_many", "5"], "--how_many: is called --num_test since 2019"),
        (["--eval", "--noisy"], "--noisy: contradicts --eval"),
        (["--dataset_mode", "aligned"], "--model test reads --dataset_mode single"),
        (["--num_test", "0"], "--num_test: must be a number more than 0; you gave 0"),
        (["--aspect_ratio", "inf"], "--aspect_ratio: must be a number more than 0; you gave inf"),
        (["--max_dataset_size", "0.5"], "--max_dataset_size: must be 1 or more; you gave 0.5"),
    ],
)
def test_test_refuses_what_cannot_be_in_one_line(words: list[str], said: str) -> None:
    assert said in refusal(classic_commands.read_test, *words)


def test_a_classic_flag_of_the_modern_command_says_what_to_add() -> None:
    with pytest.raises(UsageError, match="--gpu_ids: is a classic flag: add --model pix2pix"):
        dispatch(["train", "--dataroot", "d", "--gpu_ids", "0"])


PORTRAIT = astronaut()[:200, 100:300]
PAIR = np.hstack([(PORTRAIT // 16) * 16, PORTRAIT])
SKY = np.repeat(np.linspace(90, 220, 128).astype(np.uint8), 128 * 3).reshape(128, 128, 3)
SPECKLED = SKY + np.random.default_rng(0).integers(0, 6, SKY.shape, dtype=np.uint8)


def save(folder: Path, *pictures: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number}.png")


def test_pairs_are_compared_with_their_answers_where_no_model_is_named(tmp_path: Path) -> None:
    save(tmp_path / "pairs" / "train", PAIR)
    save(tmp_path / "photos" / "test", PORTRAIT)

    def model(folder: str, *words: str) -> str:
        options, _ = classic_commands.read_test(["--dataroot", str(tmp_path / folder), *words])
        return options.model

    assert model("pairs") == model("pairs/train") == model("pairs", "--phase", "train") == "pix2pix"
    assert model("pairs", "--model", "test") == model("photos") == model("nowhere") == "test"


@pytest.mark.parametrize(
    "photo",
    [
        pytest.param(np.full((64, 128, 3), 90, np.uint8), id="one colour"),
        pytest.param(SKY, id="sky"),
        pytest.param(SPECKLED, id="sky with noise"),
        pytest.param(np.uint8([[[9, 9, 9], [200, 200, 200]]]), id="two pixels"),
        pytest.param(np.hstack([PORTRAIT] * 2), id="the same twice"),
    ],
)
def test_a_photo_with_like_halves_is_not_taken_for_a_pair(
    photo: np.ndarray, tmp_path: Path
) -> None:
    save(tmp_path / "photos" / "test", photo)
    options, _ = classic_commands.read_test(["--dataroot", str(tmp_path / "photos")])
    assert options.model == "test"


@pytest.mark.parametrize(
    ("pictures", "model"),
    [
        ([PORTRAIT, PAIR, PAIR], "pix2pix"),
        ([PAIR, PORTRAIT, PORTRAIT], "test"),
        ([PAIR, PORTRAIT], "test"),
        ([PORTRAIT[:, 1:], PAIR, PAIR, PORTRAIT, PORTRAIT], "pix2pix"),
    ],
)
def test_one_odd_file_does_not_change_what_is_measured(
    pictures: list[np.ndarray], model: str, tmp_path: Path
) -> None:
    save(tmp_path / "test", *pictures)
    (tmp_path / "test" / "0_damaged.png").write_bytes(b"no picture")
    options, _ = classic_commands.read_test(["--dataroot", str(tmp_path)])
    assert options.model == model


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pair", "one"], "two folders are needed, 1 given"),
        (["pair", "a", "b", "--simulate", "c"], "--simulate: goes without other folders"),
        (["demo", "--minutes", "0"], "--minutes: must be a number more than 0; you gave 0"),
        (["pair", "a"], "unretouch: two folders are needed, 1 given. Write: unretouch pair"),
        (["apply", "r"], "unretouch: no photograph was given. Write: unretouch apply"),
        (["demo", "--seed", "-1"], "--seed: must be a number, 0 or more; you gave -1"),
    ],
)
def test_the_other_commands_refuse_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(dispatch, words) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("call", [*TRAIN_CALLS, *TEST_CALLS])
def test_spaces_in_a_name_become_underscores_and_that_is_said(
    call: Any, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    call(["--dataroot", "d", "--name", "my first run"])
    settings = asked.settings if call in TRAIN_CALLS else asked.request
    assert settings.name == "my_first_run"
    assert "note: --name 'my first run': the run is called my_first_run" in capsys.readouterr().err
