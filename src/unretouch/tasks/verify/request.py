"""What a verification asks for. Plain data; None means: as the run says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unretouch.jobs import EngineName
from unretouch.report.verdicts import Thresholds
from unretouch.settings.train import DeviceName, Direction, GeneratorName, NormName, Preprocess


@dataclass(frozen=True, kw_only=True)
class Network:
    """What weights alone may not tell of their network, and the size at which it sees pictures."""

    netG: GeneratorName | None = None
    norm: NormName | None = None
    ngf: int | None = None
    no_dropout: bool | None = None
    input_nc: Literal[1, 3] | None = None
    output_nc: Literal[1, 3] | None = None
    preprocess: Preprocess | None = None
    load_size: int | None = None
    crop_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """One verification: of `run`, of a `weights` file, or of finished pictures in `images`."""

    run: str | None = None
    """name of a run, or its folder"""
    weights: Path | None = None
    images: Path | None = None
    checkpoints_dir: str = "./checkpoints"
    epoch: str = "latest"
    dataroot: str | None = None
    phase: str | None = None
    direction: Direction | None = None
    heldout: Path | None = None
    """folder of pairs that were not trained on"""
    cross_minutes: float | None = None
    """hold each training pair out in turn, training for so long in all; None: do not"""
    self_test: tuple[Path, ...] = ()
    """untouched photos"""
    probe: bool = True
    deep: bool = False
    """measure the deep distance too, which needs its extra"""
    network: Network = field(default_factory=Network)
    lambda_L1: float | None = None
    out: Path | None = None
    """folder of the report; None: the run's own, or ./verify"""
    device: DeviceName = "auto"
    engine: EngineName = "local"
    jobs: int | None = None
    """processes that share the pairs; None: this one, or with another engine as many as it has"""
    thresholds: Thresholds = field(default_factory=Thresholds)
