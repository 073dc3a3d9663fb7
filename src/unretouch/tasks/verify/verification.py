"""Verify a run, a weights file or finished pictures: figures, verdicts, report and page."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from unretouch.base import durable, names
from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.pixels.pairs import LoadedPairs, Pair, PictureCache, load_pairs
from unretouch.report.console import say
from unretouch.report.extra_metrics import extra_metrics
from unretouch.report.short_verdicts import LAMBDA_L1, trained_on
from unretouch.report.verdicts import CrossRuns, Verification
from unretouch.settings.train import TrainSettings
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.verify.crossvalidation import leave_one_out
from unretouch.tasks.verify.finished_pictures import finished_pictures
from unretouch.tasks.verify.measuring import (
    Group,
    Measured,
    Measuring,
    PairJob,
    Shown,
    judge,
    picture_folder,
    remove_old_pictures,
    shared,
    simulated_pair,
)
from unretouch.tasks.verify.model import Model, load_model
from unretouch.tasks.verify.probe import AMOUNTS, probe_points
from unretouch.tasks.verify.report import report, write_verify_page
from unretouch.tasks.verify.tables import renderables
from unretouch.training.training_pairs import cache_bytes


@dataclass(frozen=True)
class Verified:
    """What a verification came to."""

    verification: Verification
    report: Path
    page: Path


def verify(request: VerifySettings, console: Console) -> Verified:
    """Measure what `request` asks for, print it, and write report.json and index.html.

    Everything is read before the first figure. Raises UsageError, DataError listing all bad files,
    CheckpointError where weights do not fit, DiskError, and with --cross what training raises.
    """
    made = _finished(request, console) if request.images else _model(request, console)
    page = write_verify_page(made.folder, made.title, made.facts, made.verification, made.shown)
    path = made.folder / "report.json"
    durable.write_json(path, report(made.verification, made.subject))
    remove_old_pictures(made.folder, made.shown)
    for shown in renderables(made.verification):
        console.print(shown)
    say(console, f"report: {path}")
    say(console, f"page: {page}")
    return Verified(made.verification, path, page)


@dataclass(frozen=True)
class _Made:
    folder: Path
    title: str
    facts: dict[str, str]
    subject: dict[str, Any]
    verification: Verification
    shown: list[Shown]


def _finished(request: VerifySettings, console: Console) -> _Made:
    extra = extra_metrics(request.deep)
    assert request.images is not None  # both are given, or none: see VerifySettings
    assert request.pairs is not None
    weight = LAMBDA_L1 if request.lambda_L1 is None else request.lambda_L1
    phase, direction = request.phase or "", request.direction or "AtoB"
    answers = finished_pictures(request.images, request.pairs, phase, direction)
    folder = request.out or Path("verify")
    picture_folder(folder)
    with console.status("measuring"):
        shown = [judge(folder, weight, "training", *answer, extra) for answer in answers]
    title = request.images.resolve().name
    subject = {"images": str(request.images), "pairs": str(request.pairs), "lambda_L1": weight}
    facts = {"pictures": str(request.images), "lambda_L1": f"{weight:g}"}
    training = [one.figures for one in shown]
    verification = Verification(training, thresholds=request.thresholds, extra=extra)
    return _Made(folder, title, facts, subject, verification, shown)


def _model(request: VerifySettings, console: Console) -> _Made:
    extra = extra_metrics(request.deep)
    model = load_model(request)
    settings = _with_data(request, model)
    cache = PictureCache(cache_bytes(settings))
    loaded = load_pairs(
        settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size, cache
    )
    strangers = None
    if request.heldout:
        strangers = load_pairs(request.heldout, "", settings.direction, cache=cache)
    for warning in (*loaded.warnings, *(strangers.warnings if strangers else ())):
        say(console, f"note: {warning}")
    if model.run and not trained_on(model.run, loaded.manifest, settings.phase):
        say(console, "note: these are not the pairs it was trained on: read `memorised` so")
    if strangers:
        _refuse_seen(loaded, strangers, request.heldout)
    photos = _photos(request.self_test)

    folder = request.out or (model.run.root / "verify" if model.run else Path("verify"))
    picture_folder(folder)
    groups: dict[Group, Sequence[Pair]] = {
        "training": loaded.pairs,
        "heldout": strangers.pairs if strangers else (),
        "self_test": photos,
    }
    measured = _measured(Measuring(request, folder), model, groups, console)
    shown = {group: [one.shown for one in found] for group, found in measured.items()}
    cross = None
    if request.cross:
        each, shares = request.cross_minutes / len(loaded.pairs), []
        for run in leave_one_out(settings, loaded.pairs, each, lambda line: say(console, line)):
            judged = judge(folder, model.lambda_L1, "heldout", run.pair, run.prediction, extra)
            shown["heldout"].append(judged)
            shares += [share for share in run.own_shares if share is not None]
        own = sum(shares) / len(shares) if shares else None
        cross = CrossRuns(len(loaded.pairs), each, own)
    shares_of = {one.shown.figures.name: one.shares for one in measured["training"] if one.shares}
    figures = {group: [one.figures for one in found] for group, found in shown.items()}
    verification = Verification(
        training=figures["training"],
        heldout=figures["heldout"],
        probe=[] if request.no_probe else probe_points(shares_of),
        thresholds=request.thresholds,
        cross=cross,
        self_test=figures["self_test"],
        extra=extra,
    )
    facts = {
        "epoch": request.epoch,
        "netG": settings.netG,
        "lambda_L1": f"{model.lambda_L1:g}",
        "size": "full size" if settings.preprocess == "none" else f"{settings.load_size} px",
    }
    if request.weights:
        del facts["epoch"]
    subject = {
        "run": model.run.name if model.run else None,
        "weights": str(model.weights),
        "dataroot": settings.dataroot,
        "heldout": str(request.heldout) if request.heldout else None,
        "netG": settings.netG,
        "lambda_L1": model.lambda_L1,
    }
    every = [one for group in groups for one in shown[group]]
    return _Made(folder, model.name, facts, subject, verification, every)


def _with_data(request: VerifySettings, model: Model) -> TrainSettings:
    """Return the model's settings with the pairs that the request means."""
    dataroot = request.dataroot or model.settings.dataroot
    if not dataroot:
        raise UsageError(
            "nothing tells which pairs it was trained on", "--dataroot", "Give their folder"
        )
    settings = model.settings
    return dataclasses.replace(
        settings,
        dataroot=dataroot,
        phase=settings.phase if request.phase is None else request.phase,
    )


def _refuse_seen(loaded: LoadedPairs, strangers: LoadedPairs, folder: Path | None) -> None:
    seen = {record["sha256"] for record in loaded.manifest}
    known = [str(r["file"]) for r in strangers.manifest if r["sha256"] in seen]
    if known:
        raise UsageError(
            f"holds pictures that it was trained on: {', '.join(known[:5])}",
            f"--heldout {folder}",
            "Held-out pairs are those that no training saw",
        )


def _photos(files: Sequence[Path]) -> list[Pair]:
    problems: list[DataError] = []
    pairs = []
    for file, label in zip(files, names.unique_stems([Path(f.name) for f in files]), strict=True):
        try:
            pairs.append(simulated_pair(label, file))
        except DataError as problem:
            problems.append(problem)
    if problems:
        raise ManyDataErrors(problems)
    return pairs


def _measured(
    measuring: Measuring, model: Model, groups: dict[Group, Sequence[Pair]], console: Console
) -> dict[Group, list[Measured]]:
    """Return what was measured of each pair, in order; by one process, or shared among several."""
    request = measuring.request
    told = "measuring"
    if not request.no_probe:
        passes = sum(len(amounts) for amounts in AMOUNTS.values())
        told += f", {passes} forward passes a pair for the probe; --no_probe leaves them out"
    with console.status(told):
        if request.engine == "local" and (request.jobs or 1) == 1:
            return {
                group: [measuring.of(model, group, pair) for pair in pairs]
                for group, pairs in groups.items()
            }
        jobs = [
            PairJob(number, group, pair.name, pair.files, model.settings.direction)
            for group, pairs in groups.items()
            for number, pair in enumerate(pairs)
        ]
        done = sorted(shared(measuring, jobs), key=lambda one: one[0].number)
    return {group: [made for job, made in done if job.group == group] for group in groups}
