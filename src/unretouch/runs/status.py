"""What a run tells about itself: the figures of its pairs, its previews and its curves.

Plain data, how it is summed up, and how it is thinned. Every table, page and record of a run shows
the same figures, whoever measured them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from unretouch.base.messages import Message, _
from unretouch.runs.history import State

PlaceKind = Literal["strongest", "worst"]
"""Where the retouch is strongest; elsewhere, where the error is largest of what was predicted."""

CURVE_POINTS = 1000
"""Points a curve is thinned to."""
RECENT_SHARE = 0.02
"""Share of the log lines, three at least, whose mean is where training stands now."""
FRESH = 0.9
"""Share of the steps made, from which on a preview is as new as the training."""
TELLING = 0.1
"""Share of what doing nothing costs in whole pictures, below which a crop tells nothing of them."""
PREVIEWS_KEPT = 60
"""Previews a run keeps; see thin_previews."""
SAME = 0.01
"""Share of the error of doing nothing by which two errors may differ and are the same."""
EARLY = 0.2
"""Share of a training, until which harm says little of its end."""
LEAST_HARM = 0.05
"""Grey levels of error that nobody sees."""

Item = TypeVar("Item")


FIGURES = ("level_error", "identity_error", "recovered_share", "exact_pixels")
"""What a page and a record hold of a pair's figures."""


@dataclass(frozen=True, kw_only=True)
class PlainFigures:
    """The plain figures of one pair, the same wherever a pair is told of; errors are mean absolute
    differences in grey levels, 0..255.

    They are those of the retouch. Where two files differ by more than it, by compression say, the
    answer is the target where the pair was retouched; elsewhere each value between both sides is
    right. Of an estimate only parts of a large pair were measured; its `identity_error` is exact
    even so.
    """

    name: str
    level_error: float
    """between prediction and answer"""
    identity_error: float
    """between source and answer: what doing nothing costs"""
    recovered_share: float | None
    """up to 1, below 0 is harm; None where source and target are equal"""
    exact_pixels: float | None = None
    """share of pixels that equal the answer's in a file; None where it is not known exactly"""
    estimated: bool = False
    left_out: float = 0.0
    """by how much the sides differ besides, that no model can undo; 0 for lossless pairs, and where
    it was not asked for"""
    nearly_exact: tuple[float, float] | None = None
    """shares of the pixels within one level of 8 bits and within one step of 16 of a 16-bit
    target's; None of others, and where it was not asked for"""

    @property
    def told_share(self) -> float | None:
        """The recovered share as people are told it: see told_share."""
        return told_share(self.recovered_share, self.level_error, self.identity_error)

    def record(self) -> dict[str, Any]:
        """Return the figures as the pages and the records of comparisons hold them."""
        return {name: getattr(self, name) for name in FIGURES}


def harm(level_error: float, identity_error: float, noise: float = 0.0) -> float:
    """Return by how many grey levels an error lies above that of doing nothing; 0 where that is
    nothing worth a word, or no more than what `noise`, grey levels, adds."""
    above = level_error - identity_error
    return above if above > max(LEAST_HARM, SAME * identity_error, noise) else 0.0


def gain(level_error: float, identity_error: float) -> Literal["worse", "nothing", "some"]:
    """Return in a word what an error is beside that of doing nothing."""
    if harm(level_error, identity_error):
        return "worse"
    return "some" if identity_error - level_error > SAME * identity_error else "nothing"


def told_share(share: float | None, level_error: float, identity_error: float) -> float | None:
    """Return a recovered share as people are told it: what is not worth a word is not lost."""
    if share is None or gain(level_error, identity_error) != "nothing":
        return share
    return max(0.0, share)


def share_of(level_error: float, identity_error: float) -> float | None:
    """Return the recovered share that two mean errors come to; None with nothing to recover."""
    return 1 - level_error / identity_error if identity_error else None


@dataclass(frozen=True)
class Standing:
    """Where a run stands by its last measurement: mean errors in grey levels."""

    level_error: float
    identity_error: float
    estimated: bool
    early: bool = False
    """whether it is being trained, and has only begun"""

    @property
    def recovered(self) -> float | None:
        return share_of(self.level_error, self.identity_error)

    @property
    def gain(self) -> Literal["worse", "nothing", "some"] | None:
        """In a word; None with nothing to recover."""
        return gain(self.level_error, self.identity_error) if self.identity_error else None

    @property
    def told(self) -> Literal["worse", "early", "nothing", "some"] | None:
        """The word for its gain where it is shown while it trains: harm is usual at first."""
        return "early" if self.early and self.gain == "worse" else self.gain

    @property
    def warning(self) -> Message | None:
        """What is to be said before such a run is used; None where it did some good."""
        if self.gain == "worse":
            return _(
                "At its last measurement this run made its own photos worse. Train it longer "
                "before you use it."
            )
        if self.gain == "nothing":
            return _(
                "At its last measurement this run changed next to nothing. Train it longer before "
                "you use it."
            )
        return None


def standing(status: Mapping[str, Any]) -> Standing | None:
    """Return where a run stands by what its page tells, which says the same above its pictures as
    below them; None before anything was learnt."""
    previews = status.get("previews") or []
    pairs = previews[-1].get("pairs", []) if previews else []
    if not pairs:
        return None
    error, identity = (
        sum(pair[name] for pair in pairs) / len(pairs) for name in ("level_error", "identity_error")
    )
    early = status.get("state") in ("starting", "running") and share_made(status) < EARLY
    if previews[-1]["step"]:
        estimated = any(pair.get("estimated") for pair in pairs)
        return Standing(error, identity, estimated, early)
    # The pictures are those from before the first update: they tell nothing of the run.
    training = status.get("training_error")
    return None if training is None else Standing(float(training), identity, False, early)


def share_made(status: Mapping[str, Any]) -> float:
    """Return which share of its training a run has behind it, by what is shown of it."""
    elapsed, left, total = (status.get(key) for key in ("elapsed_s", "left_s", "total_steps"))
    if left is not None and elapsed is not None and elapsed + left > 0:
        return float(elapsed / (elapsed + left))
    return float(status["step"] / total) if total else 0.0


def mean_of(pairs: Sequence[PlainFigures]) -> PlainFigures:
    """Return the mean of each figure over the pairs that have it; errors are NaN without pairs.

    The share is that of the mean errors: a pair with little to recover must not weigh as much as
    one with a lot.
    """
    level_error = _mean([pair.level_error for pair in pairs])
    identity_error = _mean([pair.identity_error for pair in pairs])
    exact = [pair.exact_pixels for pair in pairs if pair.exact_pixels is not None]
    return PlainFigures(
        name="mean",
        level_error=level_error,
        identity_error=identity_error,
        recovered_share=share_of(level_error, identity_error) if pairs else None,
        exact_pixels=_mean(exact) if exact else None,
        estimated=any(pair.estimated for pair in pairs),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


@dataclass(frozen=True, kw_only=True)
class PreviewPictures:
    """The pictures of a pair at one step, as file names relative to the run's web folder.

    `/` between folders, not percent-encoded: `images/epoch012_face_fake_B.png`.
    """

    real_A: str
    fake_B: str
    real_B: str
    error_map: str | None = None

    @property
    def files(self) -> list[str]:
        """All pictures there are."""
        return [name for name in (self.real_A, self.fake_B, self.real_B, self.error_map) if name]


@dataclass(frozen=True, kw_only=True)
class PreviewPlace(PreviewPictures):
    """A part of a large pair at 1:1, as it looked at one step; pictures and errors as there.

    All in pixels of the whole picture.
    """

    kind: PlaceKind
    left: int
    top: int
    width: int
    height: int
    level_error: float
    identity_error: float


@dataclass(frozen=True, kw_only=True)
class PreviewPair(PreviewPictures, PlainFigures):
    """One pair as it looked at one step.

    A large pair has its whole pictures reduced, and `places` at 1:1. Between the start and the end
    of a run `fake_B` is empty for it, and its errors are estimates.
    """

    sampled_tiles: int = 0
    """from which the errors are estimated"""
    size: tuple[int, int] | None = None
    """(width, height) of a large pair, in pixels; the files are smaller"""
    places: tuple[PreviewPlace, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PreviewPhoto(PreviewPictures):
    """A photograph without an answer, or a part of it, as it looked at one step; `real_B` and
    `error_map` are empty."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Pictures of every pair at one step, and of the photograph that is watched beside them; step 0
    is before the first update."""

    step: int
    epoch: int
    pairs: Sequence[PreviewPair]
    photo: PreviewPhoto | None = None

    def record(self) -> dict[str, Any]:
        """Return the preview as previews.jsonl holds it."""
        pairs = [asdict(pair) for pair in self.pairs]
        for pair in pairs:
            # Those of a preview are always the same.
            del pair["left_out"], pair["nearly_exact"]
        photo = {"photo": asdict(self.photo)} if self.photo else {}
        return {"step": self.step, "epoch": self.epoch, "pairs": pairs, **photo}

    @staticmethod
    def of(record: Mapping[str, Any]) -> Preview:
        """Return the preview that a line of previews.jsonl holds.

        Raises KeyError, TypeError or ValueError for one that another version wrote.
        """
        pairs = tuple(_preview_pair(pair) for pair in record["pairs"])
        photo = PreviewPhoto(**record["photo"]) if "photo" in record else None
        step, epoch = int(record["step"]), int(record["epoch"])
        return Preview(step=step, epoch=epoch, pairs=pairs, photo=photo)

    @property
    def mean(self) -> PlainFigures:
        """The mean figures of the pairs shown."""
        return mean_of(self.pairs)

    @property
    def files(self) -> list[str]:
        """All pictures there are, of pairs, of places in them and of the photograph."""
        shown: list[PreviewPictures] = [
            part for pair in self.pairs for part in (pair, *pair.places)
        ]
        if self.photo:
            shown.append(self.photo)
        return [name for part in shown for name in part.files]


def _preview_pair(record: Mapping[str, Any]) -> PreviewPair:
    places = tuple(PreviewPlace(**place) for place in record.get("places", ()))
    size = record.get("size")
    return PreviewPair(**{**record, "places": places, "size": tuple(size) if size else None})


@dataclass(frozen=True, kw_only=True)
class LastSave:
    """The newest save: its step, and its time of day in Unix seconds."""

    step: int
    time: float


@dataclass(frozen=True, kw_only=True)
class TrainingStatus:
    """A run at one moment.

    `elapsed_s` and `left_s` are seconds; totals and time left are None where unknown.
    `stop_reason` is one of STOP_REASONS or any sentence; empty while the run goes on. `outcome`
    tells of the weights that were kept, where there is something to tell at the end.
    `identity_error` is the mean over the pairs of what doing nothing costs, in grey levels.
    `curves` holds columns of one length: `step`, and any of `G_L1`, `G_GAN`, `D_real`, `D_fake`,
    `level_error` and `identity_error`, of what was trained on, whole pictures or crops; NaN where a
    value is missing. Longer than CURVE_POINTS they are thinned.
    `previews` are in the order of their steps.
    """

    name: str
    state: State
    step: int
    total_steps: int | None
    epoch: int
    total_epochs: int | None
    elapsed_s: float
    left_s: float | None
    lr: float
    lambda_L1: float
    identity_error: float
    last_save: LastSave | None = None
    stop_reason: str = ""
    outcome: Message | None = None
    weighted: bool = True
    """whether lambda_L1 weighs anything: without an adversary there is nothing to weigh against"""
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    previews: Sequence[Preview] = ()


def thin_curves(
    curves: Mapping[str, Sequence[float]], limit: int = CURVE_POINTS
) -> dict[str, list[float]]:
    """Return the columns with at most `limit` points of five significant digits.

    A point stands for equally many neighbours and is their mean, without NaN; the column `step`
    takes the last of them, so that the newest step stays.
    """
    return {name: _thin_column(name, values, limit) for name, values in curves.items()}


def _thin_column(name: str, values: Sequence[float], limit: int) -> list[float]:
    column = np.asarray(values, dtype=np.float64)
    if len(column) == 0:
        return []
    size = math.ceil(len(column) / limit)
    starts = np.arange(0, len(column), size)
    if name == "step":
        ends = np.minimum(starts + size, len(column)) - 1
        return [float(v) for v in column[ends]]
    finite = np.isfinite(column)
    sums = np.add.reduceat(np.where(finite, column, 0.0), starts)
    counts = np.add.reduceat(finite.astype(np.float64), starts)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    return [float(f"{v:.5g}") for v in means]


def of_whole_pictures(
    errors: Sequence[float], identities: Sequence[float], whole: float
) -> list[float]:
    """Return the errors of crops as errors of whole pictures, all in grey levels.

    Crops lie where much was retouched: doing nothing costs `identities` there, and `whole` in whole
    pictures. The errors are taken to be larger there by as much. NaN where nearly nothing was
    retouched; where `identities` is NaN the error itself, for records without it.
    """
    error, identity = np.asarray(errors, np.float64), np.asarray(identities, np.float64)
    telling = np.where(identity >= TELLING * whole, identity, np.nan)
    scaled = np.where(np.isnan(identity), error, error * whole / telling)
    return [float(f"{v:.5g}") for v in scaled]


def recent(curves: Mapping[str, Sequence[float]], name: str) -> float:
    """Return the mean of a curve over its newest log lines; NaN without any."""
    column = np.asarray(curves.get(name, ()), dtype=np.float64)
    newest = column[-max(3, math.ceil(RECENT_SHARE * len(column))) :]
    finite = newest[np.isfinite(newest)]
    return float(finite.mean()) if len(finite) else math.nan


def thin_previews(previews: Sequence[Item], limit: int = PREVIEWS_KEPT) -> list[Item]:
    """Return the previews to keep: all up to `limit`, else every second one, and again if need be.

    The first and the newest always stay. Applied after each new preview this keeps between half of
    `limit` and `limit`, the newest half the densest, and never asks for one dropped before.
    """
    kept = list(previews)
    while len(kept) > max(limit, 2):
        kept = kept[:-1:2] + kept[-1:]
    return kept
