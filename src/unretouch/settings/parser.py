"""From the words of a command line to a settings class, with one clear line for every mistake.

The words are read once, by the rules of argparse: underscores or dashes, `--flag=value`, unique
prefixes, the last of two wins. argparse itself writes the help, and gives shtab what it completes.
It does not read: it knows no prefix that means a classic flag first, and its complaints name what
the program calls a thing and not what the person wrote.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from unretouch.base.errors import ExitCode, UsageError
from unretouch.settings.fields import Flag, Settings, Words, fields_of, made, nearest_hint
from unretouch.settings.paths import FILES, FOLDERS, NAMED, understood

Schema = TypeVar("Schema", bound=Settings)

RUNS = frozenset({"like", "name", "run", "runs"})
"""After which flags and words the shell offers the names of runs."""

_HELP = ("-h", "--help")
_OUT = "-o"
"""Short for --out, where a command has it."""
_NUMBER = re.compile(r"-\.?\d")
_OTHER_DASHES = "‐‑‒–—―−－﹣"
_LINE_BREAKS = ("\\", "^", "`", "")
_UNSET = "; unset, "
"""After it, a docstring says what is done where the flag is not given."""
_KINDS = {str: "STR", int: "INT", float: "FLOAT", Path: "PATH"}


def parse(schema: type[Schema], argv: Sequence[str], prog: str) -> Schema:
    """Return the settings that the words `argv` ask for.

    Prints the help and leaves by SystemExit(0) where `argv` asks for it. Raises UsageError.
    """
    show_help_if_asked(argv, schema, prog)
    fields = fields_of(schema)
    return build(schema, values(fields, read(fields, argv)), prog)


# --- words


def read(
    fields: Mapping[str, Flag],
    argv: Sequence[str],
    *,
    first: Collection[str] = (),
    elsewhere: Mapping[str, str] | None = None,
    several: bool = False,
) -> Words:
    """Return which of `fields` the words `argv` give, without looking at their values.

    `first` names the flags among which a prefix is resolved before all others, so that a new flag
    never makes an old abbreviation ambiguous. `elsewhere` says of flags that are not among these
    where they went. With `several` any flag may have more than one value. Raises UsageError for
    unknown and ambiguous flags, a missing value, a value after a switch, and words that belong to
    no flag.
    """
    flags = [name for name, flag in fields.items() if flag.word is None]
    takes_words = len(flags) < len(fields)
    given: Words = {}
    loose: list[str] = []
    rest = list(argv)

    def name_of(word: str) -> str:
        """The name of the flag that a word means. Raises UsageError."""
        return _resolve(word.partition("=")[0], flags, first, elsewhere or {})

    def is_file(word: str) -> bool:
        """Whether a word that begins with a hyphen is no flag, but the name of a file."""
        if not os.path.lexists(word):
            return False
        try:
            name_of(word)
        except UsageError:
            return True
        return False

    while rest:
        word = rest.pop(0)
        if word == "--":
            loose += rest
            break
        if not _looks_like_flag(word) or (takes_words and is_file(word)):
            loose.append(word)
            continue
        _, equals, attached = word.partition("=")
        flag = fields[name_of(word)]
        if flag.is_switch and equals:
            raise UsageError(f"takes no value, {attached!r} was given", f"--{flag.name}")
        if flag.is_switch:
            given[flag.name] = ()
        elif equals:
            given[flag.name] = (attached,)
        else:
            given[flag.name] = _take_values(flag, rest, several, is_file)
    return given | _without_flag(fields, given, loose)


def _looks_like_flag(word: str) -> bool:
    return len(word) > 1 and word[0] in "-" + _OTHER_DASHES and not _NUMBER.match(word)


def _resolve(
    typed: str, names: list[str], first: Collection[str], elsewhere: Mapping[str, str]
) -> str:
    """Return the name of the flag that `typed` means."""
    if typed == _OUT and "out" in names:
        return "out"
    stem = typed.lstrip("-" + _OTHER_DASHES)
    bare = stem.replace("-", "_")
    known = [f"--{name}" for name in names]
    if typed != f"--{stem}":
        hint = f"Type --{bare}" if bare in names else nearest_hint(f"--{bare}", known)
        hint = hint or f"A file of that name is written ./{typed}"
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


def _take_values(
    flag: Flag, rest: list[str], several: bool, is_file: Callable[[str], bool]
) -> tuple[str, ...]:
    words: list[str] = []
    while rest and (flag.many or several or not words):
        if _looks_like_flag(rest[0]) and not is_file(rest[0]):
            break
        words.append(rest.pop(0))
    if not words:
        raise UsageError(f"needs a value: {_described(flag)}", f"--{flag.name}")
    return tuple(words)


def _without_flag(fields: Mapping[str, Flag], given: Words, loose: list[str]) -> Words:
    """Return the loose words by the names of the fields that take them, in their order."""
    takers = [flag for flag in fields.values() if flag.word is not None]
    if loose and not takers:
        _refuse_word(loose[0], names_run="name" in fields and "name" not in given)
    found: Words = {}
    left = loose
    for flag in takers:
        if left and flag.word is not None and given.keys().isdisjoint(flag.word.unless):
            count = len(left) if flag.many else 1
            found[flag.name], left = tuple(left[:count]), left[count:]
    if left:
        said = f"one {takers[0].name} at a time, not {len(loose)}"
        raise UsageError(said, " ".join(loose))
    return found


def _refuse_word(word: str, names_run: bool) -> NoReturn:
    if word.strip() in _LINE_BREAKS:
        hint = "A line break seems to have come in with the command: write it on one line"
    elif word in ("...", "…"):
        hint = "The dots stand for the other flags of the command: write them out"
    else:
        hint = "Put quotation marks around a value that has spaces"
        if names_run and " " not in word:
            hint = f"Where it is the name of the run, write --name {word}"
    raise UsageError(f"the word {word!r} belongs to no flag", hint=hint)


# --- values


def values(fields: Mapping[str, Flag], words: Words) -> dict[str, Any]:
    """Return the values that the words mean, by name. Raises UsageError for another kind.

    A word that is none of the choices stays one, for the settings to refuse.
    """
    return {name: _from_words(flag, words[name]) for name, flag in fields.items() if name in words}


def build(schema: type[Schema], given: Mapping[str, Any], prog: str) -> Schema:
    """Return the settings with these values.

    Raises UsageError where one is missing, or cannot be.
    """
    for name, flag in fields_of(schema).items():
        if flag.required and name not in given:
            raise UsageError("is missing", f"--{name}", f"{prog} --help lists all flags")
    return made(schema, given)


def _from_words(flag: Flag, words: Sequence[str]) -> Any:
    if flag.is_switch:
        return True
    found = tuple(_from_word(flag, word) for word in words)
    return found if flag.many else found[0]


def _from_word(flag: Flag, word: str) -> Any:
    where = f"--{flag.name}"
    if flag.choices:
        return next((choice for choice in flag.choices if str(choice) == word), word)
    if flag.required and not word:
        raise UsageError("is empty", where)
    try:
        return flag.kind(understood(word, flag.name))
    except ValueError:
        raise UsageError(f"{word!r} is not {_described(flag)}", where) from None


def _described(flag: Flag) -> str:
    if flag.choices:
        return f"one of {', '.join(map(str, flag.offered))}"
    return {int: "a whole number", float: "a number"}.get(flag.kind, "a text")


# --- help and completion, by argparse


def show_help_if_asked(
    argv: Sequence[str],
    schema: type[Settings],
    prog: str,
    flags: Mapping[str, Flag] | None = None,
    about: str = "",
) -> None:
    """Print the help of `schema`, every flag with its default, and leave by SystemExit(0), where
    `argv` asks for it.

    `flags` are those to show, if not all of its own; `about` is said of the command, if not the
    docstring.
    """
    if not any(word in _HELP for word in argv):
        return
    words = [flag.word.shown for flag in fields_of(schema).values() if flag.word]
    parser = argparse.ArgumentParser(
        prog,
        usage=" ".join(["%(prog)s [-h] [FLAGS]", *words]),
        description=about or inspect.cleandoc(schema.__doc__ or ""),
        formatter_class=_Help,
        add_help=False,
    )
    _add_arguments(parser, schema, flags or fields_of(schema), helped=True)
    text = parser.format_help()
    if sys.stdout.isatty() and os.name != "nt" and "NO_COLOR" not in os.environ:
        text = re.sub(r"(?m)^  (--?\w+(, --\w+)?)", "  \033[1m\\1\033[0m", text)
    print(text, end="")
    raise SystemExit(0)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Breaks lines between words only: unet_256 or CycleGAN-and-pix2pix stay whole."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = [self._split_lines(line, width) or [""] for line in text.splitlines()]
        return "".join(f"{indent}{line}\n" for part in parts for line in part)


RUNS_THERE = (
    "find checkpoints -maxdepth 3 -name config.json -o -name latest_net_G.pth 2>/dev/null"
    " | xargs -n 1 dirname 2>/dev/null | cut -d / -f 2- | sort -u"
)
"""The command by which a shell finds the names of runs, also of those in a folder of runs. Without
quotes and dollars: each shell reads those its own way."""


def _words_or_files(words: Sequence[str]) -> dict[str, Any]:
    """Return how each shell completes one of these words, or a file."""
    listed = " ".join(words)
    own = f"_shtab_{'_'.join(words)}_or_files"
    body = f'compgen -W "{listed}" -- $1; compgen -f -- $1'
    return {
        "bash": own,
        "zsh": f"{{_files; compadd {listed}}}",
        "tcsh": "f",
        "fish": f"{listed} (__fish_complete_path (commandline -ct))",
        "preamble": {"bash": f"{own}() {{ {body}; }}"},
    }


def print_completion(shells: list[str], commands: Iterable[tuple[str, str, type[Settings]]]) -> int:
    """Print the script by which a shell completes the whole command, `shells` naming one shell.

    `commands` are the names of all, what is said of them, and their settings. Raises UsageError.
    """
    import shtab  # late: no other start pays for it

    if len(shells) != 1 or shells[0] not in shtab.SUPPORTED_SHELLS:
        known = ", ".join(shtab.SUPPORTED_SHELLS)
        raise UsageError(f"needs one of {known}", "--print-completion")
    parser = argparse.ArgumentParser("unretouch")
    parser.add_argument("--version", action="store_true")
    subparsers = parser.add_subparsers()
    # Of those folders that a run may lie in, the usual one.
    runs = {**shtab.cmd(RUNS_THERE), "tcsh": "D:checkpoints"}
    for name, about, schema in commands:
        subparser = subparsers.add_parser(name, help=about)
        for action in _add_arguments(subparser, schema, fields_of(schema)):
            if action.dest in RUNS:
                action.complete = runs  # type: ignore[attr-defined]
            elif action.dest in NAMED:
                action.complete = _words_or_files(NAMED[action.dest])  # type: ignore[attr-defined]
            elif action.dest in FOLDERS and action.option_strings:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.dest in FILES or not action.option_strings:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shells[0]))
    return ExitCode.OK


def _add_arguments(
    parser: argparse.ArgumentParser,
    schema: type[Settings],
    fields: Mapping[str, Flag],
    helped: bool = False,
) -> list[argparse.Action]:
    """Add words and flags to a parser that shows or completes them; return them.

    The basics of the schema come first. A class that it is made of gives its other flags a heading,
    the first line of its docstring. `helped` adds the flag --help.
    """
    added = []
    for flag in fields.values():
        if flag.word is not None:
            word = flag.word.shown.strip("[]")
            nargs = "*" if flag.many else None
            added.append(parser.add_argument(flag.name, nargs=nargs, metavar=word, help=flag.about))
    basics = [fields[name] for name in schema.BASICS]
    first = parser.add_argument_group("basics" if basics else "flags")
    if helped:
        first.add_argument(*_HELP, action="help", help="show this and end")
    added += [_add(first, flag) for flag in basics]
    rest = [flag for flag in fields.values() if flag.word is None and flag not in basics]
    for kind, own in groupby(rest, key=lambda flag: flag.declared_in):
        group = first
        if kind is not schema or basics:
            group = parser.add_argument_group(_heading(schema, kind))
        added += [_add(group, flag) for flag in own]
    return added


def _heading(schema: type[Settings], kind: type) -> str:
    """Return what stands above the flags that are no basics and are declared in `kind`."""
    about = (kind.__doc__ or "").partition("\n")[0].rstrip(".")
    if not issubclass(schema, kind):
        return f"thresholds: {about[0].lower()}{about[1:]}"
    if not schema.BASICS:
        return about
    return "advanced" if kind is schema else f"advanced: {about[0].lower()}{about[1:]}"


def _add(group: argparse._ActionsContainer, flag: Flag) -> argparse.Action:
    about, _unset, instead = flag.about.partition(_UNSET)
    unset = flag.default is None or flag.default in ("", ())
    default = instead or ("none" if unset else flag.read(flag.default))
    if flag.is_switch:
        default = "off"
    text = f"{about} ({'required' if flag.required else f'default: {default}'})".strip()
    text = text.replace("%", "%%")
    name = f"--{flag.name}"
    if flag.is_switch:
        return group.add_argument(name, action="store_true", help=text)
    return group.add_argument(
        name,
        nargs="+" if flag.many else None,
        choices=flag.offered or None,
        metavar=None if flag.choices else _KINDS.get(flag.kind, "STR"),
        help=text,
    )
