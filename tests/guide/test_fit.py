"""The fast fit, in short: it memorises two pairs, and what it learns holds on a third.

By steps, not by time, so that a busy machine changes nothing, and with a narrow network where that
is enough; benchmarks/fit.py measures the rest.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unretouch.cli import dispatch, run
from unretouch.networks import detail
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


NARROW = (16, 32, 64)
MIDDLE = (32, 64, 128)


@pytest.fixture(autouse=True)
def _in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setitem(detail.WIDTHS, "s", NARROW)  # type: ignore[arg-type]


def trained(aim: str, epochs: int, capsys: pytest.CaptureFixture[str]) -> str:
    words = [
        "train", "--dataroot", "pairs", "--name", aim, "--aim", aim, "--size", "s", "--no_html",
        "--n_epochs", str(epochs), "--n_epochs_decay", "0", "--precision", "32-true",
    ]  # fmt: skip
    assert run(dispatch, words) == 0
    return capsys.readouterr().out


def test_fit_memorises_the_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    said = trained("fit", 30, capsys)
    assert "to be expected: off by about" in said
    lines = Path("checkpoints/fit/previews.jsonl").read_text("utf-8").splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    for pair in first["pairs"]:  # before any update it does nothing at all
        assert pair["level_error"] == pytest.approx(pair["identity_error"], abs=1e-4)
    for pair in last["pairs"]:
        assert pair["recovered_share"] > 0.25


@pytest.mark.parametrize(("aim", "widths"), [("restore", NARROW), ("texture", MIDDLE)])
def test_what_is_learnt_holds_on_a_pair_that_was_held_out(
    aim: str,
    widths: tuple[int, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(detail.WIDTHS, "s", widths)  # type: ignore[arg-type]
    said = trained(aim, 60, capsys)
    assert "to be expected" not in said
    assert run(dispatch, ["verify", aim, "--heldout", "pairs/heldout", "--no_probe"]) == 0
    report = json.loads(Path(f"checkpoints/{aim}/verify/report.json").read_text("utf-8"))
    (pair,) = report["heldout"]["pairs"]
    # Texture that cannot be known costs what the rest gains, in so few updates nearly all of it.
    assert pair["prediction"]["frame"]["recovered_share"] > (0.05 if aim == "restore" else 0.02)
