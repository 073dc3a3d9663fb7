"""What was done to the photographs of a folder, noted beside them, so that it can be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from unretouch.base.errors import DataError, UsageError
from unretouch.runs.folder import run_of
from unretouch.runs.history import Record, read_records
from unretouch.settings.commands import ApplySettings
from unretouch.settings.fields import fields_of, from_call
from unretouch.settings.paths import NAMED_MASKS
from unretouch.tasks.apply.files import RECORDS

OF_ONE_CALL = frozenset({
    "checkpoints_dir", "device", "engine", "jobs", "keep_changes", "like", "out", "overwrite",
    "page", "photos",
})  # fmt: skip
"""Settings that are no part of a treatment; the folder of runs is in that of the run."""


def treatment(request: ApplySettings) -> Record:
    """Return the settings that are to be the same next time, as plain values, paths absolute.

    Raises CheckpointError where there is no such run.
    """
    record = {
        name: attrgetter(flag.path)(request)
        for name, flag in fields_of(ApplySettings).items()
        if name not in OF_ONE_CALL
    }
    if request.run is not None:
        record["run"] = run_of(request.run, request.checkpoints_dir).root
    if request.mask not in (None, *NAMED_MASKS):
        record["mask"] = Path(str(request.mask))
    return {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in record.items()
    }


def given_like(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings `given`, and below them those that filled the folder `like`.

    Raises DataError where that folder does not tell.
    """
    like = given.get("like")
    if like is None:
        return dict(given)
    noted = [r["treatment"] for r in read_records(like / RECORDS).records if "treatment" in r]
    if not noted:
        hint = "Give a folder that apply filled; those of version 0.1.0 and before do not tell"
        raise DataError("does not tell of a treatment", like, hint)
    try:
        before = from_call(ApplySettings, noted[-1])
    except (UsageError, AttributeError, TypeError) as error:
        raise DataError(f"tells of a treatment that is not understood: {error}", like) from error
    if not given.keys().isdisjoint(("run", "weights")):
        before |= {"run": None, "weights": None}
    return {**before, **given}
