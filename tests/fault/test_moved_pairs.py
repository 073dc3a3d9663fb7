"""Pairs whose sides do not lie on one another: row V2 of docs/reliability.md."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.cli import dispatch
from unretouch.metrics.likeness import ruler_of
from unretouch.pixels import images
from unretouch.pixels.alignment import UNLIKE, aligned, placed
from unretouch.pixels.pair_check import (
    ALIGN,
    ALIKE,
    likeness,
    unequal,
    warnings_for,
    way_round,
)
from unretouch.pixels.pairs import load_pairs
from unretouch.pixels.retouch import retouch
from unretouch.pixels.retouched_area import pair_map
from unretouch.report.pair_figures import figures_of_pair
from unretouch.report.verdicts import memorised_verdict
from unretouch.tasks.pair import pair_folders

Rgb = NDArray[np.uint8]
SIDE = 384
MIDDLE = np.s_[20:-20, 20:-20]


@pytest.fixture(scope="module")
def portrait(portrait: Rgb) -> Rgb:
    return np.ascontiguousarray(portrait[:SIDE, 60 : 60 + SIDE])


@pytest.fixture(scope="module")
def after(portrait: Rgb) -> Rgb:
    """The portrait, retouched."""
    return retouch(portrait, 0)


def rounded(levels: NDArray[np.floating]) -> Rgb:
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def shifted(rgb: Rgb, dx: float, dy: float) -> Rgb:
    return rounded(ndimage.shift(rgb.astype(float), (dy, dx, 0), order=5, mode="mirror"))


def resized(rgb: Rgb, scale: float) -> Rgb:
    size = [round(length * scale) for length in rgb.shape[1::-1]]
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def pushed(rgb: Rgb, pixels: float, x: int = 140, y: int = 150, radius: float = 70) -> Rgb:
    """Liquify: what lies around a place is pushed to the right."""
    rows, columns = np.mgrid[: len(rgb), : rgb.shape[1]].astype(float)
    push = pixels * np.maximum(0, 1 - ((rows - y) ** 2 + (columns - x) ** 2) / radius**2) ** 2
    planes = [
        ndimage.map_coordinates(rgb[..., c].astype(float), (rows, columns - push)) for c in range(3)
    ]
    return rounded(np.stack(planes, -1))


def jpeg(rgb: Rgb, quality: int) -> Rgb:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def noisy(rgb: Rgb, seed: int) -> Rgb:
    return rounded(rgb + np.random.default_rng(seed).normal(0, 4, rgb.shape))


def write(folder: Path, rgb: Rgb, name: str = "one") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    images.write_png(folder / f"{name}.png", rgb)


@pytest.mark.parametrize(("scale", "word"), [(1.01, "1.0 % larger"), (0.99, "1.0 % smaller")])
def test_V2_another_size_is_named_with_the_remedy(
    tmp_path: Path, portrait: Rgb, after: Rgb, scale: float, word: str
) -> None:
    other = resized(after, scale)
    write(tmp_path / "train/A", other)
    write(tmp_path / "train/B", portrait)
    with pytest.raises(ManyDataErrors) as refusal:
        load_pairs(tmp_path, "train")
    assert f"A is resized: {word} than B" in str(refusal.value)
    assert ALIGN in str(refusal.value)
    side = min(len(other), SIDE)
    [said] = warnings_for(other[:side, :side], portrait[:side, :side], "AtoB")
    assert f"A is resized: {word} than B" in said
    assert ALIGN in said


def test_V2_a_cropped_border_is_named_with_its_pixels(
    tmp_path: Path, portrait: Rgb, after: Rgb
) -> None:
    write(tmp_path / "train/A", after[30:-8, 12:-20])
    write(tmp_path / "train/B", portrait)
    with pytest.raises(ManyDataErrors) as refusal:
        load_pairs(tmp_path, "train")
    assert "A is cropped" in str(refusal.value)
    assert "12 left, 30 above, 20 right, 8 below" in str(refusal.value)
    assert ALIGN in str(refusal.value)


def test_V2_a_local_warp_is_named_as_such(portrait: Rgb, after: Rgb) -> None:
    for a, b in ((pushed(after, 3), portrait), (jpeg(pushed(after, 3), 85), jpeg(portrait, 85))):
        [said] = warnings_for(a, b, "AtoB")
        assert "liquify" in said
        assert "align" not in said
    lies = placed(pushed(after, 3), portrait)
    assert lies is not None
    assert lies.most == pytest.approx(3, abs=0.5)
    assert 0.04 < lies.share < 0.2


@pytest.mark.parametrize("quality", [None, 85])
def test_V2_what_a_local_warp_moved_is_left_out_of_training(
    portrait: Rgb, after: Rgb, quality: int | None
) -> None:
    a, b = pushed(after, 3), portrait
    if quality:
        a, b = jpeg(a, quality), jpeg(b, quality)
    asked = pair_map(a, b).asked(a, b, slice(0, SIDE), slice(0, SIDE))
    heart = np.s_[120:180, 110:170]
    assert np.array_equal(asked[heart], a[heart])
    elsewhere = np.s_[270:, :]
    plain = jpeg(after, quality) if quality else after
    without = pair_map(plain, b).asked(plain, b, slice(0, SIDE), slice(0, SIDE))
    assert (asked[elsewhere] == without[elsewhere]).mean() > 0.95


def test_V2_what_a_local_warp_moved_is_not_judged(portrait: Rgb, after: Rgb) -> None:
    """Who brings back all that training asks for has brought back all, for verdict and probe."""
    a, b = pushed(after, 3), portrait
    asked = pair_map(a, b).asked(a, b, slice(0, SIDE), slice(0, SIDE)).astype(np.float32)
    figures = figures_of_pair("one", a, asked, b, 500.0)
    assert figures.prediction.frame["recovered_share"] < 0.9
    assert figures.judged_share == pytest.approx(1, abs=0.01)
    assert memorised_verdict([figures]).word == "memorised"
    assert figures.moved == pytest.approx(pair_map(a, b).moved.mean())
    assert ruler_of(a, b).share(asked, b, a) == pytest.approx(figures.judged_share)


@pytest.mark.parametrize(
    ("a", "b", "off"),
    [
        (lambda x: x[MIDDLE], lambda y: np.roll(y, (3, -2), (0, 1))[MIDDLE], 0.0),
        (lambda x: x[MIDDLE], lambda y: shifted(y, 2.4, -0.7)[MIDDLE], None),
        (lambda x: x[30:-8, 12:-20], lambda y: y, 0.0),
        (lambda x: resized(x, 1.01), lambda y: y, None),
        (lambda x: resized(x, 0.97)[4:, 9:], lambda y: y[:-6], None),
    ],
    ids=["whole pixels", "parts of pixels", "cropped", "larger", "all of it"],
)
def test_V2_sides_are_brought_together_to_a_tenth_of_a_pixel(
    portrait: Rgb, after: Rgb, a: object, b: object, off: float | None
) -> None:
    assert callable(a)
    assert callable(b)
    before = np.ascontiguousarray(b(portrait))
    together = aligned(np.ascontiguousarray(a(after)), before, "one")
    height, width = together.b.shape[:2]
    assert together.a.shape == together.b.shape
    assert min(height, width) > 300
    # B is a piece of what it was, bit for bit.
    down, across = (
        range(whole - part + 1)
        for whole, part in zip(before.shape, together.b.shape, strict=True)
        if whole != 3
    )
    assert any(
        np.array_equal(before[y, x : x + width], together.b[0])
        and np.array_equal(before[y : y + height, x : x + width], together.b)
        for y in down
        for x in across
    )
    residual = placed_closely(together.a, together.b)
    assert np.abs(residual).max() < 0.1
    assert max(map(abs, together.residual)) < 0.1
    assert warnings_for(together.a, together.b, "AtoB") == []
    if off is not None:
        assert "No pixel of either was changed" in together.said


def placed_closely(a: Rgb, b: Rgb) -> NDArray[np.floating]:
    """Return how far off the corners of `b` lie, in pixels."""
    from unretouch.pixels.movement import STILL, along, between

    lies = between(a, b, STILL.copy())
    assert lies is not None
    height, width = a.shape[:2]
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], float)
    return along(lies.straight, corners) - corners


def test_V2_pair_align_writes_what_it_says(tmp_path: Path, portrait: Rgb, after: Rgb) -> None:
    write(tmp_path / "A", resized(after, 0.98))
    write(tmp_path / "B", portrait)
    assert pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "plain").rows == []
    [row] = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "out", align=True).rows
    [said] = row.warnings
    assert "2.1 % smaller" in said
    assert "A was resampled, B left as it is" in said
    assert "residual shift" in said
    # Pairs that were combined already are aligned from their folder.
    write(tmp_path / "combined", np.concatenate([after[:-3], portrait[3:]], axis=1))
    [again] = pair_folders(tmp_path / "combined", None, tmp_path / "again", align=True).rows
    assert again.height == SIDE - 6
    assert again.shift == pytest.approx((0, 0), abs=0.1)


@pytest.mark.parametrize("layout", ["train/A", "A/train"])
def test_V2_pair_align_takes_a_folder_as_training_does(
    tmp_path: Path, portrait: Rgb, after: Rgb, layout: str
) -> None:
    write(tmp_path / "data" / layout, shifted(after, 3, 0))
    write(tmp_path / "data" / layout.replace("A", "B"), portrait)
    words = ["pair", str(tmp_path / "data"), "--align", "--out", str(tmp_path / "out")]
    assert dispatch(words) == 0
    assert (tmp_path / "out/train/one.png").exists()


def test_V2_a_combined_pair_may_be_twice_as_large_as_a_picture(
    tmp_path: Path, portrait: Rgb, after: Rgb, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "combined", np.concatenate([after, portrait], axis=1))
    monkeypatch.setattr(images, "MAX_PIXELS", portrait[..., 0].size)
    monkeypatch.setattr(images.read, "__defaults__", (portrait[..., 0].size,))
    report = pair_folders(tmp_path / "combined", None, tmp_path / "out", align=True)
    assert [row.name for row in report.rows] == ["one"]


def test_V2_the_shift_in_the_table_is_that_of_the_warning(
    tmp_path: Path, portrait: Rgb, after: Rgb
) -> None:
    """In the middle of a liquified picture B lies elsewhere than it does as a whole."""
    write(tmp_path / "A", pushed(after, 6, SIDE // 2, SIDE // 2, 180))
    write(tmp_path / "B", portrait)
    [row] = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "out").rows
    assert not any("shifted" in warning for warning in row.warnings)
    assert row.shift == (0, 0)


def test_V2_what_cannot_be_aligned_is_refused_with_numbers(portrait: Rgb, after: Rgb) -> None:
    turned = np.asarray(Image.fromarray(after).rotate(4, Image.Resampling.BICUBIC))[MIDDLE]
    half = resized(after, 0.5)
    for a in (turned, half, after[::-1, ::-1].copy()):
        with pytest.raises(DataError, match="cannot be aligned") as refusal:
            aligned(a, portrait, "one.png")
        assert refusal.value.exit_code == 3
        assert refusal.value.hint
        assert any(character.isdigit() for character in str(refusal.value))


@pytest.mark.parametrize(
    ("lies", "said"),
    [
        (np.fliplr, "B is mirrored against A"),
        (lambda b: np.rot90(b, 2), "B is upside down against A"),
        (np.rot90, "B is turned by a quarter to the left against A"),
        (lambda b: np.rot90(b, -1), "B is turned by a quarter to the right against A"),
    ],
)
def test_V2_a_side_that_lies_the_other_way_round_is_told(
    portrait: Rgb, after: Rgb, lies: Callable[[Rgb], Rgb], said: str
) -> None:
    other = np.ascontiguousarray(lies(portrait))
    (line,) = warnings_for(after, other, "AtoB")
    assert line == f"{said}: export both the same way round"
    # The sides of a tall photograph do not even have one size.
    assert said in unequal(after[:, 40:], np.ascontiguousarray(lies(portrait[:, 40:])))


def test_V2_a_mirrored_face_from_the_front_is_told_as_such(tmp_path: Path, portrait: Rgb) -> None:
    """Much of it lies where it would lie the right way round."""
    front = rounded(0.8 * portrait + 0.2 * portrait[:, ::-1])
    other = np.ascontiguousarray(front[:, ::-1])
    lies = placed(front, other)
    assert lies is not None
    assert lies.agreement > UNLIKE
    (said,) = warnings_for(front, other, "AtoB")
    assert said.startswith("B is mirrored")
    write(tmp_path / "A", front)
    write(tmp_path / "B", other)
    report = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "out", align=True)
    (problem,) = report.problems
    assert "cannot be aligned: B is mirrored against A" in str(problem)


def test_V2_two_people_before_one_backdrop_are_not_mirrored() -> None:
    """They are light and dark in the same places, either way round."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    backdrop = 200 - 150 * np.exp(-(columns**2 / 0.05 + (rows - 0.1) ** 2 / 0.15))

    def person(seed: int) -> Rgb:
        features = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
        features = 60 * 12 * ndimage.gaussian_filter(features, 8) * (backdrop < 150)
        tilted = backdrop + 40 * columns * (-1) ** seed + features
        return rounded(np.repeat(tilted[..., None], 3, 2))

    one, other = person(0), person(1)
    assert likeness(one, other[:, ::-1]) > ALIKE
    assert way_round(one, np.ascontiguousarray(one[:, ::-1])) == "mirrored"
    assert way_round(one, other) is None
    (said,) = warnings_for(one, other, "AtoB")
    assert "hardly the same picture" in said


@pytest.mark.parametrize(("grey", "side"), [(0, "A"), (1, "B")])
def test_V2_one_side_in_black_and_white_is_told(
    portrait: Rgb, after: Rgb, grey: int, side: str
) -> None:
    sides = [after, portrait]
    assert not any("black and white" in line for line in warnings_for(*sides, "AtoB"))
    sides[grey] = np.asarray(Image.fromarray(sides[grey]).convert("L").convert("RGB"))
    said = warnings_for(*sides, "AtoB")
    assert said[0].startswith(f"{side} is black and white, and the other side has colours")
    assert not any("graded" in line for line in said)


def test_V2_two_photographs_are_no_pair(tmp_path: Path, portrait: Rgb) -> None:
    other = np.ascontiguousarray(np.roll(portrait, 130, (0, 1))[::-1])
    [said] = warnings_for(portrait, other, "AtoB")
    assert "hardly the same picture" in said
    assert "same name" in said
    write(tmp_path / "train", np.concatenate([portrait, other], axis=1))
    with pytest.raises(DataError, match="halves are not the same picture") as refusal:
        load_pairs(tmp_path, "train")
    assert "unretouch pair RETOUCHED BEFORE" in str(refusal.value)


def test_V2_sound_pairs_are_not_warned_of(portrait: Rgb, after: Rgb) -> None:
    plastic = retouch(portrait, 1, detail_left=0, all_surfaces=True)
    for a, b in (
        (after, portrait),
        (plastic, portrait),
        (jpeg(after, 85), jpeg(portrait, 75)),
        (noisy(after, 1), noisy(portrait, 2)),
    ):
        assert warnings_for(a, b, "AtoB") == []
        assert pair_map(a, b).moved is None
