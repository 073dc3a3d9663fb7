"""How words become a frozen dataclass, and what is said of each mistake."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unretouch.base.errors import UnretouchError, UsageError
from unretouch.settings.fields import (
    Limit,
    OldName,
    Settings,
    Word,
    fields_of,
    flags_of,
    from_call,
    made,
)
from unretouch.settings.parser import build, parse, values
from unretouch.settings.parser import read as reading_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Several(Settings):
    """Something to set."""

    dataroot: str
    name: str = "experiment_name"
    n_epochs: int = 100
    n_epochs_decay: int = 100
    lambda_L1: float = 100.0
    lambda_GAN: float = 1.0
    size: float = float("inf")
    netG: Literal["unet_256", "unet_128"] = "unet_256"
    netD: Literal["basic", "pixel"] | None = None
    channels: Literal[1, 3] = 3
    minutes: float | None = None
    no_flip: bool = False
    several: tuple[float, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithWords:
    """Takes loose words."""

    folders: Annotated[tuple[str, ...], Word("FOLDER...")] = ()
    out: str = "."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Renamed(Settings):
    """One choice has an old name."""

    aim: Annotated[Literal["learn", "guess", "fit"], OldName("fit", "learn")] = "fit"
    """what it is for"""
    minutes: float | None = None
    """time; unset, as long as it takes"""


@dataclasses.dataclass(frozen=True)
class Inner:
    """Where the words begin, and more."""

    lowest: Annotated[float, Limit("must be 0 or more", lambda value: value >= 0)] = 0.5
    """the least"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base(Settings):
    """What several ask."""

    weights: Path | None = None
    """a file"""
    old: int = 0
    older: bool = False
    """no work here"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(Base):
    """Has all that a command may have."""

    run: Annotated[str | None, Word("RUN", unless=("weights",))] = None
    """a run"""
    photos: Annotated[tuple[Path, ...], Word("PHOTO...")] = ()
    """some photos"""
    share: Annotated[float, Limit("must be from 0 to 1", lambda value: 0 <= value <= 1)] = 1.0
    """at most 100 % of it"""
    limits: Inner = Inner()


CLASSIC = {"dataroot", "name", "n_epochs", "n_epochs_decay", "lambda_L1", "netG", "netD"}


def read(*words: str) -> Several:
    argv = ["--dataroot", "d", *words]
    if "-h" in words or "--help" in words:
        return parse(Several, argv, "prog")
    flags = flags_of(Several)
    return build(Several, values(flags, reading_of(flags, argv, first=CLASSIC)), "prog")


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--n_epochs", "7"], "n_epochs", 7),
        (["--n-epochs", "7"], "n_epochs", 7),
        (["--n_epochs=7"], "n_epochs", 7),
        (["--n_epochs", "7", "--n_epochs", "8"], "n_epochs", 8),
        (["--name=a=b"], "name", "a=b"),
        (["--name", "초상화"], "name", "초상화"),
        (["--name=--odd"], "name", "--odd"),
        (["--name", "-1,0"], "name", "-1,0"),
        (["--lambda_L1", "1e3"], "lambda_L1", 1000.0),
        (["--lambda_L1", "-2"], "lambda_L1", -2.0),
        (["--lambda_L1", "-.5"], "lambda_L1", -0.5),
        (["--size", "inf"], "size", float("inf")),
        (["--netG", "unet_128"], "netG", "unet_128"),
        (["--netD", "pixel"], "netD", "pixel"),
        (["--channels", "1"], "channels", 1),
        (["--minutes", "3"], "minutes", 3.0),
        (["--no_flip"], "no_flip", True),
        (["--several", "1", "2.5", "--no_flip"], "several", (1.0, 2.5)),
        ([], "minutes", None),
        ([], "several", None),
    ],
)
def test_what_can_be_written(words: list[str], field: str, value: object) -> None:
    assert getattr(read(*words), field) == value


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--na", "name"),
        ("--lambda", "lambda_L1"),
        ("--lambda_G", "lambda_GAN"),
        ("--n-epochs-", "n_epochs_decay"),
    ],
)
def test_a_prefix_is_enough_and_means_the_classic_flag_first(typed: str, meant: str) -> None:
    assert getattr(read(typed, "3"), meant) in (3, "3")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--n", "3"], "--n: could be --name or --n_epochs or"),
        (["--n_epoch", "3"], "--n_epoch: could be --n_epochs or --n_epochs_decay. Write the"),
        (["--net", "x"], "--net: could be --netG or --netD. Write the full name"),
        (["--netg", "x"], "--netg: unknown flag. Did you mean '--netG'?"),
        (["--netd", "x"], "--netd: unknown flag. Did you mean '--netD'?"),
        (["--lamda_L1", "3"], "--lamda_L1: unknown flag. Did you mean '--lambda_L1'?"),
        (["--bogus", "3"], "--bogus: unknown flag. --help lists all flags"),
        (["--xyz"], "--xyz: unknown flag"),
        (["-name", "a"], "-name: a flag begins with two hyphens. Type --name"),
        (["–name", "a"], "–name: a flag begins with two hyphens. Type --name"),
        (["--name"], "--name: needs a value"),
        (["--name", "--no_flip"], "--name: needs a value"),
        (["--netG"], "--netG: needs a value: one of unet_256, unet_128"),
        (["--several"], "--several: needs a value: a number"),
        (["--no_flip=1"], "--no_flip: takes no value, '1' was given"),
        (["--no_flip", "True"], "the word 'True' belongs to no flag"),
        (["--n_epochs", "3.5"], "--n_epochs: '3.5' is not a whole number"),
        (["--minutes", "None"], "--minutes: 'None' is not a number"),
        (["--lambda_L1", "300,0"], "--lambda_L1: '300,0' is not a number"),
        (["--several", "1", "x"], "--several: 'x' is not a number"),
        (["--channels", "2"], "--channels: '2' is not one of 1, 3"),
        (["--netG", "UNET_256"], "--netG: 'UNET_256' is not one of unet_256, unet_128. Did you"),
        (["--dataroot", ""], "--dataroot: is empty"),
        (["..."], "the word '...' belongs to no flag. The dots stand for"),
        (["\\"], "A line break seems to have come in"),
        (["first"], "belongs to no flag. Where it is the name of the run, write --name first"),
        (["a b"], "the word 'a b' belongs to no flag. Put quotation marks"),
    ],
)
def test_each_mistake_is_one_line_that_names_the_flag(words: list[str], said: str) -> None:
    assert said in refusal(*words)


def test_a_missing_required_flag_is_named() -> None:
    with pytest.raises(UsageError, match="--dataroot: is missing"):
        parse(Several, [], "prog")


def test_a_flag_that_went_elsewhere_is_explained() -> None:
    with pytest.raises(UsageError, match="--niter: is called --n_epochs since 2019"):
        reading_of(
            flags_of(Several),
            ["--niter", "3"],
            elsewhere={"niter": "is called --n_epochs since 2019"},
        )


def test_one_declaration_is_a_flag_an_argument_a_check_and_a_line_of_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = parse(Command, ["first", "a.jpg", "b.jpg", "--share", "0.5", "--limits_lowest=2"], "p")
    photos = (Path("a.jpg"), Path("b.jpg"))
    assert asked == Command(run="first", photos=photos, share=0.5, limits=Inner(lowest=2.0))
    given = {"run": Path("first"), "photos": ["a.jpg", "b.jpg"], "share": 0.5, "limits_lowest": 2.0}
    assert made(Command, from_call(Command, given)) == asked
    with pytest.raises(SystemExit):
        parse(Command, ["--help"], "p")
    shown = " ".join(capsys.readouterr().out.split())
    assert "usage: p [-h] [FLAGS] RUN PHOTO... Has all that" in shown
    assert "--share FLOAT at most 100 % of it (default: 1.0)" in shown
    assert "What several ask: --weights PATH a file (default: none)" in shown
    assert "--old INT no work here (default: 0) --older no work here (default: off)" in shown
    assert "thresholds: where the words begin, and more: --limits_lowest FLOAT the least" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--share", "2"], "--share: must be from 0 to 1; you gave 2"),
        (["--limits_lowest=-1"], "--limits_lowest: must be 0 or more; you gave -1"),
        (["--photos", "a"], "--photos: unknown flag"),
    ],
)
def test_a_value_beyond_its_limit_is_refused_with_the_flag(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(Command, words, "p")
    assert str(caught.value).startswith(said)


def test_a_call_may_say_paths_as_texts_and_one_value_for_several() -> None:
    given = from_call(Command, {"photos": "a.jpg", "weights": "w.pth", "share": 1})
    assert given == {"photos": (Path("a.jpg"),), "weights": Path("w.pth"), "share": 1}
    with pytest.raises(UsageError, match=r"shares: unknown setting\. Did you mean 'share'"):
        from_call(Command, {"shares": 1})


def test_settings_by_name_and_back() -> None:
    asked = Command(share=0.25, limits=Inner(lowest=3.0))
    values = {name: attrgetter(flag.path)(asked) for name, flag in fields_of(Command).items()}
    assert values["limits_lowest"] == 3.0
    assert made(Command, values) == asked


def test_a_word_that_a_flag_stands_for_is_not_taken() -> None:
    asked = parse(Command, ["a.jpg", "--weights", "w.pth"], "p")
    assert (asked.run, asked.photos) == (None, (Path("a.jpg"),))


def test_loose_words_go_where_a_schema_takes_them() -> None:
    assert parse(WithWords, ["a", "--out", "o", "b c"], "prog").folders == ("a", "b c")
    assert parse(WithWords, ["--out=o", "--", "--odd"], "prog").folders == ("--odd",)


def test_a_reading_tells_what_was_given() -> None:
    given = reading_of(flags_of(Several), ["--no_flip", "--name", "a"])
    assert given == {"no_flip": (), "name": ("a",)}
    given["dataroot"] = ("d",)
    assert build(Several, values(flags_of(Several), given), "prog").no_flip


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("~/pairs", "{home}/pairs"),
        ("~/not yet there", "{home}/not yet there"),
        ("'{home}/my pairs'", "{home}/my pairs"),
        (
            "\N{LEFT DOUBLE QUOTATION MARK}{home}/pairs\N{RIGHT DOUBLE QUOTATION MARK}",
            "{home}/pairs",
        ),
        ('{home}/pairs"', "{home}/pairs"),
        (r"{home}/my\ pairs", "{home}/my pairs"),
        (r"{home}\pairs", "{home}/pairs"),
        (r"~\my pairs ", "{home}/my pairs"),
        ("{home}/'odd'", "{home}/'odd'"),
        (r"{home}/back\slash", r"{home}/back\slash"),
        ("new", "new"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="a backslash parts folders there")
def test_a_path_is_understood_as_people_write_it(
    typed: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pairs", "my pairs", "'odd'", r"back\slash"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    typed, meant = (text.replace("{home}", str(tmp_path)) for text in (typed, meant))
    assert read("--dataroot", typed).dataroot == meant
    assert read(f"--dataroot={typed}").dataroot == meant
    assert parse(Command, ["first", typed], "p").photos == (Path(meant),)
    assert from_call(Command, {"photos": typed}) == {"photos": (Path(meant),)}
    assert read("--name", typed).name == typed, "no path"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            r"C:\Users\me\pairs",
            r"there is no C:\Users\me\pairs. Write / between",
        ),
        ('C:pairs" --name x', "has a quotation mark in it. Write no backslash before the closing"),
        ("{home}/pairs.zip", "is a file, and a folder is meant. Unpack it"),
        (
            "{home}/a.png",
            "and a folder is meant. Give the folder that it lies in: {home}",
        ),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="a backslash parts folders there")
def test_a_path_that_cannot_be_meant_is_answered_in_one_line(
    typed: str, said: str, tmp_path: Path
) -> None:
    for name in ("pairs.zip", "a.png"):
        (tmp_path / name).write_bytes(b"")
    typed, said = (text.replace("{home}", str(tmp_path)) for text in (typed, said))
    with pytest.raises(UnretouchError) as caught:
        read("--dataroot", typed)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_whose_name_begins_with_a_dash_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.jpg", "--old.jpg", "--share"):
        (tmp_path / name).write_bytes(b"")
    asked = parse(Command, ["first", "-dash.jpg", "--old.jpg", "--share", "0.5"], "p")
    assert asked.photos == (Path("-dash.jpg"), Path("--old.jpg"))
    assert asked.share == 0.5
    assert parse(Command, ["a.jpg", "--weights", "-dash.jpg"], "p").weights == Path("-dash.jpg")
    with pytest.raises(UsageError, match=r"-dish\.jpg: .*A file of that name is written \./-dish"):
        parse(Command, ["first", "-dish.jpg"], "p")


def test_an_old_name_is_understood_and_not_offered_and_what_is_unset_says_what_happens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert parse(Renamed, ["--aim", "fit"], "p").aim == "fit"
    with pytest.raises(UsageError, match=r"'x' is not one of learn, guess$"):
        parse(Renamed, ["--aim", "x"], "p")
    with pytest.raises(UsageError, match=r"needs a value: one of learn, guess$"):
        parse(Renamed, ["--aim"], "p")
    with pytest.raises(SystemExit):
        parse(Renamed, ["--help"], "p")
    shown = " ".join(capsys.readouterr().out.split())
    assert "--aim {learn,guess} what it is for (default: learn)" in shown
    assert "--minutes FLOAT time (default: as long as it takes)" in shown


def test_help_leaves_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        parse(Several, ["--name", "--help"], "prog")
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: prog" in shown
    assert "(default: none)" in shown
    assert "None" not in shown


@given(st.floats(allow_nan=False), st.integers())
def test_numbers_come_back_exactly(number: float, count: int) -> None:
    settings = read(f"--lambda_L1={number!r}", "--n_epochs", str(count))
    assert (settings.lambda_L1, settings.n_epochs) == (number, count)


@given(st.text())
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert read(f"--name={text}").name == text


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_words_give_settings_or_a_usage_error(words: list[str]) -> None:
    with contextlib.suppress(UsageError, SystemExit):
        assert isinstance(read(*words), Several)


@given(st.data())
def test_a_prefix_never_means_a_flag_that_does_not_begin_so(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(flags_of(Several))))
    prefix = name[: data.draw(st.integers(1, len(name)))]
    begun = [flag for flag in flags_of(Several) if flag.startswith(prefix)]
    with contextlib.suppress(UsageError):
        typed = f"--{prefix}={'' if name == 'no_flip' else 1}"
        (found,) = reading_of(flags_of(Several), [typed])
        assert begun == [found] or found == prefix
