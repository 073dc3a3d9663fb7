"""`--fail_below`: the words that scripts ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unretouch.base.errors import UsageError, VerificationError
from unretouch.settings.fields import nearest_hint
from unretouch.tasks.verify import memorised, probe, texture, unseen
from unretouch.tasks.verify.verdict import UNKNOWN, Verdict

SCALES = {
    "memorised": memorised.WORDS,
    "texture": texture.WORDS,
    "unseen": unseen.WORDS,
    "probe": probe.WORDS,
}
"""The words of each question, from worst to best. No two share a word but the worst."""


def least_words(asked: Sequence[str]) -> dict[str, str]:
    """Return the least word by question; `did_nothing` and `did nothing` are the same.

    Raises UsageError for a word of no question, for the worst of one, below which there is nothing,
    and for two words of one question.
    """
    by_word = {word: question for question, words in SCALES.items() for word in words[1:]}
    least: dict[str, str] = {}
    for given in asked:
        word = given.replace("_", " ").replace("-", " ").lower()
        if word not in by_word:
            near = nearest_hint(word, list(by_word)) or f"Words: {', '.join(by_word)}"
            raise UsageError(f"{given!r} is no verdict that another is below", "--fail_below", near)
        if by_word[word] in least:
            raise UsageError(f"{least[by_word[word]]!r} and {word!r} contradict", "--fail_below")
        least[by_word[word]] = word
    return least


def require(verdicts: Mapping[str, Verdict], least: Mapping[str, str]) -> None:
    """Raise VerificationError naming every verdict below its least word; what is unknown is below
    everything."""
    failed = []
    for question, word in least.items():
        verdict = verdicts.get(question)
        found = verdict.word if verdict else UNKNOWN
        words = SCALES[question]
        if found == UNKNOWN or words.index(found) < words.index(word):
            by = f" ({verdict.held_back_by})" if verdict and verdict.held_back_by else ""
            failed.append(f"{question} is {found!r}{by}, below {word!r}")
    if failed:
        raise VerificationError("; ".join(failed), "--fail_below")
