"""From the words of a command line to a settings class, with one clear line for every mistake.

The words are read once, by the rules of argparse: underscores or dashes, `--flag=value`, unique
prefixes, the last of two wins. argparse itself writes the help, and gives shtab what it completes.
It does not read: it knows no prefix that means a classic flag first, and its complaints name what
the program calls a thing and not what the person wrote.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from unretouch.base.errors import UsageError
from unretouch.settings.fields import (
    Flag,
    described,
    fields_of,
    flags_of,
    from_words,
    made,
    nearest_hint,
    sections_of,
    words_of,
)

Schema = TypeVar("Schema")

UNSET = "unset"
"""How the help writes a default of None."""

_HELP = ("-h", "--help")
_OUT = "-o"
"""Short for --out, where a command has it."""
_NUMBER = re.compile(r"-\.?\d")
_OTHER_DASHES = "‐‑‒–—―−－﹣"
_LINE_BREAKS = ("\\", "^", "`", "")
_KINDS = {str: "STR", int: "INT", float: "FLOAT", Path: "PATH"}


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a command line gives: the words after each flag, by its name, and the loose words."""

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


def parse(schema: type[Schema], argv: Sequence[str], prog: str) -> Schema:
    """Return the settings that the words `argv` ask for.

    Prints the help and leaves by SystemExit(0) where `argv` asks for it. Raises UsageError.
    """
    if wants_help(argv):
        show_help(schema, prog)
    reading = read(flags_of(schema), argv, loose=bool(words_of(schema)))
    return build(schema, values(fields_of(schema), reading), prog)


def read(
    flags: Mapping[str, Flag],
    argv: Sequence[str],
    *,
    first: Collection[str] = (),
    elsewhere: Mapping[str, str] | None = None,
    loose: bool = False,
    several: bool = False,
) -> Reading:
    """Return which of `flags` the words `argv` give, without looking at their values.

    `first` names the flags among which a prefix is resolved before all others, so that a new flag
    never makes an old abbreviation ambiguous. `elsewhere` says of flags that are not among these
    where they went. `loose` takes words that belong to no flag. With `several` any flag may have
    more than one value. Raises UsageError for unknown and ambiguous flags, a missing value, a value
    after a switch, and words that belong to no flag.
    """
    given: dict[str, tuple[str, ...]] = {}
    words: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if not _looks_like_flag(word):
            words.append(word)
            continue
        typed, equals, attached = word.partition("=")
        if typed == _OUT and "out" in flags:
            typed = "--out"
        flag = flags[_resolve(typed, list(flags), first, elsewhere or {})]
        if flag.is_switch:
            if equals:
                raise UsageError(f"takes no value, {attached!r} was given", f"--{flag.name}")
            given[flag.name] = ()
        elif equals:
            given[flag.name] = (attached,)
        else:
            given[flag.name] = _take_values(flag, rest, several)
    if words and not loose:
        _refuse_word(words[0])
    return Reading(given, tuple(words))


def values(fields: Mapping[str, Flag], reading: Reading) -> dict[str, Any]:
    """Return the values that were given, by name: those of flags, and those of loose words.

    Raises UsageError for a value of another kind, and for more words than are taken.
    """
    given = {
        name: from_words(flag, reading.flags[name])
        for name, flag in fields.items()
        if name in reading.flags
    }
    left = list(reading.words)
    for name, flag in fields.items():
        if flag.word is None or flag.word.unless in given or not left:
            continue
        taken = len(left) if flag.many else 1
        given[name] = from_words(flag, left[:taken])
        left = left[taken:]
    if left:
        raise UsageError(f"one run at a time, not {len(reading.words)}", " ".join(reading.words))
    return given


def build(schema: type[Schema], given: Mapping[str, Any], prog: str) -> Schema:
    """Return the settings with these values.

    Raises UsageError where one is missing, or cannot be.
    """
    for name, flag in fields_of(schema).items():
        if flag.required and name not in given:
            raise UsageError("is missing", f"--{name}", f"{prog} --help lists all flags")
    return made(schema, given)


def wants_help(argv: Sequence[str]) -> bool:
    """Return whether `argv` asks for the help."""
    return any(word in _HELP for word in argv)


def show_help(
    schema: type, prog: str, flags: Mapping[str, Flag] | None = None, about: str = ""
) -> NoReturn:
    """Print the help of `schema`, every flag with its default, and leave by SystemExit(0).

    `flags` are those to show, if not all of its own; `about` is said of the command, if not the
    docstring.
    """
    words = [flag.word.shown for flag in words_of(schema) if flag.word]
    parser = argparse.ArgumentParser(
        prog,
        usage=" ".join(["%(prog)s [-h] [FLAGS]", *words]),
        description=about or inspect.cleandoc(schema.__doc__ or ""),
        formatter_class=_Help,
    )
    add_arguments(parser, schema, flags)
    text = parser.format_help()
    if sys.stdout.isatty() and os.name != "nt" and "NO_COLOR" not in os.environ:
        text = re.sub(r"(?m)^  (--?\w+(, --\w+)?)", "  \033[1m\\1\033[0m", text)
    print(text, end="")
    raise SystemExit(0)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Breaks lines between words only: unet_256 or CycleGAN-and-pix2pix stay whole."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


def add_arguments(
    parser: argparse.ArgumentParser, schema: type, flags: Mapping[str, Flag] | None = None
) -> list[argparse.Action]:
    """Add the words and flags of `schema` to a parser that shows or completes them; return them.

    `flags` are those to add, if not all of its own. A class that the schema is made of gives its
    flags a heading, the first line of its docstring.
    """
    helps = helps_of(schema)
    added = []
    for flag in words_of(schema):
        word = flag.word.shown.strip("[]") if flag.word else flag.name
        added.append(parser.add_argument(flag.name, metavar=word, help=helps.get(flag.name)))
    for kind, own in sections_of(schema):
        heading = (kind.__doc__ or "").partition("\n")[0].rstrip(".")
        group = parser if kind is schema else parser.add_argument_group(heading)
        for name in own:
            shown = own[name] if flags is None else flags.get(name)
            if shown is not None and shown.word is None:
                added.append(_add(group, shown, helps.get(name, "")))
    return added


def _add(group: argparse._ActionsContainer, flag: Flag, about: str) -> argparse.Action:
    unset = flag.default is None or flag.default in ("", ())
    default = f"default: {UNSET if unset else flag.default}"
    text = f"{about} ({'required' if flag.required else default})".strip().replace("%", "%%")
    name = f"--{flag.name}"
    if flag.is_switch:
        return group.add_argument(name, action="store_true", help=text)
    return group.add_argument(
        name,
        nargs="+" if flag.many else None,
        choices=flag.choices or None,
        metavar=None if flag.choices else _KINDS.get(flag.kind, "STR"),
        help=text,
    )


def helps_of(schema: type) -> dict[str, str]:
    """Return the docstrings under the fields of `schema`, by the names of the settings."""
    return {
        name: text
        for kind, flags in sections_of(schema)
        for name, flag in flags.items()
        if (text := _docstrings(kind).get(flag.field))
    }


def _docstrings(kind: type) -> dict[str, str]:
    """Return the docstrings under the fields that a class declares."""
    found: dict[str, str] = {}
    above = ""  # nothing: what comes first is the docstring of the class
    for node in _classes(kind.__module__).get(kind.__name__, ()):
        match node:
            case ast.AnnAssign(target=ast.Name(name)):
                above = name
            case ast.Expr(ast.Constant(str(text))):
                found[above] = " ".join(text.split())
    return found


@cache
def _classes(module: str) -> dict[str, list[ast.stmt]]:
    """Return the bodies of the classes in a module's source; none where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except OSError:
        return {}
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}


def _looks_like_flag(word: str) -> bool:
    return len(word) > 1 and word[0] in "-" + _OTHER_DASHES and not _NUMBER.match(word)


def _take_values(flag: Flag, rest: list[str], several: bool) -> tuple[str, ...]:
    words: list[str] = []
    while rest and not _looks_like_flag(rest[0]) and (flag.many or several or not words):
        words.append(rest.pop(0))
    if not words:
        raise UsageError(f"needs a value: {described(flag)}", f"--{flag.name}")
    return tuple(words)


def _resolve(
    typed: str, names: list[str], first: Collection[str], elsewhere: Mapping[str, str]
) -> str:
    """Return the name of the flag that `typed` means."""
    stem = typed.lstrip("-" + _OTHER_DASHES)
    bare = stem.replace("-", "_")
    known = [f"--{name}" for name in names]
    if typed != f"--{stem}":
        hint = f"Type --{bare}" if bare in names else nearest_hint(f"--{bare}", known)
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
    hint = nearest_hint(f"--{bare}", known) or "--help lists all flags"
    raise UsageError("unknown flag", typed, hint)


def _refuse_word(word: str) -> NoReturn:
    if word.strip() in _LINE_BREAKS:
        hint = "A line break seems to have come in with the command: write it on one line"
    elif word in ("...", "…"):
        hint = "The dots stand for the other flags of the command: write them out"
    else:
        hint = "Put quotation marks around a value that has spaces"
    raise UsageError(f"the word {word!r} belongs to no flag", hint=hint)
