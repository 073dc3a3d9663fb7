"""One training step: order, weights, what it refuses, and that it repeats."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from unretouch.base.errors import NonFiniteError, ProcessLostError
from unretouch.losses import GAN_LOSSES
from unretouch.networks import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator
from unretouch.settings.train import TrainSettings
from unretouch.training.optimisers import remembered
from unretouch.training.step import Batch, Losses, Nets, Optimisers, adam, train_step
from unretouch.training.team import ALONE, Team

RATE = 0.002


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(11)


class Run:
    """Small networks with their optimisers and a pair to learn."""

    def __init__(self, with_discriminator: bool = True, side: int = 128, **values: Any) -> None:
        settings = TrainSettings(
            dataroot="-", **{"netG": "unet_128", "ngf": 4, "ndf": 4, "size": "s", **values}
        )
        self.nets = Nets(
            build_generator(settings),
            build_discriminator(settings) if with_discriminator else None,
        )
        D = self.nets.discriminator
        self.optimisers = Optimisers(
            adam(self.nets.generator, RATE, 0.5), None if D is None else adam(D, RATE, 0.5)
        )
        source = torch.rand(1, 3, side, side) * 2 - 1
        self.batch = Batch(source, (source + 0.1 * torch.randn_like(source)).clamp(-1, 1))

    def step(self, team: Team = ALONE, update_discriminator: bool = True, **values: Any) -> Losses:
        settings = TrainSettings(dataroot="-", **values)
        return train_step(
            self.nets, self.optimisers, self.batch, settings,
            update_discriminator=update_discriminator, team=team,
        )  # fmt: skip

    def state(self) -> list[Any]:
        nets = (self.nets.generator, self.nets.discriminator)
        optimisers = (self.optimisers.generator, self.optimisers.discriminator)
        return copy.deepcopy(
            [
                *(net and net.state_dict() for net in nets),
                *(optimiser and remembered(optimiser) for optimiser in optimisers),
            ]
        )


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def gradients_gone(run: Run) -> bool:
    nets = (run.nets.generator, run.nets.discriminator)
    return all(p.grad is None for net in nets if net is not None for p in net.parameters())


@pytest.mark.parametrize("gan_mode", GAN_LOSSES)
def test_it_is_the_step_of_the_paper_written_out(gan_mode: Any) -> None:
    run = Run(no_dropout=True)
    # Plain descent: Adam would blow rounding errors of tiny gradients up to full steps.
    run.optimisers = Optimisers(
        *(torch.optim.SGD(net.parameters(), lr=1e-3) for net in vars(run.nets).values())
    )
    other = copy.deepcopy(run)
    losses = run.step(lambda_L1=30.0, lambda_GAN=2.0, gan_mode=gan_mode)

    G, D = other.nets.generator.train(), other.nets.discriminator
    assert D is not None
    source, target = other.batch.source, other.batch.target
    loss = GAN_LOSSES[gan_mode]
    fake = G(source)
    d_fake = loss(D(torch.cat([source, fake.detach()], 1)), False)
    d_real = loss(D(torch.cat([source, target], 1)), True)
    (0.5 * (d_fake + d_real)).backward()
    other.optimisers.discriminator.step()  # type: ignore[union-attr]
    g_gan = loss(D(torch.cat([source, fake], 1)), True)
    g_l1 = 30.0 * (fake - target).abs().mean()
    (2.0 * g_gan + g_l1).backward()
    other.optimisers.generator.step()

    for one, two in zip(run.state()[:2], other.state()[:2], strict=True):
        for key in one:
            torch.testing.assert_close(one[key], two[key], atol=1e-5, rtol=1e-5)
    assert pytest.approx(g_gan.item(), rel=1e-5) == losses.G_GAN
    assert pytest.approx(g_l1.item(), rel=1e-5) == losses.G_L1
    assert losses.D_real == pytest.approx(d_real.item(), rel=1e-5)
    assert losses.D_fake == pytest.approx(d_fake.item(), rel=1e-5)
    assert losses.mean_error == pytest.approx(g_l1.item() / 30, rel=1e-5)
    assert gradients_gone(run)


@pytest.mark.parametrize("netG", GENERATORS)
@pytest.mark.parametrize("with_discriminator", [True, False])
def test_steps_lower_the_loss_of_every_generator(netG: str, with_discriminator: bool) -> None:
    side = {"unet_256": 256, "unet_128": 128}.get(netG, 32)
    run = Run(with_discriminator, side, netG=netG, no_dropout=True)
    first = run.step()
    for _ in range(4):
        last = run.step()
    assert last.G_L1 < first.G_L1
    assert last.mean_error == pytest.approx(last.G_L1 / 100)


@pytest.mark.parametrize("netD", DISCRIMINATORS)
@pytest.mark.parametrize("gan_mode", GAN_LOSSES)
def test_every_discriminator_learns_to_tell(netD: str, gan_mode: Any) -> None:
    run = Run(netD=netD, no_dropout=True, norm="instance")
    told = []
    for _ in range(6):
        losses = run.step(lambda_L1=0.0, lambda_GAN=1e-6, gan_mode=gan_mode)
        assert losses.D_real is not None
        assert losses.D_fake is not None
        told.append(losses.D_real + losses.D_fake)
    assert told[-1] < told[0]


def test_without_discriminator_only_the_reconstruction_counts() -> None:
    run = Run(with_discriminator=False)
    losses = run.step()
    assert (losses.G_GAN, losses.D_real, losses.D_fake) == (0, None, None)


def test_weight_zero_leaves_the_discriminator_out() -> None:
    run = Run()
    before = run.state()
    losses = run.step(lambda_GAN=0.0)
    assert (losses.G_GAN, losses.D_real, losses.D_fake) == (0, None, None)
    after = run.state()
    assert same(before[1], after[1])
    assert same(before[3], after[3])
    assert not same(before[0], after[0])


def test_a_discriminator_that_is_not_updated_still_judges() -> None:
    run = Run()
    before = run.state()
    losses = run.step(update_discriminator=False)
    after = run.state()
    assert losses.G_GAN > 0
    assert (losses.D_real, losses.D_fake) == (None, None)
    assert same(before[3], after[3])
    parameters = dict(run.nets.discriminator.named_parameters())  # type: ignore[union-attr]
    assert all(same(before[1][key], after[1][key]) for key in parameters)
    assert gradients_gone(run)


class Broken(nn.Module):
    """Hands on its input, and spoils what comes through forward or backward."""

    def __init__(self, inside: nn.Module, forward: float = 1.0, backward: float = 1.0) -> None:
        super().__init__()
        self.inside, self.factors = inside, (forward, backward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.inside(x) * self.factors[0]
        if y.requires_grad:
            y.register_hook(lambda gradient: gradient * self.factors[1])
        return y


def spoil_generator(factor: float) -> Callable[[Run], Run]:
    def spoilt(run: Run) -> Run:
        run.nets = Nets(Broken(run.nets.generator, forward=factor), run.nets.discriminator)
        return run

    return spoilt


def spoil_generator_gradient(run: Run) -> Run:
    run.nets = Nets(Broken(run.nets.generator, backward=math.nan), run.nets.discriminator)
    return run


def spoil_discriminator_gradient(run: Run) -> Run:
    inside = run.nets.discriminator
    assert inside is not None
    run.nets = Nets(run.nets.generator, Broken(inside, backward=math.inf))
    return run


def spoil_last_bias(value: float) -> Callable[[Run], Run]:
    def spoilt(run: Run) -> Run:
        with torch.no_grad():
            list(run.nets.discriminator.parameters())[-1].fill_(value)  # type: ignore[union-attr]
        return run

    return spoilt


def spoil_target(run: Run) -> Run:
    run.batch.target[0, 0, 0, 0] = math.nan
    return run


REFUSALS = [
    (spoil_generator(math.nan), "G_L1"),
    (spoil_generator(math.inf), "G_L1"),
    (spoil_target, "G_L1"),
    (spoil_last_bias(math.nan), "D_fake"),
    (spoil_last_bias(math.inf), "D_fake"),
    (spoil_last_bias(-math.inf), "D_fake"),
    (spoil_discriminator_gradient, "gradient of D"),
    (spoil_generator_gradient, "gradient of G"),
]


@pytest.mark.parametrize("steps_before", [0, 2])
@pytest.mark.parametrize(("spoil", "named"), REFUSALS)
def test_what_is_not_finite_is_refused_and_leaves_everything_as_it_was(
    spoil: Callable[[Run], Run], named: str, steps_before: int
) -> None:
    run = Run()
    for _ in range(steps_before):
        run.step()
    run = spoil(run)
    before = run.state()
    with pytest.raises(NonFiniteError, match=named) as caught:
        run.step()
    assert caught.value.exit_code == 5
    assert equal_with_nan(before, run.state())
    assert gradients_gone(run)


class Losing(Team):
    """Another process is gone when the means of this number are asked for."""

    def __init__(self, number: int) -> None:
        self.left = number

    def average_gradients(self, net: nn.Module, share: float) -> None:
        self.left -= 1
        if self.left < 0:
            raise ProcessLostError("gone")

    def average(self, values: torch.Tensor, share: float) -> torch.Tensor:
        self.average_gradients(nn.Identity(), share)
        return values


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_process_that_is_lost_in_a_step_leaves_everything_as_it_was(number: int) -> None:
    """After the discriminator's gradients, those of the generator, and the losses."""
    run = Run()
    run.step()
    before = run.state()
    with pytest.raises(ProcessLostError):
        run.step(team=Losing(number))
    assert same(before, run.state())
    assert gradients_gone(run)


def equal_with_nan(one: list[Any], other: list[Any]) -> bool:
    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.double().nan_to_num(nan=12345.0)
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return same(plain(one), plain(other))


def test_large_but_finite_gradients_are_not_refused() -> None:
    run = Run(with_discriminator=False)
    run.step(lambda_L1=1e36)


def test_a_rate_far_too_high_is_refused_within_a_few_steps() -> None:
    run = Run()
    for optimiser in (run.optimisers.generator, run.optimisers.discriminator):
        optimiser.param_groups[0]["lr"] = 1e20  # type: ignore[union-attr]

    def hundred_steps() -> None:
        for _ in range(100):
            run.step()

    with pytest.raises(NonFiniteError):
        hundred_steps()


def test_bf16_keeps_weights_losses_and_predictions_in_float32() -> None:
    run = Run(no_dropout=True)
    exact = copy.deepcopy(run)
    losses = run.step(precision="bf16-mixed")
    plain = exact.step()
    assert losses != plain
    assert pytest.approx(losses.G_L1, rel=0.02) == plain.G_L1
    assert pytest.approx(losses.G_GAN, rel=0.05) == plain.G_GAN
    tensors = [*run.nets.generator.parameters(), *run.nets.generator.buffers()]
    assert all(t.dtype == torch.float32 for t in tensors if t.is_floating_point())
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        prediction = run.nets.generator(run.batch.source)
    assert prediction.dtype == torch.float32
    # bf16 has no value between 0.5 and 0.50390625, half a grey level apart: float32 has.
    assert not torch.equal(prediction, prediction.bfloat16().float())


REPEAT = """
import hashlib, sys, torch
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
from test_step import Run
for precision in ("32-true", "bf16-mixed"):
    torch.manual_seed(3)
    run = Run()
    for step in range(3):
        torch.manual_seed(100 + step)
        run.step(precision=precision)
    digest = hashlib.sha256()
    for net in (run.nets.generator, run.nets.discriminator):
        for value in net.state_dict().values():
            digest.update(value.numpy().tobytes())
    print(digest.hexdigest())
"""


def test_two_processes_make_the_same_weights_bit_for_bit() -> None:
    """In either precision."""
    script = REPEAT.format(tests=__file__.rsplit("test_step", 1)[0])
    one, other = (
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )
    assert one == other
    assert len(set(one)) == 2


def test_the_seed_decides_about_dropout() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(1)
        run = Run()
        torch.manual_seed(seed)
        run.step()
        return torch.cat([p.detach().flatten() for p in run.nets.generator.parameters()])

    assert torch.equal(weights(5), weights(5))
    assert not torch.equal(weights(5), weights(6))


def test_adam_is_the_classic_one() -> None:
    net = nn.Linear(3, 2)
    same = copy.deepcopy(net)
    for one, optimiser in (
        (net, adam(net, 0.1, 0.25)),
        (same, torch.optim.Adam(same.parameters(), 0.1, (0.25, 0.999), 1e-8)),
    ):
        for _ in range(2):
            optimiser.zero_grad()
            one(torch.ones(1, 3)).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(net.state_dict(), same.state_dict())
