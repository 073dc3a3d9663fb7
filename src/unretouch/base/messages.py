"""What people read: English where it is said, Korean from the catalogue in `locale/ko`.

A message is marked for translators by the function it is given to: `_` and `N_` in Python and in
the pages' templates and scripts, which have `ngettext` and `pgettext`, too. Babel collects what is
marked (CONTRIBUTING.md), and `tests/unit/test_messages.py` fails on a message that has no Korean.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Message:
    """A sentence, said in the language of whoever reads it.

    `{name}` in `template`, which is English, stands for one of `values`; a value may be a message.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.template.format(**self.values)

    def __hash__(self) -> int:
        # Not that of the fields: `values`, a mapping, has none.
        return hash((self.template, frozenset(self.values.items())))

    def in_korean(self) -> str:
        """Return the sentence in Korean; in English where it has not been translated."""
        values = {
            name: value.in_korean() if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return korean().get(self.template, self.template).format(**values)

    def record(self) -> dict[str, Any]:
        """Return it as the scripts of the pages take it: JSON of the template and the values."""
        values = {
            name: value.record() if isinstance(value, Message) else value
            for name, value in self.values.items()
        }
        return {"message": self.template, "values": values}


Words = str | Message
"""What is said: in both languages, or in English only."""


def _(template: str, **values: object) -> Message:
    """Return a message. `template` is written out where this is called, or Babel misses it."""
    return Message(template, values)


def untranslated(text: str) -> Message:
    """Return a message of what is said in English only."""
    return Message("{text}", {"text": text})


def message_of(words: Words) -> Message:
    """Return what is said as a message."""
    return words if isinstance(words, Message) else untranslated(words)


def N_(template: str) -> str:
    """Return `template`. Marks what becomes a message elsewhere, such as an entry of a table."""
    return template


def in_a_row(messages: Iterable[Message], template: str = N_("{one}; {other}")) -> Message:
    """Return messages that follow on one another, at least one, as one: `template` puts an `other`
    behind those before."""
    return reduce(lambda one, other: Message(template, {"one": one, "other": other}), messages)


@cache
def korean() -> Mapping[str, str]:
    """Return the Korean of every message, by its English.

    A message with a context has it before its English, parted by U+0004, as gettext does. Of one
    with a plural the key is the singular: Korean has one form.
    """
    file = files("unretouch") / "locale" / "ko" / "LC_MESSAGES" / "unretouch.mo"
    with file.open("rb") as opened:
        translations = gettext.GNUTranslations(opened)
    # Looking up one message is all that gettext offers by a public name; pages need all of them.
    catalogue: dict[str | tuple[str, int], str] = vars(translations)["_catalog"]
    texts = {key if isinstance(key, str) else key[0]: text for key, text in catalogue.items()}
    del texts[""]  # what the catalogue says of itself
    return texts
