"""What pictures can do wrong: the rows I1 to I5 of the fault matrix in docs/reliability.md."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unretouch.base.errors import DataError, ExitCode, ManyDataErrors
from unretouch.pixels import images, spaces
from unretouch.pixels.pairs import load_pairs

# pytest brings its own filters, so that it shows what the program keeps quiet.
pytestmark = pytest.mark.filterwarnings("ignore:.*(Truncated|exceeds limit)")
PROJECT = Path(__file__).parents[2]
TURNED = {  # how a picture lies in a file with that orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colour: int, pixels: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decode(data: bytes) -> images.Picture:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return images.read(Path(file.name))


def train(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the guide's training command on `folder`/portrait_retouch."""
    command = [sys.executable, str(PROJECT / "train.py"), "--dataroot", "./portrait_retouch"]
    return subprocess.run(
        [*command, "--name", "run"], cwd=folder, capture_output=True, text=True, timeout=120
    )


# I1: decompression bombs


@pytest.mark.parametrize("side", [13_000, 20_000])
def test_I1_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, b""))
    assert path.stat().st_size < 100
    with pytest.raises(DataError, match="million"):
        images.read_rgb(path)


def test_I1_refusing_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read from /proc")
    path = tmp_path / "bomb.png"
    path.write_bytes(png(13_000, 13_000, 8, 2, zlib.compress(bytes(1000))))
    code = (
        "import sys; from pathlib import Path; from unretouch.pixels import images\n"
        "try: images.read_rgb(Path(sys.argv[1]))\n"
        "except images.DataError: print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    [peak] = [line for line in done.stdout.splitlines() if line.startswith("VmHWM")]
    assert int(peak.split()[1]) * 1024 < 200e6


def test_I1_the_limit_is_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    images.write_png(path, np.zeros((10, 10, 3), np.uint8))
    assert images.read(path, max_pixels=100).rgb.shape == (10, 10, 3)
    with pytest.raises(DataError, match="10 x 10"):
        images.read(path, max_pixels=99)


# I2: damaged files


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "GIF"])
def test_I2_a_file_cut_anywhere_is_refused_or_whole(kind: str) -> None:
    rgb = np.random.default_rng(0).normal(128, 40, (48, 64, 3)).clip(0, 255).astype(np.uint8)
    data = encoded(Image.fromarray(rgb), kind)
    whole, refused = decode(data).rgb, 0
    for length in range(0, len(data), max(1, len(data) // 150)):
        try:
            picture = decode(data[:length])
        except DataError:
            refused += 1
        else:
            assert np.array_equal(picture.rgb, whole), f"{length} of {len(data)} bytes"
    assert refused >= 100


@pytest.mark.parametrize(
    "data",
    [b"", b"just words\n", b"<!doctype html><title>404</title>"],
    ids=["empty", "text", "html"],
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_I2_what_is_no_picture_is_refused(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="is not a picture") as refusal:
        images.read_rgb(tmp_path / name)
    assert refusal.value.where == str(tmp_path / name)
    assert refusal.value.exit_code == ExitCode.DATA


def test_I2_all_bad_files_are_listed_at_once_and_nothing_is_written(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    folder = tmp_path / "portrait_retouch/train"
    folder.mkdir(parents=True)
    good = np.concatenate([portrait // 2, portrait], axis=1)
    images.write_png(folder / "good.png", good)
    jpeg = encoded(Image.fromarray(good), "JPEG")
    bad = {
        "bomb.png": png(13_000, 13_000, 8, 2, b""),
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "empty.png": b"",
        "html.jpg": b"<html>",
        "odd.png": encoded(Image.new("RGB", (33, 16)), "PNG"),
        "words.png": b"words",
    }
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    done = train(tmp_path)
    assert done.returncode == ExitCode.DATA, done.stderr
    for name in bad:
        assert done.stderr.count(name) == 1, done.stderr
    assert "good.png" not in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


# I3: orientation


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_I3_every_orientation_gives_the_same_picture(
    tmp_path: Path, portrait: np.ndarray, orientation: int, kind: str
) -> None:
    lossless = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 95}}
    before = portrait[:96, 150:214]  # no square, so that a turn by 90 degrees shows
    lies = Image.fromarray(before)
    if orientation in TURNED:
        lies = lies.transpose(TURNED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    for side in "AB":
        (tmp_path / "train" / side).mkdir(parents=True)
    images.write_png(tmp_path / "train/A/one.png", before // 2)
    data = encoded(lies, kind, exif=exif, **lossless[kind])
    (tmp_path / f"train/B/one.{kind.lower()}").write_bytes(data)
    [pair] = load_pairs(tmp_path, "train").pairs
    assert pair.target.shape == before.shape
    allowed = 3 if kind == "JPEG" else 0
    assert np.abs(pair.target.astype(int) - before).mean() <= allowed


# I4: modes


def test_I4_sixteen_bits_are_read_whole_never_clipped() -> None:
    pytest.importorskip("pyvips")
    pixels = bytes(range(1 + 4 * 2 * 4)) * 4
    for colour in (0, 2):  # grey, RGB
        channels = 1 + colour
        rows = b"".join(b"\0" + pixels[: 4 * 2 * channels] for _ in range(4))
        rgb = decode(png(4, 4, 16, colour, rows)).rgb
        assert rgb.dtype == np.uint16
        assert (
            rgb[0, :, 0].tolist() == np.frombuffer(pixels, ">u2", 4 * channels)[::channels].tolist()
        )
    numbers = list(range(500, 1100, 100))
    map_of_16 = b"P6 2 1 65535\n" + struct.pack(">6H", *numbers)
    assert decode(map_of_16).rgb.ravel().tolist() == numbers
    assert (decode(encoded(Image.new("I;16", (4, 4), 40_000), "TIFF")).rgb == 40_000).all()
    assert decode(sixteen_bit_rgb_tiff()).rgb.dtype == np.uint16


def sixteen_bit_rgb_tiff() -> bytes:
    """A 2 x 1 TIFF that Pillow opens in mode RGB, as if it had 8 bits."""
    entries = [(256, 3, 1, 2), (257, 3, 1, 1), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2)]
    entries += [(273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 12)]
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + table + bytes(4)
    data = head.ljust(134, b"\0") + struct.pack("<3H", 16, 16, 16) + bytes(12)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
    return data


def test_I4_floats_lab_and_cmyk_without_a_profile_are_refused() -> None:
    for mode, reason in (("F", "32 bits"), ("I", "32 bits"), ("LAB", "LAB"), ("CMYK", "CMYK")):
        with pytest.raises(DataError, match=reason):
            decode(encoded(Image.new(mode, (4, 4)), "TIFF"))


def test_I4_grey_palette_and_one_bit_become_the_same_colours() -> None:
    ramp = Image.linear_gradient("L").resize((40, 20))
    grey = np.asarray(ramp)[..., None].repeat(3, 2)
    assert np.array_equal(decode(encoded(ramp, "PNG")).rgb, grey)
    colours = Image.fromarray(grey).quantize(16)
    assert np.array_equal(decode(encoded(colours, "PNG")).rgb, np.asarray(colours.convert("RGB")))
    bits = Image.fromarray(np.asarray(ramp) > 99)
    assert set(np.unique(decode(encoded(bits, "PNG")).rgb)) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_I4_transparency_is_laid_over_white_and_said_so(mode: str) -> None:
    image = Image.new(mode, (4, 4), (0, 255) if mode == "LA" else (0, 0, 0, 255))
    assert decode(encoded(image, "PNG")).notes == ()
    assert (decode(encoded(image, "PNG")).rgb == 0).all()
    image.putpixel((0, 0), (0, 0) if mode == "LA" else (0, 0, 0, 0))
    picture = decode(encoded(image, "PNG"))
    assert picture.rgb[0, 0].tolist() == [255, 255, 255]
    assert picture.rgb[1, 1].tolist() == [0, 0, 0]
    assert "6.2%" in str(picture.notes[0])


def test_I4_an_animation_is_refused() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        with pytest.raises(DataError, match="more than one picture"):
            decode(data)


# I5: pairs that do not belong together


def write_pair(root: Path, name: str, a: np.ndarray, b: np.ndarray) -> None:
    for side, rgb in (("A", a), ("B", b)):
        (root / "train" / side).mkdir(parents=True, exist_ok=True)
        images.write_png(root / "train" / side / f"{name}.png", rgb)


def softened(rgb: np.ndarray) -> np.ndarray:
    """A rough retouch: every pixel replaced by the mean of its neighbourhood."""
    height, width = rgb.shape[:2]
    return spaces.resize(spaces.resize(rgb, width // 2, height // 2), width, height)


def test_I5_sides_of_different_size_are_refused_with_both_sizes(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    write_pair(tmp_path, "one", portrait[:100, :80], portrait[:100, :90])
    write_pair(tmp_path, "turned", portrait[:100, :80], portrait[:80, :100])
    with pytest.raises(ManyDataErrors) as refusal:
        load_pairs(tmp_path, "train")
    one, turned = map(str, refusal.value.problems)
    assert "80 x 100" in one
    assert "90 x 100" in one
    assert "turned by 90 degrees" in turned


def test_I5_a_shift_by_3_pixels_is_told_in_pixels(tmp_path: Path, portrait: np.ndarray) -> None:
    write_pair(tmp_path, "one", softened(portrait[50:306, 50:306]), portrait[50:306, 47:303])
    [warning] = load_pairs(tmp_path, "train").warnings
    assert "B is shifted by dx=3.0, dy=0.0 pixels" in warning


def test_I5_swapped_sides_are_told(tmp_path: Path, portrait: np.ndarray) -> None:
    write_pair(tmp_path, "one", portrait, softened(portrait))
    [warning] = load_pairs(tmp_path, "train").warnings
    assert "more fine detail" in warning
    assert "--direction BtoA" in warning
    assert load_pairs(tmp_path, "train", "BtoA").warnings == []


def test_I5_equal_sides_are_told_and_refused_where_all_pairs_are_so(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    write_pair(tmp_path, "one", portrait, portrait)
    with pytest.raises(ManyDataErrors, match="the same picture in every pair"):
        load_pairs(tmp_path, "train")
    write_pair(tmp_path, "two", softened(portrait), portrait)
    [warning] = load_pairs(tmp_path, "train").warnings
    assert warning.startswith("one: A and B are the same picture")


def test_I5_repeated_pairs_are_told_by_name(tmp_path: Path, portrait: np.ndarray) -> None:
    soft = softened(portrait)
    write_pair(tmp_path, "one", soft, portrait)
    write_pair(tmp_path, "two", soft, portrait)
    write_pair(tmp_path, "three", soft, np.maximum(portrait, 1))
    told = sorted(load_pairs(tmp_path, "train").warnings)
    assert told[0].startswith("three: has the same input as one but another answer")
    assert told[1] == "two: holds the same two pictures as one"


def test_I5_a_single_photograph_taken_for_a_pair_is_told(
    tmp_path: Path, portrait: np.ndarray
) -> None:
    (tmp_path / "train").mkdir()
    images.write_png(tmp_path / "train/photo.png", portrait)
    with pytest.raises(ManyDataErrors, match="halves are not the same picture"):
        load_pairs(tmp_path, "train")


def test_I5_a_sound_pair_gives_no_warning(tmp_path: Path, portrait: np.ndarray) -> None:
    write_pair(tmp_path, "one", softened(portrait), portrait)
    assert load_pairs(tmp_path, "train").warnings == []
