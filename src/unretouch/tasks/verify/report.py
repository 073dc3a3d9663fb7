"""The report: everything measured and concluded, as plain data for report.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from unretouch import __version__
from unretouch.metrics import METRICS, Figure, Metric
from unretouch.settings.verify import Thresholds
from unretouch.tasks.verify.figures import Figures, PairFigures, retouch_shares
from unretouch.tasks.verify.memorised import memorised_verdict
from unretouch.tasks.verify.probe import ProbePoint, probe_verdict
from unretouch.tasks.verify.self_test import self_test_verdict
from unretouch.tasks.verify.texture import beaten, texture_verdict
from unretouch.tasks.verify.unseen import (
    generalisation_gap,
    harmed_parts,
    mean_share,
    unseen_verdict,
)
from unretouch.tasks.verify.verdict import Verdict

SCHEMA = 1
"""Raised by one when a reader of the report would have to change; new keys do not raise it."""


@dataclass(frozen=True)
class CrossRuns:
    """How the held-out pairs came about where each training pair was held out in turn."""

    runs: int
    minutes_each: float
    own_share: Figure
    """mean recovered share of the runs on the pairs that they were trained on themselves"""


@dataclass(frozen=True)
class Verification:
    """All figures, from which all verdicts follow."""

    training: Sequence[PairFigures]
    heldout: Sequence[PairFigures] = ()
    probe: Sequence[ProbePoint] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)
    cross: CrossRuns | None = None
    """given where `heldout` are the training pairs, each judged by a run that never saw it"""
    self_test: Sequence[PairFigures] = ()
    """untouched photos that the simulated retoucher treated"""
    extra: Sequence[Metric] = ()
    """metrics beyond METRICS that were measured"""

    @property
    def seen(self) -> Figure:
        """Mean recovered share on pairs that were trained on, by the models that `heldout` tests:
        what is lost against it is lost on strangers, not in a shorter training."""
        return self.cross.own_share if self.cross else mean_share(self.training)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The answers by question; the last three only where they were asked."""
        limits = self.thresholds
        verdicts = {
            "memorised": memorised_verdict(self.training, limits.memorised),
            "texture": texture_verdict(self.training, limits.texture),
            "unseen": unseen_verdict(self.seen, self.heldout, limits.unseen),
        }
        if self.heldout:
            texture = texture_verdict(self.heldout, limits.texture)
            verdicts["unseen_texture"] = replace(texture, question="unseen_texture")
        if self.self_test:
            verdicts["self_test"] = self_test_verdict(self.self_test, limits.unseen)
        if self.probe:
            verdicts["probe"] = probe_verdict(self.probe, limits.probe)
        return verdicts


def report(verification: Verification, subject: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the report as JSON can hold it: no NaN, no infinity, None where nothing can be said.

    `subject` tells what was judged: run, weights, settings. The schema is in docs/verify.md.
    """
    groups = {name: getattr(verification, name) for name in ("training", "heldout", "self_test")}
    return {
        "schema": SCHEMA,
        "program": "unretouch",
        "version": __version__,
        "subject": dict(subject or {}),
        "verdicts": {name: _verdict(v) for name, v in verification.verdicts.items()},
        "thresholds": asdict(verification.thresholds),
        "generalisation_gap": generalisation_gap(verification.seen, verification.heldout),
        "cross": asdict(verification.cross) if verification.cross else None,
        **{name: _group(pairs) for name, pairs in groups.items()},
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
