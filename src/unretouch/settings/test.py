"""What a test asks for: which run, which pictures, and what differs from the run's settings."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from unretouch.settings.train import DeviceName, Direction, GeneratorName, NormName, Preprocess

TestModel = Literal["test", "pix2pix"]
PredictionMode = Literal["evaluate", "running", "train"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestRequest:
    """One test of a run. None means: as the run says.

    `model` `test` takes every picture in the folder `dataroot`; `pix2pix` takes the pairs in
    `dataroot`/`phase` and compares with the answer. `mode` is that of networks.predict.
    """

    __test__ = False  # the name is no invitation to pytest

    dataroot: str
    name: str
    checkpoints_dir: str = "./checkpoints"
    results_dir: str = "./results/"
    model: TestModel = "test"
    phase: str | None = None
    direction: Direction | None = None
    epoch: str = "latest"
    """latest, best or the number of an epoch"""
    load_iter: int = 0
    """above zero: the weights iter_N instead of those of `epoch`"""
    model_suffix: str = ""
    """the weights are EPOCH_net_G + model_suffix + .pth"""
    input_nc: Literal[1, 3] | None = None
    output_nc: Literal[1, 3] | None = None
    netG: GeneratorName | None = None
    norm: NormName | None = None
    ngf: int | None = None
    no_dropout: bool | None = None
    preprocess: Preprocess | None = None
    load_size: int | None = None
    crop_size: int | None = None
    num_test: int | None = None
    """None: every picture"""
    max_dataset_size: float = math.inf
    mode: PredictionMode = "evaluate"
    aspect_ratio: float = 1.0
    """width over height by which the written pictures are stretched"""
    seed: int = 0
    device: DeviceName = "auto"
