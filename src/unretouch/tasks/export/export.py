"""One export: weights in, a checked file and its card out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import UsageError, VerificationError
from unretouch.base.extras import install_hint
from unretouch.runs.weights import load_weights, serialise
from unretouch.settings.network import WeightsSettings
from unretouch.tasks.apply.loading import load_network, read_safetensors, weights_file
from unretouch.tasks.apply.onnx_model import RECORD
from unretouch.tasks.export.card import PLAIN, card
from unretouch.tasks.export.exported_network import Exported
from unretouch.tasks.export.onnx_file import SIZES, difference, onnx_bytes

Kind = Literal["onnx", "safetensors", "pth"]

_PRIVATE = ("dataroot", "name", "checkpoints_dir")
"""Settings that tell of the owner's folders and not of the model."""


@dataclass(frozen=True)
class Export:
    """What was written."""

    path: Path
    card: Path
    check: str
    note: str = ""
    """what the file does not hold"""


def export(request: WeightsSettings, kind: Kind, out: Path | None = None) -> Export:
    """Write the model of `request` as `kind` to `out`, else beside its weights; a card with it.

    Raises CheckpointError, VerificationError where the file is not equal to what it was made of,
    UsageError where a package is missing or `out` is the weights themselves, DiskError.
    """
    source = weights_file(request)
    path = out or source.with_name(f"{source.stem}{'.export' if kind == 'pth' else ''}.{kind}")
    if path.resolve() == source.resolve():
        raise UsageError("is the file to be exported", "--out")
    net, settings, info = load_network(source)
    weights = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    record = {
        "version": __version__,
        "weights_sha256": info.checksum,
        "settings": {**settings.to_dict(), **dict.fromkeys(_PRIVATE, "")},
        "data": _manifest(source.parent / "data.json"),
        "model": info.record(),
    }
    durable.make_folder(path.parent)
    if kind == "onnx":
        network = Exported(net, settings.input_nc, settings.output_nc)
        data = onnx_bytes(network, {**info.record(), **record})
        largest = difference(network, data)
        check = (
            f"onnxruntime against torch on {len(SIZES)} sizes: "
            f"at most {largest:.1g} grey levels apart"
        )
        durable.write_bytes(path, data)
    else:
        check = _write_tensors(path, kind, weights, record)
    beside = path.with_name(f"{path.name}.md")
    durable.write_text(beside, card(path.name, kind, record, check))
    return Export(path, beside, check, PLAIN if kind == "pth" else "")


def _write_tensors(
    path: Path, kind: Kind, weights: dict[str, torch.Tensor], record: dict[str, Any]
) -> str:
    temporary = path.with_name(f"{path.name}{durable.TEMPORARY_SUFFIX}")
    if kind == "safetensors":
        try:
            from safetensors.torch import save
        except ImportError:
            raise UsageError("needs safetensors", "--to", install_hint("export")) from None
        text = json.dumps(record, ensure_ascii=False)
        durable.write_bytes(temporary, save(weights, {"format": "pt", RECORD: text}))
        found = read_safetensors(temporary)[0]
    else:
        durable.write_bytes(temporary, serialise(weights))
        found = load_weights(temporary)
    same = found.keys() == weights.keys() and all(
        torch.equal(found[key], value) for key, value in weights.items()
    )
    if not same:
        durable.remove(temporary)
        raise VerificationError("what was written reads back differently", path)
    durable.rename(temporary, path)
    return "read back, every weight equal bit for bit"


def _manifest(path: Path) -> list[dict[str, Any]]:
    """Return what is known of the training pictures, without their names."""
    try:
        records = json.loads(path.read_text("utf-8"))
        numbers: dict[str, int] = {}
        return [
            {
                "pair": numbers.setdefault(record["pair"], len(numbers) + 1),
                "sha256": record["sha256"],
                "width": record["width"],
                "height": record["height"],
            }
            for record in records
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
