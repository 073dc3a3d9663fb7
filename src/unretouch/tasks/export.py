"""`unretouch export`: weights in; out come a checked file for other programs, and its model card,
which says what someone who gets the file ought to know."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import ExitCode, UsageError, VerificationError, install_hint
from unretouch.base.terminal import tell
from unretouch.model.interface import RECORD
from unretouch.model.load import load_network, read_safetensors, weights_file
from unretouch.networks.classic import EPSILON, InstanceNorm
from unretouch.networks.detail import in_channels
from unretouch.networks.generator import Draw, Generator
from unretouch.networks.prediction import SMALLEST
from unretouch.runs.weights import load_weights, serialise
from unretouch.settings.commands import ExportSettings

Kind = Literal["onnx", "safetensors", "pth"]

_PRIVATE = ("dataroot", "also", "name", "checkpoints_dir")
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
        tell(line, sys.stdout)
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
    if kind == "onnx":
        info = replace(info, guesses=False)
    weights = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    record = {
        "version": __version__,
        "weights_sha256": durable.digest_of(source),
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
        trained_on=f"{_pairs(data)} at {size}" + (", 16 bits" if model["bits"] == 16 else ""),
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


# --- ONNX: RGB in 0..1, any size, in and out; compared with torch


SIZES = ((67, 101), (128, 96), (37, 211), (255, 64))
"""Height and width of the pictures on which both are compared: odd ones, and an even one."""

TOLERANCE = 0.01
"""Grey levels by which onnxruntime may differ from torch."""


class Exported(nn.Module):
    """float32 (1, 3, H, W) RGB in 0..1 to the same, H and W free, clamped.

    Contains what `spaces.to_network`, `networks.predict` in mode "evaluate" and `spaces.to_levels`
    do: the range, padding to the network's multiple by reflection, statistics of the picture.
    """

    def __init__(self, net: Generator) -> None:
        super().__init__()
        self.net = net.eval()
        self.net.set_draw(Draw(0.0))  # a file without a place draws nothing
        self.multiple = net.size_multiple
        self.input_nc, self.output_nc = net.input_nc, net.output_nc
        _normalise_by_picture(self.net)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        height, width = picture.shape[-2:]
        source = in_channels(picture * 2 - 1, self.input_nc)
        extended = _extended(_extended(source, 2, self.multiple), 3, self.multiple)
        prediction = self.net(extended)[:, :, :height, :width]
        if (self.input_nc, self.output_nc) == (3, 3):
            result: torch.Tensor = (prediction + 1) / 2
        else:  # a grey network changes the light and leaves the colours
            result = picture + (prediction - source) / 2
        return result.clamp(0, 1)


def onnx_bytes(network: Exported, record: dict[str, Any]) -> bytes:
    """Return the network as an ONNX file with `record` in it. Raises UsageError."""
    _require()
    # Odd and unequal, so that nothing is taken for fixed or for equal.
    example = torch.rand(1, 3, 2 * network.multiple + 1, 3 * network.multiple + 5)
    free = {2: torch.export.Dim("height", min=1), 3: torch.export.Dim("width", min=1)}
    with _quiet():
        program = torch.onnx.export(
            network.eval(),
            (example,),
            dynamo=True,
            input_names=["picture"],
            output_names=["restored"],
            dynamic_shapes={"picture": free},
            verbose=False,
        )
    if program is None:
        raise UsageError("this torch cannot export by dynamo", "--to onnx")
    program.model.metadata_props[RECORD] = json.dumps(record, ensure_ascii=False)
    data: bytes = program.model_proto.SerializeToString()
    return data


def difference(network: Exported, data: bytes) -> float:
    """Return the largest difference in grey levels between torch and onnxruntime over SIZES.

    Raises VerificationError above TOLERANCE.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    largest = 0.0
    for height, width in SIZES:
        picture = random.random((1, 3, height, width), np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(picture)).numpy()
        (found,) = session.run(None, {"picture": picture})
        if found.shape != expected.shape:
            raise VerificationError(f"onnxruntime returns {found.shape} for {expected.shape}")
        largest = max(largest, float(np.abs(found - expected).max()) * 255)
    if not largest <= TOLERANCE:  # NaN as well
        raise VerificationError(
            f"onnxruntime differs from torch by {largest:.3g} grey levels, "
            f"more than {TOLERANCE}: nothing was written"
        )
    return largest


def _require() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(f"needs {error.name}", "--to onnx", install_hint("export")) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks about its own steps and about packages that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _extended(x: torch.Tensor, dimension: int, multiple: int) -> torch.Tensor:
    """As networks.prediction.padded, in operations whose sizes stay free."""
    size = x.shape[dimension]
    least = torch.sym_max(size, SMALLEST)  # type: ignore[no-untyped-call]
    wanted = (least + multiple - 1) // multiple * multiple
    # A tensor, as the exporter knows no remainder by a free size.
    period = torch.sym_max(2 * (size - 1), 1)  # type: ignore[no-untyped-call]
    period = torch.full((1,), period, dtype=torch.int64)
    index = torch.arange(wanted) % period
    index = torch.minimum(index, period - index)
    # For one pixel: period 1 leaves 0 and 1 - 0.
    return x.index_select(dimension, index.clamp(max=size - 1))


class _PictureNorm(nn.Module):
    """Batch normalisation by the statistics of one picture, as instance normalisation."""

    def __init__(self, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = (
            None if weight is None else nn.Parameter(weight.detach().clone()),
            None if bias is None else nn.Parameter(bias.detach().clone()),
            eps,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


def _normalise_by_picture(net: nn.Module) -> None:
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, _PictureNorm(child.weight, child.bias, child.eps))
            elif isinstance(child, InstanceNorm):
                setattr(module, name, _PictureNorm(None, None, EPSILON))
