"""The folder of --also: what is taken from it, what is said of it, and what it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fault_harness import FAST, Place, Warm
from PIL import Image

from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.pixels import images
from unretouch.pixels.pairs import Reading, load_pairs, load_untouched
from unretouch.settings.train import TrainSettings
from unretouch.tasks.classic_commands import asked
from unretouch.training import retoucher
from unretouch.training.estimates import memory_need, run_bytes

Rgb = np.ndarray

pytestmark = pytest.mark.usefixtures("narrow")


def settings(**more: object) -> TrainSettings:
    given = {
        "dataroot": "d", "netG": "detail", "size": "s", "recipe": "fast", "lambda_GAN": 0.0,
        "preprocess": "none", "aim": "restore", **more,
    }  # fmt: skip
    return TrainSettings(**given)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, portrait: Rgb) -> Path:
    made = tmp_path / "untouched"
    (made / "sub").mkdir(parents=True)
    images.write_png(made / "face.png", portrait[20:148, 150:278])
    images.write_png(made / "sub/얼굴.png", portrait[40:168, 140:268])
    return made


def test_every_picture_of_the_folder_is_read_with_its_subfolders(folder: Path) -> None:
    loaded = load_untouched(folder)
    assert [pair.name for pair in loaded.pairs] == ["face", "sub_얼굴"]
    assert loaded.warnings == []
    for pair in loaded.pairs:
        assert np.array_equal(pair.source, pair.target)
        assert np.array_equal(pair.target, images.read_rgb(pair.files[0]))


def test_only_one_picture_at_a_time_is_held(folder: Path) -> None:
    loaded = load_untouched(folder)
    for pair in loaded.pairs:
        pair.target[:1]
    cache = loaded.pairs[0].cache  # type: ignore[attr-defined]
    assert cache is loaded.pairs[1].cache  # type: ignore[attr-defined]
    assert cache.held == 6 * 128 * 128


def test_pictures_of_the_pairs_are_no_untouched_ones(folder: Path, tmp_path: Path) -> None:
    a, b = (images.read_rgb(path) for path in sorted(folder.rglob("*.png")))
    for side, rgb in (("A", a // 2), ("B", b)):
        (tmp_path / "pairs/train" / side).mkdir(parents=True)
        images.write_png(tmp_path / "pairs/train" / side / "one.png", rgb)
    given = load_pairs(tmp_path / "pairs", "train")
    loaded = load_untouched(folder, given)
    assert [pair.name for pair in loaded.pairs] == ["face"]
    assert loaded.warnings == ["sub_얼굴: left out of --also: it is a picture of the pairs"]
    assert [record["file"] for record in loaded.manifest] == ["face.png"]
    with pytest.raises(DataError, match="nothing but pictures of the pairs themselves"):
        load_untouched(tmp_path / "pairs", given)


def test_a_side_of_a_pair_in_one_file_is_no_untouched_picture(folder: Path, tmp_path: Path) -> None:
    """Nor is a picture of the pairs that was saved under another ending."""
    b = images.read_rgb(folder / "sub/얼굴.png")
    (tmp_path / "pairs/train").mkdir(parents=True)
    both = np.concatenate([b // 2, b], axis=1)
    images.write_png(tmp_path / "pairs/train/one.png", both)
    Image.fromarray(b // 2).save(folder / "a_side.tiff")
    loaded = load_untouched(folder, load_pairs(tmp_path / "pairs", "train"))
    assert [pair.name for pair in loaded.pairs] == ["face"]
    (warning,) = loaded.warnings
    assert warning == "a_side, sub_얼굴: left out of --also: it is a picture of the pairs"


def test_pictures_without_skin_are_told_in_one_line(folder: Path) -> None:
    blue = np.random.default_rng(0).integers(0, 60, (64, 64, 3)).astype(np.uint8)
    blue[..., 2] += 120
    for number in range(5):
        images.write_png(folder / f"sky_{number}.png", blue + number)
    [line] = load_untouched(folder).warnings
    assert line.startswith("sky_0, sky_1, sky_2 and 2 more: no skin was found")


def test_a_damaged_picture_is_named(folder: Path) -> None:
    (folder / "bad.png").write_bytes(b"words")
    with pytest.raises(ManyDataErrors, match=r"bad\.png"):
        load_untouched(folder)


@pytest.mark.parametrize("made", ["nothing", "a file", "an empty folder"])
def test_a_folder_without_pictures_is_refused_before_the_pairs_are_read(
    forker: Warm, dataroot: Path, tmp_path: Path, made: str
) -> None:
    also = tmp_path / "also"
    if made == "a file":
        also.write_bytes(b"")
    elif made == "an empty folder":
        also.mkdir()
    place = Place(dataroot, tmp_path / "runs", (*FAST, "--aim", "restore", "--also", str(also)))
    done = forker.run(place.words(), tiny_detail=True)
    said = done.out.strip().splitlines()
    assert (done.code, len(said)) == (3, 1), done.out
    assert str(also) in said[0]
    advice = "Give the folder that it lies in" if made == "a file" else "Name a folder of untouched"
    assert advice in said[0]
    assert not place.root.exists()


def test_a_run_goes_on_with_the_flag_it_was_begun_with(
    forker: Warm, dataroot: Path, folder: Path, tmp_path: Path
) -> None:
    epochs = ("--n_epochs", "2", "--n_epochs_decay", "0")
    flags = (*FAST, "--aim", "restore", *epochs)
    also, on = ("--also", str(folder)), ("--continue_train", "--n_epochs", "3")
    for name, first, then, said in (
        ("with", also, (), f"--also: the run was begun with {folder}. Give the flag to go on"),
        ("without", (), also, "--also: the run was begun without it. Leave out the flag to go on"),
    ):
        place = Place(dataroot, tmp_path / "runs", flags, name)
        assert forker.run(place.words(*first), tiny_detail=True).code == 0
        done = forker.run(place.words(*on, *then), tiny_detail=True)
        assert done.code == 2
        assert said in done.out.splitlines()[-1]


def test_what_it_needs_is_counted() -> None:
    pairs = Reading(pairs=1, largest=1_000_000, decoded=6_000_000, kept=6_000_000)
    plain = memory_need(settings(), pairs, on_gpu=False)
    also = settings(also="there")
    need = memory_need(also, pairs, on_gpu=False)
    assert need.pairs - plain.pairs == 6 * retoucher.MOST_PIXELS
    assert need.work > plain.work
    large = Reading(1, 1_000_000, 6_000_000, 6_000_000, untouched=60_000_000)
    assert memory_need(also, large, on_gpu=False).work >= 20 * 60_000_000
    assert run_bytes(also) > run_bytes(settings())


def test_another_folder_is_another_run(folder: Path) -> None:
    assert settings(also="one").deciding() != settings(also="two").deciding()


@pytest.mark.parametrize(
    "words", [(), ("--aim", "fit"), ("--model", "pix2pix"), ("--preset", "strong")]
)
def test_it_is_refused_where_nothing_is_restored_that_was_not_seen(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"--also: .*Add --aim restore or texture"):
        asked(["--dataroot", "d", "--also", "there", *words])


def test_a_program_gives_it_as_a_path(folder: Path, tmp_path: Path) -> None:
    from unretouch import train

    with pytest.raises(DataError, match="no such folder"):
        train(tmp_path / "pairs", aim="restore", also=folder, checkpoints_dir=tmp_path)
    with pytest.raises(UsageError, match="--also"):
        train(tmp_path / "pairs", also=folder, checkpoints_dir=tmp_path)
