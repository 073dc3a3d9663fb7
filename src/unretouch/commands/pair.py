"""`unretouch pair`: combined A|B pictures from two folders, or from untouched portraits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from unretouch.base.errors import ExitCode, ManyDataErrors, UsageError
from unretouch.settings.parser import parse

if TYPE_CHECKING:
    from rich.table import Table

    from unretouch.tasks.pair import PairingReport, PairRow

PROG = "unretouch pair"

Words = Annotated[
    tuple[str, ...],
    tyro.conf.Positional,
    tyro.conf.arg(metavar="[RETOUCHED BEFORE]", help_behavior_hint=""),
]


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """Write pairs to train on, and report sizes, shift and swapped sides with numbers."""

    folders: Words = ()
    """two folders with the same file names: the retouched pictures (A), those before (B)"""
    simulate: tuple[str, ...] | None = None
    """instead: untouched portraits, or folders of them; their retouched side is simulated"""
    out: str = "./portrait_retouch"
    """the pairs are written into the subfolder PHASE of this folder"""
    phase: str = "train"
    """subfolder of --out"""
    seed: int = 0
    """seed of the simulated retouch"""
    detail_left: float = 0.15
    """share of the skin's fine texture that the simulated retouch leaves, 0 to 1"""
    sparse: bool = False
    """the simulated retouch treats only the few pixels that need it most"""
    size: int | None = None
    """scale photographs until their longer side has at most so many pixels; unset, full size"""


def main(argv: list[str]) -> int:
    """Write pairs and report them. Returns the exit code. Raises UnretouchError."""
    options = parse(PairOptions, ["--out" if word == "-o" else word for word in argv], PROG)
    _check(options)
    report = _write(options)
    _show(report, Path(options.out))
    if report.problems:
        raise ManyDataErrors(report.problems)
    return ExitCode.OK


def _check(options: PairOptions) -> None:
    if options.simulate and options.folders:
        raise UsageError("goes without other folders", "--simulate")
    if not options.simulate and len(options.folders) != 2:
        raise UsageError(
            f"two folders are needed, {len(options.folders)} given",
            PROG,
            f"Write: {PROG} RETOUCHED BEFORE, or {PROG} --simulate PHOTOS",
        )
    if options.seed < 0:
        raise UsageError(f"{options.seed} is not zero or more", "--seed")
    if options.size is not None and options.size < 1:
        raise UsageError(f"{options.size} is not above zero", "--size")
    if not 0 <= options.detail_left <= 1:
        raise UsageError(f"{options.detail_left} is not from 0 to 1", "--detail_left")


def _write(options: PairOptions) -> PairingReport:
    from unretouch.tasks.pair import (  # late: imports numpy and scipy
        pair_folders,
        simulate_pairs,
    )

    out = Path(options.out) / options.phase
    if not options.simulate:
        retouched, before = options.folders
        return pair_folders(Path(retouched), Path(before), out)
    photos = [Path(photo) for photo in options.simulate]
    return simulate_pairs(
        photos, out, options.seed, options.detail_left, options.sparse, options.size
    )


def _show(report: PairingReport, out: Path) -> None:
    from rich.console import Console

    from unretouch.report.console import say

    console = Console()
    if report.rows:
        console.print(_table(report.rows))
    for row in report.rows:
        for warning in row.warnings:
            say(console, f"note: {row.name}: {warning}")
    say(console, f"written: {len(report.rows)}; to train on them: --dataroot {out}")


def _table(rows: Iterable[PairRow]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("pair")
    for heading in ("size", "shift of B (px)", "A/B detail", "difference (levels)"):
        table.add_column(heading, justify="right")
    for row in rows:
        # Adding 0.0 makes a rounded -0.0 a plain zero.
        shift = row.shift and ", ".join(f"{round(axis, 1) + 0.0:+.1f}" for axis in row.shift)
        table.add_row(
            escape(row.name),
            f"{row.width} x {row.height}",
            shift or "unknown",
            f"{row.detail_ratio:.2f}",
            f"{row.difference:.2f}",
        )
    return table
