"""Verify a run, a weights file or finished pictures: figures, verdicts, report and page."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from unretouch.base import durable, names
from unretouch.base.errors import DataError, ManyDataErrors, UsageError
from unretouch.metrics import Picture
from unretouch.pixels.pairs import LoadedPairs, Pair, PictureCache, load_pairs
from unretouch.report.console import say
from unretouch.report.verify_page import write_verify_page
from unretouch.settings.train import TrainSettings
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.verify.album import Album, Group
from unretouch.tasks.verify.brief import LAMBDA_L1, trained_on
from unretouch.tasks.verify.cross import leave_one_out
from unretouch.tasks.verify.deep import extra_metrics
from unretouch.tasks.verify.figures import PairFigures
from unretouch.tasks.verify.finished import finished_pictures
from unretouch.tasks.verify.model import Model, load_model
from unretouch.tasks.verify.pair_work import Measured, Measuring, PairJob, shared
from unretouch.tasks.verify.probe import AMOUNTS, gathered
from unretouch.tasks.verify.report import CrossRuns, Verification, report
from unretouch.tasks.verify.self_test import simulated_pair
from unretouch.tasks.verify.table import renderables
from unretouch.training.large_sets import cache_bytes


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
    page = write_verify_page(
        made.folder, made.title, made.facts, made.verification, made.album.shown
    )
    path = made.folder / "report.json"
    durable.write_json(path, report(made.verification, made.subject))
    made.album.tidy()
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
    album: Album


def _finished(request: VerifySettings, console: Console) -> _Made:
    extra = extra_metrics(request.deep)
    assert request.images is not None  # they go together, see VerifySettings
    assert request.pairs is not None
    weight = LAMBDA_L1 if request.lambda_L1 is None else request.lambda_L1
    phase, direction = request.phase or "", request.direction or "AtoB"
    answers = finished_pictures(request.images, request.pairs, phase, direction)
    folder = request.out or Path("verify")
    album = Album(folder, weight, extra)
    training = _judged(album, "training", answers, console)
    title = request.images.resolve().name
    subject = {"images": str(request.images), "pairs": str(request.pairs), "lambda_L1": weight}
    facts = {"pictures": str(request.images), "lambda_L1": f"{weight:g}"}
    verification = Verification(training, thresholds=request.thresholds, extra=extra)
    return _Made(folder, title, facts, subject, verification, album)


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
    album = Album(folder, model.lambda_L1, extra)
    groups: dict[Group, Sequence[Pair]] = {
        "training": loaded.pairs,
        "heldout": strangers.pairs if strangers else (),
        "self_test": photos,
    }
    measured = _measured(Measuring(request, folder), model, groups, console)
    training = [album.take(one.shown) for one in measured["training"]]
    heldout = [album.take(one.shown) for one in measured["heldout"]]
    cross = None
    if request.cross:
        heldout, cross = _cross(request.cross_minutes, settings, loaded, album, console)
    shots = [album.take(one.shown) for one in measured["self_test"]]
    shares = {one.shown.figures.name: one.shares for one in measured["training"]}
    known = {name: found for name, found in shares.items() if found is not None}
    points = [] if request.no_probe else gathered(known)
    verification = Verification(training, heldout, points, request.thresholds, cross, shots, extra)
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
    return _Made(folder, model.name, facts, subject, verification, album)


def _with_data(request: VerifySettings, model: Model) -> TrainSettings:
    """Return the model's settings with the pairs that the request means."""
    known = model.run is not None and model.run.config.exists()
    if request.dataroot is None and not known:
        raise UsageError(
            "nothing tells which pairs it was trained on", "--dataroot", "Give their folder"
        )
    settings = model.settings
    return dataclasses.replace(
        settings,
        dataroot=request.dataroot or settings.dataroot,
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


def _judged(
    album: Album, group: Group, answers: Iterable[tuple[Pair, Picture]], console: Console
) -> list[PairFigures]:
    with console.status("measuring"):
        return [album.add(group, pair, prediction) for pair, prediction in answers]


def _cross(
    minutes: float, settings: TrainSettings, loaded: LoadedPairs, album: Album, console: Console
) -> tuple[list[PairFigures], CrossRuns]:
    each = minutes / len(loaded.pairs)
    figures, shares = [], []
    for run in leave_one_out(settings, loaded.pairs, each, lambda line: say(console, line)):
        figures.append(album.add("heldout", run.pair, run.prediction))
        shares += [share for share in run.own_shares if share is not None]
    own = sum(shares) / len(shares) if shares else None
    return figures, CrossRuns(len(figures), each, own)
