"""Photograph the pages of a run for docs/images: `python benchmarks/screenshots.py [FOLDER]`.

FOLDER holds a run and its results; without one, a run on the astronaut's portrait is trained for
three minutes first. Needs Chromium, ChromeDriver and selenium. Writes each page at desktop and
phone width, light and dark, English and Korean.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait
from skimage.data import astronaut

from unretouch.pixels.images import write_png
from unretouch.pixels.retouch import retouch

SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip

LOOK_CLOSER = "const card = document.querySelector('.pair').card; card.setZoom(300)"


@dataclass(frozen=True)
class Shot:
    """One picture: which page, how the reader's browser is set, and what is done before."""

    name: str
    page: str
    language: str = "en-US"
    width: int = 1280
    height: int = 1250
    dark: bool = False
    script: str = ""


SHOTS = (
    Shot("live-page", "web/index.html"),
    Shot("live-page-dark-korean", "web/index.html", "ko-KR", dark=True, script=LOOK_CLOSER),
    Shot("live-page-phone", "web/index.html", "ko-KR", width=390, height=1500),
    Shot(
        "live-page-curves", "web/index.html", height=900,
        script="document.getElementById('log-scale').click();"
        "document.getElementById('curves-heading').scrollIntoView()",
    ),
    Shot("results-page", "results", height=1000),
    Shot("results-page-phone", "results", "ko-KR", width=390, height=1200, dark=True),
    Shot("verify-page", "verify", height=1500),
    Shot("verify-page-phone", "verify", "ko-KR", width=390, height=1400),
    Shot(
        "verify-page-dark-korean", "verify", "ko-KR", height=1500, dark=True,
        script="document.getElementById('places-heading').scrollIntoView()",
    ),
    Shot(
        "verify-page-curves", "verify", height=1250,
        script="document.getElementById('chart-spectrum').scrollIntoView()",
    ),
)  # fmt: skip


def make_run(folder: Path) -> None:
    """Train and test, in `folder`, on the face of the astronaut (NASA, public domain)."""
    photo = astronaut()
    after = retouch(photo, seed=0, all_surfaces=True)
    (folder / "pairs" / "train").mkdir(parents=True)
    for name, (top, left) in {"face": (0, 96), "patch": (256, 96), "flag": (128, 0)}.items():
        area = np.s_[top : top + 256, left : left + 256]
        combined = np.concatenate([after[area], photo[area]], axis=1)
        write_png(folder / "pairs" / "train" / f"{name}.png", combined)
    (folder / "heldout").mkdir()
    unseen = np.s_[256:512, 256:512]
    write_png(folder / "heldout" / "suit.png", np.concatenate([after[unseen], photo[unseen]], 1))
    common = ["--dataroot", "./pairs", "--name", "portrait_reverse"]
    for command in (
        ["train", *common, "--minutes", "3"],
        ["test", *common, "--model", "pix2pix"],
        ["verify", "portrait_reverse", "--heldout", "heldout"],
    ):
        subprocess.run([sys.executable, "-m", "unretouch", *command], cwd=folder, check=True)


def find_page(folder: Path, page: str) -> Path:
    """Return the page of the first run, of its first results, or of its report, anywhere below
    `folder`."""
    patterns = {"results": "results/**/index.html", "verify": "verify/index.html"}
    pattern = patterns.get(page, "web/index.html")
    found = sorted(folder.rglob(pattern))
    if not found:
        raise SystemExit(f"{folder}: holds no {pattern}")
    return found[0]


def photograph(driver: Any, page: Path, shot: Shot, out: Path) -> None:
    """Write `out` as PNG."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": shot.width, "height": shot.height, "deviceScaleFactor": 1,
         "mobile": shot.width < 600},
    )  # fmt: skip
    scheme = {"name": "prefers-color-scheme", "value": "dark" if shot.dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    agent = driver.execute_script("return navigator.userAgent")
    driver.execute_cdp_cmd(
        "Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": shot.language}
    )
    driver.get(page.as_uri())
    driver.execute_script("document.querySelector('.pair').scrollIntoView()")  # or it stays empty
    WebDriverWait(driver, 20).until(
        lambda d: d.execute_script(
            "const all = [...document.querySelectorAll('.pair:first-child img')];"
            "return all.length > 0 && all.every(i => i.complete && i.naturalWidth)"
        )
    )
    driver.execute_script("scrollTo(0, 0);" + shot.script)
    time.sleep(1)  # for fonts and the transitions of the slider
    picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    out.write_bytes(base64.b64decode(picture["data"]))


def main() -> None:
    """Take every picture, of the run that is named or of one made for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    default = Path(__file__).parents[1] / "docs" / "images"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.folder is not None:
        take_all(options.folder.resolve(), options.out)
        return
    with tempfile.TemporaryDirectory(prefix="unretouch-screenshots-") as temporary:
        make_run(Path(temporary))
        take_all(Path(temporary), options.out)


def take_all(folder: Path, out_folder: Path) -> None:
    """Write every shot of SHOTS, of the pages below `folder`."""
    binary, service = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and service):
        raise SystemExit("Chromium and ChromeDriver are not installed")
    settings = webdriver.ChromeOptions()
    settings.binary_location = binary
    for switch in SWITCHES:
        settings.add_argument(switch)
    # With its path given, selenium looks for no driver elsewhere.
    driver = webdriver.Chrome(options=settings, service=webdriver.ChromeService(service))
    try:
        for shot in SHOTS:
            out = out_folder / f"{shot.name}.png"
            photograph(driver, find_page(folder, shot.page), shot, out)
            print(out)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
