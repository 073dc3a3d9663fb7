"""Pairs in Adobe RGB, Display P3 and ProPhoto RGB are read in sRGB, in which `apply` works."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from test_apply import FULL, Floats, Simple, nothing
from test_photos import rgb_profile

from unretouch.pixels import colour, images, spaces
from unretouch.pixels.pairs import PictureCache, load_pairs
from unretouch.pixels.photos import read_photo
from unretouch.pixels.retouch import retouch, skin_mask
from unretouch.pixels.spaces import Sizing
from unretouch.runs.folder import RunDir
from unretouch.settings.commands import PairSettings
from unretouch.tasks.apply import masks
from unretouch.tasks.apply.restore import Restorer
from unretouch.tasks.pair import main, pair_folders
from unretouch.tasks.verify.finished_pictures import finished_pictures
from unretouch.training.session import _require_same_data

PRIMARIES = {
    "Adobe RGB (1998)": (
        2.19921875,
        [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]],
    ),
    "Display P3": (
        2.19921875,
        [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]],
    ),
    "ProPhoto RGB": (
        1.80078125,
        [[0.79767, 0.13519, 0.03134], [0.28804, 0.71188, 0.00009], [0.0, 0.0, 0.82491]],
    ),
}
PROFILES = {
    name: rgb_profile(gamma, np.array(columns), name)
    for name, (gamma, columns) in PRIMARIES.items()
}
ADOBE_RGB, DISPLAY_P3, PROPHOTO = PROFILES.values()
Rgb = NDArray[np.uint8]


def numbers_in(profile: bytes, rgb: Rgb) -> Rgb:
    """The numbers that a picture in sRGB has in the profile."""
    space, _ = colour.told(profile)
    assert space is not None
    own = space.from_srgb(rgb.astype(np.float32) / 255)
    return np.rint(own.clip(0, 1) * 255).astype(np.uint8)


def save(path: Path, rgb: Rgb, profile: bytes | None, **how: object) -> None:
    """Save a picture whose colours are those of `rgb` in sRGB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = rgb if profile is None else numbers_in(profile, rgb)
    Image.fromarray(own).save(path, icc_profile=profile, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def before(portrait: Rgb) -> Rgb:
    return np.ascontiguousarray(portrait[60:188, 140:268])


@pytest.fixture(scope="module")
def after(before: Rgb) -> Rgb:
    return retouch(before, 0, all_surfaces=True)


def far(a: NDArray[np.generic], b: NDArray[np.generic]) -> int:
    """The largest difference of two pictures, in levels."""
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
def test_a_pair_with_a_profile_is_trained_in_the_colours_of_the_same_pair_in_srgb(
    tmp_path: Path, before: Rgb, after: Rgb, profile: str, ending: str
) -> None:
    how = {"quality": 100, "subsampling": 0} if ending == "jpg" else {}
    for side, rgb in (("trainA", after), ("trainB", before)):
        save(tmp_path / f"{side}/one.{ending}", rgb, PROFILES[profile], **how)
    loaded = load_pairs(tmp_path, "train")
    [pair] = loaded.pairs
    for found, colours in ((pair.source, after), (pair.target, before)):
        if ending != "jpg":
            assert far(found, colours) <= 2  # as much as a step of ProPhoto
        assert np.abs(found.astype(int) - colours).mean() < 1.5
    assert [line for line in loaded.warnings if line.endswith("to sRGB")] == [
        f"one: its colours were converted from {profile} to sRGB"
    ]


def test_the_two_sides_may_differ_in_profile(tmp_path: Path, before: Rgb, after: Rgb) -> None:
    save(tmp_path / "trainA/one.png", after, ADOBE_RGB)
    save(tmp_path / "trainB/one.png", before, DISPLAY_P3)
    save(tmp_path / "trainA/two.png", after, None)
    save(tmp_path / "trainB/two.png", before, DISPLAY_P3)
    loaded = load_pairs(tmp_path, "train")
    for pair in loaded.pairs:
        assert far(pair.source, after) <= 1
        assert far(pair.target, before) <= 1
    said = " ".join(loaded.warnings)
    assert "one: A: its colours were converted from Adobe RGB (1998) to sRGB" in said
    assert "one, two: B: its colours were converted from Display P3 to sRGB" in said
    assert "converted_from" in loaded.manifest[0]
    assert "converted_from" not in loaded.manifest[2]


def test_a_set_that_does_not_fit_memory_is_converted_whenever_it_is_read(
    tmp_path: Path, before: Rgb, after: Rgb
) -> None:
    save(tmp_path / "train/one.png", np.hstack([after, before]), DISPLAY_P3)
    [eager] = load_pairs(tmp_path, "train").pairs
    lazy = load_pairs(tmp_path, "train", cache=PictureCache(0))
    assert lazy.lazy
    assert np.array_equal(lazy.pairs[0].source, eager.source)
    assert np.array_equal(lazy.pairs[0].target, eager.target)
    assert far(eager.target, before) <= 1


def test_colours_that_srgb_does_not_have_are_told(tmp_path: Path) -> None:
    vivid = np.full((40, 40, 3), 128, np.uint8)
    vivid[:10] = (20, 220, 20)
    Image.fromarray(vivid).save(tmp_path / "one.png", icc_profile=PROPHOTO)
    picture = images.read(tmp_path / "one.png")
    assert any(str(note).startswith("25% of it has colours outside sRGB") for note in picture.notes)
    assert (picture.rgb[:10, :, 0] == 0).all()


@pytest.mark.parametrize("profile", [None, *PROFILES.values()])
@pytest.mark.parametrize("ending", ["png", "tif", "jpg"])
@pytest.mark.parametrize("size", [None, 64])
def test_apply_shows_the_network_the_very_numbers_that_it_was_trained_on(
    tmp_path: Path, before: Rgb, profile: bytes | None, ending: str, size: int | None
) -> None:
    file = tmp_path / f"photo.{ending}"
    save(file, before, profile)
    trained = images.read(file).rgb
    sizing = FULL
    if size is not None:
        sizing = Sizing("resize_and_crop", size, size)
        trained = spaces.resize(trained, size, size)
    seen = []

    def looks(picture: Floats) -> Floats:
        seen.append(picture.copy())
        return nothing(picture)

    Restorer(Simple(looks, sizing)).restore(read_photo(file))
    np.testing.assert_allclose(seen[-1] * 255, trained, atol=1e-4)


def test_skin_is_looked_for_in_the_colours_that_pairs_are_read_in(
    tmp_path: Path, before: Rgb
) -> None:
    save(tmp_path / "photo.png", before, PROPHOTO)
    found = masks.of_skin(read_photo(tmp_path / "photo.png")).plane
    assert np.array_equal(found, skin_mask(images.read_rgb(tmp_path / "photo.png")))


def test_a_pair_that_is_written_trains_in_the_colours_of_its_files(
    tmp_path: Path, before: Rgb, after: Rgb
) -> None:
    for name in ("one", "two"):
        save(tmp_path / f"in/trainA/{name}.jpg", after, ADOBE_RGB)
        save(tmp_path / f"in/trainB/{name}.tif", before, DISPLAY_P3)
    report = pair_folders(tmp_path / "in/trainA", tmp_path / "in/trainB", tmp_path / "out/train")
    assert all(any("A: its colours were conv" in note for note in r.warnings) for r in report.rows)
    with Image.open(report.rows[0].file) as image:
        assert "icc_profile" not in image.info
    files, written = load_pairs(tmp_path / "in", "train"), load_pairs(tmp_path / "out", "train")
    for own, pair in zip(files.pairs, written.pairs, strict=True):
        assert np.array_equal(own.source, pair.source)
        assert np.array_equal(own.target, pair.target)
    assert not any("converted" in line for line in written.warnings)


def test_pair_says_once_that_colours_were_converted(
    tmp_path: Path, before: Rgb, after: Rgb, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        save(tmp_path / f"A/{number}.png", after, ADOBE_RGB)
        save(tmp_path / f"B/{number}.png", before, ADOBE_RGB)
    main(PairSettings(folders=(tmp_path / "A", tmp_path / "B"), out=tmp_path / "out"))
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("converted from") == 1
    assert "0, 1, 2 and 2 more: its colours were converted" in said


def test_finished_pictures_are_judged_in_srgb(tmp_path: Path, before: Rgb, after: Rgb) -> None:
    save(tmp_path / "train/one.png", np.hstack([after, before]), None)
    save(tmp_path / "made/one.png", before, ADOBE_RGB)
    [(pair, prediction)] = finished_pictures(tmp_path / "made", tmp_path, "train")
    assert far(prediction, pair.target) <= 1


def test_a_run_that_was_begun_before_pairs_were_converted_says_so(
    tmp_path: Path, before: Rgb, after: Rgb
) -> None:
    save(tmp_path / "train/one.png", np.hstack([after, before]), ADOBE_RGB)
    manifest = load_pairs(tmp_path, "train").manifest
    run = RunDir(tmp_path, "run")
    run.prepare()
    old = [{k: v for k, v in record.items() if k != "converted_from"} for record in manifest]
    for recorded, lines in ((manifest, 0), (old, 1)):
        run.data_manifest.write_text(json.dumps(recorded))
        assert len(_require_same_data(run, "pairs", run.data_manifest, manifest)) == lines


def test_a_hostile_profile_is_left_alone(tmp_path: Path, before: Rgb) -> None:
    broken = bytearray(ADOBE_RGB)
    place = broken.index(b"curv")
    broken[place : place + 14] = b"para" + bytes(4) + b"\0\0" + b"\0\0" + b"\x80\0"
    for profile in (bytes(broken), b"words", ADOBE_RGB[:200]):
        Image.fromarray(before).save(tmp_path / "one.png", icc_profile=profile)
        picture = images.read(tmp_path / "one.png")
        assert np.array_equal(picture.rgb, before)
        assert picture.notes == (colour.TABLES,)


def test_a_grey_profile_is_followed(tmp_path: Path) -> None:
    """It has one curve and no matrix, and was said to be none that can be followed."""
    profile = bytearray(160)
    profile[16:20], profile[20:24], profile[36:40] = b"GRAY", b"XYZ ", b"acsp"
    profile[128:144] = struct.pack(">I4sII", 1, b"kTRC", 144, 14)
    profile[144:158] = b"curv" + struct.pack(">IIH", 0, 1, round(1.8 * 256))
    grey = np.arange(256, dtype=np.uint8)[None].repeat(8, 0)
    Image.fromarray(grey).save(tmp_path / "grey.png", icc_profile=bytes(profile))
    read = images.read(tmp_path / "grey.png")
    assert "its colours were converted from an unnamed profile to sRGB" in map(str, read.notes)
    linear = (grey / 255) ** 1.8
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(read.rgb[..., 0] - 255 * coded).max() < 0.6
    assert (read.rgb == read.rgb[..., :1]).all()
