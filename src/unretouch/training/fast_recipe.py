"""The fast recipe: what drives a fit of the generator `detail`, as functions without hidden state.

The learning rate is a function of (progress, step), so that a resumed run does what an
uninterrupted one would have done; crops.py does the same for what is seen.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from unretouch.losses import CELL, GREY_LEVEL, beyond, crps, huber, local_band_energy
from unretouch.networks import GENERATORS, Generator, texture_bands
from unretouch.networks.pyramid import FACTOR
from unretouch.pixels.slow_change import OF_PREDICTIONS, SIGMA
from unretouch.settings.train import AimName, TrainSettings
from unretouch.training.optimisers import Muon, Optimiser


@dataclass(frozen=True, kw_only=True)
class FastRecipe:
    """The numbers of the recipe."""

    crop: int = 128
    """side of a training crop, pixels"""
    batch: int = 4
    """crops in one step"""
    rate: float = 0.02
    """learning rate of hidden convolutions (orthogonalised updates)"""
    adam_rate: float = 3e-3
    """learning rate of all other weights (Adam), where a retouch changes a usual amount"""
    warm_up: int = 20
    """steps in which the rates rise from zero"""
    decay: float = 0.995
    """memory of the averaged weights, per step, at the full rate"""
    least_memory: float = 1.0
    """share of that memory which is left at the end: it shrinks as the rate falls, down to this"""
    clip: float = 1.0
    """largest global norm of the gradient"""
    huber: float = 1.0
    """grey levels where the loss turns from quadratic to linear, at the start"""
    last_huber: float = 0.2
    """the same at the end: what is nearly right is then pulled to be quite right"""
    exact_weight: float = 0.0
    """share of the loss, towards the end, for errors that do not round to the answer alone; where
    few values round to it, less, by the square of their share"""
    texture: float = 0.0
    """weight of the local band energy beside the error in grey levels"""
    grid: float = 0.0
    """weight of the energy of a grid in the change, beside the error in grey levels"""
    turn: bool = False
    """turn and mirror crops into their eight positions"""
    cameras: float | None = None
    """share of the crops that are seen as another camera takes them; None: as they are, and never
    moved against the grid either"""
    slower: float | None = None
    """sigma in pixels of what the network works on: slower changes are not asked for"""
    left_out: float = 0.0
    """share of the pictures that teaches nothing and chooses among the weights"""
    judge_every: int = 50
    """steps between two looks at what was left out; before the first, every tenth"""


UNSEEN: Final = FastRecipe(turn=True, cameras=0.5, slower=SIGMA, grid=2.0, left_out=0.08)
"""For portraits that were never seen. A `detail` sees about as far as `slower`."""
RECIPES: Final[dict[AimName, FastRecipe]] = {
    "fit": FastRecipe(crop=256, batch=1, exact_weight=0.85, least_memory=0.05),
    "restore": UNSEEN,
    "texture": dataclasses.replace(UNSEEN, texture=1.0, last_huber=1.0),
}
"""What each aim changes. `fit` sees the pairs as they are and all of them, since it is measured on
them, in large crops: few of their pixels lack their surroundings; and towards the end it cares most
for pixels that do not round to the answer. The others are for portraits that were never seen, which
needs many different crops rather than large ones."""


def looks_far(net: Generator) -> bool:
    """Return whether the network that works at full resolution has more than three levels."""
    return net.networks[-1].size_multiple > CELL


def slower_of(aim: AimName, net: Generator) -> float | None:
    """Return the sigma in pixels of the slow change that is taken out of what `net` predicts,
    trained for an aim: see Generator."""
    asked = recipe_for(aim, 1.0, looks_far(net)).slower
    seen = FACTOR if net.looks_first else 1
    return None if asked is None else seen * OF_PREDICTIONS * asked


SPARSE = 0.25
"""Share of the pictures; a retouch of less is sparse."""


def recipe_for(aim: AimName, retouched: float, far: bool) -> FastRecipe:
    """Return the recipe of an aim for pairs of which the share `retouched` was changed, 0 to 1, and
    for a network that looks `far` or not.

    One that does learns other portraits from larger crops, and of slower changes. In sparse work
    most of a large crop asks for nothing. Smaller crops, and more of them, hold more of it; rates
    as for a retouch of the whole skin would stir the rest by more than there is to undo, so that
    hardly anything is learnt before they have fallen.
    """
    recipe = RECIPES[aim]
    if far and recipe.slower is not None:
        recipe = dataclasses.replace(recipe, crop=192, batch=2, slower=1.5 * recipe.slower)
    if retouched >= SPARSE:
        return recipe
    return dataclasses.replace(
        recipe, crop=96, batch=7, rate=0.01, adam_rate=8e-4, huber=max(2.0, recipe.huber),
        exact_weight=0.0,
    )  # fmt: skip


def usual_recipe(settings: TrainSettings) -> FastRecipe:
    """Return the recipe of a run with these settings where most of the pictures was retouched."""
    far = GENERATORS[settings.netG].further_levels(settings) > 0
    return recipe_for(settings.aim, 1.0, far)


def coarse_recipe(recipe: FastRecipe) -> FastRecipe:
    """Return the recipe of the coarse network of a `pyramid`, beside that of its fine one.

    Its pixels are cells of the picture: crops of 96 show 768 pixels. Texture is none of its work.
    """
    return dataclasses.replace(
        recipe, crop=96, batch=7, rate=0.03, adam_rate=6e-3, huber=4.0, last_huber=0.2, texture=0.0,
        grid=0.0, exact_weight=0.0,
    )  # fmt: skip


# --- crops -----------------------------------------------------------------------------------

MOST_CROPS = 4
"""In a step, for one of --batch_size."""


def crops_a_step(side: int, recipe: FastRecipe) -> int:
    """Return how many crops a step takes where the pictures leave them but `side` pixels a side:
    as many pixels as otherwise, within MOST_CROPS."""
    most = max(MOST_CROPS, recipe.batch)
    return min(most, recipe.batch * max(1, recipe.crop // side) ** 2)


# --- loss ------------------------------------------------------------------------------------


EXACT_FROM: Final = 2 / 3
"""Progress from which on `exact_weight` counts."""
LEAST_SPREAD: Final = 0.005
"""Grey levels: the smallest deviation that is expected of anything."""
ROUNDS: Final = 0.35
"""Grey levels: an error that rounds to the answer, with room for what pulls at it."""


def residual_loss(
    prediction: Tensor, target: Tensor, recipe: FastRecipe, progress: float, guesses: bool = False
) -> Tensor:
    """Return the mean Huber loss in grey levels, and the distance of the texture where it counts:
    not where a network `guesses` that, which has a loss of its own.

    Most pixels need no change, so the median residual is zero and a plain absolute error keeps a
    network at the identity; the quadratic core pulls it away. As `progress` goes from 0 to 1 the
    core shrinks, since what is measured in the end is the absolute error. In the last third the
    force may go to pixels that do not round to the answer yet: the more, the fewer they are.
    """
    prediction = prediction.float()
    core = recipe.huber * (recipe.last_huber / recipe.huber) ** min(max(progress, 0.0), 1.0)
    loss = huber(prediction, target, core * GREY_LEVEL) / GREY_LEVEL
    if recipe.exact_weight and progress >= EXACT_FROM:
        zone = ROUNDS * GREY_LEVEL
        rounded = ((prediction - target).abs() <= zone).float().mean()
        wrong = beyond(prediction, target, zone) / GREY_LEVEL
        loss = torch.lerp(loss, wrong, recipe.exact_weight * rounded.square())
    if recipe.texture and not guesses:
        loss = loss + recipe.texture * local_band_energy(prediction, target)
    return loss


def guess_loss(prediction: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Return in grey levels how well what cannot be known is told: the score of the luma of the
    target in each band, which is expected to deviate by `spread` from the prediction."""
    error = texture_bands.luma_bands(target - prediction.float())
    # Where the gate of a pyramid is shut nothing can be off.
    return crps(error / GREY_LEVEL, (spread / GREY_LEVEL).clamp_min(LEAST_SPREAD))


# --- optimiser -------------------------------------------------------------------------------


USUAL_RESIDUAL: Final = 1.8
"""Grey levels by which a retouch of the whole skin changes a picture on average."""


def make_optimizer(net: nn.Module, recipe: FastRecipe, residual: float = USUAL_RESIDUAL) -> Muon:
    """Return the optimiser of `net`: Muon for hidden kernels; Adam for first, last and biases.

    Adam's steps are of one size whatever there is to learn. Where the mean `residual` is small, as
    with sparse retouching, they would stir untouched pixels more than all of it: there the rate is
    smaller in proportion.
    """
    hidden: list[nn.Parameter] = []
    other: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        outer = name.startswith(("stem.", "head.", "gain.", "guess."))
        (hidden if parameter.ndim == 4 and not outer else other).append(parameter)
    adam_rate = recipe.adam_rate * min(1.0, residual / USUAL_RESIDUAL)
    return Muon(hidden, other, recipe.rate, adam_rate)


def rate_factor(progress: float, step: int, recipe: FastRecipe) -> float:
    """Return the factor on every group's base_lr: a linear rise over the first steps, then straight
    down to zero as `progress` goes from 0 to 1."""
    rise = min(1.0, (step + 1) / recipe.warm_up)
    return rise * (1 - min(max(progress, 0.0), 1.0))


def judge_due(steps: int, recipe: FastRecipe) -> bool:
    """Whether to look at what was left out after `steps` updates."""
    return steps % (10 if steps < recipe.judge_every else recipe.judge_every) == 0


def set_rate(optimizer: Optimiser, factor: float) -> None:
    """Set every group's rate to `factor` times its base_lr."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


@torch.no_grad()
def update_average(
    average: nn.Module, net: nn.Module, step: int, factor: float, recipe: FastRecipe
) -> None:
    """Move the weights of `average` towards those of `net`, which were moved at `factor` times the
    full rate; first steps are forgotten faster."""
    decay = 1 - (1 - recipe.decay) / max(factor, recipe.least_memory)
    decay = min(decay, (1 + step) / (10 + step))
    for mean, value in zip(average.parameters(), net.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
