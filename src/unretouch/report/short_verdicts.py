"""The verdicts in short, at the end of a training and of a test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from unretouch.pixels.pairs import Pair
from unretouch.report.pair_figures import PairFigures
from unretouch.report.verdicts import Tone, Verdict, Verification
from unretouch.runs.folder import RunDir
from unretouch.settings.train import TrainSettings

LAMBDA_L1 = 500.0
"""Of the guide's recommended command, where nothing tells of another."""
MOST_PIXELS = 4_000_000
"""In all pairs together: nobody asked for these figures, which take some 5 s a megapixel."""
STYLES: dict[Tone, str] = {
    "good": "bold green", "middling": "bold yellow", "bad": "bold red", "unknown": "bold"
}  # fmt: skip


def affordable(pairs: Sequence[Pair]) -> bool:
    """Return whether the figures of the pairs cost little beside what was asked for."""
    pixels = sum(pair.shape[0] * pair.shape[1] for pair in pairs)
    return pixels <= MOST_PIXELS


def lambda_of(run: RunDir | None, settings: TrainSettings) -> float:
    """Return the lambda_L1 of a run; a folder of the classic program does not tell its own."""
    return settings.lambda_L1 if run is not None and run.config.exists() else LAMBDA_L1


def short_verdicts(
    pairs: Sequence[PairFigures], run: RunDir, trained_on: bool = True
) -> list[Text]:
    """Return a line for each verdict, and how to get the whole report; `pairs` may be empty."""
    lines = []
    if pairs:
        questions = ("memorised", "texture") if trained_on else ("unseen", "unseen_texture")
        judged = Verification(pairs) if trained_on else Verification((), pairs)
        lines = [verdict_line(judged.verdicts[question]) for question in questions]
    return [*lines, Text(f"figures, pictures and explanations: {command(run)}")]


def verdict_line(verdict: Verdict) -> Text:
    """Return the verdict's word and sentence."""
    word = (verdict.word.upper(), STYLES[verdict.tone])
    return Text.assemble(word, "  ", verdict.sentence, "\n")


def command(run: RunDir) -> str:
    """Return the command that makes the whole report of a run."""
    folder = run.root
    for _ in run.name.split("/"):
        folder = folder.parent
    where = "" if folder == Path("checkpoints") else f" --checkpoints_dir {_quoted(str(folder))}"
    return f"unretouch verify {run.name}{where}"


def trained_on(run: RunDir, manifest: Sequence[dict[str, Any]], phase: str) -> bool:
    """Return whether the pairs of a manifest are among those that the run was trained on.

    A folder of the classic program kept no record of them: there the phase `train` is believed.
    """
    try:
        records = json.loads(run.data_manifest.read_text("utf-8"))
        known = {str(record["sha256"]) for record in records}
    except FileNotFoundError:
        return phase == "train"
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(str(record["sha256"]) in known for record in manifest)


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text
