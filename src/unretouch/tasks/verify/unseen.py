"""Does it hold on unseen portraits? The third question, for pairs it was never trained on."""

from __future__ import annotations

from collections.abc import Sequence

from unretouch.metrics import Figure
from unretouch.settings.verify import UnseenThresholds
from unretouch.tasks.verify.figures import PairFigures, Part
from unretouch.tasks.verify.sentences import Phrase
from unretouch.tasks.verify.verdict import UNKNOWN, Verdict

WORDS = ("harmful", "does not hold", "holds in part", "holds")
"""From worst to best."""


def generalisation_gap(seen: Figure, heldout: Sequence[PairFigures]) -> Figure:
    """Return `seen`, a mean recovered share on training pairs, less that of the held-out pairs.

    0: as good on unseen portraits; above 0: that much of the skill was memory. None where either
    has no pair with anything to recover.
    """
    unseen = mean_share(heldout)
    return None if seen is None or unseen is None else seen - unseen


def mean_share(pairs: Sequence[PairFigures]) -> Figure:
    """Return the mean of the recovered shares by which pairs are judged, or None without one."""
    shares = [share for pair in pairs if (share := _share(pair)) is not None]
    return sum(shares) / len(shares) if shares else None


def unseen_verdict(
    seen: Figure, heldout: Sequence[PairFigures], thresholds: UnseenThresholds | None = None
) -> Verdict:
    """Judge the held-out pairs, and what is lost against `seen`, the mean recovered share on the
    pairs that the model was trained on.

    Any pair made worse than it was is harm; the worst is named, with the parts of its frame, skin
    or elsewhere, that suffer. UNKNOWN without held-out pairs.
    """
    limits = thresholds or UnseenThresholds()
    mean = mean_share(heldout)
    if mean is None:
        words = {pair.name: UNKNOWN for pair in heldout}
        bare = any(pair.nothing_to_judge for pair in heldout)
        said = Phrase("no_retouch" if bare else "unseen_unknown")
        return Verdict("unseen", UNKNOWN, (said,), None, words)
    known = [pair for pair in heldout if _share(pair) is not None]
    gap = None if seen is None else seen - mean
    words = {pair.name: _word(pair, limits) for pair in heldout}
    last = min(known, key=lambda pair: _share(pair) or 0.0)
    word = _in_all(words[last.name], mean, gap, limits)
    return Verdict(
        "unseen",
        word,
        _phrases(word, mean, gap, last),
        None if word == WORDS[-1] else last.name,
        words,
    )


def harmed_parts(pair: PairFigures) -> dict[str, float]:
    """Return which of `skin` and `elsewhere` are further from the target than the source was, and
    by how many grey levels."""
    parts = {"skin": pair.skin, "elsewhere": pair.elsewhere}
    return {name: harm for name, part in parts.items() if part and (harm := _harm(part)) > 0}


def _harm(part: Part) -> float:
    if part.level_error is None or part.identity_error is None:
        return 0.0
    return part.level_error - part.identity_error


def _share(pair: PairFigures) -> Figure:
    return None if pair.nothing_to_judge else pair.judged["recovered_share"]


def _word(pair: PairFigures, limits: UnseenThresholds) -> str:
    share = _share(pair)
    if share is None:
        return UNKNOWN
    if share < 0:
        return "harmful"
    if share < limits.nothing_below:
        return "does not hold"
    return "holds" if share >= limits.recovered_share else "holds in part"


def _in_all(worst: str, mean: float, gap: Figure, limits: UnseenThresholds) -> str:
    if worst == "harmful":
        return worst
    if mean < limits.nothing_below:
        return "does not hold"
    return worst if worst == "holds" and (gap is None or gap <= limits.gap) else "holds in part"


def _phrases(word: str, mean: float, gap: Figure, last: PairFigures) -> tuple[Phrase, ...]:
    values = {"mean": f"{mean:.2f}", "pair": last.name, "share": f"{_share(last):.2f}"}
    key = "unseen_alone"
    if gap is not None:
        key = "unseen_gap" if gap >= 0 else "unseen_gain"
        values["gap"] = f"{abs(gap):.2f}"
    harm = [
        Phrase(f"harm_{part}", {"harm": f"{harm:.2g}"}) for part, harm in harmed_parts(last).items()
    ]
    return (Phrase(f"unseen_{word.replace(' ', '_')}"), Phrase(key, values), *harm)
