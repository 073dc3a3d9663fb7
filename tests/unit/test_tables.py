"""Tables at the terminal, and the means that they and the pages show."""

from __future__ import annotations

import io
import math
import os
import shlex
import struct
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from unretouch.base.terminal import tell, typed, wrapped_command
from unretouch.report.console import duration, error_table, number, say, shortened, table
from unretouch.runs.status import PlainFigures, mean_of


def figures(error: float, identity: float, **more: Any) -> PlainFigures:
    share = 1 - error / identity if identity else None
    return PlainFigures(
        name="face", level_error=error, identity_error=identity, recovered_share=share, **more
    )


def printed(shown: RenderableType, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_square_brackets_in_names_titles_and_captions_are_no_markup() -> None:
    text = printed(table("[b]t[/b]", ("[i]h",), ("n",), [("[red]a[/red]", "1")], "[dim]c[/dim]"))
    for shown in ("[b]t[/b]", "[i]h", "[red]a[/red]", "[dim]c[/dim]"):
        assert shown in text


def test_the_table_marks_what_is_estimated() -> None:
    errors = [figures(0.5, 1.0, exact_pixels=0.25), figures(0.75, 1.0, estimated=True)]
    rows = printed(error_table("Pairs", {"trained on": errors}))
    for cell in (" 0.500 ", " 50.0% ", " 25.0%\n", " ~0.750 ", " ~25.0% ", " -\n"):
        assert cell in rows


def test_a_pair_with_little_to_recover_weighs_little_in_the_mean() -> None:
    mean = mean_of([figures(1.0, 4.0), figures(0.2, 0.1), figures(0.0, 0.0)])
    assert mean.recovered_share == pytest.approx(1 - 1.2 / 4.1)


def test_the_mean_is_over_the_pairs_that_have_a_figure() -> None:
    mean = mean_of([figures(1.0, 2.0, exact_pixels=0.5), figures(1.0, 2.0, estimated=True)])
    assert (mean.exact_pixels, mean.estimated) == (0.5, True)
    nothing = mean_of([])
    assert math.isnan(nothing.level_error)
    assert (nothing.recovered_share, nothing.exact_pixels) == (None, None)
    assert mean_of([figures(0.0, 0.0)]).recovered_share is None


def test_figures_are_written_as_people_read_them() -> None:
    assert (number(-0.0001), number(None), number(1.25, 1)) == ("0.000", "-", "1.2")
    assert [duration(s) for s in (12.4, 270, 3900)] == ["12 s", "4 min 30 s", "1 h 05 min"]


LONG = "김지우_여름_야외_스튜디오_세로촬영_보정전후_최종본_{:02d}"


def test_in_80_columns_nothing_breaks_inside_a_word_or_a_cell() -> None:
    rows = [(LONG.format(n), *(f"{n}{i}.000 / 0.{i}" for i in range(8))) for n in range(3)]
    headings = [f"{4 * i} to {8 * i} px" for i in range(8)]
    text = printed(table("Title", ("pair",), headings, rows, "A caption. " * 20), width=80)
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    for name, *cells in rows:
        assert name not in text
        assert f"최종본_{name[-2:]}" in text
        assert all(f" {cell}" in text for cell in cells)


def test_what_finds_room_is_shown_whole_and_side_by_side() -> None:
    text = printed(table("", ("pair",), ("doing nothing", "error"), [("kim", "1.0", "0.5")]), 80)
    assert "pair  doing nothing  error" in text


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert shortened("studio_0001_final_v2", 11) == "studi…al_v2"
    assert shortened("kim", 3) == "kim"
    assert cell_len(shortened(LONG.format(7), 24)) <= 24


def told(line: str, columns: int) -> list[str]:
    """Return what stands at a terminal of so many columns, which breaks nothing itself."""
    import fcntl
    import termios

    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with open(inner, "w", encoding="utf-8") as stream:
        tell(line, stream)
        printed = b""
        while not printed.endswith(b"end\r\n"):  # it comes through in parts
            printed += os.read(outer, 65536)
    os.close(outer)
    return printed.decode().splitlines()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminal of this kind")
def test_what_is_said_without_rich_is_broken_between_words_too(tmp_path: Path) -> None:
    line = f"unretouch: {'초상 folder ' * 12}end"
    shown = told(line, 40)
    assert " ".join(shown) == line
    assert all(30 < cell_len(part) <= 40 for part in shown[:-1])
    with (tmp_path / "file").open("w+", encoding="utf-8") as file:
        tell(line, file)
        file.seek(0)
        assert file.read() == f"{line}\n"


@pytest.mark.skipif(os.name == "nt", reason="a command is one line there")
def test_a_command_in_several_lines_is_still_one_that_can_be_pasted() -> None:
    words = ["unretouch", "train", "--dataroot", "my pairs/" + "long " * 12, "--minutes", "20"]
    lines = wrapped_command(typed(words), 60, "  ")
    assert len(lines) == 3
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert lines[-1] == "    --minutes 20"
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == words  # as a shell reads it


def said(line: str, terminal: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal, no_color=True)
    say(console, line)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_a_terminal_breaks_a_line_between_words_and_a_file_does_not() -> None:
    folder = "a/long/folder/" * 8
    line = f"page: {folder} {'and [words] 그리고 ' * 12}end"
    assert said(line, terminal=False) == [line]
    shown = said(line, terminal=True)
    assert " ".join(shown) == line
    assert [part for part in shown if cell_len(part) > 80] == [folder]
