"""Order and advice, from figures made up for the purpose."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from unretouch.pixels.pairs import Pair
from unretouch.runs.folder import RunDir
from unretouch.runs.status import harm
from unretouch.settings.train import AimName, TrainSettings, preset
from unretouch.tasks.classic_commands import asked
from unretouch.tasks.compare.advice import Advice, Trend, advise, trend
from unretouch.tasks.compare.comparison import Compared, Comparison, Places, rank
from unretouch.tasks.compare.measuring import MOST_SIDE, PairScore, RunScore, Texture, crop_of
from unretouch.tasks.compare.runs import RunRecord

GOOD = Texture(energy=0.98, coherence=0.95, recovered=0.9)


def score(error: float = 0.2, texture: Texture = GOOD, identity: float = 1.0) -> RunScore:
    pair = PairScore(
        name="face", width=64, height=64, level_error=error, identity_error=identity,
        recovered_share=1 - error / identity, exact_pixels=0.5, texture=texture,
        harm=harm(error, identity), frame={}, area={},
    )  # fmt: skip
    return RunScore("key", "sha", [pair])


def settings(**changes: Any) -> TrainSettings:
    return TrainSettings(**{"dataroot": "pairs", "lambda_L1": 300.0, **changes})


def advice(
    texture: Texture = GOOD,
    error: float = 0.2,
    epoch: int = 1600,
    tendency: Trend | None = None,
    **changes: Any,
) -> list[Advice]:
    return advise(settings(**changes), epoch, score(error, texture), tendency)


SMOOTH = dataclasses.replace(GOOD, energy=0.4)
NOISY = dataclasses.replace(GOOD, energy=1.6)
MISPLACED = dataclasses.replace(GOOD, coherence=0.2)
FALLING = Trend(before=0.5, after=0.4, certain=True)


@pytest.mark.parametrize(
    ("texture", "lambda_L1", "flags"),
    [
        (SMOOTH, 100.0, "--lambda_L1 400"),
        (SMOOTH, 300.0, "--lambda_L1 400"),
        (SMOOTH, 400.0, "--lambda_L1 500"),
        (MISPLACED, 300.0, "--lambda_L1 400"),
        (NOISY, 300.0, "--lambda_L1 200"),
        (NOISY, 1000.0, "--lambda_L1 200"),
    ],
)
def test_the_guide_moves_lambda_l1(texture: Texture, lambda_L1: float, flags: str) -> None:
    (one,) = advice(texture, lambda_L1=lambda_L1)
    assert one.flags == flags
    said = " ".join(reason.english() for reason in one.because)
    figure = texture.coherence if texture is MISPLACED else texture.energy
    assert (f"{figure:.2f}" if texture is MISPLACED else f"{figure:.0%}") in said
    assert "face" in said


@pytest.mark.parametrize("error", [0.995, 1.0, 1.004])
def test_of_a_run_that_did_nothing_that_is_said_and_not_what_its_texture_lacks(
    error: float,
) -> None:
    """The texture of the retouched side is smooth as it is."""
    (one,) = advice(dataclasses.replace(SMOOTH, recovered=0.01), error)
    assert one.action == "more_training"
    assert [reason.key for reason in one.because] == ["compare_nothing"]


def test_no_run_is_to_be_taken_that_gains_nothing_worth_a_word() -> None:
    record = RunRecord(
        RunDir(Path("checkpoints"), "face"), settings(), "finished", 0, 0, 0.0, {}, {}, None, None
    )

    def take(error: float) -> str:
        places = Places(1, 1, 1, 1)
        one = Compared(record, score(error), places, None, [], [])
        return Comparison([one, one], [], []).take().key

    assert [take(error) for error in (0.9, 0.995, 1.2)] == [
        "compare_take", "compare_take_none", "compare_take_none",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("aims", "said"),
    [
        (("fit", "fit"), ""),
        (("fit", "restore"), "run_0 was made to memorise them. For other photos take run_1"),
        (("texture", "fit"), "run_0 was made for other photos"),
    ],
)
def test_an_order_by_training_pairs_chooses_no_run_for_other_photos(
    aims: tuple[AimName, ...], said: str
) -> None:
    def compared(at: int, aim: AimName) -> Compared:
        chosen = settings(aim=aim)
        run = RunDir(Path("checkpoints"), f"run_{at}")
        record = RunRecord(run, chosen, "finished", 0, 0, 0.0, {}, {}, None, None)
        return Compared(record, score(0.5), Places(1, 1, 1, 1), None, [], [])

    caution = Comparison([compared(at, aim) for at, aim in enumerate(aims)], [], []).caution()
    assert said in (caution.english() if caution else "")
    assert bool(said) == bool(caution)


@pytest.mark.parametrize("changes", [{"n_epochs": 2000}, {"minutes": 10.0}])
def test_a_run_that_was_stopped_goes_on_as_it_is(changes: dict[str, Any]) -> None:
    (one,) = advise(settings(**changes), 2, score(error=9.0), None, stopped=True)
    assert (one.action, one.flags) == ("more_training", "--continue_train")
    words = shlex.split(one.command)[2:]
    assert asked([word for word in words if word != "--continue_train"]) == settings(**changes)


@pytest.mark.parametrize(
    ("texture", "lambda_L1"), [(SMOOTH, 500.0), (SMOOTH, 1000.0), (NOISY, 200.0), (NOISY, 50.0)]
)
def test_past_the_guides_values_it_takes_more_epochs(texture: Texture, lambda_L1: float) -> None:
    (one,) = advice(texture, lambda_L1=lambda_L1, n_epochs=800, n_epochs_decay=700)
    assert one.flags == "--n_epochs 1600 --n_epochs_decay 1400 --continue_train"


@pytest.mark.parametrize("texture", [SMOOTH, NOISY, MISPLACED])
def test_without_an_adversary_lambda_l1_weighs_against_nothing(texture: Texture) -> None:
    (one,) = advice(texture, lambda_GAN=0.0, recipe="fast", minutes=5.0)
    assert one.flags == "--minutes 10 --continue_train"
    assert not any("lambda" in reason.english() for reason in one.because)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_epochs": 800, "n_epochs_decay": 800, "lr": 0.00005, "dataroot": "my pairs"},
        {**preset("fast"), "minutes": 7.5, "size": "s", "name": "fast"},
        {**preset("fast"), "minutes": None, "n_epochs": 100, "n_epochs_decay": 100, "name": "e"},
    ],
)
def test_its_command_can_be_pasted_and_means_what_is_advised(changes: dict[str, Any]) -> None:
    (one,) = advice(error=0.5, **changes)
    program, command, *words = shlex.split(one.command)
    assert (program, command, words[-1]) == ("unretouch", "train", "--continue_train")
    before, now = settings(**changes), asked(words)
    if before.minutes is None:
        assert (now.n_epochs, now.n_epochs_decay) == (
            2 * before.n_epochs,
            2 * before.n_epochs_decay,
        )
    assert now.minutes == (before.minutes and 2 * before.minutes)
    same = {"minutes": None, "n_epochs": 1, "n_epochs_decay": 0}
    assert dataclasses.replace(now, **same) == dataclasses.replace(before, **same)


def test_another_lambda_is_tried_under_another_name() -> None:
    (one,) = advice(SMOOTH, lambda_L1=300.0, name="exp")
    now = asked(shlex.split(one.command)[2:])
    assert now == settings(lambda_L1=400.0, name="exp_l1_400")


def test_an_error_that_still_falls_asks_for_more_epochs_with_its_figures() -> None:
    (one,) = advice(tendency=FALLING)
    assert one.action == "more_training"
    assert one.because[0].english().count("0.500") == 1
    assert "20.0%" in one.because[0].english()
    both = advice(SMOOTH, tendency=FALLING)
    assert [a.action for a in both] == ["more_training", "raise_lambda"]


def test_a_harmful_run_is_unnatural_only_after_enough_epochs() -> None:
    (done,) = advice(error=1.4, epoch=1600)
    assert (done.action, done.flags) == ("lower_lambda", "--lambda_L1 200")
    assert "1.400" in done.because[0].english()
    (young,) = advice(error=1.4, epoch=30)
    assert young.action == "more_training"
    assert "Epochs so far: 30." in young.because[1].english()
    (learning,) = advice(error=1.4, epoch=1600, tendency=FALLING)
    assert learning.action == "more_training"


def test_a_good_run_is_kept_and_a_middling_one_goes_on() -> None:
    (one,) = advice(error=0.2)
    assert (one.action, one.flags) == ("keep", "")
    (other,) = advice(error=0.5)
    assert other.action == "more_training"
    assert "50.0%" in other.because[0].english()


def test_pairs_that_lost_no_texture_give_no_advice_on_it() -> None:
    (one,) = advice(Texture(None, None, None), error=0.1)
    assert one.action == "keep"


def test_a_trend_needs_log_lines_and_more_than_noise() -> None:
    def of(errors: Any) -> Trend | None:
        values = [float(e) for e in errors]
        steps = [float(s) for s in range(1, len(values) + 1)]
        return trend({"step": steps, "level_error": values})

    rng = np.random.default_rng(0)
    assert of([]) is None
    assert of(1 / np.arange(1, 20)) is None
    falling, flat = of(np.exp(-np.arange(200) / 100)), of(1 + 0.3 * rng.standard_normal(200))
    assert falling is not None
    assert falling.falling
    assert falling.fall == pytest.approx(1 - np.exp(-0.25), abs=0.005)
    assert flat is not None
    assert not flat.falling
    rising = of(np.arange(1, 201))
    assert rising is not None
    assert not rising.falling


def test_the_sum_of_three_places_decides_and_g_l1_has_no_say() -> None:
    def textured(share: float) -> Texture:
        return Texture(1.0, 1.0, share)

    scores = {
        "sharp": score(0.30, textured(0.9)),
        "close": score(0.29, textured(0.1)),
        "last": score(0.90, textured(0.05)),
    }
    places = rank(scores)
    assert list(places) == ["close", "sharp", "last"]  # 1 + 1 + 2 against 2 + 2 + 1
    assert places["sharp"].texture == 1
    scores["third"] = score(0.2901, textured(0.5))
    assert rank(scores)["third"].error == 1  # what looks equal shares a place


@given(st.lists(st.tuples(st.floats(0.01, 5), st.floats(-2, 1)), min_size=1, max_size=6))
def test_every_order_of_arguments_gives_the_same_places(figures: list[tuple[float, float]]) -> None:
    scores = {f"run{i}": score(e, Texture(1.0, 1.0, t)) for i, (e, t) in enumerate(figures)}
    places = rank(scores)
    backwards = rank(dict(reversed(scores.items())))
    for name in scores:
        assert dataclasses.replace(places[name], overall=0) == dataclasses.replace(
            backwards[name], overall=0
        )
    assert sorted(place.overall for place in places.values()) == list(range(1, len(scores) + 1))


@hypothesis_settings(deadline=None)
@given(st.integers(1, 1300), st.integers(1, 1300), st.integers(0, 2**16))
def test_the_crop_lies_in_the_frame_around_the_largest_change(
    height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    row, column = int(rng.integers(height)), int(rng.integers(width))
    target = np.zeros((height, width, 3), dtype=np.uint8)
    target[row, column] = 255
    crop = crop_of(Pair("face", np.zeros_like(target), target, ()))
    assert crop.cut(target).shape == (min(height, MOST_SIDE), min(width, MOST_SIDE), 3)
    assert crop.cut(target).any()
    assert 0 <= crop.x <= 1
    assert 0 <= crop.y <= 1
