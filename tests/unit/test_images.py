"""Pictures in, pictures out, and the three spaces of pixels."""

from __future__ import annotations

import os
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from unretouch.base.errors import DataError, DiskError, NonFiniteError
from unretouch.pixels import images, spaces

sizes = st.integers(1, 40)


def to_file(tensor: torch.Tensor) -> np.ndarray:
    return spaces.levels_to_file(spaces.to_levels(tensor))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved_and_read(
    folder: Path, image: Image.Image, kind: str, **options: object
) -> images.Picture:
    image.save(folder / "picture", kind, **options)
    return images.read(folder / "picture")


@settings(deadline=None, max_examples=30)
@given(sizes, sizes)
def test_a_picture_written_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int
) -> None:
    path = tmp_path_factory.mktemp("round") / "사진.png"
    images.write_png(path, noise(height, width))
    assert np.array_equal(images.read_rgb(path), noise(height, width))


def test_a_written_picture_carries_no_metadata(tmp_path: Path) -> None:
    images.write_png(tmp_path / "a.png", noise(4, 4))
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert not image.info
        assert not image.getexif()


def test_a_picture_that_cannot_be_written_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError):
        images.write_png(tmp_path / "no such folder" / "a.png", noise(4, 4))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM", "WEBP"])
def test_lossless_formats_are_read_exactly(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    picture = saved_and_read(tmp_path, Image.fromarray(noise(9, 14)), kind, **options)
    assert np.array_equal(picture.rgb, noise(9, 14))


def test_numbers_of_srgb_are_read_as_they_are(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = saved_and_read(tmp_path, Image.fromarray(noise(4, 4)), "PNG", icc_profile=profile)
    assert (picture.converted_from, picture.notes) == ("", ())
    assert np.array_equal(picture.rgb, noise(4, 4))


def test_cmyk_is_converted_by_its_own_profile(tmp_path: Path) -> None:
    ink = np.zeros((8, 16, 4), np.uint8)
    ink[:, 8:, 3] = 255  # paper on the left, black ink on the right
    image = Image.frombytes("CMYK", (16, 8), ink.tobytes())
    picture = saved_and_read(tmp_path, image, "TIFF", icc_profile=cmyk_profile())
    assert (picture.rgb[:, 0] > 250).all()
    assert (picture.rgb[:, 15] < 5).all()
    assert [*map(str, picture.notes)] == ["CMYK was converted to sRGB"]
    assert picture.converted_from == ""


def cmyk_profile() -> bytes:
    """The smallest ICC profile from CMYK to Lab: L = 100 where there is no ink, 0 elsewhere."""
    steps = bytes(range(256))
    corners = b"".join(bytes([0 if number else 255, 128, 128]) for number in range(16))
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + steps * 4 + corners + steps * 3
    text = b"text" + bytes(4) + b"test\0"
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags, body, table = {b"A2B0": lut, b"cprt": text, b"desc": text, b"wtpt": white}, b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + 4 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def test_every_level_survives_the_way_to_the_network_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    tensor = spaces.to_network(levels)
    assert tensor.shape == (1, 3, 16, 16)
    assert tensor.dtype == torch.float32
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert np.array_equal(to_file(tensor), levels)
    assert np.abs(spaces.to_levels(tensor) - levels).max() < 1e-4


def test_pictures_of_the_network_are_rounded_and_clamped() -> None:
    levels = torch.tensor([-9.0, 0.4, 0.6, 99.5001, 254.4, 254.6, 300.0])
    tensor = (levels / 127.5 - 1).reshape(1, 1, 7).expand(3, 1, 7)
    assert to_file(tensor)[0, :, 0].tolist() == [
        0,
        0,
        1,
        100,
        254,
        255,
        255,
    ]
    assert spaces.to_levels(tensor)[0, 1, 0] == pytest.approx(0.4, abs=1e-4)


def test_a_grey_picture_of_the_network_becomes_rgb() -> None:
    assert to_file(torch.zeros(1, 1, 2, 5)).shape == (2, 5, 3)


def test_nan_never_becomes_a_picture() -> None:
    with pytest.raises(NonFiniteError):
        to_file(torch.full((1, 3, 2, 2), float("nan")))


def test_resizing_is_pillows_bicubic_and_leaves_the_same_size_alone() -> None:
    picture = noise(20, 30)
    assert np.array_equal(spaces.resize(picture, 30, 20), picture)
    assert spaces.resize(picture, 11, 7).shape == (7, 11, 3)
    ramp = np.arange(0, 240, 4, dtype=np.uint8)[None, :, None].repeat(8, 0).repeat(3, 2)
    assert np.abs(np.diff(spaces.resize(ramp, 30, 8)[0, 2:-2, 0].astype(int)) - 8).max() <= 1


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pictures_are_listed_by_name_in_any_case_and_depth(tmp_path: Path) -> None:
    names = ["a.PNG", "b/c.Jpg", "b/z.jpeg", "d.tif", "가.webp"]
    touch(*(tmp_path / name for name in reversed(names)))
    touch(*(tmp_path / name for name in ("._a.png", ".trash/x.png", "__MACOSX/y.png", "n.txt")))
    found = [path.relative_to(tmp_path).as_posix() for path in images.list_images(tmp_path)]
    assert found == names


def test_decomposed_names_take_their_place_among_composed_ones(tmp_path: Path) -> None:
    names = [
        unicodedata.normalize("NFD", "가.png"),
        "나.png",
        unicodedata.normalize("NFD", "다.png"),
    ]
    touch(*(tmp_path / name for name in names))
    assert [path.name for path in images.list_images(tmp_path)] == names


def test_links_are_followed_once_and_pipes_are_not_opened(tmp_path: Path) -> None:
    touch(tmp_path / "outside/one.png")
    (tmp_path / "data").mkdir()
    try:
        (tmp_path / "data/link").symlink_to(tmp_path / "outside", target_is_directory=True)
        (tmp_path / "data/loop").symlink_to(tmp_path / "data", target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "data/pipe.png")
    found = images.list_images(tmp_path / "data")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["data/link/one.png"]


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    touch(tmp_path / "file")
    with pytest.raises(DataError, match="there is no such folder"):
        images.list_images(tmp_path / "missing")
    with pytest.raises(DataError, match="is not a folder"):
        images.list_images(tmp_path / "file")
