"""From the words of a command line to a frozen dataclass, with one clear line for every mistake.

`read_flags` resolves names as argparse did: underscores or dashes, `--flag=value`, unique
prefixes, the last of two wins. `build` checks the values; tyro then makes the instance and writes
the help from the docstrings of the fields.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import shutil
import types
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from typing import (
    Annotated,
    Any,
    Literal,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from unretouch.base.errors import UsageError
from unretouch.settings.train import nearest_hint

Schema = TypeVar("Schema")

UNSET = "unset"
"""How the help writes a default of None."""

_NARROWEST = 40
"""Columns of the narrowest help."""

_HELP = ("-h", "--help")
_NUMBER = re.compile(r"-\.?\d")
_OTHER_DASHES = "‐‑‒–—―−－﹣"
_LINE_BREAKS = ("\\", "^", "`", "")


@dataclasses.dataclass(frozen=True)
class Flag:
    """One field of a schema as a flag: its value's type without None, and how many it takes."""

    name: str
    kind: Any
    many: bool
    required: bool

    @property
    def is_switch(self) -> bool:
        return self.kind is bool


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a command line gives: the words after each flag, by field name, and the loose words."""

    flags: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...] = ()

    def replace(self, **flags: str) -> Reading:
        """Return a copy in which these flags were given with these values."""
        return Reading(
            {**self.flags, **{name: (word,) for name, word in flags.items()}}, self.words
        )

    def value(self, name: str) -> str | None:
        """Return the word after flag `name`, or None where it was not given."""
        return self.flags[name][0] if self.flags.get(name) else None


def parse(
    schema: type[Schema],
    argv: Sequence[str],
    prog: str,
    *,
    first: Collection[str] = (),
    elsewhere: Mapping[str, str] | None = None,
) -> Schema:
    """Return an instance of the frozen dataclass `schema` made from the words `argv`.

    `first` and `elsewhere` are explained at read_flags. Prints the help and leaves by SystemExit(0)
    where `argv` asks for it. Raises UsageError.
    """
    if wants_help(argv):
        show_help(schema, prog)
    return build(schema, read_flags(schema, argv, first=first, elsewhere=elsewhere), prog)


def flags_of(schema: type) -> dict[str, Flag]:
    """Return the flags of `schema` by field name, in their order; positional fields left out."""
    hints = get_type_hints(schema, include_extras=True)
    flags = {}
    for field in dataclasses.fields(schema):
        if _is_positional(hints[field.name]):
            continue
        kind = _without_none(hints[field.name])
        many = get_origin(kind) is tuple
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        flags[field.name] = Flag(field.name, get_args(kind)[0] if many else kind, many, required)
    return flags


def read_flags(
    schema: type,
    argv: Sequence[str],
    *,
    first: Collection[str] = (),
    elsewhere: Mapping[str, str] | None = None,
    several: bool = False,
) -> Reading:
    """Return which flags of `schema` the words `argv` give, without looking at their values.

    `first` names the flags among which a prefix is resolved before all others, so that a new flag
    never makes an old abbreviation ambiguous. `elsewhere` says of flags that are not of this
    schema where they went. With `several` any flag may have more than one value. Raises UsageError
    for unknown and ambiguous flags, a missing value, a value after a switch, and words that belong
    to no flag.
    """
    flags = flags_of(schema)
    takes_words = len(flags) < len(dataclasses.fields(schema))
    given: dict[str, tuple[str, ...]] = {}
    loose: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            loose += rest
            break
        if not _looks_like_flag(word):
            loose.append(word)
            continue
        typed, equals, attached = word.partition("=")
        flag = flags[_resolve(typed, list(flags), first, elsewhere or {})]
        if flag.is_switch:
            if equals:
                raise UsageError(f"takes no value, {attached!r} was given", f"--{flag.name}")
            given[flag.name] = ()
        elif equals:
            given[flag.name] = (attached,)
        else:
            given[flag.name] = _take_values(flag, rest, several)
    if loose and not takes_words:
        _refuse_word(loose[0])
    return Reading(given, tuple(loose))


def build(schema: type[Schema], reading: Reading, prog: str) -> Schema:
    """Return the instance of `schema` that `reading` describes. Raises UsageError."""
    arguments = []
    for flag in flags_of(schema).values():
        words = reading.flags.get(flag.name)
        if words is None:
            if flag.required:
                raise UsageError("is missing", f"--{flag.name}", f"{prog} --help lists all flags")
            continue
        for word in words:
            _check_value(flag, word)
        if flag.many:
            arguments += [f"--{flag.name}", *words]
        else:
            arguments.append("=".join((f"--{flag.name}", *words)))
    if reading.words:
        arguments += ["--", *reading.words]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return _tyro(schema, arguments, prog)
    except SystemExit:
        raise UsageError(_flatten(complaint.getvalue())) from None


def wants_help(argv: Sequence[str]) -> bool:
    """Return whether `argv` asks for the help."""
    return any(word in _HELP for word in argv)


def show_help(schema: type, prog: str) -> NoReturn:
    """Print the help of `schema`, every flag with its default, and leave by SystemExit(0)."""
    _tyro(schema, ["--help"], prog)
    raise SystemExit(0)


def _tyro(schema: type[Schema], arguments: list[str], prog: str) -> Schema:
    import tyro  # late: only here, so that no other start pays for it

    if shutil.get_terminal_size().columns < _NARROWEST:
        os.environ["COLUMNS"] = str(_NARROWEST)  # narrower, tyro's help would never end
    registry = tyro.constructors.ConstructorRegistry()
    registry.primitive_rule(_optional_rule)
    return tyro.cli(
        schema,
        args=arguments,
        prog=prog,
        use_underscores=True,
        config=(tyro.conf.FlagCreatePairsOff,),
        registry=registry,
    )


def _optional_rule(info: Any) -> Any:
    """Let tyro treat `X | None` as X whose default reads `unset`."""
    from tyro.constructors import ConstructorRegistry, PrimitiveTypeInfo

    if type(None) not in get_args(info.type):
        return None
    inner = ConstructorRegistry.get_primitive_spec(
        PrimitiveTypeInfo.make(_without_none(info.type), info.markers)
    )
    if isinstance(inner, Exception):
        return inner
    return dataclasses.replace(
        inner,
        is_instance=lambda value: value is None or inner.is_instance(value),
        str_from_instance=lambda value: (
            [UNSET] if value is None else inner.str_from_instance(value)
        ),
    )


def _without_none(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        return next(k for k in get_args(kind) if k is not type(None))
    return kind


def _is_positional(kind: Any) -> bool:
    if get_origin(kind) is not Annotated:
        return False
    import tyro

    return tyro.conf.Positional in kind.__metadata__


def _looks_like_flag(word: str) -> bool:
    return len(word) > 1 and word[0] in "-" + _OTHER_DASHES and not _NUMBER.match(word)


def _take_values(flag: Flag, rest: list[str], several: bool) -> tuple[str, ...]:
    words: list[str] = []
    while rest and not _looks_like_flag(rest[0]) and (flag.many or several or not words):
        words.append(rest.pop(0))
    if not words:
        raise UsageError(f"needs a value: {_describe(flag.kind)}", f"--{flag.name}")
    return tuple(words)


def _resolve(
    typed: str, names: list[str], first: Collection[str], elsewhere: Mapping[str, str]
) -> str:
    """Return the field that the flag `typed` means."""
    stem = typed.lstrip("-" + _OTHER_DASHES)
    bare = stem.replace("-", "_")
    nearest = nearest_hint(f"--{bare}", [f"--{name}" for name in names])
    if typed != f"--{stem}":
        hint = f"Type --{bare}" if bare in names else nearest
        raise UsageError("a flag begins with two hyphens", typed, hint)
    if bare in names:
        return bare
    for pool in (first, names):
        begun = [name for name in names if name in pool and name.startswith(bare)]
        if len(begun) == 1:
            return begun[0]
        if begun:
            could_be = " or ".join(f"--{name}" for name in begun)
            raise UsageError(f"could be {could_be}", typed, "Write the full name")
    if bare in elsewhere:
        raise UsageError(elsewhere[bare], typed)
    raise UsageError("unknown flag", typed, nearest or "--help lists all flags")


def _refuse_word(word: str) -> NoReturn:
    if word.strip() in _LINE_BREAKS:
        hint = "A line break seems to have come in with the command: write it on one line"
    elif word in ("...", "…"):
        hint = "The dots stand for the other flags of the command: write them out"
    else:
        hint = "Put quotation marks around a value that has spaces"
    raise UsageError(f"the word {word!r} belongs to no flag", hint=hint)


def _check_value(flag: Flag, word: str) -> None:
    where = f"--{flag.name}"
    if get_origin(flag.kind) is Literal:
        allowed = [str(choice) for choice in get_args(flag.kind)]
        if word not in allowed:
            raise UsageError(
                f"{word!r} is not one of {', '.join(allowed)}", where, nearest_hint(word, allowed)
            )
    elif flag.kind in (int, float):
        try:
            flag.kind(word)
        except ValueError:
            raise UsageError(f"{word!r} is not {_describe(flag.kind)}", where) from None
    elif flag.required and not word:
        raise UsageError("is empty", where)


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(kind))
    return {int: "a whole number", float: "a number"}.get(kind, "a text")


def _flatten(boxed: str) -> str:
    """Return the words of a message that tyro drew a box around, in one line."""
    lines = [re.sub(r"[─-╿]", " ", line).strip() for line in boxed.splitlines()]
    body = takewhile(lambda line: not line.startswith("For full"), filter(None, lines[1:]))
    return " ".join(body).rstrip(".") or "the command line could not be read"
