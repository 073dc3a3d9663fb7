"""A sentence that a page says in the reader's language: a key of the pages' words, and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unretouch.base.messages import Message
from unretouch.report.compare_words import SENTENCES


@dataclass(frozen=True)
class Worded:
    """A sentence of compare_words.py. With the key `plain` it is the value `text` as it stands."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)

    def english(self) -> str:
        """Return the sentence for the terminal and for JSON."""
        return str(Message(SENTENCES[self.key], self.values))

    def record(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        return {
            "key": self.key,
            "values": dict(self.values),
            "text": self.english(),
            "template": SENTENCES[self.key],
        }


def plain(text: str) -> Worded:
    """Return a sentence that is said in one language only, such as that of an error."""
    return Worded("plain", {"text": text})


def level(value: float) -> str:
    """Return grey levels as a person reads them."""
    return f"{value:.3f}"


def percent(share: float) -> str:
    """Return a share as a person reads it."""
    return f"{share:.1%}"
