"""The report at a terminal: one table and one verdict a question."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from unretouch.metrics import Metric
from unretouch.metrics.octave_bands import BANDS, PARTS
from unretouch.report.console import doing_nothing, number, percent, table
from unretouch.report.pair_figures import Candidate, PairFigures, Part, retouch_shares
from unretouch.report.short_verdicts import verdict_line
from unretouch.report.verdicts import CrossRuns, ProbePoint, Verification


def renderables(verification: Verification) -> list[RenderableType]:
    """Return what to print on a rich console, in order."""
    verdicts, extra = verification.verdicts, verification.extra
    shown: list[RenderableType] = []
    if pairs := verification.training:
        shown += [_memorised_table(pairs), verdict_line(verdicts["memorised"])]
        shown += [_texture_table("Is the texture back?", pairs), verdict_line(verdicts["texture"])]
        shown += _beyond_texture("Larger than pores: light and form", pairs, extra)
    if pairs := verification.heldout:
        title = "Does it hold on unseen portraits?"
        shown += [_unseen_table(title, pairs, _origin(verification.cross))]
    shown += [verdict_line(verdicts["unseen"])]
    if pairs:
        shown += [_texture_table("The texture of unseen portraits", pairs)]
        shown += [verdict_line(verdicts["unseen_texture"])]
        shown += _beyond_texture("Larger than pores on unseen portraits", pairs, extra)
    if verification.self_test:
        shown += [_unseen_table("Self-test: with a simulated retouch", verification.self_test)]
        shown += [verdict_line(verdicts["self_test"])]
    if verification.probe:
        shown += [_probe_table(verification.probe), verdict_line(verdicts["probe"])]
    return shown


def _memorised_table(pairs: Sequence[PairFigures]) -> Table:
    """Return the figures of likeness, whole frame and retouched area, beside doing nothing."""
    rows: list[tuple[str, ...]] = []
    for pair in pairs:
        in_area = f"{pair.judged_G_L1:.2f}" if pair.noisy else ""
        rows += [
            (pair.name, "frame", *_likeness(pair, "frame", f"{pair.G_L1:.2f}")),
            ("", f"area {pair.area_share:.0%}", *_likeness(pair, "area", in_area)),
            ("", "added outside", "", number(pair.added_outside), *[""] * 8),
        ]
    return table(
        "Did it memorise?",
        ("pair", "where"),
        ("idle", "error", "95%", "99%", "max", "G_L1", "share", "exact", "PSNR", "SSIM"),
        rows,
        "Errors in grey levels of 255; idle: that of doing nothing; share: the recovered one; "
        "area: what was retouched; added outside: what was changed where nothing should be."
        + "".join(_told_apart(pair) for pair in pairs),
    )


def _likeness(pair: PairFigures, part: str, weighted: str) -> tuple[str, ...]:
    ours = getattr(pair.prediction, part)
    nothing = getattr(pair.identity, part)["level_error"]
    return (
        number(nothing, 2),
        number(ours["level_error"]),
        number(ours["level_error_p95"], 1),
        number(ours["level_error_p99"], 1),
        number(ours["level_error_max"], 1),
        weighted,
        number(ours["recovered_share"], 2),
        percent(ours["exact_pixels"]),
        number(ours["psnr"], 1),
        number(ours["ssim"], 4),
    )


def _told_apart(pair: PairFigures) -> str:
    if pair.identity_parts is None:
        return ""
    told = doing_nothing(sum(pair.identity_parts), pair.identity_parts, 2)
    return f"\n{pair.name} is two files compressed apart: doing nothing {told}; judged by its area."


def _texture_table(title: str, pairs: Sequence[PairFigures]) -> Table:
    """Return energy and coherence by octave band beside doing nothing and grain overlay."""
    rows: list[tuple[str, ...]] = []
    for pair in pairs:
        rows += [
            (pair.name, "prediction", *_texture(pair.prediction)),
            ("", "idle", *_texture(pair.identity)),
            ("", "grain", *_texture(pair.grain)),
        ]
    return table(
        title,
        ("pair", "answer"),
        (*(f"{low}-{high} px" for low, high in BANDS), "SSIM"),
        rows,
        "By size of detail: energy beside the true skin's (1 is right, less is smooth, more is "
        "noise) / coherence with the removed detail (1: pores in their place, 0: grain); SSIM: of "
        "the detail alone; idle: doing nothing; grain: a grain overlay of matched energy.",
    )


def _texture(candidate: Candidate) -> tuple[str, ...]:
    area = candidate.area
    by_size = (
        f"{number(area[f'band_energy_{part}'], 2)} / {number(area[f'detail_coherence_{part}'], 2)}"
        for part in PARTS
    )
    return (*by_size, number(area["detail_ssim"], 2))


def _beyond_texture(
    title: str, pairs: Sequence[PairFigures], metrics: Sequence[Metric]
) -> list[RenderableType]:
    """Return the tables of the coarse bands, under `title`, and of the extra metrics."""
    shown: list[RenderableType] = []
    if any(pair.coarse for pair in pairs):
        shown += [_coarse_table(title, pairs), Text()]
    for metric in metrics:
        (key,) = metric.keys
        answers = [(pair.name, pair.prediction, pair.identity, pair.grain) for pair in pairs]
        rows = [(name, *(number(one.area[key]) for one in ours)) for name, *ours in answers]
        shown += [table(key, ("pair",), ("prediction", "idle", "grain"), rows)]
        shown += [Text(f"{metric.explanation}\n")]
    return shown


def _coarse_table(title: str, pairs: Sequence[PairFigures]) -> Table:
    """Return of each coarse band its share of the retouch, and how much of it was recovered."""
    bands = max((pair.coarse for pair in pairs), key=len)
    rows = []
    for pair in pairs:
        shares = retouch_shares(pair)
        cells = [
            f"{number(band.recovered, 2)} / {percent(shares[f'{band.low}_{band.high}'], 0)}"
            for band in pair.coarse
        ]
        cells += ["-"] * (len(bands) - len(cells))
        finer = sum(shares[part] for part in PARTS) if shares else None
        rows.append((pair.name, *cells, percent(finer, 0)))
    return table(
        title,
        ("pair",),
        (*(f"{band.low}-{band.high} px" for band in bands), "all finer"),
        rows,
        "By size, in the retouched area: recovered energy / share of the retouch's energy.",
    )


def _unseen_table(title: str, pairs: Sequence[PairFigures], origin: str = "") -> Table:
    """Return the held-out pairs' errors over frame, skin and the rest."""
    rows = []
    for pair in pairs:
        plain = pair.plain
        frame = Part(1.0, plain.level_error, plain.identity_error, plain.recovered_share)
        name = pair.name
        for where, part in (("frame", frame), ("skin", pair.skin), ("elsewhere", pair.elsewhere)):
            if part is not None:
                errors = (number(part.identity_error), number(part.level_error))
                share, of_frame = number(part.recovered_share, 2), percent(part.share_of_frame, 0)
                rows.append((name, where, *errors, share, of_frame))
                name = ""
    return table(
        title,
        ("pair", "where"),
        ("idle", "error", "recovered", "of the frame"),
        rows,
        f"Errors in grey levels of 255; idle: the error of doing nothing.{origin}",
    )


def _origin(cross: CrossRuns | None) -> str:
    if cross is None:
        return ""
    return (
        f" Each pair was judged by a run that never saw it ({cross.runs} runs of "
        f"{cross.minutes_each:.2g} minutes, which recover {number(cross.own_share, 2)} of their "
        "own pairs)."
    )


def _probe_table(points: Sequence[ProbePoint]) -> Table:
    """Return the recovered share under each change."""
    rows = []
    for point in points:
        by = f"{point.amount:+d} {point.unit}" if point.unit else ""
        rows.append((point.change, by, number(point.recovered_share, 2)))
    return table("Memory or skill?", ("change", "by"), ("recovered",), rows)
