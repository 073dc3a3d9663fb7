"""The classic fit: pix2pix, pair by pair, with its crops, mirroring and learning rates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unretouch import networks
from unretouch.base import seeding
from unretouch.base.errors import CheckpointError, NonFiniteError
from unretouch.networks import Generator
from unretouch.pixels import images
from unretouch.pixels.pairs import Pair
from unretouch.pixels.pairs.lazy import fetch
from unretouch.pixels.retouched_area import PairMap
from unretouch.runs.weights import check_tensor
from unretouch.settings.train import TrainSettings
from unretouch.training.fit import Update
from unretouch.training.optimisers import remembered, restore_optimiser
from unretouch.training.schedule import Plateau, epoch_factor, scheduled_epoch
from unretouch.training.step import (
    Batch,
    Nets,
    Optimisers,
    adam,
    loss_weights,
    train_step,
)
from unretouch.training.team import ALONE, Team
from unretouch.training.training_pairs import sizing

AHEAD = 4
"""Updates whose pairs are decoded ahead of them, where pairs are not all in memory."""

# What a random choice is for: the last counter of its seed, so that no two share one.
_ORDER, _DROPOUT, _FLIP, _TOP, _LEFT, _AGAIN, _WHICH = range(7)


class PicturePool:
    """Predictions of earlier updates that the discriminator is shown again, lest it forgets them
    (Shrivastava et al. 2017, https://arxiv.org/abs/1612.07828, as the classic program has it).

    Once `size` of them are remembered, half of the new ones, drawn by (seed, step), are exchanged
    for earlier ones and shown later, if at all.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._seed = size, seed
        self.pairs: list[Tensor] = []
        """sources with their predictions, each (1, C, H, W)"""
        self._then = self.pairs

    def shown(self, new: Tensor, step: int) -> Tensor:
        """Return what the update after `step` updates shows in place of `new`, (N, C, H, W)."""
        self._then, chosen = list(self.pairs), []
        for slot in range(len(new)):
            pair = new[slot : slot + 1].clone()
            if len(self._then) < self._size:
                self._then.append(pair)
            elif seeding.below(2, self._seed, step, slot, _AGAIN):
                which = seeding.below(self._size, self._seed, step, slot, _WHICH)
                pair, self._then[which] = self._then[which], pair
            chosen.append(pair)
        return torch.cat(chosen)

    def remember(self) -> None:
        """Keep what was exchanged; to be called when the update was made, and not refused."""
        self.pairs = self._then

    def restore(
        self, pairs: list[Tensor], channels: int, device: torch.device, where: object
    ) -> None:
        """Go back to earlier `pairs`. Raises CheckpointError."""
        for pair in pairs:
            check_tensor(pair, "remembered prediction", where)
            if pair.ndim != 4 or pair.shape[:2] != (1, channels):
                raise CheckpointError("remembers predictions of other networks", where)
        self.pairs = self._then = [pair.to(device) for pair in pairs[: self._size]]


class ClassicFit:
    """Fits by `train_step`: every pair once an epoch, in an order drawn from (seed, epoch).

    `pairs` have the size that preprocessing gives them. Weights are drawn from `settings.seed`. In
    a `team` every process computes its part of each batch.
    """

    def __init__(
        self,
        settings: TrainSettings,
        pairs: Sequence[Pair],
        device: torch.device,
        team: Team = ALONE,
    ):
        self._settings, self._pairs, self._device = settings, pairs, device
        self._order: tuple[int, list[int]] = (0, [])
        self._team = team
        self._sizing = sizing(settings)
        self._nets = _build(settings, device)
        self._optimisers = _optimisers(self._nets, settings)
        self._weights = loss_weights(settings)
        self._plateau = Plateau()
        self._rate = settings.lr
        self._judgement = (0.0, 0.0)
        self._pool = PicturePool(settings.pool_size, settings.seed) if settings.pool_size else None

    @property
    def generator(self) -> Generator:
        return self._nets.generator

    def update(self, step: int, epoch: int, place: int, progress: float) -> Update:
        began = time.monotonic()
        chosen = self._chosen(epoch, place)
        self._fetch_ahead(epoch, place)
        batch = self._batch(chosen, step)
        data_s = time.monotonic() - began
        self._set_rate(scheduled_epoch(self._settings, epoch, progress))
        torch.manual_seed(self._dropout_seed(step))
        share = self._team.share(len(chosen))
        names = tuple(self._pairs[i].name for i in chosen)
        pool = self._pool
        try:
            losses = train_step(
                self._nets, self._optimisers, batch, self._weights,
                update_discriminator=step % self._settings.d_every == 0,
                shown=None if pool is None else lambda pairs: pool.shown(pairs, step),
                precision=self._settings.precision, team=self._team, share=share,
            )  # fmt: skip
        except NonFiniteError as error:
            raise error.at(step, names) from None
        if losses.D_real is not None and losses.D_fake is not None:
            self._judgement = (losses.D_real, losses.D_fake)
            if pool is not None:
                pool.remember()
        identity = float(self._team.average((batch.source - batch.target).abs().mean(), share))
        return Update(
            losses.G_GAN, losses.G_L1, *self._judgement, losses.mean_error, identity, names, data_s
        )

    def after_epoch(self, mean_l1: float) -> None:
        if self._settings.lr_policy == "plateau":
            self._plateau = self._plateau.after_epoch(mean_l1)

    def known(self, name: str) -> PairMap | None:
        """All that differs is asked for, as in the classic program."""
        return None

    def expectations(self, total_steps: int) -> list[str]:
        return []

    def learning_rate(self) -> float:
        return self._rate

    def weights(self) -> dict[str, dict[str, Tensor]]:
        found = {"G": self._nets.generator.state_dict()}
        if self._nets.discriminator is not None:
            found["D"] = self._nets.discriminator.state_dict()
        return found

    @property
    def pool_bytes(self) -> int:
        if self._pool is None:
            return 0
        largest = max(pair.shape[0] * pair.shape[1] for pair in self._pairs)
        pixels = self._sizing.crop_size**2 if self._sizing.crops else largest
        channels = self._settings.input_nc + self._settings.output_nc
        return self._settings.pool_size * 4 * channels * pixels

    def load_weights(self, weights: dict[str, dict[str, Tensor]], where: object) -> None:
        networks.load_weights(self._nets.generator, weights["G"], where)
        if "D" in weights and self._nets.discriminator is not None:
            networks.load_weights(self._nets.discriminator, weights["D"], where)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "weights": self.weights(),
            "optimisers": {"G": remembered(self._optimisers.generator)},
            "plateau": asdict(self._plateau),
            "judgement": list(self._judgement),
        }
        if self._optimisers.discriminator is not None:
            found["optimisers"]["D"] = remembered(self._optimisers.discriminator)
        if self._pool is not None:
            found["pool"] = list(self._pool.pairs)
        return found

    def restore(self, state: dict[str, Any], where: object) -> None:
        if state["weights"].keys() != self.weights().keys():
            raise CheckpointError("was trained with another discriminator setting", where)
        self.load_weights(state["weights"], where)
        restore_optimiser(self._optimisers.generator, state["optimisers"]["G"], where)
        if self._optimisers.discriminator is not None:
            restore_optimiser(self._optimisers.discriminator, state["optimisers"]["D"], where)
        self._plateau = Plateau(**state["plateau"])
        self._judgement = (state["judgement"][0], state["judgement"][1])
        if self._pool is not None:
            channels = self._settings.input_nc + self._settings.output_nc
            self._pool.restore(state.get("pool", []), channels, self._device, where)

    def _chosen(self, epoch: int, place: int) -> list[int]:
        size = self._settings.batch_size
        if self._order[0] != epoch:
            self._order = (epoch, self._order_of(epoch))
        return self._order[1][place * size : (place + 1) * size]

    def _order_of(self, epoch: int) -> list[int]:
        count = len(self._pairs)
        if self._settings.serial_batches:
            return list(range(count))
        return seeding.shuffled(count, self._settings.seed, epoch, _ORDER)

    def _fetch_ahead(self, epoch: int, place: int) -> None:
        """Let what the next updates of this epoch look at be decoded meanwhile."""
        for later in range(place + 1, place + 1 + AHEAD):
            chosen = self._chosen(epoch, later)
            fetch([self._pairs[chosen[i]] for i in self._team.part(len(chosen))] if chosen else [])

    def _dropout_seed(self, step: int) -> int:
        # No two processes may drop the same places of their different pictures.
        others = (self._team.rank,) if self._team.rank else ()
        return seeding.torch_seed(self._settings.seed, step, _DROPOUT, *others)

    def _batch(self, chosen: list[int], step: int) -> Batch:
        """Return this process's part of the batch; what is drawn depends on the place in it all."""
        own = self._team.part(len(chosen))
        windows = [self._window(self._pairs[chosen[slot]], step, slot) for slot in own]
        channels = (self._settings.input_nc, self._settings.output_nc)
        source, target = (
            torch.cat([images.to_network(side, count) for side in sides]).to(self._device)
            for sides, count in zip(zip(*windows, strict=True), channels, strict=True)
        )
        return Batch(source, target)

    def _window(
        self, pair: Pair, step: int, slot: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the crop of a pair that `step` sees, the same of source and target."""
        seed, size = self._settings.seed, self._sizing.crop_size
        height, width = pair.source.shape[:2]
        rows, columns = slice(None), slice(None)
        if self._sizing.crops:
            top = seeding.below(max(1, height - size + 1), seed, step, slot, _TOP)
            left = seeding.below(max(1, width - size + 1), seed, step, slot, _LEFT)
            rows, columns = slice(top, top + size), slice(left, left + size)
        mirrored = not self._settings.no_flip and seeding.below(2, seed, step, slot, _FLIP) == 1
        sides = [side[rows, columns] for side in (pair.source, pair.target)]
        if mirrored:
            sides = [np.ascontiguousarray(side[:, ::-1]) for side in sides]
        return sides[0], sides[1]

    def _set_rate(self, epoch: int) -> None:
        settings = self._settings
        plateau = settings.lr_policy == "plateau"
        self._rate = settings.lr * (
            self._plateau.factor if plateau else epoch_factor(settings, epoch)
        )
        for optimiser in (self._optimisers.generator, self._optimisers.discriminator):
            for group in optimiser.param_groups if optimiser else []:
                group["lr"] = self._rate


def _build(settings: TrainSettings, device: torch.device) -> Nets:
    torch.manual_seed(seeding.torch_seed(settings.seed))
    generator = networks.build_generator(settings).to(device)
    if not settings.lambda_GAN:
        return Nets(generator)
    return Nets(generator, networks.build_discriminator(settings).to(device))


def _optimisers(nets: Nets, settings: TrainSettings) -> Optimisers:
    generator = adam(nets.generator, settings.lr, settings.beta1)
    if nets.discriminator is None:
        return Optimisers(generator)
    return Optimisers(generator, adam(nets.discriminator, settings.lr, settings.beta1))
