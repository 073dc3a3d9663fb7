"""Photograph every page for docs/images: `python benchmarks/screenshots.py [FOLDER]`.

FOLDER takes the runs that are photographed, made on the astronaut's portrait in about ten minutes,
and is used again where it is there; without one they are made in a temporary folder. Needs
Chromium, ChromeDriver, selenium and a font with Korean letters (fonts-noto-cjk). Writes each page
at desktop and phone width, light and dark, English and Korean.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from skimage.data import astronaut

from unretouch.pixels.images import write_png
from unretouch.pixels.retouch import retouch
from unretouch.serve.runs import run_id

SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip

NAME = "portrait_reverse"
LIVE = "studio"
"""The run that is being trained while its page is photographed."""
LOOK_CLOSER = "document.querySelector('.pair').card.setZoom(300)"
PICTURES = """const all = [...document.querySelectorAll('.pair:first-child img')];
    return all.length > 0 && all.every(i => i.complete && i.naturalWidth)"""
THUMBNAILS = """const all = [...document.querySelectorAll('.run img:not([hidden])')];
    return all.length > 3 && all.every(i => i.complete && i.naturalWidth)"""


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
    drop: tuple[str, str] | None = None
    """zone of the page, and which files of the folder are dropped on it"""
    until: str = PICTURES


def _scroll_to(element: str) -> str:
    return f"document.getElementById('{element}').scrollIntoView()"


_WELCOMED = "return !document.getElementById('welcome').hidden"
_GATHERED = "return document.querySelectorAll('.entry[data-state=ready]').length === 3"
_GATHER = {"drop": ("whole", "pairs/train/*.png"), "until": _GATHERED}
_RESTORED = """return !document.getElementById('editor').hidden &&
    document.getElementById('loading').hidden"""
_RESTORE = {"drop": ("trial", "photo.png"), "until": _RESTORED}
_JUDGED = "return document.querySelector('.verdict')"

SHOTS = (
    Shot("live-page", "web", height=1000),
    Shot("live-page-dark-korean", "web", "ko-KR", dark=True, script=LOOK_CLOSER),
    Shot("live-page-phone", "web", "ko-KR", width=390, height=1500),
    Shot(
        "live-page-curves", "web", height=900,
        script="document.getElementById('log-scale').click();" + _scroll_to("curves-heading"),
    ),
    Shot("results-page", "results", height=1000),
    Shot("results-page-phone", "results", "ko-KR", width=390, height=1200, dark=True),
    Shot("verify-page", "verify", height=1500),
    Shot("verify-page-phone", "verify", "ko-KR", width=390, height=1400),
    Shot(
        "verify-page-dark-korean", "verify", "ko-KR", height=1500, dark=True,
        script=_scroll_to("places-heading"),
    ),
    Shot("verify-page-curves", "verify", script=_scroll_to("chart-spectrum")),
    Shot("compare-page", "compare"),
    Shot("compare-page-pictures", "compare", height=1000, script=_scroll_to("pairs-heading")),
    Shot("compare-page-phone", "compare", "ko-KR", width=390, height=1500),
    Shot(
        "compare-page-dark-korean", "compare", "ko-KR", dark=True,
        script=_scroll_to("curves-heading"),
    ),
    Shot("app-welcome", "app:empty", height=640, until=_WELCOMED),
    Shot("app-runs", "app:", height=760, until=THUMBNAILS),
    Shot("app-runs-phone", "app:", "ko-KR", width=390, height=800, dark=True, until=THUMBNAILS),
    Shot("app-new", "app:new/", height=1400, **_GATHER),
    Shot("app-new-phone", "app:new/", "ko-KR", width=390, height=1700, **_GATHER),
    Shot("app-training-dark-korean", f"app:runs/{run_id(LIVE)}/", "ko-KR", dark=True, height=1000),
    Shot("app-restore", f"app:try/{run_id(NAME)}/", height=1440, **_RESTORE),
    Shot(
        "app-restore-phone", f"app:try/{run_id(NAME)}/", "ko-KR", width=390, height=1400,
        dark=True, **_RESTORE,
    ),
    Shot("app-results", f"app:outcome/{run_id(NAME)}/", height=1160, until=_JUDGED),
    Shot(
        "app-results-phone", f"app:outcome/{run_id(NAME)}/", "ko-KR", width=390, height=1100,
        until=_JUDGED,
    ),
)  # fmt: skip


def make_runs(folder: Path) -> None:
    """Train, test, verify and compare in `folder`, on an astronaut's face (NASA, public domain)."""
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
    write_png(folder / "photo.png", np.ascontiguousarray(after[0:320, 60:380]))
    common = ["--dataroot", "./pairs", "--name", NAME]
    run(folder, "train", *common, "--minutes", "3")
    for weight in (300, 500):
        run(
            folder, "train", "--dataroot", "./pairs", "--model", "pix2pix", "--netG", "unet_128",
            "--ngf", "16", "--ndf", "16", "--load_size", "256", "--crop_size", "256",
            "--n_epochs", "60", "--n_epochs_decay", "60", "--lr", "0.001",
            "--lambda_L1", str(weight), "--name", f"exp_l1_{weight}",
        )  # fmt: skip
    run(folder, "test", *common, "--model", "pix2pix")
    run(folder, "verify", NAME, "--heldout", "heldout")
    run(folder, "compare", "--out", "comparison")


def run(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "unretouch", *words], cwd=folder, check=True)


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """Have the run LIVE trained, from its third preview on; it is gone afterwards."""
    live = folder / "checkpoints" / LIVE
    command = [
        "train", "--dataroot", "./pairs", "--name", LIVE, "--size", "s", "--minutes", "20",
        "--display_freq", "10",
    ]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "unretouch", *command], cwd=folder)
    try:
        while len(list((live / "web" / "images").glob("*face_fake_B.png"))) < 3:
            time.sleep(0.5)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(live)


@contextmanager
def app(folder: Path, checkpoints: str) -> Iterator[str]:
    """Run the app on the runs in `folder`/`checkpoints`; give its address."""
    words = ["serve", "--port", "0", "--checkpoints_dir", checkpoints]
    process = subprocess.Popen(
        [sys.executable, "-m", "unretouch", *words],
        cwd=folder, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


def address_of(shot: Shot, folder: Path, apps: dict[str, str]) -> str:
    """Return the address of the page of a shot."""
    kind, _, path = shot.page.partition(":")
    if kind == "app":
        return apps["empty"] if path == "empty" else apps["full"] + path
    page = {
        "web": f"checkpoints/{NAME}/web",
        "results": f"results/{NAME}/train_latest",
        "verify": f"checkpoints/{NAME}/verify",
        "compare": "comparison",
    }[kind]
    return (folder / page / "index.html").as_uri()


def photograph(driver: Any, shot: Shot, address: str, folder: Path, out: Path) -> None:
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
    driver.get(address)
    driver.execute_script("localStorage.clear()")  # pairs and settings of the shot before
    driver.get(address)
    if shot.drop is not None:
        zone, pattern = shot.drop
        files = driver.find_element(By.ID, f"files-{zone}")
        WebDriverWait(driver, 600).until(lambda _: files.is_enabled())
        files.send_keys("\n".join(str(path) for path in sorted(folder.glob(pattern))))
    # Pictures that were never near the window stay empty.
    driver.execute_script("document.querySelector('.pair')?.scrollIntoView()")
    WebDriverWait(driver, 600).until(lambda d: d.execute_script(shot.until))
    driver.execute_script("scrollTo(0, 0);" + shot.script)
    time.sleep(1)  # for fonts and the transitions of the slider
    picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    with Image.open(io.BytesIO(base64.b64decode(picture["data"]))) as image:
        image.convert("RGB").save(out, optimize=True)


def main() -> None:
    """Take every picture, of the runs in the folder that is named or made for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    default = Path(__file__).parents[1] / "docs" / "images"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--only", default="", help="pictures whose names begin so")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unretouch-screenshots-") as temporary:
        folder = (options.folder or Path(temporary) / "runs").resolve()
        if not folder.exists():
            make_runs(folder)
        shots = [shot for shot in SHOTS if shot.name.startswith(options.only)]
        with training(folder), app(folder, "checkpoints") as full, app(folder, "none") as empty:
            take_all(shots, folder, {"full": full, "empty": empty}, options.out)


def take_all(shots: list[Shot], folder: Path, apps: dict[str, str], out_folder: Path) -> None:
    """Write every shot, of the pages below `folder`."""
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
        for shot in shots:
            out = out_folder / f"{shot.name}.png"
            photograph(driver, shot, address_of(shot, folder, apps), folder, out)
            print(f"{out.name}: {out.stat().st_size // 1000} kB", flush=True)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
