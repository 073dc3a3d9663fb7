"""A person looks at restored photos: where they are restored, by brush and eraser; how long it
takes; the same for all; the model for other programs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image
from serving import App, running, tiny_run, until
from skimage.data import astronaut
from test_app import NOTED, OPENED, drop, open_restore, restored_by, saved_in

from unretouch.pixels.images import read_rgb
from unretouch.pixels.photo_kind import kind_of

PIXELS = np.asarray(astronaut()[:240, 100:300])
PICTURE = Image.fromarray(PIXELS)
NAMES = ("one.png", "two.png")
RED = """return (async () => {
    const [canvas, box] = ['canvas', 'show-mask'].map(id => document.getElementById(id));
    const frame = () => new Promise(done => requestAnimationFrame(done));
    const seen = async (on) => {
        box.checked = on;
        box.dispatchEvent(new Event('change'));
        await frame();
        await frame();
        return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    };
    const [was, off, on] = [box.checked, await seen(false), await seen(true)];
    await seen(was);
    const red = at => [0, 1, 2].some(colour => on[at + colour] !== off[at + colour]);
    const [x, y] = [canvas.width, canvas.height].map(side => Math.floor(side / 2));
    let count = 0;
    for (let at = 0; at < on.length; at += 4) count += red(at);
    return [4 * count / on.length, red(4 * (y * canvas.width + x))];
})()"""
"""How much of the canvas is tinted, and whether its middle is."""


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, str]]:
    """The app, and a run that has restored two photos."""
    place = tmp_path_factory.mktemp("restored")
    with running(place) as app:
        run = restored_by(place / "checkpoints")
        for name, picture in zip(NAMES, (PICTURE, PICTURE.quantize(256)), strict=True):
            buffer = io.BytesIO()
            picture.save(buffer, "PNG")
            query = urlencode({"name": name, "chosen": json.dumps({"mask": "skin"})})
            sent = (
                f"api/runs/{run}/photos?{query}",
                buffer.getvalue(),
                {"Content-Type": "image/png"},
            )
            assert app.ask("PUT", *sent).status == 201
        until(lambda: [photo["state"] for photo in photos(app, run)] == ["done", "done"])
        yield app, run


@pytest.fixture
def page(browser: Any, restored: tuple[App, str]) -> Iterator[Any]:
    open_restore(browser, *restored)
    yield browser
    browser.driver.get("about:blank")  # nobody asks the app for news after it has ended


def photos(app: App, run: str) -> list[Any]:
    found: list[Any] = app.ask("GET", f"api/runs/{run}/photos").json["photos"]
    return found


def open_photo(browser: Any, name: str) -> None:
    browser.until("return document.querySelector(arguments[0])", f"[aria-label='Open {name}']")
    browser.find(f"[aria-label='Open {name}']").click()
    browser.until(OPENED)


def look(app: App, run: str, number: int, what: str) -> Any:
    """A mask of a photo, as the app has it."""
    answer = app.ask("GET", f"api/runs/{run}/photos/{photos(app, run)[number]['id']}/look/{what}")
    return np.asarray(Image.open(io.BytesIO(answer.body)).convert("L"))


def dab(browser: Any, tool: str, size: int) -> None:
    """Click into the middle of the photo with a tool of that size."""
    from selenium.webdriver.common.action_chains import ActionChains

    browser.find(f"[data-tool={tool}]").click()
    browser.run("document.getElementById('brush-size').value = arguments[0]", size)
    canvas = browser.find("#canvas")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", canvas)
    away = browser.find("#viewer-help")  # the brush is drawn where the pointer is
    ActionChains(browser.driver).move_to_element(canvas).click().move_to_element(away).perform()


def test_what_is_erased_is_not_shown_in_red_and_stays_as_it_was(
    page: Any, restored: tuple[App, str], tmp_path: Path
) -> None:
    app, run = restored
    open_photo(page, NAMES[0])
    page.find("#settings [value=everywhere]").click()  # there the brush begins with nothing
    dab(page, "paint", 80)
    assert page.find("#show-mask").is_selected()  # whoever paints sees where
    share, middle = page.run(RED)
    assert (0.01 < share < 0.1, middle) == (True, True)
    until(lambda: photos(app, run)[0]["chosen"]["painted"])
    before = look(app, run, 0, "painted")
    assert before[120, 100] == 255

    dab(page, "erase", 60)
    less, middle = page.run(RED)
    assert (0 < less < share, middle) == (True, False)
    saved_in(page, tmp_path)
    page.find("#save").click()
    saved = until(lambda: list(tmp_path.glob("one_restored_painted.png")))[0]
    after = look(app, run, 0, "painted")
    assert after[120, 100] == 0
    assert 0 < (after > 0).sum() < (before > 0).sum()
    assert (after <= before).all()
    changed = (read_rgb(saved) != PIXELS).any(2)
    assert changed.any()
    assert not changed[after == 0].any()


def test_what_is_written_otherwise_than_it_came_is_said_in_the_readers_language(page: Any) -> None:
    open_photo(page, NAMES[0])
    assert page.text("#save-notes") == ""
    open_photo(page, NAMES[1])
    assert page.text("#save-notes") == "Its palette becomes full colour"
    page.find("[data-language=ko]").click()
    assert page.text("#save-notes") == "팔레트 색을 전체 색으로 바꿔요"
    page.find("[data-language=en]").click()


def test_where_it_is_restored_is_shown_in_red_before_anything_is_painted(
    page: Any, restored: tuple[App, str]
) -> None:
    app, run = restored
    open_photo(page, NAMES[1])
    assert not page.find("#show-mask").is_selected()
    page.find("#settings [value=everywhere]").click()
    assert page.run(RED)[0] > 0.9  # all but the line between before and after
    page.find("#settings [value=skin]").click()
    page.until(NOTED, "skin")
    skin = look(app, run, 1, "skin")
    assert page.run(RED)[0] == pytest.approx((skin > 64).mean(), abs=0.1)


def test_the_same_for_all_leaves_what_was_painted_where_it_was(
    page: Any, restored: tuple[App, str]
) -> None:
    """Strengths and masks go to every photo; what is painted is of one photo alone."""
    app, run = restored
    move = """const input = document.getElementById(arguments[0]);
        input.value = arguments[1];
        input.dispatchEvent(new Event('input'))"""

    def chosen() -> list[tuple[float, float, str]]:
        told = [photo["chosen"] for photo in photos(app, run)]
        return [(one["strength"], one["fine"], one["mask"]) for one in told]

    open_photo(page, NAMES[0])
    page.find("#settings [value=everywhere]").click()
    page.run(move, "strength", 80)
    page.run(move, "fine", 50)
    assert page.text("#next") == ""  # photos to come are not asked for by this one
    page.find("#for-all").click()
    until(lambda: chosen() == [(0.8, 0.5, "everywhere")] * 2)
    assert "strength 80% · fine 50%" in page.text("#next")
    said = "return [...document.querySelectorAll('.photo-settings')].map(e => e.textContent)"
    page.until(f"return new Set((() => {{ {said} }})()).size === 1")
    assert page.run(said)[0] == "strength 80% · fine 50%"

    dab(page, "paint", 40)
    page.run(move, "fine", 150)
    page.find("#for-all").click()
    until(lambda: chosen() == [(0.8, 1.5, "painted"), (0.8, 1.5, "everywhere")])


def test_a_photo_says_beforehand_how_long_it_takes_and_a_batch_how_long_it_still_takes(
    browser: Any, restored: tuple[App, str], tmp_path: Path
) -> None:
    app = restored[0]
    run = tiny_run(app.place / "checkpoints", "timed")
    measured = app.place / "checkpoints" / "timed" / "restored" / "speed.json"
    measured.parent.mkdir()
    measured.write_text(json.dumps({"start_s": 5.0, "per_megapixel_s": 100.0}))
    sizes = {"first.png": 2000, "second.png": 2000, "small.png": 200}
    for name, side in sizes.items():
        Image.new("RGB", (side, side), (200, 160, 140)).save(tmp_path / name)
    open_restore(browser, app, run)
    drop(browser, "trial", *[tmp_path / name for name in sizes])
    said = "return document.getElementById('photos').innerText.includes(arguments[0])"
    browser.until(said, "waiting; about 9 s")
    browser.until(said, "waiting; about 6 min 45 s")
    # 2 × (5 + 4 × 100) + 9 s, less what is done of the first
    batch = (
        "return /^0 of 3, 1[0-4] min left$/.test(document.getElementById(arguments[0]).innerText)"
    )
    browser.until(batch, "batch-text")
    browser.find("#cancel").click()
    browser.until("return document.getElementById('batch').hidden")
    browser.driver.get("about:blank")


def test_the_model_is_saved_as_onnx_for_other_programs(
    page: Any, restored: tuple[App, str], tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    saved_in(page, tmp_path)
    page.until("return document.querySelector('[data-kind=onnx]')?.checkVisibility()")
    assert page.text("[data-kind=onnx]") == "Save as ONNX"
    page.find("[data-kind=onnx]").click()
    saved = until(lambda: list(tmp_path.glob("adds_latest_net_G.onnx")))[0]
    session = runtime.InferenceSession(saved.read_bytes(), providers=["CPUExecutionProvider"])
    assert session.get_inputs()
    page.until("return document.querySelector('[data-kind=onnx]').innerText === 'Save as ONNX'")
    assert page.run("return document.getElementById('model-message').hidden")


def test_a_photo_far_from_the_pairs_is_left_without_the_network_until_its_strength_is_set(
    browser: Any, restored: tuple[App, str]
) -> None:
    app = restored[0]
    run = restored_by(app.place / "checkpoints", name="far", aim="restore")
    kinds = app.place / "checkpoints" / "far" / "photo_kinds.json"
    kinds.write_text(json.dumps([kind_of(PIXELS).record()]))
    buffer = io.BytesIO()
    PICTURE.convert("L").save(buffer, "PNG")
    app.ask("PUT", f"api/runs/{run}/photos?name=grey.png", buffer.getvalue())
    until(lambda: photos(app, run)[0]["state"] == "done")
    (photo,) = photos(app, run)
    assert (photo["look"]["change"], photo["mean_change"]) == ("", 0)
    open_restore(browser, app, run)
    open_photo(browser, "grey.png")
    assert "So it was left as it is." in browser.text("#editor-note")
    part = app.ask("GET", f"api/runs/{run}/photos/{photo['id']}/part/0/0")
    assert part.status == 200
    browser.run(
        """const strength = document.getElementById('strength');
        strength.value = 100;
        for (const kind of ['input', 'change']) strength.dispatchEvent(new Event(kind));"""
    )
    assert "So it was" not in browser.text("#editor-note")
    until(lambda: photos(app, run)[0]["look"]["change"])
    browser.until(OPENED)
    assert photos(app, run)[0]["mean_change"] > 0
    browser.driver.get("about:blank")
