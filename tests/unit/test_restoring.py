"""The Restore page's photographs, without a browser: how they look, settings, names, room, ZIP."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unretouch.pixels.photos import Photo
from unretouch.runs.folder import RunDir
from unretouch.serve import photo_looks, restoring
from unretouch.serve.photo_files import CARD, LOOK, SHOWN
from unretouch.serve.refusals import Refused
from unretouch.serve.restoring import Card, Chosen, chosen_of
from unretouch.serve.zip_stream import zipped


def pictures(data: bytes, units: list[float]) -> list[np.ndarray[Any, Any]]:
    """Return the photograph of a look, and the four parts of its change in grey levels."""
    with Image.open(io.BytesIO(data)) as image:
        stack = np.asarray(image)
    before, *parts = np.split(stack, 5)
    return [before] + [
        (part.astype(np.float32) - 128) * unit for part, unit in zip(parts, units, strict=True)
    ]


@pytest.fixture
def change() -> np.ndarray[Any, Any]:
    """A wave of 3 pixels at the left, one of 12 at the right: float32 (600, 700, 3), 6 levels."""
    x = np.arange(700)
    wave = np.where(x < 350, np.sin(2 * np.pi * x / 3), np.sin(2 * np.pi * x / 12)) * 6 / 255
    return np.broadcast_to(wave.astype(np.float32)[None, :, None], (600, 700, 3)).copy()


def test_a_part_shows_each_size_of_texture_where_it_is(
    tmp_path: Path, change: np.ndarray[Any, Any], portrait: np.ndarray[Any, Any]
) -> None:
    rgb = np.resize(portrait, (600, 700, 3)).astype(np.uint8)
    shown = photo_looks.keep_shown(Photo(rgb, "png", ".png"), tmp_path / "shown.npy")
    for columns in (slice(0, 512), slice(512, 700)):
        data, units = photo_looks.of_part(shown, change, slice(0, 512), columns)
        before, *parts = pictures(data, units)
        assert np.array_equal(before, rgb[:512, columns])
        # Rounded four times.
        assert np.abs(sum(parts) - 255 * change[:512, columns]).max() <= sum(units) / 2 + 1e-3
    left, right = (
        pictures(*photo_looks.of_part(shown, change, slice(0, 512), columns))[1:]
        for columns in (slice(0, 256), slice(512, 700))
    )
    assert left[0][:, :200].std() > 4 > 1 > left[2][:, :200].std()
    assert right[2].std() > 4 > 1 > right[0].std()


def test_the_whole_holds_what_its_size_can_show(tmp_path: Path) -> None:
    width = 3 * photo_looks.LONGEST
    x = np.arange(width)
    wave = (np.sin(2 * np.pi * x / 3) + np.sin(2 * np.pi * x / 12)) * 6 / 255
    change = np.broadcast_to(wave.astype(np.float32)[None, :, None], (96, width, 3)).copy()
    photo = Photo(np.full((96, width, 3), 100, np.uint8), "png", ".png")
    shown = photo_looks.keep_shown(photo, tmp_path / "shown.npy")
    fine, _, coarse, _ = pictures(*photo_looks.of_whole(shown, change))[1:]
    assert fine.shape == (32, photo_looks.LONGEST, 3)
    assert np.abs(fine).max() < 0.5  # three pixels became one
    assert coarse[:, 20:-20].std() > 2


def test_a_photograph_of_16_bits_is_shown_in_8(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 300, dtype=np.uint16).reshape(10, 10, 3)
    shown = photo_looks.keep_shown(Photo(deep, "tiff", ".tif"), tmp_path / "shown.npy")
    assert np.abs(shown.astype(int) - deep / 257).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(
    "asked",
    [
        {"strength": 1.6},
        {"fine": -0.1},
        {"medium": "1"},
        {"coarse": True},
        {"fine": None},
        {"mask": "/etc/passwd"},
        {"mask": "painted"},
        {"mask": "painted", "painted": "../../x"},
        {"painted": 3},
        {"strength": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        chosen_of(asked)


@pytest.mark.parametrize(
    ("name", "chosen", "epoch", "called"),
    [
        ("IMG 7.JPG", Chosen(), "latest", "IMG 7_restored.jpg"),
        ("IMG 7.JPG", Chosen(strength=1.0), "latest", "IMG 7_restored.jpg"),
        ("a/b.c.jpg", Chosen(0.8, fine=1.2, mask="skin"), "20",
         "b.c_restored_strength80_fine120_skin_epoch20.jpg"),
        ("x.jpg", Chosen(coarse=0), "iter_500", "x_restored_coarse0_iter_500.jpg"),
        ("x.jpg", Chosen(), "best", "x_restored_best.jpg"),
    ],
)  # fmt: skip
def test_files_are_named_by_their_settings(
    name: str, chosen: Chosen, epoch: str, called: str
) -> None:
    card = Card("0" * 16, name, epoch, chosen, made=chosen)
    assert card.file_name("photo.jpg") == called


def test_what_the_network_said_of_photos_looked_at_longest_ago_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "KEPT", 2500)
    folders = [tmp_path / f"{number:016x}" for number in range(4)]
    for age, folder in enumerate(folders):
        (folder / "changes").mkdir(parents=True)
        (folder / "changes" / "x.unretouch_change").write_bytes(b"0" * 900)
        (folder / SHOWN).write_bytes(b"0" * 100)
        (folder / LOOK).write_bytes(b"")
        (folder / CARD).write_text("{}")
        os.utime(folder / SHOWN, (1000 - age, 1000 - age))
    restoring._make_room(tmp_path, folders[3].name)
    assert [(folder / SHOWN).exists() for folder in folders] == [True, False, False, True]
    assert all((folder / CARD).exists() for folder in folders)


def test_the_time_left_follows_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a photo takes longer than was said, that is told, until a share corrects the figure."""
    now = [0.0]
    monkeypatch.setattr(restoring.time, "monotonic", lambda: now[0])
    photos: Any = restoring.Restoring(None)  # type: ignore[arg-type]
    run = RunDir(tmp_path, "run")
    known, card = photos._of(run), Card("0" * 16, "a.jpg", "latest", Chosen(), 4000, 3000)
    known.speed, card.state = restoring.Speed(6, 1), "working"

    def told(at: float, share: float | None = None) -> tuple[float | None, bool]:
        now[0] = at
        if share is not None:
            photos.hear(known, card, share)
        found = photos.describe_card(run, card)
        return found["left_s"], found["late"]

    assert told(0) == (18, False)  # it waits
    clock = photos._clocks[card.id] = restoring._Clock()
    now[0] = 6
    clock.ready()
    assert told(10) == (8, False)
    assert told(30) == (0, True)
    assert told(66, share=0.25) == (180, False)
    assert told(96) == (150, False)
    assert told(246, share=1.0) == (0, False)


def test_cards_of_a_stranger_are_passed_over(tmp_path: Path) -> None:
    cards: list[object] = [
        {"name": "good", "epoch": "latest", "chosen": {}, "state": "working"},
        {"name": "x", "epoch": "../x", "chosen": {}},
        {"name": "x", "epoch": "latest", "chosen": {}, "file": "../../config.json"},
        {"name": "x", "epoch": "latest", "chosen": {"mask": "/etc/passwd"}},
        {"name": "x"},
        [],
    ]
    for number, card in enumerate(cards):
        folder = tmp_path / f"{number:016x}"
        folder.mkdir()
        (folder / CARD).write_text(json.dumps(card))
    (found,) = restoring._cards_in(tmp_path).values()
    assert (found.name, found.state) == ("good", "stopped")


def test_a_zip_holds_all_files_and_is_made_piece_by_piece(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    files = []
    for name in ("b.jpg", "얼굴/a.jpg"):
        path = tmp_path / Path(name).name
        path.write_bytes(random.bytes(2_500_000))
        files.append((name, path))
    pieces = list(zipped([*files, ("gone.jpg", tmp_path / "gone.jpg")]))
    assert max(map(len, pieces)) < 1_100_000
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: path.read_bytes() for name, path in files
        }
