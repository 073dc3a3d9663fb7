"""What an output folder was filled with, so that the same command does nothing twice.

A file is noted before it gets its name, by size and time, and again with a key of all that made it.
So one that a crash left between the two is known for ours, and another of that name is not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from unretouch.base import durable
from unretouch.settings.apply import ApplySettings
from unretouch.tasks.apply.files import Job

NAME = "apply.jsonl"
"""In the output folder: two lines for every file made."""


def note_ready(out: Path, name: str, file: Path) -> None:
    """Note that `file` is about to become `name` in the folder `out`. Raises DiskError."""
    line = json.dumps({"output": name, "ready": _identity(file)}, ensure_ascii=False)
    durable.append_text(out / NAME, line + "\n")


def _identity(file: Path) -> list[int]:
    """Return what stays the same of a file when it is renamed."""
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]


class Records:
    """The lines of apply.jsonl: output, and a key of source, model and options."""

    def __init__(self, request: ApplySettings, weights: Path, jobs: Sequence[Job]) -> None:
        self._path = request.out / NAME
        self._out = request.out
        self._common = _common_key(request, weights)
        self._by_output: dict[str, str] = {}
        self._ready: dict[str, list[int]] = {}
        if self._path.exists():
            for line in self._path.read_text("utf-8", "replace").splitlines():
                try:
                    record = json.loads(line)
                    output = Path(str(record["output"])).name
                    if "ready" in record:
                        self._ready[output] = list(record["ready"])
                    else:
                        self._by_output[output] = str(record["key"])
                except (ValueError, KeyError, TypeError):
                    continue  # a line that a crash has torn
        self._outputs = {key: output for output, key in self._by_output.items()}
        self.inputs = {os.path.realpath(job.source) for job in jobs}

    @property
    def ours(self) -> frozenset[str]:
        """Names of the files that apply made here."""
        left = {name for name, identity in self._ready.items() if self._stands(name, identity)}
        return frozenset(self._by_output) | left

    def _stands(self, name: str, identity: list[int]) -> bool:
        try:
            return _identity(self._out / name) == identity
        except OSError:
            return False

    def made(self, job: Job) -> Path | None:
        """Return what this very command made of the photograph before, where it is still there."""
        output = self._outputs.get(self._key(job))
        path = None if output is None else self._out / output
        return path if path is not None and path.is_file() else None

    def add(self, job: Job, output: Path) -> None:
        """Note that `output` was made of the photograph. Raises DiskError."""
        line = json.dumps({"output": output.name, "key": self._key(job)}, ensure_ascii=False)
        durable.append_text(self._path, line + "\n")

    def _key(self, job: Job) -> str:
        about: list[object] = [job.stem, os.path.realpath(job.source)]
        if job.source.exists():
            stat = job.source.stat()
            about += [stat.st_size, stat.st_mtime_ns]
        return _digest([about, self._common])


def _common_key(request: ApplySettings, weights: Path) -> str:
    """Return a digest of all that decides the pixels besides the photograph."""
    checksum = hashlib.sha256(weights.read_bytes()).hexdigest()
    mask = request.mask
    if mask not in (None, "skin", "learnt"):
        mask = hashlib.sha256(Path(str(mask)).read_bytes()).hexdigest()
    # As it has always been: what an older version made is not made again.
    return _digest({
        "strength": request.strength,
        "mask": mask,
        "format": None if request.format == "keep" else request.format,
        "keep_gps": request.keep_gps,
        "full_scale": request.scale == "full",
        "honour_profile": request.profile == "honour",
        "model": [checksum, request.runtime, request.precision],
    })  # fmt: skip


def _digest(value: object) -> str:
    # A name that is not UTF-8 comes as lone surrogates, which JSON writes as escapes.
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
