"""A verdict: one word, what is said about it, and the pair that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from unretouch.tasks.verify.sentences import Phrase, say

Question = Literal["memorised", "texture", "unseen", "unseen_texture", "self_test", "probe"]

UNKNOWN = "unknown"
"""The word where nothing can be said."""

Tone = Literal["good", "middling", "bad", "unknown"]

_TONES: dict[Tone, tuple[str, ...]] = {
    "good": ("memorised", "back", "holds", "skill"),
    "middling": (
        *("nearly", "not yet", "no better", "smooth", "holds in part"),
        *("in between", "memory"),
    ),
    "bad": ("did nothing", "harmful", "nothing", "grain", "noisy", "does not hold"),
    "unknown": (UNKNOWN,),
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
