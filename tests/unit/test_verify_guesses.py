"""What a model says of its guesses is held against what is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unretouch import networks
from unretouch.cli import dispatch
from unretouch.networks import texture_bands
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair
from unretouch.pixels.spaces import in_levels
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings, save_settings
from unretouch.tasks.verify.guesses import Places, guesses_of, places_of

SIDE = 256

pytestmark = pytest.mark.usefixtures("narrow")


class Expects:
    """A model that is off by as much as it says, times `truly`: more in one half than the other."""

    def __init__(self, target: NDArray[np.uint8], truly: float) -> None:
        deviations = np.full((SIDE, SIDE, texture_bands.BANDS), 0.5, np.float32)
        deviations[:, SIDE // 2 :] = 2.0
        noise = texture_bands.noise_bands(0, 0, SIDE, SIDE, 1)[0].permute(1, 2, 0).numpy()
        off = truly * (deviations * noise).sum(2, keepdims=True)
        self._told = in_levels(target) - off, deviations

    def expected(self, _rgb: NDArray[np.uint8], part: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        levels, deviations = self._told
        return part.of(levels), part.of(deviations)


def retouched_pair() -> Pair:
    random = np.random.default_rng(0)
    target = random.integers(90, 160, (SIDE, SIDE, 3)).astype(np.uint8)
    return Pair("face", (target // 2 + 60).astype(np.uint8), target, ())


@pytest.mark.parametrize("truly", [1.0, 2.0])
def test_what_is_expected_is_held_against_what_is_found(truly: float) -> None:
    pair = retouched_pair()
    model: Any = Expects(pair.target, truly)
    found = guesses_of([places_of(model, pair)])
    assert found is not None
    for said, real in ((found.said[0], found.found[0]), (found.said[-1], found.found[-1])):
        assert real == pytest.approx(truly * said, rel=0.35)
    assert found.said[0] < found.said[-1]
    assert found.found[0] < found.found[-1]


def test_of_few_places_nothing_is_said() -> None:
    assert guesses_of([]) is None
    assert guesses_of([Places((1.0, 2.0), (1.0, 2.0))]) is None


def test_verify_says_it_of_a_run_that_guesses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = retouched_pair()
    for phase in ("train", "heldout"):
        (tmp_path / "pairs" / phase).mkdir(parents=True)
        sides = [np.roll(side, len(phase), 0) for side in (pair.source, pair.target)]
        images.write_png(tmp_path / "pairs" / phase / "face.png", np.concatenate(sides, 1))
    monkeypatch.chdir(tmp_path)
    told = TrainSettings(
        dataroot="pairs", name="guesses", netG="detail", size="s", head="guess", recipe="fast",
        aim="texture", preprocess="none", lambda_GAN=0,
    )  # fmt: skip
    net = networks.build_generator(told)
    torch.nn.init.normal_(net.head.weight, std=0.01)  # type: ignore[union-attr, arg-type]
    run = tmp_path / "checkpoints" / "guesses"
    run.mkdir(parents=True)
    save_settings(run / "config.json", told, {})
    save_weights(run / "latest_net_G.pth", net.state_dict())
    assert dispatch(["verify", "guesses", "--heldout", "pairs/heldout", "--no_probe"]) == 0
    told_of_it = " ".join(capsys.readouterr().out.split())
    assert told_of_it.count("It guesses a part of this texture.") == 2
    report = json.loads((run / "verify" / "report.json").read_text("utf-8"))
    assert report["guesses"].keys() == {"training", "heldout"}
    assert len(report["guesses"]["heldout"]["said"]) == 3
    assert images.read_rgb(run / "verify" / "images" / "heldout_face_whole_guess.png").shape == (
        SIDE, SIDE, 3,
    )  # fmt: skip
    assert "heldout_face_whole_guess.png" in (run / "verify" / "index.html").read_text("utf-8")
