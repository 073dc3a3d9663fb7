"""`unretouch verify`: did it memorise, is the texture back, does it hold on unseen portraits.

A run, a weights file or finished pictures; figures, verdicts, report and page.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from unretouch.base import durable, names
from unretouch.base.errors import DataError, ExitCode, ManyDataErrors, UsageError
from unretouch.base.messages import _
from unretouch.base.terminal import counted
from unretouch.jobs import engine
from unretouch.pixels.pair_files import PairFiles
from unretouch.pixels.pairs import LoadedPairs, Pair, PictureCache, digest_of, load_pairs
from unretouch.report.console import duration, say
from unretouch.report.deep_distance import extra_metrics
from unretouch.report.short_verdicts import LAMBDA_L1, say_verdict, trained_on
from unretouch.report.verdicts import CrossRuns, Verification, least_words, require
from unretouch.runs.folder import RunDir
from unretouch.settings.train import TrainSettings
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.progress import FIGURES, Tell, tell_nobody
from unretouch.tasks.verify.crossvalidation import leave_one_out
from unretouch.tasks.verify.finished_pictures import finished_pictures
from unretouch.tasks.verify.guesses import guesses_of
from unretouch.tasks.verify.measuring import (
    GROUPS,
    Group,
    Measuring,
    Shown,
    Subject,
    judge,
    load_subject,
    picture_folder,
    remove_old_pictures,
    simulated_pair,
)
from unretouch.tasks.verify.probe import probe_points
from unretouch.tasks.verify.progress import Verifying
from unretouch.tasks.verify.report import (
    detail_tables,
    report,
    write_verify_page,
)
from unretouch.training.stopping import StoppedNow
from unretouch.training.training_pairs import cache_bytes


@dataclass(frozen=True)
class Verified:
    """What a verification came to."""

    verification: Verification
    report: Path
    page: Path


def main(settings: VerifySettings) -> int:
    """Verify. Returns the exit code. Raises as `verify` does."""
    try:
        verify(settings, Console())
    except StoppedNow as stopped:  # while --cross trained
        return stopped.exit_code
    return ExitCode.OK


def verify(request: VerifySettings, console: Console, tell: Tell = tell_nobody) -> Verified:
    """Measure what `request` asks for, print it, and write report.json and index.html.

    Everything is read before the first figure. `tell` hears how far it is, where one process does
    all. Raises UsageError, DataError listing all bad files,
    CheckpointError where weights do not fit, DiskError, and with --cross what training raises;
    after all is written, VerificationError for a verdict that is below --fail_below.
    """
    least = least_words(request.fail_below)
    if request.images:
        verified = _verify_pictures(request, console)
    else:
        verified = _verify_model(request, console, tell)
    require(verified.verification.verdicts, least)
    return verified


def _verify_pictures(request: VerifySettings, console: Console) -> Verified:
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
    return _tell(console, request, folder, title, facts, subject, verification, shown)


def _verify_model(request: VerifySettings, console: Console, tell: Tell) -> Verified:
    extra = extra_metrics(request.deep)
    subject = load_subject(request)
    settings = _with_data(request, subject.model.settings)
    cache = PictureCache(cache_bytes(settings))
    loaded = load_pairs(
        settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size, cache
    )
    strangers = None
    if request.heldout:
        strangers = load_pairs(request.heldout, "", settings.direction, cache=cache)
    for warning in (*loaded.warnings, *(strangers.warnings if strangers else ())):
        say(console, f"note: {warning}")
    if subject.run and not trained_on(subject.run, loaded.manifest, settings.phase):
        say(console, "note: it was not trained on these pairs, so it cannot have memorised them")
    made_of = _trained_on_also(subject.run)
    if strangers:
        _refuse_seen(loaded, made_of, strangers, request.heldout)
    photos = _photos(request.self_test)
    if seen := [photo.name for photo in photos if digest_of(photo.target) in made_of]:
        say(console, f"note: it was trained on these photos (--also): {', '.join(seen)}")

    folder = request.out or (subject.run.root / "verify" if subject.run else Path("verify"))
    picture_folder(folder)
    pairs: list[tuple[Group, Pair]] = [("training", pair) for pair in loaded.pairs]
    pairs += [("heldout", pair) for pair in (strangers.pairs if strangers else ())]
    pairs += [("self_test", photo) for photo in photos]
    turns, each = len(loaded.pairs), request.cross_minutes / len(loaded.pairs)
    probed = 0 if request.no_probe else turns
    work = Verifying(len(pairs), probed, turns if request.cross else 0, 60 * each, tell)
    shown = _measured(Measuring(request, folder), subject, pairs, console, work)
    cross = None
    if request.cross:

        def begun(number: int, name: str) -> None:
            say(console, f"{number} of {turns}: training {duration(60 * each)} without {name}")
            work.begin_turn(name)

        shares = []
        runs = leave_one_out(settings, loaded, each, begun)
        for pair, prediction, own_shares in runs:
            shown.append(judge(folder, subject.lambda_L1, "heldout", pair, prediction, extra))
            shares += [share for share in own_shares if share is not None]
            work.add(turns + FIGURES)
        shown.sort(key=lambda one: GROUPS.index(one.group))
        own = sum(shares) / len(shares) if shares else None
        cross = CrossRuns(turns, each, own)
    shares_of = {one.figures.name: one.shares for one in shown if one.shares}
    verification = Verification(
        **{group: [one.figures for one in shown if one.group == group] for group in GROUPS},
        probe=[] if request.no_probe else probe_points(shares_of),
        thresholds=request.thresholds,
        cross=cross,
        extra=extra,
        weighted=settings.lambda_GAN > 0,
        aim=settings.aim,
        guesses={
            group: found
            for group in ("training", "heldout")
            if (found := guesses_of([s.guesses for s in shown if s.group == group and s.guesses]))
        },
    )
    work.begin(_("Writing the report"))
    facts = {
        "epoch": request.epoch,
        "netG": settings.netG,
        "lambda_L1": f"{subject.lambda_L1:g}",
        "size": "full size" if settings.preprocess == "none" else f"{settings.load_size} px",
    }
    if request.weights:
        del facts["epoch"]
    if not verification.weighted:
        del facts["lambda_L1"]
    told = {
        "run": subject.run.name if subject.run else None,
        "weights": str(subject.weights),
        "weights_sha256": subject.weights_sha256,
        "dataroot": settings.dataroot,
        "heldout": str(request.heldout) if request.heldout else None,
        "netG": settings.netG,
        "lambda_L1": subject.lambda_L1,
    }
    return _tell(console, request, folder, subject.name, facts, told, verification, shown)


def _with_data(request: VerifySettings, settings: TrainSettings) -> TrainSettings:
    """Return the model's settings with the pairs that the request means."""
    dataroot = request.dataroot or settings.dataroot
    if not dataroot:
        raise UsageError(
            "it is not known which pairs it was trained on", "--dataroot", "Give their folder"
        )
    phase = settings.phase if request.phase is None else request.phase
    return dataclasses.replace(settings, dataroot=dataroot, phase=phase)


def _trained_on_also(run: RunDir | None) -> frozenset[str]:
    """Return digests of the files and of the pixels of the pictures of --also, if there were any.

    A record that cannot be read, or of a time when no pixels were noted, tells what it can.
    """
    try:
        records = [] if run is None else json.loads(run.untouched_manifest.read_text("utf-8"))
        return frozenset(
            str(record[what]) for record in records for what in {"sha256", "pixels"} & record.keys()
        )
    except (OSError, ValueError, AttributeError):
        return frozenset()


def _refuse_seen(
    loaded: LoadedPairs, made_of: frozenset[str], strangers: LoadedPairs, folder: Path | None
) -> None:
    """Raise UsageError for held-out pairs of which a file or a side is one of the pairs, or of the
    pictures that further pairs were made of."""
    seen = loaded.digests | made_of
    known = [
        str(record["file"])
        for record in strangers.manifest
        if not seen.isdisjoint((record["sha256"], *strangers.sides[record["pair"]]))
    ]
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
    measuring: Measuring,
    subject: Subject,
    pairs: Sequence[tuple[Group, Pair]],
    console: Console,
    work: Verifying,
) -> list[Shown]:
    """Return what was measured of each pair, in order; by one process, or shared among several."""
    request = measuring.request
    told = counted(len(pairs), "pair")
    faster = "" if request.no_probe else " (faster with --no_probe)"
    with console.status(f"measuring {told}{faster}"):
        if request.engine == "local" and (request.jobs or 1) == 1:
            return [measuring.of(subject, group, pair, work) for group, pair in pairs]
        jobs = [(group, PairFiles(pair.name, pair.files)) for group, pair in pairs]
        at_once = None if request.jobs is None else min(request.jobs, len(jobs))
        done = dict(engine.calls(request.engine, measuring, jobs, at_once, lambda job: job[1].name))
    return [done[job] for job in jobs]


def _tell(
    console: Console,
    request: VerifySettings,
    folder: Path,
    title: str,
    facts: dict[str, str],
    subject: dict[str, Any],
    verification: Verification,
    shown: Sequence[Shown],
) -> Verified:
    """Write page and report, remove the pictures of an earlier one, and print the verdicts."""
    page = write_verify_page(folder, title, facts, verification, shown)
    path = folder / "report.json"
    durable.write_json(path, report(verification, subject))
    remove_old_pictures(folder, shown)
    for table in detail_tables(verification) if request.details else ():
        console.print(table, highlight=False)
    say(console, f"page: {page}")
    say(console, f"report: {path}")
    for verdict in verification.verdicts.values():
        say_verdict(console, verdict)
    return Verified(verification, path, page)
