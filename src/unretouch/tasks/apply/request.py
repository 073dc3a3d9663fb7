"""What is asked of `apply`, and what it says of each photograph. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unretouch.base.errors import DataError
from unretouch.pixels.photos import FormatName
from unretouch.settings.train import DeviceName, PrecisionName

Runtime = Literal["torch", "onnx"]


@dataclass(frozen=True)
class ModelRequest:
    """Which model, and how to run it. Either `run` or `weights` is given."""

    run: str | None = None
    """name of a run, or its folder"""
    weights: Path | None = None
    epoch: str = "latest"
    checkpoints_dir: str = "./checkpoints"
    runtime: Runtime = "torch"
    device: DeviceName = "auto"
    precision: PrecisionName = "auto"


@dataclass(frozen=True)
class ApplyRequest:
    """What to do with every photograph."""

    model: ModelRequest
    out: Path
    strength: float = 1.0
    mask: str | None = None
    """skin, learnt, a file, or None for everywhere"""
    format: FormatName | None = None
    """None keeps each photograph's own"""
    keep_gps: bool = False
    full_scale: bool = False
    honour_profile: bool = True
    overwrite: bool = False


@dataclass(frozen=True)
class Done:
    """One photograph that was restored, or was already."""

    source: Path
    output: Path
    megapixels: float = 0.0
    seconds: float = 0.0
    """for computing and writing"""
    mean_change: float = 0.0
    """grey levels of 255"""
    notes: tuple[str, ...] = ()
    already: bool = False


@dataclass(frozen=True)
class Failed:
    """One photograph that was not."""

    error: DataError
