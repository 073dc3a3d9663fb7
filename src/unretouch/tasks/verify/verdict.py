"""A verdict: one word, what is said about it, and the pair that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from unretouch.base.messages import N_
from unretouch.tasks.verify.sentences import Phrase, say

Question = Literal["memorised", "texture", "unseen", "unseen_texture", "self_test", "probe"]

UNKNOWN = "unknown"
"""The word where nothing can be said."""

Tone = Literal["good", "middling", "bad", "unknown"]

_TONES: dict[Tone, tuple[str, ...]] = {
    "good": (N_("memorised"), N_("back"), N_("holds"), N_("skill")),
    "middling": (
        *(N_("nearly"), N_("not yet"), N_("no better"), N_("smooth"), N_("holds in part")),
        *(N_("in between"), N_("memory")),
    ),
    "bad": (
        *(N_("did nothing"), N_("harmful"), N_("nothing"), N_("grain"), N_("noisy")),
        N_("does not hold"),
    ),
    "unknown": (N_("unknown"),),
}


@dataclass(frozen=True)
class Verdict:
    """The answer to one question.

    `word` is one of the question's words, which its module lists from worst to best, or UNKNOWN;
    `pairs` gives the word of each pair, `held_back_by` names the pair that the answer hangs on.
    """

    question: Question
    word: str
    phrases: tuple[Phrase, ...]
    held_back_by: str | None
    pairs: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """What is said, in English."""
        return say(self.phrases)

    @property
    def tone(self) -> Tone:
        """How good the word is, for a colour."""
        return next(tone for tone, words in _TONES.items() if self.word in words)
