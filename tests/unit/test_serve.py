"""The parts of the app that need no browser: commands, pairs, runs, words, files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

from unretouch.base.errors import DataError, UsageError
from unretouch.base.messages import _, korean
from unretouch.pixels import images, pair_check
from unretouch.pixels.pair_check import Doubts
from unretouch.pixels.pair_files import match_heap, match_names
from unretouch.pixels.retouch import retouch
from unretouch.pixels.spaces import Rgb
from unretouch.runs import history
from unretouch.runs.folder import RunDir
from unretouch.runs.history import holder, run_lock
from unretouch.serve import actions, comparing, draft_actions
from unretouch.serve.actions import number
from unretouch.serve.deleted import DeletedRuns
from unretouch.serve.pair_check import report
from unretouch.serve.queue import Queue
from unretouch.serve.refusals import Limits, Refused
from unretouch.serve.runs import (
    MINUTES,
    Runs,
    continue_words,
    picture,
    run_id,
    start_words,
    within,
)
from unretouch.serve.server import has_a_screen, hosts
from unretouch.serve.state import AppState
from unretouch.serve.uploads import Drafts, PairPlace, untouched_files, write_pairs, write_untouched
from unretouch.serve.verifying import kept_pairs, verdict_that_counts, verdicts_of
from unretouch.settings.commands import ServeSettings
from unretouch.settings.train import TrainSettings, load_asked, save_settings
from unretouch.tasks.classic_commands import asked

GUIDE = {
    "balanced": "--n_epochs 800 --n_epochs_decay 800 --lambda_L1 300.0 --lr 0.0001",
    "strong": "--n_epochs 1000 --n_epochs_decay 1000 --lambda_L1 500.0 --lr 0.0001",
    "extreme": "--n_epochs 2000 --n_epochs_decay 2000 --lambda_L1 1000.0 --lr 0.00005",
}


def flags(line: list[str]) -> dict[str, str]:
    """The flags of a command and their values, numbers by value."""
    found: dict[str, str] = {}
    for word in line:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            found[name] = value
        elif found:
            found[list(found)[-1]] = word
    return {name: str(float(v)) if re.fullmatch(r"[\d.e-]+", v) else v for name, v in found.items()}


@pytest.mark.parametrize("name", sorted(GUIDE))
def test_a_preset_is_the_command_of_the_guide(name: str) -> None:
    guide = (
        "--model pix2pix --direction AtoB --batch_size 1 --load_size 512 --crop_size 512 "
        f"--continue_train --dataroot /d --name n --checkpoints_dir /c {GUIDE[name]}"
    )
    ours = start_words(name, 0, Path("/d"), "n", Path("/c"), "AtoB")
    assert ours[0] == "train"
    assert flags(ours[1:]) == flags(shlex.split(guide))


def test_a_run_goes_on_with_the_settings_it_has(tmp_path: Path) -> None:
    settings = TrainSettings(
        dataroot="/d", netG="detail", size="s", preprocess="none", no_flip=True, no_dropout=True,
        recipe="fast", lambda_GAN=0.0, lambda_L1=321.5, minutes=2.5, seed=7, lr=3e-05,
    )  # fmt: skip
    line = continue_words(settings, "n", tmp_path, 1.5)
    options = asked(line[1:])
    assert "--continue_train" in line
    assert options.minutes == 4.0
    for name in ("netG", "size", "lambda_L1", "seed", "lr", "recipe", "lambda_GAN", "preprocess"):
        assert getattr(options, name) == getattr(settings, name), name


def test_a_classic_run_goes_on_as_classic_and_for_more_epochs(tmp_path: Path) -> None:
    settings = TrainSettings(dataroot="/d", lambda_L1=300.0, n_epochs=5, n_epochs_decay=3)
    line = continue_words(settings, "n", tmp_path, 10)
    found = flags(line[1:])
    assert found["--model"] == "pix2pix"
    assert found["--n_epochs"] == "15.0"
    assert found["--n_epochs_decay"] == "3.0"
    assert "--minutes" not in found


def test_a_run_goes_on_with_settings_that_are_zero(tmp_path: Path) -> None:
    settings = TrainSettings(dataroot="/d", n_epochs=5, n_epochs_decay=0, lambda_GAN=0.0)
    found = flags(continue_words(settings, "n", tmp_path, None)[1:])
    assert (found["--n_epochs_decay"], found["--lambda_GAN"]) == ("0.0", "0.0")


def test_what_nobody_gave_stays_so_where_a_run_goes_on(tmp_path: Path) -> None:
    """So that a run like it may choose otherwise."""
    settings = TrainSettings(dataroot="/d", netG="detail", size="deep", recipe="fast", lambda_GAN=0)
    save_settings(tmp_path / "config.json", settings, {}, chosen=["size"])
    found = load_asked(tmp_path / "config.json")
    assert asked(continue_words(found, "n", tmp_path, None)[1:]).size == "auto"


def test_a_run_for_other_photos_is_told_of_untouched_ones(tmp_path: Path) -> None:
    also = tmp_path / "untouched"
    line = start_words("fast", 2, Path("/d"), "n", tmp_path, "BtoA", "restore", also)
    options = asked(line[1:])
    assert (options.aim, options.also, options.direction) == ("restore", str(also), "BtoA")
    again = asked(continue_words(options, "n", tmp_path, 1)[1:])
    assert (again.aim, again.also, again.minutes) == ("restore", str(also), 3)
    assert asked(start_words("fast", 2, Path("/d"), "n", tmp_path, "AtoB")[1:]).aim == "fit"


@pytest.mark.parametrize(("method", "aim"), [("strong", "restore"), ("fast", "anything")])
def test_an_aim_that_a_method_does_not_have_is_refused(method: str, aim: str) -> None:
    with pytest.raises(Refused):
        start_words(method, 2, Path("/d"), "n", Path("/c"), "AtoB", aim)


@pytest.mark.parametrize("minutes", [0, -1, 1e9])
def test_a_time_budget_has_bounds(minutes: float) -> None:
    with pytest.raises(Refused):
        start_words("fast", minutes, Path("/d"), "n", Path("/c"), "AtoB")


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(Refused):
        number({"more": value}, "more")


@pytest.mark.parametrize("value", [0, 2e12, 10**400])
def test_a_number_out_of_range_is_told_with_its_field_and_its_range(value: float) -> None:
    with pytest.raises(Refused) as refused:
        within(number({"more": value}, "more"), MINUTES, _("Minutes"))
    assert str(refused.value.message).startswith("Minutes: a number from ")


def test_a_pair_kept_for_checking_is_none_that_is_trained_on(tmp_path: Path) -> None:
    kept, other, twin = (
        PairPlace(tmp_path, names={"a": name}, found={"pictures": pictures})
        for name, pictures in (("kept.png", "1"), ("other.png", "2"), ("twin.png", "1"))
    )
    actions._require_strangers([other], [kept])
    with pytest.raises(Refused) as refused:
        actions._require_strangers([other, twin], [kept])
    assert str(refused.value.message).startswith("kept.png is kept for checking, but twin.png")


@pytest.mark.parametrize("turned", [np.fliplr, np.rot90])
def test_a_side_that_lies_the_other_way_round_is_not_ready(
    tmp_path: Path, turned: Callable[[Rgb], Rgb]
) -> None:
    before = np.ascontiguousarray(data.astronaut())
    images.write_png(tmp_path / "a.png", retouch(before, 0, all_surfaces=True))
    images.write_png(tmp_path / "b.png", np.ascontiguousarray(turned(before)))
    found = json.loads(report(tmp_path))
    assert "Export both the same way round." in found["problem"]["message"]


def test_a_face_cut_in_half_is_not_called_mirrored(tmp_path: Path) -> None:
    half = np.ascontiguousarray(data.astronaut()[:256, :256])
    face = np.concatenate([half, np.fliplr(half)], axis=1)
    for name, pixels in (("even", face), ("odd", face[:, 1:])):
        found: Any = put(tmp_path / name, whole=pixels)
        assert "Are both sides files of their own?" in found["problem"]["message"]
        assert found["unlike"]


@pytest.mark.parametrize(
    ("host", "token"),
    [("192.168.1.5", None), ("0.0.0.0", "x" * 20), ("::", "x" * 20), ("box.local", "short"),
     ("127.0.0.1", "has/slash/has/slash")],
)  # fmt: skip
def test_where_it_must_not_listen(host: str, token: str | None) -> None:
    with pytest.raises(UsageError):
        ServeSettings(host=host, token=token)


def test_who_asks_for_every_address_is_told_all_at_once() -> None:
    with pytest.raises(UsageError, match=r"--host 192.*--token") as refused:
        ServeSettings(host="0.0.0.0")
    ServeSettings(host="192.168.0.7", token="a" * 16)
    assert "no address of its own" in str(refused.value)


def test_a_browser_opens_only_where_it_can_show_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_a_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_a_screen()


def test_it_answers_to_its_own_names_only() -> None:
    assert hosts("127.0.0.1", 80) >= {"127.0.0.1:80", "localhost", "[::1]:80"}
    assert hosts("box.local", 8765) == {"box.local:8765"}


def put(place: Path, **sides: np.ndarray) -> dict[str, object]:
    place.mkdir(parents=True)
    for side, rgb in sides.items():
        Image.fromarray(rgb).save(place / f"{side}.png")
    found: dict[str, object] = json.loads(report(place))
    return found


def test_a_pair_is_looked_at_whichever_way_it_comes(tmp_path: Path, portrait: np.ndarray) -> None:
    b = portrait[20:148, 150:278]
    a = ((b.astype(int) + np.roll(b, 1, 0) + np.roll(b, 1, 1)) // 3).astype(np.uint8)
    whole = np.concatenate([a, b], axis=1)
    as_two = put(tmp_path / "1", a=a, b=b)
    as_one = put(tmp_path / "2", whole=whole)
    assert as_two == as_one
    assert as_two["doubts"] == []
    for place in ("1", "2"):
        with Image.open(tmp_path / place / "pair.png") as made:
            assert np.array_equal(np.asarray(made), whole)
        assert (tmp_path / place / "thumbnail_a.png").exists()
    simulated = put(tmp_path / "3", photo=b)
    with Image.open(tmp_path / "3" / "pair.png") as made:
        assert np.array_equal(np.asarray(made)[:, 128:], b)
    assert simulated["width"] == 128


@pytest.mark.parametrize(
    ("doubts", "said"),
    [
        (Doubts(resized=-1.2), "A is smaller than B by 1.2%. Export both again"),
        (Doubts(resized=2.0), "A is larger than B by 2.0%. Export both again"),
        (Doubts(turned=-0.5), "B is turned by -0.5 degrees against A"),
        (Doubts(liquified=(0.1, 3.0)), "“Fast” leaves it out"),
        (Doubts(liquified=(0.6, 3.0)), "a lens correction"),
    ],
)
def test_what_is_doubtful_is_said_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doubts: Doubts, said: str
) -> None:
    monkeypatch.setattr(pair_check, "doubts", lambda *_: doubts)
    grey = np.full((64, 64, 3), 128, np.uint8)
    found: Any = put(tmp_path / "pair", a=grey, b=grey)
    (doubt,) = found["doubts"]
    assert said in doubt["message"].format(**doubt["values"])


@pytest.mark.parametrize(("correlation", "trained_on"), [(0.1, False), (0.2, True), (0.7, True)])
def test_halves_that_are_hardly_one_picture_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, correlation: float, trained_on: bool
) -> None:
    """As in a terminal; and their names may still bring them together with another file."""
    monkeypatch.setattr(pair_check, "doubts", lambda *_: Doubts(correlation=correlation))
    found: Any = put(tmp_path / "pair", whole=np.full((64, 128, 3), 128, np.uint8))
    assert found["unlike"]
    said = [found["problem"]] if not trained_on else found["doubts"]
    assert "Are both sides files of their own?" in said[-1]["message"]
    assert ("problem" in found) != trained_on
    assert (tmp_path / "pair" / "pair.png").exists() == trained_on


def test_an_untouched_photo_is_looked_at_alone(tmp_path: Path, portrait: np.ndarray) -> None:
    found = put(tmp_path / "face", untouched=portrait[20:148, 150:278])
    assert found == {"width": 128, "height": 128, "doubts": [], "pictured": True}
    assert (tmp_path / "face" / "thumbnail_b.png").exists()
    assert np.array_equal(images.read_rgb(tmp_path / "face/plain.png"), portrait[20:148, 150:278])
    assert not (tmp_path / "face" / "pair.png").exists()
    wall: Any = put(tmp_path / "wall", untouched=np.full((64, 64, 3), 128, np.uint8))
    assert [doubt["message"] for doubt in wall["doubts"]] == [
        "No skin was found. Is it like the portraits that are to be restored?"
    ]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "untouched.png").write_bytes(b"nothing")
    assert "problem" in json.loads(report(tmp_path / "bad"))


def test_doubts_and_problems_are_messages_that_the_page_says_in_either_language(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    b = portrait[20:148, 150:278]
    a = ((b.astype(int) + np.roll(b, 1, 0) + np.roll(b, 1, 1)) // 3).astype(np.uint8)
    cases: dict[str, Any] = {
        "sides swapped": put(tmp_path / "swapped", a=b, b=a),
        "is shifted by": put(tmp_path / "shifted", a=a, b=np.roll(b, 4, 1)),
    }
    for said, found in cases.items():
        messages = [doubt["message"] for doubt in found["doubts"]]
        assert any(said in message for message in messages), said
        assert all(message in korean() for message in messages)
        assert found["swapped"] == (said == "sides swapped")
    same: Any = put(tmp_path / "same", a=b, b=b)
    unlike: Any = put(tmp_path / "unlike", a=a, b=portrait[300:428, 0:128])
    assert "the same picture" in same["problem"]["message"]
    assert unlike["problem"]["values"]["correlation"] < 0
    odd: Any = put(tmp_path / "odd", whole=b[:, :-1])
    assert odd["problem"]["values"] == {"width": 127}
    sizes: Any = put(tmp_path / "sizes", a=a, b=b[:-1])
    assert sizes["problem"]["values"] == {"a": "128 × 128", "b": "128 × 127"}
    for refused in (odd, sizes, same, unlike):
        assert refused["problem"]["message"] in korean()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "whole.png").write_bytes(b"nothing")
    problem = json.loads(report(tmp_path / "bad"))["problem"]
    assert str(tmp_path) not in json.dumps(problem)


def test_runs_of_anybody_are_found_by_ids_that_are_no_paths(tmp_path: Path) -> None:
    for name in ("얼굴", "exp/l1_300"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "latest_net_G.pth").write_bytes(b"x")
    (tmp_path / "no run").mkdir()
    (tmp_path / "-rf").mkdir()
    (tmp_path / "-rf" / "config.json").write_text("{}")
    (tmp_path / "out").symlink_to(tmp_path.parent)
    found = {run.name for run in Runs(tmp_path).all()}
    assert found == {"얼굴", "exp/l1_300"}
    assert Runs(tmp_path).get(run_id("exp/l1_300")).name == "exp/l1_300"
    for wanted in ("얼굴", "exp/l1_300", "..", "", "0" * 16):
        with pytest.raises(Refused):
            Runs(tmp_path).get(wanted)


def test_the_lock_tells_who_trains(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    assert holder(run) is None
    with run_lock(run):
        assert holder(run) == os.getpid()
    assert holder(run) is None
    history.write_event(run, "open", pid=2**22 + 7)  # of a process that is no more
    assert holder(run) is None


def test_a_script_in_a_run_folder_is_never_served(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    runs = Runs(tmp_path)
    (run.web / "status.js").write_text("window.unretouchStatus({});alert(1);\n")
    assert runs.status(run) is None
    record = {"state": "running", "step": 1, "previews": [], "curves": {}, "name": "</script>"}
    (run.web / "status.js").write_text(f"window.unretouchStatus({json.dumps(record)});\n")
    assert runs.status(run) == record
    (run.web / "index.html").write_text("<script>alert(1)</script>")
    (run.preview_images / "x.svg").write_text("<svg><script>alert(1)</script></svg>")
    for name in ("../index.html", "../status.js", "x.svg", "nothing.png"):
        with pytest.raises(Refused):
            picture(run, name)


def test_drafts_make_room_and_have_an_end(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path, Limits(drafts=2, pairs=2))
    first, second = drafts.new(), drafts.new()
    second.touched = time.monotonic() - 60
    drafts.new()
    assert not second.folder.exists()
    assert drafts.get(first.id) is first
    drafts.place(first.id, 1)
    drafts.place(first.id, 2)
    with pytest.raises(Refused):
        drafts.place(first.id, 3)
    for wanted in (second.id, "..", "", "0" * 16):
        with pytest.raises(Refused):
            drafts.get(wanted)


def test_untouched_photos_have_a_limit_of_their_own_and_are_no_pairs(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path, Limits(pairs=2))
    draft = drafts.new()
    for at, side in ((1, "a"), (1, "b"), (2, "untouched"), (3, "untouched"), (4, "whole")):
        drafts.place(draft.id, at, side).found = {}
    for at, side in ((5, "untouched"), (6, "whole"), (2, "a"), (1, "untouched")):
        with pytest.raises(Refused):
            drafts.place(draft.id, at, side)
    assert len(draft.usable()) == 2
    for at, place in enumerate(draft.usable(untouched=True)):
        (place.folder / "untouched.jpg").write_bytes(b"with its place")
        (place.folder / "plain.png").write_bytes(bytes([at]))
        (place.folder / "thumbnail_b.png").write_bytes(b"small")
    write_untouched(draft.usable(untouched=True), tmp_path / "there")
    told = untouched_files(draft.usable(untouched=True), tmp_path / "there")
    assert all(file.is_file() for file in told)
    kept = {file.name: file.read_bytes() for file in (tmp_path / "there").iterdir()}
    assert kept == {"photo_01.png": bytes([0]), "photo_02.png": bytes([1])}


def told(run: RunDir, **more: Any) -> None:
    """Write a page of a run that is being trained."""
    record = {"state": "running", "step": 1, "previews": [], "curves": {}, "stop_reason": ""}
    text = f"window.unretouchStatus({json.dumps(record | more)});\n"
    (run.web / "status.js").write_text(text)


def test_the_app_shows_a_place_of_a_large_pair_and_says_that_its_error_is_an_estimate(
    tmp_path: Path,
) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    pair = {
        "fake_B": "", "level_error": 1.0, "identity_error": 2.0, "estimated": True,
        "places": [{"fake_B": "images/epoch001_x0_y0_face_fake_B.png"}],
    }  # fmt: skip
    told(run, previews=[{"step": 1, "epoch": 1, "pairs": [pair]}])
    found = Runs(tmp_path).describe(run)
    assert found["picture"] == "images/epoch001_x0_y0_face_fake_B.png"
    assert (found["estimated"], found["level_error"], found["recovered"]) == (True, 1.0, 0.5)
    assert found["gain"] == "some"


def test_until_the_second_preview_the_list_says_what_the_page_says(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    pair = {"fake_B": "", "level_error": 2.0, "identity_error": 2.0}
    previews = [{"step": 0, "epoch": 0, "pairs": [pair]}]
    told(run, step=100, previews=previews, training_error=0.5)
    found = Runs(tmp_path).describe(run)
    assert (found["level_error"], found["recovered"], found["gain"]) == (0.5, 0.75, "some")
    told(run, step=0, previews=previews)
    assert Runs(tmp_path).describe(run)["gain"] is None
    previews.append({"step": 20, "epoch": 1, "pairs": [pair | {"level_error": 1.0}]})
    told(run, step=100, previews=previews, training_error=0.5)
    assert Runs(tmp_path).describe(run)["recovered"] == 0.5


@pytest.mark.parametrize(
    ("error", "identity", "word"),
    [(0.44, 0.40, "nothing"), (0.46, 0.40, "worse"), (0.399, 0.40, "nothing"), (0.3, 0.4, "some")],
)
def test_the_app_calls_worse_what_all_others_call_so(
    tmp_path: Path, error: float, identity: float, word: str
) -> None:
    """A tenth of next to nothing is nothing that anybody sees."""
    run = RunDir(tmp_path, "r")
    run.prepare()
    pair = {"fake_B": "", "level_error": error, "identity_error": identity}
    told(run, previews=[{"step": 1, "epoch": 1, "pairs": [pair]}])
    assert Runs(tmp_path).describe(run)["gain"] == word


def test_harm_is_told_of_a_training_that_has_only_begun_as_its_own_page_does(
    tmp_path: Path,
) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    pair = {"fake_B": "", "level_error": 3.0, "identity_error": 2.0}
    previews = [{"step": 1, "epoch": 1, "pairs": [pair]}]
    with run_lock(run):
        for elapsed, word in ((10.0, "early"), (30.0, "worse")):
            told(run, previews=previews, elapsed_s=elapsed, left_s=100.0 - elapsed)
            os.utime(run.web / "status.js", (2e9, 2e9 + elapsed))
            assert Runs(tmp_path).describe(run)["gain"] == word
    told(run, previews=previews, elapsed_s=10.0, left_s=90.0)  # nobody trains it any more
    assert Runs(tmp_path).describe(run)["gain"] == "worse"


def test_what_is_left_of_a_killed_training_counts_from_its_last_save(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    save_settings(run.config, TrainSettings(dataroot="d", minutes=10.0), {})
    history.write_event(run, "save", step=5, elapsed_s=60.0)
    told(run, left_s=120.0)
    assert Runs(tmp_path).describe(run)["left_s"] == 540.0


def test_a_training_is_asked_to_stop_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked twice it would end at once, and what came after its last save would be lost."""
    asked_of: list[int] = []
    monkeypatch.setattr("unretouch.jobs.child.interrupt", asked_of.append)
    run, runs = RunDir(tmp_path, "r"), Runs(tmp_path)
    run.prepare()
    with run_lock(run):
        told(run)
        assert not runs.describe(run)["stopping"]
        runs.stop(run)
        assert runs.describe(run)["stopping"]
        runs.stop(run)
    assert asked_of == [os.getpid()]
    assert not runs.describe(run)["stopping"]


def test_a_run_whose_training_died_says_so(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    told(run)
    condition = Runs(tmp_path).condition(run)
    assert (condition.state, condition.reason) == ("stopped", "gone")


def test_an_end_that_no_page_words_is_told_as_it_is(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    history.write_event(run, "fault", reason="face.png: cannot be read")
    told(run, state="failed", stop_reason="face.png: cannot be read")
    found = Runs(tmp_path).describe(run)
    assert (found["state"], found["reason"]) == ("failed", "")
    assert found["said"] == "face.png: cannot be read"


@pytest.mark.parametrize("module", ["server", "pair_check"])
def test_the_app_opens_and_looks_at_pairs_without_what_trains(module: str) -> None:
    code = f"import sys, unretouch.serve.{module}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_pairs_keep_the_names_they_came_with(tmp_path: Path) -> None:
    """They find each other by the rule of the terminal; of two alike, each has its own file."""
    draft = Drafts(tmp_path, Limits()).new()
    named = {
        1: ("a", "IMG_1-Edit.tif"), 2: ("a", "얼굴 둘.png"), 3: ("a", "lonely.png"),
        4: ("b", "얼굴 둘.jpg"), 5: ("b", "IMG_1.jpg"), 6: ("whole", "img_1-edit.png"),
    }  # fmt: skip
    for at, (side, name) in named.items():
        place = PairPlace(draft.folder / f"{at}", names={side: name})
        place.folder.mkdir()
        (place.folder / f"{side}.png").write_bytes(name.encode())
        draft.pairs[at] = place
    assert sorted(draft.bring_together()) == [(1, 5), (2, 4)]
    assert draft.bring_together() == []
    assert sorted(draft.pairs) == [1, 2, 3, 6]
    assert (draft.folder / "1" / "b.png").read_bytes() == b"IMG_1.jpg"
    assert [place.waits_for for _, place in sorted(draft.pairs.items())] == ["", "", "b", ""]
    whole = [draft.pairs[at] for at in (1, 2, 6)]
    for place in whole:
        (place.folder / "pair.png").write_bytes(place.name.encode())
    write_pairs(whole, tmp_path / "train")
    kept = {file.name: file.read_bytes().decode() for file in (tmp_path / "train").iterdir()}
    assert kept == {
        "IMG_1-Edit.png": "IMG_1-Edit.tif",
        "얼굴_둘.png": "얼굴 둘.png",
        "img_1-edit_png.png": "img_1-edit.png",
    }


def test_one_picture_on_each_side_is_a_pair_whatever_its_names(tmp_path: Path) -> None:
    draft = Drafts(tmp_path, Limits()).new()

    def drop(at: int, side: str, name: str) -> None:
        place = draft.pairs[at] = PairPlace(draft.folder / f"{at}", names={side: name})
        place.folder.mkdir()
        (place.folder / f"{side}.png").write_bytes(b"")

    drop(1, "a", "after.png")
    assert draft.bring_together() == []
    drop(2, "b", "before.png")
    assert draft.bring_together() == [(1, 2)]
    drop(3, "a", "one.png")
    drop(4, "b", "two.png")
    assert draft.bring_together() == []  # beside others they might be of two pairs


def lone_ones(tmp_path: Path, *names: str) -> Any:
    """A draft of files that were dropped as whole pairs, and are none."""
    draft = Drafts(tmp_path, Limits()).new()
    for at, name in enumerate(names, 1):
        found = {"problem": {}, "unlike": True}
        place = draft.pairs[at] = PairPlace(draft.folder / f"{at}", names={"whole": name})
        place.found = found
        place.folder.mkdir()
        (place.folder / "whole.png").write_bytes(name.encode())
    return draft


def test_files_dropped_as_whole_pairs_find_their_partners_and_sides(tmp_path: Path) -> None:
    draft = lone_ones(
        tmp_path, "DSC_0412-Edit.jpg", "DSC_0412.jpg", "김하늘_원본.jpg", "김하늘_보정.jpg",
        "x_before.png", "x.png", "lonely.png",
    )  # fmt: skip
    draft.pairs[8] = PairPlace(tmp_path, names={"whole": "lonely-Edit.png"}, found={"width": 1})
    assert draft.bring_together() == [(1, 2), (4, 3), (6, 5)]
    names = [draft.pairs[at].names for at in (1, 4, 6)]
    assert names[1] == {"a": "김하늘_보정.jpg", "b": "김하늘_원본.jpg"}
    assert (draft.folder / "4" / "b.png").read_bytes().decode() == "김하늘_원본.jpg"
    assert draft.pairs[7].names == {"whole": "lonely.png"}
    assert draft.pairs[8].usable  # whose halves are a pair


def request_of(state: Any, body: Any = None, **path_params: str) -> Any:
    """A request that came to an app of this state."""

    async def text() -> Any:
        return body

    return SimpleNamespace(
        app=SimpleNamespace(state=SimpleNamespace(unretouch=state)),
        path_params=path_params,
        headers={"content-type": "application/json", "content-length": "2"},
        json=text,
    )


def test_of_an_earlier_run_all_that_finds_room_comes_with_its_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is too much, or cannot be read, a pair kept for checking stays one."""
    copied = shutil.copyfile

    def copy(source: Path, to: Path) -> None:
        if source.name == "a_torn.png":
            raise OSError
        copied(source, to)

    monkeypatch.setattr("shutil.copyfile", copy)
    pairs = tmp_path / "pairs"
    for name in ("train/one", "heldout/kept", "more/one", "more/three", "more/a_torn", "more/two"):
        (pairs / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 4)).save(pairs / f"{name}.png")
    Image.new("RGB", (8, 4)).save(tmp_path / "look.png")
    run = RunDir(tmp_path / "checkpoints", "r")
    run.prepare()
    words = start_words(
        "fast", 3, pairs, "r", tmp_path, "AtoB", "restore", pairs / "more", tmp_path / "look.png"
    )
    save_settings(run.config, asked(words[1:]), {})
    limits = Limits(pairs=3)
    state = SimpleNamespace(
        limits=limits, drafts=Drafts(tmp_path, limits), runs=Runs(tmp_path / "checkpoints")
    )
    draft = state.drafts.new()
    request = request_of(state, {"all": True}, draft=draft.id, run=run_id("r"))
    found = json.loads(asyncio.run(draft_actions.take_pairs_of(request)).body)
    names = {number: [*place.names.values()] for number, place in draft.pairs.items()}
    assert sorted(names.values()) == [["kept.png"], ["look.png"], ["one.png"], ["one.png"],
                                      ["three.png"]]  # fmt: skip
    assert [names[number] for number in found["kept"]] == [["kept.png"]]
    assert names[found["watched"]] == ["look.png"]
    assert (found["aim"], found["minutes"]) == ("restore", 3.0)
    said = [one["message"].format(**one["values"]) for one in found["said"]]
    assert said == [
        "At most 3 are taken; 1 of these files were left out.",
        "These could not be copied: a_torn.png.",
    ]


def test_single_pictures_are_what_is_chosen_and_none_is_lost(tmp_path: Path) -> None:
    draft = lone_ones(tmp_path, "one-Edit.png", "two_orig.png", "three.png")
    draft.pairs[4] = PairPlace(tmp_path, names={"whole": "pair.png"}, found={"width": 1})
    for kind, sides in (("two", "a b a"), ("photo", "photo " * 3), ("whole", "whole " * 3)):
        draft.recast(kind)
        assert [side for at in (1, 2, 3) for side in draft.pairs[at].names] == sides.split()
        assert all(draft.pairs[at].file(side) for at, side in enumerate(sides.split(), 1))
        if kind == "photo":
            draft.pairs[1].found = {"width": 1}  # its retouch was simulated
        draft.bring_together()
        if kind == "whole":
            assert not any(draft.pairs[at].lone for at in (1, 2, 3))  # until they are looked at
    assert draft.pairs[4].names == {"whole": "pair.png"}


def test_a_side_that_was_given_is_that_side_again(tmp_path: Path) -> None:
    draft = Drafts(tmp_path, Limits()).new()
    for at, name in enumerate(("one.png", "two.png"), 1):
        place = draft.pairs[at] = PairPlace(draft.folder / f"{at}", names={"b": name})
        place.folder.mkdir()
        (place.folder / "b.png").write_bytes(b"")
    for kind in ("photo", "whole", "two"):
        draft.recast(kind)
        for place in draft.pairs.values():
            place.found = {"unlike": True}  # it was looked at
    assert [draft.pairs[at].names for at in (1, 2)] == [{"b": "one.png"}, {"b": "two.png"}]


def test_what_is_swapped_is_called_by_what_is_a_then() -> None:
    place = PairPlace(Path(), names={"a": "before.png", "b": "after.png"}, swapped=True)
    assert place.name == "after.png"


def test_of_a_long_name_its_number_stays(tmp_path: Path) -> None:
    names = [f"{'겨울_야외_인물_사진_' * 6}{number:02d}-Edit.png" for number in (1, 2)]
    places = [PairPlace(tmp_path / f"{at}", names={"whole": name}) for at, name in enumerate(names)]
    for place in places:
        place.folder.mkdir()
        (place.folder / "pair.png").write_bytes(b"")
    write_pairs(places, tmp_path / "train")
    written = sorted(file.name for file in (tmp_path / "train").iterdir())
    assert [name[-11:] for name in written] == ["01-Edit.png", "02-Edit.png"]
    assert all(name.startswith("겨울_야외") and len(name.encode()) <= 104 for name in written)


def test_a_pair_is_swapped_and_aligned(tmp_path: Path, portrait: np.ndarray) -> None:
    b = portrait[0:256, 100:356]
    a = ((b.astype(int) + np.roll(b, 1, 0) + np.roll(b, 1, 1)) // 3).astype(np.uint8)
    cropped: Any = put(tmp_path / "cropped", a=b, b=a[:, 12:])  # the wrong way round, too
    assert cropped["alignable"]
    assert "Align" in cropped["problem"]["message"]
    mended: Any = json.loads(report(tmp_path / "cropped", swapped=True, align=True))
    assert "problem" not in mended
    assert not mended["swapped"]
    assert mended["width"] < 246
    pair = images.read_rgb(tmp_path / "cropped" / "pair.png")
    half = pair.shape[1] // 2
    assert pair_check.detail_ratio(pair[:, :half], pair[:, half:]) < 1


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Runs of which trainings only seem to begin: `began` holds their words."""
    found = Runs(tmp_path / "checkpoints")
    began: list[list[str]] = []
    monkeypatch.setattr(found, "_launch", lambda _run, words: began.append(words))
    vars(found)["began"] = began
    return found


def test_a_training_waits_for_its_turn_and_begins_once(runs: Runs, tmp_path: Path) -> None:
    began = vars(runs)["began"]
    busy, second, third = (RunDir(tmp_path / "checkpoints", name) for name in "abc")
    busy.prepare()
    with run_lock(busy):
        told(busy)
        for run in (second, third):
            with runs.starting():
                runs.start(run, ["train", "--name", run.name])
        assert [runs.condition(run).state for run in (second, third)] == ["waiting"] * 2
        assert runs.describe(third)["before"] == 2
        assert runs.describe(third)["now_trained"]["name"] == busy.name
        assert runs.describe(busy)["now_trained"] is None
        runs.start_next()
        assert began == []
        runs.stop(second)  # taken out of the line, it can go on later
        assert runs.condition(second).state == "stopped"
        assert runs.describe(second)["budget"]
        with pytest.raises(Refused), runs.at_rest(third):
            pass
        with pytest.raises(Refused), runs.starting():
            runs.start(busy, ["train"])
    after = Runs(tmp_path / "checkpoints")  # the next app
    assert after.condition(third).state == "waiting"
    runs.start_next()
    runs.start_next()
    assert began == [["train", "--name", "c"]]


def test_a_test_by_turns_and_trainings_wait_for_each_other_in_one_line(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = vars(runs)["began"]
    busy, second, third = (RunDir(tmp_path / "checkpoints", name) for name in "abc")

    def start(run: RunDir) -> None:
        with runs.starting():
            runs.start(run, ["train", "--name", run.name])

    busy.prepare()
    with run_lock(busy):
        told(busy)
        start(second)
        asked = time.time()
        monkeypatch.setattr(runs, "_tested_since", lambda: asked)
        start(third)
        assert "a is being trained" in str(runs.before(asked))
    assert "b is trained first" in str(runs.before(asked))
    runs.start_next()
    assert began == [["train", "--name", "b"]]
    assert runs.before(asked) is None  # the test begins, and c waits for it
    runs.start_next()
    assert len(began) == 1
    monkeypatch.setattr(runs, "_tested_since", lambda: None)
    runs.start_next()
    assert began[1:] == [["train", "--name", "c"]]


def test_what_stands_in_the_line_is_a_training_or_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.put("one", ["train"])
    lines = json.loads((tmp_path / "queue.json").read_text())
    lines += [{"name": "evil", "words": ["export"], "since": 0, "held": False}, {"other": 1}]
    (tmp_path / "queue.json").write_text(json.dumps(lines[:2]))
    assert [waiting.name for waiting in queue.line()] == ["one"]
    (tmp_path / "queue.json").write_text(json.dumps(lines))
    assert queue.line() == []


def test_a_deleted_run_comes_back_until_the_next_app(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    run = RunDir(checkpoints, "sub/얼굴")
    run.prepare()
    run.config.write_text("{}")
    first = DeletedRuns(checkpoints)
    deleted = first.put(run)
    assert not run.root.exists()
    assert DeletedRuns(checkpoints).all() == []  # an app beside it takes nothing away
    assert deleted.place.exists()
    run.prepare()
    with pytest.raises(Refused):
        first.undo(deleted.id)
    run.root.rename(tmp_path / "other")
    assert first.undo(deleted.id).name == run.name
    assert run.config.read_text() == "{}"
    with pytest.raises(Refused):
        first.undo(deleted.id)
    place = first.put(run).place
    first.close()
    assert place.exists()
    DeletedRuns(checkpoints)
    assert not (tmp_path / "checkpoints-deleted").exists()


def test_a_run_that_is_trained_or_holds_others_stays_where_it_is(
    runs: Runs, tmp_path: Path
) -> None:
    outer, inner = (RunDir(tmp_path / "checkpoints", name) for name in ("sweep", "sweep/one"))
    for run in (outer, inner):
        run.prepare()
    inner.config.write_text("{}")
    with pytest.raises(Refused, match="sweep/one"), runs.at_rest(outer):
        pass
    with run_lock(inner), pytest.raises(Refused, match="trained"), runs.at_rest(inner):
        pass
    with runs.at_rest(inner), pytest.raises(DataError), run_lock(inner):
        pass  # nor can a terminal begin to train it meanwhile


def test_names_of_files_meet_as_in_the_terminal() -> None:
    left = ["IMG_1-Edit.jpg", "IMG_2 (1).png", "c.png", "얼굴.png"]
    right = ["IMG_1.jpg", "IMG_2.png", "d.png", "얼굴.png"]
    assert sorted(match_names(left, right)) == [
        ("IMG_1-Edit.jpg", "IMG_1.jpg"),
        ("IMG_2 (1).png", "IMG_2.png"),
        ("얼굴.png", "얼굴.png"),
    ]
    assert match_names(["a-Edit.png", "a-final.png"], ["a.png"]) == []  # it could be either
    assert match_heap(["a-Edit.png", "a.png", "photo_1.png", "photo_2.png"]) == [
        ("a-Edit.png", "a.png")
    ]


@pytest.mark.parametrize(
    "met",
    [("a copy.png", "a.png"), ("a-Edit.png", "a copy.png"), ("a copy.png", "a_원본.png"),
     ("a-Edit copy.png", "a copy.png"), ("a_사본.png", "a.png")],
)  # fmt: skip
def test_a_copy_is_the_side_that_the_other_one_is_not(met: tuple[str, str]) -> None:
    assert match_heap(sorted(met)) == match_heap(sorted(met, reverse=True)) == [met]


def test_no_name_of_a_file_leads_out_of_the_folder_of_pairs(tmp_path: Path) -> None:
    names = ["..", "../../x.png", "a/../b.png", "con.png", "x" * 255, "", ".htaccess", "a\0b.png"]
    places = []
    for at, name in enumerate([*names, *names]):
        places.append(PairPlace(tmp_path / f"{at}", names={"whole": name}))
        places[-1].folder.mkdir()
        (places[-1].folder / "pair.png").write_bytes(b"")
    write_pairs(places, tmp_path / "data" / "train")
    written = list((tmp_path / "data").rglob("*.png"))
    assert len(written) == len(places)
    assert {path.parent for path in written} == {tmp_path / "data" / "train"}
    assert not list(tmp_path.glob("*.png"))


def test_numbers_out_of_range_name_the_field_and_the_range(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"Minutes: a number from 0\.01 to 1,440"):
        start_words("fast", 1e9, Path("/d"), "n", Path("/c"), "AtoB")
    with pytest.raises(Refused, match="Epochs: a number from 1 to 100,000"):
        continue_words(TrainSettings(dataroot="/d"), "n", tmp_path, 1e6)


def test_a_test_photo_and_full_texture_are_flags_of_the_command(tmp_path: Path) -> None:
    photo = tmp_path / "photo_01.png"
    line = start_words("fast", 2, Path("/d"), "n", tmp_path, "AtoB", "texture", None, photo)
    options = asked(line[1:])
    assert (options.aim, options.test_photo) == ("texture", str(photo))


@pytest.mark.parametrize(
    ("name", "said"),
    [("a?b", "it contains ?"), ("a\u200bb", "it contains zero width space"),
     ("ㄱ" * 40, "a part of it is longer than 100 bytes")],
)  # fmt: skip
def test_a_name_is_refused_in_words_of_the_page(name: str, said: str) -> None:
    from unretouch.base.names import name_problem

    assert str(name_problem(name)) == said


def told_verdicts(run: RunDir, turns: bool = True, **words: str) -> list[str]:
    """Write a report with these words and return the advice for each question."""
    (run.root / "verify").mkdir(exist_ok=True)
    tones = {"not yet": "middling", "memorised": "good", "harmful": "bad"}
    verdicts = {
        name: {"word": word, "tone": tones.get(word, "unknown"), "sentence": "So.", "said": []}
        for name, word in words.items()
    }
    run.weights("latest").write_bytes(b"w")
    (run.root / "verify" / "report.json").write_text(
        json.dumps({"subject": {}, "verdicts": verdicts})
    )
    found = verdicts_of(run, TrainSettings(dataroot="/d"), turns)
    assert found is not None
    return [one["advice"] for one in found["verdicts"]]


def test_a_verdict_says_what_helps(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    assert verdicts_of(run, None, turns=True) is None
    assert told_verdicts(run, turns=False, unseen="unknown") == [""]
    assert told_verdicts(run, memorised="not yet", unseen="unknown") == ["longer", "turns"]
    assert told_verdicts(run, memorised="memorised", unseen="harmful") == ["", "others"]
    # Never two that contradict each other.
    assert told_verdicts(run, memorised="not yet", unseen="harmful") == ["", "others"]


def test_the_list_tells_the_verdict_on_what_a_run_is_for_and_its_page_the_kept_pairs(
    tmp_path: Path,
) -> None:
    run = RunDir(tmp_path / "runs", "r")
    run.prepare()
    (tmp_path / "pairs" / "heldout").mkdir(parents=True)
    Image.new("RGB", (64, 32)).save(tmp_path / "pairs" / "heldout" / "face.png")
    told_verdicts(run, turns=False, memorised="not yet", unseen="harmful")
    path = run.root / "verify" / "report.json"
    for aim, word, tone in (("fit", "not yet", "middling"), ("restore", "harmful", "bad")):
        settings = TrainSettings(dataroot=str(tmp_path / "pairs"), aim=aim)  # type: ignore[arg-type]
        assert verdict_that_counts(run, settings) == {"word": word, "tone": tone}
        assert kept_pairs(run, settings) == [{"name": "face", "word": ""}]
    report = json.loads(path.read_text())
    report["verdicts"]["unseen"]["pairs"] = {"face": "harmful"}
    path.write_text(json.dumps(report))
    assert kept_pairs(run, settings) == [{"name": "face", "word": "harmful"}]
    os.utime(run.weights("latest"), (2e9, 2e9))  # trained on: nothing is known of it now
    assert verdict_that_counts(run, settings) is None
    assert kept_pairs(run, settings) == [{"name": "face", "word": ""}]
    assert verdict_that_counts(RunDir(tmp_path / "runs", "other"), settings) is None


def test_what_was_compared_is_found_again_by_the_next_app(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("checkpoints_dir", "datasets_dir", "results_dir")}
    for group in ("good", "torn"):
        (tmp_path / "results_dir" / "comparison" / group).mkdir(parents=True)
        record = {"runs": [{"name": "one"}, {"name": "two"}]}
        text = json.dumps(record) if group == "good" else "{"
        (tmp_path / "results_dir" / "comparison" / group / "comparison.json").write_text(text)
    state = AppState(ServeSettings(port=0, no_open=True, **folders))  # type: ignore[arg-type]
    try:
        assert state.compared == {"good": ["one", "two"]}
        shown = []
        for name in ("one", "two"):  # until then it was renamed, or deleted
            shown.append(
                json.loads(asyncio.run(comparing.compared(request_of(state))).body)["groups"]
            )
            RunDir(tmp_path / "checkpoints_dir", name).prepare()
            RunDir(tmp_path / "checkpoints_dir", name).weights("latest").write_bytes(b"w")
        assert shown == [[], []]
        (group,) = json.loads(asyncio.run(comparing.compared(request_of(state))).body)["groups"]
        assert group["runs"] == ["one", "two"]
    finally:
        state.close()


def test_a_report_is_older_where_the_weights_are_others(tmp_path: Path) -> None:
    """Not where training on has left them as they were."""
    run = RunDir(tmp_path, "r")
    run.prepare()
    told_verdicts(run, turns=False, memorised="memorised")
    path, weights = run.root / "verify" / "report.json", run.weights("latest")
    report = json.loads(path.read_text())
    report["subject"]["weights_sha256"] = hashlib.sha256(b"w").hexdigest()
    path.write_text(json.dumps(report))

    def older() -> bool:
        found = verdicts_of(run, None, turns=False)
        assert found is not None
        return bool(found["older"])

    for held, seconds, expected in ((b"w", 2e9, False), (b"other", 2.1e9, True)):
        weights.write_bytes(held)
        os.utime(weights, (seconds, seconds))
        assert older() == expected
    path.write_text(json.dumps({**report, "subject": {}}))  # of an earlier version
    assert older()
    # One that is just being written is not shown before its end; the one before it is.
    written = path.stat().st_mtime
    assert verdicts_of(run, None, False, since=written - 1) is None
    assert verdicts_of(run, None, False, since=written + 1) is not None


def test_a_run_that_goes_on_is_starting_until_its_page_is_new(tmp_path: Path) -> None:
    run = RunDir(tmp_path, "r")
    run.prepare()
    told(run, state="stopped")
    os.utime(run.web / "status.js", (1.0, 1.0))
    with run_lock(run):
        found = Runs(tmp_path).condition(run)
        assert (found.state, found.doing) == ("starting", "preparing")
        history.write_event(run, "resume", step=5)
        assert Runs(tmp_path).condition(run).doing == "pictures"
        told(run)
        os.utime(run.web / "status.js", (2e9, 2e9))
        assert Runs(tmp_path).condition(run).state == "running"


def test_weights_are_read_once_until_they_change_however_many_runs_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [RunDir(tmp_path, f"r{number}") for number in range(80)]
    for run in runs:
        run.prepare()
        told_verdicts(run, turns=False, memorised="memorised")
        path = run.root / "verify" / "report.json"
        report = {**json.loads(path.read_text()), "subject": {"weights_sha256": "other"}}
        path.write_text(json.dumps(report))
    read: list[Any] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *of: (read.append(of), digest(*of))[1])
    for _poll in range(2):
        assert all((verdicts_of(run, None, False) or {})["older"] for run in runs)
    assert len(read) == len(runs)
