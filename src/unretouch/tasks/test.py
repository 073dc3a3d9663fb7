"""Test a run: on its own pairs, to see whether it memorised them, or on any pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from unretouch.base import durable, names
from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.base.terminal import counted
from unretouch.model.load import load_model, weights_of
from unretouch.model.torch_model import TorchModel
from unretouch.pixels import images, pair_check, spaces
from unretouch.pixels.pair_files import phase_exists
from unretouch.pixels.pair_pictures import (
    Make,
    in_strips,
    pair_pictures,
    picture_files,
    write_pictures,
)
from unretouch.pixels.pairs import load_pairs
from unretouch.pixels.retouched_area import pair_map
from unretouch.pixels.spaces import Rgb, resized
from unretouch.report.console import error_table, say
from unretouch.report.pages import ShownPair, write_page
from unretouch.report.short_verdicts import (
    figures_of_part,
    judged_part,
    judged_whole,
    lambda_of,
    say_short_verdicts,
    trained_on,
)
from unretouch.runs.folder import RunDir
from unretouch.runs.status import PlainFigures, mean_of
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings
from unretouch.training.pair_error import pair_error, with_steps
from unretouch.training.training_pairs import sizing

_OUR_PICTURES = re.compile(r".+_(real|fake|real_A|fake_B|real_B|error)\.png")


@dataclass(frozen=True)
class Tested:
    """What a test came to."""

    page: Path
    errors: list[PlainFigures]
    """of every pair; empty for pictures without an answer"""
    model: TorchModel


def run_test(request: TestSettings, console: Console) -> Tested:
    """Run `request`, write results/NAME/PHASE_EPOCH with pictures and page, and print the errors.

    The settings of the model are the request's flags, else those in the run's config.json, else
    what the weights themselves tell (a folder of the classic program). Every picture is read before
    the first is written. Raises DataError listing all bad files, CheckpointError when run and
    weights do not fit, DiskError.
    """
    run = RunDir(request.checkpoints_dir, request.name)
    run.require()
    epoch = f"iter_{request.load_iter}" if request.load_iter else request.epoch
    path = weights_of(run, epoch, suffix=request.model_suffix)
    model = load_model(path, device=request.device, flags=request.given())
    torch.manual_seed(request.seed)  # of the dropout, where it is asked for
    if request.model == "pix2pix":
        return _test_on_pairs(request, run, model, console)
    return _test_on_pictures(request, model, console)


def _test_on_pairs(
    request: TestSettings, run: RunDir, model: TorchModel, console: Console
) -> Tested:
    phase, settings = request.phase, model.settings
    if phase is None and phase_exists(request.dataroot, "test"):
        phase = "test"
    elif phase is None:
        phase = settings.phase
        where = f"no test/ in {request.dataroot}"
        say(console, f"{where}: testing on the training pairs in {phase}/")
    loaded = load_pairs(Path(request.dataroot), phase, settings.direction, _limit(request))
    for warning in loaded.warnings:
        say(console, f"note: {warning}")
    folder = _results_folder(request, phase)
    shown, errors, figures = [], [], []
    whole, weight = judged_whole(loaded.pairs), lambda_of(run, settings)

    def stretched(make: Make) -> Make:
        return lambda: _stretched(make(), request.aspect_ratio)

    for pair in loaded.pairs:
        scaled = model.at_scale(pair)
        source, target = scaled.source, scaled.target
        prediction = model.predict(source, request.mode)
        known = pair_map(source, target)
        error = pair_error(scaled, prediction, known)
        errors.append(with_steps(error, scaled, prediction))
        files = picture_files(f"images/{pair.name}")
        pictures = pair_pictures(source, prediction, target, scaled.bits)
        write_pictures(folder, files, {kind: stretched(make) for kind, make in pictures.items()})
        shown.append(ShownPair(name=pair.name, files=files, figures=errors[-1]))
        part = None if whole else judged_part(scaled, known, len(loaded.pairs))
        seen = prediction if part is None else part.of(prediction)
        figures.append(figures_of_part(scaled, part, seen, weight))
    facts = _facts(request, settings, phase)
    page = write_results_page(folder, f"{request.name}: {phase}", shown, facts)
    title = f"{request.name}, {_epoch_name(request)}, on {phase}/"
    console.print(error_table(title, {phase: errors}))
    seen_before = trained_on(run, loaded.manifest, phase)
    say_short_verdicts(console, figures, run, settings.aim, seen_before, in_parts=not whole)
    say(console, f"page: {page}")
    return Tested(page, errors, model)


def _test_on_pictures(request: TestSettings, model: TorchModel, console: Console) -> Tested:
    phase, settings = request.phase or "test", model.settings
    files = _readable_files(request, console)
    folder = _results_folder(request, phase)
    shown, squashed = [], 0
    labels = names.unique_stems([file.relative_to(request.dataroot) for file in files])
    for file, label in zip(files, labels, strict=True):
        rgb = images.read_rgb(file)
        source = resized(rgb, sizing(settings))
        squashed += _is_squashed(rgb, source)
        bits = spaces.depth(source)
        levels = model.predict(source, request.mode)
        prediction = in_strips(lambda rows, bits=bits: spaces.levels_to_file(rows, bits), levels)
        pictures = {"real": source, "fake": prediction}
        written = {kind: f"images/{label}_{kind}.png" for kind in pictures}
        for kind, picture in pictures.items():
            images.write_png(folder / written[kind], _stretched(picture, request.aspect_ratio))
        shown.append(ShownPair(name=label, files=written))
    if squashed:
        say(
            console,
            f"note: squashed to {settings.load_size} x {settings.load_size} as in training, since "
            f"not square: {squashed} of {counted(len(shown), 'picture')}; "
            "--preprocess none keeps their size",
        )
    facts = _facts(request, settings, phase)
    page = write_results_page(folder, f"{request.name}: {phase}", shown, facts)
    treated = counted(len(shown), "picture")
    say(console, f"{treated} treated; page: {page}")
    return Tested(page, [], model)


def _limit(request: TestSettings) -> float:
    return min(request.max_dataset_size, request.num_test or math.inf)


def _readable_files(request: TestSettings, console: Console) -> list[Path]:
    """Return the pictures to treat. Raises ManyDataErrors naming all that cannot be read."""
    folder = Path(request.dataroot)
    files = images.list_images(folder)
    if not files:
        raise DataError("no pictures in this folder", folder, "Put PNG or JPEG pictures there")
    if unread := images.passed_over(files):
        say(console, f"note: {unread}")
    files = files[: int(min(_limit(request), len(files)))]
    problems, noted = [], []
    for file in files:
        try:
            noted += [(file.name, note) for note in images.read(file).notes]
        except DataError as problem:
            problems.append(problem)
    if problems:
        raise ManyDataErrors(problems)
    for line in pair_check.gathered(noted):
        say(console, f"note: {line}")
    return files


def _is_squashed(rgb: Rgb, resized: Rgb) -> bool:
    """Whether the proportions have changed by more than rounding to whole pixels."""
    (height, width), (new_height, new_width) = rgb.shape[:2], resized.shape[:2]
    return bool(abs(new_width * height - new_height * width) > width + height)


def _stretched(rgb: Rgb, ratio: float) -> Rgb:
    """Return a picture as --aspect_ratio wants it: wider above 1, higher below."""
    height, width = rgb.shape[:2]
    if ratio > 1:
        return spaces.resize(rgb, round(width * ratio), height)
    return spaces.resize(rgb, width, round(height / ratio)) if ratio < 1 else rgb


def _epoch_name(request: TestSettings) -> str:
    iteration = f"_iter{request.load_iter}" if request.load_iter else ""
    return f"{request.epoch}{iteration}"


def _results_folder(request: TestSettings, phase: str) -> Path:
    """Return results/NAME/PHASE_EPOCH, made, without the pictures of an earlier test: it may have
    had others."""
    label = names.file_stem(f"{phase}_{_epoch_name(request)}")
    folder = names.inside(Path(request.results_dir), *request.name.split("/"), label)
    pictures = names.inside(folder, "images")
    durable.make_folder(pictures)
    for old in pictures.iterdir():
        if _OUR_PICTURES.fullmatch(old.name):
            durable.remove(old)
    return folder


def _facts(request: TestSettings, settings: TrainSettings, phase: str) -> dict[str, str]:
    """Return what stands under the title of the page."""
    return {
        "epoch": _epoch_name(request),
        "phase": phase,
        "netG": settings.netG,
        "size": f"{settings.load_size} px" if settings.preprocess != "none" else "full size",
        "dropout": "on" if request.mode == "train" else "off",
    }


def write_results_page(
    folder: Path, title: str, shown: Sequence[ShownPair], facts: Mapping[str, str]
) -> Path:
    """Write the page of a test, index.html, for pictures that lie below `folder`; return its path.

    `facts` are shown as they are under the title (epoch, netG, sizes). Raises DiskError.
    """
    measured = [one.figures for one in shown if one.figures is not None]
    return write_page(
        folder,
        "results",
        [one.record() for one in shown],
        title=title,
        facts=facts,
        shown=shown,
        measured=measured,
        mean=mean_of(measured),
    )
