"""Did it memorise, does it hold: words from figures known by construction."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from unretouch.metrics import Levels
from unretouch.report.pair_figures import PairFigures, figures_of_pair
from unretouch.report.verdicts import (
    Verification,
    harmed_parts,
    mean_share,
    memorised_verdict,
    self_test_verdict,
    unseen_verdict,
)
from unretouch.settings.train import AimName
from unretouch.settings.verify import MemorisedThresholds, UnseenThresholds

SIZE = 32


def flat(level: float) -> Levels:
    return np.full((SIZE, SIZE, 3), level, dtype=np.float32)


def pair(
    error: float,
    identity: float = 2.0,
    name: str = "face",
    lambda_L1: float = 500.0,
    skin: np.ndarray | None = None,
) -> PairFigures:
    """A lossless pair off by `error` grey levels, whose source is off by `identity`. Where there is
    an error, one pixel does not round to the answer."""
    prediction = flat(100 + error)
    if error:
        prediction[0, 0] = 100 + error + 1
    figures = figures_of_pair(name, flat(100 + identity), prediction, flat(100), lambda_L1, skin)
    return dataclasses.replace(figures, noise=0.0)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (0.0, "perfect"),
        (0.25, "memorised"),
        (0.26, "nearly"),
        (0.5, "nearly"),
        (0.52, "not yet"),
        (1.89, "not yet"),
        (1.91, "did nothing"),
        (2.0, "did nothing"),
        (2.04, "did nothing"),
        (2.06, "harmful"),
    ],
)
def test_the_word_follows_from_error_and_share(error: float, word: str) -> None:
    verdict = memorised_verdict([pair(error)])
    assert verdict.word == word
    assert verdict.held_back_by == (None if word in ("perfect", "memorised") else "face")


def test_perfect_is_asked_of_every_pair_and_every_pixel() -> None:
    """Whatever the unrounded error is: what is saved is the answer."""
    figures = figures_of_pair("face", flat(102), flat(100.4), flat(100), 500.0)
    perfect = dataclasses.replace(figures, noise=0.0)
    assert memorised_verdict([perfect]).sentence == "Every pixel of face equals the answer."
    assert memorised_verdict([perfect, perfect]).sentence == (
        "Every pixel of all 2 training pairs equals the answer."
    )
    verdict = memorised_verdict([perfect, pair(0.1, name="other")])
    assert (verdict.word, verdict.pairs) == ("memorised", {"face": "perfect", "other": "memorised"})
    assert "other" in verdict.sentence


@pytest.mark.parametrize("error", [1.985, 2.0, 2.012])
def test_where_nothing_is_gained_or_lost_nothing_is_recovered(error: float) -> None:
    figures = pair(error)
    for verdict in (memorised_verdict([figures]), unseen_verdict(0.5, [figures])):
        assert "Nothing is gained and nothing is lost." in verdict.sentence
        assert "0.0% recovered" in verdict.sentence
        assert "-0" not in verdict.sentence


def test_what_is_lost_within_noise_is_told_as_nothing_lost() -> None:
    figures = dataclasses.replace(pair(2.3), noise=4.0)
    assert not figures.harm
    for verdict in (memorised_verdict([figures]), unseen_verdict(0.5, [figures])):
        assert "Nothing is gained and nothing is lost." in verdict.sentence
        assert "0.0% recovered" in verdict.sentence
        assert "worse than doing nothing" not in verdict.sentence


def test_a_sparse_retouch_is_not_memorised_by_doing_nothing() -> None:
    """The source is within the guide's goal already: G_L1 is 0.9 without any learning."""
    figures = pair(error=0.2295, identity=0.2295)
    assert 0.89 < figures.G_L1 < 0.91
    assert memorised_verdict([figures]).word == "did nothing"
    assert memorised_verdict([pair(error=0.1, identity=0.2295)]).word == "nearly"


def test_the_goal_depends_on_lambda() -> None:
    assert memorised_verdict([pair(0.4, lambda_L1=300)]).word == "memorised"
    assert memorised_verdict([pair(0.4, lambda_L1=1000)]).word == "not yet"


def test_the_thresholds_can_be_set() -> None:
    assert (
        memorised_verdict([pair(0.2)], MemorisedThresholds(recovered_share=0.95)).word == "nearly"
    )
    assert memorised_verdict([pair(0.5)], MemorisedThresholds(G_L1=2.0)).word == "memorised"


def test_every_pair_must_pass_and_the_worst_is_named() -> None:
    pairs = [pair(0.1, name="one"), pair(0.9, name="two"), pair(0.4, name="three")]
    verdict = memorised_verdict(pairs)
    assert (verdict.word, verdict.held_back_by) == ("not yet", "two")
    assert verdict.pairs == {"one": "memorised", "two": "not yet", "three": "nearly"}
    assert "two" in verdict.sentence


def test_the_weakest_pair_is_that_of_which_least_is_recovered() -> None:
    """Not that with the larger error, which had more to recover."""
    pairs = [pair(2.0, identity=4.0, name="half"), pair(0.6, identity=1.0, name="less")]
    verdict = memorised_verdict(pairs)
    assert (verdict.word, verdict.held_back_by) == ("not yet", "less")
    harmed = [pair(4.4, identity=4.0, name="tenth"), pair(1.2, identity=1.0, name="fifth")]
    assert memorised_verdict(harmed).held_back_by == "fifth"


def test_a_run_for_texture_is_not_asked_to_memorise() -> None:
    """Texture as strong as it was costs error: more of it than doing nothing is no harm there."""
    further_off = [pair(2.5, identity=2.0)]
    assert Verification(further_off).verdicts["memorised"].word == "harmful"
    told = Verification(further_off, aim="texture").verdicts["memorised"]
    assert (told.word, told.tone) == ("unknown", "unknown")
    assert told.sentence.startswith("This run is for texture")


def test_what_a_model_was_trained_for_is_answered_first() -> None:
    orders = {aim: [*Verification([], aim=aim).verdicts] for aim in ("fit", "restore", "texture")}
    assert orders["fit"] == ["memorised", "texture", "unseen"]
    assert orders["restore"] == orders["texture"] == ["unseen", "memorised", "texture"]


def test_harm_outranks_a_larger_error_elsewhere() -> None:
    pairs = [pair(5, identity=20, name="far"), pair(0.3, identity=0.2, name="harmed")]
    verdict = memorised_verdict(pairs)
    assert (verdict.word, verdict.held_back_by) == ("harmful", "harmed")


def test_a_pair_that_was_never_retouched_is_to_be_left_alone() -> None:
    assert memorised_verdict([pair(0, identity=0)]).word == "perfect"
    assert memorised_verdict([pair(2, identity=0)]).word == "harmful"


def test_without_pairs_nothing_is_known() -> None:
    assert memorised_verdict([]).word == "unknown"


@pytest.mark.parametrize(
    ("errors", "word"),
    [
        ((0.4, 0.6), "holds"),
        ((0.4, 1.2), "holds in part"),
        ((1.0, 1.9), "holds in part"),
        ((1.8, 1.9), "hardly holds"),
        ((1.95, 2.0), "does not hold"),
        ((0.0, 2.1), "harmful"),
    ],
)
def test_unseen_portraits(errors: tuple[float, ...], word: str) -> None:
    heldout = [pair(error, name=f"face {error}") for error in errors]
    verdict = unseen_verdict(mean_share([pair(0.1)]), heldout)
    assert verdict.word == word
    assert verdict.held_back_by == (None if word == "holds" else f"face {errors[1]}")


def test_the_gap_is_what_is_lost_against_the_training_pairs() -> None:
    training, heldout = [pair(0.0), pair(0.4)], [pair(1.4)]
    assert Verification(training, heldout).generalisation_gap == pytest.approx(0.9 - 0.3, abs=1e-3)
    assert "60 points less" in unseen_verdict(mean_share(training), heldout).sentence


@pytest.mark.parametrize(
    ("error", "left", "aim", "word"),
    [
        (0.9, 1.0, "texture", "holds"),
        (1.9, 1.0, "texture", "holds in part"),  # the error alone: it does not hold
        (2.5, 1.0, "texture", "holds in part"),  # the price of texture
        (2.5, 4.0, "texture", "harmful"),  # more error and no texture for it
        (3.0, 1.0, "texture", "harmful"),  # more than texture can cost
        (2.5, 1.0, "restore", "harmful"),  # which nobody asked for
    ],
)
def test_texture_that_was_asked_for_may_cost_error(
    error: float, left: float, aim: AimName, word: str
) -> None:
    """`left` is how far the spectrum is from that of true skin, in decibels; it was 6."""
    one = pair(error, skin=np.ones((SIZE, SIZE), dtype=np.float32))
    one = dataclasses.replace(
        one,
        prediction=dataclasses.replace(one.prediction, area={"spectrum_distance": left}),
        identity=dataclasses.replace(one.identity, area={"spectrum_distance": 6.0}),
    )
    verdict = unseen_verdict(None, [one], aim=aim)
    assert verdict.word == word
    assert ("Some error is its price" in verdict.sentence) == (word == "holds in part")
    assert ("the skin is" in verdict.sentence) == (word == "harmful")
    assert self_test_verdict([one], aim=aim).word == word


def test_an_error_that_is_twice_as_large_is_told_in_times() -> None:
    assert "33.0% worse than doing nothing" in unseen_verdict(None, [pair(2.66)]).sentence
    assert "3.5 times the error of doing nothing" in unseen_verdict(None, [pair(7)]).sentence


def test_a_large_gap_does_not_hold_however_good() -> None:
    limits = UnseenThresholds(gap=0.2)
    assert unseen_verdict(1.0, [pair(0.8)], limits).word == "holds in part"


@pytest.mark.parametrize(
    ("nothing_below", "word"),
    [(0.05, "holds in part"), (0.25, "holds in part"), (0.35, "does not hold")],
)
def test_what_does_not_hold_is_asked_first(nothing_below: float, word: str) -> None:
    limits = UnseenThresholds(nothing_below=nothing_below)
    assert unseen_verdict(None, [pair(1.4)], limits).word == word


def test_without_held_out_pairs_it_says_that_nothing_is_known() -> None:
    verdict = unseen_verdict(0.95, [])
    assert verdict.word == "unknown"
    assert "No pair was held out" in verdict.sentence
    assert "--" not in verdict.sentence  # the app says it, too


def test_harm_is_told_apart_by_skin_and_the_rest() -> None:
    skin = np.zeros((SIZE, SIZE), dtype=np.float32)
    skin[:8] = 1
    prediction = flat(100)
    prediction[8:] = 105
    figures = figures_of_pair("face", flat(102), prediction, flat(100), 500.0, skin)
    figures = dataclasses.replace(figures, noise=0.0)
    assert figures.skin is not None
    assert figures.elsewhere is not None
    assert (figures.skin.recovered_share, figures.skin.share_of_frame) == (1.0, 0.25)
    assert figures.elsewhere.recovered_share == pytest.approx(-1.5)
    verdict = unseen_verdict(None, [figures])
    assert verdict.word == "harmful"
    assert "not skin is 3 grey levels worse" in verdict.sentence
    assert "the skin was" not in verdict.sentence


# --- a dead band around nothing


@pytest.mark.parametrize("error", [1.995, 2.0, 2.01, 2.02])
def test_within_one_percent_nothing_is_gained_and_nothing_is_lost(error: float) -> None:
    for verdict in (memorised_verdict([pair(error)]), unseen_verdict(0.9, [pair(error)])):
        assert verdict.word in ("did nothing", "does not hold")
        assert "Nothing is gained and nothing is lost." in verdict.sentence
        assert "-0.00" not in verdict.sentence


@pytest.mark.parametrize(
    ("error", "identity", "noise", "harmful"),
    [
        (0.11, 0.10, 0.0, False),  # a tenth more, which is 0.01 of a level
        (0.20, 0.10, 0.0, True),
        (2.50, 2.00, 0.0, True),
        (2.50, 2.00, 2.0, False),  # the two files differ by more than that themselves
        (3.50, 2.00, 2.0, True),
    ],
)
def test_V1_harm_begins_beyond_the_noise_of_the_pair(
    error: float, identity: float, noise: float, harmful: bool
) -> None:
    one = pair(error, identity)
    one = dataclasses.replace(
        one,
        noise=noise,
        area_share=1.0,
        prediction=dataclasses.replace(one.prediction, area=one.prediction.frame),
        identity=dataclasses.replace(one.identity, area=one.identity.frame),
    )
    assert (memorised_verdict([one]).word == "harmful") == harmful
    assert (unseen_verdict(None, [one]).word == "harmful") == harmful


def test_the_harmed_pair_is_named_and_not_one_that_noise_makes_look_worse() -> None:
    noisy, harmed = pair(0.14, identity=0.10, name="noisy"), pair(2.2, name="harmed")
    verdict = unseen_verdict(None, [noisy, harmed])
    assert (verdict.word, verdict.held_back_by) == ("harmful", "harmed")
    assert verdict.pairs["noisy"] == "does not hold"


def test_skin_that_is_worse_by_a_hundredth_of_a_level_is_no_harm() -> None:
    skin = np.ones((SIZE, SIZE), dtype=np.float32)
    figures = figures_of_pair("face", flat(100.1), flat(100.11), flat(100), 500.0, skin)
    assert harmed_parts(figures) == {}
