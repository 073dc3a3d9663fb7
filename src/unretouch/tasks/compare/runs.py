"""What a run folder says of itself: settings, how it ended, and the error on its way there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unretouch.base.errors import CheckpointError
from unretouch.networks import GENERATORS
from unretouch.runs.folder import RunDir
from unretouch.runs.history import (
    Best,
    Record,
    State,
    condition_of,
    is_count,
    read_best,
    read_records,
    trained_s,
)
from unretouch.runs.status import Preview
from unretouch.settings.fields import fields_of
from unretouch.settings.train import Preprocess, TrainSettings, load_settings

Curve = Mapping[str, Sequence[float]]
"""The error while training: columns of one length, `step`, `elapsed_s`, and in grey levels
`level_error` and `identity_error`: what doing nothing would have cost on the same parts, NaN where
that is not on record."""


@dataclass(frozen=True)
class RunRecord:
    """One run as its folder tells it."""

    run: RunDir
    settings: TrainSettings
    state: State
    """one that still trains is as unfinished as one that was cut off"""
    step: int
    """updates behind the latest weights"""
    epoch: int
    elapsed_s: float
    """see history.trained_s"""
    curve: Curve
    manifest: dict[str, str]
    """SHA-256 of the files it was trained on, by name; empty where that is not on record"""
    best: Best | None
    previewed: float | None
    """error of the latest weights in grey levels, measured as that of the best was; None where no
    preview was made"""

    @property
    def name(self) -> str:
        return self.run.name


def read_run(checkpoints_dir: Path, name: str) -> RunRecord:
    """Read the run's records.

    Raises CheckpointError for settings that are damaged or foreign, UsageError for an impossible
    name, DataError for a folder that is a link leading outside.
    """
    run = RunDir(checkpoints_dir, name)
    if not run.config.exists():
        raise CheckpointError(
            "has no config.json, so it is not known how and on what it was trained", run.root
        )
    settings = load_settings(run.config)
    condition = condition_of(run)
    lines = [line for line in read_records(run.metrics).records if _whole(line)]
    last = lines[-1] if lines else {}
    return RunRecord(
        run=run,
        settings=settings,
        state="unfinished" if condition.state == "running" else condition.state,
        step=int(last.get("step", 0) if condition.step is None else condition.step),
        epoch=int(last.get("epoch", 0)),
        elapsed_s=trained_s(run),
        curve={
            name: [float(line.get(name, math.nan)) for line in lines]
            for name in ("step", "elapsed_s", "level_error", "identity_error")
        },
        manifest=_manifest(run.data_manifest),
        best=read_best(run),
        previewed=_previewed(run),
    )


def _previewed(run: RunDir) -> float | None:
    records = read_records(run.previews).records
    try:
        return Preview.of(records[-1]).mean.level_error
    except (IndexError, KeyError, TypeError, ValueError):  # none, or of another version
        return None


_ADVERSARY = frozenset({
    "netD", "ndf", "n_layers_D", "norm", "init_type", "init_gain", "gan_mode", "pool_size",
    "d_every",
})  # fmt: skip
"""Settings of the discriminator and of what it is shown."""
_NOT_FAST = frozenset({
    "lambda_L1", "lambda_GAN", "lr", "beta1", "lr_policy", "lr_decay_iters", "no_flip",
    "serial_batches",
})  # fmt: skip
"""Settings that decide nothing in the fast recipe, which has its own."""
_NOT_SIZED: Mapping[Preprocess, frozenset[str]] = {
    "none": frozenset({"load_size", "crop_size"}),
    "crop": frozenset({"load_size"}),
}


UNLIMITED = "unlimited"


def in_force(settings: TrainSettings) -> dict[str, Any]:
    """Return the settings that decide what is learnt; None for each that the others leave no work,
    such as the size of a crop where nothing is cropped."""
    taken = {kind: generator.takes for kind, generator in GENERATORS.items()}
    used = taken[settings.netG] | (_ADVERSARY if settings.lambda_GAN else set())
    idle = _ADVERSARY.union(*taken.values()) - used
    if settings.recipe == "fast":
        idle |= _NOT_FAST
    idle |= {"minutes"} if settings.minutes is None else {"n_epochs", "n_epochs_decay"}
    idle |= _NOT_SIZED.get(settings.preprocess, frozenset())
    return {
        name: None if name in idle else UNLIMITED if value is None else value
        for name, value in settings.deciding().items()
    }


def differing_settings(runs: list[RunRecord]) -> dict[str, dict[str, Any]]:
    """Return what differs in the runs' settings: by setting, the value of each run.

    Folders, names, and what does not change what is learnt are left out; None stands for what is
    not in force.
    """
    written = [run.settings.deciding() for run in runs]
    by_run = {run.name: in_force(run.settings) for run in runs}
    differing = [name for name in written[0] if len({values[name] for values in written}) > 1]
    table = {name: {run: values[name] for run, values in by_run.items()} for name in differing}
    return {name: row for name, row in table.items() if len(set(row.values())) > 1}


def setting_text(name: str, value: Any, none: str) -> str:
    """Return the value of a setting as a person reads it, `none` where it is not in force."""
    value = fields_of(TrainSettings)[name].read(value)
    if value is None:
        return none
    return f"{value:g}" if isinstance(value, float) else str(value)


def _manifest(path: Path) -> dict[str, str]:
    try:
        return {line["file"]: line["sha256"] for line in json.loads(path.read_text("utf-8"))}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _whole(line: Record) -> bool:
    return is_count(line.get("step")) and all(
        isinstance(line.get(name), int | float) and math.isfinite(line[name])
        for name in ("elapsed_s", "level_error")
    )
