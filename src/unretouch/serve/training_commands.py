"""The words of the training commands that the app starts: what anybody could type as well."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from unretouch.serve.refusals import WRONG_VALUE, Refused
from unretouch.settings import presets
from unretouch.settings.fields import flags_of
from unretouch.settings.train import Direction, TrainOptions, TrainSettings, fast_flags

MINUTES = (0.01, 1440.0)
"""What a time budget may be."""


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
    if preset not in presets.GUIDE:
        raise Refused(400, WRONG_VALUE)
    return words + presets.flag_words(presets.preset(preset))


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
