"""What several commands ask of a model: which weights are meant, and what differs from the run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from unretouch.settings.fields import PositiveInt, Word
from unretouch.settings.train import Channels, Direction, GeneratorName, NormName, Preprocess


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsSettings:
    """Which weights: those of a run, or a file."""

    run: Annotated[str | None, Word("[RUN]")] = None
    """a run: its name or folder; leave it out with --weights"""
    weights: Path | None = None
    """a weights file instead of a run: .pth (also of the classic program) or .safetensors"""
    epoch: str = "latest"
    """which weights of the run: latest, best or an epoch's number"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What differs from the run's settings; unset, as the run says, or the weights tell."""

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
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value not in (None, False)}
