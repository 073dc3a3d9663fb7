"""`unretouch verify`: did it memorise, is the texture back, does it hold on unseen portraits."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from unretouch.base.errors import ExitCode, UsageError
from unretouch.settings.parser import parse
from unretouch.settings.train import DeviceName, Direction, GeneratorName, NormName, Preprocess

if TYPE_CHECKING:
    from unretouch.report.verdicts import Thresholds
    from unretouch.tasks.verify.request import VerifyRequest

PROG = "unretouch verify"

Words = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="[RUN]", help_behavior_hint=""),
]


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Prove what a model can do, by figures, pictures and one plain word for each question."""

    run: Words = ()
    """a run, by name or folder; or give --weights, or --images"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""
    epoch: str = "latest"
    """which weights of the run: latest, best or an epoch's number"""
    dataroot: str | None = None
    """folder of the training pairs; unset, as the run says"""
    phase: str | None = None
    """subfolder of --dataroot; unset, as the run says"""
    direction: Direction | None = None
    """unset, as the run says"""
    heldout: str | None = None
    """folder of pairs that it was not trained on: does it hold there?"""
    cross: bool = False
    """hold each training pair out in turn instead, training a small run without it"""
    cross_minutes: float = 10.0
    """time that --cross trains, all its runs together"""
    self_test: tuple[str, ...] = ()
    """untouched photos: simulate a retouch on them, restore it, compare"""
    no_probe: bool = False
    """leave out the memorisation probe, which costs 18 forward passes a pair"""
    deep: bool = False
    """measure the deep distance too, how different it looks to EfficientNet-Lite0 (an extra)"""
    fail_below: tuple[str, ...] = ()
    """exit with 7 below these words, such as: memorised, or nearly back holds"""
    out: str | None = None
    """folder of the report; unset, verify in the run's folder, or ./verify"""

    weights: str | None = None
    """a weights file (.pth) instead of a run, also of the classic program"""
    netG: GeneratorName | None = None
    """generator in --weights; unset, as the weights tell"""
    norm: NormName | None = None
    """its normalisation"""
    ngf: int | None = None
    """its filters in the last layer"""
    no_dropout: bool = False
    """it has no dropout"""
    input_nc: Literal[1, 3] | None = None
    """channels of its input"""
    output_nc: Literal[1, 3] | None = None
    """channels of its output"""
    preprocess: Preprocess | None = None
    """what was done to a pair's size in training"""
    load_size: int | None = None
    """size at which it was trained"""
    crop_size: int | None = None
    """window of its training"""
    lambda_L1: float | None = None
    """weight that G_L1 contains; unset, as the run says, else 500"""

    images: str | None = None
    """folder of finished pictures of any program, named as the pairs, instead of a run"""
    pairs: str | None = None
    """with --images: folder of the pairs they belong to"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""
    jobs: int | None = None
    """processes that share many pairs, each with its own memory; unset, one, with --engine ray all
    that it reaches"""
    engine: Literal["local", "ray"] = "local"
    """where they run: local is this computer, ray (an extra) all its cores or a cluster"""

    memorised_G_L1: float = 1.0
    """memorised: G_L1 at most"""
    memorised_recovered_share: float = 0.7
    """memorised: recovered share at least"""
    memorised_nearly_G_L1: float = 2.0
    """nearly: G_L1 at most"""
    memorised_nearly_recovered_share: float = 0.5
    """nearly: recovered share at least"""
    memorised_nothing_below: float = 0.05
    """did nothing: recovered share below"""
    texture_lowest_energy: float = 0.8
    """smooth: strength of a band below"""
    texture_highest_energy: float = 1.25
    """noisy: strength of a band above"""
    texture_coherence: float = 0.7
    """grain: coherence below"""
    texture_recovered: float = 0.4
    """grain: recovered detail below"""
    texture_nothing_within: float = 0.05
    """nothing: recovered detail this near to 0"""
    texture_band_matters: float = 0.1
    """share of the removed detail from which on a band counts"""
    unseen_recovered_share: float = 0.5
    """holds: recovered share of every held-out pair at least"""
    unseen_gap: float = 0.3
    """holds: at most so much less than on the training pairs"""
    unseen_nothing_below: float = 0.05
    """does not hold: mean recovered share below"""
    probe_skill: float = 0.8
    """skill: at least so much is left under the worst kind of change"""
    probe_memory: float = 0.4
    """memory: less is left"""
    probe_something: float = 0.05
    """recovered share below which there is nothing to probe"""


def main(argv: list[str]) -> int:
    """Verify. Returns the exit code. Raises UnretouchError, VerificationError for --fail_below."""
    options = parse(VerifyOptions, argv, PROG)
    _check(options)
    from rich.console import Console  # late, as the next lines: imports torch

    from unretouch.report.verdicts import least_words, require
    from unretouch.tasks.verify.verification import verify
    from unretouch.training.stopping import StoppedNow

    least = least_words(options.fail_below)
    try:
        verified = verify(request(options), Console())
    except StoppedNow as stopped:  # while --cross trained
        return stopped.exit_code
    require(verified.verification.verdicts, least)
    return ExitCode.OK


def _check(options: VerifyOptions) -> None:
    if len(options.run) > 1:
        raise UsageError(f"one run at a time, not {len(options.run)}", " ".join(options.run))
    subjects = [bool(options.run), options.weights is not None, options.images is not None]
    if sum(subjects) != 1:
        raise UsageError(
            "one of these is verified, not several" if any(subjects) else "nothing to verify",
            "RUN, --weights, --images",
            f"Write: {PROG} RUN",
        )
    if (options.images is None) != (options.pairs is None):
        raise UsageError("goes only with the other", "--images, --pairs", "Give both folders")
    if options.images is not None:
        asked = [
            f"--{name}"
            for name in ("heldout", "cross", "self_test", "jobs")
            if getattr(options, name)
        ]
        if options.engine != "local":
            asked.append("--engine")
        if asked:
            raise UsageError("needs a model, not finished pictures", ", ".join(asked))
    if options.cross and options.heldout is not None:
        raise UsageError("both answer the same question", "--cross, --heldout", "Give one of them")
    _check_numbers(options)


def _check_numbers(options: VerifyOptions) -> None:
    for name in ("cross_minutes", "ngf", "load_size", "crop_size", "jobs"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{value} is not above zero", f"--{name}")
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, float) and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{value} is not a number from zero up", f"--{field.name}")


def request(options: VerifyOptions) -> VerifyRequest:
    """Return what the options ask for."""
    from unretouch.tasks.verify.request import Network, VerifyRequest

    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Network)}
    return VerifyRequest(
        run=options.run[0] if options.run else None,
        weights=_path(options.weights),
        images=_path(options.images),
        checkpoints_dir=options.checkpoints_dir,
        epoch=options.epoch,
        dataroot=options.pairs if options.images else options.dataroot,
        phase=options.phase,
        direction=options.direction,
        heldout=_path(options.heldout),
        cross_minutes=options.cross_minutes if options.cross else None,
        self_test=tuple(Path(photo) for photo in options.self_test),
        probe=not options.no_probe,
        deep=options.deep,
        network=Network(**{**given, "no_dropout": options.no_dropout or None}),
        lambda_L1=options.lambda_L1,
        out=_path(options.out),
        device=options.device,
        engine=options.engine,
        jobs=options.jobs,
        thresholds=_thresholds(options),
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _thresholds(options: VerifyOptions) -> Thresholds:
    from unretouch.report.verdicts import Thresholds

    def changed(limits: Any, question: str) -> Any:
        given = {
            limit.name: getattr(options, f"{question}_{limit.name}")
            for limit in dataclasses.fields(limits)
        }
        return dataclasses.replace(limits, **given)

    default = Thresholds()
    names = [question.name for question in dataclasses.fields(default)]
    return Thresholds(**{name: changed(getattr(default, name), name) for name in names})
