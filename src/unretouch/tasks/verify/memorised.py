"""Did it memorise? The first question, for the pairs that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

from unretouch.settings.verify import MemorisedThresholds
from unretouch.tasks.verify.figures import PairFigures
from unretouch.tasks.verify.sentences import Phrase
from unretouch.tasks.verify.verdict import UNKNOWN, Verdict

WORDS = ("harmful", "did nothing", "not yet", "nearly", "memorised")
"""From worst to best."""


def memorised_verdict(
    pairs: Sequence[PairFigures], thresholds: MemorisedThresholds | None = None
) -> Verdict:
    """Judge the training pairs over the whole frame, those compressed apart over the retouched
    area; the worst pair decides.

    UNKNOWN without pairs, and where all hold nothing but noise.
    """
    limits = thresholds or MemorisedThresholds()
    if not pairs:
        return Verdict("memorised", UNKNOWN, (Phrase("memorised_unknown"),), None, {})
    words = {pair.name: _word(pair, limits) for pair in pairs}
    known = [pair for pair in pairs if words[pair.name] != UNKNOWN]
    if not known:
        return Verdict("memorised", UNKNOWN, (Phrase("no_retouch"),), None, words)
    last = max(known, key=lambda p: (-WORDS.index(words[p.name]), _shortfall(p, limits)))
    word = words[last.name]
    return Verdict(
        "memorised",
        word,
        _phrases(word, last, len(known), limits),
        None if word == WORDS[-1] else last.name,
        words,
    )


def _word(pair: PairFigures, limits: MemorisedThresholds) -> str:
    if pair.nothing_to_judge:
        return UNKNOWN
    share, weighted = pair.judged["recovered_share"], pair.judged_G_L1
    if share is None:
        # Source and target are one picture: all that can be done is to leave it alone.
        return "memorised" if weighted <= limits.G_L1 else "harmful"
    if share < 0:
        return "harmful"
    if share < limits.nothing_below:
        return "did nothing"
    if weighted <= limits.G_L1 and share >= limits.recovered_share:
        return "memorised"
    if weighted <= limits.nearly_G_L1 and share >= limits.nearly_recovered_share:
        return "nearly"
    return "not yet"


def _shortfall(pair: PairFigures, limits: MemorisedThresholds) -> float:
    """How many times over the limit the further of the two figures is."""
    share = pair.judged["recovered_share"]
    missing = 0.0 if share is None else (1 - share) / max(1 - limits.recovered_share, 1e-9)
    return max(missing, pair.judged_G_L1 / max(limits.G_L1, 1e-9))


def _phrases(
    word: str, last: PairFigures, count: int, limits: MemorisedThresholds
) -> tuple[Phrase, ...]:
    stands = _stands(last)
    if word == WORDS[-1]:
        key = "memorised_all" if count > 1 else "memorised_one"
        return (Phrase(key, {"count": str(count), "pair": last.name, "stands": stands}),)
    goal = {"G_L1": f"{limits.G_L1:g}", "share": f"{limits.recovered_share:g}"}
    return (
        Phrase(f"memorised_{word.replace(' ', '_')}"),
        Phrase("held_back", {"pair": last.name, "stands": stands, **goal}),
    )


def _stands(pair: PairFigures) -> Phrase:
    error, share = pair.judged["level_error"], pair.judged["recovered_share"]
    values: dict[str, str | Phrase] = {
        "weighted": f"{pair.judged_G_L1:.3g}",
        "lambda_L1": f"{pair.lambda_L1:g}",
        "error": f"{error:.3g}",
    }
    if share is None:
        return Phrase("stands_equal", values)
    where = "stands_area" if pair.noisy else "stands"
    return Phrase(where, {**values, "share": f"{share:.2f}"})
