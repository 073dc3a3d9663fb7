"""What a person sees on the page of a verification, in a real browser, opened from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from unretouch.pixels.pairs import Pair
from unretouch.report.verdicts import CrossRuns, Verification
from unretouch.tasks.verify.measuring import judge
from unretouch.tasks.verify.probe import memorisation_probe
from unretouch.tasks.verify.report import write_verify_page

NAMES = ("portrait_01", "얼굴 두번째 #2 50%", "<img src=x onerror=alert(1)>")
SIZE = 160


def pair(name: str, number: int) -> Pair:
    from skimage.data import astronaut

    target = astronaut()[40 * number :, 140:][:SIZE, :SIZE]
    return Pair(name, ndimage.gaussian_filter(target, (1.5, 1.5, 0)), target, ())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training pairs that are half restored, one held-out pair of the same name as one."""
    folder = tmp_path_factory.mktemp("run") / "초상 #1" / "verify"
    folder.mkdir(parents=True)

    def half(source: np.ndarray) -> Any:
        return source.astype(np.float32) * 0.99 + 1

    pairs = [pair(name, number) for number, name in enumerate(NAMES)]
    shown = []
    for one in pairs:
        middle = (one.source.astype(np.float32) + one.target) / 2
        shown.append(judge(folder, 500.0, "training", one, middle))
    stranger = pair(NAMES[0], 4)
    shown.append(judge(folder, 500.0, "heldout", stranger, half(stranger.source)))
    *training, heldout = (one.figures for one in shown)
    points = memorisation_probe(half, [(one.name, one.source, one.target) for one in pairs])
    cross = CrossRuns(runs=3, minutes_each=2.0, own_share=0.4)
    verification = Verification(training, [heldout], points, cross=cross)
    return write_verify_page(folder, "초상_reverse", {"epoch": "latest"}, verification, shown)


def ready(browser: Any) -> None:
    browser.run("document.querySelector('.pair').scrollIntoView()")  # painted only near the view
    browser.until(
        """const all = [...document.querySelectorAll('.pair img, .crop img')];
        return all.length === 14 && all.every(i => i.complete && i.naturalWidth)"""
    )


def test_the_verdicts_come_first_with_a_word_and_a_sentence(browser: Any, page: Path) -> None:
    browser.open(page)
    ready(browser)
    words = browser.run(
        "return [...document.querySelectorAll('.verdict .word')].map(e => e.innerText)"
    )
    assert words[0] == "not yet"
    assert words[1] == "smooth"
    assert words[2] == "harmful"
    assert "The weakest pair is" in browser.text(".verdict .said")
    assert "3 runs" in browser.text("#cross")
    assert browser.run("return document.querySelectorAll('[onerror]').length") == 0
    assert all(url.startswith(("file:", "data:")) for url in browser.urls())


def test_choosing_a_pair_shows_its_pictures_places_and_figures(browser: Any, page: Path) -> None:
    browser.open(page)
    ready(browser)
    for index, name in enumerate((*NAMES, f"{NAMES[0]} · heldout")):
        browser.run("document.querySelectorAll('.pick')[arguments[0]].click()", index)
        browser.until(
            "return document.querySelector('.pair h3').textContent === arguments[0]", name
        )
        assert browser.run("return document.querySelectorAll('.pair').length") == 1
        ready(browser)
        pressed = "return [...document.querySelectorAll('.pick')].map(e => e.ariaPressed)"
        assert browser.run(pressed).index("true") == index
    assert "grey levels" in browser.text("#place-worst h3")
    assert "The part of the retoucher's work that is undone" in browser.text("#likeness table")
    assert "every pore in its place" in browser.text("#texture table")


def test_crops_are_one_to_one_and_of_the_same_place(browser: Any, page: Path) -> None:
    browser.open(page)
    ready(browser)
    crops = browser.run(
        """return [...document.querySelectorAll('#place-worst .crop')].map(c => {
        const i = c.querySelector('img'), v = c.querySelector('div');
        return [i.clientWidth, i.clientHeight, i.style.left, i.style.top, v.clientWidth]; })"""
    )
    assert len(crops) == 4
    assert {tuple(crop) for crop in crops} == {tuple(crops[0])}
    assert crops[0][:2] == [SIZE, SIZE]
    assert crops[0][4] == 128


def test_crops_have_a_loupe_that_shows_the_same_place_in_each(browser: Any, page: Path) -> None:
    browser.open(page)
    ready(browser)
    widths = (
        "return [...document.querySelectorAll('#place-worst .crop img')].map(i => i.clientWidth)"
    )
    before = browser.run(widths)
    browser.run("document.querySelector('#place-worst .choice button:nth-child(3)').click()")
    assert browser.run(widths) == [3 * width for width in before]
    browser.run(
        """const crops = document.querySelector('#place-worst .crops');
        crops.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));"""
    )
    places = browser.run(
        "return [...document.querySelectorAll('#place-worst .crop img')].map(i => i.style.left)"
    )
    assert len(set(places)) == 1


def test_spectrum_and_probe_are_drawn_and_named(browser: Any, page: Path) -> None:
    browser.open(page)
    ready(browser)
    for chart in ("spectrum", "beside", "shift", "noise", "brightness", "crop"):
        label = "return document.querySelector(arguments[0]).getAttribute('aria-label')"
        assert browser.run(label, f"#chart-{chart} canvas")
        pixels = """const c = document.querySelector(arguments[0]);
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return new Set(d.filter((_, i) => i % 4 === 3)).size"""
        assert browser.run(pixels, f"#chart-{chart} canvas") > 3


@pytest.mark.parametrize("dark", [False, True])
def test_korean_on_a_phone(browser: Any, page: Path, dark: bool) -> None:
    browser.open(page, language="ko-KR", width=360, dark=dark)
    ready(browser)
    assert browser.text(".verdict h2") == "외웠나요?"
    assert "가장 덜 된 쌍은" in browser.text(".verdict .said")
    assert "보정을 되돌린 비율" in browser.text("#likeness table")
    assert browser.run("return document.documentElement.scrollWidth") == 360
    # The verdicts of all pairs are seen without scrolling aside.
    scrolled = "const box = document.getElementById('all').parentElement; return box.scrollWidth"
    assert browser.run(scrolled) <= 360
    assert "매끈함" in browser.text("#all")
    assert browser.text(".facts") == "학습한 쌍\n3\n처음 보는 쌍\n1"


def test_without_javascript_verdicts_and_pictures_remain(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.driver.refresh()
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    words = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)
    for word in ("Did it memorise?", "not yet", "weakest pair", "real_A", "fake_B", "real_B"):
        assert word in words
    browser.command("Emulation.setScriptExecutionDisabled", value=False)
