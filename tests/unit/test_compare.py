"""Runs compared: real ones of a few steps, in folders as training leaves them."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from short_runs import train, write_pairs

from unretouch.base.errors import CheckpointError, DataError, ManyDataErrors
from unretouch.cli import dispatch
from unretouch.runs.folder import RunDir
from unretouch.runs.history import read_records, trained_s
from unretouch.runs.status import Preview, PreviewPair
from unretouch.serve.runs import Runs
from unretouch.settings.train import TrainSettings, load_settings
from unretouch.tasks.compare.command import show, write_comparison
from unretouch.tasks.compare.comparison import Comparison, compare
from unretouch.tasks.compare.runs import in_force, setting_text
from unretouch.tasks.progress import Stage


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs on the same pairs, one on others, at another size, the other way, and in grey."""
    root = tmp_path_factory.mktemp("trained")
    write_pairs(root / "pairs")
    write_pairs(root / "others", shift=7)
    train(root, "exp_l1_300", lambda_L1=300.0)
    train(root, "exp_l1_500", lambda_L1=500.0, lr=0.002)
    train(root, "학습/작은", lambda_L1=500.0, n_epochs=2)
    train(root, "on_others", data="others")
    train(root, "half", preprocess="scale_width", load_size=28, crop_size=24)
    train(root, "backwards", direction="BtoA")
    train(root, "grey", input_nc=1, output_nc=1)
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path) -> Path:
    """A copy to spoil; the pairs stay where the runs look for them."""
    shutil.copytree(trained / "checkpoints", tmp_path / "checkpoints")
    return tmp_path


def compared(root: Path, *names: str, told: list[str] | None = None) -> Comparison:
    lines = [] if told is None else told
    return compare(names, root / "checkpoints", root / "out", lines.append)


def printed(comparison: Comparison) -> str:
    console = Console(file=io.StringIO(), width=80)
    show(comparison, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def reasons(comparison: Comparison) -> dict[str, str]:
    return {one.name: one.reason.english() for one in comparison.left_out}


def test_a_setting_is_shown_by_the_name_that_a_person_gives() -> None:
    shown = [setting_text("aim", aim, "-") for aim in ("fit", "restore")]
    assert shown == ["memorise", "restore"]
    assert setting_text("lr", 0.0002, "-") == "0.0002"
    assert setting_text("minutes", None, "-") == "-"


def test_no_setting_is_shown_that_is_not_in_force() -> None:
    fast = TrainSettings(
        dataroot="-", netG="detail", size="s", recipe="fast", lambda_GAN=0, preprocess="none",
        minutes=10,
    )  # fmt: skip
    classic = TrainSettings(dataroot="-", n_epochs=800, lr=1e-4)
    idle = [
        {name for name, value in in_force(settings).items() if value is None}
        for settings in (fast, classic)
    ]
    assert idle[0] >= {"load_size", "crop_size", "n_epochs", "lr", "lambda_L1", "netD", "ngf"}
    assert not idle[0] & {"size", "aim", "minutes", "seed"}
    assert idle[1] == {"size", "head", "minutes"}
    assert in_force(classic)["max_dataset_size"] == "unlimited"
    assert in_force(replace(classic, max_dataset_size=3))["max_dataset_size"] == 3


def test_runs_on_the_same_pairs_are_ranked_by_what_they_do_to_them(root: Path) -> None:
    comparison = compared(root, "exp_l1_300", "exp_l1_500", "학습/작은")
    assert [one.places.overall for one in comparison.runs] == [1, 2, 3]
    errors = [one.score.mean.level_error for one in comparison.runs]
    by_error = sorted(comparison.runs, key=lambda one: one.score.mean.level_error)
    assert [one.places.error for one in by_error] == [1, 2, 3]
    assert all(0 < error < 255 for error in errors)
    assert len({one.score.mean.identity_error for one in comparison.runs}) == 1
    assert comparison.left_out == []


def test_who_waits_hears_how_far_it_is(root: Path) -> None:
    stages: list[Stage] = []
    names = ("exp_l1_300", "exp_l1_500")
    compare(names, root / "checkpoints", root / "out", lambda _line: None, stages.append)
    assert list(dict.fromkeys(str(stage.doing) for stage in stages)) == [
        "Measuring exp_l1_300 on face_0, 1 of 4", "Measuring exp_l1_300 on face_1, 2 of 4",
        "Measuring exp_l1_500 on face_0, 3 of 4", "Measuring exp_l1_500 on face_1, 4 of 4",
    ]  # fmt: skip
    left = [stage.left_s for stage in stages]
    assert left[0] is None
    assert all(seconds is not None and seconds > 0 for seconds in left[1:-1])
    assert left[-1] == 0


@pytest.mark.parametrize("name", ["exp_l1_300", "grey"])
def test_the_figures_are_those_of_a_test_in_evaluation_mode(root: Path, name: str) -> None:
    from unretouch.settings.test import TestSettings
    from unretouch.tasks.test import run_test

    settings = load_settings(root / "checkpoints" / name / "config.json")
    request = TestSettings(
        dataroot=settings.dataroot, name=name, model="pix2pix", phase="train",
        checkpoints_dir=str(root / "checkpoints"), results_dir=str(root / "results"),
    )  # fmt: skip
    tested = run_test(request, Console(file=io.StringIO()))
    score = compared(root, name).best.score
    errors = [error.level_error for error in tested.errors]
    # Such small pictures are taken for two files compressed apart: what differs by that alone is
    # none of what a run can be asked for.
    assert [pair.level_error for pair in score.pairs] == pytest.approx(errors, rel=1e-3)
    assert [pair.name for pair in score.pairs] == [e.name for e in tested.errors]


def test_a_second_call_measures_only_what_has_changed(root: Path) -> None:
    told: list[str] = []
    first = compared(root, "exp_l1_300", "exp_l1_500", told=told)
    assert told == ["measuring exp_l1_300 on its 2 pairs", "measuring exp_l1_500 on its 2 pairs"]
    write_comparison(first, root / "out")
    told.clear()
    again = compared(root, "exp_l1_500", "exp_l1_300", told=told)
    assert told == []
    assert [one.score for one in again.runs] == [one.score for one in first.runs]

    other = root / "checkpoints" / "학습" / "작은" / "latest_net_G.pth"
    shutil.copy(other, root / "checkpoints" / "exp_l1_300" / "latest_net_G.pth")
    old = {one.score.key for one in first.runs if one.record.name == "exp_l1_300"}
    write_comparison(compared(root, "exp_l1_300", told=told), root / "out")
    assert told == ["measuring exp_l1_300 on its 2 pairs"]
    kept = {path.name for path in (root / "out" / "runs").iterdir()}
    assert not kept & old  # gone, since the run has other weights now
    assert len(kept) == 2  # exp_l1_500 stays for the next time


def test_all_runs_are_compared_when_none_is_named(root: Path) -> None:
    comparison = compared(root)
    names = {one.record.name for one in comparison.runs}
    assert names == {"exp_l1_300", "exp_l1_500", "학습/작은"}
    why = reasons(comparison)
    assert why["on_others"].startswith("It was trained on other pairs (")
    assert why["half"].startswith("It was trained at 28 x 24 pixels, the runs compared here at")
    assert why["backwards"].startswith("It learns the other direction (BtoA)")
    assert why["grey"].startswith("Its number of channels is 1, that of the runs compared here 3")


def test_each_broken_run_gets_one_line_and_the_rest_goes_on(root: Path) -> None:
    runs = root / "checkpoints"
    for name in ("no_config", "bad_config", "no_weights", "bad_weights", "no_data"):
        shutil.copytree(runs / "exp_l1_300", runs / name)
    (runs / "no_config" / "config.json").unlink()
    (runs / "bad_config" / "config.json").write_text("{]")
    (runs / "no_weights" / "latest_net_G.pth").unlink()
    weights = runs / "bad_weights" / "latest_net_G.pth"
    weights.write_bytes(weights.read_bytes()[:-900])
    record = json.loads((runs / "no_data" / "config.json").read_text("utf-8"))
    record["settings"]["dataroot"] = str(root / "gone")
    (runs / "no_data" / "config.json").write_text(json.dumps(record))

    comparison = compared(
        root, "no_config", "bad_config", "no_weights", "bad_weights", "no_data", "exp_l1_500"
    )  # fmt: skip
    assert [one.record.name for one in comparison.runs] == ["exp_l1_500"]
    why = reasons(comparison)
    assert "has no config.json" in why["no_config"]
    assert "cannot be read" in why["bad_config"]
    assert "has no weights yet" in why["no_weights"]
    assert "damaged" in why["bad_weights"]
    assert str(root / "gone") in why["no_data"]
    assert not [line for line in why.values() if "\n" in line]


def test_how_a_run_ended_is_said(root: Path) -> None:
    runs = root / "checkpoints"
    for name, ending in {
        "stopped": {"event": "stop", "reason": "interrupted", "step": 2},
        "failed": {"event": "fault", "reason": "loss is NaN", "step": 2},
        "going_on": {"event": "resume", "step": 2},
    }.items():
        shutil.copytree(runs / "exp_l1_300", runs / name)
        with (runs / name / "events.jsonl").open("a") as file:
            file.write(json.dumps(ending) + "\n")
    comparison = compared(root, "stopped", "failed", "going_on", "exp_l1_300")
    notes = {
        one.record.name: [note.key for note in one.notes if note.key != "compare_short_log"]
        for one in comparison.runs
    }
    assert notes == {
        "stopped": ["compare_stopped"],
        "failed": ["compare_failed"],
        "going_on": ["compare_unfinished"],
        "exp_l1_300": [],
    }


def test_changed_pairs_and_better_earlier_weights_are_mentioned(root: Path) -> None:
    folder = root / "checkpoints" / "exp_l1_300"
    manifest = json.loads((folder / "data.json").read_text("utf-8"))
    manifest[0]["sha256"] = "0" * 64
    (folder / "data.json").write_text(json.dumps(manifest))
    (folder / "best.json").write_text(json.dumps({"epoch": 7, "level_error": 0.001}))
    notes = [note.english() for note in compared(root, "exp_l1_300").best.notes]
    assert any("pairs have changed" in note for note in notes)
    assert any("weights of epoch 7 were better (0.001" in note for note in notes)

    # What training measured is compared with what training measured: noise counts in neither.
    pair = PreviewPair(
        name="face_0", level_error=0.0009, identity_error=1.0, recovered_share=0.9991,
        real_A="a.png", fake_B="f.png", real_B="b.png", error_map="e.png",
    )  # fmt: skip
    line = json.dumps(Preview(step=2, epoch=1, pairs=[pair]).record())
    (folder / "previews.jsonl").write_text(f"{line}\n")
    notes = [note.english() for note in compared(root, "exp_l1_300").best.notes]
    assert not any("were better" in note for note in notes)


def test_where_nothing_can_be_compared_every_reason_is_given(root: Path) -> None:
    with pytest.raises(DataError, match="no runs in this folder"):
        compare((), root / "empty", root / "out", print)
    for name in ("one", "other"):
        shutil.copytree(root / "checkpoints" / "exp_l1_300", root / "checkpoints" / name)
        (root / "checkpoints" / name / "config.json").unlink()
    with pytest.raises(ManyDataErrors) as raised:
        compared(root, "one", "other")
    assert str(raised.value).count("has no config.json") == 2
    assert not (root / "out" / "index.html").exists()


def test_a_run_that_does_not_exist_is_an_error_and_nothing_is_ranked(root: Path) -> None:
    with pytest.raises(CheckpointError) as raised:
        compared(root, "exp_l1_3000", "exp_l1_500")
    assert str(raised.value).endswith("exp_l1_3000: no such run. Did you mean 'exp_l1_300'?")
    assert not (root / "out").exists()


def test_one_run_alone_is_not_ranked(root: Path) -> None:
    comparison = compared(root, "exp_l1_300")
    said = printed(comparison)
    assert "One run alone is not ranked. exp_l1_300 is off by" in said
    assert "best run" not in said
    assert "Take" not in said
    page = write_comparison(comparison, root / "out").read_text("utf-8")
    assert '<h2 id="ranking-heading" data-word>Figures</h2>' in page
    assert 'class="place"' not in page


def test_a_runs_time_is_one_wherever_it_is_told(root: Path) -> None:
    run = RunDir(root / "checkpoints", "exp_l1_300")
    told = read_records(run.events).records[-1]
    assert told["event"] == "stop"
    one = compared(root, "exp_l1_300").best
    listed = Runs(root / "checkpoints").describe(run)["elapsed_s"]
    assert one.record.elapsed_s == listed == told["elapsed_s"]
    # Of before it was on record with the end: that of the last line of the log.
    run.events.write_text(json.dumps({"event": "stop", "reason": "finished", "step": 2}) + "\n")
    log = read_records(run.metrics).records[-1]["elapsed_s"]
    assert trained_s(run) == log < told["elapsed_s"]
    with run.metrics.open("a") as file:
        file.write('{"step": 3, "elaps')  # a crash tore it
    assert trained_s(run) == log


def test_a_run_with_odd_records_stands_in_the_list_all_the_same(root: Path) -> None:
    run, runs = RunDir(root / "checkpoints", "exp_l1_300"), Runs(root / "checkpoints")
    with run.events.open("a") as file:
        file.write('{"event": "stop", "reason": "finished", "elapsed_s": NaN}\n')
    told = runs.describe(run)
    assert json.dumps(told, allow_nan=False)
    assert told["elapsed_s"] > 0
    for odd in (run.events, run.metrics):
        odd.unlink()
        odd.mkdir()
    assert runs.describe(run)["elapsed_s"] == 0


def test_a_path_as_the_shell_completes_it_names_a_run(root: Path) -> None:
    folder = root / "checkpoints" / "exp_l1_300"
    assert compared(root, f"{folder}/", "exp_l1_300/").best.record.name == "exp_l1_300"


def test_json_and_page_are_complete_in_their_folder(root: Path) -> None:
    comparison = compared(root)
    page = write_comparison(comparison, root / "out")
    record = json.loads((root / "out" / "comparison.json").read_text("utf-8"))
    assert record["schema"] == 1
    assert [run["name"] for run in record["runs"]] == [o.record.name for o in comparison.runs]
    assert set(record["settings"]) == {"lambda_L1", "lr", "n_epochs"}
    assert {one["name"] for one in record["left_out"]} == {"on_others", "half", "backwards", "grey"}
    first = record["runs"][0]
    assert first["G_L1"] == pytest.approx(first["level_error"] / 127.5 * first["lambda_L1"])
    assert first["pairs"][0]["texture"].keys() == {"energy", "coherence", "recovered"}
    assert "0.425 (300), 0.255 (500)" in record["not_ranked_by_G_L1"]["text"]
    html = page.read_text("utf-8")
    assert "http" not in html.replace("Content-Security-Policy", "").replace("http-equiv", "")
    for one in comparison.runs:
        for number in range(2):
            for kind in ("fake_B", "error"):
                picture = Image.open(root / "out" / one.score.picture(number, kind))
                assert picture.size == (56, 48)


def test_the_terminal_shows_table_reason_settings_and_advice(root: Path) -> None:
    text = " ".join(printed(compared(root)).split())
    for words in ("exp_l1_300", "학습/작은", "not ranked by G_L1", "lambda_L1", "--continue_train",
                  "left out: half: It was trained at", "Doing nothing is off by"):  # fmt: skip
        assert words in text


def test_the_command_prints_and_writes(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert dispatch(["compare", "exp_l1_300", "exp_l1_500"]) == 0
    printed = capsys.readouterr().out
    assert "exp_l1_500" in printed
    assert (root / "comparison" / "index.html").is_file()
    assert "comparison" in printed.splitlines()[-1]
