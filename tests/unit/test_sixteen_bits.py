"""16 bits a channel all the way: read, kept, trained on, shown, and written, bit for bit."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import importlib
import io
import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from picture_files import png, write_psd
from PIL import Image, ImageCms
from scipy import ndimage
from skimage import data
from starlette.requests import Request

from unretouch.base.errors import DataError, UsageError
from unretouch.cli import dispatch
from unretouch.metrics import exact_pixels, level_error
from unretouch.metrics.likeness import nearly_exact, ruler_of
from unretouch.networks import build_generator, predict_picture, prediction
from unretouch.pixels import images, pair_check, spaces
from unretouch.pixels.grade import Grade, colour_grade
from unretouch.pixels.pair_pictures import pair_pictures
from unretouch.pixels.pairs import LazyPair, Pair, PictureCache, Reading, load_pairs
from unretouch.pixels.photos import Photo, write_photo
from unretouch.pixels.retouch import retouch
from unretouch.pixels.retouched_area import pair_map, retouched_area
from unretouch.runs import checkpoint
from unretouch.serve import uploads
from unretouch.serve.pair_check import report
from unretouch.serve.refusals import Limits
from unretouch.settings.commands import PairSettings
from unretouch.settings.train import TrainSettings
from unretouch.tasks.pair import pair_folders, simulate_pairs
from unretouch.training import cameras, crops, session
from unretouch.training.estimates import memory_need
from unretouch.training.large_pairs import survey
from unretouch.training.training_pairs import padded_pairs, prepared_pairs

pytest.importorskip("pyvips")

Deep = NDArray[np.uint16]
RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)[..., None].repeat(3, 2)
"""Every number of 16 bits once."""


def noise(*shape: int, seed: int = 0) -> Deep:
    return np.random.default_rng(seed).integers(0, 65536, shape, np.uint16)


def alike(height: int, width: int) -> tuple[Deep, Deep]:
    """The two sides of a pair."""
    target = noise(height, width, 3) // 2 + 1000
    return (target + noise(height, width, 3, seed=1) % 2000).astype(np.uint16), target


@pytest.fixture(scope="module")
def deep_pair(portrait: NDArray[np.uint8]) -> tuple[Deep, Deep]:
    """A retouched portrait and the one before, both of 16 bits."""
    before = spaces.resize(spaces.in_depth(portrait[20:260, 120:360], 16), 160, 160)
    return retouch(before, 0, all_surfaces=True), before  # type: ignore[return-value]


def write(path: Path, rgb: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        write_photo(path, Photo(rgb, "tiff", ".tif"))
    else:
        images.write_png(path, rgb)


def write_set(root: Path, source: Deep, target: Deep, count: int = 1) -> Path:
    for number in range(count):
        a, b = (np.roll(side, 16 * number, 1) for side in (source, target))
        write(root / f"train/{number}.png", np.concatenate([a, b], axis=1))
    return root


# --- numbers


def test_every_number_of_8_bits_has_its_like_among_those_of_16() -> None:
    eight = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    sixteen = spaces.in_depth(eight, 16)
    assert sixteen.dtype == np.uint16
    assert (sixteen.min(), sixteen.max()) == (0, 65535)
    assert np.array_equal(spaces.in_levels(sixteen), spaces.in_levels(eight))
    assert np.array_equal(spaces.eight(sixteen), eight)
    # The network sees the same numbers, too.
    assert torch.equal(spaces.to_network(sixteen), spaces.to_network(eight))
    assert spaces.holds_sixteen(RAMP)
    assert not spaces.holds_sixteen(sixteen)


def test_16_bits_are_rounded_to_8_not_cut() -> None:
    expected = np.rint(RAMP.astype(np.float64) / 257).astype(np.uint8)
    assert np.array_equal(spaces.eight(RAMP), expected)


def test_levels_come_back_as_the_numbers_they_were() -> None:
    assert np.array_equal(spaces.levels_to_file(spaces.in_levels(RAMP), 16), RAMP)
    assert np.array_equal(spaces.shares_to_file(RAMP / np.float32(65535), 16), RAMP)
    beyond = np.array([-1.0, 256.0], np.float32)
    assert spaces.levels_to_file(beyond, 16).tolist() == [0, 65535]


def test_resizing_keeps_what_lies_between_two_levels() -> None:
    slope = np.linspace(1000, 1300, 64)[None, :, None].repeat(64, 0).repeat(3, 2)
    small = spaces.resize(slope.astype(np.uint16), 32, 32)
    assert small.dtype == np.uint16
    assert len(np.unique(small)) > 20  # of 8 bits there would be 2
    flat = np.full((20, 20, 3), 12345, np.uint16)
    assert (spaces.resize(flat, 7, 9) == 12345).all()
    assert (spaces.grey(flat) == 12345).all()
    assert (images.reduced(flat, 3) == 12345).all()
    assert images.reduced(flat[..., 0], 3).shape == (7, 7)


@pytest.mark.parametrize("size", ["s", "pyramid"])
@pytest.mark.parametrize("how", ["known to do nothing", "whole", "in tiles"])
def test_a_ramp_passes_a_network_that_does_nothing_bit_for_bit(
    size: Any, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(
        dataroot="-", netG="detail", size=size, recipe="fast", lambda_GAN=0, preprocess="none"
    )
    if how == "in tiles":
        monkeypatch.setattr(prediction, "WHOLE", 10_000)
        monkeypatch.setattr(prediction, "TILE", 200_000)
    net = build_generator(settings)
    if how != "known to do nothing":
        monkeypatch.setattr(type(net), "does_nothing", lambda self: False)
    levels = predict_picture(net, RAMP)
    assert np.array_equal(spaces.levels_to_file(levels, 16), RAMP)


# --- reading


def test_combined_files_of_16_bits_are_read_as_they_are(tmp_path: Path) -> None:
    source, target = alike(24, 32)
    whole = np.concatenate([source, target], axis=1)
    write(tmp_path / "train/one.png", whole)
    write(tmp_path / "train/two.tif", whole[::-1].copy())
    loaded = load_pairs(tmp_path, "train")
    one, two = loaded.pairs
    assert np.array_equal(one.source, source)
    assert np.array_equal(one.target, target)
    assert np.array_equal(two.source, source[::-1])
    assert (one.bits, two.bits) == (16, 16)
    assert [record["bits"] for record in loaded.manifest] == [16, 16]
    expected = np.abs(source.astype(float) - target).mean() / 257
    assert loaded.identity["one"] == pytest.approx(expected)


def test_a_side_of_8_bits_is_brought_to_those_of_the_other(tmp_path: Path) -> None:
    source, target = noise(24, 32, 3), spaces.eight(noise(24, 32, 3, seed=1))
    write(tmp_path / "train/A/one.tif", source)
    write(tmp_path / "train/B/one.png", target)
    loaded = load_pairs(tmp_path, "train")
    [pair] = loaded.pairs
    assert np.array_equal(pair.source, source)
    assert np.array_equal(spaces.in_levels(pair.target), spaces.in_levels(target))
    assert pair.target.dtype == np.uint16
    assert [record.get("bits") for record in loaded.manifest] == [16, None]


def test_8_bit_sets_are_read_bit_for_bit_as_they_always_were(tmp_path: Path) -> None:
    whole = np.concatenate(list(map(spaces.eight, alike(24, 32))), axis=1)
    write(tmp_path / "train/one.png", whole)
    loaded = load_pairs(tmp_path, "train")
    [pair] = loaded.pairs
    assert (pair.bits, pair.source.dtype) == (8, np.uint8)
    assert set(loaded.manifest[0]) == {"pair", "file", "sha256", "width", "height"}
    # Digests as version 0.1 had them.
    assert list(loaded.sides[pair.name]) == [
        hashlib.sha256(b"(24, 32, 3)" + np.ascontiguousarray(side).tobytes()).hexdigest()
        for side in (whole[:, :32], whole[:, 32:])
    ]
    table = crops.crop_table([pair], crops.pair_maps([pair]), 16, 8, seed=1)
    drawn = [crops.asked_at(table, *place, 16) for place in crops.drawn_places(table, 1, 0, 4)]
    assert {side.dtype for sides in drawn for side in sides} == {np.dtype(np.uint8)}


def test_turned_transparent_and_in_another_profile(tmp_path: Path) -> None:
    rgb = noise(20, 30, 3)
    (tmp_path / "clear.png").write_bytes(png(np.dstack([rgb, np.full((20, 30), 32768, np.uint16)])))
    picture = images.read(tmp_path / "clear.png")
    over_white = 65535 + (rgb - 65535.0) * (32768 / 65535)
    assert np.abs(picture.rgb - over_white).max() <= 1
    assert "laid over white" in str(picture.notes[0])
    (tmp_path / "grey.png").write_bytes(png(rgb[..., :1]))
    assert np.array_equal(images.read_rgb(tmp_path / "grey.png"), rgb[..., :1].repeat(3, 2))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_photo(tmp_path / "srgb.tif", Photo(rgb, "tiff", ".tif", profile=profile))
    assert np.array_equal(images.read_rgb(tmp_path / "srgb.tif"), rgb)


def test_other_colours_become_srgb_at_16_bits(tmp_path: Path) -> None:
    from unretouch.pixels import code_points

    points = code_points.CodePoints(12, 13, 0, full_range=True)  # Display P3
    rgb = (20000 + noise(16, 16, 3) // 4).astype(np.uint16)
    write_photo(tmp_path / "p3.tif", Photo(rgb, "tiff", ".tif", profile=points.profile))
    picture = images.read(tmp_path / "p3.tif")
    assert picture.converted_from
    eight = tmp_path / "eight.tif"
    Image.fromarray(spaces.eight(rgb)).save(eight, icc_profile=points.profile)
    off = spaces.in_levels(picture.rgb) - spaces.in_levels(images.read(eight).rgb)
    assert 0.1 < np.abs(off).mean() < 0.6  # as much as rounding to 8 bits before and after
    assert len(np.unique(picture.rgb)) > 500


def test_without_the_extra_one_line_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "train/one.png", noise(24, 64, 3))
    found = importlib.import_module

    def missing(name: str) -> Any:
        if name == "pyvips":
            raise ImportError(name)
        return found(name)

    monkeypatch.setattr("unretouch.pixels.extras.importlib.import_module", missing)
    with pytest.raises(DataError) as caught:
        load_pairs(tmp_path, "train")
    [problem] = caught.value.problems  # type: ignore[attr-defined]
    assert str(problem.what) == "a picture of 16 bits a channel needs the extra `photo`"
    assert ".[photo]" in str(problem.hint)


def test_a_float_picture_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DataError, match="floating-point numbers of 32 bits"):
        images.read(tmp_path / "float.tif")


def test_lazy_pairs_know_their_depth_and_take_twice_the_room(tmp_path: Path) -> None:
    source, target = alike(24, 32)
    write_set(tmp_path, source, target, count=3)
    size = 2 * 24 * 32 * 6
    lazy = load_pairs(tmp_path, "train", cache=PictureCache(size)).pairs
    eager = load_pairs(tmp_path, "train", cache=PictureCache(3 * size)).pairs
    for one, other in zip(eager, lazy, strict=True):
        assert not isinstance(one, LazyPair)
        assert isinstance(other, LazyPair)
        assert (other.bytes, other.bits) == (size, 16)
        assert np.array_equal(one.source, other.source)
        assert np.array_equal(one.target, other.target)


def test_the_memory_of_16_bits_is_reckoned_with(tmp_path: Path) -> None:
    write_set(tmp_path, *alike(24, 32), count=2)
    seen: list[Reading] = []
    load_pairs(tmp_path, "train", before=seen.append)
    [reading] = seen
    assert (reading.bits, reading.largest) == (16, 24 * 32)
    assert reading.decoded == 2 * 2 * 24 * 32 * 6
    settings = TrainSettings(dataroot=str(tmp_path))
    deep, flat = (
        memory_need(settings, dataclasses.replace(reading, largest=10**9, bits=bits), on_gpu=True)
        for bits in (16, 8)
    )  # fmt: skip
    assert deep.work == 2 * flat.work


# --- what is retouch


def test_nothing_of_a_16_bit_pair_is_taken_for_rounding(
    deep_pair: tuple[Deep, Deep],
) -> None:
    source, target = deep_pair
    known = pair_map(source, target)
    assert known.lossless
    faint = target.copy()
    faint[40:104, 40:104] += noise(64, 64, 3) % 52  # up to a fifth of a level
    known = pair_map(faint, target)
    assert known.lossless
    assert known.asked_error == pytest.approx(level_error(faint, target), rel=1e-4)
    area = retouched_area(faint, target, known)
    assert area[44:100, 44:100].mean() > 0.95
    assert area.mean() < 0.25
    # The answer that is asked for is the target, to the last bit.
    whole = slice(0, 160)
    assert np.array_equal(known.asked(faint, target, whole, whole), target)


def test_rounding_of_one_side_alone_is_noise(deep_pair: tuple[Deep, Deep]) -> None:
    source, target = deep_pair
    source = np.concatenate([source[:64], target[64:]])
    known = pair_map(source, spaces.in_depth(spaces.eight(target), 16))
    assert known.noise_level == pytest.approx(1 / np.sqrt(12), rel=0.1)
    assert pair_map(source, target).lossless


@pytest.mark.parametrize("left", [0.85, 0.5, 0.15])
def test_a_faint_smoothing_of_a_picture_that_was_once_a_jpeg_is_no_noise(left: float) -> None:
    """Its retouch in 16 bits leaves blocks alone to the last step, as no compression does."""
    coded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(data.astronaut())).save(coded, "JPEG", quality=88)
    target = spaces.in_depth(np.asarray(Image.open(coded)), 16)
    levels = spaces.in_levels(target)
    skin = np.zeros((*target.shape[:2], 1), np.float32)
    skin[16:496, 96:512] = 1
    smooth = ndimage.gaussian_filter(levels, (1.5, 1.5, 0))
    source = spaces.levels_to_file(levels + (1 - left) * skin * (smooth - levels), 16)
    known = pair_map(source, target)
    assert known.lossless
    assert known.asked_error == pytest.approx(level_error(source, target), rel=0.02)


def test_other_cameras_round_as_the_files_do(deep_pair: tuple[Deep, Deep]) -> None:
    pair = Pair("one", *deep_pair, (Path("one.png"),))
    table = crops.crop_table([pair], crops.pair_maps([pair]), 64, 8)
    crop = crops.crop_at(table, 0, 8, 8, 64)
    assert crop.bits == 16
    taken = crop.taken_by(cameras.NEAR[1], 64)
    assert taken.bits == 16
    steps = (taken.source.double() + 1) * 127.5 * 257
    assert (steps - steps.round()).abs().max() < 0.01
    assert ((steps / 257) - (steps / 257).round()).abs().max() > 0.3


def test_checks_of_a_pair_count_in_grey_levels(deep_pair: tuple[Deep, Deep]) -> None:
    sides = deep_pair
    rounded = tuple(map(spaces.eight, sides))
    assert pair_check.mean_difference(*sides) == pytest.approx(
        pair_check.mean_difference(*rounded), abs=0.05
    )
    assert pair_check.detail_ratio(*sides) == pytest.approx(
        pair_check.detail_ratio(*rounded), abs=0.05
    )
    assert pair_check.likeness(*sides) == pytest.approx(pair_check.likeness(*rounded), abs=1e-3)
    [moved] = [pair_check.shift(sides[0], np.roll(sides[1], 2, 1))]
    assert moved is not None
    assert moved[0] == pytest.approx(2, abs=0.2)


def test_a_grade_keeps_the_depth() -> None:
    same = Grade(np.arange(256, dtype=np.float32)[:, None].repeat(3, 1), np.zeros((3, 3)))
    assert np.array_equal(same.of_file(RAMP), RAMP)


# --- figures and pictures


def test_exact_values_are_told_at_8_bits_and_at_16() -> None:
    target = noise(40, 40, 3) // 2 + 9000
    ours = spaces.in_levels(target).copy()
    ours[:10] += 1.5
    ours[10:20] += 0.9
    ours[20:30] += 1 / 257
    level, step = nearly_exact(ours, target) or (None, None)
    assert level == pytest.approx(0.75)
    assert step == pytest.approx(0.5)
    assert exact_pixels(spaces.in_levels(target), target) == 1
    assert 0.25 <= exact_pixels(ours, target) < 0.6
    assert nearly_exact(ours, spaces.in_depth(spaces.eight(target), 16)) is None
    assert nearly_exact(ours, spaces.eight(target)) is None


def test_a_graded_pair_of_16_bits_is_judged_as_one_of_8(portrait: NDArray[np.uint8]) -> None:
    before = spaces.in_depth(portrait, 16)
    levels = spaces.in_levels(retouch(before, 0, all_surfaces=True))
    source = spaces.levels_to_file(255 * (levels / 255) ** 0.9, 16)
    deep, flat = ruler_of(source, before), ruler_of(spaces.eight(source), spaces.eight(before))
    assert deep.grade is not None
    assert flat.grade is not None
    assert deep.before.dtype == np.uint16
    assert deep.grade.levels == pytest.approx(flat.grade.levels, rel=0.02)
    found = colour_grade(source, before)
    assert found is not None
    # What it makes of a side has steps finer than those of 8 bits.
    assert spaces.holds_sixteen(found.of_file(source))
    shares = [
        one.share(side, target, side)
        for one, side, target in (
            (deep, source, before), (flat, spaces.eight(source), spaces.eight(before)),
        )
    ]  # fmt: skip
    assert shares == [pytest.approx(0, abs=0.01)] * 2


def test_pages_show_8_bits_and_results_keep_16() -> None:
    source, target = noise(8, 8, 3), noise(8, 8, 3, seed=1)
    levels = spaces.in_levels(target)
    shown = {kind: make() for kind, make in pair_pictures(source, levels, target).items()}
    assert {picture.dtype for picture in shown.values()} == {np.dtype(np.uint8)}
    kept = {kind: make() for kind, make in pair_pictures(source, levels, target, 16).items()}
    assert np.array_equal(kept["real_A"], source)
    assert np.array_equal(kept["fake_B"], target)


def test_a_large_pair_is_surveyed_in_grey_levels(deep_pair: tuple[Deep, Deep]) -> None:
    pair = Pair("one", *deep_pair, (Path("one.png"),))
    seen = survey(pair, pair_map(*deep_pair))
    assert seen.identity_error == pytest.approx(level_error(*deep_pair), rel=1e-4)
    assert seen.difference.mean() == pytest.approx(seen.identity_error, rel=1e-3)


# --- training

AIMS: dict[str, dict[str, Any]] = {
    "classic": {
        "netG": "resnet_6blocks", "ngf": 2, "ndf": 2, "norm": "batch",
        "preprocess": "scale_width_and_crop", "load_size": 64, "crop_size": 32,
    },
    "grey": {
        "netG": "unet_128", "ngf": 2, "ndf": 2, "input_nc": 1, "preprocess": "none",
        "norm": "instance",
    },
    **{
        aim: {"netG": "detail", "size": "s", "recipe": "fast", "aim": aim, "lambda_GAN": 0,
              "preprocess": "none"}
        for aim in ("fit", "restore", "texture")
    },
    "pyramid": {"netG": "detail", "size": "pyramid", "recipe": "fast", "aim": "restore",
                "lambda_GAN": 0, "preprocess": "none"},
}  # fmt: skip


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("kind", AIMS)
def test_training_of_lazy_pairs_and_a_resumed_run_are_the_same_bit_for_bit(
    tmp_path: Path, deep_pair: tuple[Deep, Deep], kind: str
) -> None:
    write_set(tmp_path, *deep_pair, count=2)
    settings = TrainSettings(dataroot=str(tmp_path), **AIMS[kind])
    found = []
    for cache in (None, PictureCache(1)):
        loaded = load_pairs(tmp_path, "train", cache=cache)
        pairs = padded_pairs(settings, prepared_pairs(settings, loaded.pairs))
        assert {pair.bits for pair in pairs} == {16}
        opened = session.start(settings, pairs, torch.device("cpu"))
        for _ in range(2):
            opened.progress.update(opened.fit)
        if cache is not None:
            state = opened.fit.state()
            opened.fit = session.start(settings, pairs, torch.device("cpu")).fit
            opened.fit.restore(state, "here")
        opened.progress.update(opened.fit)
        found.append(checkpoint.digest(opened.fit.state()))
    assert found[0] == found[1]


def test_a_network_learns_what_8_bits_hide(tmp_path: Path, deep_pair: tuple[Deep, Deep]) -> None:
    source, target = deep_pair
    crop = crops.crop_at(
        crops.crop_table([Pair("one", source, target, ())], [pair_map(source, target)], 64, 8),
        0, 32, 32, 64,
    )  # fmt: skip
    levels = (crop.target - crop.source) * 127.5
    # Half of the values of a faint retouch are no whole levels.
    assert ((levels - levels.round()).abs() > 0.1).float().mean() > 0.5


# --- `pair`


def test_simulated_pairs_keep_what_rounding_hides(
    tmp_path: Path, portrait: NDArray[np.uint8]
) -> None:
    write(tmp_path / "photos/face.png", portrait[:256, 100:356])
    for form, bits in (("png", 16), ("tiff", 16), ("png", 8)):
        out = tmp_path / f"{form}{bits}" / "train"
        report = simulate_pairs([tmp_path / "photos"], out, bits=bits, form=form)  # type: ignore[arg-type]
        assert not report.problems
    as_png, as_tiff, eight = (
        load_pairs(tmp_path / name, "train").pairs[0] for name in ("png16", "tiff16", "png8")
    )
    assert np.array_equal(as_png.source, as_tiff.source)
    assert np.array_equal(as_png.target, as_tiff.target)
    assert eight.bits == 8
    assert np.array_equal(spaces.eight(as_png.target), eight.target)
    assert spaces.holds_sixteen(as_png.source)
    assert np.abs(spaces.in_levels(as_png.source) - spaces.in_levels(eight.source)).max() <= 0.51


def test_two_folders_are_combined_with_16_bits(
    tmp_path: Path, deep_pair: tuple[Deep, Deep]
) -> None:
    source, target = deep_pair
    write(tmp_path / "A/one.tif", source)
    write(tmp_path / "B/one.png", target)
    [row] = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "out/train").rows
    assert row.file.suffix == ".png"
    [pair] = load_pairs(tmp_path / "out", "train").pairs
    assert np.array_equal(pair.source, source)
    assert np.array_equal(pair.target, target)


def test_aligning_keeps_16_bits(tmp_path: Path, portrait: NDArray[np.uint8]) -> None:
    before = spaces.in_depth(portrait, 16)
    before = (before - (before > 200) * (noise(*before.shape) % 200)).astype(np.uint16)
    write(tmp_path / "A/one.png", before[4:, 6:])
    write(tmp_path / "B/one.png", before)
    out = tmp_path / "out/train"
    [row] = pair_folders(tmp_path / "A", tmp_path / "B", out, align=True).rows
    assert (row.width, row.height) == (506, 508)
    whole = images.read_rgb(row.file)
    assert np.array_equal(whole[:, :506], whole[:, 506:])
    assert np.array_equal(whole[:, :506], before[4:, 6:])


# --- what a model is told, and what it tells


def test_apply_tells_what_another_depth_costs(tmp_path: Path) -> None:
    from unretouch.model.load import trained_bits
    from unretouch.tasks.apply.restore import COST_OF_DEPTH, Restorer

    manifest = tmp_path / "data.json"
    records = [{"pair": "one", "file": "A/one.tif", "bits": 16}, {"pair": "one", "file": "B/1.png"}]
    manifest.write_text(json.dumps(records), "utf-8")
    assert trained_bits(manifest, "AtoB") == 16
    assert trained_bits(manifest, "BtoA") == 8
    assert trained_bits(tmp_path / "missing.json", "AtoB") is None

    class Nothing:
        tile = 10**6

        def __init__(self, bits: int | None) -> None:
            from unretouch.model.interface import ModelInfo

            sizing = spaces.Sizing("none", 286, 256)
            self.info = ModelInfo(
                "detail",
                "here",
                8,
                False,
                sizing,
                margin=8,
                bits=bits,  # type: ignore[arg-type]
            )

        def look_at(self, height: int, rows: Any) -> None: ...

        def free_statistics(self) -> None: ...

        def draw(self, *_: Any) -> None: ...

        def spread(self, picture: NDArray[np.float32], *_: Any) -> NDArray[np.float32]:
            return np.zeros_like(picture[..., :1])

        def change(self, picture: NDArray[np.float32], *_: Any) -> NDArray[np.float32]:
            return np.zeros_like(picture)

    deep, flat = (Photo(picture, "png", ".png") for picture in (RAMP, spaces.eight(RAMP)))
    for bits, photo, told in (
        (16, flat, True),
        (8, deep, True),
        (16, deep, False),
        (8, flat, False),
        (None, deep, False),
    ):
        restored = Restorer(Nothing(bits)).restore(photo)  # type: ignore[arg-type]
        assert len(restored.notes) == told
        if told:
            assert f"{COST_OF_DEPTH[bits, 24 - bits]:.0%}" in str(restored.notes[0])  # type: ignore[index, operator]
    assert np.array_equal(deep.pixels, RAMP)


# --- the app, and the command line


def received(place: Path, stem: str, data: bytes) -> Path:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": data, "more_body": False}

    head = [(b"content-length", str(len(data)).encode())]
    request = Request(
        {"type": "http", "method": "PUT", "headers": head, "query_string": b""}, receive
    )
    place.mkdir(exist_ok=True)
    return asyncio.run(uploads.receive_picture(request, place, stem, Limits())).path


def test_the_app_takes_pairs_of_16_bits(tmp_path: Path, deep_pair: tuple[Deep, Deep]) -> None:
    write(tmp_path / "a.tif", deep_pair[0])
    write(tmp_path / "b.png", deep_pair[1])
    place = tmp_path / "pair"
    for name in ("a.tif", "b.png"):
        assert received(place, name[0], (tmp_path / name).read_bytes()).stem == name[0]
    told = json.loads(report(place))
    assert "problem" not in told
    assert np.array_equal(images.read_rgb(place / "pair.png"), np.concatenate(deep_pair, axis=1))
    assert images.read_rgb(place / "thumbnail_a.png").dtype == np.uint8


def test_the_commands_keep_16_bits_from_photographs_to_results(
    tmp_path: Path, portrait: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "photos/face.png", portrait[20:212, 120:312])
    words = "pair --simulate photos --bits 16 --size 128 --out pairs"
    assert dispatch(words.split()) == 0
    [pair] = load_pairs(tmp_path / "pairs", "train").pairs
    assert spaces.holds_sixteen(pair.target)
    words = (
        "train --dataroot pairs --name deep --netG detail --size s --recipe fast --lambda_GAN 0 "
        "--preprocess none --n_epochs 3 --n_epochs_decay 0 --device cpu"
    )
    assert dispatch(words.split()) == 0
    assert dispatch(["test", "--dataroot", "pairs", "--name", "deep", "--model", "pix2pix"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"face: \d+\.\d% of the pixels are within one level of 8 bits", said)
    made = tmp_path / "results/deep/train_latest/images"
    assert images.read_rgb(made / "face_fake_B.png").dtype == np.uint16
    assert np.array_equal(images.read_rgb(made / "face_real_B.png"), pair.target)
    shown = tmp_path / "checkpoints/deep/web/images"
    kinds = {images.read_rgb(path).dtype for path in shown.glob("*.png")}
    assert kinds == {np.dtype(np.uint8)}
    write(tmp_path / "in/flat.png", spaces.eight(pair.source))
    write(tmp_path / "in/full.png", pair.source)
    assert dispatch(["apply", "deep", "in/flat.png", "in/full.png", "-o", "out"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "the pairs had 16" in line]
    assert len(lines) == 1
    assert images.read_rgb(tmp_path / "out/full.png").dtype == np.uint16
    assert dispatch(["verify", "deep", "--no_probe", "--dataroot", "pairs"]) in (0, 7)
    found = json.loads((tmp_path / "checkpoints/deep/verify/report.json").read_text("utf-8"))
    assert "nearly_exact" in json.dumps(found)


def test_bits_are_a_choice_for_simulated_pairs_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--simulate"):
        PairSettings(folders=(tmp_path, tmp_path), bits=16)


# --- Photoshop files


def test_the_flattened_picture_of_photoshop_files_is_read_at_their_depth(tmp_path: Path) -> None:
    source, target = alike(24, 32)
    write_psd(tmp_path / "train/A/one.psd", source)
    write_psd(tmp_path / "train/B/one.psd", spaces.eight(target))
    [pair] = load_pairs(tmp_path, "train").pairs
    assert np.array_equal(pair.source, source)
    assert np.array_equal(spaces.eight(pair.target), spaces.eight(target))
    found = images.header_of(tmp_path / "train/A/one.psd", 10**6)
    assert (found.pixels, found.bits) == (24 * 32, 16)
    with pytest.raises(DataError, match="million pixels"):
        images.read(tmp_path / "train/A/one.psd", max_pixels=10)


def test_photoshop_files_beside_other_pictures_are_passed_over_as_ever(tmp_path: Path) -> None:
    write_set(tmp_path, *alike(24, 32))
    write_psd(tmp_path / "train/0.psd", alike(24, 32)[0])
    loaded = load_pairs(tmp_path, "train")
    assert [pair.name for pair in loaded.pairs] == ["0"]
    assert "not read, save them as PNG or TIFF: 0.psd" in loaded.warnings


@pytest.mark.parametrize(
    ("head", "said"),
    [((32, 3), "32 bits a channel"), ((16, 4), "neither RGB nor grey"), ((16, 3), "is damaged")],
)
def test_what_no_photoshop_file_can_be_read_of_is_one_line(
    tmp_path: Path, head: tuple[int, int], said: str
) -> None:
    depth, mode = head
    data = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, depth, mode)
    (tmp_path / "one.psd").write_bytes(data)
    with pytest.raises(DataError, match=said):
        images.read(tmp_path / "one.psd")
