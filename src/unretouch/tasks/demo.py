"""The main job on one photograph: simulate a retouch, learn to undo it, say honestly how well."""

from __future__ import annotations

from rich.console import Console

from unretouch.base.errors import ExitCode
from unretouch.pixels.pairs import load_pairs
from unretouch.report.console import error_table, percent_recovered, say
from unretouch.runs.folder import RunDir
from unretouch.runs.status import mean_of
from unretouch.settings.commands import DemoSettings
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainSettings, preset
from unretouch.tasks.demo_pairs import FIRST_TASTE, MINUTES, NAME, TRAINING, cut_demo_pairs
from unretouch.tasks.test import run_test
from unretouch.tasks.train import Continuation, train_run
from unretouch.training.pair_error import pair_error

PROMISED_SHARE = 0.5
"""Of the retouch, what the demo recovers on the pairs it trained on."""


def run_demo(asked: DemoSettings) -> ExitCode:
    """Make pairs from a photo, train on them, test on them and on a crop that was held out.

    Returns the exit code of the training, 130 after Ctrl+C; or 7 when the promised share is not
    recovered in the time that the demo itself chose. Raises the errors of errors.py.
    """
    console, out, minutes = Console(), asked.out, asked.minutes or MINUTES
    settings = TrainSettings(
        **{**preset("fast"), "name": NAME, "size": "s", "minutes": minutes, "seed": asked.seed},
        dataroot=str(out),
        checkpoints_dir=str(out / "checkpoints"),
    )
    all_surfaces = cut_demo_pairs(out, asked.photo, asked.seed)
    what = asked.photo or "the astronaut Eileen Collins (NASA, public domain)"
    say(console, f"pairs: {TRAINING} crops of {what}, their retouch simulated: {out}")
    if all_surfaces:
        say(console, "note: little skin there, so cloth and backdrop were retouched too")
    ended = train_run(settings, Continuation(), console, report=False)
    if ended != ExitCode.OK:
        return ended
    request = TestSettings(
        dataroot=settings.dataroot,
        name=settings.name,
        checkpoints_dir=settings.checkpoints_dir,
        results_dir=str(out / "results"),
        model="pix2pix",
        phase="train",
    )
    tested = run_test(request, Console(quiet=True))
    heldout = load_pairs(out, "heldout", settings.direction).pairs
    unseen = [pair_error(pair, tested.model.predict(pair.source)) for pair in heldout]
    console.print(
        error_table("What was learnt", {"trained on": tested.errors, "never seen": unseen})
    )
    share = mean_of(tested.errors).recovered_share or 0.0
    verdict = "memorised well" if share >= PROMISED_SHARE else "not yet memorised"
    recovered = percent_recovered(share, 0)
    say(console, f"recovered {recovered} of the retouch on the training pairs: {verdict}")
    if share < PROMISED_SHARE:
        longer = f"unretouch demo --minutes {2 * minutes:g}"
        say(console, f"a slow or a busy computer needs more time: {longer}")
    run = RunDir(settings.checkpoints_dir, settings.name)
    say(console, f"open {run.web / 'index.html'} (the run) and {tested.page} (the result)")
    say(console, str(FIRST_TASTE))
    kept = share >= PROMISED_SHARE or asked.minutes is not None
    return ExitCode.OK if kept else ExitCode.VERIFICATION
