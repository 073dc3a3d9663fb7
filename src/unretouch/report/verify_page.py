"""The page of a verification: verify/index.html, complete in itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from unretouch.base import durable
from unretouch.metrics import METRICS, Metric
from unretouch.report.rendering import PICTURE_ASSETS, copy_assets, render, script_json
from unretouch.tasks.verify.album import Shown
from unretouch.tasks.verify.figures import PLAIN, TEXTURE, retouch_shares
from unretouch.tasks.verify.report import Verification
from unretouch.tasks.verify.verdict import Verdict

_ASSETS = (
    *PICTURE_ASSETS,
    "verify.css",
    "verify_charts.js",
    "verify.js",
    "vendor/uplot/uPlot.min.css",
    "vendor/uplot/uPlot.iife.min.js",
    "vendor/uplot/LICENSE",
)
_OF_GROUP = {
    "training": ("memorised", "texture"),
    "heldout": ("unseen", "unseen_texture"),
    "self_test": ("self_test", "self_test_texture"),
}
"""Which verdicts tell of the pairs of a group: on the error, on the texture; of the texture of a
self-test there is none, for it is a simulation's."""


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
    copy_assets(folder / "assets", _ASSETS)
    verdicts = verification.verdicts
    pairs = [_pair(one, verdicts) for one in shown]
    page = render(
        "verify_page.html",
        title=title,
        facts=facts,
        verdicts=verdicts.values(),
        pairs=pairs,
        probed=bool(verification.probe),
        data=Markup(script_json(_data(verification, pairs))),  # escaped for a script tag
    )
    index = folder / "index.html"
    durable.write_text(index, page)
    return index


def _data(verification: Verification, pairs: list[dict[str, Any]]) -> dict[str, Any]:
    cross = verification.cross
    return {
        "verdicts": [_verdict(verdict) for verdict in verification.verdicts.values()],
        "pairs": pairs,
        "probe": [dataclasses.asdict(point) for point in verification.probe],
        "cross": dataclasses.asdict(cross) if cross else None,
        "likeness": [_figure(METRICS[name]) for name in PLAIN],
        "texture": [
            *(_figure(METRICS[name]) for name in TEXTURE),
            *(_figure(metric) for metric in verification.extra),
        ],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "question": verdict.question,
        "word": verdict.word,
        "tone": verdict.tone,
        "said": [phrase.message().record() for phrase in verdict.phrases],
        "pair": verdict.held_back_by,
    }


def _figure(metric: Metric) -> dict[str, Any]:
    keys = ("name", "parts", "unit", "better", "explanation")
    return {key: getattr(metric, key) for key in keys}


def _pair(one: Shown, verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    figures = one.figures
    asked = [verdicts.get(question) for question in _OF_GROUP[one.group]]
    words = [verdict.pairs.get(figures.name) if verdict else None for verdict in asked]
    frame = figures.prediction.frame
    return {
        **dataclasses.asdict(figures),
        "group": one.group,
        "words": words,
        "pictures": {"real_A": one.real_A, "fake_B": one.fake_B, "real_B": one.real_B},
        "error_map": one.error_map,
        "factor": one.factor,
        "places": one.places,
        "identity_parts": figures.identity_parts,
        "noisy": figures.noisy,
        "retouch_shares": retouch_shares(figures),
        "level_error": frame["level_error"],
        "identity_error": figures.identity.frame["level_error"],
        "recovered_share": frame["recovered_share"],
        "exact_pixels": frame["exact_pixels"],
    }
