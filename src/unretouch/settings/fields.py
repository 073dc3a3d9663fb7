"""What a field of a settings class says of itself: its kind, its limit, and how it is given.

A settings class is a frozen dataclass whose `__post_init__` calls `check`. A setting is declared
once, as one of its fields,

    strength: Annotated[float, between(0, 1.5)] = 1.0
    \"\"\"how much of the detail is brought back\"\"\"

and that is the flag `--strength`, its help, its check, and an argument of the Python call. A field
that holds a dataclass gives the settings in it, their names behind its own: memorised_G_L1.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from unretouch.base.errors import UsageError

Schema = TypeVar("Schema")


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a value may be. `said` follows one that may not: `is not above zero`."""

    said: str
    holds: Callable[[Any], bool]


@dataclasses.dataclass(frozen=True)
class Word:
    """Marks a field that is given without a flag: `shown` stands in the usage, as RUN.

    With `unless` there is no such word where the flag of that name is given.
    """

    shown: str
    unless: str = ""


def between(low: float, high: float) -> Limit:
    """Return the limit of a number that is from `low` to `high`."""
    return Limit(f"is not from {low} to {high}", lambda value: low <= value <= high)


def above_zero(said: str = "is not a finite number above zero") -> Limit:
    """Return the limit of a number that is above zero and finite."""
    return Limit(said, lambda value: 0 < value < math.inf)


def not_negative(said: str = "is not zero or more") -> Limit:
    """Return the limit of a number that is zero, or above it and finite."""
    return Limit(said, lambda value: 0 <= value < math.inf)


AT_LEAST_ONE = Limit("is not one or more", lambda value: value >= 1)
COUNT = Limit("is not above zero", lambda value: value >= 1)
EPOCH = Limit(
    "is not latest, best or the number of an epoch",
    lambda value: value in ("latest", "best") or (value.isdecimal() and int(value) > 0),
)

PositiveInt = Annotated[int, above_zero()]
PositiveFloat = Annotated[float, above_zero()]
NotNegativeInt = Annotated[int, not_negative()]
NotNegativeFloat = Annotated[float, not_negative()]
Count = Annotated[int, COUNT]

EngineName = Literal["local", "ray"]


@dataclasses.dataclass(frozen=True)
class Flag:
    """One field of a settings class: the kind of its value without None, and how many it takes."""

    name: str
    field: str
    """its name in the class that declares it"""
    kind: Any
    many: bool
    default: Any
    """MISSING where it must be given"""
    limit: Limit | None = None
    word: Word | None = None

    @property
    def is_switch(self) -> bool:
        return self.kind is bool

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def annotation(self) -> Any:
        """The type of its value, as a Python call shows it."""
        kind = tuple[self.kind, ...] if self.many else self.kind  # type: ignore[name-defined]
        return kind | None if self.default is None else kind

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values there are, of a field that is a Literal."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()


def flags_of(schema: type) -> dict[str, Flag]:
    """Return the flags of `schema` by name: its own first, then those of its bases."""
    return {name: flag for name, flag in fields_of(schema).items() if flag.word is None}


def words_of(schema: type) -> tuple[Flag, ...]:
    """Return the fields of `schema` that are given without a flag, in their order."""
    return tuple(flag for flag in fields_of(schema).values() if flag.word is not None)


def fields_of(schema: type) -> Mapping[str, Flag]:
    """Return all settings of `schema` by name."""
    return {name: flag for _, flags in sections_of(schema) for name, flag in flags.items()}


def sections_of(schema: type) -> Sequence[tuple[type, Mapping[str, Flag]]]:
    """Return the classes that declare settings of `schema`, itself first, each with its own."""
    return _sections(schema, "")


@cache
def _sections(schema: type, before: str) -> Sequence[tuple[type, Mapping[str, Flag]]]:
    """Return the sections of a class whose settings have `before` before their names."""
    hints = get_type_hints(schema, include_extras=True)
    left = {field.name: field for field in dataclasses.fields(schema)}
    sections: list[tuple[type, Mapping[str, Flag]]] = []
    nested: list[tuple[type, Mapping[str, Flag]]] = []
    for kind in schema.__mro__:
        own = {}
        for name in vars(kind).get("__annotations__", ()):
            if name not in left:
                continue
            flag = _flag(left.pop(name), hints[name], before)
            if isinstance(flag.kind, type) and dataclasses.is_dataclass(flag.kind):
                nested += _sections(flag.kind, f"{name}_")
            else:
                own[flag.name] = flag
        sections.append((kind, own))
    return [(kind, flags) for kind, flags in (*sections, *nested) if flags]


def _flag(field: dataclasses.Field[Any], hint: object, before: str) -> Flag:
    kind, notes = _plain(hint)
    many = get_origin(kind) is tuple
    return Flag(
        name=before + field.name,
        field=field.name,
        kind=_plain(get_args(kind)[0])[0] if many else kind,
        many=many,
        default=field.default,
        limit=next((note for note in notes if isinstance(note, Limit)), None),
        word=next((note for note in notes if isinstance(note, Word)), None),
    )


def _plain(hint: Any) -> tuple[Any, list[object]]:
    """Return the type without None and without what is noted of it, and these notes."""
    if get_origin(hint) is Annotated:
        kind, notes = _plain(get_args(hint)[0])
        return kind, [*notes, *hint.__metadata__]
    if get_origin(hint) in (Union, types.UnionType):
        return _plain(next(kind for kind in get_args(hint) if kind is not type(None)))
    return hint, []


def check(settings: Any) -> None:
    """Raise UsageError naming the first flag whose value is not one of its choices, or beyond its
    limit."""
    given = flat(settings)
    for flag in fields_of(type(settings)).values():
        value = given[flag.name]
        if value is None:
            continue
        if flag.choices and value not in flag.choices:
            raise UsageError(f"{value!r} is not one of {_listed(flag.choices)}", f"--{flag.name}")
        if flag.limit is not None and not flag.limit.holds(value):
            raise UsageError(f"{value!r} {flag.limit.said}", f"--{flag.name}")


def flat(settings: Any, before: str = "") -> dict[str, Any]:
    """Return the values of all settings by name."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            values.update(flat(value, f"{field.name}_"))
        else:
            values[before + field.name] = value
    return values


def made(schema: type[Schema], values: Mapping[str, Any], before: str = "") -> Schema:
    """Return the settings with these values by name, `flat` undone. Raises what the class does."""
    own = {}
    for field in dataclasses.fields(schema):  # type: ignore[arg-type]
        if dataclasses.is_dataclass(field.default):
            own[field.name] = made(type(field.default), values, f"{field.name}_")
        elif before + field.name in values:
            own[field.name] = values[before + field.name]
    return schema(**own)


def from_call(schema: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a Python call in the kinds that `schema` has.

    A path may come as a text, a text as a path, and one value where several are taken. Raises
    UsageError for a name that is unknown.
    """
    known = fields_of(schema)
    for name in values:
        if name not in known:
            raise UsageError("unknown setting", name, nearest_hint(name, list(known)))
    return {name: _as_kind(known[name], value) for name, value in values.items()}


def _as_kind(flag: Flag, value: Any) -> Any:
    if value is None:
        return None
    if flag.many:
        several = [value] if isinstance(value, str | Path) else value
        return tuple(flag.kind(one) for one in several)
    return flag.kind(value) if isinstance(value, str | Path) and flag.kind in (str, Path) else value


def from_words(flag: Flag, words: Sequence[str]) -> Any:
    """Return the value of `flag` that the words after it mean. Raises UsageError."""
    if flag.is_switch:
        return True
    values = tuple(_from_word(flag, word) for word in words)
    return values if flag.many else values[0]


def _from_word(flag: Flag, word: str) -> Any:
    where = f"--{flag.name}"
    if flag.choices:
        by_text = {str(choice): choice for choice in flag.choices}
        if word not in by_text:
            hint = nearest_hint(word, list(by_text))
            raise UsageError(f"{word!r} is not one of {_listed(flag.choices)}", where, hint)
        return by_text[word]
    if flag.required and not word:
        raise UsageError("is empty", where)
    try:
        return flag.kind(word)
    except ValueError:
        raise UsageError(f"{word!r} is not {described(flag)}", where) from None


def described(flag: Flag) -> str:
    """Return what one value of the flag is: `a whole number`."""
    if flag.choices:
        return f"one of {_listed(flag.choices)}"
    return {int: "a whole number", float: "a number"}.get(flag.kind, "a text")


def _listed(choices: Sequence[object]) -> str:
    return ", ".join(str(choice) for choice in choices)


def nearest_hint(word: str, known: list[str]) -> str:
    """Return `Did you mean 'x'?` for the known word nearest to `word`, or an empty text."""
    # Hyphens say nothing: they would make any two flags alike.
    bare = {k.lstrip("-"): k for k in known}
    word = word.lstrip("-")
    # Letters in another case come first: --netd is nearer to --netD than to --netG.
    near = [k for k in bare if k.lower() == word.lower()]
    if not near:
        import difflib  # late: only for a mistake

        near = difflib.get_close_matches(word, bare, n=1, cutoff=0.6)
    return f"Did you mean {bare[near[0]]!r}?" if near else ""
