"""Test a run: on its own pairs, to see whether it memorised them, or on any pictures."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from unretouch import networks
from unretouch.base import durable, names
from unretouch.base.errors import CheckpointError, DataError, ManyDataErrors
from unretouch.pixels import images
from unretouch.pixels.error_map import error_map
from unretouch.pixels.pairs import Pair, load_pairs, phase_exists
from unretouch.pixels.preprocess import resized, target_size
from unretouch.report.console import error_table, say
from unretouch.report.results_page import ResultRow, write_results_page
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import load_weights
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings, load_settings
from unretouch.tasks.verify.brief import (
    affordable,
    brief_figures,
    brief_verdicts,
    lambda_of,
    trained_on,
)
from unretouch.training import device
from unretouch.training.evaluation import PairError, pair_error, predicted, told_apart
from unretouch.training.training_pairs import at_scale, sizing

_OUR_PICTURES = re.compile(r".+_(real|fake|real_A|fake_B|real_B|error)\.png")
KEPT = 128_000_000
"""Bytes of the largest tensor whose memory is kept: one of `detail` in a tile is smaller. That of
large pictures goes back to the system."""
_ROWS = 256
"""Of a picture, looked at together."""


@dataclass(frozen=True)
class Tested:
    """What a test came to."""

    page: Path
    errors: list[PairError]
    """of every pair; empty for pictures without an answer"""
    pictures: int


def run_test(request: TestSettings, console: Console) -> Tested:
    """Run `request`, write results/NAME/PHASE_EPOCH with pictures and page, and print the errors.

    Every picture is read before the first is written. Raises DataError listing all bad files,
    CheckpointError when run and weights do not fit, DiskError.
    """
    run = RunDir(request.checkpoints_dir, request.name)
    generator, settings = trained_generator(run, request)
    task = _Task(request, settings, generator, console)
    return task.pairs() if request.model == "pix2pix" else task.pictures()


def trained_generator(run: RunDir, request: TestSettings) -> tuple[nn.Module, TrainSettings]:
    """Return the generator that `request` means, on its device, and the settings it is used with.

    Raises CheckpointError.
    """
    run.require()
    return generator_of(weights_path(run, request), run.config, request)


def generator_of(
    path: Path, config_file: Path, request: TestSettings
) -> tuple[nn.Module, TrainSettings]:
    """Return the generator in the weights file `path`, on the request's device, and its settings.

    Raises CheckpointError.
    """
    weights = load_weights(path)
    settings = test_settings(config_file, request, weights, path)
    where = device.choose(request.device)
    device.prepare(where, KEPT)
    generator = networks.build_generator(settings).to(where)
    networks.load_weights(generator, weights, path)
    torch.manual_seed(request.seed)
    return generator, settings


def weights_path(run: RunDir, request: TestSettings) -> Path:
    """Return the weights file that the request means. Raises CheckpointError naming those there."""
    epoch = f"iter_{request.load_iter}" if request.load_iter else request.epoch
    if epoch == "best":
        try:
            epoch = str(json.loads(run.best.read_text("utf-8"))["epoch"])
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError("has no best weights yet", run.root, "Take latest") from error
    path = run.weights(epoch, suffix=request.model_suffix)
    if not path.exists():
        there = sorted(p.name for p in run.root.glob("*_net_G*.pth"))
        hint = f"There are: {', '.join(there)}" if there else "Train the run first"
        raise CheckpointError("no such weights file", path, hint)
    return path


def test_settings(
    config_file: Path, request: TestSettings, weights: dict[str, torch.Tensor], path: Path
) -> TrainSettings:
    """Return the settings to test with: the request's flags, else those in the run's config.json,
    else what the weights themselves tell (a folder of the classic program)."""
    given = request.given()
    if "crop_size" in given:
        # A test takes whole pictures: the classic pair of flags means one size here.
        given.setdefault("load_size", given["crop_size"])
    if "load_size" in given:
        given["crop_size"] = min(given["load_size"], given.get("crop_size", given["load_size"]))
    if config_file.exists():
        return dataclasses.replace(load_settings(config_file), **given)
    found = networks.describe_weights(weights)
    if found is None or found.netG not in networks.GENERATORS:
        told = {}
        if "netG" not in given:
            raise CheckpointError(
                f"holds {found or 'no generator that is known here'}, and there is no config.json",
                path,
                "Say --netG",
            )
    else:
        told = {
            "netG": found.netG, "norm": found.norm, "ngf": found.ngf,
            "input_nc": found.input_nc, "output_nc": found.output_nc,
            "no_dropout": found.dropout is False,
        }  # fmt: skip
    classic = {"load_size": 256, "crop_size": 256}
    return TrainSettings(
        dataroot=request.dataroot, name=request.name, **{**classic, **told, **given}
    )


@dataclass(frozen=True)
class _Task:
    request: TestSettings
    settings: TrainSettings
    generator: nn.Module
    console: Console

    def pairs(self) -> Tested:
        request, phase = self.request, self._phase()
        loaded = load_pairs(Path(request.dataroot), phase, self.settings.direction, self._limit())
        for warning in loaded.warnings:
            say(self.console, f"note: {warning}")
        folder = self._folder(phase)
        rows, errors, figures = [], [], []
        run = RunDir(request.checkpoints_dir, request.name)
        brief_too, weight = affordable(loaded.pairs), lambda_of(run, self.settings)
        for pair in loaded.pairs:
            scaled = at_scale(self.settings, pair)
            prediction = predicted(self.generator, scaled.source, request.mode)
            errors.append(told_apart(pair_error(scaled, prediction), scaled))
            rows.append(self._write_pair(folder, scaled, prediction, errors[-1]))
            if brief_too:
                figures.append(brief_figures(scaled, prediction, weight))
        page = self._finish(folder, rows, phase)
        title = f"{request.name}, {self._epoch_name()}, on {phase}/"
        self.console.print(error_table(title, {phase: errors}))
        seen = trained_on(run, loaded.manifest, phase)
        for line in brief_verdicts(figures, run, seen):
            self.console.print(line, soft_wrap=True)
        say(self.console, f"page: {page}")
        return Tested(page, errors, len(rows))

    def pictures(self) -> Tested:
        request, phase = self.request, self.request.phase or "test"
        files = self._readable_files()
        folder = self._folder(phase)
        rows = []
        squashed = 0
        labels = names.unique_stems([f.relative_to(request.dataroot) for f in files])
        for file, label in zip(files, labels, strict=True):
            rgb = images.read_rgb(file)
            squashed += self._squashes(rgb)
            source = resized(rgb, sizing(self.settings))
            prediction = in_strips(
                images.levels_to_file, predicted(self.generator, source, request.mode)
            )
            row = ResultRow(
                name=label,
                source=f"images/{label}_real.png",
                prediction=f"images/{label}_fake.png",
            )
            images.write_png(folder / row.source, self._stretched(source))
            images.write_png(folder / row.prediction, self._stretched(prediction))
            rows.append(row)
        if squashed:
            say(
                self.console,
                f"note: {squashed} of {len(rows)} pictures are not square and were squashed to "
                f"{self.settings.load_size} x {self.settings.load_size}, as in training; "
                "--preprocess none keeps their size",
            )
        page = self._finish(folder, rows, phase)
        say(self.console, f"{len(rows)} pictures treated; page: {page}")
        return Tested(page, [], len(rows))

    def _phase(self) -> str:
        if self.request.phase is not None:
            return self.request.phase
        if phase_exists(self.request.dataroot, "test"):
            return "test"
        phase = self.settings.phase
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
        new_width, new_height = target_size(width, height, sizing(self.settings))
        return bool(abs(new_width * height - new_height * width) > width + height)

    def _stretched(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        ratio = self.request.aspect_ratio
        height, width = rgb.shape[:2]
        if ratio > 1:
            return images.resize(rgb, round(width * ratio), height)
        return images.resize(rgb, width, round(height / ratio)) if ratio < 1 else rgb

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
        self, folder: Path, pair: Pair, prediction: NDArray[np.float32], error: PairError
    ) -> ResultRow:
        pictures: dict[str, Callable[[], NDArray[np.uint8]]] = {
            "real_A": lambda: pair.source,
            "fake_B": lambda: in_strips(images.levels_to_file, prediction),
            "real_B": lambda: pair.target,
            "error": lambda: in_strips(error_map, prediction, pair.target),
        }
        paths = {label: f"images/{pair.name}_{label}.png" for label in pictures}
        for label, made in pictures.items():  # one at a time: each may be large
            images.write_png(folder / paths[label], self._stretched(made()))
        shown = ("level_error", "identity_error", "recovered_share", "exact_pixels")
        figures = {name: getattr(error, name) for name in shown}
        return ResultRow(
            name=pair.name,
            source=paths["real_A"],
            prediction=paths["fake_B"],
            target=paths["real_B"],
            error_map=paths["error"],
            **figures,
        )

    def _finish(self, folder: Path, rows: Sequence[ResultRow], phase: str) -> Path:
        settings = self.settings
        size = f"{settings.load_size} px" if settings.preprocess != "none" else "full size"
        facts = {
            "epoch": self._epoch_name(), "phase": phase, "netG": settings.netG, "size": size,
            "dropout": "on" if self.request.mode == "train" else "off",
        }  # fmt: skip
        return write_results_page(folder, f"{self.request.name}: {phase}", rows, facts)


def in_strips(make: Callable[..., NDArray[np.uint8]], *pictures: NDArray[Any]) -> NDArray[np.uint8]:
    """Return `make` of the pictures, (H, W, 3), some rows at a time."""
    made = np.empty(pictures[0].shape, np.uint8)
    for top in range(0, len(made), _ROWS):
        rows = slice(top, top + _ROWS)
        made[rows] = make(*(picture[rows] for picture in pictures))
    return made


def _problem(file: Path) -> DataError | None:
    try:
        images.read_rgb(file)
    except DataError as error:
        return error
    return None
