"""What a person does with the live page of a run, in a real browser, opened from the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

READY = "return document.querySelectorAll('.pair').length === 3"
PAINTED = """const all = [...document.querySelectorAll('.pair img')];
    return all.length === 18 && all.every(i => i.complete && i.naturalWidth)"""
KEYS = {"right": "\ue014", "left": "\ue012", "home": "\ue011", "end": "\ue010"}


def fake_B(browser: Any) -> str:
    script = "return document.querySelector('.tile[data-label=fake_B] img').getAttribute('src')"
    return str(browser.run(script))


def show_all(browser: Any) -> None:
    """Scroll past every card, so that each loads its pictures."""
    browser.until(READY)
    for number in range(3):
        browser.run("document.querySelectorAll('.pair')[arguments[0]].scrollIntoView()", number)
        browser.until(
            "return document.querySelectorAll('.pair')[arguments[0]].card.visible", number
        )
    browser.until(PAINTED)


def test_every_pair_is_shown_in_the_users_words_and_nothing_else_is_asked_for(
    browser: Any, run: Any
) -> None:
    browser.open(run.page)
    show_all(browser)
    text = browser.text("#pairs")
    for word in ("real_A", "fake_B", "real_B", "portrait_01", "얼굴 두번째 #2 50%"):
        assert word in text
    assert browser.run("return document.querySelectorAll('.tile img[alt]').length") == 12
    urls = browser.urls()
    assert len(urls) > 20
    assert {url.split(":")[0] for url in urls} <= {"file", "data", "about"}


def test_a_name_that_is_markup_stays_a_name(browser: Any, run: Any) -> None:
    run.tell(name="<img src=x onerror=alert(1)>", stop_reason="<b>odd</b>", state="stopped")
    browser.open(run.page)
    show_all(browser)
    assert "<img src=x onerror=alert(1)>" in browser.text("#pairs")
    assert browser.text("h1") == "<img src=x onerror=alert(1)>"
    assert browser.text("#notice") == "<b>odd</b>"
    assert browser.run("return document.querySelectorAll('[onerror], #notice b').length") == 0


def test_figures_state_error_identity_and_recovered_share(browser: Any, run: Any) -> None:
    browser.open(run.page)
    browser.until(READY)
    pairs = run.previews[-1].pairs
    error = sum(p.level_error for p in pairs) / 3
    identity = sum(p.identity_error for p in pairs) / 3
    assert float(browser.text("#error-now")) == pytest.approx(error, abs=0.006)
    assert f"{identity:.2f} grey levels" in browser.text("#identity")
    assert browser.text("#recovered") == "60.0%"
    assert browser.text("#left") == "1 h 30 min"
    assert browser.text("#step") == "600 of 6,000"
    assert browser.text("#epoch") == "200 of 2,000"
    assert browser.text("#lr") == "0.0001"
    assert "step 599" in browser.text("#last-save")
    assert browser.text("#state") == "Training"


def test_what_an_error_means_is_said_as_in_the_list_of_runs(browser: Any, new_run: Any) -> None:
    """Seen by nobody is nothing lost, whatever share of a small retouch it is."""
    made = new_run()
    made.preview(0)
    pairs = made.previews[0].pairs
    browser.open(made.page)  # nothing was made of the pictures yet that could be measured
    browser.until(READY)
    assert (browser.text("#error-now"), browser.text("#recovered")) == ("–", "–")
    assert browser.text(".pair .figures").startswith("Doing nothing\n")
    assert "Exact pixels" not in browser.text("#pairs")
    for above, state, left_s, said, shown in (
        (0.04, "running", 5400.0, "nothing gained, nothing lost", "0.0%"),
        (5.0, "running", 5400.0, "not better yet, as is usual early in a training", "–"),
        (5.0, "running", 1200.0, "worse than doing nothing", "-"),
        (5.0, "stopped", 5400.0, "worse than doing nothing", "-"),
    ):
        worse = [replace(pair, level_error=pair.identity_error + above) for pair in pairs]
        made.previews[:] = [replace(made.previews[0], step=1, pairs=worse)]
        made.tell(state=state, left_s=left_s)
        browser.open(made.page)
        browser.until(READY)
        assert browser.text("#gain") == said
        assert browser.text("#recovered").startswith(shown)


def test_until_the_second_preview_the_error_is_the_one_while_training(
    browser: Any, run: Any
) -> None:
    del run.previews[1:]
    whole = run.previews[-1].pairs[0].identity_error
    steps = [float(s) for s in range(1, 2001)]
    curves = {"step": steps, "level_error": [3.0] * 2000, "identity_error": [12.0] * 2000}
    run.tell(step=2000, curves=curves)
    browser.open(run.page)
    browser.until(READY)
    assert float(browser.text("#error-now")) == pytest.approx(whole / 4, abs=0.006)
    assert "while training" in browser.text("#identity")


def test_a_stop_keeps_the_last_figures_and_says_there_of_when_they_are(
    browser: Any, run: Any
) -> None:
    steps = [float(s) for s in range(1, 2001)]
    curves = {"step": steps, "level_error": [3.0] * 2000, "identity_error": [12.0] * 2000}
    stopped = {"state": "stopped", "stop_reason": "interrupted", "left_s": 0.0}
    run.tell(step=2000, curves=curves, **stopped)
    browser.open(run.page)
    show_all(browser)
    assert "epoch200_" in fake_B(browser)
    told = browser.text("#figures-old")
    assert "those of step 600. While training since then: " in told
    # What stands above the pictures is what stands beside them.
    assert browser.text("#recovered") == "60.0%" in browser.text(".pair .figures")
    tops = browser.run("""return ['#error-now', '#figures-old', '#progress', '.pair']
        .map(part => document.querySelector(part).getBoundingClientRect().top)""")
    assert tops == sorted(tops)

    run.preview(1900)
    run.tell(step=2000, curves=curves, **stopped)
    browser.until("return document.getElementById('figures-old').hidden")


@pytest.mark.parametrize(
    "waiting", [{"state": "starting"}, {"stop_reason": "finished"}], ids=["starting", "measuring"]
)
def test_the_bar_moves_while_nobody_knows_how_far_it_is(
    browser: Any, run: Any, waiting: dict[str, str]
) -> None:
    run.tell(**waiting)
    browser.open(run.page)
    browser.until("return document.getElementById('progress').matches(':indeterminate')")
    moving = "return getComputedStyle(document.getElementById('progress')).animationName"
    assert browser.run(moving) == "run"
    run.tell()
    browser.until("return document.getElementById('progress').value === 0.1")


def test_it_keeps_itself_current_and_keeps_its_place(browser: Any, run: Any) -> None:
    browser.open(run.page)
    show_all(browser)
    browser.run("""
        window.notReloaded = true;
        const card = document.querySelectorAll('.pair')[1].card;
        card.slider.value = 23;
        card.setZoom(300);
        card.place = {x: 0.4, y: 0.6};
        card.look();
        card.node.scrollIntoView();
    """)
    before = browser.run("return [scrollY, document.querySelectorAll('.pair')[1].card.place]")
    assert before[0] > 300
    run.preview(900)
    browser.until("return document.getElementById('step').innerText.startsWith('900')")
    browser.until("return document.getElementById('time-value').innerText.includes('900')")
    newest = "return document.querySelectorAll('.tile[data-label=fake_B] img')[1].src"
    browser.until(f"{newest}.includes('epoch300_')")
    assert browser.run("return window.notReloaded")
    assert (
        browser.run("return [scrollY, document.querySelectorAll('.pair')[1].card.place]") == before
    )
    assert browser.run("return document.querySelectorAll('.pair')[1].card.slider.value") == 23
    assert browser.run("return document.querySelectorAll('.pair')[1].card.zoom") == 300


def test_a_new_picture_takes_the_place_of_the_old_without_an_empty_frame(
    browser: Any, run: Any
) -> None:
    browser.open(run.page)
    show_all(browser)
    browser.run("""
        window.empty = 0;
        const watch = () => {
            for (const image of document.querySelectorAll('.pair img')) {
                if (!image.complete || !image.naturalWidth) window.empty += 1;
            }
            requestAnimationFrame(watch);
        };
        watch();
    """)
    for step in (700, 800):
        run.preview(step)
        browser.until(f"return document.getElementById('time-value').innerText.includes('{step}')")
    assert browser.run("return window.empty") == 0


def test_the_time_slider_goes_back_to_step_0_and_stays_there(browser: Any, run: Any) -> None:
    browser.open(run.page)
    browser.until(READY)
    assert "epoch200_" in browser.until(
        "return document.querySelector('.tile[data-label=fake_B] img')?.src"
    )
    browser.find("#time").send_keys(KEYS["home"])
    assert browser.text("#time-value") == "step 0, epoch 0"
    browser.until(
        "return document.querySelector('.tile[data-label=fake_B] img').src.includes('epoch000_')"
    )
    run.preview(900)
    browser.until("return document.getElementById('time').max === '3'")
    assert browser.text("#time-value") == "step 0, epoch 0"
    assert "epoch000_" in fake_B(browser)
    browser.find("#time").send_keys(KEYS["end"])
    assert browser.text("#time-value") == "step 900, epoch 300 (latest)"
    assert browser.find("#time").get_attribute("aria-valuetext") == "step 900, epoch 300 (latest)"


def test_the_loupe_shows_the_same_place_in_every_picture(browser: Any, run: Any) -> None:
    browser.open(run.page)
    show_all(browser)
    from selenium.webdriver.common.action_chains import ActionChains

    view = browser.find(".tile[data-label=real_B] .view")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", view)
    ActionChains(browser.driver).move_to_element(view).click().perform()
    card = "document.querySelector('.pair').card"
    assert browser.run(f"return {card}.zoom") == 200
    for zoom in (100, 200, 300, 400):
        browser.run("arguments[0].click()", browser.find(f".pair [data-zoom='{zoom}']"))
        places = browser.run("""return [...document.querySelectorAll('.pair')[0]
            .querySelectorAll('.tile img')].map(i => [i.style.left, i.style.top, i.style.width])""")
        assert len(places) == 4
        assert places.count(places[0]) == 4
        assert places[0][2] == f"{160 * zoom // 100}px"
    before = browser.run(f"return {card}.place.x")
    ActionChains(browser.driver).drag_and_drop_by_offset(view, 60, 0).perform()
    assert browser.run(f"return {card}.place.x") == pytest.approx(before - 60 / (160 * 4), abs=1e-3)


def test_slider_and_loupe_are_worked_by_keyboard(browser: Any, run: Any) -> None:
    browser.open(run.page)
    show_all(browser)
    slider = browser.find(".pair img-comparison-slider")
    slider.send_keys(KEYS["home"])
    assert slider.get_attribute("aria-valuenow") == "0"
    slider.send_keys(KEYS["right"] * 3)
    assert slider.get_attribute("aria-valuenow") == "6"
    assert browser.run("return document.querySelector('img-comparison-slider').value") == 6
    slider.send_keys(KEYS["end"])
    assert slider.get_attribute("aria-valuenow") == "100"
    tiles = browser.find(".pair .tiles")
    tiles.send_keys("++")
    assert browser.run("return document.querySelector('.pair').card.zoom") == 200
    before = browser.run("return document.querySelector('.pair').card.place.x")
    tiles.send_keys(KEYS["left"])
    assert browser.run("return document.querySelector('.pair').card.place.x") < before
    tiles.send_keys("0")
    assert browser.run("return document.querySelector('.pair').card.zoom") == 0


def test_the_two_sides_of_the_slider_can_be_chosen(browser: Any, run: Any) -> None:
    browser.open(run.page)
    show_all(browser)
    browser.run("arguments[0].click()", browser.find(".pair .sides button:nth-child(2)"))
    assert browser.text(".pair .tag.left") == "fake_B"
    assert browser.text(".pair .tag.right") == "real_B"
    browser.until("""return document.querySelector('.pair [slot=second] img').src.includes('real_B')
        && document.querySelector('.pair [slot=first] img').src.includes('fake_B')""")


def test_curves_are_drawn_and_the_log_scale_switch_is_remembered(browser: Any, run: Any) -> None:
    browser.open(run.page)
    browser.until("return document.querySelectorAll('.plot canvas').length === 3")
    text = browser.text(".charts")
    for word in ("G_L1", "G_GAN", "D_real", "D_fake", "doing nothing", "previews"):
        assert word in text
    assert "1.0 here is 0.2550 grey levels" in text
    label = browser.find("#chart-error canvas").get_attribute("aria-label")
    assert "Error in grey levels" in label
    pixels = "document.querySelector('#chart-error canvas').toDataURL()"
    straight = browser.run(f"return {pixels}")
    browser.find("#log-scale").click()
    browser.until(f"return {pixels} !== arguments[0]", straight)
    browser.driver.refresh()
    browser.until("return document.querySelectorAll('.plot canvas').length === 3")
    assert browser.run("return document.getElementById('log-scale').checked")


def test_lambda_and_its_goal_are_not_shown_where_they_do_nothing(browser: Any, run: Any) -> None:
    run.tell(weighted=False)
    browser.open(run.page)
    show_all(browser)
    for part in ("#weighted", "#lambda", "#chart-weighted"):
        assert not browser.find(part).is_displayed(), part


def test_no_curve_is_drawn_for_networks_that_do_not_take_part(browser: Any, run: Any) -> None:
    steps = [1.0, 2.0, 3.0]
    nothing = [0.0, 0.0, 0.0]
    curves = {"step": steps, "level_error": steps, "G_L1": steps, "G_GAN": nothing}
    run.tell(curves={**curves, "D_real": nothing, "D_fake": [float("nan")] * 3})
    browser.open(run.page)
    browser.until("return document.querySelectorAll('.plot canvas').length === 2")
    assert not browser.find("#chart-gan").is_displayed()


@pytest.mark.parametrize(
    ("language", "state", "pairs", "html"),
    [("ko-KR", "학습 중", "사진 쌍", "ko"), ("en-GB", "Training", "Pairs", "en"),
     ("fr-FR", "Training", "Pairs", "en")],
)  # fmt: skip
def test_the_browsers_language_is_spoken(
    browser: Any, run: Any, language: str, state: str, pairs: str, html: str
) -> None:
    browser.open(run.page, language=language)
    browser.until(READY)
    assert browser.text("#state") == state
    assert browser.text("#pairs-heading") == pairs
    assert browser.run("return document.documentElement.lang") == html


def test_the_language_can_be_switched_and_is_remembered(browser: Any, run: Any) -> None:
    browser.open(run.page)
    browser.until(READY)
    browser.find("[data-language=ko]").click()
    assert browser.text("#left") == "1시간 30분"
    assert "단계" in browser.text(".pair .figures")
    assert "fake_B\n생성" in browser.text(".pair .tiles")
    browser.driver.refresh()
    browser.until(READY)
    assert browser.text("#state") == "학습 중"
    assert browser.find("[data-language=ko]").get_attribute("aria-pressed") == "true"
    browser.driver.get(f"{run.page.as_uri()}?language=constructor")  # which no page speaks
    browser.until(READY)
    assert browser.run("return document.documentElement.lang") == "ko"


@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_reaches_beyond_a_small_screen(
    browser: Any, run: Any, language: str, width: int
) -> None:
    run.tell(name="a_run_with_a_very_long_name_that_has_no_place_to_break_it_at_all")
    browser.open(run.page, language=language, width=width)
    show_all(browser)
    browser.until("return document.querySelectorAll('.plot canvas').length === 3")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    beyond = browser.run("""return [...document.querySelectorAll('main button, main dd, main h1')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML)""")
    assert beyond == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_light_and_dark(browser: Any, run: Any, dark: bool) -> None:
    browser.open(run.page, dark=dark)
    browser.until(READY)
    ratios = browser.run("""
        const light = (text) => {
            const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(v => {
                const c = v / 255;
                return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = (node) => {
            while (node) {
                const colour = getComputedStyle(node).backgroundColor;
                if (!/, 0\\)$/.test(colour)) return colour;
                node = node.parentElement;
            }
            return 'rgb(255, 255, 255)';
        };
        const texts = 'h1, h2, h3, p, dt, dd, button, figcaption span, strong';
        return [...document.querySelectorAll(texts)]
            .filter(e => e.offsetParent && e.textContent.trim())
            .map(e => {
                const pair = [light(getComputedStyle(e).color), light(ground(e))];
                const [more, less] = pair.sort((a, b) => b - a);
                return [(more + 0.05) / (less + 0.05), e.outerHTML.slice(0, 80)];
            });
    """)
    assert len(ratios) > 30
    assert min(ratios)[0] >= 4.5, min(ratios)
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) is dark


def test_everything_that_takes_the_focus_has_a_name(browser: Any, run: Any) -> None:
    browser.open(run.page)
    show_all(browser)
    nodes = browser.command("Accessibility.getFullAXTree")["nodes"]
    focusable = [
        (node.get("role", {}).get("value"), node.get("name", {}).get("value", ""))
        for node in nodes
        if any(p["name"] == "focusable" and p["value"]["value"] for p in node.get("properties", []))
    ]
    assert sum(role == "slider" for role, _ in focusable) == 4
    assert [entry for entry in focusable if not entry[1]] == []


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("stopped", "interrupted", "Stopped by Ctrl+C"),
        ("stopped", "stopped_at_once", "What came after the last save is lost"),
        ("failed", "non_finite", "lower learning rate"),
        ("finished", "finished", "The training is complete."),
        ("stopped", "something new", "something new"),
    ],
)
def test_it_says_why_a_run_ended(
    browser: Any, run: Any, state: str, reason: str, said: str
) -> None:
    run.tell(state=state, stop_reason=reason, left_s=0.0)
    browser.open(run.page)
    browser.until(READY)
    assert said in browser.text("#notice")
    assert browser.text("#left-label") == "Took"
    assert browser.text("#left") == "10 min"


def test_it_says_when_nothing_was_heard_of_a_run(browser: Any, run: Any) -> None:
    browser.open(run.page)
    browser.until(READY)
    assert not browser.find("#notice").is_displayed()
    browser.run("const now = Date.now; Date.now = () => now() + 600_000")
    browser.until("return !document.getElementById('notice').hidden")
    assert browser.text("#notice").startswith("No news for 10 min.")


def test_another_state_with_the_same_figures_is_shown(browser: Any, run: Any) -> None:
    browser.open(run.page)
    browser.until(READY)
    file = run.web / "status.js"
    file.write_text(file.read_text("utf-8").replace('"running"', '"finished"'), "utf-8")
    browser.until("return document.getElementById('state').innerText === 'Finished'")
    assert browser.text("#left-label") == "Took"


def test_a_page_opened_before_the_first_preview_fills_itself(
    browser: Any, new_run: Callable[[], Any]
) -> None:
    run = new_run()
    run.tell(state="starting")
    browser.open(run.page)
    browser.until("return document.getElementById('step').innerText.startsWith('0')")
    assert browser.text("#state") == "Starting"
    assert "before step 1" in browser.text("#previews-none")
    run.preview(0)
    browser.until(READY)
    assert not browser.find("#previews-none").is_displayed()
    assert not browser.find(".timeline").is_displayed()
    run.preview(300)
    browser.until("return document.querySelectorAll('.plot canvas').length === 3")
    assert browser.find(".timeline").is_displayed()


def look(browser: Any, title: str) -> None:
    """Click the look of that title, and wait for its pictures."""
    script = "return [...document.querySelectorAll('.looks button')].map(b => b.textContent)"
    titles = browser.run(script)
    browser.run(
        "document.querySelectorAll('.looks button')[arguments[0]].click()", titles.index(title)
    )
    browser.until("""const all = [...document.querySelectorAll('.pair img')];
        return all.every(i => i.complete && i.naturalWidth
            && i.dataset.wanted === i.getAttribute('src'))""")


def test_a_large_pair_is_shown_where_its_retouch_is_strongest(
    browser: Any, new_run: Callable[[], Any]
) -> None:
    run = new_run()
    run.large_preview(0, whole=True)
    run.large_preview(300)
    browser.open(run.page)
    browser.until("return document.querySelectorAll('.looks button').length === 4")
    assert browser.text(".looks [aria-pressed=true]") == "Strongest retouch 1"
    assert "320 × 320 pixels at x 3,120, y 1,840" in browser.text(".looks .help")
    assert "_first_" in browser.until(
        "return document.querySelector('.tile[data-label=fake_B] img')?.getAttribute('src')"
    )
    look(browser, "Largest error elsewhere")
    assert "_other_" in fake_B(browser)
    run.large_preview(400)
    browser.until("return document.getElementById('step').innerText.startsWith('400')")
    browser.until(
        "return document.querySelector('.tile[data-label=fake_B] img').src.includes('400_')"
    )
    assert browser.text(".looks [aria-pressed=true]") == "Largest error elsewhere"
    look(browser, "Whole, reduced")
    assert browser.run("return document.querySelectorAll('.tile').length") == 2
    assert "at the end" in browser.text(".looks .help")
    browser.find("#time").send_keys(KEYS["home"])
    browser.until("return document.querySelectorAll('.tile').length === 4")
    assert "_whole_" in fake_B(browser)
    assert browser.text(".looks .help") == "6,000 × 4,000 pixels, shown reduced."


def test_estimates_say_what_they_are(browser: Any, new_run: Callable[[], Any]) -> None:
    run = new_run()
    run.large_preview(300)
    browser.open(run.page)
    browser.until("return document.querySelectorAll('.looks button').length === 4")
    assert browser.text("#error-now") == "≈ 0.500"
    assert browser.text("#recovered") == "≈ 50.0%"
    assert browser.text("#identity").startswith("estimated from sampled tiles")
    figures = browser.text(".pair .figures")
    assert "≈ 0.500 grey levels" in figures
    assert "estimated from\n12 sampled tiles" in figures
    browser.find("[data-language=ko]").click()
    assert "추정 근거\n표본 타일 12개" in browser.text(".pair .figures")
    assert browser.text(".looks [aria-pressed=true]") == "보정이 가장 강한 곳 1"
    run.large_preview(900, whole=True)
    browser.until("return document.getElementById('error-now').innerText === '0.500'")
    assert "추정" not in browser.text(".pair .figures") + browser.text("#identity")


@pytest.mark.parametrize("language", ["en-US", "ko-KR"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_places_of_a_large_pair_fit_every_screen(
    browser: Any, new_run: Callable[[], Any], language: str, width: int
) -> None:
    run = new_run()
    run.large_preview(300)
    browser.open(run.page, language=language, width=width)
    browser.until("return document.querySelectorAll('.looks button').length === 4")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    boxes = browser.run("""const box = e => { const r = e.getBoundingClientRect();
            return [r.left, r.top, r.right, r.bottom]; };
        return [...document.querySelectorAll('.looks button, .looks .help, .sides button, .frame')]
            .filter(e => e.offsetParent).map(box)""")
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert right <= width
        for other in boxes[:number]:
            apart = left >= other[2] - 1 or other[0] >= right - 1
            assert apart or top >= other[3] - 1 or other[1] >= bottom - 1


def test_without_javascript_the_classic_rows_are_shown(browser: Any, run: Any) -> None:
    browser.open(run.page)
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.driver.refresh()
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    words = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)
    for word in ("epoch [200]", "epoch [0]", "real_A", "fake_B", "real_B", "Without JavaScript"):
        assert word in words
    assert "Learning rate" not in words
    browser.command("Emulation.setScriptExecutionDisabled", value=False)
