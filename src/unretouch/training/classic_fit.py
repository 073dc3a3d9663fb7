"""The classic fit: pix2pix, pair by pair, with its crops, mirroring and learning rates."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unretouch import networks
from unretouch.base import seeding
from unretouch.base.errors import CheckpointError, NonFiniteError
from unretouch.networks import Generator
from unretouch.pixels import spaces
from unretouch.pixels.pairs import Pair, Sides, fetch
from unretouch.pixels.retouched_area import PairMap, pair_map
from unretouch.runs.weights import check_tensor
from unretouch.settings.train import TrainSettings
from unretouch.training.fit import Fit, Update
from unretouch.training.optimisers import Optimiser, remembered, restore_optimiser
from unretouch.training.step import Batch, Nets, Optimisers, adam, train_step
from unretouch.training.team import ALONE, Team
from unretouch.training.training_pairs import sizing

AHEAD = 4
"""Updates whose pairs are decoded ahead of them, where pairs are not all in memory."""

# What a random choice is for: the last counter of its seed, so that no two share one.
_ORDER, _DROPOUT, _FLIP, _TOP, _LEFT, _AGAIN, _WHICH = range(7)


MOST_KNOWN = 16
"""Pairs by which it is known how much of their differences is the retouch."""


class ClassicFit(Fit):
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
        self._settings, self._pairs, self._device, self._team = settings, pairs, device, team
        self._order: tuple[int, list[int]] = (0, [])
        self._sizing = sizing(settings)
        torch.manual_seed(seeding.torch_seed(settings.seed))
        generator = networks.build_generator(settings).to(device)
        judge = networks.build_discriminator(settings).to(device) if settings.lambda_GAN else None
        self._nets = Nets(generator, judge)
        self._optimisers = Optimisers(
            adam(generator, settings.lr, settings.beta1),
            None if judge is None else adam(judge, settings.lr, settings.beta1),
        )
        self._plateau = Plateau()
        self._rate = settings.lr
        self._known: dict[str, PairMap] = {}
        self._judgement = (0.0, 0.0)
        self._pool = PicturePool(settings.pool_size, settings.seed) if settings.pool_size else None
        if self._pool is not None:
            largest = max(pair.shape[0] * pair.shape[1] for pair in pairs)
            pixels = self._sizing.crop_size**2 if self._sizing.crops else largest
            self.pool_bytes = settings.pool_size * 4 * self._channels * pixels

    @property
    def generator(self) -> Generator:
        return self._nets.generator

    @property
    def _channels(self) -> int:
        """Of a source and a prediction together."""
        return self._settings.input_nc + self._settings.output_nc

    def _both(self) -> Iterator[tuple[str, nn.Module, Optimiser]]:
        """Yield letter, network and optimiser of G, and of D where there is one."""
        yield "G", self._nets.generator, self._optimisers.generator
        if self._nets.discriminator is not None and self._optimisers.discriminator is not None:
            yield "D", self._nets.discriminator, self._optimisers.discriminator

    def update(self, step: int, epoch: int, place: int, progress: float) -> Update:
        settings, pool = self._settings, self._pool
        began = time.monotonic()
        chosen = self._chosen(epoch, place)
        self._fetch_ahead(epoch, place)
        batch = self._batch(chosen, step)
        data_s = time.monotonic() - began
        self._set_rate(scheduled_epoch(settings, epoch, progress))
        # No two processes may drop the same places of their different pictures.
        others = (self._team.rank,) if self._team.rank else ()
        torch.manual_seed(seeding.torch_seed(settings.seed, step, _DROPOUT, *others))
        names = tuple(self._pairs[i].name for i in chosen)
        try:
            losses = train_step(
                self._nets, self._optimisers, batch, settings,
                update_discriminator=step % settings.d_every == 0,
                shown=None if pool is None else lambda pairs: pool.shown(pairs, step),
                team=self._team,
            )  # fmt: skip
        except NonFiniteError as error:
            raise error.at(step, names) from None
        if losses.D_real is not None and losses.D_fake is not None:
            self._judgement = (losses.D_real, losses.D_fake)
            if pool is not None:
                pool.remember()
        identity = self._team.average((batch.source - batch.target).abs().mean(), batch.share)
        return Update(
            losses.G_GAN, losses.G_L1, *self._judgement, losses.mean_error, float(identity),
            names, data_s,
        )  # fmt: skip

    def known(self, pair: Pair) -> PairMap:
        # It is fitted to noise, too, but no better for that: its figures leave it out.
        if pair.name not in self._known:
            self._known[pair.name] = pair_map(pair.source, pair.target)
        return self._known[pair.name]

    def of_the_retouch(self, error: float, identity: float) -> tuple[float, float]:
        maps = [self.known(pair) for pair in self._pairs[:MOST_KNOWN]]
        whole = sum(known.identity_error for known in maps)
        asked = sum(known.asked_error for known in maps)
        nothing = identity * (asked / whole if whole else 1.0)
        if error < identity:
            return error / identity * nothing, nothing
        return nothing + error - identity, nothing

    def after_epoch(self, mean_l1: float) -> None:
        if self._settings.lr_policy == "plateau":
            self._plateau = self._plateau.after_epoch(mean_l1)

    def learning_rate(self) -> float:
        return self._rate

    def weights(self) -> dict[str, dict[str, Tensor]]:
        return {letter: net.state_dict() for letter, net, _ in self._both()}

    def load_weights(self, weights: dict[str, dict[str, Tensor]], where: object) -> None:
        for letter, net, _ in self._both():
            if letter in weights:
                networks.load_weights(net, weights[letter], where)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "weights": self.weights(),
            "optimisers": {letter: remembered(optimiser) for letter, _, optimiser in self._both()},
            "plateau": asdict(self._plateau),
            "judgement": list(self._judgement),
        }
        if self._pool is not None:
            found["pool"] = list(self._pool.pairs)
        return found

    def restore(self, state: dict[str, Any], where: object) -> None:
        if state["weights"].keys() != self.weights().keys():
            raise CheckpointError("was trained with another discriminator setting", where)
        self.load_weights(state["weights"], where)
        for letter, _, optimiser in self._both():
            restore_optimiser(optimiser, state["optimisers"][letter], where)
        self._plateau = Plateau(**state["plateau"])
        self._judgement = (state["judgement"][0], state["judgement"][1])
        if self._pool is not None:
            self._pool.restore(state.get("pool", []), self._channels, self._device, where)

    def _chosen(self, epoch: int, place: int) -> list[int]:
        """Return the numbers of the pairs that an update sees."""
        size, count = self._settings.batch_size, len(self._pairs)
        if self._order[0] != epoch:
            order = list(range(count))
            if not self._settings.serial_batches:
                order = seeding.shuffled(count, self._settings.seed, epoch, _ORDER)
            self._order = (epoch, order)
        return self._order[1][place * size : (place + 1) * size]

    def _fetch_ahead(self, epoch: int, place: int) -> None:
        """Let what the next updates of this epoch look at be decoded meanwhile."""
        for later in range(place + 1, place + 1 + AHEAD):
            if chosen := self._chosen(epoch, later):
                fetch([self._pairs[chosen[i]] for i in self._team.part(len(chosen))])

    def _batch(self, chosen: list[int], step: int) -> Batch:
        """Return this process's part of the batch; what is drawn depends on the place in it all."""
        own = self._team.part(len(chosen))
        windows = [self._window(self._pairs[chosen[slot]], step, slot) for slot in own]
        channels = (self._settings.input_nc, self._settings.output_nc)
        source, target = (
            torch.cat([spaces.to_network(side, count) for side in sides]).to(self._device)
            for sides, count in zip(zip(*windows, strict=True), channels, strict=True)
        )
        return Batch(source, target, self._team.share(len(chosen)))

    def _window(self, pair: Pair, step: int, slot: int) -> Sides:
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
        plateau = self._settings.lr_policy == "plateau"
        factor = self._plateau.factor if plateau else epoch_factor(self._settings, epoch)
        self._rate = self._settings.lr * factor
        for _, _, optimiser in self._both():
            for group in optimiser.param_groups:
                group["lr"] = self._rate


# --- earlier predictions ----------------------------------------------------------------------


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


# --- learning rates ---------------------------------------------------------------------------


def epoch_factor(settings: TrainSettings, epoch: int) -> float:
    """Return what multiplies `lr` in `epoch` (from 1), for the policies linear, step and cosine.

    As pix2pix of 2025 has it: linear falls from epoch n_epochs on and reaches lr / (decay + 1) in
    the last one. Cosine (Loshchilov and Hutter, 2017) reaches zero after n_epochs and rises again
    in the decay epochs, so it is meant for n_epochs_decay 0.
    """
    if settings.lr_policy == "step":
        return float(0.1 ** ((epoch - 1) // settings.lr_decay_iters))
    if settings.lr_policy == "cosine":
        return (1 + math.cos(math.pi * (epoch - 1) / max(1, settings.n_epochs))) / 2
    return 1.0 - max(0, epoch - settings.n_epochs) / (settings.n_epochs_decay + 1)


def scheduled_epoch(settings: TrainSettings, epoch: int, progress: float) -> int:
    """Return the epoch (from 1) whose rate holds in `epoch`.

    It is `epoch` itself, unless the run has a time budget instead of a number of epochs: then the
    epochs of the schedule are spread over it, by the `progress` made in it (0 to 1).
    """
    if settings.minutes is None:
        return epoch
    total = max(1, settings.n_epochs + settings.n_epochs_decay)
    return min(total, 1 + int(progress * total))


@dataclass(frozen=True)
class Plateau:
    """State of the plateau policy: the rate falls to a fifth when the loss stops falling by 1 %."""

    factor: float = 1.0
    best: float = math.inf
    bad_epochs: int = 0

    PATIENCE = 5
    THRESHOLD = 0.01
    CUT = 0.2

    def after_epoch(self, loss: float) -> Plateau:
        """Return the state after an epoch whose mean loss was `loss`."""
        if loss < self.best * (1 - self.THRESHOLD):
            return Plateau(self.factor, loss, 0)
        if self.bad_epochs < self.PATIENCE:
            return Plateau(self.factor, self.best, self.bad_epochs + 1)
        return Plateau(self.factor * self.CUT, self.best, 0)
