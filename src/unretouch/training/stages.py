"""What a fast fit trains at a time: one network, by crops of its own.

A `detail` is trained in one stage. A `pyramid` is trained in two: the coarse network on reduced
crops, then, with that as it is, the fine one on crops that the coarse one has changed.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unretouch.losses import l1, local_band_energy
from unretouch.networks import Generator, load_weights, pyramid
from unretouch.networks.detail import Detail, in_channels
from unretouch.networks.pyramid import FACTOR
from unretouch.pixels import spaces
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap
from unretouch.pixels.spaces import Plane
from unretouch.settings.train import AimName, TrainSettings
from unretouch.training import crops, fast_recipe
from unretouch.training.cameras import FAR, NEAR, OWN, Camera
from unretouch.training.crops import Crops, CropTable, ReducedPictures
from unretouch.training.fast_recipe import USUAL_RESIDUAL, FastRecipe
from unretouch.training.optimisers import remembered, restore_optimiser
from unretouch.training.texture_strength import Seen, measure_strength

LEAST_SHARE, MOST_SHARE = 0.1, 0.5
"""Of the time, for the coarse network: as it has a smaller or larger part of the retouch to learn.
"""
GATE_WEIGHT: Final = 1.0
"""Of the cross entropy of the gate, beside the error in grey levels."""
GATE_SHARE: Final = 0.05
"""Of a cell's pixels, changed, from which on the gate of it and its neighbours is to be open."""
EVENLY: Final = 0.3
"""See crop_table: the gate is learnt everywhere."""
MOST_GUIDES: Final = 64
"""Pictures whose guides are kept, 3 MB each for 24 megapixels."""


class Stage:
    """A network, its averaged weights, and how it is trained. This one trains a `detail` alone."""

    note = ""
    """what begins with it, for people"""
    ends_at = 1.0
    """share of the run that is then done"""

    def __init__(
        self,
        net: Generator,
        average: Generator,
        table: CropTable,
        recipe: FastRecipe,
        aim: AimName,
        device: torch.device,
    ) -> None:
        self.net, self.average, self.table, self.recipe = net, average, table, recipe
        self._device, self._aim = device, aim
        self.optimiser = fast_recipe.make_optimizer(net, recipe, table.residual)
        self.choice: EarlyChoice | None = None
        if net.guesses:
            self._aim = "restore"  # what it guesses is judged by its own loss, the picture by this

    @property
    def side(self) -> int:
        """Pixels a side of what the network sees of a crop."""
        return self.table.crop

    @property
    def crops_a_step(self) -> int:
        """Crops in a step, for one of --batch_size."""
        return fast_recipe.crops_a_step(self.side, self.recipe)

    @property
    def kept(self) -> Generator:
        """The network whose weights are kept: the averaged ones, or the best that were judged."""
        return self.average if self.choice is None else self.choice.net

    def begin(self) -> None:
        """Get ready; to be called before the first sample, and when weights have been put in."""
        if not self.recipe.left_out:
            return
        if self.choice is None:
            most = EarlyChoice.most(self.side)
            left_out = crops.left_out_places(self.table, max(LEAST_PLACES, most // len(NEAR)))
            spread, weights = crops.spread_places(self.table, 2 * most)
            measured = self._strength_crops()
            self.choice = EarlyChoice(
                self.average,
                [self._all_by(camera, left_out) for camera in NEAR],
                [
                    (self._all_by(camera, spread[number :: len(FAR)]), weights[number :: len(FAR)])
                    for number, camera in enumerate(FAR)
                    if number < len(spread)
                ],
                lambda net, sample: self.predict(net, sample)[0],
                self._plainly,
                self._aim,
                lambda net: self._measure_strength(net, measured),
            )
        else:
            self.choice.begin()

    def end(self) -> None:
        """Leave the network as it is kept."""
        for net in (self.net, self.average):
            net.load_state_dict(self.kept.state_dict())

    def sample(
        self, places: NDArray[np.int32], turns: Sequence[int], cameras: Sequence[Camera]
    ) -> Crops:
        """Return what is to be learnt at `places`, (N, 3), turned into the positions `turns` and
        as `cameras` take it."""
        each = [self._crop(*drawn) for drawn in zip(places.tolist(), turns, cameras, strict=True)]
        return Crops.joined(each).to(self._device)

    def _all_by(self, camera: Camera, places: NDArray[np.int32]) -> Crops:
        count = len(places)
        return self.sample(places, [0] * count, [camera] * count)

    def _crop(self, place: tuple[int, int, int], turn: int, camera: Camera) -> Crops:
        (index, *_), table = place, self.table
        window = camera.window(place[1:], table.crop, table.pairs[index].shape)
        crop = crops.crop_at(table, index, *window)
        return self._guided(crop, index, *window).turned(turn).taken_by(camera, table.crop)

    def _guided(self, crop: Crops, index: int, top: int, left: int, side: int) -> Crops:
        """Return a crop with what else the network sees there."""
        return crop

    def predict(self, net: Generator, sample: Crops) -> tuple[Tensor, Tensor | float]:
        """Return the picture that `net`, of this stage's kind, makes of a sample (network space, as
        its target), and a loss beside that of the picture."""
        return self._with_guesses(*self._expected(net, sample), sample)

    def _expected(self, net: Generator, sample: Crops) -> tuple[Tensor, Tensor | None]:
        """Return the most likely picture, and the deviation from it as Detail has it."""
        assert isinstance(net, Detail)
        change, spread = net.change_and_spread(sample.source)
        return in_channels(sample.source, net.output_nc) + change, spread

    def _with_guesses(
        self, picture: Tensor, spread: Tensor | None, sample: Crops
    ) -> tuple[Tensor, Tensor | float]:
        """Return the picture, and the loss of what is told of the texture that cannot be known."""
        if spread is None:
            return picture, 0.0
        # What was left out teaches nothing.
        target = torch.where(sample.left_out, picture.detach(), sample.target)
        spread = torch.where(sample.left_out, spread.detach(), spread)
        return picture, self.recipe.texture * fast_recipe.guess_loss(picture, spread, target)

    def _plainly(self, net: Generator, sample: Crops) -> Tensor:
        """Predict without making texture stronger than it is known."""
        working = net.networks[-1]
        assert isinstance(working, Detail)
        working.strengthens = False
        try:
            return self.predict(net, sample)[0]
        finally:
            working.strengthens = True

    def _strength_crops(self) -> list[Crops]:
        """Return crops of what was left out by which the strength of texture is measured: as other
        cameras take it. Through its own a network knows the faces that it was trained on."""
        working = self.net.networks[-1]
        assert isinstance(working, Detail)
        if working.guesses:
            return [self._all_by(OWN, crops.left_out_places(self.table, 2 * LEAST_PLACES))]
        if working.strength is None:
            return []
        others = [camera for camera in (*NEAR, *FAR) if camera is not OWN]
        most = STRENGTH_PIXELS // self.side**2 // len(others)
        left_out = crops.left_out_places(self.table, max(LEAST_PLACES, most))
        return [self._all_by(camera, left_out) for camera in others]

    def _measure_strength(self, net: Generator, measured: Sequence[Crops]) -> None:
        """Make texture as strong as it is in truth, by crops of what was left out."""
        working = net.networks[-1]
        assert isinstance(working, Detail)
        each = (batch.one(n) for batch in measured for n in range(len(batch.source)))
        measure_strength(working, (self._seen(net, crop) for crop in each))

    def _seen(self, net: Generator, sample: Crops) -> Seen:
        picture, spread = self._expected(net, sample)
        asked = (sample.target != sample.source).any(1, keepdim=True)
        where = (sample.left_out & asked).float()
        return Seen(self._before(sample), picture, sample.target, where, spread)

    def _before(self, sample: Crops) -> Tensor:
        """Return the picture without what the network changes."""
        return sample.source

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = {"optimiser": remembered(self.optimiser)}
        if self.choice is not None:
            found["choice"] = self.choice.state()
        return found

    def restore(self, state: dict[str, Any], where: object) -> None:
        restore_optimiser(self.optimiser, state["optimiser"], where)
        if self.choice is not None:
            self.choice.restore(state["choice"], where)


class CoarseStage(Stage):
    """Trains the coarse network of a `pyramid`, on reduced crops: the change, and the gate."""

    note = "first the large changes, at an eighth of the size: errors are those of reduced crops"

    @property
    def side(self) -> int:
        return self.table.crop // FACTOR

    def begin(self) -> None:
        self._pictures = ReducedPictures(self.table)
        super().begin()

    def end(self) -> None:
        super().end()
        self._pictures = ReducedPictures(self.table)  # lets go of those that were looked at

    def _crop(self, place: tuple[int, int, int], turn: int, camera: Camera) -> Crops:
        found = torch.from_numpy(self._pictures.at(*place)).permute(2, 0, 1)[None]
        source, target, changed, left_out = torch.split(found, [3, 3, 1, 1], 1)
        gate = F.max_pool2d(changed, 3, 1, 1) > GATE_SHARE
        bits = self.table.pairs[place[0]].bits
        crop = Crops(source, target, left_out > 0, gate.float(), bits).turned(turn)
        return crop.taken_by(camera.colours, self.side)

    def predict(  # type: ignore[override]
        self, net: Detail, sample: Crops
    ) -> tuple[Tensor, Tensor | float]:
        assert sample.guide is not None
        change, logit = pyramid.change_and_logit(net, sample.source)
        picture = sample.source + pyramid.opened(logit) * change
        wrong = F.binary_cross_entropy_with_logits(logit, sample.guide, reduction="none")
        return picture, GATE_WEIGHT * wrong.where(~sample.left_out, 0.0).mean()


class FineStage(Stage):
    """Trains the fine network of a `pyramid` on crops that the kept coarse network has changed."""

    note = "now the detail, at full size: errors are those of crops where the retouch is"
    coarse: Stage
    """that of the coarse network, which does not change meanwhile"""

    def begin(self) -> None:
        self._guides: dict[int, Tensor] = {}
        super().begin()

    def _guided(self, crop: Crops, index: int, top: int, left: int, side: int) -> Crops:
        # Guides are known from the corners of cells on.
        down, right = top % FACTOR, left % FACTOR
        reach = side + FACTOR
        found = pyramid.guide_at(self._guide(index), top - down, left - right, reach, reach)
        return dataclasses.replace(
            crop, guide=found[:, :, down : down + side, right : right + side].cpu()
        )

    def _expected(self, net: Generator, sample: Crops) -> tuple[Tensor, Tensor | None]:
        assert sample.guide is not None
        assert isinstance(net, Detail)
        return pyramid.refined_and_spread(net, sample.source, sample.guide)

    def _before(self, sample: Crops) -> Tensor:
        assert sample.guide is not None
        return sample.source + sample.guide[:, :-1]

    def _guide(self, index: int) -> Tensor:
        """Return the guide of a picture, made when it is first asked for."""
        if index not in self._guides:
            if len(self._guides) >= MOST_GUIDES:
                del self._guides[next(iter(self._guides))]
            coarse, source = self.coarse.kept, self.table.pairs[index].source
            assert isinstance(coarse, Detail)
            self._guides[index] = pyramid.guide_of_whole(
                coarse, len(source), lambda rows: spaces.to_network(source[rows], coarse.input_nc)
            )
        return self._guides[index]


def coarse_share(maps: Sequence[PairMap]) -> float:
    """Return the share of the time that the coarse network of a `pyramid` gets.

    Two thirds of what blocks of 8 pixels change as a whole, of all that the retouch changes.
    """
    asked = sum(float(known.asked_blocks.sum(dtype=np.float64)) for known in maps)
    large = sum(
        float((np.abs(known.light) * (known.asked_blocks > 0)).sum(dtype=np.float64))
        for known in maps
    )
    return min(MOST_SHARE, max(LEAST_SHARE, large / max(asked, 1e-9) / 1.5))


def stages_of(
    net: Generator,
    average: Generator,
    pairs: Sequence[Pair],
    maps: Sequence[PairMap],
    settings: TrainSettings,
    device: torch.device,
    made: int = 0,
    left_out: float | None = None,
    skin: Sequence[Plane] = (),
) -> list[Stage]:
    """Return the stages in which `net` is trained to pairs, whose `maps` are what pair_maps says.

    `average` is of the same kind; for `made` see crop_table. `left_out` is the share that judges,
    where it is not that of the aim. `skin` are the skin_blocks of all sources, where the network
    leaves all else as it is.
    """
    aim, seed = settings.aim, settings.seed
    far = fast_recipe.looks_far(net)
    recipe = fast_recipe.recipe_for(aim, crops.retouched_share(maps), far)
    if left_out is not None:
        recipe = dataclasses.replace(recipe, left_out=left_out)
    if len(net.networks) == 1:
        table = crops.crop_table(
            pairs, maps, recipe.crop, net.size_multiple, recipe.left_out, seed, made=made,
            slower=recipe.slower, skin=skin,
        )  # fmt: skip
        return [Stage(net, average, table, recipe, aim, device)]
    of_coarse = fast_recipe.coarse_recipe(recipe)
    slower = recipe.slower and FACTOR * recipe.slower
    table = crops.crop_table(
        pairs, maps, FACTOR * of_coarse.crop, net.size_multiple, recipe.left_out, seed, EVENLY,
        made, slower,
    )  # fmt: skip
    judged_by: AimName = "restore" if aim == "texture" else aim
    (coarse, fine), (average_coarse, average_fine) = net.networks, average.networks
    # Half of its crops are of untouched areas, so their mean residual says little.
    of_reduced = dataclasses.replace(table, residual=USUAL_RESIDUAL)
    first = CoarseStage(coarse, average_coarse, of_reduced, of_coarse, judged_by, device)
    first.ends_at = coarse_share(maps)
    table = crops.crop_table(
        pairs, maps, recipe.crop, fine.size_multiple, table.left_out, seed, made=made,
        slower=slower, skin=skin,
    )  # fmt: skip
    second = FineStage(fine, average_fine, table, recipe, aim, device)
    second.coarse = first
    return [first, second]


# --- which weights are kept -------------------------------------------------------------------

MOST_PIXELS = 1 << 18
"""Pixels looked at in one judgement, through all cameras; twice as many through those far away. It
must cost little beside the training between two."""
LEAST_PLACES: Final = 4
"""Crops at least that are looked at through a camera: larger ones would be few."""
STRENGTH_PIXELS: Final = 5 << 18
"""Pixels by which the strength of texture is measured: with a few crops it would be off by 4 %."""
Distance = Callable[[Tensor, Tensor], Tensor]
Predict = Callable[[Generator, Crops], Tensor]
LEAST_GAIN: Final = 0.02
"""Of the error of doing nothing, through cameras far from that of the pairs."""


class EarlyChoice:
    """The best weights so far, and the crops by which they are found.

    They are judged by what is left of the error of doing nothing on the left-out pixels, on average
    over several cameras. For `texture` the distance of the energy of texture is the error: the
    least error in grey levels would choose the most blurred weights. And they must gain something,
    in grey levels, all over the pictures as cameras far from those of the pairs take them: what
    does not would harm portraits from elsewhere.
    """

    def __init__(
        self,
        net: Generator,
        near: Sequence[Crops],
        far: Sequence[tuple[Crops, Sequence[float]]],
        predict: Predict,
        plainly: Predict,
        aim: AimName,
        finish: Callable[[Generator], None] = lambda net: None,
    ):
        """`near` and `far` hold a batch of crops a camera, `far` also the weight of each; `predict`
        returns what a network like `net` makes of a batch, `plainly` what it makes of those that
        are far: stronger texture costs error there without doing harm; `finish` is done to what is
        judged."""
        self.net, self._candidate = copy.deepcopy(net), copy.deepcopy(net)
        self._near, self._far, self._finish = near, far, finish
        self._predict, self._plainly = predict, plainly
        self._distance: Distance = local_band_energy if aim == "texture" else l1
        # What doing nothing costs does not change.
        self.step: int | None = None
        """updates that the best weights have; None where that is not known"""
        self.judged: int | None = None
        """updates of the weights that were judged last"""
        self.cost_s = 0.0
        """seconds that a judgement takes"""
        self._near_idle = [max(each, 1e-9) for each in self._near_errors(None)]
        self._far_idle = max(self._far_error(None), 1e-9)
        self.begin()

    @staticmethod
    def most(side: int) -> int:
        """Return how many crops of `side` pixels are looked at, about, through all cameras."""
        return max(1, MOST_PIXELS // side**2)

    def begin(self) -> None:
        """Take the weights as they stand for the best so far. A fresh network does nothing: then
        none that does worse is ever kept. Those that a run goes on from may, with a score above 1.
        """
        began = time.monotonic()
        self.score = self._judged(self.net)
        self.cost_s = time.monotonic() - began

    def consider(self, net: Generator, step: int) -> None:
        """Keep the weights of `net` after `step` updates where they do better than all before."""
        if step == self.judged:
            return
        self.judged, began = step, time.monotonic()
        self._candidate.load_state_dict(net.state_dict())
        self._finish(self._candidate)
        score = self._judged(self._candidate)
        if score < self.score:
            self.score, self.step = score, step
            self.net, self._candidate = self._candidate, self.net
        self.cost_s = time.monotonic() - began

    def state(self) -> dict[str, Any]:
        return {"weights": self.net.state_dict(), "step": self.step, "judged": self.judged}

    def restore(self, state: dict[str, Any], where: object) -> None:
        """Go back to a `state`. Raises CheckpointError when it does not fit."""
        load_weights(self.net, state["weights"], where)
        # States of before this was on record say nothing of it.
        self.step, self.judged = state.get("step"), state.get("judged")
        self.begin()

    @torch.no_grad()
    def _judged(self, net: Generator) -> float:
        """Return the share of the error of doing nothing that is left: 1 for what does nothing or
        gains too little from afar, more for what does harm."""
        far = self._far_error(net) / self._far_idle
        if far > 1 - LEAST_GAIN:
            return max(1.0, far)
        near = [
            error / idle
            for error, idle in zip(self._near_errors(net), self._near_idle, strict=True)
        ]
        return sum(near) / len(near)

    def _near_errors(self, net: Generator | None) -> list[float]:
        """Return the error on what was left out through each camera; with no network, of doing
        nothing."""
        return [
            self._error(net, self._predict, sample, sample.left_out, self._distance)
            for sample in self._near
        ]

    def _far_error(self, net: Generator | None) -> float:
        """Return the same all over the pictures through all that are far; in grey levels for every
        aim."""
        return sum(
            weight * self._error(net, self._plainly, sample.one(number), None, l1)
            for sample, weights in self._far
            for number, weight in enumerate(weights)
        )

    def _error(
        self,
        net: Generator | None,
        predict: Predict,
        sample: Crops,
        where: Tensor | None,
        distance: Distance,
    ) -> float:
        """Return the distance of what `net` makes of a sample, or of the source, from its target;
        with `where`, elsewhere the picture is taken for right."""
        picture = sample.source
        if net is not None:
            each = (sample.one(number) for number in range(len(sample.source)))
            picture = torch.cat([predict(net, one) for one in each])
            if sample.skin is not None:
                picture = torch.lerp(sample.source, picture.float(), sample.skin)
        if where is not None:
            picture = torch.where(where, picture, sample.target)
        return float(distance(picture, sample.target))
