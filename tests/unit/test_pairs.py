"""Pairs are found in every customary layout, named for file systems, and measured."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from unretouch.base.errors import DataError, ExitCode, ManyDataErrors
from unretouch.pixels import images, pair_check, spaces
from unretouch.pixels.pair_files import find_pairs, phase_exists
from unretouch.pixels.pairs import load_pairs

A, B = np.full((6, 4, 3), 10, np.uint8), np.full((6, 4, 3), 20, np.uint8)
AB = np.concatenate([A, B], axis=1)


def put(root: Path, *names: str, rgb: np.ndarray = A) -> None:
    """Write a picture to each of `names` below `root`; a side named B gets the picture of B."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(path)


def files_of(root: Path, phase: str = "train") -> dict[str, list[str]]:
    return {
        pair.name: [file.relative_to(root).as_posix() for file in pair.files]
        for pair in find_pairs(root, phase).pairs
    }


def test_combined_pictures_are_found_at_any_depth(tmp_path: Path) -> None:
    put(tmp_path, "train/002.png", "train/001.JPG", "train/sub/deep/003.tif", "test/9.png", rgb=AB)
    assert files_of(tmp_path) == {
        "001": ["train/001.JPG"],
        "002": ["train/002.png"],
        "sub_deep_003": ["train/sub/deep/003.tif"],
    }
    assert files_of(tmp_path, "test") == {"9": ["test/9.png"]}


@pytest.mark.parametrize(
    ("a", "b"),
    [("train/A", "train/B"), ("trainA", "trainB"), ("train_A", "train_B"), ("A/train", "B/train")],
)
def test_two_folders_are_matched_by_name_whatever_the_ending(
    tmp_path: Path, a: str, b: str
) -> None:
    put(tmp_path, f"{a}/one.png", f"{a}/sub/two.jpg")
    put(tmp_path, f"{b}/one.tif", f"{b}/sub/two.png", rgb=B)
    assert files_of(tmp_path) == {
        "one": [f"{a}/one.png", f"{b}/one.tif"],
        "sub_two": [f"{a}/sub/two.jpg", f"{b}/sub/two.png"],
    }


def test_pictures_right_in_the_folder_count_where_it_has_no_subfolder(tmp_path: Path) -> None:
    put(tmp_path, "one.png", rgb=AB)
    assert files_of(tmp_path) == {"one": ["one.png"]}
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match="no pairs for 'train'"):
        find_pairs(tmp_path, "train")


def test_an_empty_phase_is_the_folder_itself(tmp_path: Path) -> None:
    put(tmp_path, "A/one.png", "B/one.png")
    assert files_of(tmp_path, "") == {"one": ["A/one.png", "B/one.png"]}


def test_korean_names_meet_whether_composed_or_not(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "홍길동") for form in ("NFC", "NFD"))
    assert composed != decomposed
    put(tmp_path, f"train/A/{decomposed}.png", f"train/B/{composed}.png")
    assert list(files_of(tmp_path)) == [composed]


def test_twins_that_look_alike_by_name_are_refused(tmp_path: Path) -> None:
    twins = [unicodedata.normalize(form, "홍길동") for form in ("NFC", "NFD")]
    put(tmp_path, *(f"train/A/{twin}.png" for twin in twins), f"train/B/{twins[0]}.png")
    if len(list((tmp_path / "train/A").iterdir())) == 1:
        pytest.skip("this file system takes the two for one")
    with pytest.raises(DataError, match="written otherwise"):
        find_pairs(tmp_path, "train")


def test_names_are_distinct_also_where_capitals_do_not_count(tmp_path: Path) -> None:
    put(tmp_path, "train/a.jpg", "train/a.png", "train/s/x.png", "train/s_x.png", rgb=AB)
    put(tmp_path, "train/B.png", "train/b.png", "train/con.png", "train/-rf <i>.png", rgb=AB)
    names = list(files_of(tmp_path))
    assert len({name.casefold() for name in names}) == 8
    assert {"a", "a_png", "_con", "_-rf__i_"} <= set(names)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=60)))
def test_any_names_become_distinct_plain_ones(stems: list[str]) -> None:
    from unretouch.base.names import LONGEST_SEGMENT, unique_stems

    names = unique_stems([Path(f"x{stem}.png") for stem in stems])
    assert len({name.casefold() for name in names}) == len(stems)
    for name in names:
        assert len(name.encode()) <= LONGEST_SEGMENT
        assert not set(name) & set('/\\:*?"<>| \n')


def test_every_file_without_a_partner_is_listed(tmp_path: Path) -> None:
    put(tmp_path, "train/A/both.png", "train/A/left.png", "train/A/twin.png", "train/A/twin.jpg")
    put(tmp_path, "train/B/both.png", "train/B/right.png", "train/B/twin.tif")
    problems = find_pairs(tmp_path, "train").problems
    told = {Path(problem.where).name: str(problem.what) for problem in problems}
    assert set(told) == {"left.png", "right.png", "twin.png", "twin.jpg", "twin.tif"}
    assert "has no picture of the same name" in told["left.png"]
    assert "fits several of the same name" in told["twin.tif"]


def test_the_same_ending_decides_between_twins(tmp_path: Path) -> None:
    put(tmp_path, "train/A/x.png", "train/A/x.jpg", "train/B/x.png", "train/B/x.jpg")
    assert sorted(files_of(tmp_path).values()) == [
        ["train/A/x.jpg", "train/B/x.jpg"],
        ["train/A/x.png", "train/B/x.png"],
    ]


def test_folders_without_one_common_name_show_how_theirs_look(tmp_path: Path) -> None:
    put(tmp_path, "train/A/one.png", "train/B/two.png")
    with pytest.raises(DataError, match=r"no name is in both.*one\.png.*two\.png"):
        find_pairs(tmp_path, "train")


def test_one_side_without_the_other_is_said(tmp_path: Path) -> None:
    put(tmp_path, "trainA/one.png")
    with pytest.raises(DataError, match="has no trainB beside it"):
        find_pairs(tmp_path, "train")


def test_two_layouts_at_once_are_refused_by_name(tmp_path: Path) -> None:
    put(tmp_path, "train/stray.png", "train/A/one.png", "train/B/one.png")
    with pytest.raises(DataError, match="in several ways") as refusal:
        find_pairs(tmp_path, "train")
    assert "stray.png" in str(refusal.value)


def test_a_missing_folder_is_told_with_what_to_do(tmp_path: Path) -> None:
    root = tmp_path / "portrait_retouch"
    with pytest.raises(DataError) as refusal:
        find_pairs(root, "train")
    assert refusal.value.where == str(root)
    assert "combined pictures" in str(refusal.value.hint)
    assert str(root / "train") in str(refusal.value.hint)


def test_an_empty_folder_is_told_with_what_lies_there_instead(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="has no pictures in train"):
        find_pairs(tmp_path, "train")
    (tmp_path / "train/photo.JXL").touch()
    with pytest.raises(DataError, match=r"only files of the kinds \.jxl"):
        find_pairs(tmp_path, "train")


def test_whether_a_phase_is_there_can_be_asked(tmp_path: Path) -> None:
    put(tmp_path, "train/1.png", "valA/1.png", "valB/1.png")
    assert [phase_exists(tmp_path, phase) for phase in ("train", "val", "test")] == [
        True,
        True,
        False,
    ]


def test_finding_pairs_loads_no_heavy_library() -> None:
    code = (
        "import sys, unretouch.pixels.pairs\n"
        "print([m for m in ('torch', 'skimage', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_direction_decides_what_goes_in(tmp_path: Path) -> None:
    put(tmp_path, "train/one.png", rgb=AB)
    [forth] = load_pairs(tmp_path, "train", "AtoB").pairs
    [back] = load_pairs(tmp_path, "train", "BtoA").pairs
    assert np.array_equal(forth.source, A)
    assert np.array_equal(forth.target, B)
    assert np.array_equal(back.source, B)
    assert np.array_equal(back.target, A)


def test_only_the_first_pairs_are_loaded_on_request(tmp_path: Path) -> None:
    put(tmp_path, "train/1.png", "train/2.png", "train/3.png", rgb=AB)
    assert [p.name for p in load_pairs(tmp_path, "train", max_dataset_size=2).pairs] == ["1", "2"]


def test_the_manifest_tells_each_file_by_its_content(tmp_path: Path) -> None:
    put(tmp_path, "train/A/하나.png")
    put(tmp_path, "train/B/하나.png", rgb=B)
    first, second = load_pairs(tmp_path, "train").manifest
    data = (tmp_path / "train/A/하나.png").read_bytes()
    assert first == {
        "pair": "하나",
        "file": "train/A/하나.png",
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": 4,
        "height": 6,
    }
    assert second["file"] == "train/B/하나.png"


def test_bad_files_and_missing_partners_are_listed_together(tmp_path: Path) -> None:
    put(tmp_path, "train/A/bad.png", "train/A/alone.png", "train/B/bad.png")
    (tmp_path / "train/B/bad.png").write_text("words")
    with pytest.raises(ManyDataErrors) as refusal:
        load_pairs(tmp_path, "train")
    assert refusal.value.exit_code == ExitCode.DATA
    assert sorted(Path(p.where).name for p in refusal.value.problems) == ["alone.png", "bad.png"]


def test_a_profile_that_cannot_be_followed_is_told_and_that_of_srgb_is_not(tmp_path: Path) -> None:
    from PIL import ImageCms

    put(tmp_path, "train/A/one.png")
    put(tmp_path, "train/B/one.png", rgb=B)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(B).save(tmp_path / "train/B/one.png", icc_profile=lab)
    [warning] = load_pairs(tmp_path, "train").warnings
    assert "one: B: its colour profile is not one of curves and a matrix" in warning
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(B).save(tmp_path / "train/B/one.png", icc_profile=srgb)
    assert load_pairs(tmp_path, "train").warnings == []


@settings(deadline=None, max_examples=20)
@given(dx=st.integers(-20, 20), dy=st.integers(-20, 20))
def test_whole_shifts_are_measured(portrait: np.ndarray, dx: int, dy: int) -> None:
    a, b = portrait[100:356, 100:356], portrait[100 - dy : 356 - dy, 100 - dx : 356 - dx]
    assert pair_check.shift(a, b) == pytest.approx((dx, dy), abs=0.05)


@pytest.mark.parametrize(("dx", "dy"), [(0.6, 0), (0.5, -0.5), (-2.3, 7.6)])
def test_shifts_between_pixels_are_measured(portrait: np.ndarray, dx: float, dy: float) -> None:
    moved = ndimage.shift(portrait.astype(float), (dy, dx, 0), order=3).clip(0, 255)
    inside = np.s_[100:356, 100:356]
    measured = pair_check.shift(portrait[inside], moved.astype(np.uint8)[inside])
    assert measured == pytest.approx((dx, dy), abs=0.05)


def test_a_shift_that_cannot_be_measured_is_none(portrait: np.ndarray) -> None:
    flat = np.zeros_like(portrait)
    other = np.random.default_rng(0).integers(0, 256, portrait.shape, dtype=np.uint8)
    assert pair_check.shift(flat, flat) is None
    assert pair_check.shift(portrait, flat) is None
    assert pair_check.shift(portrait, other) is None
    assert pair_check.shift(portrait[:8, :8], portrait[:8, :8]) is None


def test_fine_detail_is_compared_where_the_sides_differ(portrait: np.ndarray) -> None:
    half = spaces.resize(spaces.resize(portrait, 256, 256), 512, 512)
    ratio = pair_check.detail_ratio(half, portrait)
    assert ratio < 0.7
    assert pair_check.detail_ratio(portrait, half) == pytest.approx(1 / ratio)
    assert pair_check.detail_ratio(portrait, portrait) == 1


def test_real_pairs_are_sound(shared: Path) -> None:
    loaded = load_pairs(shared / "pairs", "train")
    assert loaded.warnings == []
    for pair in loaded.pairs:
        assert pair_check.shift(pair.source, pair.target) == pytest.approx((0, 0), abs=0.05)
        assert pair_check.detail_ratio(pair.source, pair.target) < 0.7
    differences = [pair_check.mean_difference(pair.source, pair.target) for pair in loaded.pairs]
    assert differences == pytest.approx([1.670, 1.568, 2.252], abs=0.001)


def test_pictures_of_kinds_that_are_not_read_are_told_of(tmp_path: Path) -> None:
    put(tmp_path, "train/A/one.png")
    put(tmp_path, "train/B/one.png", rgb=B)
    (tmp_path / "train/A/layers.PSD").write_bytes(b"x")
    (tmp_path / "train/A/notes.txt").write_text("x")
    (unread,) = load_pairs(tmp_path, "train").warnings
    assert "layers.PSD" in unread
    assert "notes.txt" not in unread


@pytest.mark.parametrize("height", [3, 64, 65, 66, 67, 130, 200])
def test_figures_in_strips_are_those_of_the_whole_picture(
    height: int, portrait: np.ndarray
) -> None:
    a = portrait[:height, :300]
    b = ndimage.gaussian_filter(a, (1, 1, 0))
    b[height // 2 :] = a[height // 2 :]
    apart = a.astype(float) - b
    assert pair_check.mean_difference(a, b) == pytest.approx(np.abs(apart).mean())
    luma = [pair_check.luma(side).astype(float) for side in (a, b)]
    assert pair_check.likeness(a, b) == pytest.approx(np.corrcoef(*(x.ravel() for x in luma))[0, 1])
    kernel = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    changed = (a != b).any(2)[1:-1, 1:-1]
    if changed.any():
        fine = [ndimage.convolve(x, kernel)[1:-1, 1:-1][changed] for x in luma]
        expected = np.sqrt((fine[0] ** 2).sum() / (fine[1] ** 2).sum())
        assert pair_check.detail_ratio(a, b) == pytest.approx(expected, rel=1e-5)


def test_what_doing_nothing_would_leave_is_known_of_each_pair(tmp_path: Path) -> None:
    put(tmp_path, "train/one.png", "train/two.png", rgb=AB)
    loaded = load_pairs(tmp_path, "train")
    assert loaded.identity == {"one": 10, "two": 10}


def test_two_sides_in_one_file_may_have_twice_the_pixels_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", A[..., 0].size)
    put(tmp_path / "one", "train/a.png", rgb=AB)
    put(tmp_path / "two", "trainA/a.png")
    put(tmp_path / "two", "trainB/a.png", rgb=B)
    for folder in ("one", "two"):
        assert load_pairs(tmp_path / folder, "train").pairs[0].shape == A.shape[:2]
    monkeypatch.setattr(images, "MAX_PIXELS", A[..., 0].size - 1)
    for folder in ("one", "two"):
        with pytest.raises(ManyDataErrors, match="million pixels, more than"):
            load_pairs(tmp_path / folder, "train")


@pytest.mark.parametrize(
    "added",
    [
        "-Edit", "-Edit-2", "_retouched", "-2", " (1)", " copy", " - copy", "_보정", "_AFTER",
        "-bearbeitet", "_retuschiert", "-retouche", "_retouch\u00e9e", "_retouche\u0301e", "-편집",
        "_수정", unicodedata.normalize("NFD", "_보정후"), "-修图",
    ],
)  # fmt: skip
def test_names_meet_without_what_programs_and_people_add(tmp_path: Path, added: str) -> None:
    put(tmp_path, f"train/A/sub/IMG_1234{added}.jpg", "train/A/IMG_1.png")
    put(tmp_path, "train/B/sub/IMG_1234.png", "train/B/IMG_1.png", rgb=B)
    found = find_pairs(tmp_path, "train")
    assert [file.name for file in found.pairs[1].files] == [f"IMG_1234{added}.jpg", "IMG_1234.png"]
    assert found.problems == ()
    [note] = found.notes
    assert f"IMG_1234{added}.jpg and IMG_1234.png" in note
    assert "IMG_1.png" not in note
    assert load_pairs(tmp_path, "train").warnings[0] == note


def test_words_may_be_added_on_both_sides_but_numbers_tell_photographs_apart(
    tmp_path: Path,
) -> None:
    put(tmp_path, "train/A/1_after.png", "train/A/photo_01.png", "train/A/IMG_9-2.png")
    put(tmp_path, "train/B/1_before.png", "train/B/photo_02.png", "train/B/IMG_9-2.png", rgb=B)
    put(tmp_path, "train/A/IMG_9.png")
    found = find_pairs(tmp_path, "train")
    assert [[file.name for file in pair.files] for pair in found.pairs] == [
        ["1_after.png", "1_before.png"],
        ["IMG_9-2.png", "IMG_9-2.png"],
    ]
    left = sorted(Path(problem.where).name for problem in found.problems)
    assert left == ["IMG_9.png", "photo_01.png", "photo_02.png"]


def test_names_that_could_meet_in_several_ways_are_one_line(tmp_path: Path) -> None:
    put(tmp_path, "train/A/IMG_7-Edit.jpg", "train/A/IMG_7-Edit-2.jpg", "train/A/x.png")
    put(tmp_path, "train/B/IMG_7.jpg", "train/B/x.png", rgb=B)
    found = find_pairs(tmp_path, "train")
    assert [pair.name for pair in found.pairs] == ["x"]
    [problem] = found.problems
    assert "IMG_7-Edit.jpg, IMG_7-Edit-2.jpg could belong to IMG_7.jpg" in str(problem)
    assert found.notes == ()
