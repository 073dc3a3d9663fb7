"""`unretouch pair` and the pairs of the demo: whole, measured, never over other pictures."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage.data import astronaut

from unretouch.base.errors import DataError, UsageError
from unretouch.cli import dispatch
from unretouch.pixels import images, pair_check
from unretouch.pixels.pairs import load_pairs
from unretouch.pixels.retouch import retouch
from unretouch.tasks.classic_commands import asked
from unretouch.tasks.demo_pairs import LEAST_DIFFERENCE, SIDE, cut_demo_pairs
from unretouch.tasks.pair import pair_folders, simulate_pairs


@pytest.fixture
def photos(tmp_path: Path, portrait: np.ndarray) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    images.write_png(folder / "face.png", portrait[60:220, 140:300])
    images.write_png(folder / "sub/얼굴.png", portrait[:256, 100:356])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_folders_become_combined_pictures_without_loss(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    before = portrait[100:356, 100:356]
    after = retouch(before, 0, all_surfaces=True)
    for side, rgb in (("A", after), ("B", before), ("B", before)):
        (tmp_path / side).mkdir(exist_ok=True)
        images.write_png(tmp_path / side / "one.png", rgb)
    report = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "data/train")
    [row] = report.rows
    assert report.problems == []
    assert (row.name, row.width, row.height) == ("one", 256, 256)
    assert row.shift == pytest.approx((0, 0), abs=0.1)
    assert row.detail_ratio < 1
    assert row.difference == pytest.approx(pair_check.mean_difference(after, before))
    assert row.warnings == ()
    [pair] = load_pairs(tmp_path / "data", "train").pairs
    assert np.array_equal(pair.source, after)
    assert np.array_equal(pair.target, before)


def test_folders_given_the_wrong_way_round_are_told_once_and_the_command_turns_them(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = simulate_pairs([photos], tmp_path / "combined").rows
    for row in made:
        whole = images.read_rgb(row.file)
        for side, rgb in (("after", whole[:, : row.width]), ("before", whole[:, row.width :])):
            (tmp_path / side).mkdir(exist_ok=True)
            images.write_png(tmp_path / side / row.file.name, rgb)
    rows = pair_folders(tmp_path / "before", tmp_path / "after", tmp_path / "out").rows
    assert all("more fine detail" in row.warnings[0] for row in rows)
    assert all(row.detail_ratio > pair_check.SWAPPED for row in rows)
    capsys.readouterr()
    words = ["pair", str(tmp_path / "before"), str(tmp_path / "after"), "--out"]
    assert dispatch([*words, str(tmp_path / "swapped")]) == 0
    said = capsys.readouterr().out
    assert said.count("more fine detail") == 1
    assert asked(shlex.split(said.splitlines()[-1])[2:]).direction == "BtoA"


def test_what_of_a_pair_of_jpegs_is_compression_is_told(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    before = portrait[100:356, 100:356]
    after = before.copy()
    after[80:160, 80:160] = retouch(before, 0, 0.0, all_surfaces=True)[80:160, 80:160]
    for side, rgb, quality in (("A", after, 92), ("B", before, 85)):
        (tmp_path / side).mkdir()
        Image.fromarray(rgb).save(tmp_path / side / "one.jpg", quality=quality)
        images.write_png(tmp_path / side / "two.png", rgb)
    jpeg, png = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "out").rows
    assert jpeg.no_retouch.endswith(" levels are compression: JPEG against JPEG")
    lost, whole = (float(word) for word in jpeg.no_retouch.split() if word[0].isdigit())
    assert whole == round(jpeg.difference, 2)
    assert lost == pytest.approx(jpeg.difference - png.difference, abs=0.5)
    assert png.no_retouch == ""
    assert jpeg.warnings == png.warnings == ()


def test_it_ends_with_the_command_that_trains_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for side, shade in (("A", 90), ("B", 100)):
        (tmp_path / side).mkdir()
        images.write_png(tmp_path / side / "x.png", np.full((64, 64, 3), shade, np.uint8))
    assert dispatch(["pair", "A", "B", "--out", "my pairs"]) == 0
    *_, told, command = capsys.readouterr().out.splitlines()
    assert told == "1 pair written to my pairs/train. To train on them:"
    program, name, *words = shlex.split(command)
    assert (program, name) == ("unretouch", "train")
    assert (asked(words).dataroot, asked(words).name) == ("my pairs", "my_pairs")


def test_pairs_that_were_in_the_folder_before_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, shade in (("x", 90), ("y", 100)):
        for side in "AB":
            (tmp_path / name / side).mkdir(parents=True)
            picture = np.full((64, 64, 3), shade + ord(side), np.uint8)
            images.write_png(tmp_path / name / side / f"{name}.png", picture)
    assert dispatch(["pair", "x/A", "x/B", "--out", "pairs"]) == 0
    assert dispatch(["pair", "x/A", "x/B", "--out", "pairs"]) == 0
    assert "from before" not in capsys.readouterr().out
    assert dispatch(["pair", "y/A", "y/B", "--out", "pairs"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "note: 1 other pair in pairs/train, from before: x" in told
    assert "1 pair written to pairs/train. To train on all 2:" in told


def test_lossless_files_are_never_told_of_compression(tmp_path: Path) -> None:
    """A plain blur may pass for noise, and no JPEG was near these files."""
    before = Image.fromarray(astronaut()).resize((256, 256), Image.Resampling.LANCZOS)
    noise = np.random.default_rng(0).normal(0, 2, (256, 256, 3))
    noisy = Image.fromarray((np.asarray(before) + noise).clip(0, 255).astype(np.uint8))
    for folder, picture in (("a", noisy), ("b", before)):
        (tmp_path / folder).mkdir()
        picture.save(tmp_path / folder / "noisy.png")
        blurred = before.filter(ImageFilter.BoxBlur(1)) if folder == "a" else before
        blurred.save(tmp_path / folder / "blurred.tif")
    report = pair_folders(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    said = " ".join(row.no_retouch for row in report.rows)
    assert "levels look like grain or noise, not like a retouch" in said
    assert "compress" not in said


def test_bad_files_are_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for side in "AB":
        (tmp_path / side).mkdir()
        for name in ("good", "bad", "size"):
            images.write_png(tmp_path / side / f"{name}.png", rgb // (2 if side == "A" else 1))
    (tmp_path / "A/bad.png").write_bytes(b"words")
    images.write_png(tmp_path / "B/size.png", rgb[:20])
    images.write_png(tmp_path / "B/alone.png", rgb)
    report = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "out")
    assert [row.name for row in report.rows] == ["good"]
    assert sorted(contents(tmp_path / "out")) == ["good.png"]
    where = sorted(Path(problem.where).name for problem in report.problems)
    assert where == ["alone.png", "bad.png", "size.png"]


def test_a_simulated_pair_is_the_photograph_and_its_retouch(tmp_path: Path, photos: Path) -> None:
    report = simulate_pairs([photos], tmp_path / "out", seed=3)
    assert [row.name for row in report.rows] == ["face", "sub_얼굴"]
    for row, source in zip(report.rows, ("face.png", "sub/얼굴.png"), strict=True):
        whole = images.read_rgb(row.file)
        assert np.array_equal(whole[:, row.width :], images.read_rgb(photos / source))
        assert row.difference > 0
        assert row.detail_ratio < 1


def test_simulating_again_gives_the_same_files_and_another_seed_is_refused(
    tmp_path: Path, photos: Path
) -> None:
    out = tmp_path / "out"
    simulate_pairs([photos], out, seed=3)
    first = contents(out)
    assert simulate_pairs([photos], out, seed=3).problems == []
    assert contents(out) == first
    other = simulate_pairs([photos], out, seed=4)
    assert [problem.what for problem in other.problems] == [
        "is there already and is another picture"
    ] * 2
    assert contents(out) == first


def test_single_photographs_and_a_size_can_be_given(tmp_path: Path, photos: Path) -> None:
    [row] = simulate_pairs([photos / "sub/얼굴.png"], tmp_path / "out", size=100).rows
    assert (row.name, row.width, row.height) == ("얼굴", 100, 100)


def test_a_photograph_with_little_skin_is_retouched_everywhere_and_told(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    images.write_png(tmp_path / "shuttle.png", portrait[:256, 256:])
    [row] = simulate_pairs([tmp_path / "shuttle.png"], tmp_path / "out").rows
    assert row.difference > LEAST_DIFFERENCE
    assert "every smooth surface" in row.warnings[0]


def test_pairs_are_not_written_among_what_is_read(tmp_path: Path, photos: Path) -> None:
    for make in (
        lambda: simulate_pairs([photos], photos / "pairs"),
        lambda: pair_folders(photos, tmp_path / "photos", photos / "pairs"),
    ):
        with pytest.raises(DataError, match="lies inside"):
            make()
    assert not (photos / "pairs").exists()


def test_nothing_to_simulate_and_wrong_values_are_refused(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no pictures"):
        simulate_pairs([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(DataError, match="no such folder"):
        simulate_pairs([tmp_path / "missing"], tmp_path / "out")
    with pytest.raises(UsageError):
        simulate_pairs([photos], tmp_path / "out", detail_left=2)


def test_the_demo_cuts_four_crops_worth_learning(tmp_path: Path, portrait: np.ndarray) -> None:
    assert cut_demo_pairs(tmp_path)  # so little skin that all surfaces were retouched
    train, heldout = (load_pairs(tmp_path, phase) for phase in ("train", "heldout"))
    assert (len(train.pairs), len(heldout.pairs)) == (3, 1)
    assert min((train.identity | heldout.identity).values()) >= LEAST_DIFFERENCE
    assert train.warnings == []
    found = set()
    for pair in (*train.pairs, *heldout.pairs):
        assert pair.target.shape == (SIDE, SIDE, 3)
        found |= {
            (top, left)
            for top in (0, SIDE)
            for left in (0, SIDE)
            if np.array_equal(portrait[top : top + SIDE, left : left + SIDE], pair.target)
        }
    assert len(found) == 4  # no crop overlaps another


def test_the_demo_takes_a_photograph_and_the_skin_in_it(tmp_path: Path, shared: Path) -> None:
    assert not cut_demo_pairs(tmp_path, shared / "portraits/london_001.jpg")
    train, heldout = (load_pairs(tmp_path, phase) for phase in ("train", "heldout"))
    assert min((train.identity | heldout.identity).values()) >= LEAST_DIFFERENCE


def test_the_demo_can_be_run_again_but_not_into_other_pictures(tmp_path: Path) -> None:
    cut_demo_pairs(tmp_path)
    cut_demo_pairs(tmp_path)
    images.write_png(tmp_path / "train/mine.png", np.zeros((8, 16, 3), np.uint8))
    with pytest.raises(DataError, match="other pictures"):
        cut_demo_pairs(tmp_path)


def test_the_demo_says_which_size_it_needs_and_writes_nothing(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    images.write_png(tmp_path / "small.png", portrait[:400, :400])
    with pytest.raises(DataError, match=r"400 x 400.*512 x 512"):
        cut_demo_pairs(tmp_path / "out", tmp_path / "small.png")
    images.write_png(tmp_path / "flat.png", np.full((512, 512, 3), 90, np.uint8))
    with pytest.raises(DataError, match="too little texture"):
        cut_demo_pairs(tmp_path / "out", tmp_path / "flat.png")
    assert not (tmp_path / "out").exists()
