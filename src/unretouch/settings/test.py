"""The settings of `unretouch test` and of test.py, named as the classic flags are."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Literal

from unretouch.base.errors import UsageError
from unretouch.settings.classic import IdleFlags
from unretouch.settings.fields import (
    EPOCH,
    NotNegativeInt,
    PositiveFloat,
    PositiveInt,
    Settings,
)
from unretouch.settings.train import (
    Channels,
    DeviceName,
    Direction,
    DiscriminatorName,
    GeneratorName,
    InitName,
    NormName,
    PairCount,
    Preprocess,
)

PredictionMode = Literal["evaluate", "running", "train"]
__test__ = False  # the file's name is no invitation to pytest


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSettings(Settings):
    """What differs from the run's settings.

    What is unset is as the run says, or as the weights tell.
    """

    direction: Direction | None = None
    """AtoB: from retouched (A) to before (B); BtoA learns the retouch"""
    netG: GeneratorName | None = None
    """generator"""
    norm: NormName | None = None
    """its normalisation"""
    ngf: PositiveInt | None = None
    """its filters in the last layer"""
    no_dropout: bool = False
    """it has no dropout"""
    input_nc: Channels | None = None
    """channels of its input"""
    output_nc: Channels | None = None
    """channels of its output"""
    preprocess: Preprocess | None = None
    """what was done to a pair's size in training"""
    load_size: PositiveInt | None = None
    """size at which it was trained"""
    crop_size: PositiveInt | None = None
    """window of its training"""

    def given(self) -> dict[str, Any]:
        """Return those of these settings that were given, by name."""
        names = [field.name for field in dataclasses.fields(NetworkSettings)]
        found = vars(self)
        return {name: found[name] for name in names if found[name] not in (None, False)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdleTestFlags(IdleFlags):
    """Classic flags of a test that are accepted and have no work here."""

    num_threads: int = 4
    batch_size: int = 1
    serial_batches: bool = False
    no_flip: bool = False
    """a test takes the pictures one by one, in order, never mirrored"""
    ndf: int = 64
    netD: DiscriminatorName = "basic"
    n_layers_D: int = 3
    init_type: InitName = "normal"
    init_gain: float = 0.02
    """a test loads the generator; it needs no discriminator and no initialisation"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestSettings(NetworkSettings, IdleTestFlags):
    """Apply a trained run to its pairs or to new pictures.

    What no flag says is taken from the run.
    """

    BASICS = (
        "dataroot", "name", "model", "epoch", "phase", "num_test", "results_dir",
        "checkpoints_dir", "noisy", "device",
    )  # fmt: skip

    __test__ = False  # the name is no invitation to pytest

    dataroot: str
    """with --model test: the folder of the pictures; with --model pix2pix: that of the pairs"""
    name: str = "experiment_name"
    """name of the run"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""
    results_dir: str = "./results/"
    """folder of all results"""
    model: Literal["test", "pix2pix"] = "test"
    """test: any pictures; pix2pix: pairs, compared with the answer"""
    dataset_mode: Literal["single", "aligned"] | None = None
    """how the pictures lie; unset, single for --model test, aligned for --model pix2pix"""
    phase: str | None = None
    """subfolder of dataroot with the pairs; unset, test if there is one, else train"""
    epoch: Annotated[str, EPOCH] = "latest"
    """which weights: latest, best or the number of an epoch"""
    load_iter: NotNegativeInt = 0
    """above zero: the weights iter_N instead of those of --epoch"""
    model_suffix: str = ""
    """load EPOCH_net_G + this + .pth"""
    num_test: PositiveInt | None = None
    """stop after so many pictures; unset, all are treated"""
    eval: bool = False
    """use the running statistics of batch norm, as the classic --eval"""
    noisy: bool = False
    """dropout on, as the classic program without --eval: every call gives another picture"""
    aspect_ratio: PositiveFloat = 1.0
    """width over height by which the written pictures are stretched"""
    max_dataset_size: PairCount = math.inf
    """use only the first so many pictures"""
    suffix: str = ""
    """added to the name after an underscore, flags filled in: {netG}_{load_size}"""
    seed: NotNegativeInt = 0
    """seed of what is random with --noisy"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eval and self.noisy:
            raise UsageError("contradicts --eval", "--noisy", "Give one of the two")
        customary = "single" if self.model == "test" else "aligned"
        if self.dataset_mode not in (None, customary):
            raise UsageError(
                f"--model {self.model} reads --dataset_mode {customary}",
                f"--dataset_mode {self.dataset_mode}",
                "--model test takes single pictures, --model pix2pix pairs",
            )

    @property
    def mode(self) -> PredictionMode:
        """How dropout and batch norm work, as networks.predict names it."""
        return "running" if self.eval else "train" if self.noisy else "evaluate"


OURS = frozenset({"device", "noisy", "seed"})
"""Flags of a test that the classic program does not have."""
