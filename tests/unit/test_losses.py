"""Losses against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from unretouch.losses import (
    GAN_LOSSES,
    beyond,
    crps,
    grid,
    huber,
    l1,
    local_band_energy,
)

RECONSTRUCTIONS = {"l1": l1, "huber": huber}


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
class TestEveryReconstructionLoss:
    def test_zero_and_finite_gradient_at_the_target(self, name: str) -> None:
        target = torch.rand(1, 3, 4, 4) * 2 - 1
        prediction = target.clone().requires_grad_()
        loss = RECONSTRUCTIONS[name](prediction, target)
        loss.backward()
        assert loss.item() == 0
        assert prediction.grad is not None
        assert prediction.grad.isfinite().all()

    def test_grows_with_the_distance(self, name: str) -> None:
        target = torch.zeros(1, 3, 4, 4)
        losses = [RECONSTRUCTIONS[name](target + d, target).item() for d in (1e-3, 1e-2, 0.1, 1)]
        assert losses == sorted(losses)
        assert losses[0] > 0


def test_l1_is_the_mean_absolute_error() -> None:
    assert l1(torch.tensor([0.5, -1.0]), torch.tensor([0.25, 1.0])).item() == 2.25 / 2


@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0.5, 0.5 - 0.05), (0.1, 0.05), (0.04, 0.04**2 / 0.2), (-0.5, 0.45)],
)
def test_huber_is_quadratic_within_delta_and_like_l1_beyond(
    distance: float, expected: float
) -> None:
    found = huber(torch.tensor([distance]), torch.zeros(1), delta=0.1)
    assert found.item() == pytest.approx(expected)


def test_huber_turns_at_one_grey_level() -> None:
    level = 1 / 127.5
    assert huber(torch.tensor([level]), torch.zeros(1)).item() == pytest.approx(level / 2)


def test_what_is_beyond_a_zone_is_pulled_and_what_is_within_is_left_alone() -> None:
    distances = torch.tensor([0.0, 0.3, -0.3, 0.5, -0.9], requires_grad=True)
    found = beyond(distances, torch.zeros(5), 0.4)
    found.backward()
    assert found.item() == pytest.approx((0.1 + 0.5) / 5)
    assert distances.grad is not None
    assert distances.grad.tolist() == pytest.approx([0, 0, 0, 0.2, -0.2])


LOGITS = torch.tensor([[-3.0, 0.0], [0.5, 40.0]], dtype=torch.float64)


def test_vanilla_is_cross_entropy() -> None:
    probability = torch.sigmoid(LOGITS)
    real = GAN_LOSSES["vanilla"](LOGITS, True)
    fake = GAN_LOSSES["vanilla"](LOGITS, False)
    assert real.item() == pytest.approx(-probability.log().mean().item())
    expected = (math.log1p(math.exp(-3)) + math.log(2) + math.log1p(math.exp(0.5)) + 40) / 4
    assert fake.item() == pytest.approx(expected)


def test_vanilla_stays_finite_for_certain_answers() -> None:
    logits = torch.tensor([1e4, -1e4]).requires_grad_()
    loss = GAN_LOSSES["vanilla"](logits, True)
    loss.backward()
    assert loss.item() == pytest.approx(5e3)
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([0, -0.5])


def test_lsgan_is_the_squared_distance_to_the_answer() -> None:
    assert GAN_LOSSES["lsgan"](LOGITS, True).item() == (16 + 1 + 0.25 + 39**2) / 4
    assert GAN_LOSSES["lsgan"](LOGITS, False).item() == (9 + 0 + 0.25 + 1600) / 4


def test_wgangp_is_the_mean() -> None:
    assert GAN_LOSSES["wgangp"](LOGITS, False).item() == 37.5 / 4
    assert GAN_LOSSES["wgangp"](LOGITS, True).item() == -37.5 / 4


class Weighted(nn.Module):
    """A critic whose gradient is known: the sum of the input times a weight."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x.sum((1, 2, 3))


class TestLocalBandEnergy:
    """Texture by its strength: neither a blur nor grain of another strength will do."""

    @staticmethod
    def skin(seed: int = 0, strength: float = 4.0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        grain = torch.randn(1, 3, 64, 64, generator=generator)
        return (0.2 + grain * strength / 127.5).requires_grad_()

    def test_zero_and_finite_gradient_at_the_target(self) -> None:
        target = self.skin()
        prediction = target.detach().clone().requires_grad_()
        loss = local_band_energy(prediction, target.detach())
        loss.backward()
        assert loss.item() == 0
        assert prediction.grad is not None
        assert prediction.grad.isfinite().all()

    def test_other_grain_of_the_same_strength_is_near_a_blur_is_far(self) -> None:
        target, other = self.skin(0), self.skin(1)
        blurred = torch.nn.functional.avg_pool2d(target, 3, 1, 1)
        same = local_band_energy(other, target).item()
        assert same < 0.4 * local_band_energy(blurred, target).item()
        assert same < 0.4 * local_band_energy(self.skin(1, 10.0), target).item()

    def test_twice_the_strength_is_the_logarithm_of_four(self) -> None:
        target = self.skin(0, 20.0)
        twice = target.mean() + 2 * (target - target.mean())
        assert local_band_energy(twice, target).item() == pytest.approx(math.log(4), rel=0.05)

    def test_a_shift_of_brightness_is_no_texture(self) -> None:
        target = self.skin()
        assert local_band_energy(target + 0.1, target).item() < 1e-3


def test_the_score_of_a_normal_distribution_is_the_energy_of_its_samples() -> None:
    """CRPS = E|X - y| - E|X - X'| / 2 (Gneiting and Raftery 2007)."""
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.randn(400_000, generator=generator) for _ in range(2))
    for error, deviation in ((0.0, 1.0), (2.0, 1.0), (-0.5, 3.0)):
        found = crps(torch.tensor([error]), torch.tensor([deviation])).item()
        sampled = (deviation * one - error).abs().mean() - deviation * (
            one - other
        ).abs().mean() / 2
        assert found == pytest.approx(float(sampled), abs=0.01)


def test_the_score_is_best_where_the_deviation_is_what_the_error_comes_to() -> None:
    errors = 2.0 * torch.randn(100_000, generator=torch.Generator().manual_seed(1))
    scores = {
        said: crps(errors, torch.full_like(errors, said)).item() for said in (1, 1.8, 2, 2.2, 4)
    }
    assert min(scores, key=scores.__getitem__) == 2


def test_a_grid_is_what_repeats_in_every_cell() -> None:
    at = torch.arange(64)
    checks = ((at[:, None] + at) % 2 * 2 - 1).float().expand(1, 3, 64, 64) / 127.5
    assert float(grid(checks)) == pytest.approx(1)
    assert float(grid(torch.full((1, 3, 64, 64), 0.3))) == pytest.approx(0, abs=1e-6)
    assert float(grid(checks[..., :8, :8])) == 0  # one cell tells nothing of what repeats


def test_texture_is_no_grid_and_costs_nothing() -> None:
    """Not even what a mean over a few cells keeps of it, or training would make it weaker."""
    torch.manual_seed(0)
    change = (torch.randn(8, 3, 128, 128) / 127.5).requires_grad_()
    energy = grid(change)
    energy.backward()
    assert float(energy.detach()) < 1e-3 < 1 / 256
    assert change.grad is not None
    weaker = float((change.grad * change).detach().sum())
    assert abs(weaker) < 2e-3
