"""The report at a terminal: one table and one verdict a question."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from unretouch.metrics import Figure, Metric
from unretouch.metrics.octave_bands import BANDS, PARTS
from unretouch.report.console import doing_nothing
from unretouch.tasks.verify.figures import Candidate, PairFigures, Part, retouch_shares
from unretouch.tasks.verify.probe import ProbePoint
from unretouch.tasks.verify.report import CrossRuns, Verification
from unretouch.tasks.verify.verdict import Tone, Verdict

STYLES: dict[Tone, str] = {
    "good": "bold green", "middling": "bold yellow", "bad": "bold red", "unknown": "bold"
}  # fmt: skip


def renderables(verification: Verification) -> list[RenderableType]:
    """Return what to print on a rich console, in order."""
    verdicts = verification.verdicts
    shown: list[RenderableType] = []
    if verification.training:
        shown += [memorised_table("Did it memorise?", verification.training)]
        shown += [verdict_line(verdicts["memorised"])]
        shown += [texture_table("Is the texture back?", verification.training)]
        shown += [verdict_line(verdicts["texture"])]
        shown += _coarse("Larger than pores: light and form", verification.training)
        shown += _extra(verification.extra, verification.training)
    if verification.heldout:
        title = "Does it hold on unseen portraits?"
        shown += [unseen_table(title, verification.heldout, _origin(verification.cross))]
        shown += [verdict_line(verdicts["unseen"])]
        shown += [texture_table("The texture of unseen portraits", verification.heldout)]
        shown += [verdict_line(verdicts["unseen_texture"])]
        shown += _coarse("Larger than pores on unseen portraits", verification.heldout)
        shown += _extra(verification.extra, verification.heldout)
    else:
        shown += [verdict_line(verdicts["unseen"])]
    if verification.self_test:
        shown += [unseen_table("Self-test: with a simulated retouch", verification.self_test)]
        shown += [verdict_line(verdicts["self_test"])]
    if verification.probe:
        shown += [probe_table("Memory or skill?", verification.probe)]
        shown += [verdict_line(verdicts["probe"])]
    return shown


def verdict_line(verdict: Verdict) -> Text:
    """Return the verdict's word and sentence."""
    word = (verdict.word.upper(), STYLES[verdict.tone])
    return Text.assemble(word, "  ", verdict.sentence, "\n")


def _origin(cross: CrossRuns | None) -> str:
    if cross is None:
        return ""
    share = "-" if cross.own_share is None else f"{cross.own_share:.2f}"
    return (
        f" Each pair was judged by a run that never saw it ({cross.runs} runs of "
        f"{cross.minutes_each:.2g} minutes, which recover {share} of their own pairs)."
    )


def memorised_table(title: str, pairs: Sequence[PairFigures]) -> Table:
    """Return the figures of likeness, whole frame and retouched area, beside doing nothing."""
    table = _table(
        title,
        ("pair", "where"),
        (
            *("idle", "error", "95%", "99%", "max", "G_L1"),
            *("share", "exact", "PSNR", "SSIM"),
        ),
        "Errors in grey levels of 255; idle: that of doing nothing; share: the recovered one; "
        "area: what was retouched; added outside: what was changed where nothing should be."
        + "".join(_told_apart(pair) for pair in pairs),
    )
    for pair in pairs:
        weighted = f"{pair.G_L1:.2f}"
        _add(table, pair.name, "frame", _likeness(pair, "frame", weighted))
        in_area = f"{pair.judged_G_L1:.2f}" if pair.noisy else ""
        _add(table, "", f"area {pair.area_share:.0%}", _likeness(pair, "area", in_area))
        outside = ("", _text(pair.added_outside), *[""] * 8)
        _add(table, "", "added outside", outside)
    return table


def _told_apart(pair: PairFigures) -> str:
    if pair.identity_parts is None:
        return ""
    told = doing_nothing(sum(pair.identity_parts), pair.identity_parts, 2)
    name = escape(pair.name)  # the caption is markup
    return f"\n{name} is two files compressed apart: doing nothing {told}; judged by its area."


def texture_table(title: str, pairs: Sequence[PairFigures]) -> Table:
    """Return energy and coherence by octave band beside doing nothing and grain overlay."""
    sizes = [f"{low}-{high} px" for low, high in BANDS]
    table = _table(
        title,
        ("pair", "answer"),
        (*sizes, "SSIM"),
        "By size of detail: energy beside the true skin's (1 is right, less is smooth, more is "
        "noise) / coherence with the removed detail (1: pores in their place, 0: grain); SSIM: of "
        "the detail alone; idle: doing nothing; grain: a grain overlay of matched energy.",
    )
    for pair in pairs:
        _add(table, pair.name, "prediction", _texture(pair.prediction))
        _add(table, "", "idle", _texture(pair.identity))
        _add(table, "", "grain", _texture(pair.grain))
    return table


def _coarse(title: str, pairs: Sequence[PairFigures]) -> list[RenderableType]:
    if not any(pair.coarse for pair in pairs):
        return []
    return [coarse_table(title, pairs), Text()]


def coarse_table(title: str, pairs: Sequence[PairFigures]) -> Table:
    """Return of each coarse band its share of the retouch, and how much of it was recovered."""
    bands = max((pair.coarse for pair in pairs), key=len)
    table = _table(
        title,
        ("pair",),
        (*(f"{band.low}-{band.high} px" for band in bands), "all finer"),
        "By size, in the retouched area: recovered energy / share of the retouch's energy.",
    )
    for pair in pairs:
        shares = retouch_shares(pair)
        cells = [
            f"{_text(band.recovered, 2)} / {shares[f'{band.low}_{band.high}']:.0%}"
            for band in pair.coarse
        ]
        cells += ["-"] * (len(bands) - len(cells))
        finer = sum(shares[part] for part in PARTS) if shares else None
        table.add_row(Text(pair.name), *cells, "-" if finer is None else f"{finer:.0%}")
    return table


def extra_table(metric: Metric, pairs: Sequence[PairFigures]) -> Table:
    """Return the figure of an extra metric in the retouched area, beside the two baselines."""
    (key,) = metric.keys
    table = _table(key, ("pair",), ("prediction", "idle", "grain"))
    for pair in pairs:
        answers = (pair.prediction, pair.identity, pair.grain)
        table.add_row(Text(pair.name), *(_text(answer.area[key]) for answer in answers))
    return table


def unseen_table(title: str, pairs: Sequence[PairFigures], origin: str = "") -> Table:
    """Return the held-out pairs' errors over frame, skin and the rest."""
    table = _table(
        title,
        ("pair", "where"),
        ("idle", "error", "recovered", "of the frame"),
        f"Errors in grey levels of 255; idle: the error of doing nothing.{origin}",
    )
    for pair in pairs:
        frame = Part(
            share_of_frame=1.0,
            level_error=pair.prediction.frame["level_error"],
            identity_error=pair.identity.frame["level_error"],
            recovered_share=pair.prediction.frame["recovered_share"],
        )
        name = pair.name
        for where, part in (("frame", frame), ("skin", pair.skin), ("elsewhere", pair.elsewhere)):
            if part is not None:
                errors = (_text(part.identity_error), _text(part.level_error))
                share = f"{part.share_of_frame:.0%}"
                _add(table, name, where, (*errors, _text(part.recovered_share, 2), share))
                name = ""
    return table


def probe_table(title: str, points: Sequence[ProbePoint]) -> Table:
    """Return the recovered share under each change."""
    table = _table(title, ("change", "by"), ("recovered",))
    for point in points:
        amount = f"{point.amount:+d} {point.unit}" if point.unit else ""
        _add(table, point.change, amount, (_text(point.recovered_share, 2),))
    return table


def _extra(metrics: Sequence[Metric], pairs: Sequence[PairFigures]) -> list[RenderableType]:
    shown: list[RenderableType] = []
    for metric in metrics:
        shown += [extra_table(metric, pairs), Text(f"{metric.explanation}\n")]
    return shown


def _likeness(pair: PairFigures, part: str, weighted: str) -> tuple[str, ...]:
    ours = getattr(pair.prediction, part)
    nothing = getattr(pair.identity, part)["level_error"]
    errors = (ours[key] for key in ("level_error_p95", "level_error_p99"))
    return (
        _text(nothing, 2),
        _text(ours["level_error"]),
        *(_text(error, 1) for error in errors),
        _text(ours["level_error_max"], 1),
        weighted,
        _text(ours["recovered_share"], 2),
        "-" if ours["exact_pixels"] is None else f"{ours['exact_pixels']:.1%}",
        _text(ours["psnr"], 1),
        _text(ours["ssim"], 4),
    )


def _texture(candidate: Candidate) -> tuple[str, ...]:
    area = candidate.area
    by_size = (
        f"{_text(area[f'band_energy_{part}'], 2)} / {_text(area[f'detail_coherence_{part}'], 2)}"
        for part in PARTS
    )
    return (*by_size, _text(area["detail_ssim"], 2))


def _table(
    title: str, words: tuple[str, ...], numbers: tuple[str, ...], caption: str = ""
) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=caption or None,
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
    )
    for word in words:
        table.add_column(word, overflow="fold", min_width=4)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _add(table: Table, first: str, second: str, numbers: tuple[str, ...]) -> None:
    # As Text, for a name may hold square brackets, which rich would take for markup.
    table.add_row(Text(first), Text(second), *numbers)


def _text(figure: Figure, digits: int = 3) -> str:
    # Adding 0 turns a rounded -0.0 into 0.0.
    return "-" if figure is None else f"{round(figure, digits) + 0.0:.{digits}f}"
