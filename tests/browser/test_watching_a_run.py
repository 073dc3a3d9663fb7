"""A person watches the page of a real run, from its first preview to Ctrl+C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

ROOT = Path(__file__).parents[2]
COMMAND = (
    "--dataroot ./pairs --name 초상 --model pix2pix --netG unet_128 --ngf 4 --ndf 4 "
    "--load_size 128 --crop_size 128 --batch_size 1 --n_epochs 5000 --n_epochs_decay 0 "
    "--lambda_L1 500 --display_freq 15 --print_freq 3 --save_epoch_freq 5000"
)


def write_pairs(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(3):
        before = astronaut()[10:138, 100 + 40 * number : 228 + 40 * number]
        after = (before.astype(int) + np.roll(before, 2, 0) + np.roll(before, 2, 1)) // 3
        combined = np.concatenate([after.astype(np.uint8), before], axis=1)
        Image.fromarray(combined).save(folder / f"얼굴_{number}.png")


@pytest.mark.skipif(os.name == "nt", reason="sends Ctrl+C the POSIX way")
def test_the_page_follows_a_real_run_until_ctrl_c(browser: Any, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs" / "train")
    log = (tmp_path / "console.txt").open("wb")
    command = [sys.executable, str(ROOT / "train.py"), *COMMAND.split()]
    trainer = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        page = tmp_path / "checkpoints" / "초상" / "web" / "index.html"
        wait_for(page, trainer, log.name)
        browser.open(page)
        browser.until("return document.querySelectorAll('.pair').length === 3", seconds=180)
        assert "얼굴_1" in browser.text("#pairs")
        browser.run("window.notReloaded = true; window.first = document.getElementById('time').max")
        browser.until("return document.querySelectorAll('.plot canvas').length === 3", seconds=180)
        browser.until("return +document.getElementById('time').max > +window.first", seconds=180)
        steps = browser.text("#step")
        browser.until(
            "return document.getElementById('step').innerText !== arguments[0]", steps, seconds=180
        )
        assert browser.text("#state") == "Training"
        assert float(browser.text("#error-now")) > 0
        trainer.send_signal(signal.SIGINT)
        assert trainer.wait(180) == 130
        browser.until("return document.getElementById('state').innerText === 'Stopped'")
        assert "Stopped by Ctrl+C" in browser.text("#notice")
        assert "step" in browser.text("#last-save")
        assert browser.run("return window.notReloaded")
    finally:
        trainer.kill()
        trainer.wait()
        log.close()


def wait_for(page: Path, trainer: subprocess.Popen[bytes], log: str, seconds: int = 180) -> None:
    """Wait until the trainer has written its page."""
    for _ in range(10 * seconds):
        if page.exists():
            return
        try:
            trainer.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail(f"no page was written: {Path(log).read_text('utf-8')}")
