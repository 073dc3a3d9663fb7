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
from unretouch.training import fast_recipe
from unretouch.training.fast_recipe import FastRecipe
from unretouch.training.fit import Update
from unretouch.training.optimiser_state import remembered, restore_optimiser


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
    """Fits by crops drawn where source and target differ; averaged weights are what is kept.

    `pairs` have their full size. Raises UsageError as require_settings does.
    """

    def __init__(self, settings: TrainSettings, pairs: Sequence[Pair], device: torch.device):
        require_settings(settings)
        self._settings, self._device = settings, device
        self._recipe = FastRecipe()
        torch.manual_seed(seeding.torch_seed(settings.seed))
        self._net = networks.build_generator(settings).to(device)
        self._average = copy.deepcopy(self._net).requires_grad_(False).eval()
        self._optimiser = fast_recipe.make_optimizer(self._net, self._recipe)
        multiple = int(self._net.size_multiple)  # type: ignore[arg-type]
        self._table = fast_recipe.crop_table(pairs, self._recipe.crop, multiple)
        self._names = [pair.name for pair in pairs]

    @property
    def generator(self) -> nn.Module:
        return self._average

    def update(self, step: int, epoch: int, place: int, progress: float) -> Update:
        began = time.monotonic()
        source, target = (
            side.to(self._device)
            for side in fast_recipe.sample_crops(
                self._table, self._settings.seed, step, self._recipe.batch
            )
        )
        data_s = time.monotonic() - began
        factor = fast_recipe.rate_factor(progress, step, self._recipe)
        fast_recipe.set_rate(self._optimiser, factor)
        autocast = torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._settings.precision == "bf16-mixed"
        )
        with autocast:
            prediction = self._net(source)
        loss = fast_recipe.residual_loss(prediction, target, self._recipe.huber)
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        norm = fast_recipe.clip_gradient(self._net, self._recipe)
        error = float((prediction.detach() - target).abs().mean())
        self._require_finite(step, {"G_L1": error, "gradient of G": float(norm)})
        self._optimiser.step()
        fast_recipe.update_average(self._average, self._net, step, self._recipe)
        return Update(
            G_GAN=0.0,
            G_L1=error * self._settings.lambda_L1,
            D_real=0.0,
            D_fake=0.0,
            mean_error=error,
            identity=float((source - target).abs().mean()),
            pairs=self._pairs(step),
            data_s=data_s,
        )

    def after_epoch(self, mean_l1: float) -> None:
        """The rate of this recipe follows progress, not the loss."""

    def learning_rate(self) -> float:
        return float(self._optimiser.param_groups[0]["lr"])

    def weights(self) -> dict[str, dict[str, Tensor]]:
        return {"G": self._average.state_dict()}

    def load_weights(self, weights: dict[str, dict[str, Tensor]], where: object) -> None:
        """Begin from the weights of another run. Raises CheckpointError when they do not fit."""
        for net in (self._net, self._average):
            networks.load_weights(net, weights["G"], where)

    def state(self) -> dict[str, Any]:
        return {
            "weights": {"G": self._net.state_dict(), "average": self._average.state_dict()},
            "optimiser": remembered(self._optimiser),
        }

    def restore(self, state: dict[str, Any], where: object) -> None:
        if state["weights"].keys() != {"G", "average"}:
            raise CheckpointError("was trained with another recipe", where)
        networks.load_weights(self._net, state["weights"]["G"], where)
        networks.load_weights(self._average, state["weights"]["average"], where)
        restore_optimiser(self._optimiser, state["optimiser"], where)

    def _pairs(self, step: int) -> tuple[str, ...]:
        chosen = fast_recipe.drawn_places(
            self._table, self._settings.seed, step, self._recipe.batch
        )
        return tuple(sorted({self._names[int(index)] for index, _, _ in chosen}))

    def _require_finite(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                error = NonFiniteError(
                    f"{name} is {value}", "", "The last save is untouched; try a lower --lr"
                )
                raise error.at(step, self._pairs(step))
