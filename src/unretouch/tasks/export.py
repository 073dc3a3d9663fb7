"""`unretouch export`: weights in; out come a checked file for other programs, and its model card,
which says what someone who gets the file ought to know."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import torch

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import ExitCode, UsageError, VerificationError, install_hint
from unretouch.model.interface import RECORD
from unretouch.model.load import load_network, read_safetensors, weights_file
from unretouch.runs.weights import load_weights, serialise
from unretouch.settings.commands import ExportSettings
from unretouch.tasks.onnx_file import SIZES, Exported, difference, onnx_bytes

Kind = Literal["onnx", "safetensors", "pth"]

_PRIVATE = ("dataroot", "name", "checkpoints_dir")
"""Settings that tell of the owner's folders and not of the model."""

PLAIN = (
    "a plain .pth holds no settings: lay the run's config.json beside it, or photographs are "
    "restored at their own size, whatever the size of training was"
)

_USE = {
    "onnx": """```python
import numpy, onnxruntime
from PIL import Image

picture = numpy.asarray(Image.open("portrait.png").convert("RGB"), numpy.float32) / 255
session = onnxruntime.InferenceSession("{file}")
(restored,) = session.run(None, {{"picture": picture.transpose(2, 0, 1)[None]}})
Image.fromarray((restored[0].transpose(1, 2, 0) * 255).round().astype("uint8")).save("out.png")
```

Input `picture` and output `restored`: float32 (1, 3, height, width), sRGB in 0..1, any height and
width. Range and padding are inside.""",
    "safetensors": "The tensors have the names of the generator's state dict; the settings to "
    "build it are in the file's metadata under `unretouch`.",
    "pth": "A plain state dict as `torch.save` writes it, with the keys of the generator; "
    f"{PLAIN}.",
}


def main(settings: ExportSettings) -> int:
    """Export. Returns the exit code. Raises UnretouchError."""
    weights = weights_file(
        settings.run,
        settings.weights,
        epoch=settings.epoch,
        checkpoints_dir=settings.checkpoints_dir,
    )
    for line in export(weights, settings.to, settings.out):
        print(line)
    return ExitCode.OK


def export(source: Path, kind: Kind, out: Path | None = None) -> list[str]:
    """Write the model in the weights file `source` as `kind` to `out`, else beside it; a card too.

    Returns lines that say what was written, and how it was checked.

    Raises CheckpointError, VerificationError where the file is not equal to what it was made of,
    UsageError where a package is missing or `out` is the weights themselves, DiskError.
    """
    path = out or source.with_name(f"{source.stem}{'.export' if kind == 'pth' else ''}.{kind}")
    if path.resolve() == source.resolve():
        raise UsageError("is the file to be exported", "--out")
    net, settings, info = load_network(source)
    weights = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    record = {
        "version": __version__,
        "weights_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "settings": {**settings.to_dict(), **dict.fromkeys(_PRIVATE, "")},
        "data": _manifest(source.parent / "data.json"),
        "model": info.record(),
    }
    durable.make_folder(path.parent)
    if kind == "onnx":
        network = Exported(net)
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
    durable.write_text(beside, _card(path.name, kind, record, check))
    note = [f"note: {PLAIN}"] if kind == "pth" else []
    return [f"{path}: {check}", *note, f"model card: {beside}"]


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


def _card(file: str, kind: str, record: dict[str, Any], check: str) -> str:
    """Return the card of the exported `file` as Markdown. `check` says how it was checked."""
    settings, model, data = record["settings"], record["model"], record["data"]
    sizing = model["sizing"]
    size = (
        "full size"
        if sizing["preprocess"] in ("none", "crop")
        else f"{sizing['load_size']} pixels ({sizing['preprocess']})"
    )
    template = Path(__file__).with_name("model_card.md").read_text("utf-8")
    return template.format(
        file=file,
        version=record["version"],
        generator=model["generator"],
        direction=settings["direction"],
        trained_on=f"{_pairs(data)} at {size}",
        recipe=settings["recipe"],
        lambda_L1=settings["lambda_L1"],
        seed=settings["seed"],
        weights_sha256=record["weights_sha256"],
        check=check,
        use=_USE[kind].format(file=file),
    )


def _pairs(data: list[dict[str, Any]]) -> str:
    if not data:
        return "pairs that were not recorded"
    pairs = len({record["pair"] for record in data})
    return f"{pairs} pair{'s' if pairs != 1 else ''}"
