"""A person keeps house among the runs: names, notes, deletes, undoes, lets them wait, compares."""

from __future__ import annotations

from typing import Any

import pytest
from serving import App, begin, draft_of_a_pair, running, tiny_run, until
from short_runs import train, write_pairs

RUNS = "return document.querySelectorAll('.run').length === arguments[0]"
STATE = "return document.getElementById('state').dataset.state === arguments[0]"


def names(browser: Any) -> str:
    return browser.text("#runs")


def choose(browser: Any, word: str) -> None:
    """Open the menu of the first run, and choose."""
    browser.find(".menu summary").click()
    (button,) = [
        b for b in browser.driver.find_elements("css selector", ".menu[open] button")
        if b.text == word
    ]  # fmt: skip
    button.click()


def state_of(app: App, run: str) -> str:
    return str(app.ask("GET", f"api/runs/{run}").json["state"])


def test_a_run_is_renamed_noted_deleted_and_brought_back(browser: Any, app: App) -> None:
    tiny_run(app.place / "checkpoints", "first")
    tiny_run(app.place / "checkpoints", "taken")
    (app.place / "checkpoints" / "first" / "console.txt").write_text("newer")
    browser.driver.get(app.address)
    browser.until(RUNS, 2)
    assert "MB" in browser.text("#disk") or browser.until(
        "return document.getElementById('disk').innerText.includes('MB')"
    )

    choose(browser, "Rename")
    for name in ("taken", "겨울 인물"):
        browser.find("dialog input").clear()
        browser.find("dialog input").send_keys(name)
        said = "will be called 겨울_인물" if " " in name else ""
        assert browser.run("return document.querySelector('dialog .name-told').textContent") == said
        browser.find("dialog [type=submit]").click()
        if name == "taken":
            browser.until("return !document.querySelector('dialog .notice').hidden")
            assert "already" in browser.text("dialog .notice")
    browser.until("return !document.querySelector('dialog')")
    browser.until("return document.getElementById('runs').innerText.includes('겨울_인물')")
    assert (app.place / "checkpoints" / "겨울_인물" / "latest_net_G.pth").is_file()
    browser.errors()  # the refusal

    choose(browser, "Note")
    browser.find("dialog textarea").send_keys("forehead <b>still soft")
    browser.find("dialog [type=submit]").click()
    browser.until("return document.getElementById('runs').innerText.includes('<b>still soft')")

    choose(browser, "Delete")
    browser.find("dialog .danger").click()
    browser.until("return document.querySelector('.deleted')")
    browser.until(RUNS, 1)
    browser.driver.refresh()
    browser.until("return document.querySelector('.deleted')")  # it can be undone still
    assert not (app.place / "checkpoints" / "겨울_인물").exists()
    browser.find(".deleted button").click()
    browser.until(RUNS, 2)
    browser.until("return !document.querySelector('.deleted')")
    assert "forehead" in names(browser)


def test_a_run_waits_for_its_turn_and_outlives_the_app(browser: Any, app: App) -> None:
    first = begin(app, minutes=20)
    until(lambda: state_of(app, first) == "running")
    asked = {"draft": draft_of_a_pair(app), "name": "next", "preset": "fast", "minutes": 0.05}
    second = app.ask("POST", "api/runs", asked).json["id"]
    for what in ("delete", "rename"):  # neither the one that trains nor the one that waits
        for run in (first, second):
            answer = app.ask("POST", f"api/runs/{run}/{what}", {"name": "other"})
            assert answer.status == 409
    browser.driver.get(f"{app.address}runs/{second}/")
    browser.until(STATE, "waiting")
    browser.until(
        "return document.getElementById('notice').innerText.includes('is being trained, about ')"
    )
    assert "begins by itself" in browser.text("#notice")
    browser.find("#stop").click()
    browser.until(STATE, "stopped")
    browser.until("return !document.getElementById('go-on').hidden")
    browser.find("#go-on").click()
    browser.until(STATE, "waiting")
    browser.driver.get("about:blank")
    app.process.terminate()
    app.process.wait(60)
    with running(app.place) as again:
        assert (state_of(again, first), state_of(again, second)) == ("running", "waiting")
        browser.driver.get(again.address)
        browser.until("return document.getElementById('runs').innerText.includes('next in line')")
        again.ask("POST", f"api/runs/{first}/stop", {})
        until(lambda: state_of(again, second) == "finished")
        assert state_of(again, first) == "stopped"
        browser.driver.get("about:blank")


def test_chosen_runs_are_compared_with_those_of_the_same_pairs(browser: Any, app: App) -> None:
    write_pairs(app.place / "pairs")
    for name in ("one", "two", "three"):
        train(app.place, name, n_epochs=1)
    tiny_run(app.place / "checkpoints", "alone")  # on other pairs
    browser.driver.get(app.address)
    browser.until(RUNS, 4)
    for name in ("one", "two", "alone"):
        browser.find(f".tick[aria-label='Compare {name}']").click()
    assert browser.text("#compare") == "Compare 3 runs"
    browser.find("#compare").click()
    link = browser.until("return document.querySelector('#groups a[href]')", seconds=180)
    assert "alone" in browser.text("#alone")
    link.click()
    browser.until("return document.querySelector('.ranking')")
    assert "three" not in browser.text(".ranking")
    assert "alone" not in browser.text(".ranking")
    browser.find(".trail a").click()  # every report leads back
    browser.until(RUNS, 4)

    for name in ("alone", "one"):
        browser.find(f".tick[aria-label='Compare {name}']").click()
    browser.find("#compare").click()
    browser.until("return !document.getElementById('message').hidden", seconds=180)
    assert "No two of these runs" in browser.text("#message")
    browser.errors()  # the refusal


def test_a_comparison_survives_a_reload_and_is_cancelled(browser: Any, app: App) -> None:
    write_pairs(app.place / "pairs")
    for name in ("one", "two"):
        train(app.place, name)
    under_way = "return document.querySelector('#groups .progress-row:not([hidden])')"
    browser.driver.get(app.address)
    browser.until(RUNS, 2)
    browser.find("#compare").click()
    browser.until(under_way)
    browser.driver.refresh()
    browser.until(under_way)
    assert browser.text("#compare") == "Comparing…"
    browser.find("#groups button").click()
    browser.until("return document.getElementById('compared').hidden")
    browser.until("return document.getElementById('compare').innerText === 'Compare all runs'")
    assert not (app.place / "results").exists()
    browser.find("#compare").click()
    browser.until(under_way)
    browser.driver.refresh()  # whoever waits for it is led to it all the same
    browser.until("return location.pathname.includes('/reports/compare/')", seconds=180)


def test_the_weights_of_an_earlier_time_are_handed_to_the_restore_page(
    browser: Any, app: App
) -> None:
    write_pairs(app.place / "pairs")
    train(app.place, "times", n_epochs=3, no_html=False, display_freq=1, save_epoch_freq=1)
    run = app.ask("GET", "api/runs").json[0]
    assert run["epochs"]
    browser.driver.get(f"{app.address}runs/{run['id']}/")
    link = "return document.querySelector('.timeline a')?.href"
    browser.until(link)
    assert "epoch=" not in browser.run(link)
    browser.run(
        "const time = document.getElementById('time'); time.value = 0;"
        "time.dispatchEvent(new Event('input'));"
    )
    assert browser.run(link).endswith(f"?epoch={run['epochs'][0]}")


NOTIFIED = """window.told = [];
window.Notification = class { constructor(name, { body }) { window.told.push([name, body]); } };
Notification.permission = 'granted';
Notification.requestPermission = async () => 'granted';"""


@pytest.mark.parametrize("wanted", [True, False])
def test_the_end_of_a_training_is_notified_to_who_asked(
    browser: Any, app: App, wanted: bool
) -> None:
    added = browser.command("Page.addScriptToEvaluateOnNewDocument", source=NOTIFIED)
    try:
        run = begin(app, minutes=20)
        browser.driver.get(app.address)
        browser.until("return document.querySelector('.state[data-state=running]')", seconds=180)
        if wanted:
            browser.find("#notify").click()
        app.ask("POST", f"api/runs/{run}/stop", {})
        browser.until("return document.querySelector('.state[data-state=stopped]')", seconds=180)
        expected = [["얼굴", "The training has stopped."]] if wanted else []
        assert browser.run("return window.told") == expected
    finally:
        browser.run("localStorage.clear()")
        browser.command("Page.removeScriptToEvaluateOnNewDocument", **added)


def test_the_demo_begins_from_the_empty_first_page(browser: Any, app: App) -> None:
    browser.driver.get(app.address)
    browser.until("return !document.getElementById('welcome').hidden")
    browser.find("#demo").click()
    browser.until("return location.pathname.includes('/runs/')", seconds=180)
    browser.until(STATE, "running", seconds=180)
    run = app.ask("GET", "api/runs").json[0]
    assert run["name"] == "demo"
    assert app.ask("GET", f"api/runs/{run['id']}").json["demo"]  # at its end it says so
    assert len(list((app.place / "datasets" / "demo" / "train").iterdir())) == 3
    app.ask("POST", f"api/runs/{run['id']}/stop", {})
    until(lambda: state_of(app, run["id"]) == "stopped")
