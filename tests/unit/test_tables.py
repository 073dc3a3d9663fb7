"""Tables at the terminal, and the means that they and the pages show."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from rich.console import Console, RenderableType

from unretouch.report.console import duration, error_table, number, table
from unretouch.runs.status import PlainFigures, mean_of


def figures(error: float, identity: float, **more: Any) -> PlainFigures:
    share = 1 - error / identity if identity else None
    return PlainFigures(
        name="face", level_error=error, identity_error=identity, recovered_share=share, **more
    )


def printed(shown: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=120)
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
