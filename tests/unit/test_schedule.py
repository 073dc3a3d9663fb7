"""Learning rates of the classic policies."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from unretouch.settings.train import TrainSettings
from unretouch.training.schedule import Plateau, epoch_factor, scheduled_epoch


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
