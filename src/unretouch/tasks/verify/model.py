"""The model that is verified: of a run, or in a weights file, with the pairs' lambda_L1."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from unretouch.metrics import Levels
from unretouch.model import load
from unretouch.model.torch_model import TorchModel
from unretouch.pixels.pairs import Pair
from unretouch.report.short_verdicts import lambda_of
from unretouch.runs.folder import RunDir, run_of
from unretouch.settings.train import TrainSettings
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.verify.probe import Rgb


@dataclasses.dataclass(frozen=True)
class Model:
    """A trained generator, and what is said of it in the report."""

    name: str
    weights: Path
    trained: TorchModel
    lambda_L1: float
    run: RunDir | None
    """the folder it came from, where that is a run's"""

    @property
    def settings(self) -> TrainSettings:
        return self.trained.settings

    def predict(self, source: Rgb) -> Levels:
        """Return the prediction for a picture that has the size of training."""
        return self.trained.predict(source)

    def at_scale(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Return the pairs as the model saw pairs in training."""
        return [self.trained.at_scale(pair) for pair in pairs]


def load_model(request: VerifySettings) -> Model:
    """Return the model of a run, or in a weights file. Raises CheckpointError."""
    if request.weights is None:
        run: RunDir | None = run_of(request.run or "", request.checkpoints_dir)
        assert run is not None
        name, path = run.name, load.weights_of(run, request.epoch)
    else:
        name, path = request.weights.name, load.weights_file(None, request.weights)
        folder = path.resolve().parent
        known = (folder / "config.json").exists()
        run = RunDir(folder.parent, folder.name) if known else None
    trained = load.load_model(path, device=request.device, flags=request.given())
    weight = request.lambda_L1
    if weight is None:
        weight = lambda_of(run, trained.settings)
    return Model(name, path, trained, weight, run)
