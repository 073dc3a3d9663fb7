"""All figures of one pair: the prediction's, and those of the two remedies it has to beat."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unretouch.base.memory import give_back
from unretouch.metrics import Area, Figure, Metric, Picture, weighted_l1
from unretouch.metrics.grain import Grain, White, grain_overlay, matched_grain
from unretouch.metrics.likeness import (
    Ruler,
    error_sums,
    judged_by_area,
    judged_share,
    nearly_exact,
    ruler_of,
    share_but_noise,
)
from unretouch.metrics.metric import HALO, SIDE, Patch, Sums, Tally, View, in_order
from unretouch.metrics.octave_bands import PARTS, CoarseBand, band_values, coarse_bands
from unretouch.metrics.pictures import Tile, check, tiles_of
from unretouch.metrics.radial_spectrum import FREQUENCIES, decibels
from unretouch.metrics.table import METRICS
from unretouch.metrics.texture_ceiling import TextureCeiling, texture_ceiling
from unretouch.pixels.grade import Grade, in_colours_of
from unretouch.pixels.retouched_area import nearest_answer
from unretouch.pixels.spaces import in_levels, steps_of
from unretouch.runs.status import PlainFigures, harm, share_of, told_share

PLAIN = ("level_error", "recovered_share", "exact_pixels", "psnr", "ssim")
"""Metrics of likeness, over the whole frame and over the retouched area."""
TEXTURE = tuple(name for name in METRICS if name not in PLAIN)
"""Metrics of texture, over the retouched area: elsewhere no texture was removed."""
GRAIN_SEED = 0
NOISE_BANDS = (1.3, 0.15, 0.03, 0.01)
"""What of the mean square of a pair's noise is in the luma of each octave band, finest first, as of
two JPEGs of one picture: of white noise, which has less in all, it is 0.76, 0.11, 0.03 and 0.01."""
GRADE_MISFIT = 0.01
"""Of the energy of a band: what two pictures in nearly the same colours may differ by."""
HARM_OF_NOISE = 0.4
"""Of the noise (RMS): what a change as strong as the noise itself adds to the error."""
_TRIMMED = 32
"""Tiles after which what threads have freed is given back, lest it pile up."""

_ROWS = 256
"""Of a picture, looked at together."""

Figures = dict[str, Figure]


@dataclass(frozen=True)
class Candidate:
    """The figures of one answer to a pair."""

    frame: Figures
    """PLAIN metrics over the whole frame; none of the grain overlay, which leaves the rest alone"""
    area: Figures
    """PLAIN, TEXTURE and extra metrics over the retouched area; all None where it is empty"""


@dataclass(frozen=True)
class Place:
    """A square of the frame, shown at 1:1."""

    top: int
    left: int
    side: int
    level_error: float
    """mean absolute error inside, in grey levels"""


@dataclass(frozen=True)
class Part:
    """What was recovered in one part of the frame."""

    share_of_frame: float
    level_error: Figure
    identity_error: Figure
    recovered_share: Figure

    @property
    def told_share(self) -> Figure:
        """The recovered share as people are told it."""
        return told_share(self.recovered_share, self.level_error or 0.0, self.identity_error or 0.0)


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
class GradeShare:
    """Of a pair with a colour grade on one side: what the grade has to do with its figures."""

    levels: float
    """grey levels of the error of doing nothing that the grade explains"""
    recovered: float
    """share that is back of all that can come back, grade and retouch: the noise of the pair is
    left out"""
    by_grade: float
    """share of the error of doing nothing that is gone because the colours came nearer"""


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
    """part of the frame that was retouched, 0 to 1; 0 where noise, or a grade, may be all"""
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
    added_outside: Figure = None
    """mean |prediction - source| outside the retouched area, where nothing should change, in grey
    levels; None where all was retouched"""
    wrong_outside: Figure = None
    """what of `added_outside` lies beyond source and target, which differ by noise alone there"""
    right_outside: Figure = None
    """share of the pixels there that, once saved, lie between source and target"""
    identity_retouch: float = 0.0
    """what of the error of doing nothing over the whole frame is the retouch: that in its area"""
    identity_noise: float = 0.0
    """the rest of it: two files compressed apart, which no model can bring back"""
    coarse: tuple[CoarseBand, ...] = ()
    """what of the retouch is larger than pores; as many bands as the frame is large enough for"""
    grade: GradeShare | None = None
    """None where neither side is graded. Where one is, the figures of the retouched area, and
    outside of it, are those of the retouch itself: all is compared in the target's colours"""
    moved: float = 0.0
    """part of the frame that was moved in places, 0 to 1, which no model can undo"""
    nearly_exact: tuple[float, float] | None = None
    """shares of the pixels within one level of 8 bits and within one step of 16 of a 16-bit
    target's; None of others"""
    ceiling: TextureCeiling | None = None
    """how much of the removed texture the files can still hold; None where nothing was retouched"""

    @property
    def plain(self) -> PlainFigures:
        """The figures that every table and page shows first, as training tells them."""
        frame, area, left_out = self.prediction.frame, self.prediction.area, self.left_out
        error, exact = frame["level_error"], frame["exact_pixels"]
        nothing, share = self.identity.frame["level_error"], frame["recovered_share"]
        if left_out is not None:
            error = self._added_up(area["level_error"], self.wrong_outside)
            exact = self._added_up(area["exact_pixels"], self.right_outside)
            nothing = self.identity_retouch
            share = share_of(error, nothing)
        assert error is not None
        assert nothing is not None
        return PlainFigures(
            name=self.name,
            level_error=error,
            identity_error=nothing,
            recovered_share=share,
            exact_pixels=exact,
            left_out=left_out or 0.0,
            nearly_exact=self.nearly_exact,
        )

    def _added_up(self, area: Figure, outside: Figure) -> float:
        """Return the mean over the frame of what has these means in its two parts."""
        return self.area_share * (area or 0.0) + (1 - self.area_share) * (outside or 0.0)

    @property
    def by_area(self) -> bool:
        """Whether the retouched area decides, and not the whole frame."""
        return judged_by_area(self.noise, self.moved, self.grade is not None)

    @property
    def left_out(self) -> float | None:
        """What the sides differ by beside the retouch, grey levels: two files compressed apart, or
        what was moved; None of lossless pairs, and of graded ones, whose grade is learnt."""
        return self.identity_noise if self.by_area and self.grade is None else None

    @property
    def nothing_to_judge(self) -> bool:
        """Whether noise, or a grade, is all that there is between source and target."""
        return self.by_area and not self.area_share

    @property
    def judged(self) -> Figures:
        """The prediction's figures over that part of the frame by which it is judged."""
        return self.prediction.area if self.by_area else self.prediction.frame

    @property
    def judged_identity(self) -> Figure:
        """What doing nothing costs there, in grey levels."""
        return (self.identity.area if self.by_area else self.identity.frame)["level_error"]

    @property
    def judged_share(self) -> Figure:
        """The recovered share by which it is judged; None where there is nothing to recover."""
        of_all = None if self.grade is None else self.grade.recovered
        return judged_share(self.judged["recovered_share"], of_all)

    @property
    def harm(self) -> float:
        """Grey levels by which the prediction is further off than doing nothing, in that part of
        the frame by which it is judged, or over the frame of what is asked for, where it changed
        what was not retouched; 0 where the two are alike to within the pair's noise."""
        found = beyond_noise(self, self.judged["level_error"], self.judged_identity)
        if self.grade is None:
            plain, noise = self.plain, HARM_OF_NOISE * self.noise * self.area_share
            return max(found, harm(plain.level_error, plain.identity_error, noise))
        # In its own colours, too: what a wrong grade does is seen.
        frame = (one.frame["level_error"] for one in (self.prediction, self.identity))
        return max(found, beyond_noise(self, *frame))

    @property
    def judged_G_L1(self) -> float:
        """G_L1 over that part of the frame."""
        error = self.judged["level_error"]
        return self.G_L1 if error is None else weighted_l1(error, self.lambda_L1)


def figures_of_pair(
    name: str,
    source: Picture,
    prediction: Picture,
    target: Picture,
    lambda_L1: float,
    skin: npt.NDArray[np.float32] | Area | None = None,
    extra: Iterable[Metric] = (),
    with_ceiling: bool = True,
) -> PairFigures:
    """Measure a prediction, and the two baselines, against the target.

    Pictures are file space or levels, a prediction not rounded, all (H, W, 3) of one size; `skin`
    is 0 to 1, (H, W), and splits the error where it crosses 0.5; `extra` are metrics beyond
    METRICS; the ceiling is left out without `with_ceiling`. Works in tiles: needs about 0.3 GB
    beyond the pictures. Raises ValueError when the shapes differ.
    """
    check(source, prediction, target)
    give_back()
    ruler = ruler_of(source, target)
    grade, area, before = ruler.grade, ruler.area, ruler.before
    give_back()
    ours = prediction if grade is None else in_colours_of(prediction, target)
    grain = matched_grain(before, target, area, GRAIN_SEED) if area.any() else None
    give_back()
    retouch = None if grade is None else (before, ours)
    found = _added(source, prediction, target, area, skin, grain, retouch)
    give_back()
    worst, typical = worst_and_typical(prediction, target, area)
    more = _extra(extra, before, ours, target, area)
    frame, inside = (_part(found, where, area.size) for where in ("frame", "area"))
    alike = frame if grade is None else _part(found, "alike", area.size)
    nothing = alike.identity_error or 0.0
    retouched = (inside.identity_error or 0.0) * inside.share_of_frame
    return PairFigures(
        name=name,
        width=target.shape[1],
        height=target.shape[0],
        lambda_L1=lambda_L1,
        G_L1=weighted_l1(frame.level_error or 0.0, lambda_L1),
        noise=ruler.noise,
        area_share=float(area.mean()),
        prediction=_candidate(found, "prediction", more),
        identity=_candidate(found, "identity", more),
        grain=Candidate({}, _candidate(found, "grain" if grain else "identity", more).area),
        bands=_bands(found) if grain else None,
        spectra=_spectra(found) if grain else None,
        worst=worst,
        typical=typical,
        skin=None if skin is None else _part(found, "skin", area.size),
        elsewhere=None if skin is None else _part(found, "elsewhere", area.size),
        added_outside=_part(found, "outside", area.size).level_error,
        wrong_outside=_part(found, "wrong", area.size).level_error,
        right_outside=_figures(found, "prediction", "wrong", ("exact_pixels",))["exact_pixels"],
        identity_retouch=retouched,
        identity_noise=max(0.0, nothing - retouched),
        coarse=coarse_bands(ours, target, before, area),
        grade=None if grade is None else _grade_share(grade, frame, alike, nothing - retouched),
        moved=ruler.moved,
        nearly_exact=nearly_exact(prediction, target),
        ceiling=ceiling_of(ruler, source, target) if grain and with_ceiling else None,
    )


def ceiling_of(ruler: Ruler, source: Picture, target: Picture) -> TextureCeiling:
    """Return how much of the removed texture a pair's files can still hold, where it was retouched.
    Each is rounded as it is stored; levels as of 8 bits."""
    steps = 1 / steps_of(source), 1 / steps_of(target)
    compression = [part * ruler.noise**2 for part in NOISE_BANDS]
    return texture_ceiling(ruler.before, target, ruler.area, steps, compression)


def _grade_share(grade: Grade, frame: Part, alike: Part, noise: float) -> GradeShare:
    """Return what the grade has to do with figures: `frame` as it is, and `alike` in the target's
    colours."""
    idle, error = frame.identity_error or 0.0, frame.level_error or 0.0
    gained = (alike.identity_error or 0.0) - (alike.level_error or 0.0)
    return GradeShare(
        levels=grade.levels,
        recovered=share_but_noise(idle, error, noise),
        by_grade=(idle - error - gained) / max(idle, 1e-6),
    )


def beyond_noise(pair: PairFigures, error: Figure, idle: Figure) -> float:
    """Return by how many grey levels an `error` in some part of the frame lies above that of doing
    nothing there, `idle`; 0 where that is nothing worth a word."""
    if error is None or idle is None:
        return 0.0
    return harm(error, idle, HARM_OF_NOISE * pair.noise)


def retouch_shares(pair: PairFigures) -> dict[str, float]:
    """Return the share of each band, fine and coarse, in the energy of the retouch, by its name
    such as `2_4`; nothing where there is no retouch."""
    if pair.bands is None:
        return {}
    pixels = pair.area_share * pair.width * pair.height
    energies = {part: one * pixels for part, one in zip(PARTS, pair.bands.removed, strict=True)}
    energies |= {f"{band.low}_{band.high}": band.removed for band in pair.coarse}
    whole = sum(energies.values())
    return {part: energy / whole for part, energy in energies.items()} if whole else {}


_Key = tuple[str, str, str]
"""Answer, part of the frame, metric."""
_Added = dict[_Key, Sums]
"""What the sums of all tiles come to."""


def _added(
    source: Picture,
    prediction: Picture,
    target: Picture,
    area: Area,
    skin: npt.NDArray[np.float32] | Area | None,
    grain: Grain | None,
    retouch: tuple[Picture, Picture] | None = None,
) -> _Added:
    """Measure all answers by all metrics, over all parts of the frame, in one go.

    `retouch` are source and prediction in the colours of the target, where these differ by a grade:
    by them is measured what is of the retouch itself.
    """
    frame = (area.shape[0], area.shape[1])
    tiles = ((tile, None) for tile in tiles_of(*frame, HALO, SIDE))

    def of(job: tuple[Tile, White | None]) -> _Added:
        tile, white = job
        true = Patch(target, tile)
        as_they_are = _answers(source, prediction, tile)
        alike = as_they_are if retouch is None else _answers(*retouch, tile)
        if grain is not None and white is not None:
            below = source if retouch is None else retouch[0]
            alike = alike | {"grain": grain.over(below, tile, white)}
        sums: _Added = {}
        for where, inside in _parts(tile, area, skin):
            answers = as_they_are if where in _AS_THEY_ARE else alike
            before, ours = answers["identity"], answers["prediction"]
            shared: dict[Hashable, Any] = {}
            if where == "outside":  # where the answer is the source itself, or all but for noise
                nearest = Patch(target, tile)
                nearest.levels = nearest_answer(ours.levels, before.levels, true.levels)
                for what, right in (("outside", before), ("wrong", nearest)):
                    view = View(ours, right, before, frame, inside)
                    sums["prediction", what, "recovered_share"] = error_sums(view)
                exact = METRICS["exact_pixels"].measure
                assert isinstance(exact, Tally)
                sums["prediction", "wrong", "exact_pixels"] = exact.sums(view)
                continue
            for answer, patch in answers.items():
                first = grain.detail if grain is not None else None
                view = View(patch, true, before, frame, inside, first, shared)
                for name in _measured(answer, where):
                    if patch is ours and ("prediction", where, name) in sums:
                        sums[answer, where, name] = sums["prediction", where, name]
                        continue
                    tally = METRICS[name].measure
                    assert isinstance(tally, Tally)
                    sums[answer, where, name] = tally.sums(view)
        if retouch is not None:
            view = View(alike["prediction"], true, alike["identity"], frame)
            sums["prediction", "alike", "recovered_share"] = error_sums(view)
        return sums

    whole: _Added = {}
    for number, sums in enumerate(in_order(of, tiles if grain is None else grain.tiles()), 1):
        if number % _TRIMMED == 0:
            give_back()
        for key, part in sums.items():
            if key in whole:
                whole[key] += part
            else:
                whole[key] = part.copy()
    return whole


_AS_THEY_ARE = ("frame", "skin", "elsewhere")
"""Parts of the frame that are always measured in the colours that the pictures have."""


def _answers(source: Picture, prediction: Picture, tile: Tile) -> dict[str, Patch]:
    """Return a tile of the prediction and of doing nothing."""
    before, ours = Patch(source, tile), Patch(prediction, tile)
    if np.array_equal(ours.levels, before.levels):
        ours = before  # so it is in most tiles of a sparse retouch: they are measured once
    return {"prediction": ours, "identity": before}


def _parts(
    tile: Tile, area: Area, skin: npt.NDArray[np.float32] | Area | None
) -> Iterator[tuple[str, Area | None]]:
    """Yield the parts of the frame, of which this tile holds any, each with its pixels."""
    yield "frame", None
    parts = {"area": area[tile.own], "outside": ~area[tile.own]}
    if skin is not None:
        parts["skin"] = skin[tile.own] > 0.5
        parts["elsewhere"] = ~parts["skin"]
    for where, inside in parts.items():
        if inside.any():
            yield where, inside


def _measured(answer: str, where: str) -> tuple[str, ...]:
    """Return the metrics by which an answer is measured over a part of the frame."""
    if where == "area":
        return tuple(METRICS)
    if where == "frame":
        return () if answer == "grain" else PLAIN
    return ("recovered_share",) if answer == "prediction" else ()


def _extra(
    metrics: Iterable[Metric], source: Picture, prediction: Picture, target: Picture, area: Area
) -> dict[str, Figures]:
    """Return the figures of metrics that take whole pictures, over the area, by answer."""
    asked = tuple(metrics)
    if not asked:
        return {}
    grain = grain_overlay(source, target, area, GRAIN_SEED) if area.any() else source
    figures: dict[str, Figures] = {}
    for name, answer in (("prediction", prediction), ("identity", source), ("grain", grain)):
        figures[name] = {}
        for metric in asked:
            figures[name] |= metric.figures(answer, target, source, area)
    return figures


def _candidate(found: _Added, answer: str, more: Mapping[str, Figures]) -> Candidate:
    frame, area = (_figures(found, answer, where, names) for where, names in _WHERE.items())
    return Candidate(frame, area | more.get(answer, {}))


_WHERE = {"frame": PLAIN, "area": tuple(METRICS)}


def _figures(found: _Added, answer: str, where: str, names: Iterable[str]) -> Figures:
    figures: Figures = {}
    for name in names:
        metric = METRICS[name]
        sums = found.get((answer, where, name))
        assert isinstance(metric.measure, Tally)
        known = None if sums is None else metric.measure.figures(sums)
        figures |= dict.fromkeys(metric.keys) if known is None else metric.named(known)
    return figures


def _part(found: _Added, where: str, pixels: int) -> Part:
    sums = found.get(("prediction", where, "recovered_share"))
    if sums is None:
        return Part(0.0, None, None, None)
    ours, nothing, values = map(float, sums)
    return Part(
        share_of_frame=values / 3 / pixels,
        level_error=ours / values,
        identity_error=nothing / values,
        recovered_share=1 - ours / nothing if nothing else None,
    )


def _bands(found: _Added) -> BandEnergies:
    means = band_values(found["prediction", "area", "band_energy"])
    return BandEnergies(
        *(
            tuple(band[name] for band in means)
            for name in ("source", "target", "prediction", "removed")
        )
    )


def _spectra(found: _Added) -> Spectra:
    def power(answer: str, number: int) -> tuple[float, ...]:
        both = np.split(found[answer, "area", "spectrum_distance"], 2)
        return tuple(float(value) for value in decibels(both[number]))

    return Spectra(
        tuple(float(value) for value in FREQUENCIES),
        source=power("identity", 0),
        prediction=power("prediction", 0),
        target=power("prediction", 1),
        grain=power("grain", 0),
    )


def worst_and_typical(
    prediction: Picture, target: Picture, area: Area, side: int = 128
) -> tuple[Place, Place]:
    """Return the square with the largest mean error, and one whose error is the median.

    Squares lie on a grid of a quarter of their side, inside the frame; those that hold retouched
    pixels are considered, or all where none does. Both are cut to the frame's shorter side.
    """
    height, width = area.shape
    side = min(side, height, width)
    step = max(side // 4, 1)
    tops, lefts = _grid(height - side, step), _grid(width - side, step)
    error, retouched = np.empty((2, height + 1, len(lefts)))
    error[0] = retouched[0] = 0
    for row in range(0, height, _ROWS):
        rows = slice(row, min(row + _ROWS, height))
        off = in_levels(prediction[rows]) - in_levels(target[rows])
        red, green, blue = np.moveaxis(np.abs(off, out=off), 2, 0)
        off = np.divide(red + green + blue, 3, dtype=np.float64)
        for sums, layer in ((error, off), (retouched, area[rows].astype(np.float64))):
            behind = np.cumsum(np.pad(layer, ((0, 0), (1, 0))), axis=1)
            sums[rows.start + 1 : rows.stop + 1] = behind[:, lefts + side] - behind[:, lefts]
    means, touched = (
        np.diff(np.cumsum(sums, axis=0)[[tops, tops + side]], axis=0)[0]
        for sums in (error, retouched)
    )
    means, touched = means / side**2, touched > 0.5
    if not touched.any():
        touched[:] = True
    ranked = sorted(np.argwhere(touched).tolist(), key=lambda place: means[tuple(place)])
    row, column = ranked[-1]
    worst = Place(int(tops[row]), int(lefts[column]), side, float(means[row, column]))
    row, column = ranked[(len(ranked) - 1) // 2]
    typical = Place(int(tops[row]), int(lefts[column]), side, float(means[row, column]))
    return worst, typical


def _grid(last: int, step: int) -> np.ndarray:
    """Return the starts 0, step, 2 step ... and the last possible one."""
    return np.unique(np.append(np.arange(0, last + 1, step), last))
