"""The verdicts in short, at the end of a training and of a test."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from unretouch.base.messages import Message
from unretouch.base.terminal import typed
from unretouch.metrics import Levels
from unretouch.networks.prediction import Window
from unretouch.pixels.pair_noise import BLOCK
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import PairMap, pair_map
from unretouch.report.console import say, shortened
from unretouch.report.pair_figures import PairFigures, figures_of_pair
from unretouch.report.verdicts import QUESTIONS, UNKNOWN, Tone, Verdict, Verification
from unretouch.runs.folder import RunDir
from unretouch.settings.train import AimName, TrainSettings
from unretouch.training.large_pairs import strongest

LAMBDA_L1 = 500.0
"""Of the guide's recommended command, where nothing tells of another."""
MOST_PIXELS = 4_000_000
"""In all pairs together that are judged whole: nobody asked for these figures, which take some 5 s
a megapixel."""
PART_PIXELS, SMALLEST_PART = 1_000_000, 192
"""In all parts together by which larger ones are judged, and a part's side at least."""
LONGEST_NAME = 24
"""Columns of a pair's name at most, inside of a sentence."""
STYLES: dict[Tone, str] = {
    "good": "bold green", "middling": "bold yellow", "bad": "bold red", "unknown": "bold"
}  # fmt: skip


def judged_whole(pairs: Sequence[Pair]) -> bool:
    """Return whether the figures of the whole pairs cost little beside what was asked for."""
    pixels = sum(pair.shape[0] * pair.shape[1] for pair in pairs)
    return pixels <= MOST_PIXELS


def judged_part(pair: Pair, known: PairMap | None, pairs: int) -> Window:
    """Return the square of a pair in which its retouch is strongest, small enough for so many
    `pairs`. `known` is the pair's pair_map."""
    known = known or pair_map(pair.source, pair.target)
    side = max(SMALLEST_PART, math.isqrt(PART_PIXELS // pairs))
    return strongest(known.asked_blocks, BLOCK, pair.shape, side)


def figures_of_part(
    pair: Pair, part: Window | None, prediction: Levels, lambda_L1: float
) -> PairFigures:
    """Return the figures of a part of a pair, or of the whole; `prediction` is that part's."""
    source, target = (
        side if part is None else part.of(side) for side in (pair.source, pair.target)
    )
    return figures_of_pair(pair.name, source, prediction, target, lambda_L1)


def lambda_of(run: RunDir | None, settings: TrainSettings) -> float:
    """Return the lambda_L1 of a run; a folder of the classic program does not tell its own."""
    return settings.lambda_L1 if run is not None and run.config.exists() else LAMBDA_L1


def say_short_verdicts(
    console: Console,
    pairs: Sequence[PairFigures],
    run: RunDir,
    aim: AimName,
    trained_on: bool = True,
    in_parts: bool = False,
) -> None:
    """Print what is said of each verdict on a run of this `aim`, and how to get the whole report;
    `pairs` may be empty, or parts of large ones."""
    if pairs:
        questions = ("memorised", "texture") if trained_on else ("unseen", "unseen_texture")
        seen, unseen = (pairs, ()) if trained_on else ((), pairs)
        judged = Verification(seen, unseen, aim=aim)
        console.print()
        for question in questions:
            say_verdict(console, judged.verdicts[question])
    if pairs and in_parts:
        side = max(max(pair.height, pair.width) for pair in pairs)
        told = f"Judged by the {side} px of each pair where it was retouched most"
        say(console, f"{told}: the pairs are large.")
    say(console, f"All figures and pictures: {command(run)}")


HOW_TO_KNOW = (
    "Give pairs with --heldout, let --cross hold each pair out in turn, or try --self_test on an "
    "untouched photo."
)
"""What in a terminal helps where no pair was held out."""


def say_verdict(console: Console, verdict: Verdict) -> None:
    """Print the question, the verdict's word beside it, and what is said of it below."""
    word = (verdict.word.upper(), STYLES[verdict.tone])
    console.print(Text.assemble(f"{QUESTIONS[verdict.question]}  ", word), soft_wrap=True)
    said = " ".join(str(_brief(message)) for message in verdict.said)
    if verdict.question == "unseen" and verdict.word == UNKNOWN and not verdict.pairs:
        said += f" {HOW_TO_KNOW}"
    say(console, f"  {said}")


def _brief(message: Message) -> Message:
    """Return the message with long names of pairs shortened."""
    values = {
        name: _brief(value)
        if isinstance(value, Message)
        else shortened(str(value), LONGEST_NAME)
        if name == "pair"
        else value
        for name, value in message.values.items()
    }
    return Message(message.template, values)


def command(run: RunDir) -> str:
    """Return the command that makes the whole report of a run."""
    folder = run.checkpoints_dir
    where = [] if folder == Path("checkpoints") else ["--checkpoints_dir", str(folder)]
    return typed(["unretouch", "verify", run.name, *where])


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
