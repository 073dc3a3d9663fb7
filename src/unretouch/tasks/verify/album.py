"""The pictures of a report: written as they are judged, so that none has to be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from unretouch.base import durable, names
from unretouch.metrics import Levels, Metric
from unretouch.pixels import images, retouch
from unretouch.pixels.error_map import error_map
from unretouch.pixels.pairs import Pair
from unretouch.tasks.verify.figures import PairFigures, figures_of_pair

Group = Literal["training", "heldout", "self_test"]

_OURS = re.compile(r"(training|heldout|self_test)_.+_(real_A|fake_B|real_B|error)\.png")


@dataclass(frozen=True)
class Shown:
    """A judged pair and its pictures, as paths relative to the report's folder."""

    group: Group
    figures: PairFigures
    real_A: str
    fake_B: str
    real_B: str
    error_map: str


class Album:
    """Judges predictions, by `extra` metrics too, and writes their pictures below `folder`.

    Pictures of an earlier report there are removed. Raises DiskError, and DataError for a link that
    leads outside.
    """

    def __init__(self, folder: Path, lambda_L1: float, extra: Sequence[Metric] = ()) -> None:
        self._folder, self._lambda_L1, self._extra = folder, lambda_L1, extra
        self.shown: list[Shown] = []
        durable.make_folder(folder)
        pictures = names.inside(folder, "images")
        durable.make_folder(pictures)
        for old in pictures.iterdir():
            if _OURS.fullmatch(old.name):
                durable.remove(old)

    def add(self, group: Group, pair: Pair, prediction: Levels) -> PairFigures:
        """Judge a prediction (levels) and show it; return its figures."""
        return self.take(judge(self._folder, self._lambda_L1, group, pair, prediction, self._extra))

    def take(self, shown: Shown) -> PairFigures:
        """Show what `judge` made, here or in another process; return its figures."""
        self.shown.append(shown)
        return shown.figures


def judge(
    folder: Path,
    lambda_L1: float,
    group: Group,
    pair: Pair,
    prediction: Levels,
    extra: Sequence[Metric] = (),
) -> Shown:
    """Write the pictures of a prediction (levels) below `folder`; return them with its figures.

    The skin is told apart in the source. Raises DiskError.
    """
    skin = retouch.skin_mask(pair.source)
    figures = figures_of_pair(
        pair.name, pair.source, prediction, pair.target, lambda_L1, skin, extra
    )
    pictures = {
        "real_A": pair.source,
        "fake_B": images.levels_to_file(prediction),
        "real_B": pair.target,
        "error": error_map(prediction, pair.target.astype(np.float32)),
    }
    paths = {label: f"images/{group}_{pair.name}_{label}.png" for label in pictures}
    for label, rgb in pictures.items():
        images.write_png(names.inside(folder, paths[label]), rgb)
    return Shown(group, figures, *paths.values())
