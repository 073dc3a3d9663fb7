"""What tells the recipe of a run from that of another version, for a run that goes on."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from unretouch import losses
from unretouch.networks import texture_bands
from unretouch.pixels import on_skin, retouched_area, slow_change
from unretouch.settings.train import AimName
from unretouch.training import (
    cameras,
    crops,
    fast_recipe,
    optimisers,
    retoucher,
    stages,
    texture_strength,
)

_DECIDE: Final = (losses, retouched_area, crops, fast_recipe, optimisers)
"""Modules whose constants decide what is learnt."""
_OF_UNSEEN: Final = (slow_change, on_skin, cameras, stages, texture_bands, texture_strength)
"""Those beside them where it is for portraits that were never seen."""
OF_MEMORY: Final = frozenset({"AHEAD", "MOST_GUIDES", "MOST_TILES", "STRIP", "TILE"})
"""Constants that do not: how much is held at a time."""


def mark(aim: AimName, also: bool = False) -> str:
    """Return a digest of all numbers that decide what is learnt for an aim, with `also` those of
    made pairs, too. The states of 0.1.0 bear none."""
    modules = [*_DECIDE, *(() if aim == "fit" else _OF_UNSEEN), *([retoucher] if also else [])]
    numbers = [
        (module.__name__, name, value)
        for module in modules
        for name, value in sorted(vars(module).items())
        if name.isupper() and name not in OF_MEMORY and isinstance(value, int | float | tuple)
    ]
    looks = (False,) if aim == "fit" else (False, True)
    recipes = [fast_recipe.recipe_for(aim, share, far) for far in looks for share in (0.0, 1.0)]
    recipes += [fast_recipe.coarse_recipe(recipe) for recipe in recipes]
    return blake2b(repr((numbers, recipes)).encode(), digest_size=8).hexdigest()
