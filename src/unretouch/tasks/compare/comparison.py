"""Compare runs: collect them, measure each on its own training pairs, rank, advise.

One run that cannot be compared gets one line that says why; the rest goes on.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unretouch.base.errors import (
    CheckpointError,
    DataError,
    ManyDataErrors,
    UnretouchError,
    UsageError,
)
from unretouch.pixels.pairs import Pair, load_pairs
from unretouch.pixels.preprocess import Sizing, resized
from unretouch.runs.folder import find_runs
from unretouch.settings.train import TrainSettings
from unretouch.tasks.compare import measuring, ranking
from unretouch.tasks.compare.advice import Advice, advise
from unretouch.tasks.compare.measuring import RunScore
from unretouch.tasks.compare.ranking import Places
from unretouch.tasks.compare.runs import RunRecord, name_of, read_run, require_known
from unretouch.tasks.compare.trend import Trend, trend
from unretouch.tasks.compare.worded import Worded, level, plain

Tell = Callable[[str], None]

BETTER_BEST = 0.95
"""The best numbered weights are mentioned where their error is below this part of the latest's."""


@dataclass(frozen=True)
class LeftOut:
    """A run that is not compared, and why."""

    name: str
    reason: Worded


@dataclass(frozen=True)
class Compared:
    """A run among the others."""

    record: RunRecord
    score: RunScore
    places: Places
    trend: Trend | None
    advice: list[Advice]
    notes: list[Worded]


@dataclass(frozen=True)
class Comparison:
    """The runs in their order, best first."""

    runs: list[Compared]
    left_out: list[LeftOut]
    pairs: list[Pair]
    """as the runs see them"""

    @property
    def best(self) -> Compared:
        return self.runs[0]

    @property
    def identity_error(self) -> float:
        """Mean error of doing nothing, in grey levels."""
        return self.best.score.identity_error

    def take(self) -> Worded:
        """Return which run to take, or that none should be taken yet."""
        score = self.best.score
        values = {
            "run": self.best.record.name,
            "error": level(score.level_error),
            "identity": level(score.identity_error),
        }
        if (score.recovered_share or 0.0) <= 0:
            return Worded("compare_take_none", values)
        return Worded("compare_take", values)

    def why_not_weighted(self) -> Worded:
        """Return why runs are not ranked by G_L1, in the figures of these runs."""
        lambdas = sorted({c.record.settings.lambda_L1 for c in self.runs} - {0.0}) or [100.0]
        worth = ", ".join(f"{127.5 / value:.3g} ({value:g})" for value in lambdas)
        return Worded("compare_not_weighted", {"worth": worth})


@dataclass(frozen=True)
class _Data:
    """The training pairs of a run as they are now, at the size that it sees."""

    pairs: list[Pair]
    digests: list[str]
    files: dict[str, str]
    """SHA-256 by file name"""


@dataclass(frozen=True)
class _Candidate:
    record: RunRecord
    weights_sha256: str
    data: _Data


def compare(words: Sequence[str], checkpoints_dir: Path, out: Path, tell: Tell) -> Comparison:
    """Compare the runs named by `words`, or all below `checkpoints_dir`; keep figures in `out`.

    `tell` gets a line for each run that is measured now. Raises DataError where no run can be
    compared, with the reason of each; DiskError.
    """
    known = [run.name for run in find_runs(checkpoints_dir)]
    names = list(dict.fromkeys(name_of(word, checkpoints_dir) for word in words)) or known
    if not names:
        raise DataError("no runs in this folder", checkpoints_dir, "Train one first")
    left_out: list[LeftOut] = []
    candidates: list[_Candidate] = []
    shelf = _Shelf()
    for name in names:
        try:
            require_known(name, checkpoints_dir, known)
            candidates.append(_candidate(checkpoints_dir, name, shelf))
        except (CheckpointError, DataError, UsageError) as error:
            left_out.append(LeftOut(name, plain(_one_line(error))))
    candidates, others = _same_pairs(candidates)
    left_out += others
    scores: dict[str, RunScore] = {}
    for candidate in candidates:
        try:
            scores[candidate.record.name] = _scored(candidate, out, tell)
        except (CheckpointError, DataError, UsageError) as error:
            left_out.append(LeftOut(candidate.record.name, plain(_one_line(error))))
    if not scores:
        raise ManyDataErrors([DataError(one.reason.english(), one.name) for one in left_out])
    places = ranking.rank(scores)
    by_name = {candidate.record.name: candidate for candidate in candidates}
    compared = [_compared(by_name[name], scores[name], places[name]) for name in places]
    return Comparison(compared, left_out, by_name[compared[0].record.name].data.pairs)


class _Shelf:
    """Pairs that were loaded already: runs of one experiment share them."""

    def __init__(self) -> None:
        self._loaded: dict[object, _Data] = {}

    def data(self, settings: TrainSettings) -> _Data:
        """Return the training pairs that the settings mean."""
        how = Sizing(settings.preprocess, settings.load_size, settings.crop_size)
        where = (settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size)
        if (where, how) not in self._loaded:
            loaded = load_pairs(*where)
            pairs = [
                dataclasses.replace(p, source=resized(p.source, how), target=resized(p.target, how))
                for p in loaded.pairs
            ]
            digests = [measuring.pair_digest(pair) for pair in pairs]
            files = {line["file"]: line["sha256"] for line in loaded.manifest}
            self._loaded[where, how] = _Data(pairs, digests, files)
        return self._loaded[where, how]


def _candidate(checkpoints_dir: Path, name: str, shelf: _Shelf) -> _Candidate:
    record = read_run(checkpoints_dir, name)
    checksum = measuring.weights_checksum(record)
    return _Candidate(record, checksum, shelf.data(record.settings))


def _same_pairs(candidates: list[_Candidate]) -> tuple[list[_Candidate], list[LeftOut]]:
    """Return the largest group that shares its pairs, pixel for pixel, and a line for the rest.

    Of equally large groups the one named first stays.
    """
    if not candidates:
        return [], []
    groups = Counter(tuple(candidate.data.digests) for candidate in candidates)
    chosen = list(groups.most_common(1)[0][0])
    kept = [c for c in candidates if c.data.digests == chosen]
    others = [c for c in candidates if c.data.digests != chosen]
    return kept, [LeftOut(c.record.name, _otherness(c, kept[0])) for c in others]


def _otherness(one: _Candidate, kept: _Candidate) -> Worded:
    mine, theirs = one.record.settings, kept.record.settings
    if mine.direction != theirs.direction:
        return Worded("compare_other_direction", {"mine": mine.direction})
    if [pair.name for pair in one.data.pairs] == [pair.name for pair in kept.data.pairs]:
        sizes = [_size(candidate.data.pairs[0]) for candidate in (one, kept)]
        if sizes[0] != sizes[1]:
            return Worded("compare_other_size", {"mine": sizes[0], "theirs": sizes[1]})
    return Worded("compare_other_pairs", {"mine": mine.dataroot, "theirs": theirs.dataroot})


def _size(pair: Pair) -> str:
    height, width = pair.source.shape[:2]
    return f"{width} x {height}"


def _scored(candidate: _Candidate, out: Path, tell: Tell) -> RunScore:
    record, pairs = candidate.record, candidate.data.pairs
    key = measuring.score_key(record, candidate.weights_sha256, candidate.data.digests)
    kept = measuring.kept_score(out, key, [pair.name for pair in pairs])
    if kept is not None:
        return kept
    count = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    tell(f"measuring {record.name} on its {count}")
    return measuring.measure(record, pairs, out, key, candidate.weights_sha256)


def _compared(candidate: _Candidate, score: RunScore, places: Places) -> Compared:
    record = candidate.record
    tendency = trend(record.curve)
    notes = []
    if record.state != "finished":
        notes.append(Worded(f"compare_{record.state}", {"step": f"{record.step}"}))
    if tendency is None:
        notes.append(Worded("compare_short_log", {"lines": str(len(record.curve.steps))}))
    if record.manifest and record.manifest != candidate.data.files:
        notes.append(Worded("compare_changed_data"))
    notes += _better_before(record, score)
    advice = advise(record.settings, record.epoch, score, tendency)
    return Compared(record, score, places, tendency, advice, notes)


def _better_before(record: RunRecord, score: RunScore) -> list[Worded]:
    """Say so where earlier weights, which the run kept, are better than the latest."""
    best = record.best
    if best is None or best.level_error is None:
        return []
    if best.level_error >= BETTER_BEST * score.level_error:
        return []
    values = {"epoch": str(best.epoch), "error": level(best.level_error)}
    return [Worded("compare_better_before", values)]


def _one_line(error: UnretouchError) -> str:
    if isinstance(error, ManyDataErrors):
        rest = len(error.problems) - 1
        return f"{error.problems[0]}" + (f" (and {rest} more problems)" if rest else "")
    return str(error)
