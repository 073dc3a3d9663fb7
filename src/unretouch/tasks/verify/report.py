"""What is written of a verification: report.json for programs, and the page that shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from unretouch import __version__
from unretouch.base.messages import N_
from unretouch.base.terminal import counted
from unretouch.metrics import Figure, Metric
from unretouch.metrics.octave_bands import BANDS, PARTS
from unretouch.metrics.table import METRICS
from unretouch.report.console import (
    NO_VALUE,
    FittedTable,
    beside_the_retouch,
    nearly,
    number,
    percent,
    table,
)
from unretouch.report.pages import ShownPair, write_page
from unretouch.report.pair_figures import (
    PLAIN,
    TEXTURE,
    Candidate,
    Figures,
    PairFigures,
    Part,
    retouch_shares,
)
from unretouch.report.verdicts import (
    QUESTIONS,
    CrossRuns,
    ProbePoint,
    Verdict,
    Verification,
    beaten,
    harmed_parts,
)
from unretouch.runs.status import PlainFigures, told_share
from unretouch.tasks.verify.measuring import GROUPS, Group, Shown

SCHEMA = 1
"""Raised by one when a reader of the report would have to change; new keys do not raise it."""

COUNTED: tuple[tuple[str, Group], ...] = (
    (N_("Training pairs"), "training"),
    (N_("Pairs it has never seen"), "heldout"),
    (N_("Photos with a simulated retouch"), "self_test"),
)
"""What was judged, as the head of the page counts it."""
_OF_GROUP = {
    "training": ("memorised", "texture"),
    "heldout": ("unseen", "unseen_texture"),
    "self_test": ("self_test", "self_test_texture"),
}
"""Which verdicts tell of the pairs of a group: on the error, on the texture; of the texture of a
self-test there is none, for it is a simulation's."""


def report(verification: Verification, subject: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the report as JSON can hold it: no NaN, no infinity, None where nothing can be said.

    `subject` tells what was judged: run, weights, settings. The schema is in docs/verify.md.
    """
    return {
        "schema": SCHEMA,
        "program": "unretouch",
        "version": __version__,
        "subject": dict(subject or {}),
        "verdicts": {name: _verdict(v) for name, v in verification.verdicts.items()},
        "thresholds": asdict(verification.thresholds),
        "generalisation_gap": verification.generalisation_gap,
        "cross": asdict(verification.cross) if verification.cross else None,
        **{name: _group(getattr(verification, name)) for name in GROUPS},
        "probe": [asdict(point) for point in verification.probe],
        "guesses": {group: asdict(found) for group, found in verification.guesses.items()},
        "metrics": {
            metric.name: _description(metric) for metric in (*METRICS.values(), *verification.extra)
        },
    }


def mean_figures(figures: Sequence[Mapping[str, Figure]]) -> Figures:
    """Return the mean over the pairs of each figure that has a value in any; None in none."""
    means: Figures = {}
    for key in figures[0] if figures else ():
        known = [value for one in figures if (value := one[key]) is not None]
        means[key] = sum(known) / len(known) if known else None
    return means


def _group(pairs: Sequence[PairFigures]) -> dict[str, Any]:
    return {
        "pairs": [asdict(pair) | _conclusions(pair) for pair in pairs],
        "mean": {
            candidate: {
                part: mean_figures([getattr(getattr(pair, candidate), part) for pair in pairs])
                for part in ("frame", "area")
            }
            for candidate in ("prediction", "identity", "grain")
        },
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "question": verdict.question,
        "word": verdict.word,
        "tone": verdict.tone,
        "sentence": verdict.sentence,
        "said": [message.record() for message in verdict.said],
        "held_back_by": verdict.held_back_by,
        "pairs": dict(verdict.pairs),
    }


def _conclusions(pair: PairFigures) -> dict[str, Any]:
    return {
        "beaten": beaten(pair),
        "harmed": harmed_parts(pair),
        "plain": {**pair.plain.record(), "left_out": pair.left_out},
        "judged_by": "area" if pair.by_area else "frame",
        "retouch_shares": retouch_shares(pair),
    }


def _description(metric: Metric) -> dict[str, Any]:
    return {
        "figures": list(metric.keys),
        "unit": metric.unit,
        "lowest": metric.lowest if math.isfinite(metric.lowest) else None,
        "highest": metric.highest if math.isfinite(metric.highest) else None,
        "better": metric.better,
        "explanation": metric.explanation,
        "formula": metric.formula,
    }


def write_verify_page(
    folder: Path,
    title: str,
    facts: Mapping[str, str],
    verification: Verification,
    shown: Sequence[Shown],
) -> Path:
    """Write index.html for pictures that lie below `folder`, and return its path.

    `facts`, for engineers, are shown as they are. Raises DiskError.
    """
    verdicts, cross = verification.verdicts, verification.cross
    pairs = [_shown_pair(one, verdicts) for one in shown]
    data = {
        "verdicts": [_shown_verdict(verdict) for verdict in verdicts.values()],
        "pairs": pairs,
        "probe": [asdict(point) for point in verification.probe],
        "cross": asdict(cross) if cross else None,
        "weighted": verification.weighted,
        "likeness": [_shown_metric(METRICS[name]) for name in PLAIN],
        "texture": [
            *(_shown_metric(METRICS[name]) for name in TEXTURE),
            *(_shown_metric(metric) for metric in verification.extra),
        ],
    }
    return write_page(
        folder,
        "verify",
        data,
        title=title,
        facts=facts,
        counts=[
            (name, count)
            for name, group in COUNTED
            if (count := sum(one.group == group for one in shown))
        ],
        verdicts=verdicts.values(),
        questions=QUESTIONS,
        pairs=pairs,
        probed=bool(verification.probe),
        weighted=verification.weighted,
    )


def _shown_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "question": verdict.question,
        "word": verdict.word,
        "tone": verdict.tone,
        "said": [message.record() for message in verdict.said],
        "pair": verdict.held_back_by,
    }


def _shown_metric(metric: Metric) -> dict[str, Any]:
    return {key: getattr(metric, key) for key in ("name", "parts", "unit", "better", "explanation")}


def _shown_pair(one: Shown, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    figures = one.figures
    asked = [verdicts.get(question) for question in _OF_GROUP[one.group]]
    return {
        **asdict(figures),
        **ShownPair(name=figures.name, files=one.files, figures=figures.plain).record(),
        "group": one.group,
        "words": [verdict.pairs.get(figures.name) if verdict else None for verdict in asked],
        "factor": one.factor,
        "places": one.places,
        "guess_maps": one.guess_maps,
        "left_out": figures.left_out,
        "told_share": figures.plain.told_share,
        "by_area": figures.by_area,
        "retouch_shares": retouch_shares(figures),
    }


# --- at a terminal, before the verdicts: the tables, where they are asked for


def detail_tables(verification: Verification) -> list[RenderableType]:
    """Return the figures behind the verdicts, in order."""
    extra = verification.extra
    shown: list[RenderableType] = []
    if pairs := verification.training:
        shown += [_memorised_table(pairs, verification.weighted), Text()]
        shown += [_texture_table(QUESTIONS["texture"], pairs), Text()]
        shown += _beyond_texture("Larger than pores: light and form", pairs, extra)
    if pairs := verification.heldout:
        title = QUESTIONS["unseen"]
        shown += [_unseen_table(title, pairs, _origin(verification.cross)), Text()]
        shown += [_texture_table("The texture of unseen portraits", pairs), Text()]
        shown += _beyond_texture("Larger than pores on unseen portraits", pairs, extra)
    if photos := verification.self_test:
        shown += [_unseen_table("Self-test: with a simulated retouch", photos), Text()]
    if verification.probe:
        shown += [_probe_table(verification.probe), Text()]
    return shown


def _memorised_table(pairs: Sequence[PairFigures], weighted: bool) -> FittedTable:
    """Return the figures of likeness, whole frame and retouched area, beside doing nothing; G_L1
    where it is `weighted` by anything."""
    rows: list[tuple[str, ...]] = []
    for pair in pairs:
        frame, area = _likeness(pair, "frame"), _likeness(pair, "area")
        outside = ["", number(pair.added_outside), *[""] * 6]
        if weighted:
            frame = (*frame, f"{pair.G_L1:.2f}")
            area = (*area, f"{pair.judged_G_L1:.2f}" if pair.by_area else "")
            outside.append("")
        if pair.left_out is not None:
            rows.append((pair.name, "retouch", *_told(pair.plain), *[""] * (len(frame) - 4)))
        rows += [
            (pair.name if pair.left_out is None else "", "frame", *frame),
            ("", f"area {pair.area_share:.0%}", *area),
            ("", "outside", *outside),
        ]
    numbers = ("recovered", "error", "doing nothing", "exact", "95%", "max", "PSNR", "SSIM")
    return table(
        QUESTIONS["memorised"],
        ("pair", "where"),
        (*numbers, "G_L1") if weighted else numbers,
        rows,
        "Errors in grey levels, 0 to 255. Area: what was retouched. Outside: what was changed "
        "where nothing should be. 95%: so much of the picture is off by less."
        + _beside_the_retouch(pairs)
        + "".join(_told_apart(pair) for pair in pairs)
        + "".join(f"\n{nearly(p.name, p.nearly_exact)}" for p in pairs if p.nearly_exact),
    )


def _told(plain: PlainFigures) -> tuple[str, str, str, str]:
    """Return the figures of a pair that every table begins with."""
    shares = percent(plain.told_share), percent(plain.exact_pixels)
    return shares[0], number(plain.level_error), number(plain.identity_error), shares[1]


def _beside_the_retouch(pairs: Sequence[PairFigures]) -> str:
    """Return how the rows of pairs that differ by more than the retouch are to be read."""
    told = beside_the_retouch(pair.plain for pair in pairs)
    return "".join(f"\n{line} That is in the row frame, not in the row retouch." for line in told)


def _likeness(pair: PairFigures, part: str) -> tuple[str, ...]:
    ours = getattr(pair.prediction, part)
    nothing = getattr(pair.identity, part)["level_error"]
    return (
        percent(told_share(ours["recovered_share"], ours["level_error"] or 0.0, nothing or 0.0)),
        number(ours["level_error"]),
        number(nothing),
        percent(ours["exact_pixels"]),
        number(ours["level_error_p95"], 1),
        number(ours["level_error_max"], 1),
        number(ours["psnr"], 1),
        number(ours["ssim"], 4),
    )


def _told_apart(pair: PairFigures) -> str:
    if pair.grade is not None:
        return (
            f"\n{pair.name} has a colour grade: of the error of doing nothing "
            f"{pair.grade.levels:.2f} is a colour curve, {pair.identity_retouch:.2f} the retouch. "
            "It is judged by its area, in the colours of the answer."
        )
    if pair.moved:
        return (
            f"\n{pair.name} was moved in places (liquify), {pair.moved:.0%} of it, which no "
            "model can undo; judged by its area, without that."
        )
    return ""


def _texture_table(title: str, pairs: Sequence[PairFigures]) -> FittedTable:
    """Return energy and coherence by octave band beside doing nothing and grain overlay, and the
    coherence that the files allow."""
    rows: list[tuple[str, ...]] = []
    for pair in pairs:
        rows += [
            (pair.name, "generated", *_texture(pair.prediction)),
            ("", "doing nothing", *_texture(pair.identity)),
            ("", "grain", *_texture(pair.grain)),
            ("", "at most", *_ceiling(pair)),
        ]
    return table(
        title,
        ("pair", "picture"),
        (*(f"{low}-{high} px" for low, high in BANDS), "SSIM"),
        rows,
        "By size of texture: strength (1 is right, less is smooth, more is noise) / coherence "
        "(1: every pore in its place, 0: grain). SSIM is that of the texture alone. Grain is a "
        "grain overlay of the right strength. At most: the coherence that the files allow on "
        "unseen skin.",
    )


def _ceiling(pair: PairFigures) -> tuple[str, ...]:
    bands = pair.ceiling.bands if pair.ceiling else (None,) * len(PARTS)
    return (*(f"{'':4}/{number(band, 2)}" for band in bands), "")


def _texture(candidate: Candidate) -> tuple[str, ...]:
    area = candidate.area
    by_size = (
        f"{number(area[f'band_energy_{part}'], 2)}/{number(area[f'detail_coherence_{part}'], 2)}"
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
        shown += [table(key, ("pair",), ("generated", "doing nothing", "grain"), rows)]
        shown += [Text(f"{metric.explanation}\n")]
    return shown


def _coarse_table(title: str, pairs: Sequence[PairFigures]) -> FittedTable:
    """Return of each coarse band its share of the retouch, and how much of it was recovered."""
    bands = max((pair.coarse for pair in pairs), key=len)
    rows = []
    for pair in pairs:
        shares = retouch_shares(pair)
        cells = [
            f"{percent(band.recovered, 0)} / {percent(shares[f'{band.low}_{band.high}'], 0)}"
            for band in pair.coarse
        ]
        cells += [NO_VALUE] * (len(bands) - len(cells))
        finer = sum(shares[part] for part in PARTS) if shares else None
        rows.append((pair.name, *cells, percent(finer, 0)))
    return table(
        title,
        ("pair",),
        (*(f"{band.low}-{band.high} px" for band in bands), "all finer"),
        rows,
        "By size, in the retouched area: how much is recovered / its part of the retouch.",
    )


def _unseen_table(title: str, pairs: Sequence[PairFigures], origin: str = "") -> FittedTable:
    """Return the held-out pairs' errors over frame, skin and the rest."""
    rows = []
    for pair in pairs:
        name = pair.name
        if pair.left_out is not None:
            rows.append((name, "retouch", *_told(pair.plain)[:3], ""))
            name = ""
        ours, nothing = pair.prediction.frame, pair.identity.frame["level_error"]
        frame = Part(1.0, ours["level_error"], nothing, ours["recovered_share"])
        for where, part in (("frame", frame), ("skin", pair.skin), ("elsewhere", pair.elsewhere)):
            if part is not None:
                errors = (number(part.level_error), number(part.identity_error))
                of_frame = percent(part.share_of_frame, 0)
                rows.append((name, where, percent(part.told_share), *errors, of_frame))
                name = ""
    return table(
        title,
        ("pair", "where"),
        ("recovered", "error", "doing nothing", "of the frame"),
        rows,
        f"Errors in grey levels, 0 to 255.{origin}{_beside_the_retouch(pairs)}",
    )


def _origin(cross: CrossRuns | None) -> str:
    if cross is None:
        return ""
    minutes = counted(float(f"{cross.minutes_each:.2g}"), "minute")
    return (
        f" Each pair was judged by a run that never saw it ({cross.runs} runs of {minutes}). "
        "Of their own pairs these runs recovered "
        f"{percent(cross.own_share)}."
    )


def _probe_table(points: Sequence[ProbePoint]) -> FittedTable:
    """Return how much is recovered under each change."""
    rows = []
    for point in points:
        by = f"{point.amount:+d} {point.unit}" if point.unit else ""
        rows.append((point.change, by, percent(point.recovered_share)))
    return table(QUESTIONS["probe"], ("change", "by"), ("recovered",), rows)
