"""The model that is verified: a generator with the settings it is used with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from unretouch.metrics import Levels
from unretouch.pixels.pairs import Pair
from unretouch.pixels.preprocess import resized
from unretouch.runs.folder import RunDir, run_of
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.test import generator_of, trained_generator, weights_path
from unretouch.tasks.verify.brief import lambda_of
from unretouch.tasks.verify.probe import Rgb
from unretouch.training.evaluation import predicted
from unretouch.training.training_pairs import sizing


@dataclasses.dataclass(frozen=True)
class Model:
    """A generator, ready to predict in evaluation mode."""

    name: str
    weights: Path
    generator: nn.Module
    settings: TrainSettings
    lambda_L1: float
    run: RunDir | None
    """the folder it came from, where that is a run's"""

    def predict(self, source: Rgb) -> Levels:
        """Return the prediction for a picture that has the size of training."""
        return predicted(self.generator, source)

    def at_scale(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Return the pairs at the size at which the model was trained."""
        how = sizing(self.settings)
        return [
            Pair(pair.name, resized(pair.source, how), resized(pair.target, how), pair.files)
            for pair in pairs
        ]


def load_model(request: VerifySettings) -> Model:
    """Return the model of a run, or in a weights file. Raises CheckpointError."""
    if request.weights is not None:
        return _of_weights(request, request.weights)
    run = run_of(request.run or "", request.checkpoints_dir)
    asked = _asked(request, run.name, str(run.root.parent))
    generator, settings = trained_generator(run, asked)
    path = weights_path(run, asked)
    return Model(run.name, path, generator, settings, _lambda(request, settings, run), run)


def _of_weights(request: VerifySettings, path: Path) -> Model:
    beside = path.resolve().parent
    asked = _asked(request, path.stem, str(beside))
    generator, settings = generator_of(path, beside / "config.json", asked)
    run = RunDir(beside.parent, beside.name) if (beside / "config.json").exists() else None
    return Model(path.name, path, generator, settings, _lambda(request, settings, run), run)


def _asked(request: VerifySettings, name: str, checkpoints_dir: str) -> TestSettings:
    return TestSettings(
        dataroot=request.dataroot or ".",
        name=name,
        checkpoints_dir=checkpoints_dir,
        epoch=request.epoch,
        device=request.device,
        **request.given(),
    )


def _lambda(request: VerifySettings, settings: TrainSettings, run: RunDir | None) -> float:
    return lambda_of(run, settings) if request.lambda_L1 is None else request.lambda_L1
