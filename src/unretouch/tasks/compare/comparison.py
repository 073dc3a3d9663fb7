"""Compare runs: collect them, measure each on its own training pairs, rank, advise.

One run that cannot be compared gets one line that says why; the rest goes on.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unretouch.base.errors import (
    CheckpointError,
    DataError,
    ManyDataErrors,
    UnretouchError,
    UsageError,
)
from unretouch.base.messages import N_, Message, _
from unretouch.base.terminal import counted
from unretouch.metrics import Figure, weighted_l1
from unretouch.pixels.pairs import Pair, load_pairs
from unretouch.runs.folder import find_runs, run_below
from unretouch.runs.status import gain
from unretouch.settings.train import TrainSettings, load_asked
from unretouch.tasks.compare import measuring
from unretouch.tasks.compare.advice import (
    Advice,
    Sentence,
    Trend,
    advise,
    level,
    plain,
    trend,
)
from unretouch.tasks.compare.measuring import Measuring, RunScore
from unretouch.tasks.compare.runs import RunRecord, read_run
from unretouch.tasks.progress import Tell, tell_nobody
from unretouch.training.training_pairs import at_scale, sizing

Say = Callable[[str], None]

_ENDED = {
    "stopped": N_("Stopped early, at step {step}."),
    "failed": N_("It failed; the weights are those of step {step}."),
    "unfinished": N_(
        "No end is on record: it still trains, or was cut off. The weights are those of step "
        "{step}."
    ),
}
"""What is said of a run that is not finished, by its state."""

BETTER_BEST = 0.95
"""The best numbered weights are mentioned where their error is below this part of the latest's."""


@dataclass(frozen=True)
class Places:
    """Where a run stands among the others, from 1; runs that look equal share a place."""

    error: int
    recovered: int
    texture: int
    overall: int
    """by the sum of the three; of equal sums, the smaller error is first"""


@dataclass(frozen=True)
class LeftOut:
    """A run that is not compared, and why."""

    name: str
    reason: Sentence


@dataclass(frozen=True)
class Compared:
    """A run among the others."""

    record: RunRecord
    score: RunScore
    places: Places
    trend: Trend | None
    advice: list[Advice]
    notes: list[Sentence]


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
    def weighted(self) -> bool:
        """Whether lambda_L1 weighs anything in any of the runs."""
        return any(one.record.settings.lambda_GAN > 0 for one in self.runs)

    @property
    def identity_error(self) -> float:
        """Mean error of doing nothing, in grey levels."""
        return self.best.score.mean.identity_error

    def take(self) -> Sentence:
        """Return which run to take, or that none should be taken yet; of one alone, where it
        stands."""
        mean = self.best.score.mean
        values = {
            "run": self.best.record.name,
            "error": level(mean.level_error),
            "identity": level(mean.identity_error),
        }
        useless = gain(mean.level_error, mean.identity_error) != "some"
        if len(self.runs) == 1:
            alone = _(
                "One run alone is not ranked. {run} is off by {error} grey levels, doing nothing "
                "by {identity}.",
                **values,
            )
            return Sentence("compare_take_none" if useless else "compare_alone", alone)
        if useless:
            none = _(
                "Take none of them yet: even {run} is off by {error} grey levels, doing nothing "
                "by {identity}.",
                **values,
            )
            return Sentence("compare_take_none", none)
        best = _(
            "Take {run}: it is off by {error} grey levels, doing nothing by {identity}.", **values
        )
        return Sentence("compare_take", best)

    def caution(self) -> Sentence | None:
        """Return that the order, by the pairs trained on, says nothing of other photos, where a run
        was made for those."""
        others = [one.record.name for one in self.runs if one.record.settings.aim != "fit"]
        if not others:
            return None
        if self.best.record.name in others:
            told = _(
                "This order is by the pairs trained on alone. {run} was made for other photos: how "
                "well it does there, only pairs that are kept for checking can tell.",
                run=self.best.record.name,
            )
        else:
            told = _(
                "This order is by the pairs trained on alone, and {run} was made to memorise them. "
                "For other photos take {other}, which was made for those.",
                run=self.best.record.name,
                other=others[0],
            )
        return Sentence("compare_other_photos", told)

    def why_not_weighted(self) -> Sentence:
        """Return why runs are not ranked by G_L1, in the figures of these runs."""
        lambdas = sorted({c.record.settings.lambda_L1 for c in self.runs} - {0.0}) or [100.0]
        worth = ", ".join(f"{1 / weighted_l1(1.0, value):.3g} ({value:g})" for value in lambdas)
        why = _(
            "Runs are not ranked by G_L1: it contains lambda_L1, so the same number is another "
            "error in each run. G_L1 1.0 in grey levels (lambda_L1 in brackets): {worth}.",
            worth=worth,
        )
        return Sentence("compare_not_weighted", why)


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


def compare(
    words: Sequence[str], checkpoints_dir: Path, out: Path, say: Say, tell: Tell = tell_nobody
) -> Comparison:
    """Compare the runs named by `words`, or all below `checkpoints_dir`; keep figures in `out`.

    `say` gets a line for each run that is measured now, `tell` hears how far it is. Raises
    DataError where no run can be compared, with the reason of each; CheckpointError for a name that
    no run has; DiskError.
    """
    known = [run.name for run in find_runs(checkpoints_dir)]
    names = list(dict.fromkeys(run_below(checkpoints_dir, word).name for word in words)) or known
    if not names:
        raise DataError("no runs in this folder", checkpoints_dir, "Train one first")
    left_out: list[LeftOut] = []
    candidates: list[_Candidate] = []
    loaded: dict[object, _Data] = {}  # once: runs of one experiment share their pairs
    for name in names:
        try:
            record = read_run(checkpoints_dir, name)
            checksum = measuring.weights_checksum(record)
            candidates.append(_Candidate(record, checksum, _data(record.settings, loaded)))
        except (CheckpointError, DataError, UsageError) as error:
            left_out.append(LeftOut(name, plain(_one_line(error))))
    candidates, others = _same_pairs(candidates)
    left_out += others
    kept = {one.record.name: _kept(one, out) for one in candidates}
    new = [one for one in candidates if kept[one.record.name] is None]
    work = Measuring(sum(len(one.data.pairs) for one in new), tell)
    measured: dict[str, tuple[_Candidate, RunScore]] = {}
    for candidate in candidates:
        name = candidate.record.name
        try:
            measured[name] = candidate, kept[name] or _measured(candidate, out, say, work)
        except (CheckpointError, DataError, UsageError) as error:
            left_out.append(LeftOut(name, plain(_one_line(error))))
    if not measured:
        raise ManyDataErrors([DataError(one.reason.english(), one.name) for one in left_out])
    places = rank({name: score for name, (_candidate, score) in measured.items()})
    compared = [_compared(*measured[name], places[name]) for name in places]
    return Comparison(compared, left_out, candidates[0].data.pairs)


def _data(settings: TrainSettings, loaded: dict[object, _Data]) -> _Data:
    """Return the training pairs that the settings mean, as training saw them; `loaded` has those
    that were read already."""
    where = (settings.dataroot, settings.phase, settings.direction, settings.max_dataset_size)
    key = (where, sizing(settings), settings.input_nc, settings.output_nc)
    if key not in loaded:
        found = load_pairs(*where)
        pairs = [at_scale(settings, pair) for pair in found.pairs]
        digests = [measuring.pair_digest(pair) for pair in pairs]
        files = {line["file"]: line["sha256"] for line in found.manifest}
        loaded[key] = _Data(pairs, digests, files)
    return loaded[key]


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


def _otherness(one: _Candidate, kept: _Candidate) -> Sentence:
    mine, theirs = one.record.settings, kept.record.settings
    if mine.direction != theirs.direction:
        direction = _(
            "It learns the other direction ({mine}): compare it with runs of the same direction.",
            mine=mine.direction,
        )
        return Sentence("compare_other_direction", direction)
    channels = [_channels(settings) for settings in (mine, theirs)]
    if channels[0] != channels[1]:
        grey = _(
            "Its number of channels is {mine}, that of the runs compared here {theirs} (1 is grey, "
            "3 is colour): errors in grey and in colour cannot be compared.",
            mine=channels[0],
            theirs=channels[1],
        )
        return Sentence("compare_other_channels", grey)
    if [pair.name for pair in one.data.pairs] == [pair.name for pair in kept.data.pairs]:
        sizes = [_size(candidate.data.pairs[0]) for candidate in (one, kept)]
        if sizes[0] != sizes[1]:
            size = _(
                "It was trained at {mine} pixels, the runs compared here at {theirs}: errors at "
                "different sizes cannot be compared.",
                mine=sizes[0],
                theirs=sizes[1],
            )
            return Sentence("compare_other_size", size)
    pairs = _(
        "It was trained on other pairs ({mine}) than the runs compared here.",
        mine=mine.dataroot,
        theirs=theirs.dataroot,
    )
    return Sentence("compare_other_pairs", pairs)


def _channels(settings: TrainSettings) -> str:
    seen, made = settings.input_nc, settings.output_nc
    return str(seen) if seen == made else f"{seen} -> {made}"


def _size(pair: Pair) -> str:
    height, width = pair.source.shape[:2]
    return f"{width} x {height}"


def _kept(candidate: _Candidate, out: Path) -> RunScore | None:
    names = [pair.name for pair in candidate.data.pairs]
    return measuring.kept_score(out, _key(candidate), names)


def _key(candidate: _Candidate) -> str:
    record, digests = candidate.record, candidate.data.digests
    return measuring.score_key(record, candidate.weights_sha256, digests)


def _measured(candidate: _Candidate, out: Path, say: Say, work: Measuring) -> RunScore:
    record, pairs = candidate.record, candidate.data.pairs
    count = counted(len(pairs), "pair")
    say(f"measuring {record.name} on its {count}")
    return measuring.measure(record, pairs, out, _key(candidate), candidate.weights_sha256, work)


def _compared(candidate: _Candidate, score: RunScore, places: Places) -> Compared:
    record = candidate.record
    tendency = trend(record.curve)
    notes = []
    if record.state != "finished":
        ended = Message(_ENDED[record.state], {"step": f"{record.step}"})
        notes.append(Sentence(f"compare_{record.state}", ended))
    if tendency is None:
        short = _("The log is too short to tell whether the error was still falling.")
        notes.append(Sentence("compare_short_log", short))
    if record.manifest and record.manifest != candidate.data.files:
        changed = _(
            "The pairs have changed since it was trained; it is measured on what is there now."
        )
        notes.append(Sentence("compare_changed_data", changed))
    notes += _better_before(record, score)
    # Where it lies now: a folder may have been renamed since.
    here, folder = record.run.checkpoints_dir, record.settings.checkpoints_dir
    folder = folder if Path(folder) == here else str(here)
    asked = load_asked(record.run.config)  # the choices that nobody made are not told as flags
    now = dataclasses.replace(asked, name=record.name, checkpoints_dir=folder)
    stopped = record.state in ("stopped", "unfinished")
    advice = advise(now, record.epoch, score, tendency, stopped)
    return Compared(record, score, places, tendency, advice, notes)


def _better_before(record: RunRecord, score: RunScore) -> list[Sentence]:
    """Say so where earlier weights, which the run kept, are better than the latest."""
    best = record.best
    if best is None or best.level_error is None:
        return []
    # While training, noise of compression counts in no pair, and here it does.
    latest = score.mean.level_error if record.previewed is None else record.previewed
    if best.level_error >= BETTER_BEST * latest:
        return []
    better = _(
        "Its weights of epoch {epoch} were better ({error} grey levels). They are kept as epoch "
        "“best”.",
        epoch=str(best.epoch),
        error=level(best.level_error),
    )
    return [Sentence("compare_better_before", better)]


def _one_line(error: UnretouchError) -> str:
    if isinstance(error, ManyDataErrors):
        rest = len(error.problems) - 1
        return f"{error.problems[0]}" + (f" (and {rest} more problems)" if rest else "")
    return str(error)


def rank(scores: Mapping[str, RunScore]) -> dict[str, Places]:
    """Return the places by run, best first.

    Figures are compared as they are shown (error to 0.001 grey levels, shares to 0.1 %): what
    looks equal in the table is equal.
    """
    means = [score.mean for score in scores.values()]
    error = _places([round(mean.level_error, 3) for mean in means])
    recovered = _places([_shown(mean.recovered_share) for mean in means])
    texture = _places([_shown(score.texture.recovered) for score in scores.values()])
    ranked = sorted(
        zip(scores, means, zip(error, recovered, texture, strict=True), strict=True),
        key=lambda one: (sum(one[2]), one[1].level_error),
    )
    return {
        name: Places(*places, overall=overall)
        for overall, (name, _mean, places) in enumerate(ranked, 1)
    }


def _places(badness: Sequence[float]) -> list[int]:
    """Return 1 + the number of runs that are better."""
    return [1 + sum(other < value for other in badness) for value in badness]


def _shown(share: Figure) -> float:
    """Return how bad a share is; all alike where there was nothing to recover."""
    return 0.0 if share is None else -round(share, 3)
