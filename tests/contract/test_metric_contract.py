"""What every metric promises, on real skin: perfect at equality, worse with more harm, and blind to
the changes that it declares itself blind to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data

from unretouch.base.errors import UsageError
from unretouch.metrics import Area, Levels, Metric
from unretouch.metrics.table import METRICS
from unretouch.report.deep_distance import DEEP_DISTANCE, early_stages

BEST = {"lower": 0.0, "one": 1.0}
NOT_ALWAYS_ORDERED = {"level_error_max"}
"""A single value may come a little nearer by chance while all others get worse."""


def face() -> Levels:
    """Cheek, nose and eye of NASA's portrait of Eileen Collins (public domain): 96 x 96."""
    return data.astronaut()[80:176, 160:256].astype(np.float32)


def retouched(target: Levels) -> Levels:
    """The usual retouch: the fine detail made weaker, in an area with a ragged border."""
    smooth = ndimage.gaussian_filter(target, (2, 2, 0))
    return np.where(ragged_area()[:, :, None], smooth + 0.2 * (target - smooth), target)


def ragged_area() -> Area:
    noise = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((96, 96)), 8)
    return np.asarray(noise > np.percentile(noise, 30))


def noisy(target: Levels, strength: float) -> Levels:
    noise = np.random.default_rng(2).standard_normal(target.shape)
    return (target + strength * noise).astype(np.float32)


def blurred(target: Levels, strength: float) -> Levels:
    return ndimage.gaussian_filter(target, (strength, strength, 0))


def installed() -> bool:
    try:
        early_stages()
    except UsageError:
        return False
    return True


needs_the_extra = pytest.mark.skipif(
    not installed(), reason="the extra is missing: pip install '.[deep]'"
)
ALL = METRICS | {DEEP_DISTANCE.name: DEEP_DISTANCE}
MARKS = {DEEP_DISTANCE.name: needs_the_extra}
metrics = pytest.mark.parametrize(
    "metric",
    [pytest.param(metric, id=name, marks=MARKS.get(name, ())) for name, metric in ALL.items()],
)


def test_the_table_calls_each_metric_by_its_name_and_no_two_figures_alike() -> None:
    assert all(name == metric.name for name, metric in METRICS.items())
    keys = [key for metric in ALL.values() for key in metric.keys]
    assert len(keys) == len(set(keys))


@metrics
def test_it_is_described(metric: Metric) -> None:
    assert metric.explanation.endswith(".")
    assert metric.formula
    assert metric.lowest < metric.highest


@metrics
@pytest.mark.parametrize("area", [None, ragged_area()], ids=["frame", "area"])
def test_perfect_at_equality(metric: Metric, area: Area | None) -> None:
    target = face()
    for figure in metric.figures(target, target, retouched(target), area).values():
        assert figure == pytest.approx(BEST.get(metric.better, metric.highest), abs=1e-6)


@metrics
@pytest.mark.parametrize(
    ("harm", "strengths"),
    [(noisy, (1, 2, 4, 8, 16)), (blurred, (0.5, 0.7, 1, 1.5, 2.5))],
    ids=["noise", "blur"],
)
def test_the_more_harm_the_worse(
    metric: Metric, harm: object, strengths: tuple[float, ...]
) -> None:
    assert callable(harm)
    target, area = face(), ragged_area()
    source = retouched(target)
    by_strength = [
        metric.figures(harm(target, strength), target, source, area) for strength in strengths
    ]
    for key in metric.keys:
        badness = [metric.badness(_number(figures[key])) for figures in by_strength]
        assert badness == sorted(badness) or key in NOT_ALWAYS_ORDERED, key
        assert badness[-1] > badness[0], key


@metrics
@pytest.mark.parametrize("harm", [noisy, blurred])
def test_within_its_range(metric: Metric, harm: object) -> None:
    assert callable(harm)
    target = face()
    source = retouched(target)
    for prediction in (source, harm(target, 3), 255 - target, np.zeros_like(target)):
        for figure in metric.figures(prediction, target, source, ragged_area()).values():
            assert metric.lowest <= _number(figure) <= metric.highest


@metrics
def test_an_empty_area_says_nothing(metric: Metric) -> None:
    target = face()
    nowhere = np.zeros((96, 96), dtype=np.bool_)
    figures = metric.figures(noisy(target, 3), target, retouched(target), nowhere)
    assert set(figures.values()) == {None}


@metrics
def test_frames_of_any_size_and_shape_are_measured(metric: Metric) -> None:
    for height, width in ((1, 1), (1, 40), (3, 7), (65, 33)):
        target = face()[:height, :width]
        source = retouched(face())[:height, :width]
        for figure in metric.figures(noisy(target, 3), target, source).values():
            assert figure is None or metric.lowest <= figure <= metric.highest


@metrics
def test_pictures_of_other_sizes_are_refused(metric: Metric) -> None:
    target = face()
    with pytest.raises(ValueError, match="shapes differ"):
        metric.figures(target[1:], target, target)
    with pytest.raises(ValueError, match="area"):
        metric.figures(target, target, target, np.ones((3, 3), dtype=np.bool_))


@metrics
def test_the_same_figures_every_time_and_the_pictures_left_alone(metric: Metric) -> None:
    target = face()
    prediction, source, area = noisy(target, 3), retouched(target), ragged_area()
    copies = [picture.copy() for picture in (prediction, target, source, area)]
    first = metric.figures(prediction, target, source, area)
    assert metric.figures(prediction, target, source, area) == first
    for before, after in zip(copies, (prediction, target, source, area), strict=True):
        np.testing.assert_array_equal(before, after)


def declaring(invariance: str) -> pytest.MarkDecorator:
    names = [name for name, metric in ALL.items() if invariance in metric.invariances]
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=MARKS.get(name, ())) for name in names]
    )


few = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@declaring("brightness")
@few
@given(added=st.floats(-20, 20, width=32))
def test_blind_to_brightness(name: str, added: float) -> None:
    prediction, target, source, area = _scene()
    _same(name, (prediction, target, source, area), (*(p + added for p in _scene()[:3]), area))


@declaring("mirror")
@few
@given(axis=st.sampled_from([0, 1]))
def test_blind_to_mirroring(name: str, axis: int) -> None:
    _same(name, _scene(), tuple(np.flip(picture, axis).copy() for picture in _scene()))


@declaring("quarter_turn")
@few
@given(turns=st.integers(1, 3))
def test_blind_to_quarter_turns(name: str, turns: int) -> None:
    _same(name, _scene(), tuple(np.rot90(picture, turns).copy() for picture in _scene()))


@declaring("shuffle")
@few
@given(seed=st.integers(0, 2**32))
def test_blind_to_where_pixels_are(name: str, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(96 * 96)
    moved = (picture.reshape(96 * 96, -1)[order].reshape(picture.shape) for picture in _scene())
    _same(name, _scene(), tuple(moved))


@declaring("source")
@few
@given(strength=st.floats(0, 50))
def test_blind_to_the_source(name: str, strength: float) -> None:
    prediction, target, source, area = _scene()
    _same(name, _scene(), (prediction, target, noisy(source, strength), area))


def _scene() -> tuple[Levels, Levels, Levels, Area]:
    target = face()
    return noisy(blurred(target, 0.7), 3), target, retouched(target), ragged_area()


def _same(name: str, one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> None:
    first = ALL[name].figures(*one)
    assert ALL[name].figures(*other) == pytest.approx(first, rel=2e-3, abs=2e-3)


def _number(figure: float | None) -> float:
    assert figure is not None
    return figure
