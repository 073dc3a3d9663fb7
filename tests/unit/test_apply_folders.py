"""Apply on a folder: its tree and names stay, nothing is passed over unsaid, nothing of anybody is
lost, what was done can be repeated, and one page shows it."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unretouch import networks
from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.cli import dispatch, run
from unretouch.pixels import images
from unretouch.pixels.photos import Photo, write_photo
from unretouch.runs.weights import save_weights
from unretouch.settings.commands import ApplySettings
from unretouch.settings.train import TrainSettings, save_settings
from unretouch.tasks.apply import before_after, command, files
from unretouch.tasks.apply.before_after import Treated
from unretouch.tasks.apply.files import Made, meant, output_of

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run `first`, a small `detail` with random weights."""
    root = tmp_path_factory.mktemp("checkpoints")
    settings = TrainSettings(
        dataroot="nowhere", name="first", netG="detail", size="s", preprocess="none"
    )
    torch.manual_seed(1)
    net = networks.build_generator(settings)
    torch.nn.init.normal_(net.head.weight, std=0.05)  # type: ignore[union-attr, arg-type]
    (root / "first").mkdir()
    save_settings(root / "first" / "config.json", settings, {})
    save_weights(root / "first" / "latest_net_G.pth", net.state_dict())
    return root


def save(path: Path, height: int = 24, width: int = 32, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(seed).integers(0, 200, (height, width, 3)).astype(np.uint8)
    Image.fromarray(levels).save(path, "PNG" if path.suffix == ".png" else "JPEG")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(("IMG (1).jpg", "day 2/IMG (1).jpg", "day 2/얼굴 #3.png")):
        save(tmp_path / "in" / name, seed=seed)
    return tmp_path / "in"


def apply(checkpoints: Path, *words: str) -> int:
    more = ["--checkpoints_dir", str(checkpoints), "--device", "cpu"]
    return run(dispatch, ["apply", *words, *more])


def made_in(out: Path) -> set[str]:
    """The results in a folder."""
    found = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if path.parts[0] not in ("apply.jsonl", files.PAGE)}


def places(found: files.Meant) -> dict[str, str]:
    return {job.source.name: job.stem + job.ending for job in found.jobs}


def refusal(words: list[str], out: Path) -> str:
    with pytest.raises(ManyDataErrors) as caught:
        meant(words, out)
    return str(caught.value)


# --- tree and names


def test_the_tree_and_the_names_stay_as_they_are(checkpoints: Path, photos: Path) -> None:
    out = photos.with_name("out")
    assert apply(checkpoints, "first", str(photos), "-o", str(out)) == 0
    assert made_in(out) == {"IMG (1).jpg", "day 2/IMG (1).jpg", "day 2/얼굴 #3.png"}


def test_of_several_folders_each_keeps_its_own(photos: Path, tmp_path: Path) -> None:
    save(tmp_path / "more" / "IMG (1).jpg")
    found = meant([str(photos), str(tmp_path / "more")], tmp_path / "out")
    assert [job.stem for job in found.jobs] == [
        "in/IMG (1)", "in/day 2/IMG (1)", "in/day 2/얼굴 #3", "more/IMG (1)",
    ]  # fmt: skip


def test_a_raw_and_its_jpeg_keep_their_name_and_what_would_be_one_file_does_not(
    tmp_path: Path,
) -> None:
    for name in ("A.NEF", "a.JPG", "b.jpg", "B.png", "c.heic", "c.png"):
        (tmp_path / name).write_bytes(b"")
    assert places(meant([str(tmp_path)], tmp_path / "out")) == {
        "A.NEF": "A.tif", "a.JPG": "a.JPG", "b.jpg": "b.jpg", "B.png": "B.png",
        "c.heic": "c.png", "c.png": "c_png.png",
    }  # fmt: skip
    as_tiff = places(meant([str(tmp_path)], tmp_path / "out", "tiff")).values()
    assert len({place.casefold() for place in as_tiff}) == 6


def test_a_photograph_that_is_not_what_its_name_says_takes_no_others_place(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        (tmp_path / name).write_bytes(b"")
    jobs = meant([str(tmp_path)], tmp_path / "out").jobs
    png = Photo(np.zeros((4, 4, 3), np.uint8), "png", ".jpg")
    outputs = [
        output_of(job, png, tmp_path / "out", inputs=(), made=Made(), overwrite=False).name
        for job in jobs
    ]
    assert outputs == ["a_jpg.png", "a.png"]


def test_a_name_that_the_disk_does_not_take_becomes_a_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch = Path.touch

    def no_colons(path: Path, *args: object) -> None:
        if ":" in path.name:
            raise OSError(errno.EINVAL, "Invalid argument")
        touch(path)

    monkeypatch.setattr(Path, "touch", no_colons)
    photo = Photo(np.zeros((4, 4, 3), np.uint8), "png", ".png")
    for stem, expected in (("sub/10:30", "10_30"), ("x" * 250, "xxx")):
        job = files.Job(tmp_path / "source.png", stem, ".png")
        output = output_of(job, photo, tmp_path, inputs=(), made=Made(), overwrite=False)
        assert output.name.startswith(expected)
        output.with_name(output.name + ".partial").write_bytes(b"")


@pytest.mark.parametrize("taken", ["IMG (1).jpg", files.RECORDS])
def test_a_folder_in_the_place_of_a_file_is_told(
    checkpoints: Path, photos: Path, taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos.with_name("out")
    (out / taken).mkdir(parents=True)
    words = [str(photos / "IMG (1).jpg"), "-o", str(out), "--overwrite"]
    assert apply(checkpoints, "first", *words) == 3
    assert capsys.readouterr().err.startswith(f"unretouch: {out / taken}: is a folder, and ")
    assert made_in(out) == set()


# --- what is not read


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_a_name_that_is_there_but_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nothing.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ManyDataErrors) as caught:
        meant([str(tmp_path / name) for name in ("link.jpg", "pipe.jpg")], tmp_path / "out")
    assert [problem.what for problem in caught.value.problems] == [
        "is a link to nothing", "is no file",
    ]  # fmt: skip


def test_every_file_that_is_not_read_is_listed_by_name_and_kind(
    checkpoints: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("w.psd", "day 2/v.psd", "z.jxl", "notes.txt", ".hidden", "Thumbs.db", "README"):
        (photos / name).write_bytes(b"x")
    (photos / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    out = photos.with_name("out")
    assert apply(checkpoints, "first", str(photos), "-o", str(out)) == 3
    shown = capsys.readouterr()
    assert "3 restored, 6 not read; folder:" in shown.out
    lines = [line.removeprefix("unretouch: not read, ") for line in shown.err.splitlines()]
    assert lines == [
        f".jxl (JPEG XL): {photos}/z.jxl. Save them as TIFF or PNG",
        f".psd (Photoshop): {photos}/day 2/v.psd, {photos}/w.psd. Save them as TIFF or PNG",
        f".txt (text): {photos}/notes.txt",
        f"a link to nothing: {photos}/gone.jpg",
        f"a name without ending: {photos}/README",
    ]
    assert apply(checkpoints, "first", str(photos / "*"), "-o", str(out)) == 3
    assert "1 restored" not in capsys.readouterr().out


def test_linked_folders_are_read_and_no_circle_is_followed(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "a.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "in")
    found = meant([str(tmp_path / "in")], tmp_path / "out")
    assert [job.stem for job in found.jobs] == ["linked/a"]
    assert found.unread == []


def test_a_file_and_a_link_to_it_are_one_photograph_with_the_name_of_the_file(
    tmp_path: Path,
) -> None:
    file, elsewhere = save(tmp_path / "in" / "b.jpg"), save(tmp_path / "c.jpg")
    for name in ("a.jpg", "d.jpg"):
        (tmp_path / "in" / name).symlink_to(file)
    (tmp_path / "in" / "e.jpg").symlink_to(elsewhere)
    found = meant([str(tmp_path / "in"), str(file)], tmp_path / "out")
    assert [job.stem for job in found.jobs] == ["b", "e"]
    told = [note.split(" are one file")[0].replace(f"{file.parent}/", "") for note in found.notes]
    assert told == ["a.jpg and b.jpg", "b.jpg and d.jpg"]


def test_results_are_left_out_where_they_lie_among_the_photographs(photos: Path) -> None:
    for folder in ("restored", "earlier"):
        save(photos / folder / "sub" / "IMG (1).jpg")
        (photos / folder / files.RECORDS).write_text("")
    found = meant([str(photos)], photos / "restored")
    assert len(found.jobs) == 3
    assert found.notes == [f"{photos / 'earlier'} holds results of apply and is left out"]
    # Given by name they are photographs like others.
    assert len(meant([str(photos / "earlier")], photos / "again").jobs) == 1


@pytest.mark.parametrize("word", ["", "/*.jpg"])
def test_one_folder_for_photographs_and_results_is_told_as_what_it_is(
    photos: Path, word: str
) -> None:
    said = refusal([f"{photos}{word}"], photos)
    assert "no photographs" not in said
    assert "of the results" in said
    assert "Choose another folder for --out" in said
    assert len(meant([str(photos / "day 2")], photos).jobs) == 2, "a folder above is another one"


def test_a_folder_without_photographs_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "w.psd").write_bytes(b"")
    assert "no photographs in this folder, only .psd (Photoshop)" in refusal(
        [str(tmp_path)], Path()
    )


def test_a_file_for_a_folder_of_results_is_answered(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"name of a file, and a folder is meant\. Write -o .*/a:"):
        meant([str(save(tmp_path / "in.jpg"))], tmp_path / "a.jpg")


# --- nothing of anybody is lost


@pytest.mark.parametrize("layered", [False, True])
def test_two_photographs_of_one_name_make_two_files_and_it_is_said(
    tmp_path: Path, layered: bool
) -> None:
    one, two = (save(tmp_path / side / "IMG.jpg", seed=seed) for seed, side in enumerate("ab"))
    save(tmp_path / "a" / "IMG.png", seed=3)
    found = meant([str(one), str(two)], tmp_path / "out", layered=layered)
    assert [job.stem for job in found.jobs] == ["IMG", "IMG_jpg"]
    ending = ".psd" if layered else ".jpg"
    assert found.notes == [
        f"not to replace what is made of another photograph of that name: {two} as IMG_jpg{ending}"
    ]
    found = meant([str(tmp_path / "a")], tmp_path / "out", "png", layered=layered)
    assert {job.stem for job in found.jobs} == {"IMG", "IMG_png"}


def test_a_later_command_does_not_replace_what_came_of_another_photograph(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (save(tmp_path / side / "IMG.jpg", seed=seed) for seed, side in enumerate("ab"))
    out = tmp_path / "out"
    assert apply(checkpoints, "first", str(one), "-o", str(out)) == 0
    first = (out / "IMG.jpg").read_bytes()
    for _ in range(2):
        assert apply(checkpoints, "first", str(two), "-o", str(out)) == 0
        assert "another photograph of that name" in capsys.readouterr().out
        assert made_in(out) == {"IMG.jpg", "IMG_jpg.jpg"}
        assert (out / "IMG.jpg").read_bytes() == first
    # The same photograph, moved, is no other one.
    one.rename(tmp_path / "IMG.jpg")
    words = ("first", str(tmp_path / "IMG.jpg"), "-o", str(out), "--strength", "0.5")
    assert apply(checkpoints, *words) == 0
    assert made_in(out) == {"IMG.jpg", "IMG_jpg.jpg"}
    assert (out / "IMG.jpg").read_bytes() != first


def test_what_comes_to_nothing_makes_no_folder_of_results_of_the_photographs(
    checkpoints: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = photos / "IMG (1).jpg"
    assert apply(checkpoints, "first", str(photo), "-o", str(photos)) == 3
    assert "would be overwritten" in capsys.readouterr().err
    assert not (photos / files.RECORDS).exists()


@pytest.mark.parametrize("where", ["read_photo", "write_photo", "Restorer.restore"])
def test_an_error_nobody_foresaw_costs_one_photograph(
    checkpoints: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    *owner, name = where.split(".")
    place = getattr(command, owner[0]) if owner else command
    right, calls = getattr(place, name), []

    def fails_once(*given: object, **named: object) -> object:
        calls.append(given)
        if len(calls) == 1:
            raise ValueError("EXIF data is\ntoo long")
        return right(*given, **named)

    monkeypatch.setattr(place, name, fails_once)
    out = photos.with_name("out")
    assert apply(checkpoints, "first", str(photos), "-o", str(out)) == 3
    shown = capsys.readouterr()
    assert "2 restored, 1 failed" in shown.out
    (line,) = shown.err.splitlines()
    assert str(photos / "IMG (1).jpg") in line
    assert "(ValueError: EXIF data is too long)" in line
    assert len(made_in(out)) == 2


def test_a_subfolder_that_cannot_be_written_costs_its_own_photographs(
    checkpoints: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos.with_name("out")
    out.mkdir()
    (out / "day 2").write_text("a file stands here")
    assert apply(checkpoints, "first", str(photos), "-o", str(out)) == 3
    shown = capsys.readouterr()
    assert "1 restored, 2 failed" in shown.out
    assert shown.err.count("cannot be written") == 2


# --- what was made before


def test_a_result_that_was_edited_is_not_overwritten_unasked(
    checkpoints: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos.with_name("out")
    words = ("first", str(photos), "-o", str(out))
    assert apply(checkpoints, *words) == 0
    edited = out / "day 2" / "IMG (1).jpg"
    save(edited, seed=9)
    mine = edited.read_bytes()
    assert apply(checkpoints, *words, "--strength", "0.5") == 3
    shown = capsys.readouterr()
    assert "2 restored, 1 failed" in shown.out
    assert f"{edited}: was changed after apply made it. Give --overwrite" in shown.err
    assert edited.read_bytes() == mine
    assert apply(checkpoints, *words, "--strength", "0.5", "--overwrite") == 0
    assert edited.read_bytes() != mine


def test_records_without_size_and_time_protect_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / files.RECORDS).write_text('{"output": "a.png", "key": "of 0.1.0"}\n{"odd": 1}\n')
    (tmp_path / "w.pth").write_bytes(b"")
    request = ApplySettings(photos=("x",), weights=tmp_path / "w.pth", out=tmp_path)
    made = files.Records(request, tmp_path / "w.pth", []).made
    assert made == Made(frozenset({"a.png"}), frozenset())


def test_like_repeats_a_treatment_and_flags_given_win(
    checkpoints: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (str(photos.with_name(f"out{number}")) for number in range(3))
    photo = str(photos / "IMG (1).jpg")
    assert apply(checkpoints, "first", photo, "-o", first, "--strength", "0.25") == 0
    words = ["apply", photo, "--like", first, "--device", "cpu"]
    assert run(dispatch, [*words, "-o", second]) == 0
    assert run(dispatch, [*words, "-o", third, "--strength", "1", "--format", "png"]) == 0
    result = [Path(folder, "IMG (1).jpg") for folder in (first, second)]
    assert result[0].read_bytes() == result[1].read_bytes()
    lines = Path(third, files.RECORDS).read_text("utf-8").splitlines()
    (noted,) = (line["treatment"] for line in map(json.loads, lines) if "treatment" in line)
    assert (noted["strength"], noted["format"]) == (1.0, "png")
    assert noted["run"] == str(checkpoints / "first")
    assert run(dispatch, ["apply", photo, "--like", str(photos)]) == 3
    assert "does not tell of a treatment" in capsys.readouterr().err


# --- progress


def test_the_time_left_goes_by_pixels_and_leaves_out_what_was_there(tmp_path: Path) -> None:
    """A file's size says little: grain makes a JPEG three times as large."""
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    for path, height in zip(paths, (50, 10, 20), strict=False):
        images.write_png(path, np.zeros((height, 10, 3), np.uint8))
    paths[3].write_bytes(bytes(9000))  # a kind whose header is not read
    paths.append(tmp_path / "e.png")
    images.write_png(paths[4], np.zeros((10, 10, 3), np.uint8))
    now = [0.0]
    pace = command.Pace(paths, lambda: now[0])
    pace.cost_nothing(paths[0])
    assert (pace.share, pace.left) == (0.0, "")
    now[0] = 30.0
    pace.reached(paths[1], 0.5)
    pace.reached(paths[1], 1.0)
    assert (pace.share, pace.left) == (100 / 550, "about 2 min 15 s left")
    now[0] = 0.1
    assert pace.left == ""  # and not: about 0 s
    for path in paths[2:]:
        pace.reached(path, 1.0)
    assert (pace.share, pace.left) == (1.0, "")


def test_ctrl_c_says_what_is_done_and_how_to_go_on(
    checkpoints: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = photos.with_name("out")
    words = ("first", str(photos), "-o", str(out))
    add = files.Records.add

    def stopped(*given: object) -> None:
        if made_in(out) >= {"day 2/IMG (1).jpg"}:
            raise KeyboardInterrupt
        add(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(files.Records, "add", stopped)
        assert apply(checkpoints, *words) == 130
    shown = capsys.readouterr()
    assert re.search(r"\d restored; the same command goes on from here", shown.out)
    assert apply(checkpoints, *words) == 0
    assert len(made_in(out)) == 3


def test_ctrl_c_in_one_photograph_keeps_the_one_before(
    checkpoints: Path,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("first", str(photos), "-o", str(photos.with_name("out")))
    right, calls = command.Restorer.restore, []

    def stopped(*given: object, **named: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return right(*given, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(command.Restorer, "restore", stopped)
        assert apply(checkpoints, *words) == 130
    assert "1 restored; the same command goes on from here" in capsys.readouterr().out
    assert apply(checkpoints, *words) == 0
    assert "2 restored, 1 already there" in capsys.readouterr().out


# --- the page


def request_for(out: Path) -> ApplySettings:
    return ApplySettings(photos=("x",), run="first", out=out, mask="skin", page=True)


def test_the_page_shows_the_whole_and_the_place_that_changed_most(tmp_path: Path) -> None:
    height, width = 500, 1100
    before = np.full((height, width, 3), 100, np.uint8)
    after = before.copy()
    after[300:420, 800:1000] += 30
    deep = np.full((20, 30, 3), 25_700, np.uint16)
    treated = []
    for name, sides, far in (
        ("a <b>.png", (before, after), None),
        ("sub/b.png", (deep, deep), {"said": {"message": "far"}}),
    ):
        source, output = tmp_path / "in" / name, tmp_path / "out" / name
        for path, pixels in zip((source, output), sides, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_photo(path, Photo(pixels, "png", ".png"))
        treated.append(Treated(source, output, far))
    page, problems = before_after.write(request_for(tmp_path / "out"), treated)
    assert problems == []
    html = page.read_text("utf-8")
    assert "<b>" not in html
    (data,) = re.findall(r'id="photographs">(.*?)</script>', html, re.DOTALL)
    first, second = json.loads(data)
    assert (first["name"], first["far"], second["far"]) == ("a <b>.png", None, {"message": "far"})
    whole, place = first["looks"]
    assert [look["key"] for look in first["looks"]] == ["whole", "place"]
    assert whole["ratio"] == pytest.approx(width / height, rel=0.01)
    shown = np.asarray(Image.open(page.parent / place["restored"]).convert("RGB")).astype(int)
    assert shown.shape == (before_after.CLOSE, before_after.CLOSE, 3)
    assert (shown.max(2) > 120).sum() == pytest.approx(120 * 200, rel=0.05), "all of the change"
    times = {path: path.stat().st_mtime_ns for path in (page.parent / "images").iterdir()}
    before_after.write(request_for(tmp_path / "out"), treated[:1])
    left = {path: path.stat().st_mtime_ns for path in (page.parent / "images").iterdir()}
    assert len(left) == 4
    assert len(times) == 6, "a small one is shown whole"
    assert left.items() <= times.items(), "taken over, not made again"


def test_the_page_shows_results_with_layers(checkpoints: Path, photos: Path) -> None:
    pytest.importorskip("psd_tools")
    out = photos.with_name("out")
    assert apply(checkpoints, "first", str(photos), "-o", str(out), "--layers", "--page") == 0
    pictures = out / files.PAGE / before_after.PICTURES
    assert len(list(pictures.glob("*_restored_whole.jpg"))) == 3


def test_an_empty_name_is_not_the_folder_that_one_is_in(tmp_path: Path) -> None:
    with pytest.raises(ManyDataErrors, match="empty name"):
        meant([""], tmp_path / "out")


def test_the_page_comes_with_the_same_command_and_survives_a_broken_result(
    checkpoints: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = photos.with_name("out")
    words = ("first", str(photos), "-o", str(out))
    assert apply(checkpoints, *words) == 0
    assert "the same command with --page" in capsys.readouterr().out
    (out / "IMG (1).jpg").write_bytes(b"no picture")
    assert apply(checkpoints, *words, "--page") == 3
    shown = capsys.readouterr()
    assert "0 restored, 3 already there" in shown.out
    assert f"page: {out / 'before_after' / 'index.html'}" in shown.out
    assert "is not on the page" in shown.err
    assert (out / "before_after" / "index.html").read_text("utf-8").count("<table") == 2
    assert apply(checkpoints, *words, "--page") == 3, "the page is no photograph of the folder"


def test_what_cannot_be_looked_into_is_listed(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("day 2"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = meant([str(photos)], photos.with_name("out"))
    assert [str(each) for each in found.unread] == [
        f"not read, a folder that cannot be opened: {photos / 'day 2'}"
    ]
    assert isinstance(found.unread[0], DataError)
