"""Test a run: on its own pairs, to see whether it memorised them, or on any pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from unretouch.base import durable, names
from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.model.load import load_model, weights_of
from unretouch.model.torch_model import TorchModel
from unretouch.pixels import images, spaces
from unretouch.pixels.pair_files import phase_exists
from unretouch.pixels.pair_pictures import (
    Make,
    in_strips,
    pair_pictures,
    picture_files,
    write_pictures,
)
from unretouch.pixels.pairs import Pair, load_pairs
from unretouch.pixels.spaces import resized, target_size
from unretouch.report.console import say
from unretouch.report.pages import ShownPair, write_page
from unretouch.report.pair_figures import figures_of_pair
from unretouch.report.short_verdicts import affordable, lambda_of, short_verdicts, trained_on
from unretouch.report.tables import error_table
from unretouch.runs.folder import RunDir
from unretouch.runs.status import PlainFigures, mean_of
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings
from unretouch.training.evaluation import pair_error, told_apart
from unretouch.training.training_pairs import sizing

_OUR_PICTURES = re.compile(r".+_(real|fake|real_A|fake_B|real_B|error)\.png")


@dataclass(frozen=True)
class Tested:
    """What a test came to."""

    page: Path
    errors: list[PlainFigures]
    """of every pair; empty for pictures without an answer"""
    pictures: int


def run_test(request: TestSettings, console: Console) -> Tested:
    """Run `request`, write results/NAME/PHASE_EPOCH with pictures and page, and print the errors.

    Every picture is read before the first is written. Raises DataError listing all bad files,
    CheckpointError when run and weights do not fit, DiskError.
    """
    run = RunDir(request.checkpoints_dir, request.name)
    task = _Task(request, model_of(run, request), console)
    return task.pairs() if request.model == "pix2pix" else task.pictures()


def model_of(run: RunDir, request: TestSettings) -> TorchModel:
    """Return the model that `request` means, ready to predict. Raises CheckpointError.

    Its settings are the request's flags, else those in the run's config.json, else what the weights
    themselves tell (a folder of the classic program).
    """
    run.require()
    epoch = f"iter_{request.load_iter}" if request.load_iter else request.epoch
    path = weights_of(run, epoch, suffix=request.model_suffix)
    model = load_model(path, device=request.device, flags=request.given())
    torch.manual_seed(request.seed)  # of the dropout, where it is asked for
    return model


@dataclass(frozen=True)
class _Task:
    request: TestSettings
    model: TorchModel
    console: Console

    @property
    def _settings(self) -> TrainSettings:
        return self.model.settings

    def pairs(self) -> Tested:
        request, phase = self.request, self._phase()
        loaded = load_pairs(Path(request.dataroot), phase, self._settings.direction, self._limit())
        for warning in loaded.warnings:
            say(self.console, f"note: {warning}")
        folder = self._folder(phase)
        shown, errors, figures = [], [], []
        run = RunDir(request.checkpoints_dir, request.name)
        judged, weight = affordable(loaded.pairs), lambda_of(run, self._settings)
        for pair in loaded.pairs:
            scaled = self.model.at_scale(pair)
            prediction = self.model.predict(scaled.source, request.mode)
            errors.append(told_apart(pair_error(scaled, prediction), scaled))
            shown.append(self._write_pair(folder, scaled, prediction, errors[-1]))
            if judged:
                source, target = scaled.source, scaled.target
                figures.append(figures_of_pair(pair.name, source, prediction, target, weight))
        page = self._finish(folder, shown, phase)
        title = f"{request.name}, {self._epoch_name()}, on {phase}/"
        self.console.print(error_table(title, {phase: errors}))
        seen = trained_on(run, loaded.manifest, phase)
        for line in short_verdicts(figures, run, seen):
            self.console.print(line, soft_wrap=True)
        say(self.console, f"page: {page}")
        return Tested(page, errors, len(shown))

    def pictures(self) -> Tested:
        request, phase = self.request, self.request.phase or "test"
        files = self._readable_files()
        folder = self._folder(phase)
        shown = []
        squashed = 0
        labels = names.unique_stems([f.relative_to(request.dataroot) for f in files])
        for file, label in zip(files, labels, strict=True):
            rgb = images.read_rgb(file)
            squashed += self._squashes(rgb)
            source = resized(rgb, sizing(self._settings))
            prediction = in_strips(spaces.levels_to_file, self.model.predict(source, request.mode))
            pictures = {"real": source, "fake": prediction}
            written = {kind: f"images/{label}_{kind}.png" for kind in pictures}
            for kind, picture in pictures.items():
                images.write_png(folder / written[kind], self._stretched(picture))
            shown.append(ShownPair(name=label, files=written))
        if squashed:
            say(
                self.console,
                f"note: {squashed} of {len(shown)} pictures are not square and were squashed to "
                f"{self._settings.load_size} x {self._settings.load_size}, as in training; "
                "--preprocess none keeps their size",
            )
        page = self._finish(folder, shown, phase)
        say(self.console, f"{len(shown)} pictures treated; page: {page}")
        return Tested(page, [], len(shown))

    def _phase(self) -> str:
        if self.request.phase is not None:
            return self.request.phase
        if phase_exists(self.request.dataroot, "test"):
            return "test"
        phase = self._settings.phase
        say(
            self.console,
            f"no test/ in {self.request.dataroot}: testing on the training pairs in {phase}/",
        )
        return phase

    def _limit(self) -> float:
        return min(self.request.max_dataset_size, self.request.num_test or float("inf"))

    def _readable_files(self) -> list[Path]:
        folder = Path(self.request.dataroot)
        found = images.list_images(folder)
        if not found:
            raise DataError("no pictures in this folder", folder, "Put PNG or JPEG pictures there")
        if unread := images.passed_over(found):
            say(self.console, f"note: {unread}")
        limit = self._limit()
        files = found[: int(limit)] if limit < len(found) else found
        problems = [problem for file in files if (problem := _problem(file))]
        if problems:
            raise ManyDataErrors(problems)
        return files

    def _squashes(self, rgb: NDArray[np.uint8]) -> bool:
        height, width = rgb.shape[:2]
        new_width, new_height = target_size(width, height, sizing(self._settings))
        return bool(abs(new_width * height - new_height * width) > width + height)

    def _stretched(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        ratio = self.request.aspect_ratio
        height, width = rgb.shape[:2]
        if ratio > 1:
            return spaces.resize(rgb, round(width * ratio), height)
        return spaces.resize(rgb, width, round(height / ratio)) if ratio < 1 else rgb

    def _epoch_name(self) -> str:
        request = self.request
        iteration = f"_iter{request.load_iter}" if request.load_iter else ""
        return f"{request.epoch}{iteration}"

    def _folder(self, phase: str) -> Path:
        root = Path(self.request.results_dir)
        label = names.file_stem(f"{phase}_{self._epoch_name()}")
        folder = names.inside(root, *self.request.name.split("/"), label)
        pictures = names.inside(folder, "images")
        durable.make_folder(pictures)
        for old in pictures.iterdir():
            if _OUR_PICTURES.fullmatch(old.name):
                durable.remove(old)  # of an earlier test: it may have had other pictures
        return folder

    def _write_pair(
        self, folder: Path, pair: Pair, prediction: NDArray[np.float32], figures: PlainFigures
    ) -> ShownPair:
        def stretched(make: Make) -> Make:
            return lambda: self._stretched(make())

        pictures = pair_pictures(pair.source, prediction, pair.target)
        files = picture_files(f"images/{pair.name}")
        write_pictures(folder, files, {kind: stretched(make) for kind, make in pictures.items()})
        return ShownPair(name=pair.name, files=files, figures=figures)

    def _finish(self, folder: Path, shown: Sequence[ShownPair], phase: str) -> Path:
        settings = self._settings
        size = f"{settings.load_size} px" if settings.preprocess != "none" else "full size"
        facts = {
            "epoch": self._epoch_name(), "phase": phase, "netG": settings.netG, "size": size,
            "dropout": "on" if self.request.mode == "train" else "off",
        }  # fmt: skip
        return write_results_page(folder, f"{self.request.name}: {phase}", shown, facts)


def write_results_page(
    folder: Path,
    title: str,
    shown: Sequence[ShownPair],
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write the page of a test, index.html, for pictures that lie below `folder`; return its path.

    `facts` are shown as they are under the title (epoch, netG, sizes), `notes` as sentences.
    Raises DiskError.
    """
    measured = [one.figures for one in shown if one.figures is not None]
    return write_page(
        folder,
        "results",
        [one.record() for one in shown],
        title=title,
        facts=facts or {},
        notes=notes,
        shown=shown,
        measured=measured,
        mean=mean_of(measured),
    )


def _problem(file: Path) -> DataError | None:
    try:
        images.read_rgb(file)
    except DataError as error:
        return error
    return None
