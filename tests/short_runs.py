"""Real runs of a few steps on pairs cut from a photograph, for tests that compare runs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from scipy import ndimage
from skimage.data import astronaut

from unretouch.settings.train import TrainSettings
from unretouch.tasks.train import Continuation, train_run

WIDTH, HEIGHT = 56, 48

SETTINGS = {
    "netG": "resnet_6blocks", "ngf": 2, "ndf": 2, "norm": "instance", "no_dropout": True,
    "preprocess": "none", "no_flip": True, "n_epochs": 1, "n_epochs_decay": 0, "print_freq": 1,
    "no_html": True, "device": "cpu",
}  # fmt: skip


def write_pairs(folder: Path, shift: int = 0) -> Path:
    """Write two combined pictures, WIDTH x HEIGHT a side, into `folder`/train; return `folder`."""
    (folder / "train").mkdir(parents=True)
    for number in range(2):
        left = 150 + shift + 20 * number
        before = astronaut()[60 : 60 + HEIGHT, left : left + WIDTH]
        after = (before.astype(int) + np.roll(before, 1, 0) + np.roll(before, 1, 1)) // 3
        combined = np.concatenate([after.astype(np.uint8), before], axis=1)
        Image.fromarray(combined).save(folder / "train" / f"face_{number}.png")
    return folder


def write_compressed_pairs(folder: Path) -> Path:
    """Write a pair of two JPEGs, a square of one smoothed, into `folder`; return `folder`."""
    before = astronaut()[:160, 140:300]
    after = before.copy()
    after[40:96, 40:104] = ndimage.gaussian_filter(before, (2, 2, 0))[40:96, 40:104]
    for side, picture, quality in (("A", after, 92), ("B", before, 85)):
        (folder / f"train{side}").mkdir(parents=True)
        Image.fromarray(picture).save(folder / f"train{side}" / "face.jpg", quality=quality)
    return folder


def train(root: Path, name: str, data: str = "pairs", **changes: object) -> None:
    """Train the run `name` in `root`/checkpoints on `root`/`data`."""
    settings = {**SETTINGS, **changes}
    train_run(
        TrainSettings(
            dataroot=str(root / data), name=name, checkpoints_dir=str(root / "checkpoints"),
            **settings,  # type: ignore[arg-type]
        ),
        Continuation(),
        Console(file=io.StringIO()),
        report=False,
    )  # fmt: skip
