"""What a person sees on the page of a test, in a real browser, opened from the disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from unretouch.report.pages import ShownPair
from unretouch.tasks.test import write_results_page


@pytest.fixture
def results(run: Any) -> Path:
    rows = [
        ShownPair(
            name=pair.name,
            files={
                "real_A": f"../web/{pair.real_A}",
                "fake_B": f"../web/{pair.fake_B}",
                "real_B": f"../web/{pair.real_B}",
                "error": f"../web/{pair.error_map}",
            },
            figures=dataclasses.replace(pair, exact_pixels=0.125),
        )
        for pair in run.previews[-1].pairs
    ]
    folder = run.web.parent / "results"
    return write_results_page(folder, "초상 · train_latest", rows, {"epoch": "latest"})


@pytest.fixture
def single(run: Any) -> Path:
    rows = [
        ShownPair(
            name=pair.name,
            files={"real": f"../web/{pair.real_A}", "fake": f"../web/{pair.fake_B}"},
        )
        for pair in run.previews[-1].pairs
    ]
    return write_results_page(run.web.parent / "single", "run · test_latest", rows, {})


def painted(browser: Any, pictures: int) -> None:
    for number in range(3):
        browser.run("document.querySelectorAll('.pair')[arguments[0]].scrollIntoView()", number)
        browser.until(
            "return document.querySelectorAll('.pair')[arguments[0]].card.visible", number
        )
    browser.until(
        """const all = [...document.querySelectorAll('.pair img')];
        return all.length === arguments[0] && all.every(i => i.complete && i.naturalWidth)""",
        pictures,
    )


def test_pairs_have_slider_figures_and_a_summary(browser: Any, results: Path) -> None:
    browser.open(results)
    painted(browser, 18)
    table = browser.text(".summary-table")
    assert "60.0%" in table
    assert "12.5%" in table
    assert "<img src=x onerror=alert(1)>" in table
    assert "Doing nothing" in table
    figures = browser.text(".pair .figures")
    assert "grey levels" in figures
    assert "60.0%" in figures
    assert browser.text(".pair .tiles").split()[:2] == ["real_A", "input"]
    assert browser.run("return document.querySelectorAll('[onerror]').length") == 0


def test_single_pictures_are_called_real_and_fake(browser: Any, single: Path) -> None:
    browser.open(single)
    painted(browser, 12)
    assert browser.text(".pair .tag.left") == "real"
    assert browser.text(".pair .tag.right") == "fake"
    assert not browser.find(".pair .sides").is_displayed()
    assert "nothing to measure" in browser.text("main")
    browser.find(".pair [data-zoom='400']").click()
    widths = browser.run(
        "return [...document.querySelectorAll('.pair:first-child img')].map(i => i.style.width)"
    )
    assert widths == ["640px"] * 4


@pytest.mark.parametrize("page", ["results", "single"])
def test_korean_on_a_phone(browser: Any, page: str, request: pytest.FixtureRequest) -> None:
    browser.open(request.getfixturevalue(page), language="ko-KR", width=360, dark=True)
    painted(browser, 18 if page == "results" else 12)
    assert browser.text("#summary-heading") == "요약"
    assert browser.run("return document.documentElement.scrollWidth") == 360


def test_without_javascript_table_and_pictures_remain(browser: Any, results: Path) -> None:
    browser.open(results)
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.driver.refresh()
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    words = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)
    for word in ("Summary", "real_A", "fake_B", "real_B", "60.0%"):
        assert word in words
    browser.command("Emulation.setScriptExecutionDisabled", value=False)
