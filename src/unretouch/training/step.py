"""One training step: discriminator, then generator, on the same prediction. No disk, no clock.

Formula: Isola et al. 2017, in the order of the classic program: predict; lower
0.5 * (D_fake + D_real) by one update of D; lower lambda_GAN * G_GAN + lambda_L1 * reconstruction by
one update of G, judged by the updated D.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from unretouch.base.errors import NonFiniteError, ProcessLostError
from unretouch.losses import GAN_LOSSES, GanLoss, l1
from unretouch.networks import Generator
from unretouch.settings.train import GanMode, PrecisionName, TrainSettings
from unretouch.training.optimisers import Adam, Optimiser
from unretouch.training.team import ALONE, Team


@dataclass(frozen=True)
class Nets:
    """The networks of a run; without a discriminator only the reconstruction counts."""

    generator: Generator
    discriminator: nn.Module | None = None


@dataclass(frozen=True)
class Optimisers:
    """The optimisers of the two networks."""

    generator: Optimiser
    discriminator: Optimiser | None = None


@dataclass(frozen=True)
class Batch:
    """Source and target in network space, float32 (N, C, H, W), where the networks are."""

    source: torch.Tensor
    target: torch.Tensor


@dataclass(frozen=True)
class LossWeights:
    """What counts how much. The defaults are those of pix2pix."""

    lambda_L1: float = 100.0
    lambda_GAN: float = 1.0
    gan_mode: GanMode = "vanilla"
    """wgangp without its gradient penalty, as in pix2pix"""


@dataclass(frozen=True)
class Losses:
    """Losses of one step, taken before the update they led to."""

    G_GAN: float
    """the adversarial loss of the prediction, not weighted; 0 without a discriminator"""
    G_L1: float
    """the reconstruction loss, weighted by lambda_L1"""
    D_real: float | None
    """the discriminator's loss on the target; None where the discriminator was not updated"""
    D_fake: float | None
    """the discriminator's loss on the prediction; None where it was not updated"""
    mean_error: float
    """mean absolute error in network space; times 127.5 in grey levels"""


def adam(net: nn.Module, lr: float, beta1: float) -> Adam:
    """Return the classic optimiser of `net`: Adam with betas (beta1, 0.999)."""
    return Adam(net.parameters(), lr, (beta1, 0.999))


def loss_weights(settings: TrainSettings) -> LossWeights:
    """Return the weights that the settings ask for."""
    return LossWeights(settings.lambda_L1, settings.lambda_GAN, settings.gan_mode)


def train_step(
    nets: Nets,
    optimisers: Optimisers,
    batch: Batch,
    weights: LossWeights,
    *,
    update_discriminator: bool = True,
    shown: Callable[[torch.Tensor], torch.Tensor] | None = None,
    precision: PrecisionName = "32-true",
    team: Team = ALONE,
    share: float = 1.0,
) -> Losses:
    """Update the networks once by `batch` and return the losses.

    `shown` gets source and prediction, (N, C, H, W) with the channels of both, and returns what D
    is updated by in their place: some of them may be of earlier steps.

    In a `team` the batch is this process's part of a larger one and counts `share` of it; gradients
    and losses are those of the whole.

    Random choices (dropout) come from torch's random state: seed it before each step. Without
    `update_discriminator` D judges the prediction but stays as it is. With "bf16-mixed" the
    networks compute under autocast; weights, losses and predictions stay float32.

    Raises NonFiniteError, naming the loss or gradient, and ProcessLostError; networks and
    optimisers are then as they were before the step.
    """
    judge = nets.discriminator if weights.lambda_GAN > 0 else None
    updated = judge is not None and update_discriminator
    judge_optimiser = optimisers.discriminator if updated else None
    undo = _Undo(nets, judge_optimiser)
    among = _Among(team, share)
    try:
        return _stepped(
            nets, judge, optimisers, judge_optimiser, batch, weights, shown, precision, among
        )
    except (NonFiniteError, ProcessLostError):
        undo()
        raise


@dataclass(frozen=True)
class _Among:
    """This process's place in the step: it computes `share` of the batch."""

    team: Team
    share: float

    def gradients(self, net: nn.Module) -> torch.Tensor:
        """Make the gradients of `net` those of the whole batch; return the largest."""
        self.team.average_gradients(net, self.share)
        return _largest_gradient(net)


def _stepped(
    nets: Nets,
    judge: nn.Module | None,
    optimisers: Optimisers,
    judge_optimiser: Optimiser | None,
    batch: Batch,
    weights: LossWeights,
    shown: Callable[[torch.Tensor], torch.Tensor] | None,
    precision: PrecisionName,
    among: _Among,
) -> Losses:
    batch = Batch(_laid_out(batch.source), _laid_out(batch.target))
    values: dict[str, torch.Tensor] = {}
    nets.generator.train()
    with _autocast(batch.source, precision):
        prediction: torch.Tensor = nets.generator(batch.source)

    # What the losses see is a leaf of its own. G's backward pass starts from the gradient that
    # gathers there, so judging needs no gradient of D's weights, and D's memory is free by then.
    picture = prediction.detach().requires_grad_()
    error = l1(picture, batch.target)
    loss = weights.lambda_L1 * error
    values["G_L1"] = loss
    if judge is not None:
        judge.train()
        if judge_optimiser is not None:
            made = torch.cat([batch.source, picture.detach()], 1)
            values |= _update_judge(
                judge,
                judge_optimiser,
                made if shown is None else _laid_out(shown(made)),
                torch.cat([batch.source, batch.target], 1),
                GAN_LOSSES[weights.gan_mode],
                precision,
                among,
            )
        logits = _logits(judge, torch.cat([batch.source, picture], 1), precision)
        values["G_GAN"] = GAN_LOSSES[weights.gan_mode](logits, True)
        loss = loss + weights.lambda_GAN * values["G_GAN"]
    (gradient,) = torch.autograd.grad(loss, picture)
    optimisers.generator.zero_grad()
    torch.autograd.backward(prediction, _laid_out(gradient))
    values["gradient of G"] = among.gradients(nets.generator)

    # One look from the host a step: D is already updated here, hence the undo.
    found = _read(values | {"mean error": error}, among)
    for name in values:
        if not math.isfinite(found[name]):
            raise NonFiniteError(f"{name} is {found[name]}", "training step", _HINT)
    optimisers.generator.step()
    optimisers.generator.zero_grad()
    return Losses(
        G_GAN=found.get("G_GAN", 0.0),
        G_L1=found["G_L1"],
        D_real=found.get("D_real"),
        D_fake=found.get("D_fake"),
        mean_error=found["mean error"],
    )


_HINT = "Lower --lr; what was saved is untouched"


def _update_judge(
    judge: nn.Module,
    optimiser: Optimiser,
    made: torch.Tensor,
    right: torch.Tensor,
    gan_loss: GanLoss,
    precision: PrecisionName,
    among: _Among,
) -> dict[str, torch.Tensor]:
    """One update of the discriminator by sources with predictions (`made`) and with targets.

    Returns its losses and its largest gradient.
    """
    optimiser.zero_grad()
    # Each half goes backward at once, so that the activations of only one are in memory.
    fake = gan_loss(_logits(judge, made, precision), False)
    torch.autograd.backward(0.5 * fake)
    real = gan_loss(_logits(judge, right, precision), True)
    torch.autograd.backward(0.5 * real)
    values = {"D_fake": fake.detach(), "D_real": real.detach()}
    values["gradient of D"] = among.gradients(judge)
    optimiser.step()
    optimiser.zero_grad()
    return values


def _logits(judge: nn.Module, pairs: torch.Tensor, precision: PrecisionName) -> torch.Tensor:
    with _autocast(pairs, precision):
        logits: torch.Tensor = judge(pairs)
    return logits.float()


def _laid_out(x: torch.Tensor) -> torch.Tensor:
    """`x` in the memory order in which convolutions are quickest, and which they hand on."""
    return x.contiguous(memory_format=torch.channels_last)


def _autocast(where: torch.Tensor, precision: PrecisionName) -> AbstractContextManager[None]:
    return torch.autocast(where.device.type, torch.bfloat16, enabled=precision == "bf16-mixed")


def _largest_gradient(net: nn.Module) -> torch.Tensor:
    """The largest absolute value of all gradients; NaN or infinite as soon as one value is."""
    extremes = [
        torch.stack(torch.aminmax(parameter.grad))
        for parameter in net.parameters()
        if parameter.grad is not None
    ]
    return torch.stack(extremes).abs().amax()


def _read(values: dict[str, torch.Tensor], among: _Among) -> dict[str, float]:
    """Bring scalars, as means over the whole batch, to the host: all in one transfer."""
    numbers = torch.stack([value.detach().float() for value in values.values()])
    numbers = among.team.average(numbers, among.share)
    return dict(zip(values, numbers.tolist(), strict=True))


class _Undo:
    """What a refused step has changed by the time it is refused: D, and statistics of both.

    The copies are small beside a step (33 MB for the classic discriminator with Adam).
    """

    def __init__(self, nets: Nets, judge_optimiser: Optimiser | None) -> None:
        self.nets, self.judge_optimiser = nets, judge_optimiser
        changing = list(nets.generator.buffers())
        if nets.discriminator is not None:
            changing += nets.discriminator.buffers()
        self.moments: dict[Any, Any] = {}
        if nets.discriminator is not None and judge_optimiser is not None:
            changing += nets.discriminator.parameters()
            for parameter, state in judge_optimiser.state.items():
                self.moments[parameter] = {
                    key: value.clone() if isinstance(value, torch.Tensor) else value
                    for key, value in state.items()
                }
        self.copies = [(tensor, tensor.detach().clone()) for tensor in changing]

    @torch.no_grad()
    def __call__(self) -> None:
        for tensor, copy in self.copies:
            tensor.copy_(copy)
        if self.judge_optimiser is not None:
            self.judge_optimiser.state.clear()
            self.judge_optimiser.state.update(self.moments)
        for net in (self.nets.generator, self.nets.discriminator):
            if net is not None:
                net.zero_grad()
