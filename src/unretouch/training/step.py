"""One training step: discriminator, then generator, on the same prediction. No disk, no clock.

Formula: Isola et al. 2017, in the order of the classic program: predict; lower
0.5 * (D_fake + D_real) by one update of D; lower lambda_GAN * G_GAN + lambda_L1 * reconstruction by
one update of G, judged by the updated D.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unretouch.base.errors import NonFiniteError, ProcessLostError
from unretouch.losses import GAN_LOSSES, l1
from unretouch.networks import Generator
from unretouch.settings.train import TrainSettings
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

    source: Tensor
    target: Tensor
    share: float = 1.0
    """of the whole batch of a team, which this process's part of it counts"""


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


def train_step(
    nets: Nets,
    optimisers: Optimisers,
    batch: Batch,
    settings: TrainSettings,
    *,
    update_discriminator: bool = True,
    shown: Callable[[Tensor], Tensor] | None = None,
    team: Team = ALONE,
) -> Losses:
    """Update the networks once by `batch` and return the losses.

    Of the `settings` lambda_L1, lambda_GAN, gan_mode (wgangp without its gradient penalty, as in
    pix2pix) and precision count: with "bf16-mixed" the networks compute under autocast; weights,
    losses and predictions stay float32.

    `shown` gets source and prediction, (N, C, H, W) with the channels of both, and returns what D
    is updated by in their place: some of them may be of earlier steps. Without
    `update_discriminator` D judges the prediction but stays as it is. In a `team` gradients and
    losses are those of the whole batch.

    Random choices (dropout) come from torch's random state: seed it before each step.

    Raises NonFiniteError, naming the loss or gradient, and ProcessLostError; networks and
    optimisers are then as they were before the step.
    """
    judge = nets.discriminator if settings.lambda_GAN > 0 else None
    judge_optimiser = optimisers.discriminator if judge is not None else None
    if not update_discriminator:
        judge_optimiser = None
    source, target = _laid_out(batch.source), _laid_out(batch.target)

    def under_autocast(net: nn.Module, x: Tensor) -> Tensor:
        mixed = settings.precision == "bf16-mixed"
        with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed):
            result: Tensor = net(x)
        return result

    def judged(judge: nn.Module, pairs: Tensor, as_real: bool) -> Tensor:
        logits = under_autocast(judge, pairs).float()
        return GAN_LOSSES[settings.gan_mode](logits, as_real)

    def whole_gradient(net: nn.Module) -> Tensor:
        """Make the gradients of `net` those of the whole batch; return the largest."""
        team.average_gradients(net, batch.share)
        return _largest_gradient(net)

    def update_judge(judge: nn.Module, optimiser: Optimiser, made: Tensor) -> dict[str, Tensor]:
        """Update D by sources with predictions, `made`, and with targets; return what it led to."""
        optimiser.zero_grad()
        # Each half goes backward at once, so that the activations of only one are in memory.
        fake = judged(judge, made if shown is None else _laid_out(shown(made)), False)
        torch.autograd.backward(0.5 * fake)
        real = judged(judge, torch.cat([source, target], 1), True)
        torch.autograd.backward(0.5 * real)
        values = {"D_fake": fake, "D_real": real, "gradient of D": whole_gradient(judge)}
        optimiser.step()
        optimiser.zero_grad()
        return values

    with _undone_if_refused(nets, judge_optimiser):
        nets.generator.train()
        prediction = under_autocast(nets.generator, source)

        # What the losses see is a leaf of its own. G's backward pass starts from the gradient that
        # gathers there, so judging needs no gradient of D's weights, and D's memory is free by
        # then.
        picture = prediction.detach().requires_grad_()
        error = l1(picture, target)
        loss = settings.lambda_L1 * error
        values = {"G_L1": loss}
        if judge is not None:
            judge.train()
            if judge_optimiser is not None:
                made = torch.cat([source, picture.detach()], 1)
                values |= update_judge(judge, judge_optimiser, made)
            values["G_GAN"] = judged(judge, torch.cat([source, picture], 1), True)
            loss = loss + settings.lambda_GAN * values["G_GAN"]
        (gradient,) = torch.autograd.grad(loss, picture)
        optimisers.generator.zero_grad()
        torch.autograd.backward(prediction, _laid_out(gradient))
        values["gradient of G"] = whole_gradient(nets.generator)

        # One look from the host a step: D is already updated here, hence the undo.
        numbers = torch.stack([value.detach().float() for value in (*values.values(), error)])
        *found, mean_error = team.average(numbers, batch.share).tolist()
        told = dict(zip(values, found, strict=True))
        for name, number in told.items():
            if not math.isfinite(number):
                hint = "Lower --lr; what was saved is untouched"
                raise NonFiniteError(f"{name} is {number}", "training step", hint)
        optimisers.generator.step()
        optimisers.generator.zero_grad()
    return Losses(
        G_GAN=told.get("G_GAN", 0.0),
        G_L1=told["G_L1"],
        D_real=told.get("D_real"),
        D_fake=told.get("D_fake"),
        mean_error=mean_error,
    )


def _laid_out(x: Tensor) -> Tensor:
    """`x` in the memory order in which convolutions are quickest, and which they hand on."""
    return x.contiguous(memory_format=torch.channels_last)


def _largest_gradient(net: nn.Module) -> Tensor:
    """The largest absolute value of all gradients; NaN or infinite as soon as one value is."""
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    return torch.stack([torch.stack(torch.aminmax(g)) for g in gradients]).abs().amax()


@contextmanager
def _undone_if_refused(nets: Nets, judge_optimiser: Optimiser | None) -> Iterator[None]:
    """Take back what a refused step has changed by then: D, and statistics of both networks.

    The copies are small beside a step (33 MB for the classic discriminator with Adam).
    """
    both = [net for net in (nets.generator, nets.discriminator) if net is not None]
    changing = [buffer for net in both for buffer in net.buffers()]
    moments = {}
    if judge_optimiser is not None and nets.discriminator is not None:
        changing += nets.discriminator.parameters()
        moments = {
            parameter: {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}
            for parameter, state in judge_optimiser.state.items()
        }
    copies = [(tensor, tensor.detach().clone()) for tensor in changing]
    try:
        yield
    except (NonFiniteError, ProcessLostError):
        with torch.no_grad():
            for tensor, copy in copies:
                tensor.copy_(copy)
        if judge_optimiser is not None:
            judge_optimiser.state.clear()
            judge_optimiser.state.update(moments)
        for net in both:
            net.zero_grad()
        raise
