"""A real browser, and a run's page with real pictures in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import App, running

from unretouch.pixels.pair_pictures import error_map
from unretouch.report.run_display import write_status, write_training_page
from unretouch.runs.status import (
    LastSave,
    Preview,
    PreviewPair,
    PreviewPlace,
    TrainingStatus,
)

# The switches keep Chromium from looking up its maker's hosts and from needing a sandbox as root.
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip
# Pages that look for news every two or three seconds do so ten times as often.
IMPATIENT = """const later = window.setTimeout;
window.setTimeout = (act, ms, ...given) => later(act, ms < 1000 ? ms : ms / 10, ...given);"""
NAMES = ("portrait_01", "얼굴 두번째 #2 50%", "<img src=x onerror=alert(1)>")
WIDTH, HEIGHT = 160, 200


@dataclass
class Browser:
    """A tab, and what went wrong in it."""

    driver: Any

    def open(
        self, page: Path, *, language: str = "en-US", width: int = 1280, dark: bool = False
    ) -> None:
        """Open the page from the disk as a reader with these settings does, and wait for it."""
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=800, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])
        agent = self.run("return navigator.userAgent")
        self.command("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        self.driver.get(page.as_uri())
        self.run("try { localStorage.clear(); } catch {}")
        self.driver.get(page.as_uri())

    def command(self, method: str, **values: Any) -> Any:
        return self.driver.execute_cdp_cmd(method, values)

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def until(self, script: str, *values: Any, seconds: float = 240) -> Any:
        """Wait until the script returns something true, and return it.

        Long enough for a machine with other work; waiting costs only a test that fails.
        """
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, 0.05).until(
            lambda driver: driver.execute_script(script, *values), f"never true: {script}"
        )

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def find(self, selector: str) -> Any:
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def errors(self) -> list[str]:
        """Return what the console complained about, a refused script or a lost picture too."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]

    def urls(self) -> list[str]:
        """Return every address asked for since the last call."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        return [
            m["params"]["request"]["url"]
            for m in messages
            if m["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary, service = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and service):
        reason = "Chromium and ChromeDriver are not installed (apt-get install chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in SWITCHES:
        options.add_argument(switch)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": IMPATIENT})
    try:
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser, with an empty log; a test that leaves an error in the console fails."""
    chromium.driver.get("about:blank")
    chromium.errors()
    chromium.urls()
    yield chromium
    assert chromium.errors() == []


@pytest.fixture
def app(browser: Browser, tmp_path: Path) -> Iterator[App]:
    """The app, with its folders in `tmp_path`/app."""
    with running(tmp_path / "app") as started:
        yield started
        # A page left open would ask the stopped server for news, and complain of its silence.
        browser.driver.get("about:blank")


def _face(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A part of a real photograph, levels (HEIGHT, WIDTH, 3)."""
    from skimage.data import astronaut

    top, left = (10, 140) if seed == 0 else (40 * seed, 30 * seed)
    return astronaut()[top : top + HEIGHT, left : left + WIDTH].astype(np.float32)


@dataclass
class Run:
    """A run folder's page, brought forward as a trainer does."""

    web: Path
    previews: list[Preview] = field(default_factory=list)
    steps: int = 0

    @property
    def page(self) -> Path:
        return self.web / "index.html"

    def preview(self, step: int) -> None:
        """Take the pictures of a step: the nearer to 1000, the nearer to the answer."""
        share = min(1.0, step / 1000)
        pairs = []
        for number, name in enumerate(NAMES):
            target = _face(number)
            source = (target + np.roll(target, 2, 0) + np.roll(target, 2, 1)) / 3
            prediction = source + share * (target - source)
            files = {
                "real_A": f"images/epoch000_{name}_real_A.png",
                "real_B": f"images/epoch000_{name}_real_B.png",
                "fake_B": f"images/epoch{step // 3:03d}_{name}_fake_B.png",
                "error_map": f"images/epoch{step // 3:03d}_{name}_error.png",
            }
            pictures = (source, target, prediction, error_map(prediction, target))
            for file, levels in zip(files.values(), pictures, strict=True):
                Image.fromarray(np.rint(levels).astype(np.uint8)).save(self.web / file)
            error = float(np.abs(prediction - target).mean())
            identity = float(np.abs(source - target).mean())
            pairs.append(
                PreviewPair(
                    name=name,
                    level_error=error,
                    identity_error=identity,
                    recovered_share=1 - error / identity,
                    **files,
                )
            )
        self.previews.append(Preview(step=step, epoch=step // 3, pairs=pairs))
        self.steps = max(step, self.steps)
        self.tell()

    def large_preview(self, step: int, whole: bool = False) -> None:
        """Take the pictures of a step of one pair of 24 megapixels, with or without the whole."""
        for part in ("whole", "first", "second", "other"):
            for number, label in enumerate(("real_A", "fake_B", "real_B", "error")):
                levels = _face(number % 3)[:100, : 150 if part == "whole" else 100]
                picture = Image.fromarray(levels.astype(np.uint8))
                picture.save(self.web / f"images/epoch{step:03d}_{part}_{label}.png")

        def files(part: str) -> dict[str, str]:
            names = {n: f"images/epoch{step:03d}_{part}_{n}.png" for n in ("real_A", "fake_B")}
            names["real_B"] = f"images/epoch{step:03d}_{part}_real_B.png"
            return {**names, "error_map": f"images/epoch{step:03d}_{part}_error.png"}

        places = tuple(
            PreviewPlace(
                kind=kind, left=3120, top=1840, width=320, height=320, level_error=2.0,
                identity_error=3.0, **files(part),
            )
            for kind, part in (("strongest", "first"), ("strongest", "second"), ("worst", "other"))
        )  # fmt: skip
        pictures = files("whole")
        if not whole:
            pictures.update(fake_B="", error_map="")
        pair = PreviewPair(
            name="studio", level_error=0.5, identity_error=1.0, recovered_share=0.5,
            estimated=not whole, sampled_tiles=0 if whole else 12, size=(6000, 4000),
            exact_pixels=0.25 if whole else None, places=places, **pictures,
        )  # fmt: skip
        self.previews.append(Preview(step=step, epoch=step // 3, pairs=[pair]))
        self.steps = max(step, self.steps)
        self.tell()

    def tell(self, **changes: Any) -> None:
        """Write the status, changed as given."""
        steps = [float(s) for s in range(1, self.steps + 1)]
        falling = [100 / s for s in steps]
        values: dict[str, Any] = {
            "name": "초상_reverse",
            "state": "running",
            "step": self.steps,
            "total_steps": 6000,
            "epoch": self.steps // 3,
            "total_epochs": 2000,
            "elapsed_s": 600.0,
            "left_s": 5400.0,
            "lr": 0.0001,
            "lambda_L1": 500.0,
            "identity_error": self.previews[-1].pairs[0].identity_error if self.previews else 0.0,
            "last_save": LastSave(step=max(0, self.steps - 1), time=1.7e9),
            "curves": {
                "step": steps, "level_error": falling, "G_L1": [4 * v for v in falling],
                "G_GAN": [0.7] * len(steps), "D_real": [0.6] * len(steps),
                "D_fake": [0.5] * len(steps),
            },
            "previews": self.previews,
        }  # fmt: skip
        write_status(self.web, TrainingStatus(**{**values, **changes}))


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[], Run]:
    """A function that makes a run which has only just begun."""

    def make() -> Run:
        web = tmp_path / "checkpoints" / "초상 #1" / "web"
        (web / "images").mkdir(parents=True)
        write_training_page(web)
        return Run(web)

    return make


@pytest.fixture
def run(new_run: Callable[[], Run]) -> Run:
    """A run with three previews."""
    made = new_run()
    for step in (0, 300, 600):
        made.preview(step)
    return made
