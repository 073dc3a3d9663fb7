"""Classic weights files (`latest_net_G.pth`): written whole, read without running code.

torch.load does not check a file's CRC, so a flipped bit would load as wrong weights; and its
`weights_only` unpickler is one lock, not two. So the archive and its pickle are looked through
first.
"""

from __future__ import annotations

import hashlib
import io
import pickletools
import struct
import warnings
import zipfile
from pathlib import Path

import torch

from unretouch.base import durable
from unretouch.base.errors import CheckpointError, DiskError
from unretouch.base.messages import Words

_LARGEST_PICKLE = 4_000_000


def save_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write `weights` as the classic program does (a plain state dict), whole or not at all.

    Raises DiskError.
    """
    durable.write_bytes(path, serialise({k: v.detach().cpu() for k, v in weights.items()}))


def serialise(value: object) -> memoryview:
    """Return `value` as torch.save writes it. Through memory: the exact size is known before."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getbuffer()


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in `path`, on the CPU.

    Raises CheckpointError, in one line, for whatever else the file may be: missing, truncated,
    damaged, hostile, or something that is not a flat dict of finite tensors.
    """
    value = deserialise(_read(path), path)
    if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
        value = value["state_dict"]
    return _as_state_dict(value, path)


def load_known_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """Return the state dict in `path`, on the CPU, if it is the one file that has this SHA-256.

    Its content being known, it may be in the format of torch before 1.6, which has no archive to
    look through. Raises CheckpointError as load_weights does, and for any other file.
    """
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CheckpointError("is damaged or another file", path, "Install its package again")
    return _as_state_dict(_unpickled(io.BytesIO(data), path), path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError("no such weights file", path) from None
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror}", path) from error


def deserialise(data: bytes | memoryview, where: object) -> object:
    """Return what `serialise` wrote. Raises CheckpointError; never runs code found in `data`."""
    file = io.BytesIO(data)
    _check_archive(file, where)
    file.seek(0)
    return _unpickled(file, where)


def _unpickled(file: io.BytesIO, where: object) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    # Damage shows as RuntimeError, EOFError, OSError, UnpicklingError, KeyError and more.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"is not a plain weights file: {reason[:120]}", where, _HINT
        ) from None


_HINT = "Take it from a trusted source, or save it again as a state dict"
_OLD = "Files of torch before 1.6 must be saved again by a newer torch"


def _check_archive(file: io.BytesIO, where: object) -> None:
    size = file.getbuffer().nbytes
    if not size:
        raise CheckpointError("is empty", where)
    if (
        bytes(file.getbuffer()[:2]) != b"PK"
    ):  # two readers might see two archives behind other bytes
        raise CheckpointError("is damaged or no weights file", where, _OLD)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise CheckpointError("is not a weights file: its archive is compressed", where)
            if sum(info.file_size for info in infos) > size:
                raise CheckpointError(
                    "is not a weights file: its archive claims more than it holds", where
                )
            names = [info.filename.split("/", 1)[-1] for info in infos]
            if len({name.lower() for name in names}) != len(names):  # torch ignores capitals
                raise CheckpointError("is not a weights file: its archive repeats a name", where)
            if "constants.pkl" in names or "data.pkl" not in names:
                raise CheckpointError(
                    "is not a plain weights file",
                    where,
                    "TorchScript and other archives are not opened; save the state dict instead",
                )
            index = infos[names.index("data.pkl")]
            if index.file_size > _LARGEST_PICKLE:
                raise CheckpointError("is not a weights file: its index is too large", where)
            damaged = archive.testzip()
            problem = "" if damaged else problem_of(archive.read(index))
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        struct.error,
    ) as error:
        raise CheckpointError(
            f"is damaged or no weights file ({str(error)[:80] or type(error).__name__})",
            where,
            _OLD,
        ) from None
    if damaged:
        raise CheckpointError(f"is damaged: checksum of {damaged} does not match", where)
    if problem:
        raise CheckpointError(f"is not a plain weights file: {problem}", where, _HINT)


def _as_state_dict(value: object, where: object) -> dict[str, torch.Tensor]:
    if not isinstance(value, dict) or not value:
        raise CheckpointError(f"holds a {type(value).__name__}, not a network's weights", where)
    weights: dict[str, torch.Tensor] = {}
    for key, tensor in value.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            raise CheckpointError(
                f"holds more than tensors ({key!r} is a {type(tensor).__name__})", where
            )
        check_tensor(tensor, key, where)
        weights[key] = tensor
    return weights


def check_tensor(tensor: torch.Tensor, key: str, where: object) -> None:
    """Raise CheckpointError unless `tensor` is dense, as large as it claims, and finite."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise CheckpointError(f"{key} is not a dense tensor", where)
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise CheckpointError(f"{key} claims to be larger than the file", where)
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(f"{key} contains NaN or infinity", where)


def require_space(folder: Path, needed: int, hint: Words = durable.GO_ON_HINT) -> None:
    """Raise DiskError when the disk of `folder` has less than `needed` bytes free."""
    free = durable.free_bytes(folder)
    if free < needed:
        raise DiskError(
            f"not enough space: {durable.megabytes(needed)} needed, {durable.megabytes(free)} free",
            folder,
            hint,
            full=True,
        )


# --- a look through a file's pickle before torch sees it
#
# torch's own guard (`weights_only`) was broken twice (CVE-2025-32434, CVE-2026-24747). This is a
# second one that shares nothing with it: it reads opcodes and executes none.


MOST_OPCODES = 200_000
"""A U-Net with discriminator and both optimisers needs about 16,000."""

MOST_IN_A_TUPLE = 1000
"""Items in a tuple, those of its tuples counted. Tuples of one another grow without bound in a few
bytes, and so does the time to hash them."""

_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(
        f"torch {kind}Storage"
        for kind in (
            "Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool",
        )
    ),
}  # fmt: skip

_TAKEN = {
    "PROTO": 0, "STOP": 0, "APPEND": 1, "BUILD": 1, "SETITEM": 2, "TUPLE1": 1, "TUPLE2": 2,
    "TUPLE3": 3, "REDUCE": 2, "BINPERSID": 1, "GLOBAL": 0, "EMPTY_DICT": 0, "EMPTY_LIST": 0,
    "EMPTY_TUPLE": 0, "BINUNICODE": 0, "BININT": 0, "BININT1": 0, "BININT2": 0, "LONG1": 0,
    "BINFLOAT": 0, "NONE": 0, "NEWTRUE": 0, "NEWFALSE": 0,
}  # fmt: skip
"""Opcodes there may be, with the number of items they take from the stack."""

_TO_MARK = {"TUPLE", "SETITEMS", "APPENDS"}
_MEMO = {"BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
_GIVE_NOTHING = {"PROTO", "STOP", "APPEND", "BUILD", "SETITEM", "SETITEMS", "APPENDS"}


def problem_of(pickle: bytes) -> str:
    """Return what is wrong with `pickle` as the index of a weights file; empty if nothing is."""
    try:
        return _problem_of(pickle)
    except (ValueError, IndexError, KeyError):  # opcodes that do not fit one another
        return "its index is damaged"


def _problem_of(pickle: bytes) -> str:
    stack: list[int] = []  # how many items each object on the stack counts
    marks: list[int] = []
    memo: dict[int, int] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
        name = opcode.name
        if count > MOST_OPCODES:
            return "its index is too large"
        if name == "GLOBAL" and argument not in _GLOBALS:
            return f"it asks to run code ({str(argument).replace(' ', '.')[:60]})"
        if name == "MARK":
            marks.append(len(stack))
            continue
        if name in _MEMO:
            if name.endswith("PUT"):
                memo[int(argument or 0)] = stack[-1]
            else:
                stack.append(memo[int(argument or 0)])
            continue
        if name not in _TAKEN and name not in _TO_MARK:
            return f"it asks for what no weights need ({name})"
        start = marks.pop() if name in _TO_MARK else len(stack) - _TAKEN[name]
        if start < 0:
            return "its index is damaged"
        items = 1 + sum(stack[start:]) if name.startswith("TUPLE") else 1
        if items > MOST_IN_A_TUPLE:
            return "its index nests too much"
        del stack[start:]
        if name not in _GIVE_NOTHING:
            stack.append(items)
    return ""
