"""`unretouch verify`: what it takes, what it writes, and what scripts learn from its exit code."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from scipy import ndimage
from skimage import data

from unretouch import cli, networks
from unretouch.base.errors import DataError, ExitCode, UsageError, VerificationError
from unretouch.cli import dispatch
from unretouch.jobs import pool
from unretouch.pixels.images import write_png
from unretouch.pixels.pairs import NO_PAIRS, load_pairs, load_untouched
from unretouch.report.short_verdicts import trained_on
from unretouch.report.verdicts import SCALES, Verdict, least_words, require
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import save_weights
from unretouch.settings.fields import fields_of
from unretouch.settings.parser import parse
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings, save_settings
from unretouch.settings.verify import Thresholds, VerifySettings
from unretouch.tasks.test import run_test
from unretouch.tasks.verify.crossvalidation import leave_one_out
from unretouch.training.session import Session
from unretouch.training.stopping import StoppedNow

SIZE = 64
NAMES = ("anna", "박")


def target(number: int) -> np.ndarray:
    return data.astronaut()[60 + 30 * number :, 150:][:SIZE, :SIZE]


def source(number: int) -> np.ndarray:
    return ndimage.gaussian_filter(target(number), (1.5, 1.5, 0))


def write_pairs(folder: Path, names: tuple[str, ...] = NAMES, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, first):
        write_png(folder / f"{name}.png", np.hstack([source(number), target(number)]))
    return folder


def settings(tmp_path: Path, **changes: Any) -> TrainSettings:
    values: dict[str, Any] = {
        "dataroot": str(tmp_path / "data"), "name": "idle", "preprocess": "none", "size": "s",
        "checkpoints_dir": str(tmp_path / "checkpoints"), "netG": "detail", "recipe": "fast",
        "lambda_L1": 300.0, "lambda_GAN": 0.0, "minutes": 0.01, "device": "cpu", "no_flip": True,
        "no_dropout": True,
    }  # fmt: skip
    return TrainSettings(**{**values, **changes})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run that was never trained, on two pairs; the working folder is the test's own."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "data" / "train")
    made = RunDir(tmp_path / "checkpoints", "idle")
    made.root.mkdir(parents=True)
    save_settings(made.config, settings(tmp_path), {})
    torch.manual_seed(0)
    net = networks.build_generator(settings(tmp_path))
    save_weights(made.weights("latest"), net.state_dict())
    return made


def written(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text("utf-8"))


def test_a_run_gets_its_report_and_page(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["verify", "idle"]) == 0
    made = written(run.root / "verify")
    assert [pair["name"] for pair in made["training"]["pairs"]] == ["anna", "박"]
    assert made["subject"]["lambda_L1"] == 300
    assert len(made["probe"]) == 18
    page = (run.root / "verify" / "index.html").read_text("utf-8")
    for kind in ("real_A", "fake_B", "real_B", "error"):
        assert (run.root / "verify" / "images" / f"training_박_{kind}.png").exists()
        assert f"training_anna_{kind}.png" in page
    told = capsys.readouterr().out
    assert told.index("verify/index.html") < told.index("Did it memorise?")
    assert "doing nothing  exact" not in told
    assert "No pair was held out, so this is not known" in told
    assert "--heldout" in told
    assert "verify/index.html" in told.replace("\\", "/")


def test_the_figures_of_every_pair_are_printed_for_who_asks(
    run: RunDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert dispatch(["verify", "idle", "--no_probe", "--details"]) == 0
    told = capsys.readouterr().out
    assert told.index("recovered") < told.index("Did it memorise?  ")
    assert "idle  " not in told


def test_pictures_of_an_earlier_report_are_removed_and_nothing_else(run: RunDir) -> None:
    dispatch(["verify", "idle", "--no_probe"])
    pictures = run.root / "verify" / "images"
    (pictures / "mine.png").touch()
    (Path("data") / "train" / "박.png").unlink()
    dispatch(["verify", "idle", "--no_probe"])
    assert {path.name.split("_")[1] for path in pictures.glob("training_*")} == {"anna"}
    assert (pictures / "mine.png").exists()
    assert written(run.root / "verify")["probe"] == []


def test_held_out_pairs_and_photos(run: RunDir) -> None:
    write_pairs(Path("strangers"), ("clara",), first=3)
    write_png(Path("me.png"), np.tile(target(5), (2, 2, 1)))
    dispatch(["verify", "idle", "--no_probe", "--heldout", "strangers", "--self_test", "me.png"])
    made = written(run.root / "verify")
    assert [pair["name"] for pair in made["heldout"]["pairs"]] == ["clara"]
    assert [pair["name"] for pair in made["self_test"]["pairs"]] == ["me"]
    assert set(made["verdicts"]) == {
        *("memorised", "texture", "unseen", "unseen_texture", "self_test"),
    }


def test_training_pairs_are_no_held_out_pairs(run: RunDir) -> None:
    with pytest.raises(UsageError, match="trained on"):
        dispatch(["verify", "idle", "--heldout", "data/train"])


@pytest.mark.parametrize("noted", ["pixels", "files"])
def test_pictures_of_also_are_no_held_out_pictures(
    run: RunDir, capsys: pytest.CaptureFixture[str], noted: str
) -> None:
    """By what they show, whatever their files; by their files alone where no pixels were noted."""
    Path("also").mkdir()
    write_png(Path("also/anyone.png"), target(3))
    manifest = load_untouched(Path("also")).manifest
    if noted == "files":
        for record in manifest:
            del record["pixels"]
    run.untouched_manifest.write_text(json.dumps(manifest))
    shutil.copy("also/anyone.png", "photo.png")
    for folder, side in (("A", source(3)), ("B", target(3))):
        Path("strangers", folder).mkdir(parents=True)
        write_png(Path("strangers", folder, "clara.png"), side)
    if noted == "pixels":
        Image.fromarray(target(3)).save("strangers/B/clara.png", compress_level=1)
    with pytest.raises(UsageError, match=r"trained on: .*B/clara\.png"):
        dispatch(["verify", "idle", "--no_probe", "--heldout", "strangers"])
    write_pairs(Path("others"), ("dora",), first=4)
    words = ["verify", "idle", "--no_probe", "--heldout", "others", "--self_test", "photo.png"]
    assert dispatch(words) == 0
    told = "note: it was trained on these photos (--also): photo"
    assert (told in capsys.readouterr().out) == (noted == "pixels")


def test_a_classic_weights_file_without_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "data" / "train")
    (tmp_path / "old").mkdir()
    classic = settings(tmp_path, netG="resnet_6blocks", ngf=4, recipe="classic", norm="instance")
    save_weights(
        tmp_path / "old" / "latest_net_G.pth", networks.build_generator(classic).state_dict()
    )
    words = ["verify", "--weights", "old/latest_net_G.pth", "--dataroot", "data", "--no_probe"]
    dispatch([*words, "--preprocess", "none", "--netG", "resnet_6blocks"])
    made = written(tmp_path / "verify")
    assert made["subject"]["netG"] == "resnet_6blocks"
    assert made["subject"]["lambda_L1"] == 500
    with pytest.raises(UsageError, match="--dataroot"):
        dispatch(words[:3])


def test_finished_pictures_of_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs")
    (tmp_path / "made").mkdir()
    for number, name in enumerate(NAMES):
        write_png(tmp_path / "made" / f"{name}.png", target(number))
    assert dispatch(["verify", "--images", "made", "--pairs", "pairs"]) == 0
    made = written(tmp_path / "verify")
    assert made["verdicts"]["memorised"]["word"] == "perfect"
    assert made["verdicts"]["texture"]["word"] == "back"
    assert made["training"]["mean"]["prediction"]["frame"]["exact_pixels"] == 1
    words = ["verify", "--images", "made", "--pairs", "pairs", "--fail_below"]
    assert dispatch([*words, "memorised", "back"]) == 0
    with pytest.raises(VerificationError, match="unseen is 'unknown', below 'holds'"):
        dispatch([*words, "memorised", "holds"])


def test_failing_comes_after_the_report(run: RunDir) -> None:
    with pytest.raises(VerificationError) as failed:
        dispatch(["verify", "idle", "--no_probe", "--fail_below", "nearly"])
    assert failed.value.exit_code == 7
    assert (run.root / "verify" / "index.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to verify"),
        (["a", "b"], "one run at a time"),
        (["a", "--weights", "x.pth"], "not several"),
        (["--images", "x"], "Give both folders"),
        (["--images", "x", "--pairs", "y", "--cross"], "--cross: needs a model"),
        (["a", "--cross", "--heldout", "x"], "Give one of them"),
        (["a", "--cross_minutes", "0"], "--cross_minutes"),
        (["a", "--unseen_gap", "nan"], "--unseen_gap"),
        (["a", "--fail_below", "splendid"], "is no verdict"),
        (["a", "--fail_below", "harmful"], "is no verdict"),
        (["a", "--fail_below", "nearly", "memorised"], "contradict"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        dispatch(["verify", *words])


# --- thresholds


def test_every_threshold_is_a_flag_with_the_same_default() -> None:
    assert parse(VerifySettings, ["a"], "verify").thresholds == Thresholds()
    for question in dataclasses.fields(Thresholds):
        limits = getattr(Thresholds(), question.name)
        for limit in dataclasses.fields(limits):
            name = f"{question.name}_{limit.name}"
            assert fields_of(VerifySettings)[name].default == limit.default
            changed = parse(VerifySettings, ["a", f"--{name}", "0.125"], "verify").thresholds
            assert getattr(getattr(changed, question.name), limit.name) == 0.125


# --- --fail_below


def verdict(question: Any, word: str) -> Verdict:
    return Verdict(question, word, (), "anna", {})


@pytest.mark.parametrize("question", SCALES)
def test_each_word_is_met_by_itself_and_by_all_above(question: str) -> None:
    words = SCALES[question]
    for least, asked in enumerate(words[1:], 1):
        for place, found in enumerate(words):
            verdicts = {question: verdict(question, found)}
            limits = least_words([asked.replace(" ", "_")])
            if place >= least:
                require(verdicts, limits)
                continue
            with pytest.raises(VerificationError, match=rf"{question} is '{found}' \(anna\)"):
                require(verdicts, limits)


def test_words_belong_to_one_question() -> None:
    every = [word for words in SCALES.values() for word in words[1:]]
    assert len(set(every)) == len(every)


# --- leave-one-out


def test_leave_one_out_shows_each_pair_to_a_run_that_never_saw_it(
    run: RunDir, tmp_path: Path
) -> None:
    dispatch(["verify", "idle", "--no_probe", "--cross", "--cross_minutes", "0.02"])
    made = written(run.root / "verify")
    assert [pair["name"] for pair in made["heldout"]["pairs"]] == ["anna", "박"]
    assert made["cross"] == {
        "runs": 2, "minutes_each": 0.01, "own_share": made["cross"]["own_share"]
    }  # fmt: skip
    assert sorted(path.name for path in run.root.parent.iterdir()) == ["idle"]
    with pytest.raises(DataError, match="at least two"):
        list(leave_one_out(settings(tmp_path), NO_PAIRS, 0.01, lambda *_: None))


def test_what_the_pair_left_out_shows_is_left_out_of_also(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The untouched side of a pair lies in that folder, and the file of a pair, too."""
    write_pairs(tmp_path / "also", ("anna_again",))
    for number in range(3):
        write_png(tmp_path / "also" / f"face_{number}.png", target(number))
    given = settings(tmp_path, aim="restore", also=str(tmp_path / "also"))
    loaded = load_pairs(given.dataroot, "train")
    seen: list[list[str]] = []

    def opened(*rest: Any) -> Session:
        seen.append([pair.name for pair in rest[-1].pairs])
        raise StoppedNow(ExitCode.INTERRUPTED)

    monkeypatch.setattr("unretouch.tasks.train.open_run", opened)
    with pytest.raises(StoppedNow):
        next(leave_one_out(given, loaded, 0.01, lambda *_: None))
    assert seen == [["face_2"]]


# --- in short, at the end of a training and of a test


def brief(run: RunDir, dataroot: str, phase: str) -> str:
    console = Console(file=io.StringIO(), width=200)
    request = TestSettings(dataroot=dataroot, name="idle", model="pix2pix", phase=phase)
    run_test(request, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_test_on_training_data_ends_with_the_verdicts(run: RunDir) -> None:
    told = brief(run, "data", "train")
    assert "off by" in told
    assert "texture of" in told
    assert "unretouch verify idle" in told


def test_large_pairs_end_with_the_verdicts_on_their_most_retouched_part(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unretouch.report.short_verdicts.MOST_PIXELS", 2 * SIZE**2 - 1)
    monkeypatch.setattr("unretouch.report.short_verdicts.SMALLEST_PART", 40)
    monkeypatch.setattr("unretouch.report.short_verdicts.PART_PIXELS", 1)
    told = brief(run, "data", "train")
    assert "off by" in told
    assert "texture of" in told
    assert "the 40 px of each pair where it was retouched most" in told


def test_a_test_on_other_pairs_ends_with_what_holds(run: RunDir) -> None:
    write_pairs(Path("data") / "other", ("clara",), first=3)
    assert "unseen portraits" in brief(run, "data", "other")


def test_pairs_are_known_by_their_content(run: RunDir) -> None:
    records = [{"sha256": "aa"}, {"sha256": "bb"}]
    assert trained_on(run, records, "train")
    assert not trained_on(run, records, "test")
    run.data_manifest.write_text(json.dumps(records))
    assert trained_on(run, records[:1], "test")
    assert not trained_on(run, [{"sha256": "cc"}], "train")


def test_pairs_shared_among_processes_come_to_the_same_report(run: RunDir, tmp_path: Path) -> None:
    write_pairs(tmp_path / "strangers", ("b", "a"), first=2)
    write_png(tmp_path / "photo.png", target(4))
    more = ["--heldout", "strangers", "--self_test", "photo.png"]
    for jobs in ("1", "2"):
        assert dispatch(["verify", "idle", *more, "--jobs", jobs, "--out", jobs]) == 0
    assert written(tmp_path / "1") == written(tmp_path / "2")
    pictures = sorted(path.name for path in (tmp_path / "1" / "images").iterdir())
    assert pictures == sorted(path.name for path in (tmp_path / "2" / "images").iterdir())
    for name in pictures:
        assert (tmp_path / "1/images" / name).read_bytes() == (
            tmp_path / "2/images" / name
        ).read_bytes()


@pytest.mark.usefixtures("stages")
def test_the_deep_distance_is_measured_of_every_pair_by_any_process(run: RunDir) -> None:
    write_pairs(Path("strangers"), ("clara",), first=3)
    words = ["verify", "idle", "--no_probe", "--heldout", "strangers", "--deep"]
    for jobs in ("1", "2"):
        assert dispatch([*words, "--jobs", jobs, "--out", jobs]) == 0
    assert written(Path("1")) == written(Path("2"))
    for group in ("training", "heldout"):
        for pair in written(Path("1"))[group]["pairs"]:
            assert pair["grain"]["area"]["efficientnet_lite0_distance"] > 0


def test_a_killed_worker_is_one_line(
    run: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(start: Any, jobs: Any, at_once: int) -> Any:
        """A pool whose worker dies with the first pair."""
        yield from ()
        raise pool.WorkerLostError(jobs[0])

    monkeypatch.setattr(pool, "calls", broken)
    assert cli.run(dispatch, ["verify", "idle", "--jobs", "2"]) == 3
    assert "anna: a worker process was killed" in capsys.readouterr().err


def test_many_processes_need_a_model(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["verify", "--images", "x", "--pairs", "data/train"]
    assert cli.run(dispatch, [*words, "--jobs", "2"]) == 2
    assert cli.run(dispatch, [*words, "--engine", "ray"]) == 2
    assert "--jobs: needs a model" in capsys.readouterr().err
    assert cli.run(dispatch, ["verify", "idle", "--jobs", "0"]) == 2


def test_a_grey_model_gets_the_figures_of_a_test(tmp_path: Path, run: RunDir) -> None:
    """A model of one channel is measured against grey pictures, as it was trained."""
    grey = settings(tmp_path, input_nc=1, output_nc=1)
    save_settings(run.config, grey, {})
    save_weights(run.weights("latest"), networks.build_generator(grey).state_dict())
    tested = run_test(
        TestSettings(dataroot="data", name="idle", model="pix2pix", phase="train"),
        Console(file=io.StringIO()),
    )
    dispatch(["verify", "idle", "--no_probe"])
    for error, pair in zip(
        tested.errors, written(run.root / "verify")["training"]["pairs"], strict=True
    ):
        frame = pair["prediction"]["frame"]
        assert frame["level_error"] == pytest.approx(error.level_error)
        assert frame["exact_pixels"] == pytest.approx(error.exact_pixels)
        assert pair["identity"]["frame"]["level_error"] == pytest.approx(error.identity_error)


def test_pairs_that_do_not_fit_memory_come_to_the_same_report(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dispatch(["verify", "idle", "--out", "held"]) == 0
    monkeypatch.setattr("unretouch.tasks.verify.command.cache_bytes", lambda settings: 0)
    assert dispatch(["verify", "idle", "--out", "lazy"]) == 0
    assert written(tmp_path / "held") == written(tmp_path / "lazy")
