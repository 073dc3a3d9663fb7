"""The fast fit, in short: it memorises two pairs, and what it learns holds on a third.

By steps, not by time, so that a busy machine changes nothing; benchmarks/fit.py measures the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unretouch.pixels import images
from unretouch.pixels.retouch import retouch

SIDE = 96


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Path:
    """Two pairs to train on and one to hold out, of the astronaut's face."""
    root = tmp_path_factory.mktemp("fit")
    after = retouch(portrait, seed=0, detail_left=0.3, all_surfaces=True)
    places = {"train/one": (60, 180), "train/two": (110, 200), "heldout/three": (150, 150)}
    for name, (top, left) in places.items():
        area = np.s_[top : top + SIDE, left : left + SIDE]
        path = root / "pairs" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images.write_png(path, np.concatenate([after[area], portrait[area]], axis=1))
    return root


def ran(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "unretouch", *words], cwd=root, text=True, env=os.environ,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def trained(root: Path, aim: str, epochs: int) -> str:
    return ran(
        root, "train", "--dataroot", "pairs", "--name", aim, "--aim", aim, "--size", "s",
        "--n_epochs", str(epochs), "--n_epochs_decay", "0", "--precision", "32-true", "--no_html",
    )  # fmt: skip


def test_fit_memorises_the_pairs(project: Path) -> None:
    said = trained(project, "fit", epochs=30)
    assert "capacity: the retouch holds" in said
    lines = (project / "checkpoints/fit/previews.jsonl").read_text("utf-8").splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    for pair in first["pairs"]:  # before any update it does nothing at all
        assert pair["level_error"] == pytest.approx(pair["identity_error"], abs=1e-4)
    for pair in last["pairs"]:
        assert pair["recovered_share"] > 0.25


@pytest.mark.parametrize("aim", ["restore", "texture"])
def test_what_is_learnt_holds_on_a_pair_that_was_held_out(project: Path, aim: str) -> None:
    said = trained(project, aim, epochs=60)
    assert "capacity" not in said
    ran(project, "verify", aim, "--heldout", "pairs/heldout", "--no_probe")
    report = json.loads((project / f"checkpoints/{aim}/verify/report.json").read_text("utf-8"))
    (pair,) = report["heldout"]["pairs"]
    assert pair["prediction"]["frame"]["recovered_share"] > 0.05
