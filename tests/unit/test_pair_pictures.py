"""The four pictures of a pair: their names, their colours, and when they are made and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unretouch.base.errors import DiskError
from unretouch.pixels import images
from unretouch.pixels.pair_pictures import (
    COLOURS,
    FAST,
    REAL,
    SCALE,
    error_map,
    map_of_errors,
    pair_pictures,
    picture_files,
    write_pictures,
)


def sides(height: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return source, prediction (levels) and target of a pair, of more rows than one strip."""
    random = np.random.default_rng(1)
    source, target = random.integers(0, 256, (2, height, 20, 3)).astype(np.uint8)
    return source, random.uniform(0, 255, source.shape).astype(np.float32), target


def test_pictures_bear_the_names_of_the_classic_program() -> None:
    assert picture_files("epoch003_face") == {
        "real_A": "epoch003_face_real_A.png",
        "fake_B": "epoch003_face_fake_B.png",
        "real_B": "epoch003_face_real_B.png",
        "error": "epoch003_face_error.png",
    }
    shared = picture_files("epoch003_face", "epoch000_face")
    assert shared["real_A"] == "epoch000_face_real_A.png"
    assert shared["real_B"] == "epoch000_face_real_B.png"
    assert shared["fake_B"] == "epoch003_face_fake_B.png"


def test_the_four_pictures_show_the_pair_its_prediction_and_the_error(tmp_path: Path) -> None:
    source, prediction, target = sides()
    files = picture_files("face")
    write_pictures(tmp_path, files, pair_pictures(source, prediction, target))
    shown = {kind: images.read_rgb(tmp_path / file) for kind, file in files.items()}
    np.testing.assert_array_equal(shown["real_A"], source)
    np.testing.assert_array_equal(shown["real_B"], target)
    np.testing.assert_array_equal(shown["fake_B"], np.rint(prediction).astype(np.uint8))
    np.testing.assert_array_equal(shown["error"], error_map(prediction, target))


def test_a_prediction_in_file_space_is_shown_as_it_is() -> None:
    source, _, target = sides()
    made = pair_pictures(source, target, target)
    np.testing.assert_array_equal(made["fake_B"](), target)
    assert not made["error"]().any()


def test_what_is_there_once_is_neither_made_nor_written_again(tmp_path: Path) -> None:
    source, prediction, target = sides()
    files = picture_files("face")
    made = []

    def fresh() -> np.ndarray:
        made.append("real_A")
        return source

    for _ in range(2):
        pictures = {**pair_pictures(source, prediction, target), "real_A": fresh}
        write_pictures(tmp_path, files, pictures, once=REAL, effort=FAST)
    assert made == ["real_A"]
    write_pictures(tmp_path, files, {"real_A": fresh})
    assert made == ["real_A"] * 2


def test_a_folder_that_takes_no_pictures_is_told_of(tmp_path: Path) -> None:
    source, _, _ = sides()
    with pytest.raises(DiskError):
        write_pictures(tmp_path / "gone", picture_files("face"), {"real_A": lambda: source})


def test_error_map_shows_its_scale() -> None:
    levels = np.asarray(SCALE, dtype=np.float32)
    prediction = np.repeat(levels[None, :, None], 3, axis=2) + 100
    target = np.full_like(prediction, 100)
    picture = error_map(prediction, target)
    assert [tuple(pixel) for pixel in picture[0].tolist()] == [tuple(c) for c in COLOURS]


def test_error_map_grows_lighter_with_the_error_and_ends_at_its_scale() -> None:
    errors = np.linspace(0, 20, 200, dtype=np.float32)
    prediction = np.repeat(errors[None, :, None], 3, axis=2)
    light = error_map(prediction, np.zeros_like(prediction)).astype(int).sum(axis=2)[0]
    assert (np.diff(light) >= 0).all()
    assert (light[errors >= SCALE[-1]] == light[-1]).all()
    with pytest.raises(ValueError, match="shapes differ"):
        error_map(prediction, prediction[:, :5])


def test_errors_that_were_averaged_bear_the_same_colours() -> None:
    _, prediction, target = sides()
    errors = np.abs(prediction - target).mean(axis=2)
    np.testing.assert_array_equal(map_of_errors(errors), error_map(prediction, target))
