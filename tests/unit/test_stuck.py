"""A fit that does not leave the identity is noticed, and begins anew."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from unretouch.base.config import TrainSettings
from unretouch.networks import detail
from unretouch.pixels.pairs import Pair
from unretouch.training import fast_fit, fast_recipe, stuck
from unretouch.training.stuck import LOOKED_AT, MOST_ATTEMPTS, PATIENCE, Attempt


def after(steps: int, error: float, attempt: Attempt | None = None) -> Attempt:
    attempt = attempt or Attempt()
    for step in range(attempt.begun_at, attempt.begun_at + steps):
        attempt = attempt.after(step, error, 1.0)
    return attempt


def test_a_fit_that_stays_at_the_identity_is_stuck_when_its_patience_ends() -> None:
    for steps in (PATIENCE - 1, PATIENCE + 1):
        assert not after(steps, 1.0).is_stuck(steps)
    assert after(PATIENCE, 1.0).is_stuck(PATIENCE)
    assert after(PATIENCE, 1.02).is_stuck(PATIENCE)


def test_a_fit_that_moves_is_not() -> None:
    assert not after(PATIENCE, 0.97).is_stuck(PATIENCE)
    late = after(PATIENCE - LOOKED_AT, 5.0)
    for step in range(PATIENCE - LOOKED_AT, PATIENCE):
        late = late.after(step, 0.9, 1.0)
    assert not late.is_stuck(PATIENCE)


def test_it_is_not_begun_anew_for_ever() -> None:
    attempt = Attempt()
    for number in range(1, MOST_ATTEMPTS):
        steps = attempt.begun_at + PATIENCE
        attempt = after(PATIENCE, 1.0, attempt)
        assert attempt.is_stuck(steps)
        attempt = attempt.next(steps)
        assert attempt.number == number
    assert not after(PATIENCE, 1.0, attempt).is_stuck(attempt.begun_at + PATIENCE)


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch) -> fast_fit.FastFit:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    target = random.integers(60, 190, (40, 40, 3), dtype=np.uint8)
    monkeypatch.setitem(detail.WIDTHS, "s", (4, 8))  # type: ignore[arg-type]
    settings = TrainSettings(
        dataroot="-", netG="detail", size="s", recipe="fast", lambda_GAN=0, preprocess="none"
    )
    pair = Pair("p", target // 2 + 60, target, ())
    return fast_fit.FastFit(settings, [pair], torch.device("cpu"))


def test_such_a_fit_begins_anew_and_says_so(
    fit: fast_fit.FastFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = fast_recipe.residual_loss
    with monkeypatch.context() as trap:
        trap.setattr(stuck, "PATIENCE", 6)
        trap.setattr(stuck, "LOOKED_AT", 3)
        # No slope, no movement.
        trap.setattr(fast_recipe, "residual_loss", lambda *given: 0 * loss(*given))
        notes = [fit.update(step, 1, step, 0.0).note for step in range(6)]
    assert notes[:5] == [""] * 5
    assert "begun anew" in notes[5]
    assert fit.state()["attempt"] == dataclasses.asdict(Attempt(1, 6))
    updates = [fit.update(step, 1, step, 0.0) for step in range(6, 60)]
    assert all(not update.note for update in updates)
    assert updates[-1].mean_error < 0.95 * updates[0].mean_error
