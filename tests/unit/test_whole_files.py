"""Every file comes back whole: its look, the numbers behind it, and what was written about it."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import picture_files as made
import pytest
from PIL import Image, JpegImagePlugin
from test_photos import camera_exif

from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.pixels import code_points, colour, heif, images, photos, xmp
from unretouch.pixels.code_points import CodePoints
from unretouch.pixels.exif import cleaned
from unretouch.pixels.metadata import GAIN_MAP
from unretouch.pixels.pairs import load_pairs
from unretouch.pixels.photos import Photo, as_format, read_photo, write_photo
from unretouch.tasks.apply import masks
from unretouch.tasks.pair import pair_folders

RGB = made.portrait_like()
GAMMA_1, GAMMA_22 = struct.pack(">I", 100_000), struct.pack(">I", 45_455)
BT709 = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def through(path: Path, data: bytes, name: str = "a", to: str | None = None) -> tuple[Photo, bytes]:
    """Read `data` from a file, write it again; return what was read and the new file."""
    source, target = path / name, path / "new"
    source.write_bytes(data)
    photo = read_photo(source)
    if to is not None:
        photo = as_format(photo, to)  # type: ignore[arg-type]
    write_photo(target, photo)
    return photo, target.read_bytes()


def kinds(data: bytes) -> list[bytes]:
    return [kind for kind, _ in made.chunks_of(data) if kind not in (b"IHDR", b"IDAT", b"IEND")]


# --- colours told otherwise than by a profile


def test_png_colours_come_back_word_for_word_and_are_seen_as_they_look(tmp_path: Path) -> None:
    for deep in (False, True):
        pixels = RGB.astype(np.uint16) * 257 if deep else RGB
        told = [made.chunk(b"gAMA", GAMMA_1), made.chunk(b"cHRM", BT709)]
        photo, data = through(tmp_path, made.png(pixels, *told))
        assert [chunk for chunk in made.chunks_of(data) if chunk[0] in (b"gAMA", b"cHRM")] == [
            (b"gAMA", GAMMA_1), (b"cHRM", BT709),
        ]  # fmt: skip
        space, _ = colour.told(photo.profile)
        assert space is not None
        middle = space.to_srgb(np.full((1, 1, 3), 0.5, np.float32))
        assert middle == pytest.approx(0.735, abs=0.01)  # light of a half, in sRGB
        assert kinds(data) == [b"gAMA", b"cHRM"]


def test_a_png_whose_colours_a_gamma_tells_takes_a_profile_along(tmp_path: Path) -> None:
    data = made.png(RGB, made.chunk(b"gAMA", GAMMA_1))
    for to in ("tiff", "jpeg", "webp"):
        photo, new = through(tmp_path, data, to=to)
        with Image.open(io.BytesIO(new)) as image:
            assert image.info["icc_profile"] == photo.profile
    picture = images.read(tmp_path / "a")  # as a pair
    assert picture.converted_from == "gamma 1"
    assert picture.rgb.mean() > RGB.mean() + 20


def test_the_gamma_that_stands_for_srgb_is_srgb(tmp_path: Path) -> None:
    told = [made.chunk(b"gAMA", GAMMA_22), made.chunk(b"cHRM", BT709)]
    photo, data = through(tmp_path, made.png(RGB, *told))
    assert photo.profile is None
    assert kinds(data) == [b"gAMA", b"cHRM"]
    impossible = made.png(RGB, made.chunk(b"cHRM", bytes(32)))
    photo, _ = through(tmp_path, impossible)
    assert photo.profile is None
    assert any("cannot be" in str(note) for note in photo.notes)


def test_hdr_stays_hdr_in_a_png_and_nowhere_else(tmp_path: Path) -> None:
    data = made.png(RGB, made.chunk(b"cICP", bytes([9, 16, 0, 1])))
    photo, new = through(tmp_path, data)
    assert (b"cICP", bytes([9, 16, 0, 1])) in made.chunks_of(new)
    assert any("HDR (BT.2020, PQ)" in str(note) for note in photo.notes)
    with pytest.raises(DataError, match=r"HDR \(BT\.2020, PQ\).*the format png"):
        through(tmp_path, data, to="jpeg")
    space, _ = colour.told(photo.profile)
    assert space is not None
    paper = space.to_srgb(np.full((1, 1, 3), 0.5807, np.float32))  # 203 cd/m2
    assert paper == pytest.approx(1, abs=0.01)
    back = space.from_srgb(space.to_srgb(RGB.astype(np.float32) / 255))
    assert back == pytest.approx(RGB.astype(np.float32) / 255, abs=2e-3)


def test_colours_nobody_knows_are_said(tmp_path: Path) -> None:
    chunk = made.chunk(b"cICP", bytes([1, 77, 0, 1]))
    photo, new = through(tmp_path, made.png(RGB, chunk))
    assert any("transfer 77" in str(note) and "as sRGB" in str(note) for note in photo.notes)
    assert kinds(new) == [b"cICP"]
    assert any("transfer 77" in str(note) for note in images.read(tmp_path / "a").notes)


def test_code_points_mean_what_littlecms_says_of_their_profile() -> None:
    from PIL import ImageCms

    profile = CodePoints(12, 13).profile
    assert profile is not None
    rgb = np.random.default_rng(0).integers(90, 180, (16, 16, 3), np.uint8)
    expected = ImageCms.profileToProfile(
        Image.fromarray(rgb), ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"), renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )  # fmt: skip
    space = colour.parse(profile)
    assert space is not None
    found = space.to_srgb(rgb.astype(np.float32) / 255) * 255
    np.testing.assert_allclose(found.clip(0, 255), np.asarray(expected, np.float32), atol=1.5)
    assert colour.told(CodePoints(1, 13).profile) == (None, None)
    light = code_points.light_of(code_points.HLG, np.array([0.0, 0.75, 1.0]))
    assert light == pytest.approx([0, 1, 4.93], abs=0.02)  # 1000 of 203 cd/m2


# --- HEIC and AVIF


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_display_p3_by_nclx_is_handed_on_as_a_profile(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    data = (made.DATA / "portrait_8.heic").read_bytes()
    if kind == "avif":
        data = made.encoded(RGB, "AVIF")
    photo, new = through(tmp_path, made.with_code_points(data, 12, 13), f"IMG.{kind}")
    with Image.open(io.BytesIO(new)) as image:
        assert image.format == "PNG"
        assert image.info["icc_profile"] == photo.profile == CodePoints(12, 13).profile
    read = images.read(tmp_path / f"IMG.{kind}")  # as a side of a pair
    assert read.converted_from == "Display P3"
    assert not np.array_equal(read.rgb, photo.pixels)


def test_hdr_by_nclx_becomes_a_png_that_says_so(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    data = (made.DATA / "portrait_10.heic").read_bytes()
    photo, new = through(tmp_path, made.with_code_points(data, 9, 16), "IMG.HIF")
    assert photo.pixels.dtype == np.uint16
    assert [kind for kind in kinds(new) if kind in (b"cICP", b"iCCP")] == [b"cICP"]
    assert any("HDR (BT.2020, PQ)" in str(note) for note in photo.notes)
    assert images.read(tmp_path / "IMG.HIF").rgb.dtype == np.uint16


def test_a_heic_named_jpg_is_a_heic_and_a_jpeg_named_heic_a_jpeg(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    photo, new = through(tmp_path, (made.DATA / "portrait_8.heic").read_bytes(), "IMG.jpg")
    assert photo.pixels.shape == (64, 64, 3)
    assert photo.resolution == (300, 300)
    with Image.open(io.BytesIO(new)) as image:
        assert image.getexif()[0x0110] == "Camera 1"
        assert not image.getexif().get_ifd(0x8825)
    for name in ("a.heic", "a.dng", "a.png"):
        photo, _ = through(tmp_path, made.encoded(RGB, "JPEG"), name)
        assert photo.format == "jpeg"


def test_ten_bits_of_an_avif_are_not_cut_and_white_is_white(tmp_path: Path) -> None:
    pyvips = pytest.importorskip("pyvips")
    deep = np.full((16, 24, 3), 65535, np.uint16)
    deep[:, :12] = np.linspace(0, 40_000, 12)[None, :, None]
    image = pyvips.Image.new_from_memory(deep.tobytes(), 24, 16, 3, "ushort")
    image = image.copy(interpretation="rgb16")
    image.heifsave(str(tmp_path / "a.avif"), compression="av1", bitdepth=10, lossless=True)
    photo = read_photo(tmp_path / "a.avif")
    assert photo.pixels.dtype == np.uint16
    assert photo.pixels.max() == 65535
    assert np.abs(photo.pixels.astype(int) - deep).max() <= 150
    assert np.array_equal(images.read(tmp_path / "a.avif").rgb, photo.pixels)


def test_pairs_may_be_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pi_heif")
    for side in ("trainA", "trainB"):
        (tmp_path / side).mkdir()
    data = (made.DATA / "portrait_8.heic").read_bytes()
    (tmp_path / "trainB/one.HEIC").write_bytes(data)
    before = images.read_rgb(tmp_path / "trainB/one.HEIC")
    images.write_png(tmp_path / "trainA/one.png", before // 2)
    [pair] = load_pairs(tmp_path, "train").pairs
    np.testing.assert_array_equal(pair.target, before)
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    with pytest.raises(ManyDataErrors, match=r"HEIC needs the extra.*\[photo\]"):
        load_pairs(tmp_path, "train")


# --- a PNG with much beside its pixels


@pytest.mark.parametrize("deep", [False, True])
def test_a_png_with_any_text_is_read_and_says_it_again(deep: bool, tmp_path: Path) -> None:
    pixels = RGB.astype(np.uint16) * 257 if deep else RGB
    long = zlib.compress(bytes(3_000_000))
    history = made.XMP.replace(b"<photoshop:Credit>", b"<photoshop:Credit>" + b"a" * 2_000_000)
    beside = [
        made.chunk(b"zTXt", b"Comment\0\0" + long),
        made.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + history),
        made.chunk(b"tEXt", b"Author\0me"),
        made.chunk(b"tEXt", b"Title\0broken", check=1),
        made.chunk(b"prVW", b"unknown"),
    ]
    photo, new = through(tmp_path, made.png(pixels, *beside))
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert (b"zTXt", b"Comment\0\0" + long) in made.chunks_of(new)
    assert (b"tEXt", b"Author\0me") in made.chunks_of(new)
    assert sum(b'xmp:Rating="5"' in data for _, data in made.chunks_of(new)) == 1
    assert any("tEXt is damaged" in str(note) for note in photo.notes)
    assert images.read(tmp_path / "a").rgb.shape == RGB.shape if not deep else True


def test_a_large_profile_of_a_png_is_kept(tmp_path: Path) -> None:
    profile = bytes(CodePoints(12, 13).profile or b"") + bytes(2_000_000)
    data = made.png(RGB, made.chunk(b"iCCP", b"P3\0\0" + zlib.compress(profile)))
    photo, new = through(tmp_path, data)
    assert photo.profile == profile
    assert kinds(new) == [b"iCCP"]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_holds_one_exif_block_and_it_is_the_cameras(bits: int, tmp_path: Path) -> None:
    pixels = RGB if bits == 8 else RGB.astype(np.uint16) * 257
    photo, new = through(tmp_path, made.png(pixels, made.chunk(b"eXIf", camera_exif())))
    assert kinds(new) == [b"eXIf"]
    assert dict(made.chunks_of(new))[b"eXIf"] == cleaned(camera_exif())
    raw = b"\nexif\n      9\n" + (b"Exif\0\0" + camera_exif()).hex().encode()
    wrapped = made.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))
    photo, new = through(tmp_path, made.png(pixels, wrapped))
    assert photo.exif == camera_exif()
    assert kinds(new) == [b"eXIf"]


# --- resolution


@pytest.mark.parametrize("to", ["jpeg", "png", "tiff", "webp"])
@pytest.mark.parametrize("told", ["jpeg", "png", "png16", "tiff", "exif"])
def test_300_pixels_an_inch_stay_300_and_none_stays_none(
    told: str, to: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 300.0, 300.0, 2
    phys = made.chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    deep = RGB.astype(np.uint16) * 257
    with_it, without = {
        "jpeg": (made.encoded(RGB, "JPEG", dpi=(300, 300)), made.encoded(RGB, "JPEG")),
        "png": (made.png(RGB, phys), made.png(RGB)),
        "png16": (made.png(deep, phys), made.png(deep)),
        "tiff": (made.encoded(RGB, "TIFF", dpi=(300, 300)), made.encoded(RGB, "TIFF")),
        "exif": (made.encoded(RGB, "WEBP", exif=exif), made.encoded(RGB, "WEBP")),
    }[told]
    if told == "png16" and to in ("jpeg", "webp"):
        to = "tiff"
    for data, expected in ((with_it, 300), (without, None)):
        _, new = through(tmp_path, data, to=to)
        with Image.open(io.BytesIO(new)) as image:
            found = image.info.get("dpi", (None,))[0] or image.getexif().get(282)
            if to == "tiff" and expected is None:
                assert image.getexif()[296] == 1  # no unit: pixels as wide as high
            else:
                assert (found and round(float(found))) == expected
        assert read_photo(tmp_path / "new").resolution == (expected and (300, 300))


# --- EXIF and XMP


def without_next(block: bytes) -> bytes:
    """An EXIF block whose directory is followed by its values at once."""
    entries = [
        struct.pack(">HHII", 0x010F, 2, 6, 8 + 2 + 24),
        struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0),
    ]
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", 2) + b"".join(entries) + block


@pytest.mark.parametrize("values", [b"Maker\0", b"Maker\0" + bytes(30)])
def test_exif_without_the_offset_of_a_next_directory_is_kept(values: bytes, tmp_path: Path) -> None:
    block = without_next(values)
    data = made.encoded(RGB, "JPEG", exif=b"Exif\0\0" + block)
    photo, new = through(tmp_path, data)
    assert photo.pixels.shape == (32, 24, 3)  # turned
    assert photo.notes == ()
    with Image.open(io.BytesIO(new)) as image:
        assert (image.getexif()[0x010F], image.getexif()[0x0112]) == ("Maker", 1)


def test_what_is_broken_of_exif_does_not_take_the_rest_along(tmp_path: Path) -> None:
    block = bytearray(camera_exif())
    place = block.index(struct.pack(">HHI", 0x8825, 4, 1) if block[:2] == b"MM" else b"\x25\x88")
    block[place + 8 : place + 12] = b"\xff\xff\xff\x7f"
    _, new = through(tmp_path, made.encoded(RGB, "JPEG", exif=b"Exif\0\0" + bytes(block)))
    with Image.open(io.BytesIO(new)) as image:
        assert image.getexif()[0x0110] == "Camera 1"
        assert 0x8825 not in image.getexif()
    photo, _ = through(tmp_path, made.encoded(RGB, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\0\0"))
    assert [*map(str, photo.notes)] == ["its EXIF data is damaged, so it is not carried over"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_xmp_comes_back_without_the_place(kind: str, tmp_path: Path) -> None:
    data = made.encoded(RGB, kind, xmp=made.XMP)
    if kind == "PNG":
        data = made.png(RGB, made.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + made.XMP))
    elif kind == "TIFF":
        data = made.encoded(RGB, kind, tiffinfo={700: made.XMP})
    photo, new = through(tmp_path, data)
    assert photo.xmp == made.XMP
    assert b'xmp:Rating="5"' in new
    assert b"<photoshop:Credit>me" in new
    assert b'tiff:Orientation="1"' in new
    assert b"Seoul" not in new
    assert b"GPSLatitude" not in new
    with Image.open(io.BytesIO(new)) as image:
        assert image.info["xmp"] == xmp.cleaned(made.XMP)
    write_photo(tmp_path / "new", photo, keep_gps=True)
    assert b"Seoul" in (tmp_path / "new").read_bytes()


WORDS = {270: "설명: 손", 315: "김작가", 33432: "© 나"}


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("told", ["JPEG", "PNG", "TIFF"])
def test_words_of_any_script_stay_in_a_tiff(told: str, deep: bool, tmp_path: Path) -> None:
    import tifffile

    pixels = RGB.astype(np.uint16) * 257 if deep else RGB
    exif = Image.Exif()
    for tag, text in WORDS.items():
        exif[tag] = text.encode()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "손".encode("utf-16-le")
    data = made.png(pixels, made.chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    if told == "JPEG":
        data = made.encoded(RGB, "JPEG", exif=exif.tobytes())
    elif told == "TIFF":
        (tmp_path / "t").write_bytes(data)
        data = through(tmp_path, data, to="tiff")[1]
    _, new = through(tmp_path, data, to="tiff")
    (tmp_path / "new.tif").write_bytes(new)
    with tifffile.TiffFile(tmp_path / "new.tif") as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        for tag, text in WORDS.items():
            assert tags[tag].value == text
    assert exif.get_ifd(0x8769)[0x9286] in new
    back, _ = through(tmp_path, new, to="jpeg") if not deep else through(tmp_path, new)
    assert "김작가".encode() in (back.exif or b"")


def test_a_value_that_is_not_what_its_tag_stands_for_costs_no_other(tmp_path: Path) -> None:
    block = bytearray(camera_exif())
    order = "<" if block[:2] == b"II" else ">"
    place = block.index(struct.pack(order + "HHI", 0x010F, 2, 6))
    struct.pack_into(order + "HHI", block, place, 0x010F, 5, 1)  # a fraction for letters
    data = made.encoded(RGB, "JPEG", exif=b"Exif\0\0" + bytes(block))
    photo, new = through(tmp_path, data, to="tiff")
    assert "some of its EXIF data is damaged, so it is not carried over" in map(str, photo.notes)
    with Image.open(io.BytesIO(new)) as image:
        assert image.getexif()[0x0110] == "Camera 1"
        assert image.getexif().get_ifd(0x8769)[0x829A] == 0.005
    assert through(tmp_path, data)[0].notes == (), "byte for byte"


def large_exif() -> bytes:
    """A block that no JPEG holds in one piece, and of which much is no maker's business."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[315] = "Maker", "Camera 1", "김작가".encode()
    exif.get_ifd(0x8769)[0x829A] = 0.005
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + b"w" * 70_000
    exif.get_ifd(0x8769)[0x927C] = b"m" * 40_000
    block: bytes = exif.tobytes()
    return block.removeprefix(b"Exif\0\0")


def in_segments(block: bytes) -> bytes:
    """A JPEG that says it in more than one piece, as some programs write it."""
    data = made.encoded(RGB, "JPEG")
    pieces = [b"Exif\0\0" + block[at : at + 65_000] for at in range(0, len(block), 65_000)]
    segments = [b"\xff\xe1" + struct.pack(">H", len(p) + 2) + p for p in pieces]
    return data[:2] + b"".join(segments) + data[2:]


@pytest.mark.parametrize("told", ["JPEG", "PNG"])
def test_exif_too_large_for_a_jpeg_is_cut_to_what_fits_and_said(told: str, tmp_path: Path) -> None:
    png = made.png(RGB, made.chunk(b"eXIf", large_exif()))
    data = in_segments(large_exif()) if told == "JPEG" else png
    photo, new = through(tmp_path, data, to="jpeg")
    assert [note for note in photo.notes if "longest parts are left out" in str(note)]
    with Image.open(io.BytesIO(new)) as image:
        found = image.getexif()
        assert found[0x0110] == "Camera 1"
        assert found[315].encode("latin-1") == "김작가".encode()
        assert found.get_ifd(0x8769)[0x829A] == 0.005
        assert 0x9286 not in found.get_ifd(0x8769)
    if told == "PNG":
        photo, new = through(tmp_path, data)
        assert photo.notes == ()
        assert b"w" * 70_000 in new


def iim() -> bytes:
    sets = ((5, "제목"), (25, "서울"), (80, "김작가"), (90, "Seoul"), (120, "설명"))
    coded = ((number, text.encode()) for number, text in sets)
    return b"".join(b"\x1c\x02" + struct.pack(">BH", n, len(t)) + t for n, t in coded)


def jpeg_with_iptc(*more: tuple[int, bytes]) -> bytes:
    data = made.encoded(RGB, "JPEG")
    body = b"Photoshop 3.0\0"
    for number, part in ((0x0404, iim()), *more):
        body += b"8BIM" + struct.pack(">HHI", number, 0, len(part)) + part + bytes(len(part) % 2)
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + data[2:]


def test_iptc_comes_back_without_the_place(tmp_path: Path) -> None:
    data = jpeg_with_iptc()
    for to in ("jpeg", "png", "tiff"):
        photo, _ = through(tmp_path, data, to=to)
        assert photo.iptc == iim()
        back = read_photo(tmp_path / "new").iptc or b""
        assert "김작가".encode() in back
        assert b"Seoul" not in back
        write_photo(tmp_path / "new", photo, keep_gps=True)
        assert read_photo(tmp_path / "new").iptc == iim()
    photo, _ = through(tmp_path, data, to="webp")
    assert "its IPTC-IIM data is not carried over; EXIF and XMP are" in map(str, photo.notes)
    deep = made.png(RGB.astype(np.uint16) * 257)
    (tmp_path / "a").write_bytes(deep)
    photo = as_format(read_photo(tmp_path / "a"), "tiff")
    write_photo(tmp_path / "new", type(photo)(**{**photo.__dict__, "iptc": iim()}), keep_gps=True)
    assert read_photo(tmp_path / "new").iptc == iim()
    photo = through(tmp_path, jpeg_with_iptc((2000, b"path")))[0]
    assert [*map(str, photo.notes)] == ["its paths of Photoshop are not carried over"]


def test_xmp_that_hides_a_place_or_is_none_is_not_carried_over() -> None:
    assert xmp.cleaned(b"<x") is None
    assert xmp.cleaned(b"\xff\xfe<\0x\0") is None
    assert xmp.cleaned(b'<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>') is None
    only_place = made.XMP.replace(b'xmp:Rating="5"', b"").replace(
        b"<photoshop:Credit>me</photoshop:Credit>", b""
    )
    assert xmp.cleaned(only_place.replace(b'tiff:Orientation="6"', b"")) is None
    twice = made.XMP.replace(b'exif:GPSLatitude="', b'exif:GPSVersionID="2>1" exif:GPSLatitude="')
    assert b"GPS" not in (xmp.cleaned(twice) or b"")


# --- a JPEG and what surrounds it


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read_where_nothing_else_is_missing(
    progressive: bool, tmp_path: Path
) -> None:
    data = made.encoded(RGB, "JPEG", quality=90, progressive=progressive)
    (tmp_path / "a.jpg").write_bytes(data)
    whole = read_photo(tmp_path / "a.jpg").pixels
    for tail in (b"", bytes(4096)):
        photo, _ = through(tmp_path, data[:-2] + tail, "a.jpg")
        np.testing.assert_array_equal(photo.pixels, whole)
        assert len(photo.notes) == 1
        np.testing.assert_array_equal(images.read_rgb(tmp_path / "a.jpg"), whole)
    for cut in (8, 30, 60):
        for tail in (b"", bytes(4096)):
            with pytest.raises(DataError, match=r"is cut short.*Copy it anew"):
                through(tmp_path, data[:-cut] + tail, "a.jpg")


CODED = {
    "plain": {}, "progressive": {"progressive": True}, "own tables": {"optimize": True},
    "restarts": {"restart_marker_blocks": 3}, "restarts, progressive":
    {"restart_marker_rows": 1, "progressive": True}, "finest": {"quality": 100, "subsampling": 0},
}  # fmt: skip


@pytest.mark.parametrize("coded", CODED)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_cut_in_the_middle_is_not_whole_by_a_mark_of_the_end(
    coded: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.fromarray(made.portrait_like(90, 70)).convert(mode)
    file = io.BytesIO()
    picture.save(file, "JPEG", **CODED[coded])  # type: ignore[arg-type]
    data = file.getvalue()
    path, pixels = tmp_path / "a.jpg", data.rindex(b"\xff\xda")
    for large in (images._LARGE, 0):
        monkeypatch.setattr(images, "_LARGE", large)
        images._has_its_end.cache_clear()
        for whole in (data, data + b"behind it", data[:-2] + b"\xff\xff" + data[-2:]):
            path.write_bytes(whole)
            with images.opened(path) as image:
                assert images.decoded(image, path)[0].size == (70, 90)
        for share in (0.2, 0.5, 0.8):
            path.write_bytes(data[: pixels + int(share * (len(data) - pixels))] + b"\xff\xd9")
            with pytest.raises(DataError, match="is cut short"), images.opened(path) as image:
                images.decoded(image, path)


def test_a_jpeg_is_in_memory_once_while_its_end_is_tried(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    path = tmp_path / "a.jpg"
    path.write_bytes(made.encoded(noise, "JPEG", quality=98, subsampling=0))
    stat = path.stat()
    assert stat.st_size > images._LARGE
    tracemalloc.start()
    try:
        assert images._has_its_end(path, stat.st_size, stat.st_mtime_ns)
        assert tracemalloc.get_traced_memory()[1] < 1.4 * stat.st_size
    finally:
        tracemalloc.stop()


def gain_map(how: str) -> bytes:
    first, second = made.encoded(RGB, "JPEG"), made.encoded(RGB[:8, :8], "JPEG")
    if how == "xmp":
        packet = made.XMP.replace(
            b"<photoshop:City>",
            b'<r:Version xmlns:r="http://ns.adobe.com/hdr-gain-map/1.0/">1.0</r:Version>'
            b"<photoshop:City>",
        )
        return made.encoded(RGB, "JPEG", xmp=packet) + second
    sign = b"urn:iso:std:iso:ts:21496:-1\0" + bytes(8)
    if how == "iso":
        return (
            first[:2] + b"\xff\xe2" + struct.pack(">H", len(sign) + 2) + sign + first[2:] + second
        )
    apple = b'<x:xmpmeta xmlns:HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/"/>'
    return first + made.encoded(RGB[:8, :8], "JPEG", xmp=apple)


@pytest.mark.parametrize("how", ["xmp", "iso", "apple"])
def test_a_gain_map_is_not_dropped_without_a_word(how: str, tmp_path: Path) -> None:
    photo, new = through(tmp_path, gain_map(how))
    assert GAIN_MAP in photo.notes
    assert b"hdr-gain-map" not in new.replace(b"xmlns:r", b"") or b"r:Version" not in new


def test_a_second_view_or_a_video_behind_a_jpeg_is_told(tmp_path: Path) -> None:
    data = made.encoded(RGB, "JPEG")
    for tail in (b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 8, made.encoded(RGB, "JPEG") * 3):
        photo, _ = through(tmp_path, data + tail)
        assert [note for note in photo.notes if "video" in str(note)]
    assert through(tmp_path, data + bytes(9000))[0].notes == ()
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "MPO", save_all=True, append_images=[Image.fromarray(RGB)])
    photo, new = through(tmp_path, file.getvalue(), "two.mpo")
    assert photo.format == "jpeg"
    assert [note for note in photo.notes if "another view" in str(note)]
    assert new.startswith(b"\xff\xd8\xff")


def test_a_jpeg_keeps_its_comment_and_coding(tmp_path: Path) -> None:
    data = made.encoded(RGB, "JPEG", comment=b"by me", quality=80, subsampling=1)
    photo, new = through(tmp_path, data)
    with Image.open(io.BytesIO(new)) as image:
        assert image.info["comment"] == b"by me"
        assert JpegImagePlugin.get_sampling(image) == 1
    assert photo.notes == ()
    assert "not carried" in str(through(tmp_path, data, to="png")[0].notes[0])


# --- grey, and channels that are no transparency


def grey_profile() -> bytes:
    """A profile of one curve, for one channel."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 563) + bytes(2)
    head = bytearray(128)
    head[12:24] = b"mntrGRAYXYZ "
    head[36:40] = b"acsp"
    body = struct.pack(">I4sII", 1, b"kTRC", 144, len(curve)) + curve
    head[:4] = struct.pack(">I", 128 + len(body))
    return bytes(head) + body


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("to", ["png", "jpeg", "tiff", "webp"])
def test_a_grey_profile_belongs_to_grey_pixels(to: str, deep: bool, tmp_path: Path) -> None:
    if deep and to in ("jpeg", "webp"):
        return
    pixels = RGB[..., :1].astype(np.uint16) * 257 if deep else RGB[..., :1]
    data = made.png(pixels, made.chunk(b"iCCP", b"g\0\0" + zlib.compress(grey_profile())))
    photo, _ = through(tmp_path, data, to=to)
    back = read_photo(tmp_path / "new")
    assert colour.is_grey(back.profile or b"") == back.grey == (to != "webp")
    spaces = [colour.parse(given or b"") for given in (grey_profile(), back.profile)]
    looks = [space and space.to_srgb(np.full((1, 1, 3), 0.5, np.float32)) for space in spaces]
    np.testing.assert_allclose(*looks, atol=2e-3)
    assert photo.notes == ()


@pytest.mark.parametrize("largest", [65535, 1023, 300, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_portable_map_keeps_its_depth(channels: int, largest: int, tmp_path: Path) -> None:
    shape, deep = (24, 32, channels), largest > 255
    numbers = np.random.default_rng(0).integers(0, largest + 1, shape)
    head = b"P%d\n# by hand\n32 24\n%d\n" % (6 if channels == 3 else 5, largest)
    data = head + numbers.astype(">u2" if deep else "u1").tobytes()
    photo, _ = through(tmp_path, data, "a.pnm")
    full = 65535 if deep else 255
    assert (photo.full, photo.grey) == (full, channels == 1)
    expected = np.rint(numbers * (full / largest)).astype(int)
    np.testing.assert_array_equal(photo.pixels, np.broadcast_to(expected, (24, 32, 3)))
    np.testing.assert_array_equal(read_photo(tmp_path / "new").pixels, photo.pixels)
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "a.pnm"), photo.pixels)
    assert [*map(str, photo.notes)] == ["PPM cannot be written here: it becomes PNG"]
    if deep:
        with pytest.raises(DataError, match="is cut short: its last rows are missing"):
            through(tmp_path, data[:-1])


def test_a_portable_map_that_is_not_read_is_told_by_name(tmp_path: Path) -> None:
    for data, what in (
        (b"P3 1 1 65535 1 2 3", r"portable map of 16 bits in digits.*Save it as TIFF"),
        (b"P7\nWIDTH 1\n", r"portable map \(PAM\).*Save it as TIFF"),
        (b"PF\n1 1\n-1.0\n" + bytes(12), r"floating-point numbers \(PFM\).*Save it as TIFF"),
    ):
        with pytest.raises(DataError, match=what):
            through(tmp_path, data)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("colours", [1, 3])
def test_what_photoshop_keeps_beside_16_bits_is_read_rightly(
    colours: int, order: str, tmp_path: Path
) -> None:
    """Transparency, and saved selections, beside grey and colours."""
    import tifffile

    given = np.random.default_rng(0).integers(0, 65536, (24, 32, 6)).astype(np.uint16)
    kinds: list[tuple[str, ...]] = [
        (), ("unassalpha",), ("assocalpha",), ("unspecified",), ("unassalpha", "unspecified"),
        ("unspecified", "unspecified"),
    ]  # fmt: skip
    for extra in kinds:
        channels = given[..., : colours + len(extra)].copy()
        if extra == ("assocalpha",):
            channels[..., :colours] //= 2
            channels[..., colours] = 32768
        tifffile.imwrite(
            tmp_path / "t.tif", channels if channels.shape[2] > 1 else channels[..., 0],
            photometric="rgb" if colours == 3 else "minisblack", extrasamples=extra or None,
            planarconfig="contig" if channels.shape[2] > 1 else None, byteorder=order,
            metadata=None,
        )  # fmt: skip
        photo, _ = through(tmp_path, (tmp_path / "t.tif").read_bytes(), "a.tif")
        expected = np.broadcast_to(given[..., :colours], (24, 32, 3)).astype(int)
        allowed = 2 if extra == ("assocalpha",) else 0
        assert np.abs(photo.pixels - expected).max() <= allowed
        assert photo.grey == (colours == 1)
        transparent = extra[:1] in (("unassalpha",), ("assocalpha",))
        assert (photo.alpha is not None) == transparent
        lost = len(extra) - transparent
        said = f"channels beside its colours ({lost}), as saved selections, are left out"
        assert [*map(str, photo.notes)] == ([said] if lost else [])
        back = read_photo(tmp_path / "new")
        np.testing.assert_array_equal(back.pixels, photo.pixels)
        assert (back.alpha is None) or np.array_equal(back.alpha, photo.alpha)
        pair = images.read(tmp_path / "a.tif")
        assert bool(pair.notes) == transparent, "a saved selection is not laid over white"
    ink = given[..., 0]
    tifffile.imwrite(tmp_path / "t.tif", ink, photometric="miniswhite", byteorder=order)
    assert np.array_equal(read_photo(tmp_path / "t.tif").pixels[..., 0], 65535 - ink)
    for photometric in ("cielab", "icclab"):
        tifffile.imwrite(tmp_path / "t.tif", given[..., :3], photometric=photometric)
        with pytest.raises(DataError, match=r"TIFF of Lab in 3 channels of 16 bits.*with RGB"):
            read_photo(tmp_path / "t.tif")


@pytest.mark.parametrize("deep", [False, True])
def test_a_saved_selection_is_no_transparency_and_its_loss_is_said(
    deep: bool, tmp_path: Path
) -> None:
    import tifffile

    pixels = RGB.astype(np.uint16) * 257 if deep else RGB
    four = np.dstack([pixels, pixels[..., 0]])
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, four, photometric="rgb", extrasamples=["unspecified"], metadata=None)
    photo, _ = through(tmp_path, path.read_bytes())
    assert photo.alpha is None
    assert "channels beside its colours (1), as saved selections, are left out" in map(
        str, photo.notes
    )
    tifffile.imwrite(path, four, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    photo, _ = through(tmp_path, path.read_bytes())
    np.testing.assert_array_equal(photo.alpha, four[..., 3])
    assert photo.notes == ()


def test_a_tiff_with_a_small_copy_of_itself_is_one_picture(tmp_path: Path) -> None:
    import tifffile

    with tifffile.TiffWriter(tmp_path / "t.tif") as file:
        file.write(RGB, photometric="rgb", metadata=None)
        file.write(RGB[::4, ::4], photometric="rgb", metadata=None, subfiletype=1)
    np.testing.assert_array_equal(read_photo(tmp_path / "t.tif").pixels, RGB)
    with tifffile.TiffWriter(tmp_path / "t.tif") as file:
        for _ in range(2):
            file.write(RGB, photometric="rgb", metadata=None)
    with pytest.raises(DataError, match="more than one picture"):
        read_photo(tmp_path / "t.tif")


def test_a_tiff_cut_short_is_no_other_file(tmp_path: Path) -> None:
    import tifffile

    data = made.encoded(RGB, "TIFF", compression="tiff_adobe_deflate")
    for cut, what in (
        (data[: len(data) // 2], "TIFF that is damaged or cut short"),
        (b"", "but empty"),
    ):
        with pytest.raises(DataError, match=f"is .*{what}.*Copy it anew"):
            through(tmp_path, cut, "a.tif")
    path = tmp_path / "f.tif"
    tifffile.imwrite(path, RGB.astype(np.float32), photometric="rgb", bigtiff=True)
    with pytest.raises(DataError, match="is a BigTIFF of this kind, which is not read"):
        read_photo(path)


def test_what_a_bigtiff_does_not_say_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "_LARGEST_TIFF", 0)
    photo, _ = through(tmp_path, made.encoded(RGB, "JPEG", xmp=made.XMP), to="tiff")
    assert [note for note in photo.notes if "not carried into a TIFF of its size" in str(note)]


def test_what_formats_without_much_say_comes_back_too(tmp_path: Path) -> None:
    photo, new = through(tmp_path, made.encoded(RGB, "BMP", dpi=(300, 300)))
    assert read_photo(tmp_path / "new").resolution == photo.resolution == (300, 300)
    file = io.BytesIO()
    Image.fromarray(RGB).quantize(16).save(file, "GIF", comment=b"words of mine")
    _, new = through(tmp_path, file.getvalue())
    assert (b"tEXt", b"Comment\0words of mine") in made.chunks_of(new)


def test_a_picture_of_depth_in_a_heic_is_told(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    data = (made.DATA / "portrait_8.heic").read_bytes()
    assert not heif.boxes_of(made.DATA / "portrait_8.heic").more
    kind = b"auxC\0\0\0\0urn:mpeg:hevc:2015:auxid:2\0"
    place = data.index(b"meta") - 4
    size = struct.unpack_from(">I", data, place)[0]
    box = struct.pack(">I", len(kind) + 4) + kind
    (tmp_path / "d.heic").write_bytes(
        data[:place] + struct.pack(">I", size + len(box)) + data[place + 4 : place + size] + box
    )
    assert heif.boxes_of(tmp_path / "d.heic").more


# --- transparency, depth, kinds that are not read


@pytest.mark.parametrize("kind", ["palette", "rgba", "grey"])
def test_transparency_into_a_jpeg_is_laid_over_white_and_said(kind: str, tmp_path: Path) -> None:
    alpha = np.full(RGB.shape[:2], 255, np.uint8)
    alpha[:8] = 0
    if kind == "palette":
        image = Image.fromarray(RGB).quantize(16)
        index = int(np.asarray(image)[0, 0])
        file = io.BytesIO()
        image.save(file, "PNG", transparency=index)
        data = file.getvalue()
    else:
        colours = RGB if kind == "rgba" else RGB[..., :1]
        data = made.png(np.dstack([colours, alpha]))
    photo, new = through(tmp_path, data, to="jpeg")
    assert [note for note in photo.notes if "laid over white" in str(note)]
    with Image.open(io.BytesIO(new)) as image:
        assert np.asarray(image.convert("RGB"))[0, 0].min() > 235


def test_one_bit_is_read_without_the_extra_and_floats_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile

    monkeypatch.setitem(__import__("sys").modules, "pyvips", None)
    for compression in (None, "group4"):
        Image.fromarray(RGB[..., 0] > 120).save(tmp_path / "a.tif", compression=compression)
        photo = read_photo(tmp_path / "a.tif")
        assert set(np.unique(photo.pixels)) == {0, 255}
        assert "1 bit a pixel becomes 8" in map(str, photo.notes)
        assert images.read(tmp_path / "a.tif").rgb.shape == RGB.shape
    for kind, what in (
        (np.float32, "floating-point numbers of 32"), (np.float16, "floating-point numbers of 16"),
        (np.float64, "floating-point numbers of 64"), (np.int16, "signed numbers of 16"),
    ):  # fmt: skip
        tifffile.imwrite(tmp_path / "f.tif", RGB.astype(kind), photometric="rgb")
        for read in (read_photo, images.read):
            with pytest.raises(DataError, match=rf"{what} bits.*16 or 8"):
                read(tmp_path / "f.tif")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\x0a\xfa\x1f", "JPEG XL"), (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "a Photoshop file"), (b"\0\0\0\x14ftypqt  ", "a video"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_called_by_its_name(head: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(head + bytes(64))
    for read in (read_photo, images.read):
        # Of a Photoshop file, pairs are read; not of one that tells of 0 bits.
        with pytest.raises(DataError, match=f"is {name}(, which is not read| of 0 bits)"):
            read(tmp_path / "a.jpg")


def test_raw_photographs_a_stop_apart_come_back_a_stop_apart(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    import tifffile

    light = np.random.default_rng(0).integers(300, 800, (64, 96))
    light[:8] = 15_000  # not white, though nothing is brighter
    means = []
    for stop in (1, 2):
        mosaic = np.asarray(light // stop, np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", mosaic, photometric=32803, extratags=made.DNG_TAGS)
        photo = read_photo(tmp_path / "a.tif")  # known by what it holds
        assert "no automatic brightening" in str(photo.notes[0])
        part = photo.pixels[16:-4, 4:-4].astype(float) / 65535
        means.append((part**2.2).mean())
    assert means[0] == pytest.approx(550 / 16383, rel=0.05)
    assert means[0] / means[1] == pytest.approx(2, rel=0.02)


# --- masks


def test_in_a_mask_transparency_and_lightness_count_and_no_white_is_said(tmp_path: Path) -> None:
    photo = Photo(RGB, "png", ".png")
    alpha = np.zeros(RGB.shape[:2], np.uint8)
    alpha[:6] = 255
    white = np.full_like(RGB, 255)

    def mask(pixels: np.ndarray) -> masks.Enlarged:
        (tmp_path / "m.png").write_bytes(made.png(pixels))
        return masks.from_file(tmp_path / "m.png", photo)

    for full in (white, white.astype(np.uint16) * 257):
        deep = alpha.astype(full.dtype) * (257 if full.itemsize == 2 else 1)
        found = mask(np.dstack([full, deep]))
        np.testing.assert_array_equal(found.plane, alpha)
        assert found.note is None
    red = white * np.array([1, 0, 0], np.uint8)
    assert np.unique(mask(red).plane).tolist() == [76]
    assert "no white: at most 30%" in str(mask(red).note)
    assert "black all over" in str(mask(np.zeros_like(RGB)).note)


# --- pairs


def test_a_png_named_jpg_is_no_jpeg_to_pair_either(tmp_path: Path) -> None:
    random = np.random.default_rng(0).normal(0, 12, (96, 96, 3))
    before = (made.portrait_like(96, 96) * 0.5 + 60 + random).clip(0, 255).astype(np.uint8)
    for side, rgb in (("a", before), ("b", before)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "one.jpg").write_bytes(made.encoded(rgb, "JPEG", quality=70))
    after = images.read_rgb(tmp_path / "a/one.jpg").copy()
    after[30:60, 30:60] = after[30:60, 30:60].mean((0, 1))
    (tmp_path / "a/one.jpg").write_bytes(made.png(after))
    report = pair_folders(tmp_path / "a", tmp_path / "b", tmp_path / "out")
    assert "JPEG against JPEG" not in report.rows[0].no_retouch


def test_a_picture_that_does_not_halve_is_told_how_pairs_are_laid_out(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    images.write_png(tmp_path / "train/one.png", RGB[:, :31].copy())
    with pytest.raises(ManyDataErrors, match=r"does not halve.*A \(retouched\) left"):
        load_pairs(tmp_path, "train")
