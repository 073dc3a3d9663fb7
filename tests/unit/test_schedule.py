"""The classic learning rates, and where a run stands: its epochs, and the pace of a time budget."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unretouch.settings.train import TrainSettings
from unretouch.training.classic_fit import Plateau, epoch_factor, scheduled_epoch
from unretouch.training.progress import Epochs, Pace


def settings(policy: str, n_epochs: int = 4, decay: int = 3) -> TrainSettings:
    return TrainSettings(
        dataroot="x", lr_policy=policy, n_epochs=n_epochs, n_epochs_decay=decay, lr_decay_iters=2
    )


def test_linear_stays_then_falls_to_a_last_epoch_above_zero() -> None:
    factors = [epoch_factor(settings("linear"), epoch) for epoch in range(1, 8)]
    assert factors == [1, 1, 1, 1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize(
    ("policy", "scheduler"),
    [
        ("step", lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.1)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 4)),
    ],
)
def test_step_and_cosine_are_those_of_torch(policy: str, scheduler: object) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = scheduler(optimiser)  # type: ignore[operator]
    for epoch in range(1, 8):
        assert epoch_factor(settings(policy), epoch) == pytest.approx(
            optimiser.param_groups[0]["lr"], abs=1e-12
        )
        optimiser.step()
        theirs.step()


def test_a_number_of_epochs_is_followed_whatever_the_progress() -> None:
    assert scheduled_epoch(settings("linear"), 3, progress=0.9) == 3


@pytest.mark.parametrize("policy", ["linear", "step", "cosine"])
def test_a_time_budget_runs_once_through_the_schedule_however_many_epochs_it_takes(
    policy: str,
) -> None:
    budget = dataclasses.replace(settings(policy), minutes=1.0)
    rates = [
        epoch_factor(budget, scheduled_epoch(budget, epoch, epoch / 1000))
        for epoch in range(1, 1001)
    ]
    by_epochs = [epoch_factor(budget, epoch) for epoch in range(1, 8)]
    assert list(dict.fromkeys(rates)) == list(dict.fromkeys(by_epochs))
    assert min(rates) >= 0


def test_plateau_is_that_of_torch() -> None:
    losses = [5, 4, 4.1, 4.2, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3.0]
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="min", factor=0.2, threshold=0.01, patience=5
    )
    ours = Plateau()
    for loss in losses:
        theirs.step(loss)
        ours = ours.after_epoch(loss)
        assert ours.factor == pytest.approx(optimiser.param_groups[0]["lr"])
    assert ours.factor < 1


counts = st.integers(1, 50)


@given(per_epoch=counts, step=st.integers(0, 10_000))
def test_a_step_lies_in_the_epoch_that_counts_it(per_epoch: int, step: int) -> None:
    epochs = Epochs(per_epoch)
    epoch, place = epochs.of_step(step), epochs.place_in_epoch(step)
    assert (epoch - 1) * per_epoch + place == step
    assert 0 <= place < per_epoch


def test_the_last_step_ends_the_last_epoch() -> None:
    assert Epochs(3).last_step(2000) == 6000
    assert Epochs(3, anchor_epoch=10, anchor_step=30).last_step(12) == 36


def test_another_number_of_pairs_counts_on_from_here() -> None:
    epochs = Epochs(4, anchor_epoch=10, anchor_step=30)
    assert epochs.of_step(30) == 11
    assert epochs.of_step(33) == 11
    assert epochs.of_step(34) == 12


def test_more_epochs_than_asked_for_are_done_already() -> None:
    assert Epochs(3, anchor_epoch=20, anchor_step=60).last_step(10) == 60


@given(st.integers(1, 5000), st.integers(0, 5000), st.floats(0.001, 10), st.floats(0.1, 1000))
def test_progress_rises_to_one_whatever_is_measured(
    total: int, step: int, seconds: float, left: float
) -> None:
    pace = Pace(total)
    measured = pace.measured(step, seconds, left)
    reached = pace.progress(min(step, total - 1))
    assert measured.anchor_progress == pytest.approx(reached)
    assert measured.progress(measured.total_steps) == 1.0
    if left < seconds:
        assert measured.total_steps == step
        return
    assert measured.progress(step) == pytest.approx(reached)
    middle = (step + measured.total_steps) // 2
    assert measured.progress(step) <= measured.progress(middle) <= 1.0
    assert measured.progress(measured.total_steps - 1) < 1.0


def test_a_measured_pace_uses_up_the_time_that_is_left() -> None:
    assert Pace(1000).measured(step=20, seconds_a_step=0.5, seconds_left=40).total_steps == 100


def test_only_whole_steps_are_planned() -> None:
    assert Pace(1000).measured(step=20, seconds_a_step=0.5, seconds_left=1.9).total_steps == 23


@given(st.integers(1, 50), st.integers(1, 50))
def test_T2_a_plan_that_was_too_short_is_made_longer_again(total: int, more: int) -> None:
    """At the progress of its last update: one that has come to 1 would stay there."""
    pace = Pace(total).measured(total, seconds_a_step=1.0, seconds_left=float(more))
    assert pace.total_steps == total + more
    assert pace.progress(total) == Pace(total).progress(total - 1) < 1.0
    over = Pace(total).measured(total, seconds_a_step=1.0, seconds_left=0.0)
    assert over.progress(total) == 1.0
    assert over.measured(total, 1.0, float(more)).progress(total) < 1.0


def test_no_time_left_ends_at_this_step() -> None:
    assert Pace(1000).measured(step=20, seconds_a_step=0.5, seconds_left=-1).total_steps == 20
