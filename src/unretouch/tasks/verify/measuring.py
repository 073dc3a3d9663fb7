"""What is measured of one pair, and the pictures that show it, in this process or in workers.

A worker reads its pairs itself: what goes to it is names of files, what comes back is figures and
names of pictures, which it has written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from unretouch.base import durable, names
from unretouch.jobs import engine
from unretouch.metrics import Metric, Picture
from unretouch.metrics.octave_bands import reduced
from unretouch.networks.prediction import WHOLE
from unretouch.pixels import images, retouch, spaces
from unretouch.pixels.pair_files import PairFiles
from unretouch.pixels.pair_pictures import (
    Kind,
    Make,
    map_of_errors,
    pair_pictures,
    picture_files,
    write_pictures,
)
from unretouch.pixels.pairs import Pair, sides
from unretouch.pixels.spaces import Rgb
from unretouch.report.extra_metrics import extra_metrics
from unretouch.report.pair_figures import PairFigures, figures_of_pair
from unretouch.settings.train import Direction
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.verify.model import Model, load_model
from unretouch.tasks.verify.probe import Shares, probed

Group = Literal["training", "heldout", "self_test"]

LONG_SIDE = 1600
"""Pixels of a reduced picture at most; pairs of more than WHOLE pixels are shown reduced."""

_OURS = re.compile(r"(training|heldout|self_test)_.+_(real_A|fake_B|real_B|error)\.png")
_ROWS = 64
"""Rows of a reduced picture that are worked on at a time."""


@dataclass(frozen=True)
class Shown:
    """A judged pair and its pictures, as paths relative to the report's folder."""

    group: Group
    figures: PairFigures
    files: dict[Kind, str]
    factor: int = 1
    """by which the pictures are reduced"""
    places: dict[str, dict[Kind, str]] = field(default_factory=dict)
    """of a pair that is shown reduced: the worst and the typical place at full size"""


def judge(
    folder: Path,
    lambda_L1: float,
    group: Group,
    pair: Pair,
    prediction: Picture,
    extra: Sequence[Metric] = (),
) -> Shown:
    """Measure a prediction (levels, or a file's), by `extra` metrics too, and write its pictures
    below `folder`.

    Of a large pair they are reduced, and two places are cut out at full size. The skin is told
    apart in the source. Raises DiskError, and DataError for a link that leads outside.
    """
    source, target = pair.source, pair.target
    skin = retouch.skin_mask(source) > 0.5
    figures = figures_of_pair(pair.name, source, prediction, target, lambda_L1, skin, extra)
    label = f"{group}_{pair.name}"
    height, width = pair.shape
    if height * width <= WHOLE:
        files = _written(folder, label, pair_pictures(source, prediction, target))
        return Shown(group, figures, files)
    places = {}
    for name, place in (("worst", figures.worst), ("typical", figures.typical)):
        here = tuple(slice(n, n + place.side) for n in (place.top, place.left))
        pictures = pair_pictures(source[here], prediction[here], target[here])
        places[name] = _written(folder, f"{label}_{name}", pictures)
    factor = -(-max(height, width) // LONG_SIDE)
    smaller: dict[Kind, Make] = {
        "real_A": lambda: _small(source, factor),
        "fake_B": lambda: _small(prediction, factor),
        "real_B": lambda: _small(target, factor),
        "error": lambda: _small_error(prediction, target, factor),
    }
    files = _written(folder, label, smaller, effort=2)
    return Shown(group, figures, files, factor, places)


def picture_folder(folder: Path) -> Path:
    """Return the folder of a report's pictures, made. Raises as `judge` does."""
    pictures = names.inside(folder, "images")
    durable.make_folder(pictures)
    return pictures


def remove_old_pictures(folder: Path, shown: Sequence[Shown]) -> None:
    """Remove the pictures of an earlier report that are not shown any more.

    Once the new report is written, so that one who interrupts it keeps the old one.
    """
    wanted = {file for one in shown for files in (one.files, *one.places.values())
              for file in files.values()}  # fmt: skip
    for old in names.inside(folder, "images").iterdir():
        if _OURS.fullmatch(old.name) and f"images/{old.name}" not in wanted:
            durable.remove(old)


def _written(
    folder: Path, label: str, pictures: dict[Kind, Make], effort: int = 6
) -> dict[Kind, str]:
    picture_folder(folder)
    files = picture_files(f"images/{label}")
    for file in files.values():
        names.inside(folder, file)
    write_pictures(folder, files, pictures, effort=effort)
    return files


def _small(picture: Picture, factor: int) -> Rgb:
    return spaces.levels_to_file(reduced(picture, factor))


def _small_error(prediction: Picture, target: Picture, factor: int) -> Rgb:
    """Return the error map of the mean error of each square of `factor` pixels."""
    errors = []
    for top in range(0, len(target) // factor * factor, factor * _ROWS):
        some = slice(top, top + factor * _ROWS)
        off = np.subtract(prediction[some], target[some], dtype=np.float32)
        errors.append(reduced(np.abs(off, out=off), factor).mean(axis=2))
    return map_of_errors(np.concatenate(errors))


def simulated_pair(name: str, photo: Path, seed: int = 0) -> Pair:
    """Return an untouched photo as the target of a pair whose source is its simulated retouch.

    Tells how a model does on this person if the photo had been retouched by the simulation, which
    is not the retoucher that the model learnt from: a hint, not a proof. Raises DataError.
    """
    target = images.read_rgb(photo)
    return Pair(name, retouch.retouch(target, seed), target, (photo,))


@dataclass(frozen=True)
class PairJob:
    """One pair of a group by its files, or one photo of the self-test."""

    number: int
    """its place in the report"""
    group: Group
    name: str
    files: tuple[Path, ...]
    direction: Direction


@dataclass(frozen=True)
class Measured:
    """What was measured of a pair; `shares` of the memorisation probe, where it was asked for."""

    shown: Shown
    shares: Shares | None


@dataclass(frozen=True)
class Measuring:
    """How pairs are measured: goes to workers."""

    request: VerifySettings
    folder: Path
    """of the report"""

    def __call__(self, threads: int) -> Callable[[PairJob], Measured]:
        import torch

        torch.set_num_threads(threads)
        model = load_model(self.request)
        return lambda job: self.of(model, job.group, _read(job))

    def of(self, model: Model, group: Group, pair: Pair) -> Measured:
        """Return the figures of a pair, its pictures written. Raises as `judge` does."""
        scaled = model.at_scale([pair])[0]
        prediction = model.predict(scaled.source)
        extra = extra_metrics(self.request.deep)
        shown = judge(self.folder, model.lambda_L1, group, scaled, prediction, extra)
        if group != "training" or self.request.no_probe:
            return Measured(shown, None)
        return Measured(shown, probed(model.predict, scaled.source, scaled.target))


def shared(measuring: Measuring, jobs: Sequence[PairJob]) -> Iterator[tuple[PairJob, Measured]]:
    """Return what was measured of each pair, as it comes; raises DataError when a process was
    killed."""
    request = measuring.request
    at_once = None if request.jobs is None else min(request.jobs, len(jobs))
    return engine.calls(request.engine, measuring, jobs, at_once, lambda job: job.name)


def _read(job: PairJob) -> Pair:
    if job.group == "self_test":
        return simulated_pair(job.name, job.files[0])
    files = PairFiles(job.name, job.files)
    a, b = sides(files, [images.read(path) for path in job.files])
    source, target = (a, b) if job.direction == "AtoB" else (b, a)
    return Pair(job.name, source, target, job.files)
