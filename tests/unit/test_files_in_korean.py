"""What is wrong with a file, and what is converted, is said in the app in the reader's language."""

from __future__ import annotations

import dataclasses
import errno
import importlib
import io
import json
import os
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import picture_files as made
import pytest
from PIL import Image

from unretouch.base import durable
from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.base.messages import Message, _, korean, untranslated
from unretouch.cli import run
from unretouch.jobs import child
from unretouch.model.interface import Sizing
from unretouch.pixels import images
from unretouch.pixels.photos import Photo, as_format, read_photo
from unretouch.serve import photo_work, restoring, telling, worker
from unretouch.serve.pair_check import report
from unretouch.serve.photo_files import CARD
from unretouch.serve.refusals import Limits, Refused, did_not_work
from unretouch.serve.uploads import _look
from unretouch.tasks.apply.masks import from_file
from unretouch.tasks.apply.restore import Restorer
from unretouch.tasks.pair import simulated

RGB = made.portrait_like()
HANGUL = re.compile("[가-힣]")
ENGLISH = re.compile(r"\b(?:is|are|was|the|its?|of|not|without|cannot|with|holds?|save)\b", re.I)


def in_korean(record: dict[str, Any]) -> str:
    """Return what the page says in Korean; fails where any part of it is in English only."""
    assert record["message"] in korean(), record
    values = {
        name: in_korean(value) if isinstance(value, dict) else value
        for name, value in record["values"].items()
    }
    return korean()[record["message"]].format(**values)


def heard(record: dict[str, Any]) -> str:
    """Return the Korean of a message that has to be in Korean from end to end."""
    said = in_korean(record)
    assert HANGUL.search(said), said
    assert not ENGLISH.search(said), said
    return said


def psd_head(depth: int, mode: int) -> bytes:
    return b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 24, 32, depth, mode) + bytes(60)


def pillow(mode: str, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (32, 24)).save(file, kind, **options)
    return file.getvalue()


def animation() -> bytes:
    other = Image.new("L", (32, 24), 200)
    return pillow("L", "GIF", save_all=True, append_images=[other])


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "cut short": ("jpg", lambda: made.encoded(np.tile(RGB, (4, 3, 1)), "JPEG")[:-300]),
    "empty": ("png", lambda: b""),
    "no picture": ("png", lambda: b"nothing at all"),
    "cmyk": ("jpg", lambda: pillow("CMYK", "JPEG")),
    "cmyk, broken profile": ("jpg", lambda: pillow("CMYK", "JPEG", icc_profile=b"x" * 200)),
    "floats": ("tiff", lambda: pillow("F", "TIFF")),
    "whole numbers of 32 bits": ("tiff", lambda: pillow("I", "TIFF")),
    "lab": ("tiff", lambda: pillow("LAB", "TIFF")),
    "cut tiff": ("tiff", lambda: pillow("RGB", "TIFF")[:20]),
    "animation": ("gif", animation),
    "pdf": ("png", lambda: b"%PDF-1.7" + bytes(60)),
    "video": ("png", lambda: b"\0\0\0\x18ftypqt  " + bytes(60)),
    "jpeg xl": ("png", lambda: b"\xff\x0a" + bytes(60)),
    "psd of 32 bits": ("psd", lambda: psd_head(32, 3)),
    "psd of cmyk": ("psd", lambda: psd_head(8, 4)),
    "map in digits": ("ppm", lambda: b"P2\n2 2\n65535\n1 2 3 4\n"),
    "map cut short": ("ppm", lambda: b"P5\n20 20\n65535\n" + bytes(100)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_taken_is_told_in_korean_too(name: str, tmp_path: Path) -> None:
    ending, data = FILES[name]
    for side in ("whole", "a", "untouched"):
        place = tmp_path / side
        place.mkdir()
        (place / f"{side}.{ending}").write_bytes(data())
        if side == "a":
            (place / "b.png").write_bytes(made.png(RGB))
        problem = json.loads(report(place))["problem"]
        said = heard(problem)
        assert said.startswith("A: ") == (side == "a"), said
        assert ("끊겨서" in said) == (name in ("cut short", "map cut short"))
        assert ("중간에 끊겨서" in said) == (name in ("cut short", "map cut short"))
        assert str(tmp_path) not in json.dumps(problem)


@pytest.mark.parametrize("name", ["empty", "cut tiff", "pdf", "animation"])
def test_what_an_upload_is_refused_for_is_told_in_korean_too(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"x.{FILES[name][0]}"
    file.write_bytes(FILES[name][1]())
    with pytest.raises(Refused) as refused:
        _look(file, Limits(), False, 1)
    heard(refused.value.message.record())


def test_too_many_pixels_are_told_in_korean_too(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(made.png(RGB))
    said = "is 32 x 24, 0 million pixels, more than the 0.0005 million allowed"
    with pytest.raises(images.TooManyPixelsError, match=said) as refused:
        images.read(tmp_path / "x.png", 500)
    heard(refused.value.message.record())


def test_a_decoders_own_words_stand_behind_ours(tmp_path: Path) -> None:
    data = bytearray(made.png(RGB))
    data[60] ^= 255
    (tmp_path / "whole.png").write_bytes(bytes(data))
    problem = json.loads(report(tmp_path))["problem"]
    assert in_korean(problem).startswith("파일이 손상됐어요: ")


@pytest.mark.parametrize("extra", ["photo", "layers"])
def test_a_missing_extra_is_told_in_korean_too(
    extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.import_module

    def missing(name: str) -> Any:
        if name in ("pyvips", "psd_tools"):
            raise ImportError(name)
        return found(name)

    monkeypatch.setattr("unretouch.pixels.extras.importlib.import_module", missing)
    if extra == "photo":
        (tmp_path / "whole.png").write_bytes(made.png(RGB.astype(np.uint16) * 257))
    else:
        (tmp_path / "whole.psd").write_bytes(psd_head(8, 3))
    said = heard(json.loads(report(tmp_path))["problem"])
    assert said.endswith(f"unretouch 폴더에서 실행하세요: pip install '.[{extra}]'")


def test_what_is_converted_in_a_pair_is_told_in_korean_too(
    tmp_path: Path, portrait: np.ndarray[Any, Any]
) -> None:
    b = portrait[20:148, 150:278]
    a = ((b.astype(int) + np.roll(b, 1, 0) + np.roll(b, 1, 1)) // 3).astype(np.uint8)
    alpha = np.full((128, 128, 1), 255, np.uint8)
    alpha[:9] = 0
    for side, rgb in (("a", np.dstack([a, alpha])), ("b", b)):
        (tmp_path / f"{side}.png").write_bytes(made.png(rgb))
    found = json.loads(report(tmp_path))
    said = [heard(doubt) for doubt in found["doubts"]]
    assert "A: 투명한 부분(픽셀의 7.0%)을 흰색 위에 얹었어요" in said


def test_sides_that_cannot_be_aligned_are_told_in_korean_too(
    tmp_path: Path, portrait: np.ndarray[Any, Any]
) -> None:
    images.write_png(tmp_path / "a.png", portrait[20:148, 150:278])
    images.write_png(tmp_path / "b.png", portrait[300:428, :128])
    heard(json.loads(report(tmp_path, align=True))["problem"])
    images.write_png(tmp_path / "b.png", portrait[20:148, 150:278][:, ::-1].copy())
    said = heard(json.loads(report(tmp_path, align=True))["problem"])
    assert "B가 A와 달리 좌우로 뒤집혀 있어요" in said


def palette() -> bytes:
    file = io.BytesIO()
    Image.fromarray(RGB).quantize(16).save(file, "PNG")
    return file.getvalue()


NOTED: dict[str, Callable[[], bytes]] = {
    "palette": palette,
    "one bit": lambda: pillow("1", "PNG"),
    "bitmap": lambda: pillow("RGB", "BMP"),
    "no end": lambda: made.encoded(RGB, "JPEG")[:-2],
    "exif": lambda: made.encoded(RGB, "JPEG", exif=b"Exif\0\0broken and no directory"),
    "tables": lambda: made.png(
        RGB, made.chunk(b"gAMA", struct.pack(">I", 0)), made.chunk(b"cHRM", bytes(32))
    ),
    "unknown colours": lambda: made.png(RGB, made.chunk(b"cICP", bytes([1, 77, 0, 1]))),
    "hdr": lambda: made.png(RGB, made.chunk(b"cICP", bytes([9, 16, 0, 1]))),
    "comment": lambda: made.png(
        RGB,
        made.chunk(b"tEXt", b"Comment\0words"),
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_what_does_not_come_back_of_a_photograph_is_told_in_korean_too(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(NOTED[name]())
    photo = as_format(read_photo(tmp_path / "photo"), "tiff")
    notes = read_photo(tmp_path / "photo").notes + photo.notes
    assert notes
    for note in notes:
        heard(json.loads(json.dumps(note.record())))


def test_what_a_model_makes_of_a_photograph_is_told_in_korean_too(tmp_path: Path) -> None:
    from test_apply import Simple, brighter
    from test_photos import ADOBE_RGB

    model = Simple(brighter, Sizing("resize_and_crop", 64, 64))
    model.info = dataclasses.replace(model.info, bits=8)
    photo = Photo(np.full((100, 120, 3), 30_000, np.uint16), "png", ".png", profile=ADOBE_RGB)
    (tmp_path / "mask.png").write_bytes(made.png(np.full((100, 120, 3), 90, np.uint8)))
    notes = Restorer(model).restore(photo, from_file(tmp_path / "mask.png", photo)).notes
    said = [heard(note.record()) for note in notes]
    assert len(said) == 4
    assert said[0] == "마스크 mask.png: 흰색이 없어서 변화의 35%까지만 적용해요"
    assert "이 사진은 채널당 16비트, 쌍은 8비트예요" in said[1]
    assert "64 x 64 크기로 봐요" in said[3]


def test_a_retouch_made_where_there_is_little_skin_is_told_in_korean_too(tmp_path: Path) -> None:
    images.write_png(tmp_path / "x.png", np.full((64, 64, 3), 128, np.uint8))
    (note,) = simulated(tmp_path / "x.png", "x")[2]
    assert str(note) == "only 0.0% of it is skin, so every smooth surface was retouched"
    assert heard(note.record()) == "피부가 0.0%뿐이라 매끈한 면을 모두 보정했어요"


# --- errors of the program that restores


def failing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Any
) -> str:
    """Return what the program prints as errors where it fails with `error`, or with what reading
    the photograph of `folder` raises."""

    def fail(*_: object, **__: object) -> None:
        if error is not None:
            raise error
        read_photo(next(folder.glob("photo.*")))

    monkeypatch.setattr(photo_work, "_restore", fail)
    words = ["restore", str(folder), str(folder), "{}"]
    code = run(photo_work.main, words, child.tell_error)
    assert code == (3 if error is None else error.exit_code)
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_why_a_photograph_failed_is_told_in_korean_by_the_name_people_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.jpg").write_bytes(FILES["cut short"][1]())
    printed = failing(tmp_path, monkeypatch, capsys, None)
    why = worker._why(f"a library: warns\n{printed}a library: ends\n", 3, {tmp_path: "IMG_1.jpg"})
    refused = did_not_work(why)
    assert str(refused).startswith("It did not work: IMG_1.jpg: is cut short: its last rows are")
    assert heard(refused.record()).startswith("하지 못했어요: IMG_1.jpg: 파일이 중간에 끊겨서 ")
    assert str(tmp_path) not in json.dumps(refused.record())


def test_a_private_path_within_an_error_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = _("is damaged: {reason}", reason=f"no picture in {tmp_path}/x.jpg")
    printed = failing(tmp_path, monkeypatch, capsys, DataError(inner, tmp_path / "photo.jpg"))
    assert str(worker._why(printed, 3, {tmp_path: ""})) == "is damaged: no picture in "


def test_a_full_disk_is_told_in_korean_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = durable.disk_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), tmp_path / "x", 9)
    assert f"{tmp_path / 'x'}: cannot be written: no space left on device (" in str(error)
    why = worker._why(failing(tmp_path, monkeypatch, capsys, error), 6, {tmp_path: "IMG_1.jpg"})
    assert isinstance(why, Message)
    assert "저장할 수 없어요: 디스크가 가득 찼어요 (필요한 공간 " in heard(why.record())


def test_a_report_that_fails_names_no_flag_in_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["verify", "nobody"]
    assert run(telling.main, words, child.tell_error) != 0
    assert "nobody" in str(worker._why(capsys.readouterr().err, 3, {}))

    def refuse(*_words: object) -> None:
        raise UsageError("holds pictures that it was trained on: a.png", "--heldout pairs/heldout")

    monkeypatch.setattr(telling.verifying, "verify", refuse)
    assert run(telling.main, words, child.tell_error) == 2
    told = str(worker._why(capsys.readouterr().err, 2, {}))
    assert told == "pairs/heldout: holds pictures that it was trained on: a.png"


def test_what_another_program_says_is_shown_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = {tmp_path: ""}
    assert worker._why(f"unretouch: {tmp_path}/a.png: is odd\n", 3, called) == "is odd"
    assert worker._why('{"message": 1}\n12\n', 3, called) == '{"message": 1} 12'
    assert str(worker._why("", 9, called)) == "it ended with the code 9"
    several = ManyDataErrors([DataError("is odd", "a.png"), DataError(_("is not a picture"), "b")])
    printed = failing(tmp_path, monkeypatch, capsys, several)
    assert str(worker._why(printed, 3, called)) == "a.png: is odd\nb: is not a picture"


def test_notes_of_a_card_are_messages_and_those_of_earlier_versions_stay_readable(
    tmp_path: Path,
) -> None:
    told = _("its palette becomes full colour").record()
    card = {"name": "x", "epoch": "latest", "chosen": {}, "notes": ["said before", told]}
    (tmp_path / f"{0:016x}").mkdir()
    (tmp_path / f"{0:016x}" / CARD).write_text(json.dumps(card))
    (found,) = restoring._cards_in(tmp_path).values()
    assert [note["message"] for note in found.notes] == ["{text}", told["message"]]
    assert found.notes[0]["values"] == {"text": "said before"}


# --- messages


def test_a_message_is_known_by_what_it_says() -> None:
    one, other = (_("{side}: {said}", side="A", said=_("is not a picture")) for _each in range(2))
    assert {one: 1}[other] == 1
    assert len({one, other, _("is not a picture")}) == 2


def test_an_error_is_one_line_at_a_terminal_and_a_message_without_its_place_in_the_app() -> None:
    error = DataError(_("is CMYK of 16 bits"), "/tmp/a.tif", _("Save it as RGB"))
    assert str(error) == "/tmp/a.tif: is CMYK of 16 bits. Save it as RGB"
    assert str(error.message) == "is CMYK of 16 bits. Save it as RGB"
    assert error.message.in_korean() == "16비트 CMYK예요. RGB로 저장하세요"
    assert DataError("is odd", "a").message == untranslated("is odd")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.message) == (str(error), error.message)
