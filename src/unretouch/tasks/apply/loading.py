"""Find a model: of a run, or in any weights file, and say what was found."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unretouch.base.errors import CheckpointError
from unretouch.base.extras import install_hint
from unretouch.pixels.preprocess import Sizing
from unretouch.runs.folder import run_of
from unretouch.settings.network import WeightsSettings
from unretouch.settings.train import (
    DeviceName,
    PrecisionName,
    TrainSettings,
    load_settings,
    settings_from,
)
from unretouch.tasks.apply.model import Model, ModelInfo, checksum, info_of_record
from unretouch.tasks.apply.onnx_model import RECORD, OnnxModel

if TYPE_CHECKING:
    import torch
    from torch import nn


KEPT = {"detail": 128_000_000}
"""Bytes of the largest tensor whose memory is kept, by generator: those of `detail` in a tile."""
KEPT_ELSE = 16_000_000
"""The same for classic generators. Their tensors are of so many sizes that kept memory would fall
into gaps which nothing fits into: half as much again as is needed."""


def load_model(
    path: Path,
    *,
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    threads: int | None = None,
) -> Model:
    """Return the model in a weights file, ready to run on so many processor threads, or all.

    Raises CheckpointError.
    """
    if path.suffix.lower() == ".onnx":
        return OnnxModel(path, threads)
    from unretouch.tasks.apply.torch_model import TorchModel
    from unretouch.training import device as devices

    if threads:
        import torch

        torch.set_num_threads(threads)
    where = devices.choose(device)
    net, settings, info = load_network(path)
    # Now, not before: what loading took has gone back to the system.
    devices.prepare(where, KEPT.get(settings.netG, KEPT_ELSE))
    return TorchModel(net, settings, info, where, precision)


def weights_file(request: WeightsSettings, exported: bool = False) -> Path:
    """Return the file that `request` means; with `exported` it has to be one as ONNX.

    Raises CheckpointError naming those there are.
    """
    path = request.weights
    if path is not None:
        if not path.is_file():
            raise CheckpointError("no such weights file", path)
        if exported and path.suffix.lower() != ".onnx":
            raise CheckpointError("is no ONNX file", path, "Leave out --runtime onnx")
        return path
    run = run_of(request.run or "", request.checkpoints_dir)
    epoch = request.epoch
    if epoch == "best":
        try:
            epoch = str(json.loads(run.best.read_text("utf-8"))["epoch"])
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError("has no best weights yet", run.root, "Take latest") from error
    path = run.weights(epoch)
    if exported:
        path = path.with_suffix(".onnx")
        if not path.exists():
            hint = f"Make it: unretouch export {run.name}"
            raise CheckpointError("was not exported", path, hint)
    if not path.exists():
        there = sorted(p.name for p in run.root.glob("*_net_G*.pth"))
        hint = f"There are: {', '.join(there)}" if there else "Train the run first"
        raise CheckpointError("no such weights file", path, hint)
    return path


def load_network(path: Path) -> tuple[nn.Module, TrainSettings, ModelInfo]:
    """Return the generator in a .pth or .safetensors file, its settings, and what is known of it.

    Settings come from the file's own record, else from config.json beside it, else from the
    weights themselves. Raises CheckpointError.
    """
    from unretouch import networks
    from unretouch.runs import weights as weights_file
    from unretouch.tasks.apply.torch_model import normalises_by_picture

    record: dict[str, Any] | None = None
    if path.suffix.lower() == ".safetensors":
        weights, record = read_safetensors(path)
    else:
        weights = weights_file.load_weights(path)
    settings, aspect = _settings(path, weights, record)
    net = networks.build_generator(settings)
    networks.load_weights(net, weights, path)
    info = ModelInfo(
        generator=_description(settings, weights),
        origin=str(path),
        checksum=checksum(path.read_bytes()),
        multiple=int(net.size_multiple),  # type: ignore[arg-type]
        per_picture=normalises_by_picture(net),
        sizing=Sizing(settings.preprocess, settings.load_size, settings.crop_size),
        trained_aspect=aspect,
        margin=getattr(net, "margin", None),
    )
    return net, settings, info


def _settings(
    path: Path, weights: Mapping[str, torch.Tensor], record: dict[str, Any] | None
) -> tuple[TrainSettings, float | None]:
    """Return the settings that fit the weights, and the aspect of the training pictures."""
    if record is not None:
        settings = settings_from(record["settings"], path)
        return settings, record.get("model", {}).get("trained_aspect")
    beside = path.parent / "config.json"
    if beside.exists():
        return load_settings(beside), trained_aspect(path.parent / "data.json")
    return recognised(weights, path), None


def trained_aspect(manifest: Path) -> float | None:
    """Return the median width / height of a run's training pictures; None where not recorded."""
    try:
        records = json.loads(manifest.read_text("utf-8"))
        per_pair: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            per_pair.setdefault(record["pair"], []).append(record)
        aspects = [
            # One file for a pair holds both sides next to each other.
            pair[0]["width"] / (2 if len(pair) == 1 else 1) / pair[0]["height"]
            for pair in per_pair.values()
        ]
        return statistics.median(aspects) if aspects else None
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def recognised(weights: Mapping[str, torch.Tensor], path: Path) -> TrainSettings:
    """Return settings of a generator with these weights, told by their keys and shapes.

    A picture is then taken at its own size, as nothing is known of the training. Raises
    CheckpointError for weights of no generator that is known.
    """
    from unretouch import networks
    from unretouch.networks import detail

    base = TrainSettings(dataroot="", preprocess="none", netG="detail")
    if "fine.stem.weight" in weights:
        return dataclasses.replace(base, size="pyramid")
    stem = weights.get("stem.weight")
    if stem is not None:
        size = detail.size_of(stem)
        if size is not None:
            return dataclasses.replace(base, size=size)  # type: ignore[arg-type]
    found = networks.describe_weights(weights)
    if found is None or found.netG not in networks.GENERATORS:
        raise CheckpointError(
            f"holds {found or 'no generator that is known here'}", path, "Put config.json beside it"
        )
    return dataclasses.replace(
        base,
        netG=found.netG,
        norm=found.norm,
        ngf=found.ngf,
        input_nc=found.input_nc,  # type: ignore[arg-type]
        output_nc=found.output_nc,  # type: ignore[arg-type]
        no_dropout=found.dropout is False,
    )


def _description(settings: TrainSettings, weights: Mapping[str, torch.Tensor]) -> str:
    from unretouch import networks

    if settings.netG == "detail":
        return f"detail, size {settings.size}"
    return str(networks.describe_weights(weights) or settings.netG)


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return weights and record of what `unretouch export` wrote. Raises CheckpointError."""
    try:
        import safetensors
    except ImportError:
        raise CheckpointError(
            "safetensors is not installed", path, install_hint("export")
        ) from None
    try:
        with safetensors.safe_open(path, "pt") as file:
            record = json.loads((file.metadata() or {})[RECORD])
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        info_of_record(record["model"], str(path), "")
        record["settings"].items()
    except (KeyError, TypeError, AttributeError):
        raise CheckpointError("is no model that unretouch exported", path) from None
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"is damaged: {error}", path) from None
    return weights, record


def describe(info: ModelInfo) -> str:
    """Return one line on what was found in the weights."""
    sizing = info.sizing
    full = sizing.preprocess in ("none", "crop")
    trained = "full size" if full else f"{sizing.load_size} px ({sizing.preprocess})"
    return f"{info.origin}: {info.generator}, for pictures at {trained}"
