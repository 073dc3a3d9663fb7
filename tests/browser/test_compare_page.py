"""A person compares two real runs, on the page that `unretouch compare` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from short_runs import WIDTH, train, write_pairs

from unretouch.cli import dispatch

OTHER = "초상_l1_500"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("비교 #1 50%")
    write_pairs(root / "pairs")
    write_pairs(root / "others", shift=9)
    train(root, "exp_l1_300", lambda_L1=300.0, n_epochs=4)
    train(root, OTHER, lambda_L1=500.0, lr=0.002, n_epochs=6)
    train(root, "elsewhere", data="others")
    folders = ["--checkpoints_dir", str(root / "checkpoints"), "--out", str(root / "comparison")]
    assert dispatch(["compare", *folders]) == 0
    return root / "comparison" / "index.html"


def painted(browser: Any) -> None:
    for number in range(2):
        browser.run("document.querySelectorAll('.pair')[arguments[0]].scrollIntoView()", number)
        browser.until(
            "return document.querySelectorAll('.pair')[arguments[0]].card.visible", number
        )
    browser.until(
        """const all = [...document.querySelectorAll('.pair img')];
        return all.length === 12 && all.every(i => i.complete && i.naturalWidth)"""
    )


def test_ranking_advice_settings_and_what_was_left_out_are_on_the_page(
    browser: Any, page: Path
) -> None:
    browser.open(page)
    painted(browser)
    table = browser.text(".ranking")
    assert "exp_l1_300" in table
    assert OTHER in table
    assert "Doing nothing" in table
    assert "0.425 (300), 0.255 (500)" in browser.text("main")
    assert "--continue_train" in browser.text(".advised")
    assert "lambda_L1" in browser.text(".settings")
    assert "elsewhere" in browser.text(".left-out")
    assert "other pairs" in browser.text(".left-out")
    assert all(url.startswith(("file:", "data:")) for url in browser.urls() if url != "about:blank")


def test_one_slider_compares_any_two_and_one_loupe_moves_all(browser: Any, page: Path) -> None:
    browser.open(page)
    painted(browser)
    labels = browser.run(
        "return [...document.querySelectorAll('.pair:first-child .tile strong')]"
        ".map(e => e.textContent)"
    )
    assert labels[0] == "real_A"
    assert set(labels[1:3]) == {"exp_l1_300", OTHER}
    assert labels[3] == "real_B"
    browser.run(
        """const list = document.querySelectorAll('.pair:first-child .sides select')[1];
        list.value = 'real_B'; list.dispatchEvent(new Event('change'));"""
    )
    assert browser.text(".pair .tag.right") == "real_B"
    browser.until(
        "return [...document.querySelectorAll('.pair:first-child .view img')].at(-1)"
        ".src.includes('real_B')"
    )
    browser.find(".pair [data-zoom='400']").click()
    sizes = browser.run(
        "return [...document.querySelectorAll('.pair:first-child .view img')]"
        ".map(i => [i.style.width, i.closest('.tile') ? i.style.left : ''])"
    )
    assert {width for width, _ in sizes} == {f"{4 * WIDTH}px"}
    assert len({left for _, left in sizes if left}) == 1


def test_error_maps_take_the_place_of_the_pictures(browser: Any, page: Path) -> None:
    browser.open(page)
    painted(browser)
    assert not browser.find("#scale").is_displayed()
    browser.find("[data-kind='errors']").click()
    assert browser.find("#scale").is_displayed()
    browser.until(
        "return [...document.querySelectorAll('.pair:first-child .tile img')]"
        ".filter(i => i.src.includes('_error.png')).length === 2"
    )
    assert browser.find("[data-kind='errors']").get_attribute("aria-pressed") == "true"


def test_curves_over_steps_and_over_time_are_overlaid(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.until("return document.querySelectorAll('.plot canvas').length === 2")
    for chart in ("by_step", "by_time"):
        legend = browser.text(f"#chart-{chart} .u-legend")
        assert "exp_l1_300" in legend
        assert OTHER in legend
        assert "doing nothing" in legend
        label = browser.find(f"#chart-{chart} canvas").get_attribute("aria-label")
        assert "exp_l1_300" in label
    assert browser.find("#log-scale").is_selected()
    browser.run("document.getElementById('log-scale').click()")
    browser.until("return document.querySelectorAll('.plot canvas').length === 2")


@pytest.mark.parametrize("dark", [False, True])
def test_korean_on_a_phone_fits(browser: Any, page: Path, dark: bool) -> None:
    browser.open(page, language="ko-KR", width=360, dark=dark)
    painted(browser)
    assert browser.text("h1") == "학습 비교"
    assert browser.text("#next-heading") == "다음에 할 일"
    assert "가이드" in browser.text(".advised") or "오차" in browser.text(".advised")
    assert "grey levels" not in browser.text("main")
    assert browser.run("return document.documentElement.scrollWidth") == 360


def test_the_lists_and_the_slider_are_reached_by_keyboard(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(page)
    painted(browser)
    lists = browser.run("return [...document.querySelectorAll('.pair:first-child .sides select')]")
    assert [one.get_attribute("aria-label") for one in lists] == [
        "Left side of the slider",
        "Right side of the slider",
    ]
    slider = browser.find(".pair img-comparison-slider")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert slider.get_attribute("aria-valuenow") == "52"
    before = browser.find(".pair .tile img").get_attribute("style")
    browser.find(".pair [data-zoom='400']").click()
    browser.find(".pair .tiles").send_keys(Keys.ARROW_DOWN)
    assert browser.find(".pair .tile img").get_attribute("style") != before


def test_without_javascript_the_page_is_whole(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.driver.refresh()
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    words = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)
    for word in ("Ranking", "exp_l1_300", "What to do next", "real_B", "not ranked by G_L1"):
        assert word in words
    browser.command("Emulation.setScriptExecutionDisabled", value=False)
