"""Photographs come back in their size, depth, colours and coding, without what must not travel."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from picture_files import DNG_TAGS
from PIL import Image, ImageCms, JpegImagePlugin, TiffImagePlugin

from unretouch.base.errors import DataError, DiskError
from unretouch.pixels import colour, images
from unretouch.pixels.exif import append_exif, cleaned
from unretouch.pixels.photos import Photo, as_format, read_photo, write_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(height: int, width: int, channels: int = 3, bits: int = 8) -> NDArray[np.uint16]:
    random = np.random.default_rng(height * width)
    kind = np.uint8 if bits == 8 else np.uint16
    return random.integers(0, 2**bits, (height, width, channels), kind)  # type: ignore[return-value]


def rgb_profile(gamma: float, primaries: NDArray[np.float64], name: str = "") -> bytes:
    """Return an ICC profile of one gamma and a matrix to XYZ."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {
        name: b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in column))
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    if name:
        text = struct.pack(">I", len(name) + 1) + name.encode() + bytes(1 + 4 + 4 + 2 + 1 + 67)
        tags[b"desc"] = b"desc" + bytes(4) + text
    head = bytearray(128)
    head[12:24] = b"mntrRGB XYZ "
    head[36:40] = b"acsp"
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(data))
        body += data
    head[:4] = struct.pack(">I", len(head) + len(table) + len(body))
    head[8:12] = b"\x02\x10\0\0"
    head[68:80] = struct.pack(">3i", 63190, 65536, 54061)  # D50
    return bytes(head) + table + body


ADOBE_RGB = rgb_profile(
    2.19921875,
    np.array(
        [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
    ),
)


def camera_exif(orientation: int = 1, gps: bool = True) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker", "Camera 1", orientation
    exif[0x0132] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8769)[0x829A] = TiffImagePlugin.IFDRational(1, 200)
    exif.get_ifd(0x8769)[0x927C] = b"\x01maker's own\xff" * 9
    if gps:
        exif.get_ifd(0x8825)[1] = "N"
        exif.get_ifd(0x8825)[2] = (37.0, 33.0, 59.5)
    block: bytes = exif.tobytes()
    return block.removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lossless_formats_come_back_bit_for_bit(
    kind: str, bits: int, channels: int, tmp_path: Path
) -> None:
    pytest.importorskip("pyvips")
    pixels = noise(13, 17, max(3, channels), bits)
    if channels < 3:
        pixels[..., 1] = pixels[..., 2] = pixels[..., 0]
    alpha = noise(17, 13, 1, bits).reshape(13, 17) if channels in (2, 4) else None
    profile = SRGB if channels > 2 else None  # an RGB profile does not belong to grey
    photo = Photo(
        pixels[..., :3],
        kind,  # type: ignore[arg-type]
        f".{kind}",
        alpha=alpha,
        grey=channels < 3,
        profile=profile,
    )
    write_photo(tmp_path / f"a.{kind}", photo)
    found = read_photo(tmp_path / f"a.{kind}")
    assert found.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(found.pixels, pixels[..., :3])
    assert found.grey == (channels < 3)
    assert found.profile == profile
    assert (found.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(found.alpha, alpha)


@pytest.mark.parametrize(("quality", "subsampling"), [(70, 2), (83, 1), (97, 0)])
def test_a_jpeg_keeps_quality_and_subsampling(
    quality: int, subsampling: int, tmp_path: Path
) -> None:
    picture = Image.fromarray(noise(64, 80).astype(np.uint8))
    picture.save(tmp_path / "a.jpg", quality=quality, subsampling=subsampling)
    write_photo(tmp_path / "b.jpg", read_photo(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert before.quantization == after.quantization  # type: ignore[attr-defined]
        assert JpegImagePlugin.get_sampling(before) == JpegImagePlugin.get_sampling(after)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_profile_and_exif_stay_byte_for_byte_and_the_place_goes(kind: str, tmp_path: Path) -> None:
    exif = camera_exif()
    pixels = noise(24, 32).astype(np.uint8)
    Image.fromarray(pixels).save(
        tmp_path / "a", kind, exif=b"Exif\0\0" + exif, icc_profile=ADOBE_RGB
    )
    write_photo(tmp_path / "b", read_photo(tmp_path / "a"))
    write_photo(tmp_path / "c", read_photo(tmp_path / "a"), keep_gps=True)
    with Image.open(tmp_path / "b") as without, Image.open(tmp_path / "c") as with_place:
        assert without.info["icc_profile"] == ADOBE_RGB
        assert without.info["exif"].removeprefix(b"Exif\0\0") == cleaned(exif)
        assert not without.getexif().get_ifd(0x8825)
        assert without.getexif()[0x0110] == "Camera 1"
        assert without.getexif().get_ifd(0x8769)[0x927C] == b"\x01maker's own\xff" * 9
        assert with_place.info["exif"].removeprefix(b"Exif\0\0") == exif
        assert with_place.getexif().get_ifd(0x8825)[1] == "N"


def test_the_place_is_nowhere_in_the_bytes() -> None:
    exif = camera_exif()
    place = struct.pack(">6I", 37, 1, 33, 1, 119, 2)
    assert place in exif
    result = cleaned(exif)
    assert result is not None
    assert place not in result
    assert len(result) == len(exif)
    # All bytes that changed lie in the directory entry, its followers, or the place itself.
    assert b"maker's own" in result


@given(st.binary(max_size=200))
def test_hostile_exif_is_dropped_or_cleaned_and_never_raises(tail: bytes) -> None:
    for head in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""):
        result = cleaned(head + tail)
        # A directory whose last four bytes are missing is written anew behind the block.
        assert result is None or len(result) >= len(head + tail)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(tail=st.binary(max_size=120), at=st.integers(0, 200), value=st.integers(0, 255))
def test_a_tiff_with_hostile_camera_data_is_whole_all_the_same(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, at: int, value: int
) -> None:
    block = bytearray(camera_exif() + tail)
    block[at % len(block)] = value
    path = tmp_path_factory.getbasetemp() / "hostile.tif"
    pixels = noise(6, 8)
    write_photo(path, Photo(pixels, "tiff", ".tif", exif=bytes(block)))
    back = read_photo(path)
    np.testing.assert_array_equal(back.pixels, pixels)
    write_photo(path, back)
    np.testing.assert_array_equal(read_photo(path).pixels, pixels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("grey", [False, True])
def test_a_tiff_keeps_what_the_camera_said_and_not_where(
    bits: int, grey: bool, tmp_path: Path
) -> None:
    if bits == 16:
        pytest.importorskip("pyvips")
    pixels = noise(30, 40, 3, bits)
    pixels = pixels[..., :1].repeat(3, axis=2) if grey else pixels
    profile = None if grey else ADOBE_RGB
    photo = Photo(pixels, "tiff", ".tif", grey=grey, profile=profile, exif=camera_exif())
    write_photo(tmp_path / "a.tif", photo, keep_gps=True)
    back = read_photo(tmp_path / "a.tif")
    write_photo(tmp_path / "b.tif", back)
    write_photo(tmp_path / "c.tif", back, keep_gps=True)
    np.testing.assert_array_equal(read_photo(tmp_path / "b.tif").pixels, pixels)
    for name, place in (("a", True), ("b", False), ("c", True)):
        with Image.open(tmp_path / f"{name}.tif") as image:
            found = image.getexif()
            assert (found[0x010F], found[0x0110]) == ("Maker", "Camera 1")
            assert found[0x0132] == "2026:01:02 03:04:05"
            assert found.get_ifd(0x8769)[0x829A] == Fraction(1, 200)
            assert found.get(0x0112, 1) == 1
            assert image.info.get("icc_profile") == profile
            assert dict(found.get_ifd(0x8825)) == ({1: "N", 2: (37.0, 33.0, 59.5)} if place else {})
        if not place:
            assert b"\0N\0" not in (tmp_path / f"{name}.tif").read_bytes()[-2000:]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff"])
def test_every_orientation_comes_back_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:8, :8] = 250  # the corner at the top left
    turns = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a), 7: lambda a: np.rot90(a)[:, ::-1],
        8: lambda a: np.rot90(a, -1),
    }  # fmt: skip
    stored = np.ascontiguousarray(turns[orientation](upright))
    if orientation == 7:
        stored = np.ascontiguousarray(upright[::-1, ::-1].swapaxes(0, 1))
    exif = b"Exif\0\0" + camera_exif(orientation, gps=False)
    Image.fromarray(stored).save(tmp_path / "a", kind, exif=exif, **_best(kind))
    photo = read_photo(tmp_path / "a")
    assert photo.pixels.shape == upright.shape
    np.testing.assert_allclose(photo.pixels.astype(float), upright, atol=3)
    write_photo(tmp_path / "b", photo)
    with Image.open(tmp_path / "b") as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert image.size == (40, 24)


def _best(kind: str) -> dict[str, object]:
    return {"quality": 98, "subsampling": 0} if kind == "jpeg" else {}


def test_colours_under_transparency_and_alpha_pass_through(tmp_path: Path) -> None:
    rgba = noise(9, 11, 4).astype(np.uint8)
    for kind, options in (("png", {}), ("tiff", {}), ("webp", {"lossless": True, "exact": True})):
        Image.fromarray(rgba).save(tmp_path / "a", kind, **options)
        photo = read_photo(tmp_path / "a")
        write_photo(tmp_path / "b", photo)
        with Image.open(tmp_path / "b") as image:
            np.testing.assert_array_equal(np.asarray(image), rgba)


def test_16_bits_without_the_extra_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyvips")
    photo = Photo(noise(5, 7, 3, 16), "png", ".png")
    write_photo(tmp_path / "a.png", photo)
    monkeypatch.setitem(sys.modules, "pyvips", None)
    with pytest.raises(DataError, match=r"16 bits.*needs the extra.*\[photo\]"):
        read_photo(tmp_path / "a.png")


def test_a_16_bit_png_without_exif_is_read_with_all_its_bits(tmp_path: Path) -> None:
    pixels = noise(6, 5, bits=16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 5, 6, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
    ]
    png = b"\x89PNG\r\n\x1a\n"
    for name, data in [*parts, (b"IEND", b"")]:
        png += (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )
    (tmp_path / "a.png").write_bytes(png)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, pixels)


def test_16_bits_do_not_become_a_jpeg_unasked(tmp_path: Path) -> None:
    photo = as_format(Photo(noise(5, 7, 3, 16), "png", ".png"), "jpeg")
    with pytest.raises(DataError, match="jpeg holds 8"):
        write_photo(tmp_path / "a.jpg", photo)
    assert not list(tmp_path.iterdir())


def test_a_size_beyond_pillows_limit_is_looked_at_beside_other_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyvips")
    side, limit = 20_000, Image.MAX_IMAGE_PIXELS
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [head, b"IDAT" + zlib.compress(b"\0"), b"IEND"]
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    monkeypatch.setattr("unretouch.base.durable.free_bytes", lambda folder: 10**6)
    with pytest.raises(DiskError, match=r"1\.20 GB needed"):  # so its header was read
        read_photo(tmp_path / "large.png")
    assert limit is Image.MAX_IMAGE_PIXELS  # one for all threads: never changed while they decode


def test_too_little_memory_is_not_said_to_be_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(image: Image.Image, where: object) -> None:
        raise MemoryError

    write_photo(tmp_path / "a.png", Photo(noise(5, 7).astype(np.uint8), "png", ".png"))
    monkeypatch.setattr(images, "decoded", decoded)
    with pytest.raises(DataError, match="memory"):
        read_photo(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
@pytest.mark.parametrize("name", ["a.jpg", "a.heic", "a.dng"])
def test_what_is_no_photograph_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read_photo(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_16_bit_picture_cut_short_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    path = tmp_path / "a.png"
    write_photo(path, Photo(noise(40, 40, 3, 16), "png", ".png"))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="is cut short"):
        read_photo(path)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=30))
def test_to_srgb_and_back_is_the_same_number(numbers: list[float]) -> None:
    space = colour.parse(ADOBE_RGB)
    assert space is not None
    rgb = np.array(numbers[: len(numbers) // 3 * 3], np.float32).reshape(1, -1, 3)
    back = space.from_srgb(space.to_srgb(rgb))
    np.testing.assert_allclose(back, rgb, atol=1e-3)


def test_the_profile_means_what_littlecms_says() -> None:
    space = colour.parse(ADOBE_RGB)
    assert space is not None
    # Colours within both spaces, as littlecms clips.
    rgb = np.random.default_rng(0).integers(90, 180, (16, 16, 3), np.uint8)
    expected = ImageCms.profileToProfile(
        Image.fromarray(rgb), ImageCms.ImageCmsProfile(io.BytesIO(ADOBE_RGB)),
        ImageCms.createProfile("sRGB"), renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )  # fmt: skip
    found = space.to_srgb(rgb.astype(np.float32) / 255) * 255
    np.testing.assert_allclose(found.clip(0, 255), np.asarray(expected, np.float32), atol=1.5)


def test_srgb_is_recognised_and_what_is_not_curves_and_matrix_is_left() -> None:
    found = colour.parse(SRGB)
    assert found is not None
    assert not colour.differs_from_srgb(found)
    adobe = colour.parse(ADOBE_RGB)
    assert adobe is not None
    assert colour.differs_from_srgb(adobe)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert colour.parse(lab) is None


@given(st.binary(max_size=400))
def test_hostile_profiles_never_raise(tail: bytes) -> None:
    colour.parse(ADOBE_RGB[:128] + tail)
    colour.parse(tail)


def test_a_damaged_raw_says_so_without_words_of_a_decoder(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    (tmp_path / "a.nef").write_bytes(b"II*\0" + bytes(2000))
    with pytest.raises(DataError, match=r"no RAW that is known\. Save it as TIFF or PNG") as error:
        read_photo(tmp_path / "a.nef")
    assert "b'" not in str(error.value.message)


def test_a_raw_photograph_becomes_16_bit_srgb(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    import tifffile

    mosaic = np.random.default_rng(0).integers(500, 4500, (64, 96), np.uint16)
    tifffile.imwrite(tmp_path / "a.dng", mosaic, photometric=32803, extratags=DNG_TAGS)
    append_exif(tmp_path / "a.dng", camera_exif())
    photo = read_photo(tmp_path / "a.dng")
    assert photo.pixels.shape == (64, 96, 3)
    assert photo.pixels.dtype == np.uint16
    assert (photo.format, photo.profile) == ("tiff", None)
    assert any("white balance" in str(note) for note in photo.notes)
    write_photo(tmp_path / "b.tif", photo)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.getexif()[0x0110] == "Camera 1"
        assert image.getexif().get_ifd(0x8769)[0x829A] == Fraction(1, 200)
        assert not image.getexif().get_ifd(0x8825)


@pytest.mark.parametrize("deep", [False, True])
def test_heic_keeps_its_depth_and_outlives_the_decoder(
    deep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = noise(6, 8, 4, 16 if deep else 8)
    memory = pixels.copy()

    class Decoded:
        mode = "RGBA;16" if deep else "RGBA"
        info = {"icc_profile": SRGB, "exif": b"Exif\0\0" + camera_exif()}  # noqa: RUF012
        __array_interface__ = memory.__array_interface__

    class Decoder:
        @staticmethod
        def open_heif(path: Path, convert_hdr_to_8bit: bool) -> Decoded:
            assert not convert_hdr_to_8bit
            return Decoded()

    monkeypatch.setitem(sys.modules, "pi_heif", Decoder)  # type: ignore[arg-type]
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x10ftypheic\0\0\0\0")
    photo = read_photo(tmp_path / "a.heic")
    memory[:] = 0  # the decoder takes its memory back
    np.testing.assert_array_equal(photo.pixels, pixels[..., :3])
    np.testing.assert_array_equal(photo.alpha, pixels[..., 3])
    assert (photo.format, photo.profile, photo.exif) == ("png", SRGB, camera_exif())
