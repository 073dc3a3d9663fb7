"""What ends a run before its schedule does: a signal, or a fit that is good enough."""

from __future__ import annotations

import dataclasses
import signal

import pytest

from unretouch.base.errors import ExitCode
from unretouch.runs.status import Preview, PreviewPair
from unretouch.settings.train import TrainSettings
from unretouch.training.stopping import Abandoned, StoppedNow, StopRequest, early_end


def test_the_first_signal_only_asks() -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.asked == ExitCode.TERMINATED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_T4_what_may_be_abandoned_ends_at_the_first_signal(number: signal.Signals) -> None:
    with StopRequest() as stop:
        with pytest.raises(Abandoned), stop.abandonable():
            signal.raise_signal(number)
        assert stop.asked is not None
        # Whatever else may be abandoned is not begun.
        with pytest.raises(Abandoned), stop.abandonable():
            raise AssertionError


def test_T4_after_what_may_be_abandoned_a_signal_only_asks_again() -> None:
    with StopRequest() as stop:
        with stop.abandonable():
            pass
        signal.raise_signal(signal.SIGINT)
        assert stop.asked == ExitCode.INTERRUPTED
        with pytest.raises(StoppedNow):
            signal.raise_signal(signal.SIGINT)


FIT = TrainSettings(
    dataroot="-", netG="detail", recipe="fast", lambda_GAN=0, minutes=10, target_error=0.3
)


def previews(*errors: float, every: int = 100, exact: float = 0.5) -> list[Preview]:
    """Two pairs each, the second a tenth worse; doing nothing costs 2 grey levels."""

    def pair(error: float) -> PreviewPair:
        return PreviewPair(
            name="p", real_A="", fake_B="", real_B="", level_error=error, identity_error=2.0,
            recovered_share=None, exact_pixels=exact,
        )  # fmt: skip

    return [
        Preview(step=every * n, epoch=n, pairs=(pair(error), pair(1.1 * error)))
        for n, error in enumerate(errors)
    ]


def test_ends_when_the_worst_pair_reaches_the_target() -> None:
    assert early_end(FIT, previews(2.0, 0.28), 0.1, 1000) == ""
    assert early_end(FIT, previews(2.0, 0.27), 0.1, 1000) == "target_reached"


def test_ends_when_every_pixel_is_exact() -> None:
    settings = dataclasses.replace(FIT, target_error=0.0)
    assert early_end(settings, previews(2.0, 0.1, exact=1.0), 0.1, 1000) == "every_pixel_exact"


def test_an_estimate_never_says_that_every_pixel_is_exact() -> None:
    settings = dataclasses.replace(FIT, target_error=0.0)
    start, newest = previews(2.0, 0.1, exact=1.0)
    pairs = tuple(dataclasses.replace(pair, estimated=True) for pair in newest.pairs)
    estimates = [start, dataclasses.replace(newest, pairs=pairs)]
    assert early_end(settings, estimates, 0.1, 1000) == ""


STALLED = (2.0, 0.8, 0.9, 0.85, 0.81, 0.82)


def test_ends_when_a_quarter_of_the_schedule_brought_nothing() -> None:
    assert early_end(FIT, previews(*STALLED), 0.6, 1000) == "no_more_gain"
    assert early_end(FIT, previews(*STALLED, 0.7), 0.6, 1000) == ""


@pytest.mark.parametrize(
    ("settings", "errors", "share", "total"),
    [
        pytest.param({"aim": "restore"}, STALLED, 0.6, 1000, id="another aim"),
        pytest.param({"minutes": None}, STALLED, 0.6, 1000, id="a number of epochs"),
        pytest.param({"recipe": "classic"}, STALLED, 0.6, 1000, id="another recipe"),
        pytest.param({}, STALLED, 0.95, 1000, id="the rate is falling to zero"),
        pytest.param({}, STALLED, 0.6, 4000, id="a short time beside the whole"),
        pytest.param({}, (2.0, 2.1, 2.2, 2.3, 2.2, 2.1), 0.6, 1000, id="not begun to gain"),
        pytest.param({}, (), 0.6, 1000, id="nothing seen"),
    ],
)
def test_goes_on(
    settings: dict[str, object], errors: tuple[float, ...], share: float, total: int
) -> None:
    changed = dataclasses.replace(FIT, **settings)  # type: ignore[arg-type]
    assert early_end(changed, previews(*errors), share, total) == ""


def test_a_run_of_epochs_ends_at_a_target_that_was_asked_for() -> None:
    settings = dataclasses.replace(FIT, minutes=None)
    assert early_end(settings, previews(2.0, 0.1), 0.1, 1000) == "target_reached"
