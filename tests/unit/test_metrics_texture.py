"""Texture metrics against values found by hand, by scikit-image or by scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from skimage import data, filters
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from unretouch.metrics import Area, Figure, Levels
from unretouch.metrics.metric import total
from unretouch.metrics.octave_bands import band_energies, band_layers, coarse_bands, reduced
from unretouch.metrics.pictures import Layer, luma, tiles_of
from unretouch.metrics.radial_spectrum import FREQUENCIES, decibels, power_sums
from unretouch.metrics.table import METRICS

SIZE = 256


def figures(
    name: str,
    prediction: Levels,
    target: Levels,
    source: Levels | None = None,
    area: Area | None = None,
) -> tuple[Figure, ...]:
    """The figures of a metric, one for each part."""
    return METRICS[name].over(prediction, target, target if source is None else source, area)


def figure(name: str, prediction: Levels, target: Levels, area: Area | None = None) -> Figure:
    """The figure of a metric that has one, and does not look at the source."""
    (found,) = figures(name, prediction, target, None, area)
    return found


def radial_spectrum(picture: Levels, area: Area | None = None) -> np.ndarray:
    """The power at each of FREQUENCIES, in decibels."""
    sums = total(lambda view: power_sums(view, view.target), picture, picture, picture, area)
    return decibels(sums)


def grey(layer: np.ndarray) -> Levels:
    return np.repeat(layer.astype(np.float32)[:, :, None], 3, axis=2)


def wave(period: float, amplitude: float = 10.0, phase: float = 0.0, angle: float = 0.0) -> Layer:
    """A sine wave around middle grey; the period in pixels, phase and angle in degrees."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    along = columns * np.cos(np.radians(angle)) + rows * np.sin(np.radians(angle))
    swing = np.sin(2 * np.pi * along / period + np.radians(phase))
    return (128 + amplitude * swing).astype(np.float32)


def middle() -> Area:
    """Away from the border, where reflection breaks a wave."""
    area = np.zeros((SIZE, SIZE), dtype=np.bool_)
    area[64:192, 64:192] = True
    return area


def face() -> Levels:
    return data.astronaut()[:SIZE, 100 : 100 + SIZE].astype(np.float32)


def detail_layer(picture: Layer) -> Layer:
    return np.asarray(sum(band_layers(picture)))


def energies(picture: Layer, area: Area | None = None) -> np.ndarray:
    """The mean square of luma in each band."""
    sums = total(lambda view: band_energies(view, view.target), *[grey(picture)] * 3, area)
    return sums / (picture.size if area is None else np.count_nonzero(area))


def noisy_face() -> Levels:
    return face() + np.random.default_rng(0).normal(0, 4, face().shape).astype(np.float32)


# --- octave bands


@pytest.mark.parametrize("band", range(4))
@pytest.mark.parametrize("angle", [0, 30, 45, 90])
def test_a_wave_in_the_middle_of_an_octave_has_its_whole_energy_there(
    band: int, angle: float
) -> None:
    period = 2 ** (band + 1.5)
    energy = energies(wave(period, angle=angle), middle())
    expected = np.zeros(4)
    expected[band] = 10**2 / 2
    np.testing.assert_allclose(energy, expected, atol=1.0)


def test_a_wave_between_two_octaves_is_in_both_with_half_its_amplitude() -> None:
    energy = energies(wave(8), middle())
    np.testing.assert_allclose(energy, [0, 12.5, 12.5, 0], atol=0.2)


def test_the_bands_add_up_to_the_detail_and_shading_is_none_of_it() -> None:
    fine = wave(5) + wave(20) - 128
    np.testing.assert_allclose(detail_layer(fine)[middle()], (fine - 128)[middle()], atol=0.1)
    shading = detail_layer(wave(128))[middle()]
    assert np.abs(shading).max() < 0.1


def test_tiles_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction, target = noisy_face(), face()
    blurred = ndimage.gaussian_filter(target, (2, 2, 0))
    area = luma(target) > 80

    def all_figures() -> dict[str, float | None]:
        over_area = [m.figures(prediction, target, blurred, area) for m in METRICS.values()]
        over_frame = METRICS["ssim"].figures(prediction, target, blurred)
        return {
            f"{key} of {n}": v
            for n, part in enumerate([*over_area, over_frame])
            for key, v in part.items()
        }

    whole = all_figures()
    monkeypatch.setattr("unretouch.metrics.metric.SIDE", 96)
    assert all_figures() == pytest.approx(whole, rel=2e-3)


def test_tiles_cover_the_frame_once() -> None:
    counted = np.zeros((70, 45), dtype=int)
    for tile in tiles_of(70, 45, halo=5, side=32):
        counted[tile.own] += 1
        around = np.zeros_like(counted)
        around[tile.around] = 1
        assert around[tile.own].all()
        frame = np.arange(70 * 45).reshape(70, 45)
        np.testing.assert_array_equal(frame[tile.around][tile.inner], frame[tile.own])
    assert (counted == 1).all()


# --- band energy and coherence


def test_twice_the_amplitude_is_four_times_the_energy_of_that_band_alone() -> None:
    target = grey(wave(2**1.5) + wave(2**3.5) - 128)
    prediction = grey(wave(2**1.5) + wave(2**3.5, amplitude=20) - 128)
    energies = figures("band_energy", prediction, target, area=middle())
    assert energies[0] == pytest.approx(1, rel=0.01)
    assert energies[2] == pytest.approx(4, rel=0.01)


def test_a_band_without_detail_has_no_ratio() -> None:
    flat = grey(np.full((SIZE, SIZE), 128.0))
    assert figures("band_energy", grey(wave(3)), flat) == (None, None, None, None)


@pytest.mark.parametrize("phase", [0, 60, 90, 180])
def test_coherence_is_the_cosine_of_the_phase_by_which_a_wave_is_displaced(phase: float) -> None:
    source = grey(np.full((SIZE, SIZE), 128.0))
    true = grey(wave(2**2.5))
    moved = grey(wave(2**2.5, amplitude=3, phase=phase))
    coherence = figures("detail_coherence", moved, true, source, middle())
    assert coherence[1] == pytest.approx(np.cos(np.radians(phase)), abs=0.01)


def test_what_was_not_touched_has_no_part_in_coherence() -> None:
    """Far outside of the retouch the pictures agree, which must not count for the model."""
    target, rng = noisy_face(), np.random.default_rng(3)
    source = target.copy()
    source[:120, :120] += rng.normal(0, 5, (120, 120, 1))
    prediction = source.copy()
    prediction[:120, :120] += rng.normal(0, 5, (120, 120, 1))
    for coherence in figures("detail_coherence", prediction, target, source):
        assert coherence is not None
        assert abs(coherence) < 0.2


def test_nothing_put_back_is_no_coherence_and_nothing_taken_away_has_none() -> None:
    target = noisy_face()
    assert figures("detail_coherence", face(), target, face()) == (0, 0, 0, 0)
    assert figures("detail_coherence", face(), target, target) == (None,) * 4


@pytest.mark.parametrize(("gain", "recovered"), [(0, 0), (0.5, 0.75), (1, 1), (2, 0), (-1, -3)])
def test_detail_recovered_counts_place_and_strength(gain: float, recovered: float) -> None:
    target, source = noisy_face(), face()
    prediction = source + np.float32(gain) * (target - source)
    assert figures("detail_recovered", prediction, target, source) == pytest.approx(
        [recovered] * 4, abs=1e-3
    )


def test_grain_of_the_right_strength_recovers_minus_one() -> None:
    """Independent of the true detail, its energy comes on top: 1 - (1 + 1) / 1."""
    target, source = noisy_face(), face()
    grain = np.random.default_rng(9).normal(0, 4, face().shape).astype(np.float32)
    for recovered in figures("detail_recovered", source + grain, target, source)[:2]:
        assert recovered == pytest.approx(-1, abs=0.1)


# --- spectrum


def test_white_noise_is_flat_at_its_standard_deviation() -> None:
    noise = np.random.default_rng(4).normal(128, 8, (512, 512)).astype(np.float32)
    power = radial_spectrum(grey(noise))
    assert FREQUENCIES[[0, -1]] == pytest.approx((1 / 64, 1 / 2))
    np.testing.assert_allclose(power[1:], 20 * np.log10(8), atol=1)
    assert power[4:].mean() == pytest.approx(20 * np.log10(8), abs=0.1)


def test_a_wave_is_a_peak_at_its_frequency() -> None:
    power = radial_spectrum(grey(wave(8)))
    assert FREQUENCIES[np.argmax(power)] == 1 / 8


def test_twice_the_contrast_is_six_decibels_away() -> None:
    noise = np.random.default_rng(4).normal(0, 8, (SIZE, SIZE))
    distance = figure("spectrum_distance", grey(128 + 2 * noise), grey(128 + noise))
    assert distance == pytest.approx(20 * np.log10(2), abs=0.01)


def test_the_spectrum_of_an_area_is_that_of_what_is_in_it() -> None:
    rng = np.random.default_rng(5)
    calm, wild = rng.normal(128, 2, (512, 512)), rng.normal(128, 30, (512, 512))
    area = np.zeros((512, 512), dtype=np.bool_)
    area[:, :256] = True
    area[::16, ::16] &= False
    picture = np.where(np.arange(512) < 300, calm, wild).astype(np.float32)
    power = radial_spectrum(grey(picture), area)
    assert power[4:].mean() == pytest.approx(20 * np.log10(2), abs=0.5)


def test_what_eight_bits_cannot_hold_is_no_distance() -> None:
    flat = grey(np.full((SIZE, SIZE), 128.0))
    faint = np.random.default_rng(4).normal(0, 0.15, (SIZE, SIZE))
    assert figure("spectrum_distance", flat + grey(faint), flat) == 0


# --- local contrast, gradients, Laplacian: against scipy and scikit-image


def test_local_contrast_distance_is_the_earth_movers_distance_of_local_deviations() -> None:
    prediction, target = noisy_face()[:40, :50], face()[:40, :50]
    area = np.random.default_rng(6).random((40, 50)) > 0.3
    samples = [
        ndimage.generic_filter(luma(p).astype(float), np.std, 7, mode="mirror")[area]
        for p in (prediction, target)
    ]
    expected = stats.wasserstein_distance(*samples)
    assert figure("local_contrast_distance", prediction, target, area) == pytest.approx(
        expected, rel=1e-4
    )


def test_gradient_ratio_agrees_with_scikit_image() -> None:
    inner = np.zeros((SIZE, SIZE), dtype=np.bool_)
    inner[2:-2, 2:-2] = True
    ours, theirs = (filters.sobel(luma(p))[inner].mean() for p in (noisy_face(), face()))
    assert figure("gradient_ratio", noisy_face(), face(), inner) == pytest.approx(
        ours / theirs, rel=1e-4
    )


def test_laplacian_ratio_agrees_with_scikit_image() -> None:
    inner = np.zeros((SIZE, SIZE), dtype=np.bool_)
    inner[2:-2, 2:-2] = True
    ours, theirs = (filters.laplace(luma(p))[inner] for p in (noisy_face(), face()))
    expected = np.sqrt(np.square(ours).mean() / np.square(theirs).mean())
    assert figure("laplacian_ratio", noisy_face(), face(), inner) == pytest.approx(
        expected, rel=1e-4
    )


def test_a_flat_target_has_no_slope_to_compare_with() -> None:
    flat = grey(np.full((SIZE, SIZE), 128.0))
    assert figure("gradient_ratio", grey(wave(8)), flat) is None
    assert figure("laplacian_ratio", grey(wave(8)), flat) is None
    assert figure("detail_ssim", grey(wave(8)), flat) is None


# --- PSNR and SSIM


def test_psnr_agrees_with_scikit_image() -> None:
    expected = peak_signal_noise_ratio(face(), noisy_face(), data_range=255)
    assert figure("psnr", noisy_face(), face()) == pytest.approx(expected, rel=1e-6)


def test_psnr_of_one_grey_level_everywhere() -> None:
    assert figure("psnr", face() + 1, face()) == pytest.approx(48.1308, abs=1e-4)


def test_ssim_agrees_with_scikit_image_away_from_the_border() -> None:
    _, expected = structural_similarity(
        noisy_face(),
        face(),
        data_range=255,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    area = middle() & (luma(face()) > 60)
    assert figure("ssim", noisy_face(), face(), area) == pytest.approx(
        expected[area].mean(), abs=1e-5
    )


def test_ssim_agrees_with_torchmetrics() -> None:
    ours, theirs = (
        torch.from_numpy(picture).permute(2, 0, 1)[None] for picture in (noisy_face(), face())
    )
    similarity = structural_similarity_index_measure(
        ours, theirs, data_range=255.0, return_full_image=True
    )[1]
    expected = float(similarity.mean())
    assert figure("ssim", noisy_face(), face()) == pytest.approx(expected, abs=1e-5)


def test_detail_ssim_sees_skin_where_ssim_sees_only_light() -> None:
    """A face without its pores: nearly the same picture, far from the same skin."""
    smooth = ndimage.gaussian_filter(face(), (2, 2, 0))
    pores = grey(np.random.default_rng(7).normal(0, 2, (SIZE, SIZE)))
    # Away from hair and collar, whose edges would outweigh any skin.
    calm = np.abs(detail_layer(luma(smooth))) < 3
    plain, detail = (
        figure("ssim", smooth, smooth + pores, calm),
        figure("detail_ssim", smooth, smooth + pores, calm),
    )
    assert plain is not None
    assert detail is not None
    assert plain > 0.9
    assert detail < 0.5


# --- coarse bands


def large_wave(period: float, height: int = 768, width: int = 1024) -> Levels:
    across = np.sin(2 * np.pi * np.arange(width) / period)
    return grey(128 + 10 * np.broadcast_to(across, (height, width)))


def test_what_is_larger_than_pores_is_found_in_its_band() -> None:
    source, target = np.full((768, 1024, 3), 128, np.uint8), large_wave(2**5.5)
    area = np.ones((768, 1024), np.bool_)
    half = (source + (target - source) / 2).astype(np.float32)
    (band,) = coarse_bands(half, target, source, area)
    assert (band.low, band.high) == (32, 64)
    assert band.recovered == pytest.approx(0.75, abs=0.01)
    assert band.removed == pytest.approx(area.size * 10**2 / 2, rel=0.2)


@pytest.mark.parametrize(
    ("side", "count"), [(512, 0), (723, 0), (725, 1), (1449, 2), (2897, 3), (4000, 3)]
)
def test_bands_follow_the_scale_of_the_picture(side: int, count: int) -> None:
    flat = np.zeros((side, side, 3), np.uint8)
    assert len(coarse_bands(flat, flat, flat, np.ones((side, side), np.bool_))) == count


def test_a_reduced_picture_is_the_mean_of_its_squares() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (43, 50, 3), dtype=np.uint8)
    expected = picture[:40, :48].reshape(5, 8, 6, 8, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced(picture, 8), expected, rtol=1e-5)
