"""The main job on one photograph: simulate a retouch, learn to undo it, say honestly how well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from unretouch.base.errors import ExitCode
from unretouch.pixels.pairs import load_pairs
from unretouch.report.console import say
from unretouch.report.tables import error_table
from unretouch.runs.folder import RunDir
from unretouch.runs.plain_figures import mean_of
from unretouch.settings.presets import preset
from unretouch.settings.small_commands import DemoSettings
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings
from unretouch.tasks.demo_pairs import cut_demo_pairs
from unretouch.tasks.test import model_of, run_test
from unretouch.tasks.train import Continuation, train_run
from unretouch.training.evaluation import pair_error

MINUTES = 2.0
"""Training time unless said otherwise; all of the demo stays below four minutes on two cores."""

PROMISED_SHARE = 0.5
"""Of the retouch, what the demo recovers on the pairs it trained on."""

NAME = "demo"


def run_demo(asked: DemoSettings) -> ExitCode:
    """Make pairs from a photo, train on them, test on them and on a crop that was held out.

    Returns the exit code of the training, 130 after Ctrl+C; or 7 when the promised share is not
    recovered in the time that the demo itself chose. Raises the errors of errors.py.
    """
    console, out, minutes = Console(), asked.out, asked.minutes or MINUTES
    settings = demo_settings(out, minutes, asked.seed)
    pairs = cut_demo_pairs(out, asked.photo, asked.seed)
    what = asked.photo or "the astronaut Eileen Collins (NASA, public domain)"
    say(console, f"pairs: {len(pairs.train)} crops of {what}, their retouch simulated: {out}")
    if pairs.all_surfaces:
        say(console, "note: little skin there, so cloth and backdrop were retouched too")
    ended = train_run(settings, Continuation(), console, report=False)
    if ended != ExitCode.OK:
        return ended
    tested = run_test(_request(settings, out), Console(quiet=True))
    run = RunDir(settings.checkpoints_dir, settings.name)
    heldout = load_pairs(out, "heldout", settings.direction).pairs
    model = model_of(run, _request(settings, out))
    unseen = [pair_error(pair, model.predict(pair.source)) for pair in heldout]
    console.print(
        error_table("What was learnt", {"trained on": tested.errors, "never seen": unseen})
    )
    share = mean_of(tested.errors).recovered_share or 0.0
    verdict = "memorised well" if share >= PROMISED_SHARE else "not yet memorised"
    say(console, f"recovered {share:.0%} of the retouch on the training pairs: {verdict}")
    if share < PROMISED_SHARE:
        longer = f"unretouch demo --minutes {2 * minutes:g}"
        say(console, f"a slow or a busy computer needs more time: {longer}")
    say(console, f"open {run.web / 'index.html'} (the run) and {tested.page} (the result)")
    kept = share >= PROMISED_SHARE or asked.minutes is not None
    return ExitCode.OK if kept else ExitCode.VERIFICATION


def demo_settings(out: Path, minutes: float, seed: int) -> TrainSettings:
    """Return the settings of the demo: the fast fit at full size, for so many minutes."""
    own: dict[str, Any] = {"name": NAME, "size": "s", "minutes": minutes, "seed": seed}
    folders = {"dataroot": str(out), "checkpoints_dir": str(out / "checkpoints")}
    return TrainSettings(**{**preset("fast"), **own, **folders})


def _request(settings: TrainSettings, out: Path) -> TestSettings:
    return TestSettings(
        dataroot=str(out),
        name=settings.name,
        checkpoints_dir=settings.checkpoints_dir,
        results_dir=str(out / "results"),
        model="pix2pix",
        phase="train",
    )
