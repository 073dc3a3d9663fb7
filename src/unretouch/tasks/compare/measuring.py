"""The figures and pictures of a run on its own training pairs, kept by the weights' checksum."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import CheckpointError
from unretouch.metrics.metric import Figure, Levels
from unretouch.pixels import images
from unretouch.pixels.error_map import error_map
from unretouch.pixels.pairs import Pair
from unretouch.settings.test import TestSettings
from unretouch.settings.train import FREE
from unretouch.tasks.compare.crops import Crop, crop_of
from unretouch.tasks.compare.runs import RunRecord

KEPT = 1
"""Raised by one when what is kept of a measurement changes."""
MOST_PICTURES = 12
"""Pairs shown: the first ones, in the order of their names."""


@dataclass(frozen=True)
class Texture:
    """The texture of a retouched area: means over the octave bands, weighted by the energy that the
    retouch removed from each. None where it removed none."""

    energy: Figure
    """beside the true skin's: 1 is right, below smooth, above noise"""
    coherence: Figure
    """1: every pore in its place, 0: grain"""
    recovered: Figure
    """share of the removed texture that is back, in place and in strength"""


@dataclass(frozen=True)
class PairScore:
    """The figures of one training pair, predicted as a test does."""

    name: str
    width: int
    height: int
    level_error: float
    identity_error: float
    recovered_share: Figure
    exact_pixels: float
    texture: Texture
    frame: dict[str, Figure]
    """verify's figures over the whole frame"""
    area: dict[str, Figure]
    """verify's figures over the retouched area"""


@dataclass(frozen=True)
class RunScore:
    """What was measured of one run, and where its pictures lie below the comparison's folder."""

    key: str
    """checksum of the weights, the settings and the pairs"""
    weights_sha256: str
    pairs: list[PairScore]

    def picture(self, number: int, kind: str) -> str:
        """Return the path of the crop of a pair: `fake_B` or `error`."""
        return f"runs/{self.key}/{number:02d}_{kind}.png"

    @property
    def level_error(self) -> float:
        return _mean([pair.level_error for pair in self.pairs])

    @property
    def identity_error(self) -> float:
        return _mean([pair.identity_error for pair in self.pairs])

    @property
    def recovered_share(self) -> Figure:
        """Of the mean errors: a pair with little to recover weighs less than one with a lot."""
        identity = self.identity_error
        return 1 - self.level_error / identity if identity else None

    @property
    def exact_pixels(self) -> float:
        return _mean([pair.exact_pixels for pair in self.pairs])

    @property
    def texture(self) -> Texture:
        """The mean over the pairs that lost texture."""
        known = [p.texture for p in self.pairs if p.texture.recovered is not None]
        return Texture(
            *(
                _mean([getattr(texture, field.name) for texture in known]) if known else None
                for field in dataclasses.fields(Texture)
            )
        )


def weights_checksum(record: RunRecord) -> str:
    """Return the SHA-256 of the latest weights. Raises CheckpointError where there are none."""
    path = record.run.weights("latest")
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise CheckpointError("has no weights yet", path, "Train it until the first save") from None
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror}", path) from error


def pair_digest(pair: Pair) -> str:
    """Return a checksum of the two pictures as the run sees them: direction and size included."""
    digest = hashlib.sha256(repr(pair.source.shape).encode())
    digest.update(np.ascontiguousarray(pair.source).data)
    digest.update(np.ascontiguousarray(pair.target).data)
    return digest.hexdigest()


def score_key(record: RunRecord, weights_sha256: str, digests: Sequence[str]) -> str:
    """Return what the figures of a run depend on, as a name for a folder."""
    deciding = {k: v for k, v in record.settings.to_dict().items() if k not in FREE}
    text = json.dumps([KEPT, __version__, weights_sha256, deciding, list(digests)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kept_score(out: Path, key: str, names: Sequence[str]) -> RunScore | None:
    """Return the score that an earlier comparison kept in `out`, or None."""
    folder = out / "runs" / key
    try:
        values = json.loads((folder / "figures.json").read_text("utf-8"))
        score = _score(values)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    pictures = [
        out / score.picture(number, kind)
        for number in range(min(len(names), MOST_PICTURES))
        for kind in ("fake_B", "error")
    ]
    same = [pair.name for pair in score.pairs] == list(names)
    return score if same and all(path.is_file() for path in pictures) else None


def measure(
    record: RunRecord, pairs: Sequence[Pair], out: Path, key: str, weights_sha256: str
) -> RunScore:
    """Predict every pair with the run's latest weights, measure, and keep figures and crops.

    Raises CheckpointError for weights that are damaged or do not fit, DiskError.
    """
    from unretouch.tasks.test import trained_generator  # late: a kept score needs no torch
    from unretouch.training.evaluation import predicted

    request = TestSettings(
        dataroot=record.settings.dataroot,
        name=record.name,
        checkpoints_dir=str(record.checkpoints_dir),
    )
    generator, _ = trained_generator(record.run, request)
    folder = out / "runs" / key
    durable.make_folder(folder)
    scores = []
    for number, pair in enumerate(pairs):
        prediction = predicted(generator, pair.source)
        scores.append(_pair_score(pair, prediction, record.settings.lambda_L1))
        if number < MOST_PICTURES:
            _write_pictures(folder, number, pair, prediction, crop_of(pair))
    score = RunScore(key, weights_sha256, scores)
    # Last: figures that are there vouch for the pictures beside them.
    values = {"run": record.name, **dataclasses.asdict(score)}
    durable.write_json(folder / "figures.json", values)
    return score


def _write_pictures(
    folder: Path, number: int, pair: Pair, prediction: NDArray[np.float32], crop: Crop
) -> None:
    shown, target = crop.cut(prediction), crop.cut(pair.target).astype(np.float32)
    images.write_png(folder / f"{number:02d}_fake_B.png", images.levels_to_file(shown))
    images.write_png(folder / f"{number:02d}_error.png", error_map(shown, target))


def _pair_score(pair: Pair, prediction: Levels, lambda_L1: float) -> PairScore:
    from unretouch.tasks.verify.figures import figures_of_pair  # late: as above

    figures = figures_of_pair(pair.name, pair.source, prediction, pair.target, lambda_L1)
    frame, area = figures.prediction.frame, figures.prediction.area
    removed = figures.bands.removed if figures.bands else ()
    return PairScore(
        name=pair.name,
        width=figures.width,
        height=figures.height,
        level_error=_known(frame["level_error"]),
        identity_error=_known(figures.identity.frame["level_error"]),
        recovered_share=frame["recovered_share"],
        exact_pixels=_known(frame["exact_pixels"]),
        texture=_texture(area, removed),
        frame=frame,
        area=area,
    )


def _texture(area: dict[str, Figure], removed: Sequence[float]) -> Texture:
    from unretouch.metrics.octave_bands import PARTS

    def weighted(name: str) -> Figure:
        known = [
            (weight, value)
            for weight, part in zip(removed, PARTS, strict=True)
            if (value := area[f"{name}_{part}"]) is not None
        ]
        whole = sum(weight for weight, _ in known)
        return sum(weight * value for weight, value in known) / whole if whole else None

    if not removed:
        return Texture(None, None, None)
    recovered = weighted("detail_recovered")
    if recovered is None:
        return Texture(None, None, None)
    return Texture(weighted("band_energy"), weighted("detail_coherence"), recovered)


def _score(values: dict[str, Any]) -> RunScore:
    pairs = [
        PairScore(**{**pair, "texture": Texture(**pair["texture"])}) for pair in values["pairs"]
    ]
    return RunScore(values["key"], values["weights_sha256"], pairs)


def _known(value: Figure) -> float:
    return math.nan if value is None else value


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
