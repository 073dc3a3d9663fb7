"""A person drops files as they have them; what cannot be taken is said at once."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_files import write_psd
from PIL import Image
from serving import App, tiny_run, until
from short_runs import write_pairs
from skimage.data import astronaut

READY = "return document.querySelectorAll('.entry[data-state=ready]').length === arguments[0]"
BAD = "return document.querySelectorAll('.entry[data-state=bad]').length === arguments[0]"
WAITING = "return document.querySelectorAll('.entry[data-state=waiting]').length === arguments[0]"


def face(left: int, size: int = 128) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(astronaut()[20 : 20 + size, left : left + size])


def retouched(before: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return ((before.astype(int) + np.roll(before, 1, 0) + np.roll(before, 1, 1)) // 3).astype("u1")


@pytest.fixture
def drop(browser: Any, tmp_path: Path) -> Any:
    """Give pictures, or bytes, to a zone under names of files."""

    def given(zone: str, **files: Any) -> None:
        paths = []
        for name, content in files.items():
            paths.append(tmp_path / zone / name.replace("__", "."))
            paths[-1].parent.mkdir(exist_ok=True)
            if isinstance(content, bytes):
                paths[-1].write_bytes(content)
            else:
                Image.fromarray(content).save(paths[-1])
        browser.find(f"#files-{zone}").send_keys("\n".join(map(str, paths)))

    return given


@pytest.fixture
def new_run(browser: Any, app: App) -> Any:
    browser.driver.get(f"{app.address}new/")
    browser.until("return document.getElementById('name')?.value")
    return browser


def entry(browser: Any, name: str) -> Any:
    """The entry of a file."""
    found = [e for e in browser.driver.find_elements("css selector", ".entry") if name in e.text]
    assert len(found) == 1, name
    return found[0]


def press(part: Any, word: str) -> None:
    (button,) = [b for b in part.find_elements("css selector", "button") if b.text == word]
    button.click()


def test_files_find_their_partners_and_a_reload_loses_none(
    new_run: Any, app: App, drop: Any
) -> None:
    """-Edit is no obstacle, TIFF is taken, the missing side is said, and names stay."""
    browser, before = new_run, face(150)
    browser.find("input[value=two]").click()
    drop("a", **{"IMG_1-Edit__tif": retouched(before), "lonely__png": face(0)})
    browser.until(WAITING, 2)
    assert "B, before retouching, is missing" in entry(browser, "lonely").text
    drop("b", stranger__png=before)
    browser.until("return document.getElementById('gathered').innerText.includes('same name')")
    browser.find("[aria-label='Remove stranger.png']").click()
    drop("b", IMG_1__png=before)
    browser.until(READY, 1)
    browser.find("#name").clear()
    browser.find("#name").send_keys("kept")
    browser.driver.refresh()
    browser.until(READY, 1)
    browser.until(WAITING, 1)
    assert "IMG_1-Edit.tif + IMG_1.png" in browser.text("#gathered")
    assert browser.run("return document.getElementById('name').value") == "kept"

    # Looked at closely, in a dialog that Escape closes.
    entry(browser, "IMG_1").find_element("css selector", ".thumbs").click()
    browser.until("return document.querySelector('dialog.look[open] img')?.naturalWidth === 128")
    press(browser.find("dialog.look"), "Close")
    browser.until("return !document.querySelector('dialog')")

    browser.run("document.getElementById('minutes').value = '0.02'")
    browser.find("#start").click()
    browser.until("return location.pathname.includes('/runs/')")
    there = [path.name for path in (app.place / "datasets" / "kept" / "train").iterdir()]
    assert there == ["IMG_1-Edit.png"]
    run = app.ask("GET", "api/runs").json[0]["id"]
    ended = ("finished", "stopped", "failed")
    until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] in ended)


def test_what_cannot_be_taken_is_said_on_drop_with_what_to_do(new_run: Any, drop: Any) -> None:
    deep = np.zeros((64, 64), np.float32)
    drop("whole", deep__tif=deep, raw__nef=b"II*\0" + bytes(100),
         layers__psd=b"8BPS" + bytes(19) + b"\x20" + bytes(100), words__txt=b"words",
         web__webp=b"RIFF    WEBPVP8X" + bytes(8) + b"\xff\xff\x00" * 2,
         phone__heic=struct.pack(">I4s4s8x", 20, b"ftyp", b"heic")
         + struct.pack(">I4s3I", 20, b"ispe", 0, 512, 512)
         + struct.pack(">I4s3I", 20, b"ispe", 0, 16384, 8192))  # fmt: skip
    new_run.until(BAD, 6)
    for name, what_to_do in (
        ("deep", "Save it with 16 or 8"),
        ("raw", "Save it as TIFF"), ("layers", "Save it with 16 or 8"), ("words", "Save it as PNG"),
        ("web", "more than 128 megapixels. Export it smaller."),
        ("phone", "more than 128 megapixels. Export it smaller."),
    ):  # fmt: skip
        assert what_to_do in entry(new_run, name).text
    assert "64 megapixels each; at most 40 pairs" in new_run.text("#drop-limits")
    assert not [url for url in new_run.urls() if "/whole" in url]  # nothing of them was sent


def test_photoshop_files_are_pairs_by_their_flattened_pictures(
    new_run: Any, drop: Any, tmp_path: Path
) -> None:
    before = face(150)
    for name, side in (("a", retouched(before)), ("b", before)):
        write_psd(tmp_path / f"{name}.psd", side)
    new_run.find("input[value=two]").click()
    drop("a", layered__psd=(tmp_path / "a.psd").read_bytes())
    drop("b", layered__psd=(tmp_path / "b.psd").read_bytes())
    new_run.until(READY, 1)
    assert "128 × 128" in entry(new_run, "layered").text


def test_sides_are_swapped_aligned_and_two_photographs_are_no_pair(new_run: Any, drop: Any) -> None:
    browser, before = new_run, face(100, 200)
    both = [before, retouched(before)]
    other = np.asarray(astronaut()[300:500, 0:200])
    drop("whole", swapped__png=np.concatenate(both, 1), same__png=np.concatenate([before] * 2, 1),
         other__png=np.concatenate([before, other], 1),
         **{"single-Edit__png": retouched(face(0)), "single__png": face(0)})  # fmt: skip
    browser.until("return document.body.innerText.includes('single-Edit.png + single.png')")
    browser.until(READY, 2)  # the single ones have found each other
    browser.until(BAD, 2)
    assert "single-Edit.png + single.png" in entry(browser, "single").text
    assert "nothing to learn" in entry(browser, "same.png").text
    assert "Its left and right half are not the same picture" in entry(browser, "other").text
    assert "sides swapped?" in entry(browser, "swapped").text
    press(entry(browser, "swapped"), "Swap sides")
    browser.until("return document.querySelector('#gathered').innerText.includes('ready')")
    assert "sides swapped?" not in entry(browser, "swapped").text

    press(entry(browser, "single"), "Swap sides")
    browser.until("return document.body.innerText.includes('single.png + single-Edit.png')")
    browser.find("input[value=two]").click()
    browser.until(WAITING, 1)  # what was no pair by itself may be a side of one
    assert "B, before retouching, is missing" in entry(browser, "other").text
    drop("a", cropped__png=retouched(before)[:, 6:])
    drop("b", cropped__png=before)
    browser.until(BAD, 2)
    press(entry(browser, "cropped"), "Align")
    browser.until(READY, 3)
    assert "A was moved onto B" in entry(browser, "cropped").text


def test_a_reload_keeps_the_test_photo_swapped_sides_and_what_was_aligned(
    new_run: Any, app: App, drop: Any
) -> None:
    browser, before = new_run, face(100, 200)
    browser.find("input[value=two]").click()
    drop("a", mine__png=before)  # on the wrong side, and cropped on the other
    drop("b", mine__png=retouched(before)[:, 6:])
    browser.until(BAD, 1)
    press(entry(browser, "mine"), "Align")
    browser.until(READY, 1)
    press(entry(browser, "mine"), "Swap sides")
    browser.until("return document.querySelector('#gathered [data-state=ready] .doubts')")
    browser.until("return !document.getElementById('gathered').innerText.includes('sides swapped')")
    browser.find("#watched summary").click()
    drop("watched", photo__png=face(300))
    browser.until("return document.querySelector('#gathered-watched [data-state=ready]')")
    told = entry(browser, "mine").text
    assert "Do not align" in told

    browser.driver.refresh()
    browser.until(READY, 2)
    assert entry(browser, "mine").text == told
    assert "128 × 128" in browser.find("#gathered-watched").text  # nobody has to look for it
    assert browser.text("#tally") == "1 pair to train on"
    pictures = "return [...document.querySelectorAll('.entry img')].map(i => i.naturalWidth)"
    browser.until(f"return (() => {{ {pictures} }})().filter(Boolean).length === 3")


def test_a_number_out_of_its_range_is_told_by_its_field_and_the_range(
    new_run: Any, app: App, drop: Any
) -> None:
    browser, run = new_run, tiny_run(app.place / "checkpoints")
    drop("whole", mine__png=np.concatenate([retouched(face(100)), face(100)], 1))
    browser.until(READY, 1)
    told = "return document.getElementById(arguments[0]).innerText"
    for wrong in ("0", "2000", ""):
        field = browser.find("#minutes")
        field.clear()
        field.send_keys(wrong)
        browser.find("#name").click()
        browser.find("#start").click()
        browser.until("return !document.getElementById('message').hidden")
        assert browser.run(told, "message") == "Minutes: a number from 0.01 to 1,440."
        assert browser.run("return document.activeElement.id") == "minutes"
        browser.run("document.getElementById('message').hidden = true")
    assert not (app.place / "datasets").exists()

    for place, field, button, message in (
        (f"runs/{run}/", "more", "#go-on", "message"),
        (f"outcome/{run}/", "turns-minutes", "[data-task=turns]", "verify-message"),
    ):
        browser.driver.get(app.address + place)
        browser.until("return document.querySelector(arguments[0])?.checkVisibility()", button)
        browser.run("document.getElementById(arguments[0]).value = '0'", field)
        browser.find(button).click()
        browser.until(told, message)
        assert browser.run(told, message) == "Minutes: a number from 0.01 to 1,440."
    browser.errors()  # the refusals


def test_a_name_that_grows_long_counts_its_bytes(new_run: Any) -> None:
    """A letter of Korean takes three of the hundred."""
    name = new_run.find("#name")
    for text, told in (
        ("portrait", ""), ("a" * 61, "61 of 100 bytes"), ("가" * 33, "99 of 100 bytes"),
        ("가" * 33 + "나", "too long: 102 of 100 bytes"),
        (" " + "가" * 21, "will be called " + "가" * 21 + " · 63 of 100 bytes"),
    ):  # fmt: skip
        name.clear()
        name.send_keys(text)
        assert new_run.text("#name-told") == told
        wrong = "too long" in told
        assert name.get_attribute("aria-invalid") == str(wrong).lower()


def test_a_new_run_takes_the_pairs_of_an_old_one(browser: Any, app: App) -> None:
    Image.fromarray(face(0)).save(app.place / "mine.png")
    asked = {"test_photo": str(app.place / "mine.png"), "aim": "restore"}
    run = tiny_run(app.place / "checkpoints", "earlier", **asked)
    pairs = write_pairs(app.place / "pairs") / "train"
    (app.place / "pairs" / "heldout").mkdir()
    (pairs / "face_1.png").rename(app.place / "pairs" / "heldout" / "face_1.png")
    browser.driver.get(app.address)
    browser.until("return document.querySelector('.menu summary')")
    browser.find(".menu summary").click()
    press(browser.find(".menu"), "New run with these pairs")
    browser.until(READY, 3)
    assert "mine.png" in browser.text("#gathered-watched")
    chosen = "return [document.getElementById('minutes').value, document.forms.form.aim.value]"
    assert browser.run(chosen) == ["1", "restore"]
    browser.driver.refresh()
    browser.until(READY, 3)  # they are not taken twice
    kept = "return [...document.querySelectorAll('#gathered .keep input')].map(box => box.checked)"
    assert browser.run(kept) == [False, True]  # and what was kept for checking, still is
    (app.place / "pairs").rename(app.place / "gone")
    browser.find(f"#earlier-run option[value='{run}']").click()
    browser.until("return !document.getElementById('message').hidden")
    assert "not where they were" in browser.text("#message")
    browser.errors()  # the refusal
