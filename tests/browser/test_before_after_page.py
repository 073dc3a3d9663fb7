"""What a person sees on the page of a folder, in a real browser, opened from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unretouch.settings.commands import ApplySettings
from unretouch.tasks.apply.before_after import Treated, write

NAMES = ("IMG (1).png", "하루 2/#3 <b>.png", "wide.png")
FAR = {"said": {"message": "This photo is far from the training pairs: {reasons}.",
                "values": {"reasons": {"message": "it is softer", "values": {}}}}}  # fmt: skip


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three photographs: one that lies far from the pairs, one that is larger."""
    root = tmp_path_factory.mktemp("folder")
    treated = []
    for number, name in enumerate(NAMES):
        height, width = (600, 1200) if number == 2 else (120, 90)
        for side, level in (("in", 90), ("out", 120)):
            (root / side / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(root / side / name)
        far = FAR if number == 1 else None
        treated.append(Treated(root / "in" / name, root / "out" / name, far))
    request = ApplySettings(photos=("x",), run="첫 run", out=root / "out", page=True)
    return write(request, treated)[0]


def painted(browser: Any) -> None:
    browser.until("return document.querySelectorAll('.photo').length === 3")
    browser.until(
        """return [...document.querySelectorAll('.photo:not([hidden]) .view img')]
        .every(image => image.complete && image.naturalWidth)"""
    )


def test_every_photograph_has_a_slider_and_one_line_moves_all(browser: Any, sheet: Path) -> None:
    browser.open(sheet)
    painted(browser)
    assert browser.run("return document.querySelectorAll('.photo b').length") == 0
    assert "far from the training pairs: it is softer" in browser.text(".photo:nth-child(2)")
    browser.run(
        "const all = document.getElementById('all'); all.value = 80;"
        "all.dispatchEvent(new Event('input'))"
    )
    values = (
        "return [...document.querySelectorAll('.sheet img-comparison-slider')].map(s => s.value)"
    )
    assert browser.run(values) == [80, 80, 80]
    browser.find("[data-look='place']").click()
    painted(browser)
    shown = browser.run(
        "return [...document.querySelectorAll('.photo .view:first-child img')]"
        ".map(i => i.src.includes('_place'))"
    )
    assert shown == [False, False, True], "small ones have only the whole"
    browser.find("#only-far input").click()
    assert browser.run("return document.querySelectorAll('.photo:not([hidden])').length") == 1
    tall = browser.run("return document.querySelector('.photo:not([hidden]) .frame').clientHeight")
    assert tall > 0.7 * browser.run("return innerHeight"), "a single one is as large as can be"
    assert all(url.startswith(("file:", "data:")) for url in browser.urls())


def test_one_photograph_closer_and_on_to_the_next(browser: Any, sheet: Path) -> None:
    browser.open(sheet)
    painted(browser)
    browser.find(".photo:nth-child(2) .look-closer").click()
    assert browser.text("#closer h2") == NAMES[1]
    assert "softer" in browser.text("#closer-far")
    browser.find("#next").click()
    browser.until("return document.querySelectorAll('#closer .view img').length === 4")
    assert browser.text("#closer h2") == NAMES[2]
    assert not browser.find("#next").is_enabled()
    browser.find("#close").click()
    assert browser.run("return document.getElementById('closer').open") is False


@pytest.mark.parametrize("width", [390, 1280])
def test_korean_in_the_dark_on_any_width(browser: Any, sheet: Path, width: int) -> None:
    browser.open(sheet, language="ko-KR", width=width, dark=True)
    painted(browser)
    assert browser.run("return document.documentElement.scrollWidth") == width
    assert "학습한 쌍과 많이 달라요" in browser.text(".photo:nth-child(2)")
    browser.find(".photo:nth-child(3) .look-closer").click()
    browser.until("return document.querySelector('#closer .tiles img')?.naturalWidth > 0")
    assert browser.run("const c = document.getElementById('closer');"
                       "return c.scrollWidth <= c.clientWidth")  # fmt: skip
