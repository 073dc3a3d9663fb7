"""What a field of a settings class says of itself: its kind, its limit, and how it is given.

A settings class is a frozen dataclass. A setting is declared once, as one of its fields,

    strength: Annotated[float, between(0, 1.5)] = 1.0
    \"\"\"how much of the detail is brought back\"\"\"

and that is the flag `--strength`, its help, its check, and an argument of the Python call. Several
fields that stand above one docstring share it. A field that holds a dataclass gives the settings in
it, their names behind its own: memorised_G_L1.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from unretouch.base.errors import UsageError
from unretouch.settings.paths import understood

Schema = TypeVar("Schema")

Words = dict[str, tuple[str, ...]]
"""What a command line gives: the words after each flag by its name, none after a switch."""


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a value may be. `said` tells whoever gave another: `must be 1 or more`."""

    said: str
    holds: Callable[[Any], bool]


@dataclasses.dataclass(frozen=True)
class Word:
    """Marks a field that is given without a flag: `shown` stands in the usage, as RUN.

    There is no such word where one of the flags `unless` is given.
    """

    shown: str
    unless: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class OldName:
    """Marks a field one of whose choices, `old`, is another name of `new`: it is understood, and
    not offered."""

    old: str
    new: str


def between(low: float, high: float) -> Limit:
    """Return the limit of a number that is from `low` to `high`."""
    return Limit(f"must be from {low} to {high}", lambda value: low <= value <= high)


ABOVE_ZERO = Limit("must be a number more than 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Limit("must be a number, 0 or more", lambda value: 0 <= value < math.inf)
AT_LEAST_ONE = Limit("must be 1 or more", lambda value: value >= 1)
EPOCH = Limit(
    "must be latest, best or the number of an epoch",
    lambda value: value in ("latest", "best") or (value.isdecimal() and int(value) > 0),
)

PositiveInt = Annotated[int, ABOVE_ZERO]
PositiveFloat = Annotated[float, ABOVE_ZERO]
NotNegativeInt = Annotated[int, NOT_NEGATIVE]
NotNegativeFloat = Annotated[float, NOT_NEGATIVE]
Count = Annotated[int, AT_LEAST_ONE]

EngineName = Literal["local", "ray"]


@dataclasses.dataclass(frozen=True)
class Flag:
    """One setting: the kind of its value without None, and how many it takes."""

    name: str
    kind: Any
    many: bool
    default: Any
    """MISSING where it must be given"""
    declared_in: type
    path: str
    """where its value is in the settings: thresholds.memorised.G_L1"""
    limit: Limit | None = None
    word: Word | None = None
    renamed: OldName | None = None

    @property
    def is_switch(self) -> bool:
        return self.kind is bool

    @property
    def required(self) -> bool:
        return self.default is dataclasses.MISSING

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values there are, of a field that is a Literal."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def offered(self) -> tuple[Any, ...]:
        """The choices by the names that a person reads."""
        old = self.renamed.old if self.renamed else None
        return tuple(choice for choice in self.choices if choice != old)

    def read(self, value: Any) -> Any:
        """Return a value by the name that a person reads."""
        return self.renamed.new if self.renamed and value == self.renamed.old else value

    @property
    def annotation(self) -> Any:
        """The type of its value, as a Python call shows it."""
        kind = tuple[self.kind, ...] if self.many else self.kind  # type: ignore[name-defined]
        return kind | None if self.default is None else kind

    @property
    def about(self) -> str:
        """The docstring under the field; none where there is no source."""
        own = self.path.rpartition(".")[2]
        return _docstrings(self.declared_in.__module__).get((self.declared_in.__name__, own), "")


def flags_of(schema: type) -> dict[str, Flag]:
    """Return the settings of `schema` that are given by a flag, by name."""
    return {name: flag for name, flag in fields_of(schema).items() if flag.word is None}


def fields_of(schema: type) -> Mapping[str, Flag]:
    """Return all settings of `schema` by name: its own first, then those of its bases, then those
    in dataclasses that it holds."""
    return {flag.name: flag for flag in _fields(schema, holder="", path="")}


@cache
def _fields(schema: type, holder: str, path: str) -> Sequence[Flag]:
    hints = get_type_hints(schema, include_extras=True)
    left = {field.name: field for field in dataclasses.fields(schema)}
    found: list[Flag] = []
    nested: list[Flag] = []
    for kind in schema.__mro__:
        for name in vars(kind).get("__annotations__", ()):
            field = left.pop(name, None)
            if field is None:
                continue
            if dataclasses.is_dataclass(field.default):
                inner: type = type(field.default)
                nested += _fields(inner, f"{name}_", f"{path}{name}.")
                continue
            value, notes = _plain(hints[name])
            many = get_origin(value) is tuple
            flag = Flag(
                name=holder + name,
                kind=_plain(get_args(value)[0])[0] if many else value,
                many=many,
                default=field.default,
                declared_in=kind,
                path=path + name,
                limit=next((note for note in notes if isinstance(note, Limit)), None),
                word=next((note for note in notes if isinstance(note, Word)), None),
                renamed=next((note for note in notes if isinstance(note, OldName)), None),
            )
            found.append(flag)
    return [*found, *nested]


def _plain(hint: Any) -> tuple[Any, list[object]]:
    """Return the type without None and without what is noted of it, and these notes."""
    if get_origin(hint) is Annotated:
        kind, notes = _plain(get_args(hint)[0])
        return kind, [*notes, *hint.__metadata__]
    if get_origin(hint) in (Union, types.UnionType):
        return _plain(next(kind for kind in get_args(hint) if kind is not type(None)))
    return hint, []


@cache
def _docstrings(module: str) -> Mapping[tuple[str, str], str]:
    """Return what stands under the fields of a module's classes, by class and field."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except OSError:
        return {}
    found: dict[tuple[str, str], str] = {}
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        above: list[tuple[str, str]] = []  # none: what comes first is the docstring of the class
        for node in kind.body:
            match node:
                case ast.AnnAssign(target=ast.Name(name)):
                    above.append((kind.name, name))
                case ast.Expr(ast.Constant(str(text))):
                    found |= dict.fromkeys(above, " ".join(text.split()))
                    above = []
    return found


def typed_value(value: object) -> str:
    """Return a value as a person types it: 1 where it is 1.0."""
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


class Settings:
    """A base of settings classes, which are checked as soon as they are made.

    Raises UsageError naming the first flag whose value is not one of its choices, or beyond its
    limit.
    """

    BASICS: ClassVar[tuple[str, ...]] = ()
    """the flags that the help shows first; none where it is short"""

    def __post_init__(self) -> None:
        for flag in fields_of(type(self)).values():
            value = attrgetter(flag.path)(self)
            if value is None:
                continue
            if flag.choices and value not in flag.choices:
                known = [str(choice) for choice in flag.offered]
                said = f"{value!r} is not one of {', '.join(known)}"
                raise UsageError(said, f"--{flag.name}", nearest_hint(str(value), known))
            if flag.limit is not None and not flag.limit.holds(value):
                given = typed_value(value)
                raise UsageError(f"{flag.limit.said}; you gave {given}", f"--{flag.name}")


def made(schema: type[Schema], values: Mapping[str, Any], holder: str = "") -> Schema:
    """Return the settings with these values by name. Raises what the class does."""
    own = {}
    for field in dataclasses.fields(schema):  # type: ignore[arg-type]
        if dataclasses.is_dataclass(field.default):
            own[field.name] = made(type(field.default), values, f"{field.name}_")
        elif holder + field.name in values:
            own[field.name] = values[holder + field.name]
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
        return tuple(_one_as_kind(flag, one) for one in several)
    return _one_as_kind(flag, value)


def _one_as_kind(flag: Flag, value: Any) -> Any:
    if isinstance(value, str | Path) and flag.kind in (str, Path):
        return flag.kind(understood(str(value), flag.name))
    return flag.kind(value) if flag.many else value


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
