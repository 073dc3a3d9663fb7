"""What `--preset` and `--like` put where no flag was given."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from unretouch.base.errors import UsageError
from unretouch.runs.folder import RunDir, run_of
from unretouch.settings import presets
from unretouch.settings import train as config
from unretouch.settings.parser import Reading

_CHECKPOINTS = "./checkpoints"


def fill(reading: Reading) -> tuple[Reading, list[str]]:
    """Return `reading` with what its --preset or --like stands for, and lines that say so.

    Flags that were given win. With --like and without --name the run gets a name that is free.
    Raises UsageError; CheckpointError where there is no such run or its settings cannot be read.
    """
    name, like = reading.value("preset"), reading.value("like")
    if name is not None and like is not None:
        raise UsageError("both choose all settings", "--preset, --like", "Give one of them")
    if name is not None:
        return _below(reading, presets.flags(presets.preset(name))), []
    if like is not None:
        return _like(reading, like)
    return reading, []


def _below(reading: Reading, flags: Mapping[str, tuple[str, ...]]) -> Reading:
    filled = {**flags, **reading.flags}
    if "minutes" not in reading.flags and not reading.flags.keys().isdisjoint(presets.EPOCHS):
        filled.pop("minutes", None)
    return Reading(filled, reading.words)


def _like(reading: Reading, like: str) -> tuple[Reading, list[str]]:
    checkpoints = reading.value("checkpoints_dir") or _CHECKPOINTS
    other = run_of(like, checkpoints)
    settings = config.load(other.config).to_dict()
    del settings["checkpoints_dir"]
    name = reading.value("name")
    if name is None:
        name = _free_name(checkpoints, str(settings["name"]))
    same = RunDir(checkpoints, name).root.resolve() == other.root.resolve()
    if same and not reading.value("suffix"):
        raise UsageError(
            f"{name!r} is the run itself",
            "--like",
            "Give another --name; --continue_train, without --like, goes on with it",
        )
    filled = _below(reading.replace(name=name), presets.flags(settings))
    return filled, [f"settings of {other.root}, under the name {name}"]


def _free_name(checkpoints: str, name: str) -> str:
    names = (f"{name}_{number}" for number in count(2))
    return next(free for free in names if not RunDir(checkpoints, free).root.exists())
