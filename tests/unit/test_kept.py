"""The table of docs/apply.md says what of a file comes back: each of its cells is tried here.

`WRITE_TABLE=1 pytest -n 0 tests/unit/test_kept.py` writes it anew.
"""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import picture_files as made
import pytest
from PIL import Image
from test_images import cmyk_profile
from test_photos import camera_exif

from unretouch.pixels.code_points import CodePoints
from unretouch.pixels.exif import append_exif
from unretouch.pixels.iptc import as_resources
from unretouch.pixels.photos import Photo, as_format, read_photo, write_photo
from unretouch.pixels.png_chunks import iptc_chunk
from unretouch.tasks.apply import layers

PAGE = Path(__file__).parents[2] / "docs/apply.md"
BEGIN, END = "<!-- what comes back: begin -->\n", "<!-- what comes back: end -->\n"
RGB = made.portrait_like()
DEEP = RGB.astype(np.uint16) * 257
PROFILE = CodePoints(12, 13).profile or b""
EXIF = b"Exif\0\0" + camera_exif()
IPTC = b"\x1c\x02P" + struct.pack(">H", 9) + "김작가".encode()
PLACE = 0x8825
KEPT, ASKED, SAID, NONE = "kept", "with `--keep_gps`", "a line says so", "-"


@dataclass(frozen=True)
class Beside:
    """What a made file holds beside its pixels."""

    profile: bytes | None = None
    colours: bool = False
    exif: bytes | None = None
    xmp: bytes | None = None
    resolution: bool = False
    alpha: bool = False
    words: bool = False
    iptc: bytes | None = None
    turned: bool = False
    more: bool = False
    """something that belongs to the picture: a gain map, a picture of depth, a saved selection"""


Make = Callable[[Beside], bytes | None]
"""a file with that beside its pixels; None where its format holds no such thing"""


def jpeg(beside: Beside) -> bytes | None:
    options = _options(beside) | ({"dpi": (300, 300)} if beside.resolution else {})
    options |= {"comment": b"words of mine"} if beside.words else {}
    segment = b""
    if beside.iptc:
        segment = b"\xed", b"Photoshop 3.0\0" + as_resources(beside.iptc)
    elif beside.more:
        segment = b"\xe2", b"urn:iso:std:iso:ts:21496:-1\0" + bytes(8)
    if segment:
        marker, data = segment
        options["extra"] = b"\xff" + marker + struct.pack(">H", len(data) + 2) + data
    return None if beside.alpha or beside.colours else made.encoded(RGB, "JPEG", **options)


def mpo(beside: Beside) -> bytes | None:
    """A JPEG with another view behind it."""
    data = jpeg(replace(beside, more=False))
    return data and data + made.encoded(RGB, "JPEG") * 3


def cmyk(beside: Beside) -> bytes | None:
    """A JPEG for print, whose colours nobody knows without a profile."""
    if beside.alpha or beside.colours or beside.words or beside.iptc or beside.more:
        return None
    options = _options(beside) | {"icc_profile": cmyk_profile()}
    options |= {"dpi": (300, 300)} if beside.resolution else {}
    file = io.BytesIO()
    Image.fromarray(RGB).convert("CMYK").save(file, "JPEG", **options)
    return file.getvalue()


def palette(beside: Beside) -> bytes | None:
    """A PNG of few colours."""
    if replace(beside, resolution=False, alpha=False) != Beside():
        return None  # as any PNG
    options: dict[str, object] = {"dpi": (300, 300)} if beside.resolution else {}
    options |= {"transparency": bytes(range(16))} if beside.alpha else {}
    file = io.BytesIO()
    Image.fromarray(RGB).quantize(16).save(file, "PNG", **options)
    return file.getvalue()


def bmp(beside: Beside) -> bytes | None:
    if replace(beside, resolution=False) != Beside():
        return None
    return made.encoded(RGB, "BMP", **({"dpi": (300, 300)} if beside.resolution else {}))


def gif(beside: Beside) -> bytes | None:
    if replace(beside, words=False, alpha=False) != Beside():
        return None
    options: dict[str, object] = {"comment": b"words of mine"} if beside.words else {}
    options |= {"transparency": 3} if beside.alpha else {}
    file = io.BytesIO()
    Image.fromarray(RGB).quantize(16).save(file, "GIF", **options)
    return file.getvalue()


def raw(beside: Beside) -> bytes | None:
    """A mosaic with what a camera says."""
    import tifffile

    if replace(beside, exif=None, xmp=None) != Beside():
        return None
    mosaic = np.random.default_rng(0).integers(300, 9000, (64, 96)).astype(np.uint16)
    tags = list(made.DNG_TAGS)
    tags += [(700, "B", len(made.XMP), made.XMP, True)] if beside.xmp else []
    file = io.BytesIO()
    tifffile.imwrite(file, mosaic, photometric=32803, extratags=tags)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.dng")
        path.write_bytes(file.getvalue())
        append_exif(path, camera_exif() if beside.exif else None)
        return path.read_bytes()


def png(beside: Beside, deep: bool = False) -> bytes | None:
    pixels = DEEP if deep else RGB
    chunks = []
    if beside.profile:
        chunks.append(made.chunk(b"iCCP", b"P3\0\0" + zlib.compress(PROFILE)))
    if beside.colours:
        chunks.append(made.chunk(b"gAMA", struct.pack(">I", 100_000)))
    if beside.exif:
        chunks.append(made.chunk(b"eXIf", camera_exif()))
    if beside.xmp:
        chunks.append(made.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + made.XMP))
    if beside.resolution:
        chunks.append(made.chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)))
    if beside.words:
        chunks.append(made.chunk(b"tEXt", b"Comment\0words of mine"))
    if beside.iptc:
        chunks.append(made.chunk(*iptc_chunk(beside.iptc)))
    if beside.more:
        return None
    if beside.alpha:
        pixels = np.dstack([pixels, pixels[..., 0]])
    return made.png(pixels, *chunks)


def tiff(beside: Beside, deep: bool = False, grey: bool = False) -> bytes | None:
    """Written by us: what it then holds is looked at by Pillow."""
    if beside.words or beside.colours or (grey and beside.profile):
        return None
    pixels = DEEP if deep else RGB
    pixels = pixels[..., :1].repeat(3, 2) if grey else pixels
    photo = Photo(
        pixels, "tiff", ".tif", grey=grey, alpha=pixels[..., 0] if beside.alpha else None,
        profile=beside.profile, exif=camera_exif() if beside.exif else None, xmp=beside.xmp,
        resolution=(300, 300) if beside.resolution else None, iptc=beside.iptc,
    )  # fmt: skip
    if beside.more:
        import tifffile

        file = io.BytesIO()
        four = pixels[..., :2] if grey else np.dstack([pixels, pixels[..., 0]])
        extra: tuple[Any, ...] = ("unspecified",)
        meaning = "minisblack" if grey else "rgb"
        tifffile.imwrite(
            file, four, photometric=meaning, planarconfig="contig", extrasamples=extra,
            metadata=None,
        )  # fmt: skip
        return file.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        write_photo(Path(folder, "a.tif"), photo, keep_gps=True)
        return Path(folder, "a.tif").read_bytes()


def webp(beside: Beside) -> bytes | None:
    if beside.words or beside.colours or beside.iptc or beside.more:
        return None
    options = _options(beside) | {"lossless": True, "exact": True}
    pixels = np.dstack([RGB, RGB[..., 0]]) if beside.alpha else RGB
    return made.encoded(pixels, "WEBP", **options)


def heic(beside: Beside) -> bytes | None:
    if beside.profile or beside.alpha or beside.words or beside.xmp or beside.iptc or beside.more:
        return None  # nothing here can write such a file
    data = (made.DATA / "portrait_8.heic").read_bytes()
    return made.with_code_points(data, 12, 13) if beside.colours else data


def avif(beside: Beside) -> bytes | None:
    if beside.words or beside.iptc or beside.more:
        return None
    pixels = np.dstack([RGB, RGB[..., 0]]) if beside.alpha else RGB
    data = made.encoded(pixels, "AVIF", **_options(beside))
    return made.with_code_points(data, 12, 13) if beside.colours else data


def _options(beside: Beside) -> dict[str, object]:
    given: dict[str, object] = {}
    if beside.profile:
        given["icc_profile"] = beside.profile
    if beside.exif:
        given["exif"] = beside.exif
    elif beside.resolution:
        exif = Image.Exif()
        exif[282], exif[283], exif[296] = 300.0, 300.0, 2
        given["exif"] = exif
    if beside.xmp:
        given["xmp"] = beside.xmp
    return given


ROWS: list[tuple[str, Make, str | None]] = [
    ("JPEG", jpeg, None),
    ("PNG, 8 bits", png, None),
    ("PNG, 16 bits", lambda beside: png(beside, deep=True), None),
    ("TIFF, 8 bits", tiff, None),
    ("TIFF, 16 bits", lambda beside: tiff(beside, deep=True), None),
    ("TIFF, 16 bits, grey", lambda beside: tiff(beside, deep=True, grey=True), None),
    ("WebP", webp, None),
    ("HEIC, becomes PNG", heic, None),
    ("AVIF, becomes PNG", avif, None),
    ("MPO, becomes JPEG", mpo, None),
    ("JPEG in CMYK, becomes RGB", cmyk, None),
    ("PNG with a palette, loses it", palette, None),
    ("BMP, becomes PNG", bmp, None),
    ("GIF, becomes PNG", gif, None),
    ("RAW, becomes TIFF of 16 bits", raw, None),
    ("JPEG with `--format png`", jpeg, "png"),
    ("JPEG with `--format tiff`", jpeg, "tiff"),
    ("JPEG with `--layers`, PSD", jpeg, "layers"),
    ("PNG, 8 bits, with `--layers`, PSD", png, "layers"),
    ("PNG, 16 bits, with `--layers`, TIFF", lambda beside: png(beside, deep=True), "layers"),
    ("PNG with `--format jpeg`", png, "jpeg"),
    ("PNG with `--format tiff`", png, "tiff"),
    ("PNG with `--format webp`", png, "webp"),
]


@dataclass(frozen=True)
class Back:
    """What came back."""

    photo: Photo
    data: bytes

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data))

    def of_psd(self, number: int) -> bytes:
        """What a PSD says beside its picture."""
        if not self.data.startswith(b"8BPS"):
            return b""
        from psd_tools.psd import PSD

        found = PSD.read(io.BytesIO(self.data)).image_resources
        data: Any = found[number].data if number in found else b""
        return data if isinstance(data, bytes) else bytes(data.tobytes())

    def notes(self, *words: str) -> bool:
        return any(word in str(note) for note in self.photo.notes for word in words)


def profile(back: Back) -> bool:
    return back.of_psd(1039) == PROFILE or back.image.info.get("icc_profile") == PROFILE


def colours(back: Back) -> bool:
    told = (
        b"gAMA" in back.data
        or back.of_psd(1039) == back.photo.profile
        or back.image.info.get("icc_profile") == back.photo.profile
    )
    return back.photo.profile is not None and told


def exif(back: Back) -> bool:
    found = _exif(back)
    return found.get(0x0110) == "Camera 1" and bool(found.get_ifd(0x8769))


def _exif(back: Back) -> Image.Exif:
    if block := back.of_psd(1058):
        found = Image.Exif()
        found.load(block)
        return found
    return back.image.getexif()


def place(back: Back) -> bool:
    return _exif(back).get_ifd(PLACE).get(1) == "N"


def packet(back: Back) -> bool:
    return b'xmp:Rating="5"' in (back.of_psd(1060) or back.image.info.get("xmp", b""))


def resolution(back: Back) -> bool:
    if told := back.of_psd(1005):
        return struct.unpack_from(">I", told)[0] == 300 << 16
    image = back.image
    told = image.info.get("dpi", (0,))[0] or image.getexif().get(282, 0)
    return round(float(told)) == 300


def transparency(back: Back) -> bool:
    image = back.image
    # Pillow shows three of the four channels of a TIFF of 16 bits, and no grey with transparency.
    if image.mode == "RGB" or (image.format == "TIFF" and back.photo.full > 255):
        return False
    return np.array_equal(np.asarray(image.getchannel("A")), back.photo.alpha >> _shift(back))


def _shift(back: Back) -> int:
    return 8 if back.photo.full > 255 else 0


def words(back: Back) -> bool:
    return b"words of mine" in back.data


def datasets(back: Back) -> bool:
    if found := back.of_psd(1028):
        return "김작가".encode() in found
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a").write_bytes(back.data)
        return "김작가".encode() in (read_photo(Path(folder, "a")).iptc or b"")


def beside_it(back: Back) -> bool:
    return False


Seen = Callable[[Back], bool]
COLUMNS: list[tuple[str, Beside, Seen, str]] = [
    ("colour profile", Beside(profile=PROFILE), profile, "profile"),
    ("colours told by cICP, gAMA, cHRM or nclx", Beside(colours=True), colours, "colours"),
    ("EXIF", Beside(exif=EXIF), exif, "EXIF"),
    ("place in it", Beside(exif=EXIF), place, "place"),
    ("XMP", Beside(xmp=made.XMP), packet, "XMP"),
    ("resolution", Beside(resolution=True), resolution, "resolution"),
    ("transparency", Beside(alpha=True), transparency, "transparency"),
    ("comment, words", Beside(words=True), words, "words"),
    ("IPTC-IIM", Beside(iptc=IPTC), datasets, "IPTC"),
    ("gain map, other view, saved selection", Beside(more=True), beside_it, ""),
]


def table(folder: Path) -> str:
    """Return the table, each cell tried. Fails where something is lost without a word."""
    lines = ["| | " + " | ".join(name for name, *_ in COLUMNS) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for row, make, to in ROWS:
        cells = [_cell(folder, make, to, *column) for column in COLUMNS]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(target: Path, photo: Photo, to: str | None, *, keep_gps: bool) -> None:
    if to != "layers":
        write_photo(target, photo, keep_gps=keep_gps)
        return
    pixels = photo.pixels
    made_of_it = layers.Layers(photo, masked=False, scratch=target.parent)
    made_of_it.add(pixels, np.ones(pixels.shape, np.float32), pixels, None)
    made_of_it.write(target, photo, keep_gps=keep_gps)


def _cell(
    folder: Path, make: Make, to: str | None, name: str, beside: Beside, seen: Seen, word: str
) -> str:
    data = make(beside)
    if data is None:
        return NONE
    source, target = folder / "source", folder / "target"
    source.write_bytes(data)
    photo = read_photo(source)
    if to == "layers":
        photo = layers.fitting(photo)
    elif to is not None:
        photo = as_format(photo, to)  # type: ignore[arg-type]
    write(target, photo, to, keep_gps=False)
    back = Back(photo, target.read_bytes())
    if back.data.startswith(b"8BPS"):
        assert back.of_psd(1005) or not photo.resolution
    else:
        assert read_photo(target).pixels.dtype == photo.pixels.dtype
    if name == "place in it":
        assert not seen(back), "the place travels unasked"
        write(target, photo, to, keep_gps=True)
        assert seen(Back(photo, target.read_bytes()))
        return ASKED
    if seen(back):
        return KEPT
    if name == "transparency" and to != "layers" and read_photo(target).alpha is not None:
        assert np.array_equal(read_photo(target).alpha, photo.alpha)
        return KEPT
    assert back.notes(word, "CMYK was converted"), f"{name} is lost without a word"
    return SAID


def test_the_table_of_the_document_is_what_the_program_does(tmp_path: Path) -> None:
    pytest.importorskip("pyvips")
    for module in ("pi_heif", "rawpy", "psd_tools", "psdtags"):
        pytest.importorskip(module)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    shown, _, after = rest.partition(END)
    made_anew = table(tmp_path)
    if os.environ.get("WRITE_TABLE"):
        PAGE.write_text(before + BEGIN + made_anew + END + after)
    else:
        assert shown == made_anew, "WRITE_TABLE=1 pytest -n 0 tests/unit/test_kept.py writes it"
