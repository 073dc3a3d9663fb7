"""The words that verify a run, and what its report comes to on the page of the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unretouch.base import durable
from unretouch.base.errors import DataError
from unretouch.base.messages import _
from unretouch.pixels.pair_files import find_pairs
from unretouch.report.verdicts import QUESTIONS, UNKNOWN
from unretouch.runs.folder import RunDir
from unretouch.serve.read_once import ReadOnce
from unretouch.settings.train import TrainSettings

HELDOUT = "heldout"
"""Folder of a run's pairs, beside those that are trained on, that are kept for checking."""

NOT_CHECKED = _("No pair was kept for checking, so nothing is known of other photos yet.")

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What a report raises that this version did not write."""

Json = dict[str, Any]


def verify_words(run: RunDir, checkpoints: Path, heldout: Path | None, minutes: float | None) -> (
    list[str]
):  # fmt: skip
    """Return the words that verify a run: on the pairs kept for checking, or by turns, which trains
    so many `minutes`, or on its own pairs alone."""
    words = [run.name, "--checkpoints_dir", str(checkpoints)]
    if minutes is not None:
        return [*words, "--cross", "--cross_minutes", f"{minutes:g}"]
    return [*words, "--heldout", str(heldout)] if heldout is not None else words


def heldout_of(settings: TrainSettings | None) -> Path | None:
    """Return the folder of the pairs that were kept for checking, where there is one."""
    folder = Path(settings.dataroot) / HELDOUT if settings and settings.dataroot else None
    return folder if folder is not None and folder.is_dir() else None


def by_turns(status: Json | None) -> bool:
    """Whether there is a pair to train on while another is left out, by what a run's page tells."""
    previews = (status or {}).get("previews")
    return not previews or len(previews[-1]["pairs"]) > 1


# --- what came of it


def verdicts_of(
    run: RunDir, settings: TrainSettings | None, turns: bool, since: float | None = None
) -> Json | None:
    """Return the verdicts of the run's report as the page shows them, with what helps, which may be
    `turns`; None where there is no report that can be read. Of one that is made `since` then (Unix
    seconds) nothing is shown before its end: it is just being written.

    {"verdicts": [{question, word, tone, said, advice}], "older": whether the model is another now}
    """
    report = _report(run)
    try:
        if since is not None and _report_file(run).stat().st_mtime >= since:
            return None
        found = [_shown(name, verdict) for name, verdict in report["verdicts"].items()]
        older = _of_other_weights(report, run)
    except UNREADABLE:
        return None
    given = _advice({one["name"]: one for one in found}, settings, turns)
    for one in found:
        one["advice"] = given.get(one.pop("name"), "")
    return {"verdicts": found, "older": older}


def verdict_that_counts(run: RunDir, settings: TrainSettings | None) -> Json | None:
    """Return the verdict on what the run is for, {word, tone}: whether it memorised, or holds on
    unseen portraits; None where there is none of the weights that it has now."""
    if settings is None:
        return None
    report = _report(run)
    try:
        verdict = report["verdicts"]["memorised" if settings.aim == "fit" else "unseen"]
        word, tone = str(verdict["word"]), str(verdict["tone"])
        if word == UNKNOWN or _of_other_weights(report, run):
            return None
    except UNREADABLE:
        return None
    return {"word": word, "tone": tone}


def kept_pairs(run: RunDir, settings: TrainSettings | None) -> list[Json]:
    """Return the pairs that were kept for checking, [{name, word}]: the word is what the report
    says of a pair, empty before there is one of the weights that the run has now."""
    folder = heldout_of(settings)
    if folder is None:
        return []
    try:
        names = [pair.name for pair in find_pairs(folder, "").pairs]
    except DataError:
        return []
    report = _report(run)
    try:
        words = {} if _of_other_weights(report, run) else report["verdicts"]["unseen"]["pairs"]
        words = dict(words)
    except UNREADABLE:
        words = {}
    return [{"name": name, "word": str(words.get(name, ""))} for name in names]


def _report(run: RunDir) -> Json:
    """Return the report of a run; empty where there is none that can be read."""
    try:
        found = _reports.of(_report_file(run))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _report_file(run: RunDir) -> Path:
    return run.root / "verify" / "report.json"


_reports = ReadOnce[Any](lambda path: json.loads(path.read_text("utf-8")))
_digests = ReadOnce(durable.digest_of)


def _of_other_weights(report: Mapping[str, Any], run: RunDir) -> bool:
    """Return whether a report is of other weights than the run has now. Training on may leave them
    as they were; a report of before they were on record is believed by its time."""
    weights = run.weights("latest")
    digest = report["subject"].get("weights_sha256")
    if digest is None:
        return _report_file(run).stat().st_mtime < weights.stat().st_mtime
    return bool(digest != _digests.of(weights))


def _shown(name: str, verdict: Mapping[str, Any]) -> Json:
    question = QUESTIONS[name]  # type: ignore[index]
    # A report of an earlier version has its sentence in English only.
    said = verdict.get("said") or [{"message": str(verdict["sentence"]), "values": {}}]
    if name == "unseen" and verdict["word"] == UNKNOWN and not verdict.get("pairs"):
        said = [NOT_CHECKED.record()]  # as the page of a new run speaks of it
    return {
        "name": name,
        "question": question,
        "word": str(verdict["word"]),
        "tone": str(verdict.get("tone", "unknown")),
        "said": said,
    }


def _advice(
    verdicts: Mapping[str, Json], settings: TrainSettings | None, turns: bool
) -> dict[str, str]:
    """Return by question what helps: `longer`, `others` (a run for other photos) or `turns`.

    One thing to train is advised, at the first question that it helps: where a run that memorises
    was tested on others and does not hold, `others`, for `longer` would not help there.
    """
    memorises = settings is not None and settings.aim == "fit"
    given: dict[str, str] = {}
    for name, one in verdicts.items():
        advice = ""
        if name in ("memorised", "texture"):
            if memorises and one["tone"] in ("middling", "bad"):
                advice = "longer"
        elif name == "unseen" and one["word"] == UNKNOWN:
            advice = "turns" if turns else ""
        elif name in ("unseen", "unseen_texture") and one["tone"] != "good":
            advice = "others" if memorises else "longer"
        if advice and advice not in given.values():
            given[name] = advice
    if "others" in given.values():
        return {name: advice for name, advice in given.items() if advice != "longer"}
    return given
