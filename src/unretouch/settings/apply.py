"""The settings of `unretouch apply`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from unretouch.base.errors import UsageError
from unretouch.settings.fields import Count, EngineName, Word, between, check
from unretouch.settings.network import WeightsSettings
from unretouch.settings.train import DeviceName, PrecisionName

PROG = "unretouch apply"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplySettings(WeightsSettings):
    """Restore photographs at their own size, depth, colours and format."""

    run: Annotated[str | None, Word("RUN", unless="weights")] = None
    """a run: its name or folder; leave it out with --weights"""
    photos: Annotated[tuple[str, ...], Word("PHOTO...")] = ()
    """photographs, folders or patterns such as *.jpg"""
    out: Path = Path("restored")
    """folder of what is made; also -o. The same command run again goes on where it stopped"""
    weights: Path | None = None
    """a weights file instead of a run: .pth (also of the classic program), .safetensors, .onnx"""
    strength: Annotated[float, between(0, 1.5)] = 1.0
    """how much of the detail is brought back: 0 nothing, 1 as learnt, up to 1.5"""
    mask: str | None = None
    """where: skin, learnt (what the training pairs changed) or a picture; unset, everywhere"""
    scale: Literal["training", "full"] = "training"
    """at which size the network sees a photograph, where it was trained on reduced ones"""
    format: Literal["keep", "jpeg", "png", "tiff", "webp"] = "keep"
    """of the files that are written"""
    profile: Literal["honour", "ignore"] = "honour"
    """ignore takes the numbers of a photograph in another colour space as they are"""
    keep_gps: bool = False
    """keep where the photograph was taken"""
    overwrite: bool = False
    """replace files of the same name in --out that apply did not make"""
    jobs: Count | None = None
    """processes that share the work, each with its own memory; unset, one, with --engine ray all
    that it reaches"""
    engine: EngineName = "local"
    """where they run: local is this computer, ray (an extra) all its cores or a cluster"""
    runtime: Literal["torch", "onnx"] = "torch"
    """onnx runs what `unretouch export` made, without torch"""
    device: DeviceName = "auto"
    """where to compute; auto takes CUDA, then MPS, then the processor"""
    precision: PrecisionName = "auto"
    """auto computes the generator `detail` in bf16 where the processor has it"""

    def __post_init__(self) -> None:
        check(self)
        if not self.photos:
            hint = f"Write: {PROG} RUN PHOTO... -o FOLDER"
            raise UsageError("no photograph was given", PROG, hint)
        if (self.run is None) == (self.weights is None):
            raise UsageError("one of both is needed", "run, weights")
