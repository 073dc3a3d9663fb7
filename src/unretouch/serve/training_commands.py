"""The words of the training commands that the app starts: what anybody could type as well."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from unretouch.serve.refusals import WRONG_VALUE, Refused
from unretouch.settings import presets
from unretouch.settings.fields import flags_of
from unretouch.settings.train import Direction, TrainOptions, TrainSettings, fast_flags

MINUTES = (0.01, 1440.0)
"""What a time budget may be."""


@dataclass(frozen=True)
class Preset:
    """A training command of the guide: its name, and what its choice on the page shows."""

    name: str
    n_epochs: int
    lambda_L1: float
    lr: float

    def words(self) -> list[str]:
        return presets.flag_words(presets.preset(self.name))


def _guide(name: str) -> Preset:
    chosen = presets.preset(name)
    shown = (int(chosen["n_epochs"]), float(chosen["lambda_L1"]), float(chosen["lr"]))
    return Preset(name, *shown)


FAST = "fast"
GUIDE = tuple(_guide(name) for name in presets.GUIDE)


def start_words(
    preset: str, minutes: float, dataroot: Path, name: str, checkpoints: Path, direction: Direction
) -> list[str]:
    """Return the words that begin a run. Raises Refused 400 for an unknown preset."""
    words = [
        *("train", "--dataroot", str(dataroot), "--name", name),
        *("--checkpoints_dir", str(checkpoints), "--direction", direction),
    ]
    if preset == FAST:
        return [*words, "--minutes", f"{checked_minutes(minutes):g}"]
    for known in GUIDE:
        if known.name == preset:
            return words + known.words()
    raise Refused(400, WRONG_VALUE)


def continue_words(
    settings: TrainSettings, name: str, checkpoints: Path, more: float | None
) -> list[str]:
    """Return the words by which a run with these settings goes on.

    `more` are the minutes, or for a run of so many epochs the epochs, that are added to what it
    was given; None goes on to the end that was set. Raises Refused 400.
    """
    if more is not None and settings.minutes is not None:
        settings = dataclasses.replace(settings, minutes=settings.minutes + checked_minutes(more))
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


def checked_minutes(minutes: float) -> float:
    """Return `minutes` where a run may last so long. Raises Refused 400."""
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise Refused(400, WRONG_VALUE)
    return minutes
