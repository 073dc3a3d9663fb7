"""The texture verdict on real skin: blur lowers it, and well-made grain does not fool it."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from unretouch.metrics import Area, Levels
from unretouch.metrics.grain import grain_overlay
from unretouch.metrics.likeness import noise_and_area
from unretouch.pixels.images import read_rgb
from unretouch.report.pair_figures import PairFigures, figures_of_pair
from unretouch.report.verdicts import texture_verdict
from unretouch.settings.verify import TextureThresholds

SHARED = Path(__file__).parents[3] / "shared" / "portraits"
FACES = ("astronaut", "london_003", "london_099", "selfie_30cm")


def skin(face: str) -> Levels:
    """Part of a real, untouched face, 128 x 128."""
    if face == "astronaut":
        return data.astronaut()[60:188, 150:278].astype(np.float32)
    path = SHARED / f"{face}.jpg"
    if not path.exists():
        pytest.skip(f"needs {path.name} of the shared portraits, which is not here")
    whole = read_rgb(path)
    top, left = whole.shape[0] // 2 + 40, whole.shape[1] // 2 - 64
    return whole[top : top + 128, left : left + 128].astype(np.float32)


def smoothed_area() -> Area:
    noise = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(128, 128)), 12)
    return noise[:, :, None] > 0


def detail(face: str) -> Levels:
    return skin(face) - ndimage.gaussian_filter(skin(face), (2.5, 2.5, 0))


@cache
def pair(face: str) -> tuple[Levels, Levels]:
    """Source and target: the face with 85 % of its fine detail taken away in an irregular area."""
    return np.where(smoothed_area(), skin(face) - 0.85 * detail(face), skin(face)), skin(face)


def judged(face: str, prediction: Levels) -> PairFigures:
    source, target = pair(face)
    return figures_of_pair(face, source, prediction, target, 500.0)


def word(face: str, prediction: Levels) -> str:
    return texture_verdict([judged(face, prediction)]).word


def blurred(levels: Levels, strength: float) -> Levels:
    return ndimage.gaussian_filter(levels, (strength, strength, 0))


faces = pytest.mark.parametrize("face", FACES)


@faces
def test_the_skin_itself_is_back(face: str) -> None:
    assert word(face, pair(face)[1]) == "back"


@faces
def test_doing_nothing_brings_nothing(face: str) -> None:
    assert word(face, pair(face)[0]) == "nothing"


@faces
def test_nearly_all_of_it_is_back_and_half_of_it_is_smooth(face: str) -> None:
    source, target = pair(face)
    assert word(face, source + np.float32(0.92) * (target - source)) == "back"
    assert word(face, source + np.float32(0.4) * (target - source)) == "smooth"


@faces
@pytest.mark.parametrize("strength", [0.7, 1.0, 2.0])
def test_blur_lowers_the_verdict(face: str, strength: float) -> None:
    assert word(face, blurred(pair(face)[1], strength)) == "smooth"


@faces
def test_the_more_blur_the_less_energy_and_the_less_recovered(face: str) -> None:
    _, target = pair(face)
    areas = [judged(face, blurred(target, s)).prediction.area for s in (0.4, 0.7, 1.0, 1.5)]
    for key in ("band_energy_2_4", "detail_recovered_2_4", "detail_ssim"):
        figures = [area[key] or 0.0 for area in areas]
        assert figures == sorted(figures, reverse=True), key


@faces
@pytest.mark.parametrize("seed", [1, 2])
def test_grain_of_the_right_energy_does_not_fool_it(face: str, seed: int) -> None:
    source, target = pair(face)
    grain = grain_overlay(source, target, noise_and_area(source, target)[1], seed)
    figures = judged(face, grain).prediction.area
    for band in ("2_4", "4_8"):
        assert figures[f"band_energy_{band}"] == pytest.approx(1, abs=0.15)
    assert word(face, grain) == "grain"


@faces
@pytest.mark.parametrize("offset", [2, 3, 7])
def test_the_true_texture_in_the_wrong_place_does_not_fool_it(face: str, offset: int) -> None:
    """Real pores, only moved: every statistic but their place is right."""
    moved = np.roll(0.85 * detail(face), (offset, offset), (0, 1))
    assert word(face, pair(face)[0] + smoothed_area() * moved) in ("grain", "noisy")


@faces
def test_pores_of_another_cheek_do_not_fool_it(face: str) -> None:
    other = 0.85 * detail(face)[::-1, ::-1]
    assert word(face, pair(face)[0] + smoothed_area() * other) in ("grain", "noisy")


@faces
def test_noise_on_top_of_perfect_skin_is_noise(face: str) -> None:
    noise = np.random.default_rng(5).normal(0, 6, pair(face)[1].shape[:2])[:, :, None]
    assert word(face, pair(face)[1] + noise.astype(np.float32)) == "noisy"


@faces
def test_oversharpened_is_noisy(face: str) -> None:
    source, target = pair(face)
    assert word(face, source + np.float32(1.5) * (target - source)) == "noisy"


@faces
def test_light_and_shade_changed_do_not_matter_to_texture(face: str) -> None:
    rows = np.linspace(-6, 6, pair(face)[1].shape[0], dtype=np.float32)[:, None, None]
    assert word(face, pair(face)[1] + rows) == "back"


def test_noise_of_a_size_that_was_never_removed_counts_too() -> None:
    """The retouch took blotches of some ten pixels; the model gives these back, and fine noise."""
    rng = np.random.default_rng(6)
    target = np.repeat(rng.normal(128, 3, (128, 128, 1)), 3, axis=2).astype(np.float32)
    blotches = ndimage.gaussian_filter(rng.normal(0, 1, (128, 128)), 4)
    source = target + (10 * blotches / blotches.std())[:, :, None].astype(np.float32)
    noise = rng.normal(0, 6, (128, 128, 1)).astype(np.float32)
    figures = figures_of_pair("a", source, target + noise, target, 500.0)
    assert texture_verdict([figures]).word == "noisy"


def test_the_worst_pair_decides_and_is_named() -> None:
    source, target = pair("astronaut")
    good = figures_of_pair("good", source, target, target, 500.0)
    bad = figures_of_pair("bad", source, blurred(target, 1), target, 500.0)
    verdict = texture_verdict([good, bad, good])
    assert (verdict.word, verdict.held_back_by) == ("smooth", "bad")
    assert verdict.pairs == {"good": "back", "bad": "smooth"}
    assert "bad" in verdict.sentence


def test_figures_that_pass_must_still_beat_the_baselines() -> None:
    source, target = pair("astronaut")
    grain = grain_overlay(source, target, noise_and_area(source, target)[1])
    lenient = TextureThresholds(coherence=-1, recovered=-9, highest_energy=9)
    assert texture_verdict([judged("astronaut", grain)], lenient).word == "no better"


def test_nothing_is_said_where_nothing_was_removed() -> None:
    _, target = pair("astronaut")
    untouched = figures_of_pair("a", target, target, target, 500.0)
    assert texture_verdict([untouched]).word == "unknown"
    assert texture_verdict([]).word == "unknown"


def test_nothing_is_said_where_no_band_counts() -> None:
    true = data.astronaut()[60:140, 150:230]
    smooth = ndimage.gaussian_filter(true, (2, 2, 0))
    pair = figures_of_pair("face", smooth, true, true, 300.0)
    assert texture_verdict([pair], TextureThresholds(band_matters=2)).word == "unknown"
    assert texture_verdict([pair]).word == "back"


@faces
def test_where_nothing_was_added_there_is_no_grain(face: str) -> None:
    """A twentieth of strong detail was taken, which leaves the source as strong as is asked for."""
    target = skin(face) + 2 * detail(face)
    removed = smoothed_area() * 3 * detail(face)
    source, prediction = (target - np.float32(share) * removed for share in (0.05, 0.08))
    figures = figures_of_pair(face, source, prediction, target, 500.0)
    assert texture_verdict([figures]).word == "nothing"


@faces
def test_a_little_of_a_gentle_retouch_brought_back_is_no_grain(face: str) -> None:
    """The retouch left more than the strength that is asked for: any change leaves that, too."""
    target = skin(face)
    removed = np.float32(0.08) * smoothed_area() * detail(face)
    for share, expected in ((0.04, "smooth"), (0.15, "smooth"), (0.97, "back")):
        source = target - removed
        figures = figures_of_pair(face, source, source + share * removed, target, 500.0)
        verdict = texture_verdict([figures])
        assert verdict.word == expected, share
        # Strong it was before: that is not what is said of what is too smooth.
        assert ("as strong as" in verdict.sentence) == (expected == "back"), share
    moved = np.roll(removed, (3, 3), (0, 1))
    figures = figures_of_pair(face, source, source + 1.5 * moved, target, 500.0)
    assert texture_verdict([figures]).word == "grain"


@faces
def test_strong_texture_that_is_partly_in_place_is_partly_back(face: str) -> None:
    """What a model that draws the texture it cannot know makes: some of it true, some guessed."""
    source, removed = pair(face)[0], 0.85 * smoothed_area() * detail(face)
    other = np.roll(removed, (7, 5), (0, 1))
    words = [
        word(face, source + np.float32(true) * removed + np.float32(guessed) * other)
        for true, guessed in ((0.95, 0.1), (0.65, 0.75), (0.1, 0.95))
    ]
    assert words == ["back", "partly back", "grain"]


def test_a_band_of_noise_decides_nothing() -> None:
    """The retouch took blotches, which are back; the finest band is what two files differ by."""
    rng = np.random.default_rng(6)
    true = np.repeat(rng.normal(128, 3, (128, 128, 1)), 3, axis=2).astype(np.float32)
    blotches = ndimage.gaussian_filter(rng.normal(0, 1, (128, 128)), 4)
    source = true - (4 * blotches / blotches.std())[:, :, None].astype(np.float32)
    noise = rng.normal(0, 2, (128, 128, 1)).astype(np.float32)
    figures = figures_of_pair("a", source, true, true + noise, 500.0)
    assert texture_verdict([dataclasses.replace(figures, noise=0.0)]).word == "smooth"
    assert texture_verdict([dataclasses.replace(figures, noise=2.0)]).word == "back"


def test_the_right_answer_is_no_worse_than_any_in_a_picture_too_small_or_too_even_to_tell() -> None:
    face = data.astronaut()[100:108, 190:198]
    soft = ndimage.gaussian_filter(face, (1.5, 1.5, 0))
    even, speck = np.zeros((2, 64, 64, 3), np.uint8)
    speck[10, 10] = 9
    for source, target in ((soft, face), (speck, even)):
        figures = figures_of_pair("face", source, target.astype(np.float32), target, 500.0)
        assert texture_verdict([figures]).word == "back"
