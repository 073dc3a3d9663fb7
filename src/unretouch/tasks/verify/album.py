"""The pictures of a report: written as they are judged, so that none has to be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unretouch.base import durable, names
from unretouch.metrics import Levels, Metric, Picture
from unretouch.metrics.coarse_bands import reduced
from unretouch.pixels import images, retouch, spaces
from unretouch.pixels.pair_pictures import error_map
from unretouch.pixels.pairs import Pair
from unretouch.tasks.verify.figures import PairFigures, figures_of_pair
from unretouch.training.evaluation import WHOLE

Rgb = NDArray[np.uint8]
Group = Literal["training", "heldout", "self_test"]

_OURS = re.compile(r"(training|heldout|self_test)_.+_(real_A|fake_B|real_B|error)\.png")


LONG_SIDE = 1600
"""Pixels of a reduced picture at most; pairs of more than WHOLE pixels are shown reduced."""


@dataclass(frozen=True)
class Shown:
    """A judged pair and its pictures, as paths relative to the report's folder."""

    group: Group
    figures: PairFigures
    real_A: str
    fake_B: str
    real_B: str
    error_map: str
    factor: int = 1
    """by which the pictures are reduced"""
    places: dict[str, dict[str, str]] = field(default_factory=dict)
    """of a pair that is shown reduced: the worst and the typical place at full size, by label"""

    def files(self) -> set[str]:
        """All of its pictures, as paths relative to the report's folder."""
        cuts = {file for place in self.places.values() for file in place.values()}
        return cuts | {self.real_A, self.fake_B, self.real_B, self.error_map}


class Album:
    """Judges predictions, by `extra` metrics too, and writes their pictures below `folder`.

    Raises DiskError, and DataError for a link that leads outside.
    """

    def __init__(self, folder: Path, lambda_L1: float, extra: Sequence[Metric] = ()) -> None:
        self._folder, self._lambda_L1, self._extra = folder, lambda_L1, extra
        self.shown: list[Shown] = []
        durable.make_folder(folder)
        pictures = names.inside(folder, "images")
        durable.make_folder(pictures)

    def tidy(self) -> None:
        """Remove the pictures of an earlier report that are not shown any more.

        Once the new report is written, so that one who interrupts it keeps the old one.
        """
        shown = {name for one in self.shown for name in one.files()}
        for old in names.inside(self._folder, "images").iterdir():
            if _OURS.fullmatch(old.name) and f"images/{old.name}" not in shown:
                durable.remove(old)

    def add(self, group: Group, pair: Pair, prediction: Picture) -> PairFigures:
        """Judge a prediction (levels, or a file's) and show it; return its figures."""
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
    prediction: Picture,
    extra: Sequence[Metric] = (),
) -> Shown:
    """Write the pictures of a prediction (levels) below `folder`; return them with its figures.

    Of a large pair they are reduced, and two places are cut out at full size.

    The skin is told apart in the source. Raises DiskError.
    """
    skin = retouch.skin_mask(pair.source) > 0.5
    figures = figures_of_pair(
        pair.name, pair.source, prediction, pair.target, lambda_L1, skin, extra
    )
    height, width = pair.shape
    if height * width <= WHOLE:
        paths = _write(folder, f"{group}_{pair.name}", pair, prediction)
        return _shown(group, figures, paths)
    places = {}
    for name, place in (("worst", figures.worst), ("typical", figures.typical)):
        rows, columns = (slice(n, n + place.side) for n in (place.top, place.left))
        there = Pair(pair.name, pair.source[rows, columns], pair.target[rows, columns], pair.files)
        label = f"{group}_{pair.name}_{name}"
        places[name] = _write(folder, label, there, prediction[rows, columns])
    factor = -(-max(height, width) // LONG_SIDE)
    pictures = {
        "real_A": _small(pair.source, factor),
        "fake_B": _small(prediction, factor),
        "real_B": _small(pair.target, factor),
        "error": _small_error(prediction, pair.target, factor),
    }
    paths = _written(folder, f"{group}_{pair.name}", pictures)
    return _shown(group, figures, paths, factor, places)


def _shown(
    group: Group,
    figures: PairFigures,
    paths: dict[str, str],
    factor: int = 1,
    places: dict[str, dict[str, str]] | None = None,
) -> Shown:
    real_A, fake_B, real_B, error = paths.values()
    return Shown(group, figures, real_A, fake_B, real_B, error, factor, places or {})


def _write(folder: Path, label: str, pair: Pair, prediction: Picture) -> dict[str, str]:
    levels = prediction.astype(np.float32)
    pictures = {
        "real_A": pair.source,
        "fake_B": spaces.levels_to_file(levels),
        "real_B": pair.target,
        "error": error_map(levels, pair.target.astype(np.float32)),
    }
    return _written(folder, label, pictures)


def _written(folder: Path, label: str, pictures: dict[str, Rgb]) -> dict[str, str]:
    paths = {kind: f"images/{label}_{kind}.png" for kind in pictures}
    for kind, rgb in pictures.items():
        images.write_png(names.inside(folder, paths[kind]), np.ascontiguousarray(rgb))
    return paths


def _small(picture: Picture, factor: int) -> Rgb:
    return spaces.levels_to_file(reduced(picture, factor))


def _small_error(prediction: Picture, target: Picture, factor: int) -> Rgb:
    """Return the error map of the mean error of each square of `factor` pixels."""
    rows = factor * 64
    errors = []
    for top in range(0, len(target) // factor * factor, rows):
        some = slice(top, top + rows)
        off = np.subtract(prediction[some], target[some], dtype=np.float32)
        errors.append(reduced(np.abs(off, out=off), factor).mean(axis=2, keepdims=True))
    error: Levels = np.repeat(np.concatenate(errors), 3, axis=2)
    return error_map(error, np.zeros_like(error))
