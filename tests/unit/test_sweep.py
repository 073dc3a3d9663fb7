"""What a sweep varies, what its runs are called, and the mistakes it refuses before it trains."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import fault_harness as harness
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from unretouch.base.errors import DataError, UsageError
from unretouch.base.names import LONGEST_SEGMENT, run_name
from unretouch.cli import dispatch, run
from unretouch.runs.folder import RunDir
from unretouch.runs.history import condition_of, write_event
from unretouch.settings.fields import flags_of
from unretouch.settings.train import TrainOptions, TrainSettings, save_settings
from unretouch.tasks.sweep.grid import (
    Plan,
    combinations,
    from_file,
    from_flags,
    merged,
    plain,
    segment,
)
from unretouch.tasks.sweep.run import SweepFolder

FLAGS = flags_of(TrainOptions)

numbers = st.floats(1e-8, 1e9).map(lambda value: (repr(value),))
values = st.one_of(
    numbers, st.just(None), st.just(()), st.text(max_size=150).map(lambda text: (text,))
)
settings = st.lists(st.tuples(st.sampled_from(sorted(FLAGS)), values), min_size=1, max_size=8)


@given(settings)
@examples(suppress_health_check=[HealthCheck.too_slow])
def test_every_name_can_name_a_run(found: list[tuple[str, tuple[str, ...] | None]]) -> None:
    name = segment(found)
    assert run_name(f"exp/{name}") == f"exp/{name}"
    assert "/" not in name
    assert len(name.encode()) <= LONGEST_SEGMENT


@given(st.lists(numbers, min_size=2, max_size=6), st.lists(numbers, min_size=2, max_size=6))
def test_a_grid_has_every_combination_once(
    rates: list[tuple[str, ...]], weights: list[tuple[str, ...]]
) -> None:
    axes = {"lr": tuple(dict.fromkeys(rates)), "lambda_L1": tuple(dict.fromkeys(weights))}
    found = combinations(Plan({"dataroot": ("d",)}, axes))
    wanted = {(rate, weight) for rate in axes["lr"] for weight in axes["lambda_L1"]}
    assert {(one["lr"], one["lambda_L1"]) for one in found.values()} == wanted
    assert len(found) == len(wanted)
    assert all(one["dataroot"] == ("d",) for one in found.values())


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("1e-4", "0.0001"), ("0.00005", "0.00005"), ("5e-05", "0.00005"), ("300.0", "300"),
        ("1e3", "1000"), ("0.0", "0"), ("-1", "-1"), ("inf", "inf"), ("unet_256", "unet_256"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_do(typed: str, shown: str) -> None:
    assert plain((typed,)) == shown


def test_names_are_readable() -> None:
    plan = from_flags({"lambda_L1": ("300", "5e2"), "lr": ("1e-4", "5e-5"), "netG": ("detail",)})
    assert list(combinations(plan)) == [
        "lambda_L1_300-lr_0.0001", "lambda_L1_300-lr_0.00005",
        "lambda_L1_500-lr_0.0001", "lambda_L1_500-lr_0.00005",
    ]  # fmt: skip
    assert segment([("dataroot", ("./pairs/한 국",))]) == "dataroot_pairs_한_국"
    assert segment([("no_flip", ()), ("gpu_ids", ("-1",))]) == "no_flip_yes-gpu_ids_-1"


def written(folder: Path, text: str) -> Plan:
    path = folder / "sweep.toml"
    path.write_text(text, "utf-8")
    return from_file(path, FLAGS)


def test_a_file_holds_a_grid_and_a_list(tmp_path: Path) -> None:
    plan = written(
        tmp_path,
        """
        dataroot = "pairs"
        model = "pix2pix"
        no_flip = true
        lr = [1e-4, 5e-5]

        [[run]]
        lambda_L1 = 300

        [[run]]
        name = "soft"
        lambda_L1 = 100
        no_dropout = true
        """,
    )
    assert plan.common == {"dataroot": ("pairs",), "model": ("pix2pix",), "no_flip": ()}
    found = combinations(plan)
    assert list(found) == [
        "lambda_L1_300-lr_0.0001", "lambda_L1_300-lr_0.00005", "soft-lr_0.0001", "soft-lr_0.00005",
    ]  # fmt: skip
    assert found["soft-lr_0.0001"] == {
        **plan.common, "lambda_L1": ("100",), "no_dropout": (), "lr": ("0.0001",),
    }  # fmt: skip


def test_a_switch_may_vary_in_a_file(tmp_path: Path) -> None:
    found = combinations(written(tmp_path, "no_flip = [false, true]"))
    assert {name: one["no_flip"] for name, one in found.items()} == {
        "no_flip_no": None, "no_flip_yes": (),
    }  # fmt: skip


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "lr = [1e-4, 5e-5]\nlambda_L1 = 300\nn_epochs = 5")
    plan = merged(file, from_flags({"lr": ("0.001",), "lambda_L1": ("1", "2")}))
    assert plan.common == {"n_epochs": ("5",), "lr": ("0.001",)}
    assert plan.axes == {"lambda_L1": (("1",), ("2",))}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lamda_L1 = 3", "no setting of a training is called so. Did you mean 'lambda_L1'?"),
        ("lr = true", "is not a number or a text"),
        ("no_flip = 1", "1 is not true or false"),
        ("lr = []", "has no value"),
        ("lr = [1e-4, 0.0001]", "0.0001 is there twice"),
        ("lr = {a = 1}", "is not a number or a text"),
        ("[run]\nlr = 1", "Write [[run]] above it"),
        ("[[run]]\nname = 'a'", "changes nothing"),
        ("lr = [1, 2]\n[[run]]\nlr = 3", "is set in a [[run]], too"),
        ("[[run]]\nlr = 1\nlambda_L1 = 2\n[[run]]\nlr = 1.0\nlambda_L1 = 2", "two runs would be"),
        ("[[run]]\nname = '../x'\nlr = 1", "cannot name a run"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        combinations(merged(written(tmp_path, text), Plan()))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["lr = ", "\x00", "lr = 1\nlr = 2"])
def test_what_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="is not TOML"):
        written(tmp_path, text)


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return harness.make_pairs(tmp_path / "pairs", count=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lr", "1"], "nothing varies"),
        (["--lr", "1", "1.0"], "--lr: 1 is there twice"),
        (["--lr", "1", "x"], "'x' is not a number"),
        (["--lr", "1", "-2"], "must be a number more than 0; you gave -2"),
        (["--lr", "1", "2", "--name", "a", "b"], "is one for the whole sweep"),
        (["--lr", "1", "2", "--name", "../a"], "cannot name a run"),
        (["--lr", "1", "2", "--suffix", "x"], "is for a single run"),
        (["--epoch", "1", "2"], "is for a single run"),
        (["--lr", "1", "2", "--jobs", "0"], "must be 1 or more; you gave 0"),
        (["--lr", "1", "2", "--engine", "slurm"], "is not one of local, ray"),
        (["--lr", "1", "2", "--engine", "local", "ray"], "takes one value"),
        (["--lrr", "1", "2"], "unknown flag"),
        (["--lr", "1", "2", "--norm", "batch", "wrong"], "'wrong' is not one of"),
        (["--lr", "1", "2", "--netG", "unet_256"], "netG"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_trained(
    pairs: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(dispatch, ["sweep", "--dataroot", "pairs", *words]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert not Path("checkpoints").exists()


def test_missing_pairs_are_told_before_anything_begins(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(dispatch, ["sweep", "--dataroot", "nowhere", "--lr", "1", "2"]) == 3
    assert "nowhere" in capsys.readouterr().err
    assert not Path("checkpoints").exists()


def test_a_dry_run_lists_and_writes_nothing(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "--dataroot", "pairs", "--name", "e", "--lambda_L1", "300", "500"]
    assert run(dispatch, [*words, "--minutes", "2", "--dry_run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["e/lambda_L1_300: to train", "e/lambda_L1_500: to train"]
    assert lines[2].startswith("2 of 2 runs to train; 4 minutes one after the other; disk: at most")
    assert not Path("checkpoints").exists()
    classic = ["--preset", "balanced", "strong", "--dry_run"]
    assert run(dispatch, ["sweep", "--dataroot", "pairs", *classic]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "experiment_name/preset_balanced: to train"
    assert "time not known beforehand" in lines[2]


def test_the_guide_s_command_becomes_a_sweep_by_one_more_value(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "sweep --dataroot pairs --name portrait_retouch_reverse --model pix2pix --direction AtoB "
        "--batch_size 1 --load_size 512 --crop_size 512 --n_epochs 800 --n_epochs_decay 800 "
        "--lambda_L1 300.0 500.0 --lr 0.0001 --continue_train --dry_run"
    )
    assert run(dispatch, words.split()) == 0
    listed = capsys.readouterr().out
    assert "portrait_retouch_reverse/lambda_L1_300: to train" in listed


def test_a_run_is_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "exp").mkdir()
    save_settings(tmp_path / "exp" / "config.json", TrainSettings(dataroot="d"), {})
    with pytest.raises(DataError, match="is a run, not a sweep"):
        SweepFolder(tmp_path, "exp")


def test_who_was_given_up_is_remembered(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "exp")
    assert folder.given_up() == {}
    with folder.held():
        folder.give_up("exp/a", "30 %")
        folder.give_up("exp/b", "60 %")
    assert SweepFolder(tmp_path, "exp").given_up() == {"exp/a": "30 %", "exp/b": "60 %"}


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("finished", "finished"), ("time_up", "finished"), ("every_pixel_exact", "finished"),
        ("target_reached", "finished"), ("terminated", "stopped"), ("", "stopped"),
    ],
)  # fmt: skip
def test_an_early_end_is_an_end(tmp_path: Path, reason: str, state: str) -> None:
    """A sweep does not take up again what has reached its aim."""
    made = RunDir(tmp_path, "run")
    made.root.mkdir()
    save_settings(made.config, TrainSettings(dataroot="d"), {})
    write_event(made, "stop", step=3, reason=reason)
    assert condition_of(made).state == state


def test_the_commands_of_its_page_can_be_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    harness.make_pairs(tmp_path / "portrait_retouch", count=1)
    page = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text("utf-8")
    (file,) = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    Path("sweep.toml").write_text(file, "utf-8")
    commands = re.findall(r"^unretouch sweep .*$", page, re.M)
    assert len(commands) == 4
    for command in commands:
        assert run(dispatch, [*shlex.split(command)[1:], "--dry_run"]) == 0, command
        listed = capsys.readouterr().out
        assert "experiment_name" not in listed
    folders = re.findall(r"^checkpoints/(exp/lambda\S+)/", page, re.M)
    assert len(folders) == 2
    run(dispatch, [*shlex.split(commands[0])[1:], "--dry_run"])
    listed = capsys.readouterr().out
    assert all(f"{folder}: to train" in listed for folder in folders)
    assert "6 of 6 runs to train; 60 minutes one after the other" in listed
