"""Twelve tall pairs with long names, in a real browser: the page stays short, nothing overlaps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from short_runs import train
from skimage.data import astronaut

from unretouch.cli import dispatch
from unretouch.report.pages import ShownPair
from unretouch.runs.status import PlainFigures, Preview, PreviewPair
from unretouch.tasks.test import write_results_page

LONG = "김지우_여름_야외_스튜디오_세로촬영_보정전후_최종본_{:02d}"
WIDTH, HEIGHT = 90, 160


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The page of a test on twelve pairs of 9:16."""
    shown = []
    for number in range(12):
        name = LONG.format(number)
        files = {label: f"{number}_{label}.png" for label in ("real_A", "fake_B", "real_B")}
        for file in files.values():
            rows = np.arange(HEIGHT, dtype=np.uint8)[:, None, None]
            picture = np.broadcast_to(rows, (HEIGHT, WIDTH, 3))
            Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / file)
        figures = PlainFigures(
            name=name, level_error=0.5, identity_error=1.0, recovered_share=0.5, exact_pixels=0.1
        )
        shown.append(ShownPair(name=name, files=files, figures=figures))
    return write_results_page(tmp_path, "초상", shown, {"epoch": "latest"})


def painted(browser: Any) -> None:
    browser.run("document.querySelector('.pair').scrollIntoView()")
    browser.until(
        """const all = [...document.querySelectorAll('.pair img')];
        return all.length && all.every(i => i.complete && i.naturalWidth)"""
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_of_many_pairs_one_is_chosen_in_the_table(browser: Any, results: Path, width: int) -> None:
    browser.open(results, width=width)
    painted(browser)
    assert browser.run("return document.querySelectorAll('.pair').length") == 1
    assert browser.run("return document.documentElement.scrollHeight") < 3500
    browser.run("document.querySelectorAll('.pick')[7].click()")
    assert browser.text(".pair h3") == LONG.format(7)
    assert browser.run("return document.querySelectorAll('.pick[aria-pressed=true]').length") == 1
    painted(browser)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_tall_pair_fits_three_quarters_of_the_window(
    browser: Any, results: Path, width: int
) -> None:
    browser.open(results, width=width)
    painted(browser)
    box = "document.querySelector('img-comparison-slider').getBoundingClientRect()"
    height, across = browser.run(f"const b = {box}; return [b.height, b.width]")
    assert height <= 0.75 * browser.run("return innerHeight") + 1
    assert height / across == pytest.approx(HEIGHT / WIDTH, rel=0.02)


@pytest.mark.parametrize("width", [1280, 390])
def test_long_names_do_not_cover_one_another_on_the_slider(
    browser: Any, results: Path, width: int
) -> None:
    browser.open(results, width=width)
    painted(browser)
    browser.run(
        """const card = document.querySelector('.pair').card;
        const [a, b] = arguments;
        card.show({ name: 'x', sides: [a, b], pictures: {
          [a]: '0_real_A.png', [b]: '0_fake_B.png', real_B: '0_real_B.png' } });""",
        LONG.format(1), LONG.format(2),
    )  # fmt: skip
    left, right, frame = browser.run(
        """const box = (s) => { const b = document.querySelector(s).getBoundingClientRect();
          return [b.left, b.right]; };
        return [box('.tag.left'), box('.tag.right'), box('.frame')];"""
    )
    assert frame[0] <= left[0]
    assert left[1] <= right[0]
    assert right[1] <= frame[1]
    assert browser.text(".tag.left").endswith("_01")
    assert browser.run(
        "const s = document.querySelector('.sides'); return s.scrollWidth <= s.clientWidth"
    )
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_a_bar_that_waits_moves(browser: Any, results: Path) -> None:
    browser.open(results)
    moves = browser.run(
        """const bar = document.createElement('progress');
        document.querySelector('main').append(bar);
        return getComputedStyle(bar).animationName"""
    )
    assert moves == "run"


# --- the pages of a training and of a comparison


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that compares two runs on twelve tiny pairs of 9:16."""
    root = tmp_path_factory.mktemp("many")
    (root / "pairs" / "train").mkdir(parents=True)
    for number in range(12):
        before = astronaut()[20:84, 100 + 20 * number : 136 + 20 * number]
        after = (before.astype(int) + np.roll(before, 1, 0) + np.roll(before, 1, 1)) // 3
        pixels = np.concatenate([after.astype(np.uint8), before], axis=1)
        Image.fromarray(pixels).save(root / "pairs" / "train" / f"{LONG.format(number)}.png")
    for name in ("겨울_야외_인물_보정_되돌리기_첫번째", "a_second_run_with_a_long_name_01"):
        train(root, name)
    folders = ["--checkpoints_dir", str(root / "checkpoints"), "--out", str(root / "out")]
    assert dispatch(["compare", *folders]) == 0
    return root / "out" / "index.html"


@pytest.fixture
def live(results: Path, new_run: Callable[[], Any]) -> Path:
    """The page of a training on the pairs of `results`, with their pictures."""
    run = new_run()
    pairs = []
    for number in range(12):
        files = {}
        for label in ("real_A", "fake_B", "real_B"):
            files[label] = f"images/{number}_{label}.png"
            (run.web / files[label]).write_bytes(
                (results.parent / f"{number}_{label}.png").read_bytes()
            )
        pairs.append(
            PreviewPair(
                name=LONG.format(number), level_error=0.5, identity_error=1.0,
                recovered_share=0.5, **files,
            )
        )  # fmt: skip
    for step in (0, 300):
        run.previews.append(Preview(step=step, epoch=step // 3, pairs=pairs))
    run.steps = 300
    run.tell()
    return Path(run.page)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", ["results", "live", "comparison"])
def test_every_picture_fits_the_window_and_nothing_reaches_beyond_it(
    browser: Any, request: pytest.FixtureRequest, page: str, width: int
) -> None:
    """Three quarters of its height, and all of its width, whatever pair is chosen."""
    browser.open(request.getfixturevalue(page), width=width)
    browser.until("return document.querySelectorAll('.pick').length === 12")
    for number in (0, 11):
        browser.run("document.querySelectorAll('.pick')[arguments[0]].click()", number)
        browser.until(
            "return document.querySelector('.pair h3').textContent === arguments[0]",
            LONG.format(number),
        )
        painted(browser)
        heights = browser.run(
            """return [...document.querySelectorAll('.view, img-comparison-slider')]
                .filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect().height)"""
        )
        assert len(heights) >= 5
        assert min(heights) > 0
        assert max(heights) <= 0.75 * browser.run("return innerHeight") + 1
        assert browser.run("return document.documentElement.scrollWidth") <= width
        assert browser.run("return document.querySelectorAll('.pair').length") == 1
