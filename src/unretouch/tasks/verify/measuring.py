"""What is measured of one pair, and the pictures that show it, in this process or in workers.

A worker reads its pairs itself: what goes to it is names of files, what comes back is figures and
names of pictures, which it has written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from unretouch.base import durable, names
from unretouch.metrics import Metric, Picture
from unretouch.metrics.octave_bands import reduced
from unretouch.model.load import load_model, weights_file, weights_of
from unretouch.model.torch_model import TorchModel
from unretouch.networks.prediction import WHOLE, Window
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
from unretouch.pixels.pairs import Pair, read_pair
from unretouch.pixels.spaces import Rgb
from unretouch.report.deep_distance import extra_metrics
from unretouch.report.pair_figures import PairFigures, figures_of_pair
from unretouch.report.short_verdicts import lambda_of
from unretouch.runs.folder import RunDir, run_of
from unretouch.settings.train import Direction
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.progress import FIGURES
from unretouch.tasks.verify.guesses import Places, guess_map, places_of
from unretouch.tasks.verify.probe import Predict, Shares, probed
from unretouch.tasks.verify.progress import Verifying

Group = Literal["training", "heldout", "self_test"]
GROUPS: tuple[Group, ...] = get_args(Group)
PairJob = tuple[Group, PairFiles]
"""One pair of a group by its files, or one photo of the self-test."""

LONG_SIDE = 1600
"""Pixels of a reduced picture at most; pairs of more than WHOLE pixels are shown reduced."""

_OURS = re.compile(r"(training|heldout|self_test)_.+_(real_A|fake_B|real_B|error|guess)\.png")
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
    shares: Shares | None = None
    """of the memorisation probe, where it was asked for"""
    guesses: Places | None = None
    """of a model that guesses"""
    guess_maps: dict[str, str] = field(default_factory=dict)
    """of such a model, files of the error that it expects: whole, or of each of the places"""


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
    wanted |= {file for one in shown for file in one.guess_maps.values()}
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
        off = spaces.in_levels(prediction[some]) - spaces.in_levels(target[some])
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
class Subject:
    """The model that is verified, and what is said of it in the report."""

    name: str
    weights: Path
    weights_sha256: str
    model: TorchModel
    lambda_L1: float
    run: RunDir | None
    """the folder it came from, where that is a run's"""


def load_subject(request: VerifySettings) -> Subject:
    """Return the model of a run, or in a weights file. Raises CheckpointError."""
    if request.weights is None:
        run: RunDir | None = run_of(request.run or "", request.checkpoints_dir)
        assert run is not None
        name, path = run.name, weights_of(run, request.epoch)
    else:
        name, path = request.weights.name, weights_file(None, request.weights)
        folder = path.resolve().parent
        known = (folder / "config.json").exists()
        run = RunDir(folder.parent, folder.name) if known else None
    # First: of weights that a training saves while they are read, the report is told as older.
    digest = durable.digest_of(path)
    model = load_model(path, device=request.device, flags=request.given())
    weight = request.lambda_L1
    return Subject(
        name,
        path,
        digest,
        model,
        lambda_of(run, model.settings) if weight is None else weight,
        run,
    )


@dataclass(frozen=True)
class Measuring:
    """How pairs are measured: goes to workers."""

    request: VerifySettings
    folder: Path
    """of the report"""

    def __call__(self, threads: int) -> Callable[[PairJob], Shown]:
        import torch

        torch.set_num_threads(threads)
        subject = load_subject(self.request)
        direction = subject.model.settings.direction
        return lambda job: self.of(subject, job[0], _read(job, direction))

    def of(
        self, subject: Subject, group: Group, pair: Pair, work: Verifying | None = None
    ) -> Shown:
        """Return the figures of a pair, its pictures written; `work` counts what that takes. Raises
        as `judge` does."""
        predict: Predict = subject.model.predict
        if work is not None:
            work.begin_pair(pair.name)
            predict = work.counted(predict)
        scaled = subject.model.at_scale(pair)
        prediction = predict(scaled.source)
        extra = extra_metrics(self.request.deep)
        shown = judge(self.folder, subject.lambda_L1, group, scaled, prediction, extra)
        if subject.model.info.guesses:
            shown = replace(
                shown,
                guesses=places_of(subject.model, scaled),
                guess_maps=self._guess_maps(subject.model, scaled, shown),
            )
        if work is not None:
            work.add(FIGURES)
        if group != "training" or self.request.no_probe:
            return shown
        return replace(shown, shares=probed(predict, scaled.source, scaled.target))

    def _guess_maps(self, model: TorchModel, pair: Pair, shown: Shown) -> dict[str, str]:
        """Write where and how much a model guesses, of what of a pair is shown at full size; return
        the files."""
        parts = {"whole": Window(0, 0, *pair.shape)}
        if shown.places:
            seen = {"worst": shown.figures.worst, "typical": shown.figures.typical}
            parts = {
                name: Window(place.top, place.left, place.side, place.side)
                for name, place in seen.items()
            }
        files = {name: f"images/{shown.group}_{pair.name}_{name}_guess.png" for name in parts}
        for name, part in parts.items():
            path = names.inside(self.folder, files[name])
            images.write_png(path, guess_map(model, pair, part))
        return files


def _read(job: PairJob, direction: Direction) -> Pair:
    group, files = job
    if group == "self_test":
        return simulated_pair(files.name, files.files[0])
    return read_pair(files, direction)
