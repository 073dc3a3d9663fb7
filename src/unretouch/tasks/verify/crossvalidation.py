"""Cross-validation by leave-one-out: each training pair judged by a run that never saw it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from unretouch.base import durable
from unretouch.base.errors import DataError, ExitCode
from unretouch.metrics import Figure, Levels
from unretouch.metrics.likeness import ruler_of
from unretouch.model.load import load_model, weights_of
from unretouch.model.torch_model import TorchModel
from unretouch.pixels import images
from unretouch.pixels.pairs import LoadedPairs, Pair
from unretouch.runs.folder import RunDir
from unretouch.settings.train import TrainSettings
from unretouch.tasks.train import Continuation, train_run
from unretouch.training.stopping import StoppedNow


def leave_one_out(
    settings: TrainSettings,
    loaded: LoadedPairs,
    minutes_each: float,
    tell: Callable[[int, str], None],
) -> Iterator[tuple[Pair, Levels, list[Figure]]]:
    """Train a run of `settings` without each of the pairs in turn, and yield the pair at the size
    of training, what the run makes of it, and the recovered shares of the run's own pairs.

    `loaded` are the pairs of the run, at their own size, source and target as the model takes them;
    what any of them shows is left out of the pictures of --also, too. The runs lie in a temporary
    folder, one at a time; `tell` hears of each: its number from 1, and the pair that it does
    without. Raises DataError for fewer than two pairs, StoppedNow when Ctrl+C ended a run, and what
    training raises.
    """
    pairs = loaded.pairs
    if len(pairs) < 2:
        raise DataError("needs at least two training pairs, one to hold out", "--cross")
    for number, heldout in enumerate(pairs, 1):
        tell(number, heldout.name)
        others = [pair for pair in pairs if pair is not heldout]
        with tempfile.TemporaryDirectory(prefix="unretouch-cross-") as folder:
            model = _trained(settings, others, loaded, minutes_each, Path(folder))
            own = [_share(model, model.at_scale(pair)) for pair in others]
            scaled = model.at_scale(heldout)
            yield scaled, model.predict(scaled.source), own


def _trained(
    settings: TrainSettings,
    pairs: Sequence[Pair],
    all_pairs: LoadedPairs,
    minutes: float,
    folder: Path,
) -> TorchModel:
    train = folder / "pairs" / "train"
    durable.make_folder(train)
    for pair in pairs:
        images.write_png(train / f"{pair.name}.png", np.hstack([pair.source, pair.target]))
    small = dataclasses.replace(
        settings,
        dataroot=str(folder / "pairs"),
        phase="train",
        direction="AtoB",  # the sides are already as the model takes them
        name="cross",
        checkpoints_dir=str(folder),
        max_dataset_size=float("inf"),
        minutes=minutes,
        no_html=True,
    )
    code = train_run(small, Continuation(), Console(quiet=True), report=False, unseen=all_pairs)
    if code != ExitCode.OK:
        raise StoppedNow(code)
    return load_model(weights_of(RunDir(folder, "cross")), device=settings.device)


def _share(model: TorchModel, pair: Pair) -> Figure:
    """Return the recovered share by which the pair is judged."""
    ruler = ruler_of(pair.source, pair.target)
    return ruler.share(model.predict(pair.source), pair.target, pair.source)
