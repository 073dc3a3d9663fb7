"""`unretouch demo`: the main job on one portrait, without any data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unretouch.base.errors import UsageError
from unretouch.settings.parser import parse


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Simulate a retouch on one portrait, learn the way back, and say how well it went."""

    photo: str | None = None
    """a portrait of yours; unset, a photograph of NASA that comes with scikit-image"""
    minutes: float | None = None
    """time to train; unset, under four minutes altogether on two cores"""
    out: str = "./unretouch_demo"
    """folder of everything the demo writes"""
    seed: int = 0
    """seed of every random choice"""


def main(argv: list[str]) -> int:
    """Run the demo. Returns the exit code. Raises UnretouchError."""
    options = parse(DemoOptions, argv, "unretouch demo")
    if options.minutes is not None and not 0 < options.minutes < float("inf"):
        raise UsageError(f"{options.minutes} is not a number of minutes above zero", "--minutes")
    if options.seed < 0:
        raise UsageError(f"{options.seed} is not zero or more", "--seed")
    from unretouch.tasks.demo import run_demo  # late: imports torch

    photo = None if options.photo is None else Path(options.photo)
    return run_demo(photo=photo, minutes=options.minutes, out=Path(options.out), seed=options.seed)
