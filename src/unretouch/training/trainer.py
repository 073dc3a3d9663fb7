"""The training loop, on one screen: update, log, preview, save, stop."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Protocol

from unretouch.base.errors import DataError, DiskError, ExitCode, NonFiniteError, ProcessLostError
from unretouch.runs import history
from unretouch.runs.folder import RunDir
from unretouch.runs.status import State, TrainingStatus
from unretouch.settings.train import TrainSettings
from unretouch.training import rhythm
from unretouch.training.fit import Fit
from unretouch.training.previews import Previews
from unretouch.training.progress import Progress
from unretouch.training.run_clock import in_words
from unretouch.training.saving import Saver
from unretouch.training.stop_rule import early_end
from unretouch.training.stopping import Abandoned, StopRequest
from unretouch.training.team import ALONE, Team

STEPS_THIS_TIME = "UNRETOUCH_TEST_STEPS"
"""Test only: stop, as if the run were done, after so many updates of this process."""

STATUS_EVERY_S = 2.0


class Watcher(Protocol):
    """Who is told about a run while it trains: the console and the page."""

    def tell(self, line: str) -> None:
        """Show one line to the person."""

    def show(self, status: TrainingStatus) -> None:
        """Show where the run stands."""


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended."""

    reason: str
    """finished, time_up, interrupted, terminated, or one of stop_rule.EarlyEnd"""
    exit_code: ExitCode
    step: int


def train(
    run: RunDir,
    settings: TrainSettings,
    fit: Fit,
    progress: Progress,
    previews: Previews,
    watcher: Watcher,
    stop: StopRequest,
    team: Team = ALONE,
) -> Outcome:
    """Train until the epochs or the time are used up, or a stop is asked for; save at the end.

    Raises NonFiniteError, after which the last save is as it was, DiskError, and, after a save,
    ProcessLostError, and DataError for a pair that has changed or gone.
    """
    saver = Saver(run, settings, fit, progress)
    final_step = _cut_for_tests(progress.step)
    status_clock = rhythm.CostShare(STATUS_EVERY_S, growth=0.0, share=rhythm.PAGE_SHARE)
    told: list[float] = []

    def show(state: State, reason: str = "") -> None:
        watcher.show(
            progress.status(
                settings,
                state,
                reason,
                saver.last_save,
                previews.taken,
                previews.identity_error(),
            )
        )

    def take_preview(last: bool = False) -> None:
        try:
            with progress.aside(), stop.abandonable():
                previews.take(progress, fit, last)
        except Abandoned:  # `stop` knows
            previews.abandon()
        leave_room()

    def save() -> None:
        with progress.aside(), stop.held():
            saver.save()
        leave_room()

    def leave_room() -> None:
        if progress.budget_s is not None:
            progress.ending_s = sum(
                rhythm.kept_for_the_last(cost, progress.budget_s)
                for cost in (previews.last_cost_s, saver.cost_s)
            )

    def tell_pauses() -> None:
        for seconds in progress.clock.pauses[len(told) :]:
            told.append(seconds)
            watcher.tell(f"paused for {in_words(seconds)}: not counted as training time")
            history.write_event(run, "pause", step=progress.step, seconds=round(seconds, 1))

    try:
        history.append_loss_header(run)
        take_preview()
        show("running")
        while not (reason := _end(settings, progress, previews, stop, final_step, team)):
            update = progress.update(fit)
            if update.note:
                watcher.tell(update.note)
            tell_pauses()
            if progress.log_due(settings.print_freq, rhythm.log_every(progress.total_steps)):
                progress.log(run, update)
            if progress.has_room(previews.cost_s):
                if saver.numbered_due() and previews.affordable(progress):
                    take_preview()
                    with progress.aside(), stop.held():
                        saver.save_numbered(previews.errors_by_epoch())
                elif previews.due(progress):
                    take_preview()
            if saver.due() and progress.has_room(saver.cost_s):
                save()
            if status_clock.due(progress.elapsed):
                began = progress.elapsed
                show("running")
                status_clock.spent(progress.elapsed, progress.elapsed - began)
        fits = progress.fits_a_last(previews.last_cost_s)
        save()
        tell_pauses()
        if stop.asked is None and fits:
            take_preview(last=True)
        elif stop.asked is None:
            took = in_words(previews.last_cost_s)
            watcher.tell(
                f"no last preview: it would take about {took}, more than is left of the time"
            )
        reason = _asked(stop) or reason
        show("stopped" if stop.asked else "finished", reason)
        history.write_event(run, "stop", step=progress.step, reason=reason)
    except (ProcessLostError, DataError) as error:
        # The update under way was undone, or not begun: the state is that of the step before.
        with stop.held():
            saver.save()
        history.write_event(run, "fault", step=progress.step, reason=str(error))
        show("failed", str(error))
        raise
    except (NonFiniteError, DiskError) as error:
        reason = error.stop_reason
        with contextlib.suppress(DiskError):  # what stopped the run may stop this, too
            history.write_event(run, "fault", step=progress.step, reason=str(error))
            show("failed", reason)
        raise
    return Outcome(reason, stop.asked or ExitCode.OK, progress.step)


def _end(
    settings: TrainSettings,
    progress: Progress,
    previews: Previews,
    stop: StopRequest,
    final_step: int | None,
    team: Team,
) -> str:
    """Return why training ends now, or an empty text; all processes of the team hear of it."""
    reason = _own_end(settings, progress, previews, stop, final_step)
    agreed = team.agree(stop.asked, bool(reason), progress.share_done())
    if agreed is not None:  # else a signal that came meanwhile would be lost
        stop.asked = agreed
        return _asked(stop)
    return reason


def _own_end(
    settings: TrainSettings,
    progress: Progress,
    previews: Previews,
    stop: StopRequest,
    final_step: int | None,
) -> str:
    if stop.asked is not None:
        return _asked(stop)
    if progress.done:
        return "finished"
    if progress.time_up:
        return "time_up"
    if enough := early_end(settings, previews.taken, progress.share_done(), progress.total_steps):
        return enough
    return "finished" if final_step is not None and progress.step >= final_step else ""


def _asked(stop: StopRequest) -> str:
    if stop.asked is None:
        return ""
    return "terminated" if stop.asked == ExitCode.TERMINATED else "interrupted"


def _cut_for_tests(step: int) -> int | None:
    steps = os.environ.get(STEPS_THIS_TIME)
    return step + int(steps) if steps else None
