"""The figures and pictures of a run on its own training pairs, kept by the weights' checksum."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unretouch import __version__
from unretouch.base import durable
from unretouch.base.errors import CheckpointError
from unretouch.base.messages import _
from unretouch.metrics import Figure, Levels
from unretouch.model.load import weights_of
from unretouch.pixels.pair_pictures import REAL, pair_pictures, picture_files, write_pictures
from unretouch.pixels.pairs import Pair
from unretouch.pixels.spaces import in_levels
from unretouch.runs.status import PlainFigures, mean_of
from unretouch.tasks.compare.runs import RunRecord
from unretouch.tasks.progress import FIGURES, Tell, Work

KEPT = 4
"""Raised by one when what is kept of a measurement changes."""
MOST_PICTURES = 12
"""Pairs shown: the first ones, in the order of their names."""
MOST_SIDE = 1024
"""Pixels of a crop's longer side; smaller pictures are shown whole."""
PLACE = 96
"""Side in pixels of the square that the loupe looks at first."""

_ROWS = 256
"""Of a picture, looked at together."""

Kind = TypeVar("Kind", bound=np.generic)


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


NO_TEXTURE = Texture(None, None, None)


@dataclass(frozen=True, kw_only=True)
class PairScore(PlainFigures):
    """The figures of one training pair, predicted as a test does."""

    width: int
    height: int
    texture: Texture
    harm: float
    """grey levels by which it is further off than doing nothing, where verify judges the pair; 0
    within its noise"""
    frame: dict[str, Figure]
    """verify's figures over the whole frame"""
    area: dict[str, Figure]
    """verify's figures over the retouched area"""

    def record(self) -> dict[str, Any]:
        """Return the figures as comparison.json holds them."""
        values = dataclasses.asdict(self)
        del values["estimated"], values["left_out"]  # always the same here
        if self.nearly_exact is None:
            del values["nearly_exact"]
        return values


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
    def mean(self) -> PlainFigures:
        return mean_of(self.pairs)

    @property
    def texture(self) -> Texture:
        """The mean over the pairs that lost texture."""
        known = [p.texture for p in self.pairs if p.texture.recovered is not None]
        columns = zip(*(dataclasses.astuple(texture) for texture in known), strict=True)
        return Texture(*(sum(column) / len(known) for column in columns)) if known else NO_TEXTURE


def weights_checksum(record: RunRecord) -> str:
    """Return the SHA-256 of the latest weights. Raises CheckpointError where there are none."""
    path = record.run.weights("latest")
    try:
        return durable.digest_of(path)
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
    deciding = record.settings.deciding()
    text = json.dumps([KEPT, __version__, weights_sha256, deciding, list(digests)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def kept_score(out: Path, key: str, names: Sequence[str]) -> RunScore | None:
    """Return the score that an earlier comparison kept in `out`, or None."""
    folder = out / "runs" / key
    try:
        values = json.loads((folder / "figures.json").read_text("utf-8"))
        pairs = [
            PairScore(**{**pair, "texture": Texture(**pair["texture"])}) for pair in values["pairs"]
        ]
        score = RunScore(values["key"], values["weights_sha256"], pairs)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    pictures = [
        out / score.picture(number, kind)
        for number in range(min(len(names), MOST_PICTURES))
        for kind in ("fake_B", "error")
    ]
    same = [pair.name for pair in score.pairs] == list(names)
    return score if same and all(path.is_file() for path in pictures) else None


class Measuring(Work):
    """The work of measuring runs that nothing is kept of."""

    def __init__(self, pairs: int, tell: Tell) -> None:
        """`pairs` are those of all of them."""
        super().__init__(pairs * (1 + FIGURES), tell)
        self._pairs, self._at = pairs, 0

    def begin_pair(self, run: str, name: str) -> None:
        """Say that the next pair of a run is measured."""
        self._at += 1
        self.begin(
            _(
                "Measuring {run} on {pair}, {number} of {count}",
                run=run,
                pair=name,
                number=self._at,
                count=self._pairs,
            )
        )


def measure(
    record: RunRecord,
    pairs: Sequence[Pair],
    out: Path,
    key: str,
    weights_sha256: str,
    work: Measuring,
) -> RunScore:
    """Predict every pair with the run's latest weights, measure, and keep figures and crops.

    Raises CheckpointError for weights that are damaged or do not fit, DiskError.
    """
    from unretouch.model.load import load_model  # late: a kept score needs no torch

    model = load_model(weights_of(record.run))
    folder = out / "runs" / key
    durable.make_folder(folder)
    scores = []
    for number, pair in enumerate(pairs):
        work.begin_pair(record.name, pair.name)
        prediction = model.predict(pair.source)
        work.add(1)
        scores.append(_pair_score(pair, prediction, record.settings.lambda_L1))
        work.add(FIGURES)
        if number < MOST_PICTURES:
            crop, files = crop_of(pair), picture_files(f"{number:02d}")
            made = pair_pictures(crop.cut(pair.source), crop.cut(prediction), crop.cut(pair.target))
            # Input and answer are the same for all runs.
            own = {kind: make for kind, make in made.items() if kind not in REAL}
            write_pictures(folder, files, own)
    score = RunScore(key, weights_sha256, scores)
    # Last: figures that are there vouch for the pictures beside them.
    values = {
        "run": record.name,
        "key": key,
        "weights_sha256": weights_sha256,
        "pairs": [pair.record() for pair in scores],
    }
    durable.write_json(folder / "figures.json", values)
    return score


def _pair_score(pair: Pair, prediction: Levels, lambda_L1: float) -> PairScore:
    from unretouch.report.pair_figures import figures_of_pair  # late: as above

    # The ceiling is the pair's, and of no run: comparing them does not tell it.
    figures = figures_of_pair(
        pair.name, pair.source, prediction, pair.target, lambda_L1, with_ceiling=False
    )
    area = figures.prediction.area
    plain = dataclasses.replace(figures.plain, left_out=0.0)  # which is not kept
    return PairScore(
        **vars(plain),
        width=figures.width,
        height=figures.height,
        texture=_texture(area, figures.bands.removed) if figures.bands else NO_TEXTURE,
        harm=figures.harm,
        frame=figures.prediction.frame,
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

    recovered = weighted("detail_recovered")
    if recovered is None:
        return NO_TEXTURE
    return Texture(weighted("band_energy"), weighted("detail_coherence"), recovered)


@dataclass(frozen=True)
class Crop:
    """A part of the frame at 1:1, and where in it the retouch took the most away."""

    top: int
    left: int
    height: int
    width: int
    x: float
    """0 to 1 from the crop's left"""
    y: float
    """0 to 1 from its top"""

    def cut(self, picture: NDArray[Kind]) -> NDArray[Kind]:
        """Return the crop of a picture (H, W, 3)."""
        rows = slice(self.top, self.top + self.height)
        return np.ascontiguousarray(picture[rows, self.left : self.left + self.width])


def crop_of(pair: Pair) -> Crop:
    """Return the crop around the place where source and target differ most."""
    height, width = pair.source.shape[:2]
    side = min(PLACE, height, width)
    difference = np.empty((height, width), np.float32)
    for first in range(0, height, _ROWS):
        strip = slice(first, first + _ROWS)
        off = in_levels(pair.target[strip]) - in_levels(pair.source[strip])
        difference[strip] = np.abs(off, out=off).mean(axis=2)
    means = ndimage.uniform_filter(difference, side, mode="constant")
    half = side // 2
    inner = means[half : height - half + 1 or None, half : width - half + 1 or None]
    row, column = np.unravel_index(int(np.argmax(inner)), inner.shape)
    centre_y, centre_x = int(row) + half, int(column) + half
    top, rows = _span(centre_y, height)
    left, columns = _span(centre_x, width)
    return Crop(top, left, rows, columns, x=(centre_x - left) / columns, y=(centre_y - top) / rows)


def _span(centre: int, length: int) -> tuple[int, int]:
    """Return where a crop begins along a side, and how long it is."""
    size = min(MOST_SIDE, length)
    return min(max(0, centre - size // 2), length - size), size
