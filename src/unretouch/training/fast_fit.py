"""The fast fit: the generator `detail` fitted to crops of the pairs by the fast recipe."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from unretouch import networks
from unretouch.base import seeding
from unretouch.base.errors import CheckpointError, NonFiniteError, UsageError
from unretouch.base.messages import Message, _
from unretouch.losses import grid
from unretouch.networks import GENERATORS, Generator
from unretouch.networks.generator import Draw
from unretouch.pixels.on_skin import lies_on_skin, skin_blocks
from unretouch.pixels.pairs import LazyPair, Pair, swapped
from unretouch.pixels.retouched_area import PairMap, exact_map
from unretouch.pixels.spaces import in_levels
from unretouch.settings.train import TrainSettings
from unretouch.training import cameras, crops, fast_recipe, retoucher
from unretouch.training.crops import Crops
from unretouch.training.estimates import capacity, network_bytes
from unretouch.training.fit import Fit, Update
from unretouch.training.pair_error import pair_error
from unretouch.training.recipe_mark import mark
from unretouch.training.stages import Stage, stages_of
from unretouch.training.team import ALONE, Team

ONLY_SKIN: Final = "the pairs were retouched on skin alone, so all else will be left as it is"
NOTHING_KEPT: Final = _(
    "What was learnt is no better than doing nothing on what was left out of training, so the "
    "model leaves every picture as it is. Give it more pairs, or more time."
)
NOTHING_BETTER: Final = _(
    "The model is what it was before: what came after held no better on what was left out of "
    "training."
)
MOST_LINES = 20
"""On what of the pairs' differences is the retouch."""


def require_settings(settings: TrainSettings) -> None:
    """Raise UsageError for settings that this recipe cannot follow."""
    takers = [name for name, kind in GENERATORS.items() if kind.takes_fast_recipe]
    wanted: dict[str, tuple[object, str]] = {
        "lambda_GAN": (0, "has no adversarial loss"),
        # It does not average the statistics of classic generators, nor repeat their dropout.
        "netG": (
            settings.netG if settings.netG in takers else takers[0],
            "is made for one generator",
        ),
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


def _parts(pair: Pair, known: PairMap) -> str:
    """Return what doing nothing consists of, and what of the picture is asked for; of a pair that
    would have to be decoded for it by its blocks alone."""
    nothing, rest = known.retouch_error, known.identity_error - known.retouch_error
    if not isinstance(pair, LazyPair):
        figures = pair_error(pair, in_levels(pair.source), known)
        nothing, rest = figures.identity_error, figures.left_out
    moved = "" if known.moved is None else f", {known.moved.mean():.0%} was moved and is left out"
    return (
        f"{pair.name}: {known.blocks.mean():.0%} of the picture is retouched{moved}; doing nothing "
        f"is off by {nothing:.2f} grey levels. Besides the retouch the files differ by "
        f"{rest:.2f}, which no model can undo"
    )


class FastFit(Fit):
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
        untouched: Sequence[Pair] = (),
    ):
        """Of `untouched` pictures, whose two sides are the same, further pairs are made."""
        require_settings(settings)
        self._settings, self._device, self._team = settings, device, team
        self._graded: set[str] = set()
        """names of pairs of which a grade was taken out"""
        if settings.aim != "fit":
            given, pairs = pairs, crops.of_one_grade(pairs)
            self._graded = {
                own.name for own, pair in zip(pairs, given, strict=True) if own is not pair
            }
        self.maps = crops.pair_maps(pairs)
        skin = [] if settings.aim == "fit" else [skin_blocks(pair.source) for pair in pairs]
        self._skin = skin if skin and lies_on_skin(skin, self.maps) else []
        """that of the pairs, where all else is to stay as it is"""
        self._net, self._average = self._fresh()
        self._idle = copy.deepcopy(self._average)
        """does nothing, as every fresh network"""
        self.recipe = mark(settings.aim, bool(untouched))
        self._names = [pair.name for pair in pairs]
        self._given, self._untouched = pairs, untouched
        self._retoucher: tuple[Generator, Generator] | None = None
        """what learns the retouch itself, and its averaged weights"""
        self._first: list[Stage] = []
        """those of the retoucher"""
        self._own: list[Stage] = []
        """those of the network that is wanted; none as long as the retoucher is trained"""
        if untouched:
            self._begin_with_the_retouch()
        else:
            self._own = self._own_stages()
        self._now = 0
        self._began = (0, 0.0)
        self._stage.begin()

    def _fresh(self) -> tuple[Generator, Generator]:
        """Return a network of the settings, and one for its averaged weights."""
        torch.manual_seed(seeding.torch_seed(self._settings.seed, 0))
        net = networks.build_generator(self._settings).to(self._device)
        net.slower = fast_recipe.slower_of(self._settings.aim, net)
        net.only_skin = bool(self._skin)
        return net, copy.deepcopy(net).requires_grad_(False).eval()

    def _begin_with_the_retouch(self) -> None:
        """Begin with stages that fit another network to the pairs the other way round."""
        self._retoucher = self._fresh()
        self.pool_bytes = network_bytes(self._net)
        pairs = [swapped(pair) for pair in self._given]
        maps = [known.swapped() for known in self.maps]
        self._first = stages_of(
            *self._retoucher, pairs, maps, self._settings, self._device, left_out=0.0
        )
        for stage in self._first:
            stage.ends_at *= retoucher.SHARE
        self._first[0].note = retoucher.note(len(self._untouched))

    def _own_stages(self) -> list[Stage]:
        """Return the stages of what is wanted, whatever went before."""
        made: list[Pair] = []
        if self._retoucher is not None:
            kept = self._retoucher[0].made_of([stage.kept for stage in self._first])
            kept.set_draw(Draw(0.0))  # a retouch takes texture away
            least = min(min(pair.shape) for pair in self._given)
            bits = max(pair.bits for pair in self._given)
            made = retoucher.retouched(self._untouched, kept, least, bits)
        maps = [*self.maps, *(exact_map(pair.source, pair.target) for pair in made)]
        skin = [*self._skin, *(skin_blocks(pair.source) for pair in made if self._skin)]
        found = stages_of(
            self._net, self._average, [*self._given, *made], maps, self._settings, self._device,
            len(made), skin=skin,
        )  # fmt: skip
        if self._retoucher is not None:
            for stage in found:
                stage.ends_at = retoucher.SHARE + (1 - retoucher.SHARE) * stage.ends_at
            found[0].note = retoucher.note_after(len(made), found[0].note)
        return found

    @property
    def _stages(self) -> list[Stage]:
        return [*self._first, *self._own]

    @property
    def _stage(self) -> Stage:
        return self._stages[self._now]

    @property
    def _batch(self) -> int:
        """Crops in a step."""
        return self._settings.batch_size * self._stage.crops_a_step

    @property
    def generator(self) -> Generator:
        if not self._own:
            return self._average
        choices = [stage.choice for stage in self._own if stage.choice is not None]
        # Weights that a run goes on from may do harm, and nothing may have been better since.
        if choices and choices[-1].score >= 1:
            return self._idle
        return self._kept

    @property
    def _kept(self) -> Generator:
        return self._net.made_of([stage.kept for stage in self._own])

    @property
    def pixels_a_step(self) -> int:
        return self._batch * self._stage.side**2

    @property
    def passes_a_step(self) -> float:
        """How often all that was retouched is seen in a step, on average over the run."""
        asked = sum(known.asked_error * known.shape[0] * known.shape[1] for known in self.maps)
        finest = self._stages[-1]
        seen = finest.side**2 * finest.crops_a_step
        share = finest.ends_at - sum(stage.ends_at for stage in self._stages[:-1])
        return share * self._settings.batch_size * seen * finest.table.residual / max(asked, 1e-9)

    def update(self, step: int, epoch: int, place: int, progress: float) -> Update:
        began = time.monotonic()
        if progress >= self._stage.ends_at and (self._now + 1 < len(self._stages) or not self._own):
            # The coarse network is left as it is kept: the fine one is trained beside that.
            self.look_at_the_last(step)
            self._stage.end()
            self._now, self._began = self._now + 1, (step, progress)
            if self._now == len(self._first):
                self._own = self._own_stages()
            self._stage.begin()
        stage, recipe = self._stage, self._stage.recipe
        sample = self._drawn(step)
        data_s = time.monotonic() - began
        first_step, beginning = self._began
        own_step = step - first_step
        own_progress = (progress - beginning) / max(stage.ends_at - beginning, 1e-9)
        factor = fast_recipe.rate_factor(own_progress, own_step, recipe)
        fast_recipe.set_rate(stage.optimiser, factor)
        prediction = self._backward(sample, own_progress)
        self._team.average_gradients(stage.net, self._team.share(self._batch))
        norm = nn.utils.clip_grad_norm_(stage.net.parameters(), recipe.clip)
        error = self._mean_distance(prediction, sample.target)
        self._require_finite(step, {"G_L1": error, "gradient of G": float(norm)})
        stage.optimiser.step(own_step)
        fast_recipe.update_average(stage.average, stage.net, own_step, factor, recipe)
        identity = self._mean_distance(sample.source, sample.target)
        if stage.choice is not None and fast_recipe.judge_due(own_step + 1, recipe):
            stage.choice.consider(stage.average, step + 1)
        return Update(
            G_GAN=0.0,
            G_L1=error * self._settings.lambda_L1,
            D_real=0.0,
            D_fake=0.0,
            mean_error=error,
            identity=identity,
            pairs=self._pairs(step),
            data_s=data_s,
            note=stage.note if own_step == 0 else "",
        )

    def seconds_a_step(self) -> float:
        """Return about what an update takes, by a forward and a backward pass that change nothing.

        The second of two is timed: the first fetches memory.
        """
        began = 0.0
        for _again in range(2):
            began = time.monotonic()
            self._backward(self._drawn(0), progress=0.0)
        self._stage.optimiser.zero_grad()
        return time.monotonic() - began

    def known(self, pair: Pair) -> PairMap | None:
        return None if pair.name in self._graded else self.maps[self._names.index(pair.name)]

    def expectations(self, total_steps: int) -> list[str]:
        told = [
            (pair, known)
            for pair, known in zip(self._given, self.maps, strict=True)
            if not known.lossless  # else all of the difference is the retouch
        ]
        lines = [_parts(pair, known) for pair, known in told[:MOST_LINES]]
        if self._skin:
            lines.append(ONLY_SKIN)
        table, minutes = self._stage.table, self._settings.minutes
        if self._settings.aim == "fit" and not table.lazy:
            steps = total_steps if minutes is None else minutes * 60 / self.seconds_a_step()
            # Nothing is learnt while the rates rise.
            passes = steps * self.passes_a_step if steps > self._stage.recipe.warm_up else 0.0
            can = capacity(table.pairs, self.generator.remembering(), passes, self.maps)
            lines.append(can.sentence(self._settings.size))
        return lines

    @property
    def last_look_s(self) -> float:
        choice = self._stage.choice
        return choice.cost_s if choice is not None else 0.0

    def look_at_the_last(self, step: int) -> None:
        choice = self._stage.choice
        if choice is not None and step > self._began[0]:
            choice.consider(self._stage.average, step)

    def outcome(self, step: int) -> Message | None:
        if not self._own:
            return retoucher.ENDED_EARLY
        choice = self._stage.choice
        if choice is None:
            return None
        if self.generator.does_nothing():
            return NOTHING_KEPT
        if choice.judged is None or choice.step == step:
            return None
        if choice.step is None:
            return NOTHING_BETTER
        if choice.judged < step:
            return _(
                "The model is that of step {step}. What came after step {judged} was not looked "
                "at yet: go on, or train longer.",
                step=choice.step,
                judged=choice.judged,
            )
        return _(
            "The model is that of step {step}: what came after it held no better on what was left "
            "out of training.",
            step=choice.step,
        )

    def learning_rate(self) -> float:
        return float(self._stage.optimiser.param_groups[0]["lr"])

    def weights(self) -> dict[str, dict[str, Tensor]]:
        return {"G": self.generator.state_dict()}

    def load_weights(self, weights: dict[str, dict[str, Tensor]], where: object) -> None:
        for net in (self._net, self._average, *([self._kept] if self._own else [])):
            networks.load_weights(net, weights["G"], where)
        for stage in self._stages[: self._now + 1]:
            stage.begin()

    def state(self) -> dict[str, Any]:
        return {
            "weights": {name: net.state_dict() for name, net in self._networks().items()},
            "stages": [stage.state() for stage in self._stages[: self._now + 1]],
            "began": list(self._began),
        }

    def restore(self, state: dict[str, Any], where: object) -> None:
        nets = self._networks()
        if state["weights"].keys() != nets.keys():
            raise CheckpointError("was trained with another recipe", where)
        for name, net in nets.items():
            networks.load_weights(net, state["weights"][name], where)
        # Version 0.1 knew one stage.
        stages = state.get("stages", [state])
        step, progress = state.get("began", (0, 0.0))
        self._now, self._began = len(stages) - 1, (int(step), float(progress))
        for number, remembered in enumerate(stages):
            if number == len(self._first) and not self._own:
                self._own = self._own_stages()
            self._stages[number].begin()
            self._stages[number].restore(remembered, where)

    def _networks(self) -> dict[str, Generator]:
        """Return the networks whose weights are state, by name."""
        found = {"G": self._net, "average": self._average}
        if self._retoucher is not None:
            names = ("retoucher", "retoucher_average")
            found |= dict(zip(names, self._retoucher, strict=True))
        return found

    def _drawn(self, step: int) -> Crops:
        stage, seed, batch = self._stage, self._settings.seed, self._batch
        part = self._team.part(batch)
        crops.fetch_ahead(stage.table, seed, step, batch, part)
        drawn = crops.drawn(stage.table, seed, step, batch, stage.recipe.turn, part)
        return stage.sample(*drawn, cameras.drawn(stage.recipe.cameras, seed, step, part))

    def _mean_distance(self, x: Tensor, y: Tensor) -> float:
        """Return the mean absolute difference over the whole batch, all processes' parts of it."""
        share = self._team.share(self._batch)
        return float(self._team.average((x - y).abs().mean(), share))

    def _backward(self, sample: Crops, progress: float) -> Tensor:
        """Gather the gradient of a batch; return the prediction."""
        stage = self._stage
        mixed = self._settings.precision == "bf16-mixed"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
            prediction, further_loss = stage.predict(stage.net, sample)
        # What was left out teaches nothing: there the prediction is its own target.
        target = torch.where(sample.left_out, prediction.detach(), sample.target)
        loss = fast_recipe.residual_loss(
            prediction, target, stage.recipe, progress, stage.net.guesses
        )
        if stage.recipe.grid:
            loss = loss + stage.recipe.grid * grid(prediction - sample.source)
        stage.optimiser.zero_grad()
        torch.autograd.backward(loss + further_loss)
        return prediction.detach()

    def _pairs(self, step: int) -> tuple[str, ...]:
        chosen = crops.drawn_places(self._stage.table, self._settings.seed, step, self._batch)
        pairs = self._stage.table.pairs
        return tuple(sorted({pairs[int(index)].name for index, _, _ in chosen}))

    def _require_finite(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                error = NonFiniteError(
                    f"{name} is {value}", "", "The last save is untouched; try a lower --lr"
                )
                raise error.at(step, self._pairs(step))
