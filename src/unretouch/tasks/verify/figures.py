"""All figures of one pair: the prediction's, and those of the two remedies it has to beat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unretouch.metrics import (
    METRICS,
    Area,
    Figure,
    Levels,
    Metric,
    grain_overlay,
    level_error,
    radial_spectrum,
    recovered_share,
    retouched_area,
    weighted_l1,
)
from unretouch.metrics.luma import luma
from unretouch.metrics.octave_bands import band_products
from unretouch.metrics.retouched_area import measured
from unretouch.tasks.verify.places import Place, worst_and_typical

PLAIN = ("level_error", "recovered_share", "exact_pixels", "psnr", "ssim")
"""Metrics of likeness, over the whole frame and over the retouched area."""
TEXTURE = tuple(name for name in METRICS if name not in PLAIN)
"""Metrics of texture, over the retouched area: elsewhere no texture was removed."""
GRAIN_SEED = 0

Picture = npt.NDArray[np.uint8] | Levels
"""File space or levels, (H, W, 3): 0 to 255 in both."""
Figures = dict[str, Figure]


@dataclass(frozen=True)
class Candidate:
    """The figures of one answer to a pair."""

    frame: Figures
    """PLAIN metrics over the whole frame; none of the grain overlay, which leaves the rest alone"""
    area: Figures
    """PLAIN, TEXTURE and extra metrics over the retouched area; all None where it is empty"""


@dataclass(frozen=True)
class Part:
    """What was recovered in one part of the frame."""

    share_of_frame: float
    level_error: Figure
    identity_error: Figure
    recovered_share: Figure


@dataclass(frozen=True)
class BandEnergies:
    """Mean squares of luma in the retouched area by octave band, finest first, in grey levels
    squared."""

    source: tuple[float, ...]
    target: tuple[float, ...]
    prediction: tuple[float, ...]
    removed: tuple[float, ...]
    """of target - source"""


@dataclass(frozen=True)
class Spectra:
    """Radial log power spectra of the retouched area, in decibels, for a plot."""

    frequency: tuple[float, ...]
    """cycles a pixel"""
    source: tuple[float, ...]
    prediction: tuple[float, ...]
    target: tuple[float, ...]
    grain: tuple[float, ...]


@dataclass(frozen=True)
class PairFigures:
    """Everything measured of one pair."""

    name: str
    width: int
    height: int
    lambda_L1: float
    G_L1: float
    """the level error over the whole frame, in the units of the training log"""
    noise: float
    """grey levels (RMS) of difference that are not the retoucher's doing"""
    area_share: float
    """part of the frame that was retouched, 0 to 1"""
    prediction: Candidate
    identity: Candidate
    """the source itself: doing nothing"""
    grain: Candidate
    """the source under a grain overlay of matched energy"""
    bands: BandEnergies | None
    spectra: Spectra | None
    """these two None where nothing was retouched"""
    worst: Place
    """where to look: the square with the largest error, and one whose error is the median"""
    typical: Place
    skin: Part | None = None
    """None where no mask of the skin was given"""
    elsewhere: Part | None = None


def figures_of_pair(
    name: str,
    source: Picture,
    prediction: Levels,
    target: Picture,
    lambda_L1: float,
    skin: npt.NDArray[np.float32] | None = None,
    extra: Iterable[Metric] = (),
) -> PairFigures:
    """Measure a prediction, and the two baselines, against the target.

    `source` and `target` are file space or levels, `prediction` levels, not rounded, all (H, W, 3)
    of one size; `skin` is 0 to 1, (H, W), and splits the error where it crosses 0.5;
    `extra` are metrics beyond METRICS. Needs about 2.5 GB for 24 megapixels. Raises ValueError when
    the shapes differ.
    """
    before, ours, true = (
        np.asarray(picture, dtype=np.float32) for picture in (source, prediction, target)
    )
    known = measured(before, true)
    area = retouched_area(before, true, known)
    grain = grain_overlay(before, true, area, GRAIN_SEED) if area.any() else before
    worst, typical = worst_and_typical(ours, true, area)
    metrics = (*METRICS.values(), *extra)
    inside, outside = (None, None) if skin is None else (skin > 0.5, skin <= 0.5)
    return PairFigures(
        name=name,
        width=true.shape[1],
        height=true.shape[0],
        lambda_L1=lambda_L1,
        G_L1=weighted_l1(level_error(ours, true), lambda_L1),
        noise=known.noise_level,
        area_share=float(area.mean()),
        prediction=_candidate(ours, true, before, area, metrics),
        identity=_candidate(before, true, before, area, metrics),
        grain=Candidate({}, _over_area(grain, true, before, area, metrics)),
        bands=_bands(before, ours, true, area) if area.any() else None,
        spectra=_spectra(before, ours, true, grain, area) if area.any() else None,
        worst=worst,
        typical=typical,
        skin=_part(ours, true, before, inside),
        elsewhere=_part(ours, true, before, outside),
    )


def _candidate(
    answer: Levels, target: Levels, source: Levels, area: Area, metrics: Iterable[Metric]
) -> Candidate:
    frame: Figures = {}
    for name in PLAIN:
        frame |= METRICS[name].figures(answer, target, source)
    return Candidate(frame, _over_area(answer, target, source, area, metrics))


def _over_area(
    answer: Levels, target: Levels, source: Levels, area: Area, metrics: Iterable[Metric]
) -> Figures:
    figures: Figures = {}
    for metric in metrics:
        figures |= metric.figures(answer, target, source, area)
    return figures


def _part(answer: Levels, target: Levels, source: Levels, area: Area | None) -> Part | None:
    if area is None:
        return None
    if not area.any():
        return Part(0.0, None, None, None)
    return Part(
        share_of_frame=float(area.mean()),
        level_error=level_error(answer, target, area),
        identity_error=level_error(source, target, area),
        recovered_share=recovered_share(answer, target, source, area),
    )


def _bands(source: Levels, prediction: Levels, target: Levels, area: Area) -> BandEnergies:
    before, ours, true = luma(source), luma(prediction), luma(target)
    pictures = [before, true, ours, true - before]
    energies = np.diagonal(band_products(pictures, area), axis1=1, axis2=2)
    return BandEnergies(*(tuple(float(value) for value in column) for column in energies.T))


def _spectra(
    source: Levels, prediction: Levels, target: Levels, grain: Levels, area: Area
) -> Spectra:
    powers = []
    for picture in (source, prediction, target, grain):
        frequency, power = radial_spectrum(luma(picture), area)
        powers.append(tuple(float(value) for value in power))
    return Spectra(tuple(float(value) for value in frequency), *powers)
