"""No poison: NaN and infinity never reach the weights that are saved, nor those that are used.

Rows N1 to N3 of docs/reliability.md.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import fault_harness as harness
import pytest
from fault_harness import FAST, Place, Warm
from test_checkpoints import test_words as words_of_a_test

from unretouch.runs.weights import load_weights, save_weights

WHERE = {
    "G_L1": "G_L1", "G_GAN": "G_GAN", "D_real": "D_real", "D_fake": "D_fake",
    "G": "gradient of G", "D": "gradient of D",
}  # fmt: skip


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("what", WHERE)
@pytest.mark.parametrize("step", [0, 5])
def test_N1_classic_fit(forker: Warm, place: Place, what: str, value: str, step: int) -> None:
    done = forker.run(
        place.words("--save_latest_freq", "2"), non_finite=[what, value, step], say_if_touched=True
    )
    assert done.code == 5, done.out
    (message,) = [line for line in done.out.splitlines() if line.startswith("unretouch:")]
    assert message.startswith(f"unretouch: step {step + 1}, pair 00")
    assert re.search(rf": {WHERE[what]} is (nan|inf|-inf)", message)
    assert "state untouched" in done.out
    (fault,) = harness.events(place.root, "fault")
    assert fault["step"] == step
    assert fault["reason"] in message
    if step:
        assert harness.step(place.root) == 4
        assert harness.latest_matches_state(place.root)
    else:
        assert not list(place.root.glob("*.pth"))


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_N1_fast_fit(forker: Warm, place: Place, value: str) -> None:
    place = dataclasses.replace(place, flags=(*FAST, "--save_latest_freq", "2"))
    done = forker.run(
        place.words(), non_finite_fast=[value, 5], say_if_touched=True, tiny_detail=True
    )
    assert done.code == 5, done.out
    assert "unretouch: step 6, pair 00" in done.out
    assert "gradient of G is nan" in done.out
    assert "state untouched" in done.out
    assert harness.step(place.root) == 4
    assert harness.latest_matches_state(place.root)


def test_N1_goes_on_from_the_last_save(forker: Warm, place: Place, tmp_path: Path) -> None:
    whole = Place(place.dataroot, tmp_path / "whole")
    forker.run(whole.words())
    forker.run(place.words("--save_latest_freq", "2"), non_finite=["D", "nan", 5])
    assert forker.run(place.words("--continue_train")).code == 0
    assert harness.outcome(place.root) == harness.outcome(whole.root)


@pytest.mark.parametrize("rate", ["1e20", "1e38", "1e300"])
@pytest.mark.parametrize("weight", ["0", "1"])
def test_N2_absurd_rate(forker: Warm, place: Place, rate: str, weight: str) -> None:
    """Weights that the rate itself made infinite are not saved either, which happens without a
    discriminator: with one, the loss of the first step is NaN already."""
    flags = ("--lr", rate, "--save_latest_freq", "1", "--n_epochs", "40", "--lambda_GAN", weight)
    done = forker.run(place.words(*flags))
    assert done.code == 5, done.out
    (fault,) = harness.events(place.root, "fault")
    assert fault["step"] < 100
    assert "Lower --lr" in done.out
    for path in place.root.glob("*.pth"):
        assert load_weights(path)  # refuses what is not finite
    if harness.states(place.root):
        assert harness.latest_matches_state(place.root)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_N3_weights_that_are_not_finite(
    forker: Warm, place: Place, tmp_path: Path, value: float
) -> None:
    assert forker.run(place.words(), steps=1).code == 0
    path = place.root / "latest_net_G.pth"
    weights = load_weights(path)
    key = next(key for key in weights if key.endswith("weight"))
    weights[key].view(-1)[0] = value
    save_weights(path, weights)
    done = forker.run(words_of_a_test(place, tmp_path / "results"), "test")
    assert done.code == 4
    assert f"{path}: {key} contains NaN or infinity" in done.out
    assert not (tmp_path / "results").exists()
    # The same as a start for training.
    (place.root / "state").rename(place.root / "state.away")
    done = forker.run(place.words("--continue_train"))
    assert done.code == 4
