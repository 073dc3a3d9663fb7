"""How much of the removed texture files can hold: against closed forms, and against the best linear
filter that many pairs can teach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from unretouch.metrics.octave_bands import BANDS, DETAIL_COHERENCE, band_layers
from unretouch.metrics.texture_ceiling import FINE_STEP, texture_ceiling
from unretouch.pixels.spaces import LUMA
from unretouch.report.pair_figures import figures_of_pair
from unretouch.report.verdicts import texture_verdict

Levels = npt.NDArray[np.float32]

SIDE = 384
WHOLE = np.ones((SIDE, SIDE), np.bool_)
BASE = np.array([140.3, 121.7, 110.1])
"""Of no channel do the levels fall together with those of another, so that roundings differ."""


def rounded(levels: npt.NDArray[np.float64], step: float) -> Levels:
    return (np.round(levels / step) * step).astype(np.float32)


def made_pair(
    seed: int, left: float = 0.15, steps: tuple[float, float] = (1.0, 1.0), strength: float = 4.0
) -> tuple[Levels, Levels]:
    """Return white texture of which `left` is left in the source, and itself, both rounded."""
    random = np.random.default_rng(seed)
    light = np.linspace(-9, 9, SIDE)[:, None, None] + BASE
    texture = strength * random.standard_normal((SIDE, SIDE, 1))
    return rounded(light + left * texture, steps[0]), rounded(light + texture, steps[1])


def closed_form(left: float, noise: float, strength: float = 4.0) -> float:
    """Return the ceiling of white texture and noise, equally strong in every channel of both."""
    removed = (1 - left) ** 2 * strength**2
    trace = left / (1 - left) * np.ones(3)
    shared = trace * removed - noise * LUMA
    seen = np.outer(trace, trace) * removed + noise * np.eye(3)
    between = removed + 2 * noise * float(LUMA @ LUMA)
    return float(np.sqrt(shared @ np.linalg.solve(seen, shared) / between))


@pytest.mark.parametrize("left", [0.1, 0.15, 0.3])
def test_rounding_alone_gives_the_closed_form(left: float) -> None:
    found = texture_ceiling(*made_pair(0, left), WHOLE)
    for band in found.bands[:3]:
        assert band == pytest.approx(closed_form(left, 1 / 12), abs=0.03)


def test_known_noise_gives_the_closed_form() -> None:
    random = np.random.default_rng(5)
    pair = made_pair(0, 0.3, (FINE_STEP, FINE_STEP))
    noise = 1.2 * random.standard_normal((2, SIDE, SIDE, 1))
    source, target = (side + one.astype(np.float32) for side, one in zip(pair, noise, strict=True))
    energy = [
        float(np.square(one).mean()) for one in band_layers(noise[0, :, :, 0].astype(np.float32))
    ]
    both = tuple(2 * one for one in energy)
    found = texture_ceiling(source, target, WHOLE, (FINE_STEP, FINE_STEP), both)
    # Noise that is alike in all channels: as in one channel.
    removed, trace = 0.7**2 * 16, 0.3 / 0.7
    shared = trace * removed - 1.44
    expected = np.sqrt(shared**2 / (trace**2 * removed + 1.44) / (removed + 2 * 1.44))
    assert found.bands[0] == pytest.approx(expected, abs=0.03)


def test_a_wiener_filter_fitted_on_many_pairs_reaches_it_and_no_more() -> None:
    def finest(picture: Levels) -> list[npt.NDArray[np.float64]]:
        return [next(iter(band_layers(picture[..., c]))).ravel().astype(float) for c in range(3)]

    seen, asked = [], []
    for seed in range(6):
        source, target = made_pair(seed)
        seen.append(np.stack(finest(source), 1))
        asked.append(np.stack(finest(target - source), 1) @ LUMA)
    best = np.linalg.lstsq(np.concatenate(seen), np.concatenate(asked), rcond=None)[0]

    source, target = made_pair(99)
    restored = np.stack(finest(source), 1) @ best
    answer = source + restored.reshape(SIDE, SIDE, 1).astype(np.float32)
    reached = DETAIL_COHERENCE.figures(answer, target, source, WHOLE)["detail_coherence_2_4"]
    ceiling = texture_ceiling(source, target, WHOLE).bands[0]
    assert reached is not None
    assert reached == pytest.approx(ceiling, abs=0.03)


def test_what_sixteen_bits_would_allow_is_what_a_sixteen_bit_pair_allows() -> None:
    told = texture_ceiling(*made_pair(0), WHOLE).with_16_bits[0]
    fine = (FINE_STEP, FINE_STEP)
    found = texture_ceiling(*made_pair(0, steps=fine), WHOLE, fine).bands[0]
    assert found is not None
    assert found > 0.99
    assert told == pytest.approx(found, abs=0.02)


def test_texture_that_left_no_trace_cannot_come_back() -> None:
    source, target = made_pair(0, 0.5)
    healed = np.array(source)
    healed[:, : SIDE // 2] = np.rint(np.linspace(-9, 9, SIDE)[:, None, None] + BASE)
    half = WHOLE.copy()
    half[:, SIDE // 2 :] = False
    nothing = texture_ceiling(healed, target, half).bands
    assert nothing[0] is not None
    assert nothing[0] < 0.15
    # Four fifths of the energy was removed from that half.
    assert texture_ceiling(healed, target, WHOLE).bands[0] == pytest.approx(0.2**0.5, abs=0.04)


def test_the_channels_of_a_grey_picture_are_rounded_alike() -> None:
    source, target = (np.repeat(side[..., :1], 3, 2) for side in made_pair(0))
    removed, trace, noise = 0.85**2 * 16, 0.15 / 0.85, 1 / 12
    expected = (trace * removed - noise) / np.sqrt(
        (trace**2 * removed + noise) * (removed + 2 * noise)
    )
    assert texture_ceiling(source, target, WHOLE).bands[0] == pytest.approx(expected, abs=0.03)


def test_nothing_removed_and_nowhere_retouched_have_no_ceiling() -> None:
    source, target = made_pair(0)
    none = (None,) * len(BANDS)
    assert texture_ceiling(target, target, WHOLE).bands == none
    assert texture_ceiling(source, target, np.zeros_like(WHOLE)).bands == none
    with pytest.raises(ValueError, match="shapes differ"):
        texture_ceiling(source, target[1:], WHOLE)


def test_the_verdict_says_how_far_it_could_come_and_what_would_raise_that() -> None:
    source, target = (np.rint(side).astype(np.uint8) for side in made_pair(0))
    blind = figures_of_pair("face", source, source + 0.3 * (target - source), target, 500.0)
    by_heart = figures_of_pair("face", source, target, target, 500.0)
    assert blind.ceiling is not None
    most = blind.ceiling.bands[0]
    near = replace(
        blind,
        prediction=replace(
            blind.prediction, area=blind.prediction.area | {"detail_coherence_2_4": 0.5}
        ),
    )
    sentence = texture_verdict([near]).sentence
    assert (
        f"Finest pores in place: 0.50 of 1. On unseen skin these files allow {most:.2f} at most."
        in sentence
    )
    assert "16-bit files would allow 0.99." in sentence
    sentence = texture_verdict([by_heart]).sentence
    assert f"1.00 of 1. On unseen skin these files allow {most:.2f} at most." in sentence
    assert "would allow" not in sentence
