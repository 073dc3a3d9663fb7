"""What the processes of a run do that are not the first: they compute, and write nothing.

The first process checks the data, opens the run, and tells the others where it stands; from then on
all make the same updates, each of its part of every batch. Before each the first one says whether
the run goes on. When it ends, the others wait until all is saved: a launcher that sees one of them
gone would stop the rest.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from unretouch.base.errors import DataError, ExitCode, NonFiniteError, UsageError
from unretouch.networks import GENERATORS
from unretouch.pixels.pairs import Pair
from unretouch.settings.train import TrainSettings
from unretouch.training import device, session
from unretouch.training.fast_recipe import RECIPES
from unretouch.training.session import Session
from unretouch.training.stopping import StopRequest
from unretouch.training.team import Processes
from unretouch.training.training_pairs import padded_pairs


def require_split(settings: TrainSettings, processes: int) -> list[str]:
    """Return what a person should know of a run over so many `processes`.

    Raises UsageError for settings by which it would not be the run that one process makes.
    """
    fast, generator = settings.recipe == "fast", GENERATORS[settings.netG]
    batch = settings.batch_size * (RECIPES[settings.aim].batch if fast else 1)
    if batch % processes:
        multiple = -(-settings.batch_size // processes) * processes
        raise UsageError(
            f"a batch of {batch} does not divide by {processes} processes",
            "--batch_size",
            f"Set it to {multiple}, or change --devices",
        )
    if settings.norm == "batch" and ("norm" in generator.takes or settings.lambda_GAN):
        raise UsageError(
            "batch normalisation would take its statistics from a part of the batch, another one "
            "in every process",
            "--norm batch",
            "Take --norm instance, which looks at one picture at a time",
        )
    if settings.pool_size and settings.lambda_GAN:
        raise UsageError(
            "every process would remember predictions of its own",
            "--pool_size",
            "Leave it at 0, or train with one process",
        )
    lines = [f"{processes} processes, {batch // processes} of {batch} in each step"]
    if not (fast or settings.no_dropout or "no_dropout" not in generator.takes):
        lines.append(
            "dropout is drawn anew in every process: as good as that of one process, but not the "
            "same (--no_dropout is)"
        )
    return lines


def begin(team: Processes, settings: TrainSettings, opened: Session, pairs: Sequence[Pair]) -> None:
    """Tell the other processes where the run stands; they build the same and go along.

    Raises DataError when they see other pairs, ProcessLostError.
    """
    team.tell(
        {
            "code": None,
            "precision": settings.precision,
            "size": settings.size,
            "fit": opened.fit.state(),
            "progress": opened.progress.state(),
        }
    )
    if not team.same(_fingerprint(pairs)):
        raise DataError(
            "the processes see different pairs here",
            settings.dataroot,
            "Give every machine the same folder",
        )


def follow(settings: TrainSettings, pairs: Sequence[Pair], team: Processes) -> ExitCode:
    """Compute this process's part of every update until the first process ends the run.

    `pairs` are prepared as those of the first process. Returns the exit code of the run. Raises
    ProcessLostError.
    """
    told: dict[str, Any] = team.tell()
    if told["code"] is not None:
        return ExitCode(told["code"])
    assert team.device is not None
    device.prepare(team.device)
    settings = dataclasses.replace(settings, precision=told["precision"], size=told["size"])
    opened = session.start(settings, padded_pairs(settings, pairs), team.device, team=team)
    opened.fit.restore(told["fit"], "state of the first process")
    opened.progress.restore(told["progress"], 0.0)
    if not team.same(_fingerprint(pairs)):
        return ExitCode.DATA
    try:
        with StopRequest(patient=True) as stop:
            while True:
                _, ends, progress = team.agree(stop.asked)
                if ends:
                    break
                opened.progress.update(opened.fit, progress)
            return ExitCode(team.tell()["code"])
    except NonFiniteError as error:  # the first process has it, too, and says so
        return error.exit_code


def _fingerprint(pairs: Sequence[Pair]) -> int:
    """Return a number below 2**62 of the names and sizes of the pairs, and of some pictures."""
    summary = hashlib.sha256()
    for pair in pairs:
        summary.update(f"{pair.name} {pair.shape};".encode())
    for pair in pairs[:3]:
        for side in (pair.source, pair.target):
            summary.update(np.ascontiguousarray(side).data)
    return int.from_bytes(summary.digest()[:8], "big") >> 2
