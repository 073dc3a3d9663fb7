"""From a run or a file to a model: which weights are meant, their settings, and what runs them.

Without torch, until a model is loaded.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unretouch.base.errors import CheckpointError, install_hint
from unretouch.model.interface import RECORD, Model, ModelInfo, info_of_record
from unretouch.pixels.photo_kind import PhotoKind, kinds_of
from unretouch.pixels.spaces import Bits, Sizing
from unretouch.runs.folder import RunDir, run_of
from unretouch.runs.history import holder, read_best
from unretouch.settings.train import (
    DeviceName,
    Direction,
    PrecisionName,
    TrainSettings,
    load_bounds,
    load_settings,
    settings_from,
)

if TYPE_CHECKING:
    import torch

    from unretouch.model.torch_model import TorchModel
    from unretouch.networks import Generator

_CLASSIC_SIZE = {"load_size": 256, "crop_size": 256}
"""How test.py of the classic program sees a picture."""


def weights_file(
    run: str | None,
    weights: Path | None,
    *,
    epoch: str = "latest",
    checkpoints_dir: str = "./checkpoints",
    exported: bool = False,
) -> Path:
    """Return the file `weights`, else that of `run`, which is its name or its folder.

    It may have to be one that `unretouch export` made as ONNX. Raises CheckpointError.
    """
    if weights is None:
        return weights_of(run_of(run or "", checkpoints_dir), epoch, exported=exported)
    if not weights.is_file():
        raise CheckpointError("no such weights file", weights)
    if exported and weights.suffix.lower() != ".onnx":
        raise CheckpointError("is no ONNX file", weights, "Leave out --runtime onnx")
    return weights


def weights_of(
    run: RunDir, epoch: str = "latest", *, suffix: str = "", exported: bool = False
) -> Path:
    """Return the weights file of a run: `latest`, `best`, the number of an epoch, or `iter_N`.

    `suffix` stands before its ending, as the classic --model_suffix says. Raises CheckpointError
    naming the files there are.
    """
    if epoch == "best":
        best = read_best(run)
        if best is None:
            raise CheckpointError("has no best weights yet", run.root, "Take latest")
        epoch = str(best.epoch)
    path = run.weights(epoch, suffix=suffix)
    if exported:
        path = path.with_suffix(".onnx")
        if not path.exists():
            hint = f"Make it: unretouch export {run.name}"
            raise CheckpointError("was not exported", path, hint)
    if not path.exists():
        there = sorted(p.name for p in run.root.glob("*_net_G*.pth"))
        hint = f"There are: {', '.join(there)}" if there else _to_get_weights(run)
        raise CheckpointError("no such weights file", path, hint)
    return path


def _to_get_weights(run: RunDir) -> str:
    if holder(run):
        return "The run is training: its weights come with the first save"
    return "Train the run first"


def load_any(
    path: Path,
    *,
    device: DeviceName = "auto",
    precision: PrecisionName = "auto",
    threads: int | None = None,
) -> Model:
    """Return the model in the file `path`, run by onnxruntime where it is an ONNX file, else by
    torch. `threads` is the number of processor threads; None for all. Raises CheckpointError.
    """
    if path.suffix.lower() == ".onnx":
        from unretouch.model.onnx_model import OnnxModel

        return OnnxModel(path, threads)
    if threads:
        import torch

        torch.set_num_threads(threads)
    return load_model(path, device=device, precision=precision)


def load_model(
    path: Path,
    *,
    device: DeviceName = "auto",
    precision: PrecisionName = "32-true",
    flags: Mapping[str, Any] | None = None,
) -> TorchModel:
    """Return the model in a .pth or .safetensors file, ready to predict; see load_network.

    Raises CheckpointError, UsageError for a device or a precision that is not there.
    """
    from unretouch import networks
    from unretouch.model.torch_model import TorchModel
    from unretouch.training import device as devices

    where = devices.choose(device)
    net, settings, info = load_network(path, flags)
    # Now, not before: what loading took has gone back to the system.
    devices.prepare(where, networks.GENERATORS[settings.netG].kept_bytes)
    return TorchModel(net, settings, info, where, precision)


def load_network(
    path: Path, flags: Mapping[str, Any] | None = None
) -> tuple[Generator, TrainSettings, ModelInfo]:
    """Return the generator in a .pth or .safetensors file, its settings, and what is known of it.

    Settings come from the file's own record, else from config.json beside it, else from the
    weights themselves. `flags`, where there is a command with the flags of the classic test.py,
    are settings by name, and win unless None; where nothing tells at what size a classic generator
    was trained, it is then that of test.py, else the picture's own. Raises CheckpointError.
    """
    from unretouch import networks
    from unretouch.model.torch_model import normalises_by_picture
    from unretouch.runs.weights import load_weights

    record: dict[str, Any] | None = None
    if path.suffix.lower() == ".safetensors":
        weights, record = read_safetensors(path)
    else:
        weights = load_weights(path)
    beside, aspect = path.parent / "config.json", None
    kinds: tuple[PhotoKind, ...] = ()
    slower: float | None = None
    only_skin = False
    bits: Bits | None = None
    if record is not None:
        settings = settings_from(record["settings"], path)
        known = info_of_record(record["model"], str(path))
        aspect, kinds = known.trained_aspect, known.kinds
        slower, only_skin, bits = known.slower, known.only_skin, known.bits
    elif beside.exists():
        settings = load_settings(beside)
        slower, only_skin = load_bounds(beside)
        aspect = trained_aspect(path.parent / "data.json")
        bits = trained_bits(path.parent / "data.json", settings.direction)
        kinds = trained_kinds(path.parent / "photo_kinds.json")
    else:
        settings = recognised(weights, path, as_in_test=flags is not None)
    settings = dataclasses.replace(settings, **_given(flags or {}))
    net = networks.build_generator(settings)
    networks.load_weights(net, weights, path)
    net.slower, net.only_skin = slower, only_skin
    info = ModelInfo(
        generator=str(networks.describe_weights(weights) or settings.netG),
        origin=str(path),
        multiple=net.size_multiple,
        per_picture=normalises_by_picture(net),
        sizing=Sizing(settings.preprocess, settings.load_size, settings.crop_size),
        trained_aspect=aspect,
        margin=net.margin,
        kinds=kinds,
        slower=slower,
        only_skin=only_skin,
        aim=settings.aim,
        bits=bits,
        guesses=net.guesses and not net.does_nothing(),
    )
    return net, settings, info


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    # A model sees whole pictures: the classic pair load_size and crop_size means one size here.
    given = {name: value for name, value in flags.items() if value is not None}
    if "crop_size" in given:
        given.setdefault("load_size", given["crop_size"])
    if "load_size" in given:
        given["crop_size"] = min(given["load_size"], given.get("crop_size", given["load_size"]))
    return given


def trained_bits(manifest: Path, direction: Direction) -> Bits | None:
    """Return the bits of a channel of a run's sources, 16 where any has so many; None where that is
    not recorded."""
    try:
        return source_bits(json.loads(manifest.read_text("utf-8")), direction)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def source_bits(manifest: Iterable[Mapping[str, Any]], direction: Direction) -> Bits:
    """Return the bits of a channel of the sources in the records of pairs, 16 where any has so
    many. Raises KeyError, TypeError or AttributeError for what is no manifest."""
    sources: dict[str, Mapping[str, Any]] = {}
    for record in manifest:
        # A and B in this order; one file for a pair holds both.
        if direction == "BtoA" or record["pair"] not in sources:
            sources[record["pair"]] = record
    return 16 if any(record.get("bits") == 16 for record in sources.values()) else 8


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


def trained_kinds(path: Path) -> tuple[PhotoKind, ...]:
    """Return of what kind a run's training pictures are; none where that is not recorded."""
    try:
        return kinds_of(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def recognised(
    weights: Mapping[str, torch.Tensor], path: Path, as_in_test: bool = False
) -> TrainSettings:
    """Return settings of a generator with these weights, told by their keys and shapes.

    It then sees a picture at its own size; a classic generator `as_in_test` at that of test.py.
    Raises CheckpointError for weights of no generator that is known.
    """
    from unretouch import networks

    found = networks.describe_weights(weights)
    kind = None if found is None else networks.GENERATORS.get(found.netG)  # type: ignore[call-overload]
    if found is None or kind is None:
        raise CheckpointError(
            f"holds {found or 'no generator that is known here'}", path, "Put config.json beside it"
        )
    classic = as_in_test and not kind.takes_fast_recipe
    size: dict[str, Any] = _CLASSIC_SIZE if classic else {"preprocess": "none"}
    return TrainSettings(dataroot="", **found.settings(), **size)


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
        info_of_record(record["model"], str(path))
        record["settings"].items()
    except (KeyError, TypeError, AttributeError):
        raise CheckpointError("is no model that unretouch exported", path) from None
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"is damaged: {error}", path) from None
    return weights, record
