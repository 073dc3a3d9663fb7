"""The full state of a run in one file: checksummed, written whole, the last two kept.

Layout of a state file: a first line `unretouch state SCHEMA SHA256 LENGTH`, then what torch.save
wrote. The SHA-256 is of the first line up to SCHEMA and of those bytes, and is checked at every
load: torch itself does not notice a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unretouch.base import durable
from unretouch.base.errors import CheckpointError
from unretouch.runs.folder import RunDir
from unretouch.runs.weights import deserialise, require_space, serialise

SCHEMA = 1
KEPT_STATES = 2
_MAGIC = b"unretouch state"
_LONGEST_HEADER = 200


@dataclass(frozen=True)
class Checkpoint:
    """Everything needed to go on.

    `state` decides the future of the run and enters the digest. `about` (time spent, versions,
    threads) does not: two runs that are equal may differ in it.
    """

    step: int
    state: dict[str, Any]
    about: dict[str, Any]


def save(run: RunDir, checkpoint: Checkpoint) -> Path:
    """Write the checkpoint of `checkpoint.step`, then remove all but the last two.

    Raises DiskError with the bytes needed and free; the states there were are then untouched.
    """
    payload = serialise(
        {
            "schema": SCHEMA,
            "step": checkpoint.step,
            "digest": digest(checkpoint.state),
            "state": checkpoint.state,
            "about": checkpoint.about,
        }
    )
    head = b"%s %d" % (_MAGIC, SCHEMA)
    header = b"%s %s %d\n" % (head, _checksum(head, payload), len(payload))
    path = run.state(checkpoint.step)
    require_space(path.parent, len(header) + len(payload))
    durable.write_bytes(path, header, payload)
    for old in run.states()[KEPT_STATES:]:
        durable.remove(old)
    return path


def _checksum(head: bytes, payload: bytes | memoryview) -> bytes:
    checksum = hashlib.sha256(head)
    checksum.update(payload)
    return checksum.hexdigest().encode()


class NewerStateError(CheckpointError):
    """A whole state in a format of another version: not passed over, since it is no damage."""


def load(path: Path) -> Checkpoint:
    """Read one state file. Raises CheckpointError in one line if a single bit of it is wrong."""
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror}", path) from error
    header, newline, _ = bytes(data[:_LONGEST_HEADER]).partition(b"\n")
    head, checksum, length = [*header.rsplit(b" ", 2), b"", b""][:3]
    if not newline or not head.startswith(_MAGIC):
        raise CheckpointError("is damaged or no state of unretouch", path)
    payload = data[len(header) + 1 :]
    if str(len(payload)).encode() != length:
        raise CheckpointError("is truncated or damaged", path)
    if _checksum(head, payload) != checksum:
        raise CheckpointError("is damaged: its checksum does not match", path)
    if head != b"%s %d" % (_MAGIC, SCHEMA):
        schema = head[len(_MAGIC) :].decode("ascii", "replace").strip()
        raise NewerStateError(
            f"was written by another version of unretouch (schema {schema})",
            path,
            "Go on with the version that wrote it",
        )
    record = deserialise(payload, path)
    if not isinstance(record, dict) or record.keys() != _KEYS:
        raise CheckpointError("is no state of unretouch", path)
    return Checkpoint(record["step"], record["state"], record["about"])


_KEYS = {"schema", "step", "digest", "state", "about"}


@dataclass(frozen=True)
class Loaded:
    """The newest whole checkpoint, and the newer files that had to be passed over, with reasons."""

    checkpoint: Checkpoint
    path: Path
    passed_over: dict[Path, str]


def load_newest(run: RunDir) -> Loaded | None:
    """Return the newest checkpoint that is whole; None when the run has no state file at all.

    Raises CheckpointError when there are state files and none of them is whole.
    """
    passed_over: dict[Path, str] = {}
    for path in run.states():
        try:
            return Loaded(load(path), path, passed_over)
        except NewerStateError:
            raise
        except CheckpointError as error:
            passed_over[path] = str(error)
    if not passed_over:
        return None
    raise CheckpointError(
        "no state can be read: " + "; ".join(passed_over.values()),
        run.root,
        "Move the folder state/ away to start afresh from the weights in latest_net_G.pth",
    )


def set_aside(bad: Iterable[Path]) -> None:
    """Rename bad state files, so that they do not count among those kept. Raises DiskError."""
    for path in bad:
        durable.rename(path, path.with_name(f"{path.name}.bad"))


def digest(state: Any) -> str:
    """Return the canonical SHA-256 of a state: equal states give equal digests.

    Over keys in sorted order, dtypes, shapes, raw tensor bytes and plain values. Files are not
    compared, since torch.save writes equal states as different bytes.
    """
    summary = hashlib.sha256()
    _digest_into(summary, state)
    return summary.hexdigest()


def _digest_into(summary: Any, value: Any) -> None:
    # Every part says its kind and where it ends, so that no two states read the same.
    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu().contiguous()
        summary.update(f"T{tensor.dtype}{tuple(tensor.shape)};".encode())
        summary.update(tensor.reshape(-1).view(torch.uint8).numpy())
    elif isinstance(value, dict):
        summary.update(b"{%d;" % len(value))
        for key in sorted(value, key=lambda k: (type(k).__name__, k)):
            _digest_into(summary, key)
            _digest_into(summary, value[key])
    elif isinstance(value, list | tuple):
        summary.update(b"[%d;" % len(value))
        for item in value:
            _digest_into(summary, item)
    elif isinstance(value, float) and not math.isfinite(value):
        summary.update(f"{value!r};".encode())
    else:
        summary.update(f"{json.dumps(value, allow_nan=False)};".encode())
