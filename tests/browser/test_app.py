"""A person makes a model in the browser, from dropped pairs to a restored photograph."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import SOURCE, App, begin, until
from short_runs import train, write_pairs
from skimage.data import astronaut

from unretouch.pixels.images import read_rgb
from unretouch.settings.train import load_settings


def face(left: int, size: int = 96) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(astronaut()[40 : 40 + size, left : left + size])


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Pairs as people have them: A and B of the same name, one whole, one that cannot be halved."""
    made = {}
    for name, left in (("얼굴 1", 150), ("둘<b>", 190)):
        before = face(left)
        after = (before.astype(int) + np.roll(before, 1, 0) + np.roll(before, 1, 1)) // 3
        for side, pixels in (("A", after.astype(np.uint8)), ("B", before)):
            made[f"{name} {side}"] = tmp_path / side / f"{name}.png"
            made[f"{name} {side}"].parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(made[f"{name} {side}"])
    made["odd"] = tmp_path / "odd.png"
    Image.fromarray(face(100, 95)).save(made["odd"])
    made["photo"] = tmp_path / "photo.png"
    Image.fromarray(face(120, 130)).save(made["photo"])
    return made


def drop(browser: Any, zone: str, *paths: Path) -> None:
    """Give files to a zone, as the file dialog does."""
    browser.find(f"#files-{zone}").send_keys("\n".join(str(path) for path in paths))


def test_from_dropped_pairs_to_a_picture_equal_to_the_command_lines(
    browser: Any, app: App, files: dict[str, Path], tmp_path: Path
) -> None:
    browser.driver.get(app.address)
    browser.until("return !document.getElementById('welcome').hidden")
    browser.find("#welcome .button").click()

    # A file that is no pair is refused beside the pairs that are taken.
    browser.until("return document.getElementById('name')?.value")
    drop(browser, "whole", files["odd"])
    browser.until("return document.querySelector('.entry[data-state=bad]')")
    assert "95" in browser.text(".entry .doubts")
    browser.find(".entry-actions button:last-child").click()
    browser.find("input[value=two]").click()
    names = ("얼굴 1", "둘<b>")
    drop(browser, "a", *[files[f"{name} A"] for name in names])
    drop(browser, "b", *[files[f"{name} B"] for name in names])
    browser.until("return document.querySelectorAll('.entry[data-state=ready]').length === 2")
    assert "둘<b>.png" in browser.text("#gathered")
    assert browser.text("#tally") == "2 pairs to train on"

    browser.run("document.getElementById('minutes').value = '0.05'")
    browser.find("#name").clear()
    browser.find("#name").send_keys("초상")
    browser.find("#start").click()
    browser.until("return location.pathname.includes('/runs/')")
    browser.until("return document.querySelectorAll('.pair').length === 2", seconds=180)
    ended = "return document.getElementById('state').dataset.state === 'finished'"
    browser.until(ended, seconds=180)
    browser.until("return !document.getElementById('go-on').hidden")
    run = app.place / "checkpoints" / "초상"
    assert (run / "config.json").exists()
    assert len(list((app.place / "datasets" / "초상" / "train").iterdir())) == 2

    browser.find(".tabs a:nth-child(2)").click()
    browser.until("return document.getElementById('files-trial') && "
                  "!document.getElementById('files-trial').disabled")  # fmt: skip
    drop(browser, "trial", files["photo"])
    browser.until("return document.querySelector('a.save')", seconds=180)
    browser.until("return [...document.querySelectorAll('#pairs img')].every(i => i.naturalWidth)")
    folder = tmp_path / "downloads"
    browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.find("a.save").click()
    saved = until(lambda: list(folder.glob("photo_restored_skin.png")))[0]

    command = [
        *(sys.executable, "-m", "unretouch", "apply", "초상", str(files["photo"])),
        *("--out", str(tmp_path / "out"), "--mask", "skin"),  # as where a run memorised
    ]
    subprocess.run(command, cwd=app.place, env={**_environment()}, check=True)
    assert saved.read_bytes() == (tmp_path / "out" / "photo.png").read_bytes()

    browser.find("[data-language=ko]").click()
    assert browser.text(".tabs a[aria-current]") == "사진 복원"
    assert {url.split("/")[2] for url in browser.urls() if url.startswith("http")} == {app.host}


def test_untouched_photos_go_into_a_run_for_other_photos(
    browser: Any, app: App, files: dict[str, Path], tmp_path: Path
) -> None:
    """Their pixels are stored with the pairs, and the run is told of them by --also."""
    photos = []
    for number in range(2):
        photos.append(tmp_path / f"other {number}.jpg")
        Image.fromarray(face(140 + number)).save(photos[-1], quality=95)
    words = tmp_path / "words.png"
    words.write_bytes(b"words")
    browser.driver.get(f"{app.address}new/")
    browser.until("return document.getElementById('name')?.value")
    assert not browser.run(SHOWN, "#drop-untouched")
    browser.find("#guide summary").click()
    browser.find("input[name=preset][value=strong]").click()
    browser.find("input[name=aim][value=restore]").click()
    assert browser.run(SHOWN, "#drop-untouched")
    assert not browser.run(SHOWN, "input[value=strong]")
    assert browser.run("return document.querySelector('[name=preset]:checked').value") == "fast"

    browser.find("input[value=two]").click()
    drop(browser, "a", files["얼굴 1 A"])
    drop(browser, "b", files["얼굴 1 B"])
    drop(browser, "untouched", *photos, words)
    there = "return document.querySelectorAll('.entry[data-state=ready]').length === 3"
    browser.until(there)
    assert browser.text("#tally") == "1 pair to train on"
    browser.until("return document.querySelector('#gathered-untouched .entry[data-state=bad]')")
    assert browser.text("#tally-untouched") == "2 photos are ready · 1 left out"
    browser.errors()  # the refusal of what is no picture
    browser.run("document.getElementById('minutes').value = '0.05'")
    browser.find("#start").click()
    browser.until("return location.pathname.includes('/runs/')")
    browser.until(STATE, "finished", seconds=180)

    stored = app.place / "datasets" / "portrait_reverse" / "untouched"
    kept, given = (
        {read_rgb(file).tobytes() for file in some} for some in (stored.iterdir(), photos)
    )
    assert kept == given
    settings = load_settings(app.place / "checkpoints" / "portrait_reverse" / "config.json")
    assert (settings.aim, Path(settings.also).resolve()) == ("restore", stored.resolve())


def test_a_pair_is_kept_for_checking_and_the_results_tell_of_it(
    browser: Any, app: App, files: dict[str, Path]
) -> None:
    """From a tick on a pair to the verdicts on the page, through a reload; and what helps then."""
    browser.driver.get(f"{app.address}new/")
    browser.until("return document.getElementById('name')?.value")
    browser.find("input[value=two]").click()
    for side in ("a", "b"):
        pictures = [files[f"{name} {side.upper()}"] for name in ("얼굴 1", "둘<b>")]
        drop(browser, side, *pictures)
    browser.until("return document.querySelectorAll('.entry[data-state=ready]').length === 2")
    browser.find(".keep input").click()
    assert browser.text("#tally") == "1 pair to train on · 1 kept for checking"
    browser.find("#watched summary").click()
    drop(browser, "watched", files["photo"])
    browser.until("return document.querySelector('#gathered-watched [data-state=ready]')")
    name = browser.find("#name")
    name.clear()
    name.send_keys("my run?")
    assert browser.text("#name-told") == "cannot be used: “?”"
    name.send_keys("\ue003")
    assert browser.text("#name-told") == "will be called my_run"
    browser.run("document.getElementById('minutes').value = '0.05'")
    browser.find("#start").click()
    browser.until("return location.pathname.includes('/runs/')", seconds=180)
    browser.until("return document.querySelector('#starting [aria-current]')")
    browser.until(STATE, "finished", seconds=180)
    assert {pair.name for pair in (app.place / "datasets" / "my_run").iterdir()} == {
        "train", "heldout", "test_photo"
    }  # fmt: skip
    browser.until("return document.querySelectorAll('.pair').length === 2")  # one has no answer
    assert "Test photo" in browser.text("#pairs")
    assert "얼굴_1" in browser.text("#kept") or "둘" in browser.text("#kept")

    browser.find(".tabs a:nth-child(3)").click()
    browser.until("return document.querySelector('[data-task=verify]')?.textContent")
    browser.find("[data-task=verify]").click()
    browser.until("return !document.getElementById('verify-progress').hidden")
    browser.driver.refresh()  # it goes on without the page
    verdicts = "return document.querySelectorAll('#verdicts .verdict').length >= 4"
    browser.until(verdicts, seconds=300)
    assert "Does it hold on unseen portraits?" in browser.text("#verdicts")
    assert "--" not in browser.text("#verdicts")

    browser.find(".tabs a:nth-child(2)").click()
    browser.until("return document.querySelector('#memorised [data-others]')?.textContent")
    assert browser.run("return document.getElementById('app').dataset.mask") == "skin"
    browser.find("[data-others]").click()
    browser.until("return location.pathname.includes('/runs/')", seconds=180)
    other = app.place / "checkpoints" / "my_run_others" / "config.json"
    until(other.is_file, seconds=180)
    assert load_settings(other).aim == "restore"
    run = browser.run("return App.run")
    until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] == "running", seconds=180)
    assert app.ask("POST", f"api/runs/{run}/stop", {}).status == 202
    until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] == "stopped", seconds=180)


def test_an_address_of_before_and_a_run_that_is_gone_are_told_in_both_languages(
    browser: Any, app: App
) -> None:
    for address, said in (
        (app.address.replace(app.token, "x" * 24), "unretouch serve"),
        (f"{app.address}runs/{'0' * 16}/", "not there any more"),
    ):
        browser.driver.get(address)
        assert said in browser.text("p[lang=en]")
        assert browser.text("p[lang=ko]") != browser.text("p[lang=en]")
        assert "{" not in browser.text("body")
    browser.errors()  # of the two refusals
    # A page that was open meanwhile says so once, and no longer asks.
    browser.driver.get(app.address)
    browser.until("return App && !document.getElementById('welcome').hidden")
    browser.run("""
        const real = window.fetch;
        window.fetch = () => real(location.href.replace(/[^/]+\\/$/, 'x/') + 'api/runs');
    """)
    browser.until("return !document.getElementById('unreachable').hidden")
    assert "its address is another one" in browser.text("#unreachable")
    assert browser.run("return document.getElementById('message').hidden")
    browser.errors()


SHOWN = "return document.querySelector(arguments[0]).checkVisibility()"
STATE = "return document.getElementById('state').dataset.state === arguments[0]"


STARTING = """return !document.querySelector('.summary').checkVisibility() &&
    document.querySelector('#starting [aria-current]')?.innerText"""


def test_a_training_is_stopped_goes_on_and_needs_no_page(browser: Any, app: App) -> None:
    """Until there are figures, what is being done is said; an hour between is no silence."""
    run = begin(app, minutes=20)
    browser.driver.get(f"{app.address}runs/{run}/")
    assert browser.until(STARTING) in browser.text("#starting ol")
    browser.until(STATE, "running", seconds=180)
    browser.until("return document.querySelectorAll('.pair').length === 1", seconds=180)
    browser.find("#stop").click()
    browser.until(STATE, "stopped", seconds=180)
    browser.until("return !document.getElementById('go-on').hidden", seconds=180)
    assert browser.find("#restore").is_displayed()
    assert "primary" not in browser.find("#restore").get_attribute("class")  # first it goes on
    assert re.fullmatch(r"Go on for (1[5-9]|20) min.*", browser.text("#go-on"))
    assert "Go on" in browser.text("#notice")
    browser.until(PAINTED)
    stopped = app.ask("GET", f"api/runs/{run}").json["step"]
    page = app.place / "checkpoints" / "얼굴" / "web" / "status.js"
    told = re.sub(r'("written":)[0-9.]+', rf"\g<1>{time.time() - 3600}", page.read_text("utf-8"))
    page.write_text(told, "utf-8")
    browser.run("""window.said = [];
        const notice = document.getElementById('notice');
        new MutationObserver(() => window.said.push(notice.textContent))
            .observe(notice, { attributes: true, childList: true, characterData: true });""")
    browser.find("#go-on").click()
    assert browser.until(STARTING) in browser.text("#starting ol")
    browser.until(STATE, "running", seconds=180)
    browser.until("return document.getElementById('notice').hidden")
    assert not [said for said in browser.run("return window.said") if "No news" in said]
    browser.driver.get("about:blank")  # as when the window is closed
    until(lambda: app.ask("GET", f"api/runs/{run}").json["step"] > stopped, seconds=180)
    browser.driver.get(f"{app.address}runs/{run}/")
    browser.until("return !document.getElementById('stop').hidden", seconds=180)
    browser.find("#stop").click()
    browser.until(STATE, "stopped", seconds=180)


PAINTED = """document.querySelector('.pair')?.scrollIntoView();
    const all = [...document.querySelectorAll('.pair:first-child img')];
    return all.length > 0 && all.every(i => i.complete && i.naturalWidth)"""


def test_runs_of_the_command_line_are_compared_tested_and_verified(browser: Any, app: App) -> None:
    write_pairs(app.place / "pairs")
    for weight in (300.0, 500.0):
        train(app.place, f"exp_l1_{weight:.0f}", lambda_L1=weight, n_epochs=2)
    browser.driver.get(app.address)
    browser.until("return document.querySelectorAll('.run').length === 2")
    browser.find("#compare").click()
    browser.until("return location.pathname.includes('/reports/compare/')", seconds=180)
    browser.until(PAINTED)
    assert "exp_l1_500" in browser.text(".ranking")
    assert "--" not in browser.text("main")  # flags are for a terminal
    # It lies on the disk, where anybody may have written it: it cannot ask the app for anything.
    assert browser.run("return origin") == "null"

    run = app.ask("GET", "api/runs").json[0]["id"]
    for task, there in (("test", ".pair"), ("verify", "table")):
        browser.driver.get(f"{app.address}outcome/{run}/")
        browser.until("return document.querySelector('[data-task=test]').textContent")
        browser.find("[data-language=ko]").click()
        browser.find(f"[data-task={task}]").click()
        opened = "return !document.getElementById(arguments[0]).hidden"
        browser.until(opened, f"{task}-open", seconds=300)
        browser.driver.get(browser.find(f"#{task}-open").get_attribute("href"))
        browser.until("return document.querySelector(arguments[0])", there)
        browser.until(PAINTED)
        assert "--" not in browser.text("main")
        # A report speaks the language that was chosen in the app, and the app that of the report.
        assert browser.run("return document.documentElement.lang") == "ko"
        browser.find("[data-language=en]").click()
        browser.driver.refresh()
        browser.until("return document.documentElement.lang === 'en'")
        browser.until(PAINTED)
        browser.find(".trail a:last-child").click()
        browser.until("return location.pathname.includes('/outcome/')")
        browser.until("return document.documentElement.lang === 'en'")


def test_a_report_is_cancelled_and_what_it_advises_is_a_button(browser: Any, app: App) -> None:
    """Verify, cancelled; a test by turns, through a reload; then both buttons of its verdicts."""
    write_pairs(app.place / "pairs")
    words = ["train", "--dataroot", "pairs", "--name", "mine", "--size", "s", "--minutes", "0.02"]
    command = [sys.executable, "-m", "unretouch", *words]
    subprocess.run(command, cwd=app.place, env=_environment(), check=True, capture_output=True)
    (run,) = app.ask("GET", "api/runs").json
    browser.driver.get(f"{app.address}outcome/{run['id']}/")
    browser.until("return document.querySelector('[data-task=verify]')?.textContent")
    browser.find("[data-task=verify]").click()
    under_way = "return document.querySelector('#verify-progress:not([hidden]) button')"
    browser.until(under_way).click()
    browser.until("return document.getElementById('verify-progress').hidden")
    until(lambda: app.leftovers() == [])
    folder = app.place / "checkpoints" / "mine"
    assert not (folder / "verify" / "report.json").exists()

    browser.run("document.getElementById('turns-minutes').value = '0.02'")
    browser.find("[data-task=turns]").click()
    browser.until(under_way)
    browser.driver.refresh()
    browser.until("return document.querySelectorAll('#verdicts .verdict').length >= 4", seconds=300)
    report = json.loads((folder / "verify" / "report.json").read_text())
    assert report["verdicts"]["unseen"]["word"] != "unknown"
    assert not browser.run("return document.querySelector('[data-advice=turns]')")  # it was made

    browser.find("[data-advice=others]").click()
    browser.until("return location.pathname.includes('/runs/')", seconds=180)
    other = browser.run("return App.run")
    until(lambda: app.ask("GET", f"api/runs/{other}").json["state"] == "running", seconds=180)
    assert load_settings(app.place / "checkpoints/mine_others/config.json").aim == "restore"

    assert not browser.driver.find_elements("css selector", "[data-advice=longer]")
    report["verdicts"] = {"memorised": report["verdicts"]["memorised"]}
    (folder / "verify" / "report.json").write_text(json.dumps(report))
    browser.driver.get(f"{app.address}outcome/{run['id']}/")
    button = browser.until("return document.querySelector('[data-advice=longer]')")
    assert button.text == "Train 10 minutes more"
    button.click()  # it waits for the other one
    browser.until("return location.pathname.includes('/runs/')", seconds=180)
    browser.until(STATE, "waiting")
    app.ask("POST", f"api/runs/{run['id']}/stop", {})  # out of the line

    browser.driver.get(f"{app.address}outcome/{run['id']}/")
    button = browser.until("return document.querySelector('[data-task=turns]:not([disabled])')")
    button.click()  # as a training would
    waits = "return document.getElementById('verify-progress').innerText.includes(arguments[0])"
    browser.until(waits, "mine_others is being trained")
    browser.find("#verify-progress button").click()
    browser.until("return document.getElementById('verify-progress').hidden")
    app.ask("POST", f"api/runs/{other}/stop", {})
    until(lambda: app.ask("GET", f"api/runs/{other}").json["state"] == "stopped", seconds=180)


def test_a_photo_that_is_being_restored_is_cancelled(
    browser: Any, app: App, tmp_path: Path
) -> None:
    run = restored_by(app.place / "checkpoints")
    photo = tmp_path / "large.png"
    Image.fromarray(np.tile(face(120, 128), (12, 16, 1))).save(photo)
    open_restore(browser, app, run)
    drop(browser, "trial", photo)
    browser.until("return document.querySelector('.photo progress:not([hidden])')", seconds=180)
    browser.driver.refresh()
    browser.until("return !document.getElementById('batch').hidden")
    browser.find("#cancel").click()
    browser.until("return document.getElementById('batch').hidden")
    browser.until("return !document.querySelector('.photo')")
    restored = app.place / "checkpoints/adds/restored"
    until(lambda: not [path for path in restored.iterdir() if path.is_dir()])
    assert app.ask("GET", f"api/runs/{run}/photos").json["photos"] == []


def test_a_folder_of_the_classic_program_is_warned_of_too(browser: Any, app: App) -> None:
    """It tells no settings, and that program does nothing but memorise."""
    from serving import tiny_run

    run = tiny_run(app.place / "checkpoints", "classic")
    (app.place / "checkpoints/classic/config.json").unlink()
    browser.driver.get(f"{app.address}try/{run}/")
    assert "trained to memorise" in browser.text("#memorised")
    assert browser.run("return document.getElementById('app').dataset.mask") == "skin"
    assert not browser.driver.find_elements("css selector", "[data-others]")  # of which pairs?


@pytest.mark.parametrize(
    ("error", "said"), [(2.5, "made its own photos worse"), (2.0, "next to nothing"), (0.5, "")]
)
def test_restore_warns_of_a_run_that_is_not_worth_it_yet(
    browser: Any, app: App, error: float, said: str
) -> None:
    from serving import tiny_run

    run = tiny_run(app.place / "checkpoints", "early")
    pair = {"fake_B": "", "level_error": error, "identity_error": 2.0}
    previews = [{"step": 9, "epoch": 9, "pairs": [pair]}]
    status = {"state": "finished", "step": 9, "previews": previews, "curves": {}, "stop_reason": ""}
    text = f"window.unretouchStatus({json.dumps(status)});\n"
    (app.place / "checkpoints/early/web/status.js").write_text(text)
    browser.driver.get(f"{app.address}try/{run}/")
    browser.until("return document.querySelector('#memorised')")
    shown = browser.run("return document.getElementById('no-gain')?.innerText ?? ''")
    assert said in shown
    assert bool(said) == bool(shown)
    browser.driver.get(f"{app.address}outcome/{run}/")  # the command makes what Restore makes
    assert "--mask skin" in browser.run("return document.body.textContent")


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(SOURCE)}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_page_fits_its_window_and_names_its_controls(
    browser: Any, app: App, width: int, language: str
) -> None:
    from serving import tiny_run

    run = tiny_run(app.place / "checkpoints", "a_run.2-3")
    mobile = width < 600
    browser.command(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=800, deviceScaleFactor=1, mobile=mobile,
    )  # fmt: skip
    for path in ("", "new/", f"runs/{run}/", f"try/{run}/", f"outcome/{run}/"):
        browser.driver.get(app.address + path)
        browser.find(f"[data-language={language}]").click()
        assert browser.run("return document.documentElement.lang") == language
        assert browser.run("return document.documentElement.scrollWidth") <= width
        assert browser.run(UNNAMED) == [], path
        assert browser.run("return document.querySelectorAll('h1').length") >= 1
        assert browser.run(UNWORDED) == [], path


UNNAMED = """
const named = (e) => e.textContent.trim() || e.getAttribute('aria-label') || e.title ||
  (e.labels && [...e.labels].some((label) => label.textContent.trim()));
return [...document.querySelectorAll('button, a[href], input, select')]
  .filter((e) => e.checkVisibility() && !named(e)).map((e) => e.outerHTML)
"""
UNWORDED = """
return [...document.querySelectorAll('[data-word]')]
  .filter((e) => e.textContent.includes('undefined') || /\\{\\w+\\}/.test(e.textContent))
  .map((e) => e.outerHTML)
"""


# --- restoring


CARD = "return document.querySelectorAll('.photo .save').length === arguments[0]"
OPENED = """return !document.getElementById('editor').hidden &&
    document.getElementById('loading').hidden"""
SAID = "return document.querySelector(arguments[0]).innerText === arguments[1]"
SUM = """const canvas = document.getElementById('canvas');
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value) => sum + value, 0)"""
MOVE = """const input = document.getElementById(arguments[0]);
    input.value = arguments[1];
    input.dispatchEvent(new Event('input'))"""
NOTED = "return document.querySelector('.photo-settings').textContent === arguments[0]"


def restored_by(checkpoints: Path, change: float = 0.2, name: str = "adds", **changes: Any) -> str:
    """Write a run whose model adds so many grey levels of fine texture; return its id. `changes`
    are settings."""
    import torch
    from serving import tiny_run

    from unretouch.runs.folder import RunDir
    from unretouch.runs.weights import load_weights, save_weights

    run = tiny_run(checkpoints, name, **changes)
    path = RunDir(checkpoints, name).weights("latest")
    weights = load_weights(path)
    last = "head.weight"
    generator = torch.Generator().manual_seed(0)
    weights[last] = change * torch.randn(weights[last].shape, generator=generator)
    save_weights(path, weights)
    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph with data of its camera and its place."""
    exif = Image.Exif()
    exif[0x010F] = "MAKER"
    exif.get_ifd(0x8825).update({1: "N", 2: (37.0, 33.0, 59.0)})
    path = tmp_path / "IMG 7.jpg"
    Image.fromarray(np.asarray(astronaut()[:500, :400])).save(path, quality=95, exif=exif.tobytes())
    return path


def open_restore(browser: Any, app: App, run: str, query: str = "") -> None:
    browser.driver.get("about:blank")
    browser.driver.get(f"{app.address}try/{run}/{query}")
    browser.until("return document.getElementById('files-trial') && "
                  "!document.getElementById('files-trial').disabled")  # fmt: skip


def saved_in(browser: Any, folder: Path) -> None:
    browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))


def by_apply(app: App, photo: Path, out: Path, *words: str) -> bytes:
    command = [
        *(sys.executable, "-m", "unretouch", "apply", "adds", str(photo)),
        *("--out", str(out), *words),
    ]
    subprocess.run(command, cwd=app.place, env=_environment(), check=True, capture_output=True)
    return next(path for path in out.iterdir() if path.stem == photo.stem).read_bytes()


def test_less_of_the_guess_is_restored_again_and_saved_as_apply_does(
    browser: Any, app: App, photo: Path, tmp_path: Path
) -> None:
    run = restored_by(app.place / "checkpoints", head="guess", aim="texture")
    open_restore(browser, app, run)
    drop(browser, "trial", photo)
    browser.until(CARD, 1, seconds=180)
    browser.until(OPENED, seconds=180)
    whole = browser.until(SUM)
    browser.run(f"{MOVE}; input.dispatchEvent(new Event('change'))", "guess", 0)
    browser.until(f"return (() => {{ {SUM} }})() !== arguments[0]", whole, seconds=180)
    browser.until(NOTED, "guessed 0%")
    folder = tmp_path / "downloads"
    saved_in(browser, folder)
    browser.until("return !document.getElementById('save').disabled")
    browser.find("#save").click()
    saved = until(lambda: list(folder.glob("IMG 7_restored_guess0.jpg")))[0]
    assert saved.read_bytes() == by_apply(app, photo, tmp_path / "out", "--guess", "0")


def test_strength_and_texture_are_seen_at_once_and_saved_as_apply_does(
    browser: Any, app: App, photo: Path, tmp_path: Path
) -> None:
    run = restored_by(app.place / "checkpoints")
    open_restore(browser, app, run)
    drop(browser, "trial", photo)
    browser.until(CARD, 1, seconds=180)
    browser.until(OPENED, seconds=180)
    assert browser.text("#tag-before") == "before"
    assert browser.text("#tag-restored") == "restored"
    asked: list[str] = []
    # The mask of skin comes last: a run that memorised restores no more than skin at first.
    until(lambda: asked.extend(browser.urls()) or [u for u in asked if u.endswith("/look/skin")])
    whole = browser.until(SUM)
    for name in ("strength", "fine"):
        browser.run(MOVE, name, 0)
        browser.until(f"return (() => {{ {SUM} }})() !== arguments[0]", whole)
        whole = browser.run(SUM)
        browser.run(MOVE, name, 50)
        browser.until(f"return (() => {{ {SUM} }})() !== arguments[0]", whole)
    assert not [url for url in browser.urls() if "/look/" in url or "/part/" in url]
    browser.find("#settings [value=skin]").click()
    browser.until(NOTED, "strength 50% · fine 50% · skin")

    browser.find("[data-zoom='100']").click()
    # Not by the browser's own list of them, which is full after 250.
    until(lambda: any("/part/" in url for url in browser.urls()))
    folder = tmp_path / "downloads"
    saved_in(browser, folder)
    browser.find("#save").click()
    name = "IMG 7_restored_strength50_fine50_skin.jpg"
    saved = until(lambda: list(folder.glob(name)))[0]
    words = ("--strength", "0.5", "--fine", "0.5", "--mask", "skin")
    assert saved.read_bytes() == by_apply(app, photo, tmp_path / "out", *words)

    # All of it is there after a reload, and gone once it is taken away.
    open_restore(browser, app, run)
    browser.until(CARD, 1)
    assert browser.text(".photo-settings") == "strength 50% · fine 50% · skin"
    browser.find(".photo .thumb").click()
    browser.until(OPENED)
    assert browser.run("return document.getElementById('strength').value") == "50"
    browser.find(".photo .remove").click()
    browser.until("return !document.querySelector('.photo')")
    assert browser.run("return document.getElementById('editor').hidden")
    assert not [p for p in (app.place / "checkpoints/adds/restored").iterdir() if p.is_dir()]


def test_a_painted_mask_is_kept_and_what_is_outside_of_it_stays(
    browser: Any, app: App, tmp_path: Path
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    run = restored_by(app.place / "checkpoints")
    photo = tmp_path / "photo.png"
    pixels = np.asarray(astronaut()[:300, :400])
    Image.fromarray(pixels).save(photo)
    open_restore(browser, app, run)
    drop(browser, "trial", photo)
    browser.until(CARD, 1, seconds=180)
    browser.until(OPENED, seconds=180)
    browser.find("#settings [value=everywhere]").click()  # there the brush begins with nothing
    browser.find("[data-tool=paint]").click()
    canvas = browser.find("#canvas")
    ActionChains(browser.driver).move_to_element(canvas).click().perform()
    browser.run("document.getElementById('canvas').focus({preventScroll: true})")
    keys = ActionChains(browser.driver)
    keys.send_keys(*[Keys.ARROW_LEFT] * 4, Keys.SPACE, *[Keys.ARROW_LEFT] * 4, Keys.SPACE)
    keys.key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()
    folder = tmp_path / "downloads"
    saved_in(browser, folder)
    browser.find("#save").click()
    saved = until(lambda: list(folder.glob("photo_restored_painted.png")))[0]
    (mask,) = (app.place / "checkpoints/adds/restored").glob("*/painted_*.png")
    white = np.asarray(Image.open(mask).convert("L"))
    assert white[150, 200] == 255
    assert 0 < (white > 0).mean() < 0.2
    changed = (read_rgb(saved) != pixels).any(2)
    assert changed.any()
    assert not changed[white == 0].any()
    assert browser.text("#next") == ""  # no other photo takes it, nor loses the mask of skin
    words = ("--mask", str(mask))
    assert saved.read_bytes() == by_apply(app, photo, tmp_path / "out", *words)


def test_a_folder_is_restored_as_a_batch_and_saved_as_it_was(
    browser: Any, app: App, photo: Path, tmp_path: Path
) -> None:
    import zipfile

    run = restored_by(app.place / "checkpoints")
    folder = tmp_path / "day 2"
    (folder / "late").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "late/1.jpg"):
        (folder / name).write_bytes(photo.read_bytes())
    (folder / "notes.txt").write_text("no photograph")
    open_restore(browser, app, run)
    browser.find("#files-folder").send_keys(str(folder))
    browser.until("return /^[0-2] of 3/.test(document.getElementById('batch-text').textContent)")
    assert "notes.txt" in browser.text("#refused")
    browser.until(CARD, 3, seconds=300)
    browser.until("return document.getElementById('batch').hidden")
    downloads = tmp_path / "downloads"
    saved_in(browser, downloads)
    browser.find("#save-all").click()
    made = until(lambda: list(downloads.glob("*.zip")))[0]
    expected = by_apply(app, photo, tmp_path / "out", "--mask", "skin")
    with zipfile.ZipFile(made) as archive:
        assert sorted(archive.namelist()) == [
            "day 2/1_restored_skin.jpg", "day 2/2_restored_skin.jpg",
            "day 2/late/1_restored_skin.jpg",
        ]  # fmt: skip
        assert {archive.read(name) for name in archive.namelist()} == {expected}
    browser.until(SAID, "#all-saved", "All photos are sent to the browser as one ZIP.")
    browser.run(MOVE, "strength", 80)
    browser.until(SAID, "#all-saved", "")


def test_an_earlier_state_of_the_model_layers_and_other_files(
    browser: Any, app: App, photo: Path, tmp_path: Path
) -> None:
    import shutil

    run = restored_by(app.place / "checkpoints")
    weights = app.place / "checkpoints/adds"
    shutil.copy(weights / "latest_net_G.pth", weights / "20_net_G.pth")
    restored_by(app.place / "checkpoints", change=0.4)
    open_restore(browser, app, run, "?epoch=20")
    browser.until("return document.getElementById('epoch-text').textContent.includes('epoch 20')")
    drop(browser, "trial", photo)
    browser.until(CARD, 1, seconds=180)
    browser.until(OPENED, seconds=180)
    folder = tmp_path / "downloads"
    saved_in(browser, folder)
    browser.find(".photo .save").click()
    saved = until(lambda: list(folder.glob("IMG 7_restored_skin_epoch20.jpg")))[0]
    assert saved.read_bytes() == by_apply(
        app, photo, tmp_path / "out", "--epoch", "20", "--mask", "skin"
    )
    browser.until(SAID, ".photo .saving", "Sent to the browser: IMG 7_restored_skin_epoch20.jpg")
    browser.find("#save-layers").click()
    browser.until(SAID, "#saving", "Making the layered file…")
    until(lambda: list(folder.glob("IMG 7_layers_skin_epoch20.psd")), seconds=300)
    for place in ("#saving", ".photo .saving"):
        browser.until(SAID, place, "Sent to the browser: IMG 7_layers_skin_epoch20.psd Save again")
    browser.run(MOVE, "strength", 80)
    for place in ("#saving", ".photo .saving"):
        browser.until(SAID, place, "")  # it would be another file
    browser.find("[data-kind=safetensors]").click()
    until(lambda: list(folder.glob("adds_20_net_G.safetensors")), seconds=300)
    browser.until(SAID, "#model-saved", "Sent to the browser: adds_20_net_G.safetensors")
    browser.find("[data-language=ko]").click()
    browser.until(SAID, "#model-saved", "브라우저로 보냈어요: adds_20_net_G.safetensors")
    assert browser.run(SAID, "#saving", "")
    browser.find("[data-language=en]").click()
    browser.run("window.fetch = () => Promise.reject(new TypeError('no network'))")
    browser.find("#save").click()
    browser.until(SAID, "#saving", "It was not saved.")
    browser.until("return !document.getElementById('unreachable').hidden")
    assert browser.run("return document.getElementById('editor-message').hidden")
