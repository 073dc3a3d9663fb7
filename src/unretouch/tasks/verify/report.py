"""What is written of a verification: report.json for programs, and the page that shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unretouch import __version__
from unretouch.metrics import Figure, Metric
from unretouch.metrics.table import METRICS
from unretouch.report.pages import ShownPair, write_page
from unretouch.report.pair_figures import PLAIN, TEXTURE, Figures, PairFigures, retouch_shares
from unretouch.report.verdicts import Verdict, Verification, beaten, harmed_parts
from unretouch.tasks.verify.measuring import GROUPS, Shown

SCHEMA = 1
"""Raised by one when a reader of the report would have to change; new keys do not raise it."""

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
        "sentence": verdict.sentence,
        "held_back_by": verdict.held_back_by,
        "pairs": dict(verdict.pairs),
    }


def _conclusions(pair: PairFigures) -> dict[str, Any]:
    return {
        "beaten": beaten(pair),
        "harmed": harmed_parts(pair),
        "judged_by": "area" if pair.noisy else "frame",
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

    `facts` are shown as they are under the title. Raises DiskError.
    """
    verdicts, cross = verification.verdicts, verification.cross
    pairs = [_shown_pair(one, verdicts) for one in shown]
    data = {
        "verdicts": [_shown_verdict(verdict) for verdict in verdicts.values()],
        "pairs": pairs,
        "probe": [asdict(point) for point in verification.probe],
        "cross": asdict(cross) if cross else None,
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
        verdicts=verdicts.values(),
        pairs=pairs,
        probed=bool(verification.probe),
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
        "identity_parts": figures.identity_parts,
        "noisy": figures.noisy,
        "retouch_shares": retouch_shares(figures),
    }
