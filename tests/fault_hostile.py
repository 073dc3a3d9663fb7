"""Weights files that want to run code, to fill memory, or to be taken for something they are not.

`corpus(canary)` returns them by name. Whoever unpickles one of the first kind without a guard
creates the file `canary`.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch


class _Runs:
    """Pickles as a call."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self._made = (call, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._made


class _Storage:
    """Pickles as a storage record of torch."""

    def __init__(self, numel: int, key: str = "0", location: str = "cpu") -> None:
        self.id = ("storage", torch.FloatStorage, key, location, numel)


class _Pickler(pickle._Pickler):
    def persistent_id(self, value: Any) -> Any:
        return value.id if isinstance(value, _Storage) else None


def _pickled(value: Any, protocol: int = 2) -> bytes:
    file = io.BytesIO()
    _Pickler(file, protocol).dump(value)
    return file.getvalue()


def _archive(index: bytes, records: dict[str, bytes] | None = None, packed: bool = False) -> bytes:
    file = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as archive:
        archive.writestr("archive/data.pkl", index)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
        for name, data in (records or {}).items():
            archive.writestr(f"archive/{name}", data)
    return file.getvalue()


def _tensor(numel: int, size: tuple[int, ...], stride: tuple[int, ...]) -> _Runs:
    rebuild = torch._utils._rebuild_tensor_v2
    return _Runs(rebuild, _Storage(numel), 0, size, stride, False, OrderedDict())


def _saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def _legacy(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def _tar(index: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(index)
            archive.addfile(info, io.BytesIO(index))
    return file.getvalue()


def _script() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(torch.nn.Identity(), torch.zeros(1)), file)
    return file.getvalue()


def _deep(levels: int) -> bytes:
    return b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."


def _tuples_of_one_another(levels: int = 60) -> bytes:
    """A dict with a key whose hash takes 2 ** levels steps."""
    first = b"X\x01\x00\x00\x00aq\x00"
    twice = (b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(levels))
    return b"\x80\x02}" + first + b"".join(twice) + b"K\x01s."


def corpus(canary: Path) -> dict[str, bytes]:
    """Return hostile files by name; the good network they pretend to be has key `w`."""
    touch = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').write('x')"
    inner = _legacy({"w": _Runs(os.system, touch)})
    good = _saved({"w": torch.zeros(4)})
    data = {"data/0": bytes(16)}
    chain = _Runs(getattr, _Runs(__import__, "os"), "system")
    return {
        "os.system": _archive(_pickled({"w": _Runs(os.system, touch)})),
        "eval": _archive(_pickled({"w": _Runs(eval, code)})),
        "exec": _archive(_pickled({"w": _Runs(exec, code)})),
        "chain of getattr": _archive(_pickled({"w": _Runs(_apply, chain, touch)})),
        "storage with a pickle inside": _archive(
            _pickled({"w": _Runs(torch.storage._load_from_bytes, inner)})
        ),
        "numpy object array": _archive(
            _pickled({"w": np.array([_Runs(os.system, touch)], dtype=object)})
        ),
        "code in BUILD": _archive(
            b"\x80\x02cbuiltins\nobject\n)R}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb"
            + b"X" + struct.pack("<I", len(touch)) + touch.encode() + b"b."
        ),
        "STACK_GLOBAL": _archive(
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c"
            + bytes([len(touch)]) + touch.encode() + b"\x85R."
        ),
        "plain pickle, protocol 0": _pickled({"w": _Runs(os.system, touch)}, 0),
        "plain pickle, protocol 5": pickle.dumps({"w": _Runs(os.system, touch)}, 5),
        "legacy file": inner,
        "legacy tar": _tar(_pickled(_Runs(os.system, touch))),
        "TorchScript": _script(),
        "10 GB claimed by a storage": _archive(
            _pickled({"w": _tensor(25 * 10**8, (25 * 10**8,), (1,))}), data
        ),
        "10 GB claimed by a stride of zero": _archive(
            _pickled({"w": _tensor(4, (25 * 10**8,), (0,))}), data
        ),
        "10 GB in a compressed archive": _archive(
            _pickled({"w": _tensor(4, (4,), (1,))}), {"data/0": bytes(20_000_000)}, packed=True
        ),
        "deep nesting": _archive(_deep(1_000_000)),
        "tuples of one another": _archive(_tuples_of_one_another()),
        "sparse tensor": _saved({"w": torch.zeros(4, 4).to_sparse()}),
        "meta tensor": _archive(
            _pickled({"w": _Runs(torch._utils._rebuild_meta_tensor_no_storage,
                                 torch.float32, (10**10,), (1,), False)})
        ),
        "not a dict": _saved([torch.zeros(4)]),
        "more than tensors": _saved({"w": torch.zeros(4), "epoch": 3}),
        "wrong keys": good,
        "NaN": _saved({"w": torch.tensor([0.0, float("nan")])}),
        "two indices": _twice(good, _pickled({"w": _Runs(os.system, touch)})),
        "bytes before the archive": b"#!/bin/sh\n" + good,
        "empty": b"",
    }  # fmt: skip


def _apply(function: Callable[..., Any], argument: str) -> Any:
    return function(argument)


def _twice(data: bytes, second: bytes) -> bytes:
    """To torch, which ignores capitals, both are the index."""
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("archive/DATA.PKL", second)
    return file.getvalue()
