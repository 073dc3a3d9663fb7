"""Trainings: the commands that the app starts, and their processes, which outlive it."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unretouch.base.messages import _
from unretouch.jobs import child
from unretouch.jobs.training import start_training
from unretouch.runs.condition import State, condition_of, holder
from unretouch.runs.folder import RunDir
from unretouch.serve import runs
from unretouch.serve.refusals import WRONG_VALUE, Refused
from unretouch.serve.runs import StatusFiles
from unretouch.settings.fields import flags_of
from unretouch.settings.train import (
    GUIDE,
    Direction,
    TrainOptions,
    TrainSettings,
    fast_flags,
    preset_words,
)

MINUTES = (0.01, 1440.0)
"""What a time budget may be."""
NOT_TRAINED = _("It is not being trained now.")


@dataclass(frozen=True)
class Condition:
    """How a run stands; `said` is what the program last printed, where it failed."""

    state: State
    reason: str = ""
    said: str = ""

    @property
    def active(self) -> bool:
        return self.state in ("starting", "running")


class Trainings:
    """The training processes of this app, and what can be told of those of others."""

    def __init__(self, files: StatusFiles) -> None:
        self._files = files
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}

    def start(self, run: RunDir, words: list[str]) -> None:
        """Begin to train, or go on. The process survives this one. Raises Refused, DiskError."""
        if self.condition(run).active:
            raise Refused(409, _("It is being trained already."))
        self._begun[run.name] = time.time()
        self._processes[run.name] = start_training(run, words, "lives_on")

    def stop(self, run: RunDir) -> None:
        """Ask for what Ctrl+C asks: finish the step, save, end. Raises Refused 409."""
        process = self._processes.get(run.name)
        pid = process.pid if process and process.poll() is None else holder(run)
        if pid is None:
            raise Refused(409, NOT_TRAINED)
        try:
            child.interrupt(pid)
        except OSError:
            raise Refused(409, NOT_TRAINED) from None

    def any_active(self, all_runs: list[RunDir]) -> RunDir | None:
        """Return a run that is being trained, by whomever; None where there is none."""
        return next((run for run in all_runs if self.condition(run).active), None)

    def condition(self, run: RunDir) -> Condition:
        """Return how `run` stands."""
        page: dict[str, Any] = self._files.get(run) or {}
        told = condition_of(run)
        process = self._processes.get(run.name)
        begun = self._begun.get(run.name, 0.0)
        alive = process is not None and process.poll() is None
        if alive or told.holder is not None:
            # What the page says may be of the training before.
            if not page or (alive and self._files.changed(run) < begun):
                return Condition("starting")
            return Condition("running", "checking" if told.state == "finished" else "")
        if process is not None and process.returncode not in child.NO_FAILURE:
            return Condition("failed", "failed", runs.tail(run.console))
        if told.state != "unfinished":
            return Condition(told.state, str(page.get("stop_reason") or told.reason))
        if page:
            return Condition("stopped", "gone")
        if run.weights("latest").is_file():
            return Condition("finished")
        return Condition("failed", "failed", runs.tail(run.console))


# --- the words of a command: what anybody could type as well


def start_words(
    preset: str, minutes: float, dataroot: Path, name: str, checkpoints: Path, direction: Direction
) -> list[str]:
    """Return the words that begin a run: with `preset` fast for so many minutes, else by a command
    of the guide. Raises Refused 400 for an unknown preset.
    """
    words = [
        *("train", "--dataroot", str(dataroot), "--name", name),
        *("--checkpoints_dir", str(checkpoints), "--direction", direction),
    ]
    if preset == "fast":
        return [*words, "--minutes", f"{_checked(minutes):g}"]
    if preset not in GUIDE:
        raise Refused(400, WRONG_VALUE)
    return words + preset_words(preset)


def continue_words(
    settings: TrainSettings, name: str, checkpoints: Path, more: float | None
) -> list[str]:
    """Return the words by which a run with these settings goes on.

    `more` are the minutes, or for a run of so many epochs the epochs, that are added to what it
    was given; None goes on to the end that was set. Raises Refused 400.
    """
    if more is not None and settings.minutes is not None:
        settings = dataclasses.replace(settings, minutes=settings.minutes + _checked(more))
    elif more is not None:
        if not 1 <= more <= 100_000:
            raise Refused(400, WRONG_VALUE)
        settings = dataclasses.replace(settings, n_epochs=settings.n_epochs + int(more))
    settings = dataclasses.replace(settings, name=name, checkpoints_dir=str(checkpoints))
    # The own command mirrors nothing and drops nothing out; what does was begun the classic way.
    own = settings.no_flip and settings.no_dropout
    flags = fast_flags() if own else flags_of(TrainOptions)
    words = ["train", "--continue_train"] + ([] if own else ["--model", "pix2pix"])
    for field in dataclasses.fields(TrainSettings):
        value = getattr(settings, field.name)
        if value is True:
            words.append(f"--{field.name}")
        elif value not in (None, False) and value != flags[field.name].default:
            words.append(f"--{field.name}={value}")
    if own and settings.minutes is None:
        # Unless epochs are given, the own command takes its ten minutes.
        words.append(f"--n_epochs={settings.n_epochs}")
    elif own:
        words.append(f"--minutes={settings.minutes:g}")
    return words


def _checked(minutes: float) -> float:
    """Return `minutes` where a run may last so long. Raises Refused 400."""
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise Refused(400, WRONG_VALUE)
    return minutes
