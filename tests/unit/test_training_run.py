"""A run from its settings: what is refused comes first, and grey networks learn grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fault_harness as harness
import pytest
import short_runs
from rich.console import Console

from unretouch.base.errors import ExitCode, UsageError
from unretouch.cli import dispatch
from unretouch.pixels import images
from unretouch.runs import checkpoint
from unretouch.runs.folder import RunDir
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings
from unretouch.tasks.test import run_test
from unretouch.tasks.train import Continuation, train_run
from unretouch.training.trainer import STEPS_THIS_TIME

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"lambda_GAN": 1.0}, "--lambda_GAN"),
        ({"netG": "unet_128"}, "--netG"),
        ({"input_nc": 1}, "--input_nc"),
    ],
)
def test_what_the_fast_recipe_cannot_do_is_refused_with_the_earlier_run_in_its_place(
    changed: dict[str, Any], flag: str, tmp_path: Path
) -> None:
    earlier = tmp_path / "runs" / "face" / "latest_net_G.pth"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"weights")
    fast: dict[str, Any] = {
        "recipe": "fast", "netG": "detail", "lambda_GAN": 0.0, "preprocess": "none"
    }  # fmt: skip
    settings = TrainSettings(
        dataroot=str(harness.make_pairs(tmp_path / "data")),
        checkpoints_dir=str(tmp_path / "runs"),
        name="face",
        **{**fast, **changed},
    )
    with pytest.raises(UsageError, match=flag):
        train_run(settings, Continuation(), Console(quiet=True))
    assert [path for path in (tmp_path / "runs").rglob("*") if path.is_file()] == [earlier]


@pytest.mark.parametrize(("seen", "made"), [(1, 3), (3, 1), (1, 1)])
def test_a_network_of_one_channel_sees_or_makes_grey(
    seen: Any, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STEPS_THIS_TIME, "1")
    settings = TrainSettings(
        dataroot=str(harness.make_pairs(tmp_path / "data")),
        checkpoints_dir=str(tmp_path / "runs"),
        name="grey",
        netG="resnet_6blocks",
        ngf=2,
        ndf=2,
        load_size=32,
        crop_size=32,
        input_nc=seen,
        output_nc=made,
    )
    quiet = Console(quiet=True)
    assert train_run(settings, Continuation(), quiet, report=False) == ExitCode.OK
    tested = run_test(
        TestSettings(
            dataroot=settings.dataroot,
            name="grey",
            checkpoints_dir=settings.checkpoints_dir,
            results_dir=str(tmp_path / "results"),
            model="pix2pix",
        ),
        quiet,
    )
    for label, channels in (("real_A", seen), ("fake_B", made), ("real_B", made)):
        for picture in tested.page.parent.glob(f"images/*_{label}.png"):
            rgb = images.read_rgb(picture)
            assert (rgb == rgb[..., :1]).all() == (channels == 1)


def test_at_its_end_a_run_judges_its_last_weights(tmp_path: Path) -> None:
    """They are looked at every so many steps, and a short run is mostly what comes after."""
    short_runs.write_pairs(tmp_path / "pairs")
    fast = {"netG": "detail", "size": "s", "recipe": "fast", "aim": "restore", "lambda_GAN": 0}
    short_runs.train(tmp_path, "r", **{**fast, "n_epochs": 6, "n_epochs_decay": 0})
    newest = checkpoint.load_newest(RunDir(tmp_path / "checkpoints", "r"))
    assert newest is not None
    assert newest.checkpoint.step == 12
    assert newest.checkpoint.state["fit"]["stages"][-1]["choice"]["judged"] == 12


def test_a_run_that_goes_on_says_its_last_save_and_guesses_no_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after “Train longer”, before anything was timed."""
    short_runs.write_pairs(tmp_path / "pairs")
    words = ["train", "--dataroot", str(tmp_path / "pairs"), "--name", "r", "--size", "s"]
    words += ["--checkpoints_dir", str(tmp_path / "checkpoints"), "--minutes"]
    monkeypatch.setenv(STEPS_THIS_TIME, "2")
    assert dispatch([*words, "0.05"]) == 0
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "unretouch.report.run_display.write_status", lambda _web, status: told.append(vars(status))
    )
    monkeypatch.setenv(STEPS_THIS_TIME, "20")
    assert dispatch([*words, "0.1", "--continue_train"]) == 0
    first, last = told[0], told[-1]
    assert (first["step"], first["total_steps"], first["last_save"].step) == (2, None, 2)
    assert last["total_steps"] > last["step"] == last["last_save"].step == 22
