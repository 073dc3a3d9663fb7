"""The fast fit: the generator `detail` fitted to crops of the pairs by the fast recipe."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unretouch import networks
from unretouch.base import seeding
from unretouch.base.config import TrainSettings
from unretouch.base.errors import CheckpointError, NonFiniteError, UsageError
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap
from unretouch.training import crops, fast_recipe
from unretouch.training.crops import Crops
from unretouch.training.early_choice import EarlyChoice
from unretouch.training.fast_recipe import recipe_for
from unretouch.training.fit import Update
from unretouch.training.muon import Muon
from unretouch.training.optimiser_state import remembered, restore_optimiser
from unretouch.training.team import ALONE, Team


def require_settings(settings: TrainSettings) -> None:
    """Raise UsageError for settings that this recipe cannot follow."""
    wanted: dict[str, tuple[object, str]] = {
        "lambda_GAN": (0, "has no adversarial loss"),
        # It does not average the statistics of classic generators, nor repeat their dropout.
        "netG": ("detail", "is made for one generator"),
        "input_nc": (3, "works on RGB"),
        "output_nc": (3, "works on RGB"),
    }
    for name, (value, reason) in wanted.items():
        if getattr(settings, name) != value:
            raise UsageError(
                f"the fast recipe {reason}",
                f"--{name}",
                f"Set it to {value}, or choose --recipe classic",
            )


class FastFit:
    """Fits by crops drawn where source and target differ; averaged weights are what is kept, with
    the aims for unseen portraits those that did best on what was left out.

    `pairs` have their full size. Raises UsageError as require_settings does.
    """

    def __init__(
        self,
        settings: TrainSettings,
        pairs: Sequence[Pair],
        device: torch.device,
        team: Team = ALONE,
    ):
        require_settings(settings)
        self._settings, self._device, self._team = settings, device, team
        self.maps = crops.pair_maps(pairs)
        self._recipe = recipe_for(settings.aim, crops.retouched_share(self.maps))
        self._net = self._fresh_net()
        self._average = copy.deepcopy(self._net).requires_grad_(False).eval()
        self._names = [pair.name for pair in pairs]
        self._table = crops.crop_table(
            pairs,
            self.maps,
            self._recipe.crop,
            int(self._net.size_multiple),  # type: ignore[arg-type]
            self._recipe.left_out,
            settings.seed,
        )
        self._optimiser = self._fresh_optimiser()
        self._batch = settings.batch_size * fast_recipe.crops_a_step(self._table.crop, self._recipe)
        self._choice: EarlyChoice | None = None
        if self._recipe.left_out:
            self._choice = EarlyChoice(self._average, self._table, settings.aim, device)

    @property
    def generator(self) -> nn.Module:
        return self._average if self._choice is None else self._choice.net

    @property
    def pixels_a_step(self) -> int:
        return self._batch * self._table.crop**2

    @property
    def passes_a_step(self) -> float:
        """How often all that was retouched is seen in a step."""
        asked = sum(known.asked_error * known.shape[0] * known.shape[1] for known in self.maps)
        return self.pixels_a_step * self._table.residual / max(asked, 1e-9)

    def update(self, step: int, epoch: int, place: int, progress: float) -> Update:
        began = time.monotonic()
        batch = self._drawn(step)
        data_s = time.monotonic() - began
        factor = fast_recipe.rate_factor(progress, step, self._recipe)
        fast_recipe.set_rate(self._optimiser, factor)
        prediction = self._backward(batch, progress)
        share = self._team.share(self._batch)
        self._team.average_gradients(self._net, share)
        norm = fast_recipe.clip_gradient(self._net, self._recipe)
        error = self._mean_distance(prediction, batch.target)
        self._require_finite(step, {"G_L1": error, "gradient of G": float(norm)})
        self._optimiser.step()
        fast_recipe.update_average(self._average, self._net, step, self._recipe)
        identity = self._mean_distance(batch.source, batch.target)
        if self._choice is not None and fast_recipe.judge_due(step + 1, self._recipe):
            self._choice.consider(self._average)
        return Update(
            G_GAN=0.0,
            G_L1=error * self._settings.lambda_L1,
            D_real=0.0,
            D_fake=0.0,
            mean_error=error,
            identity=identity,
            pairs=self._pairs(step),
            data_s=data_s,
        )

    def seconds_a_step(self) -> float:
        """Return about what an update takes, by a forward and a backward pass that change nothing.

        The second of two is timed: the first fetches memory.
        """
        began = 0.0
        for _ in range(2):
            began = time.monotonic()
            self._backward(self._drawn(0), progress=0.0)
        self._optimiser.zero_grad()
        return time.monotonic() - began

    def after_epoch(self, mean_l1: float) -> None:
        """The rate of this recipe follows progress, not the loss."""

    def known(self, name: str) -> PairMap | None:
        return self.maps[self._names.index(name)]

    def learning_rate(self) -> float:
        return float(self._optimiser.param_groups[0]["lr"])

    def weights(self) -> dict[str, dict[str, Tensor]]:
        return {"G": self.generator.state_dict()}

    def load_weights(self, weights: dict[str, dict[str, Tensor]], where: object) -> None:
        """Begin from the weights of another run. Raises CheckpointError when they do not fit."""
        for net in (self._net, self._average, *([self._choice.net] if self._choice else [])):
            networks.load_weights(net, weights["G"], where)
        if self._choice is not None:
            self._choice.begin()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "weights": {"G": self._net.state_dict(), "average": self._average.state_dict()},
            "optimiser": remembered(self._optimiser),
        }
        if self._choice is not None:
            found["choice"] = self._choice.state()
        return found

    def restore(self, state: dict[str, Any], where: object) -> None:
        if state["weights"].keys() != {"G", "average"}:
            raise CheckpointError("was trained with another recipe", where)
        networks.load_weights(self._net, state["weights"]["G"], where)
        networks.load_weights(self._average, state["weights"]["average"], where)
        restore_optimiser(self._optimiser, state["optimiser"], where)
        if self._choice is not None:
            self._choice.restore(state["choice"], where)

    def _fresh_net(self) -> nn.Module:
        torch.manual_seed(seeding.torch_seed(self._settings.seed, 0))
        return networks.build_generator(self._settings).to(self._device)

    def _fresh_optimiser(self) -> Muon:
        return fast_recipe.make_optimizer(self._net, self._recipe, self._table.residual)

    def _drawn(self, step: int) -> Crops:
        seed, part = self._settings.seed, self._team.part(self._batch)
        crops.fetch_ahead(self._table, seed, step, self._batch, part)
        return crops.sample_crops(self._table, seed, step, self._batch, self._recipe.turn, part).to(
            self._device
        )

    def _mean_distance(self, x: Tensor, y: Tensor) -> float:
        """Return the mean absolute difference over the whole batch, all processes' parts of it."""
        share = self._team.share(self._batch)
        return float(self._team.average((x - y).abs().mean(), share))

    def _backward(self, batch: Crops, progress: float) -> Tensor:
        """Gather the gradient of a batch; return the prediction."""
        autocast = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._settings.precision == "bf16-mixed"
        )
        with autocast:
            prediction: Tensor = self._net(batch.source)
        # What was left out teaches nothing: there the prediction is its own target.
        target = torch.where(batch.left_out, prediction.detach(), batch.target)
        loss = fast_recipe.residual_loss(prediction, target, self._recipe, progress)
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        return prediction.detach()

    def _pairs(self, step: int) -> tuple[str, ...]:
        chosen = crops.drawn_places(self._table, self._settings.seed, step, self._batch)
        return tuple(sorted({self._names[int(index)] for index, _, _ in chosen}))

    def _require_finite(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                error = NonFiniteError(
                    f"{name} is {value}", "", "The last save is untouched; try a lower --lr"
                )
                raise error.at(step, self._pairs(step))
