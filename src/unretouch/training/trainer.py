"""The training loop, on one screen: update, log, preview, save, stop."""

from __future__ import annotations

import contextlib
import os
from typing import Protocol

from unretouch.base.errors import DataError, DiskError, ExitCode, NonFiniteError, ProcessLostError
from unretouch.runs import history
from unretouch.runs.condition import State
from unretouch.runs.folder import RunDir
from unretouch.runs.status import TrainingStatus
from unretouch.settings.train import TrainSettings
from unretouch.training import rhythm
from unretouch.training.fit import Fit, Update
from unretouch.training.previews import Previews
from unretouch.training.progress import Progress
from unretouch.training.run_clock import in_words
from unretouch.training.saving import Saver
from unretouch.training.stopping import Abandoned, StopRequest, early_end
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


class Trainer:
    """A run while it trains: its updates, and what is due between them."""

    def __init__(
        self,
        run: RunDir,
        settings: TrainSettings,
        fit: Fit,
        progress: Progress,
        previews: Previews,
        watcher: Watcher,
        stop: StopRequest,
        team: Team = ALONE,
    ) -> None:
        self._run, self._settings, self._fit, self._progress = run, settings, fit, progress
        self._previews, self._watcher, self._stop, self._team = previews, watcher, stop, team
        self._saver = Saver(run, settings, fit, progress)
        self._page_clock = rhythm.CostShare(STATUS_EVERY_S, growth=0.0, share=rhythm.PAGE_SHARE)
        self._pauses_told = 0
        steps = os.environ.get(STEPS_THIS_TIME)
        self._final_step = progress.step + int(steps) if steps else None

    def train(self) -> ExitCode:
        """Train until the epochs or the time are used up, or a stop is asked for; save at the end.

        Returns 0, or the exit code of the stop that was asked for.
        Raises NonFiniteError, after which the last save is as it was, DiskError, and, after a save,
        ProcessLostError, and DataError for a pair that has changed or gone.
        """
        progress = self._progress
        try:
            history.append_loss_header(self._run)
            self._take_preview()
            self._show("running")
            while not (reason := self._end()):
                update = progress.update(self._fit)
                self._tell(update)
                self._see_to_what_is_due()
            self._finish(reason)
        except (ProcessLostError, DataError) as error:
            # The update under way was undone, or not begun: the state is that of the step before.
            self._save()
            history.write_event(self._run, "fault", step=progress.step, reason=str(error))
            self._show("failed", str(error))
            raise
        except (NonFiniteError, DiskError) as error:
            reason = "non_finite" if isinstance(error, NonFiniteError) else str(error)
            with contextlib.suppress(DiskError):  # what stopped the run may stop this, too
                history.write_event(self._run, "fault", step=progress.step, reason=str(error))
                self._show("failed", reason)
            raise
        return self._stop.asked or ExitCode.OK

    def _tell(self, update: Update) -> None:
        """Tell what begins with an update; log it when a line is due."""
        progress = self._progress
        if update.note:
            self._watcher.tell(update.note)
        self._tell_pauses()
        if progress.log_due(self._settings.print_freq, rhythm.log_every(progress.total_steps)):
            progress.log(self._run, update)

    def _finish(self, reason: str) -> None:
        """Save, and take the last preview where it fits."""
        fits = self._progress.fits_a_last(self._previews.last_cost_s)
        self._save()
        self._tell_pauses()
        if self._stop.asked is None and fits:
            self._take_preview(last=True)
        elif self._stop.asked is None:
            took = in_words(self._previews.last_cost_s)
            self._watcher.tell(
                f"no last preview: it would take about {took}, more than is left of the time"
            )
        reason = self._asked() or reason
        self._show("stopped" if self._stop.asked else "finished", reason)
        history.write_event(self._run, "stop", step=self._progress.step, reason=reason)

    def _see_to_what_is_due(self) -> None:
        progress, previews, saver = self._progress, self._previews, self._saver
        if progress.has_room(previews.cost_s):
            if saver.numbered_due() and previews.affordable(progress):
                self._take_preview()
                with progress.aside(), self._stop.held():
                    saver.save_numbered(previews.errors_by_epoch())
            elif previews.due(progress):
                self._take_preview()
        if saver.due() and progress.has_room(saver.cost_s):
            self._save()
        if self._page_clock.due(progress.elapsed):
            began = progress.elapsed
            self._show("running")
            self._page_clock.spent(progress.elapsed, progress.elapsed - began)

    def _end(self) -> str:
        """Return why training ends now, or an empty text; all processes of the team hear of it."""
        reason = self._own_end()
        asked = self._stop.asked
        agreed = self._team.agree(asked, bool(reason), self._progress.share_done())
        if agreed is not None:  # else a signal that came meanwhile would be lost
            self._stop.asked = agreed
            return self._asked()
        return reason

    def _own_end(self) -> str:
        progress = self._progress
        if self._stop.asked is not None:
            return self._asked()
        if progress.done:
            return "finished"
        if progress.time_up:
            return "time_up"
        enough = early_end(
            self._settings, self._previews.taken, progress.share_done(), progress.total_steps
        )
        if enough:
            return enough
        cut = self._final_step is not None and progress.step >= self._final_step
        return "finished" if cut else ""

    def _asked(self) -> str:
        if self._stop.asked is None:
            return ""
        return "terminated" if self._stop.asked == ExitCode.TERMINATED else "interrupted"

    def _show(self, state: State, reason: str = "") -> None:
        """Show where the run stands."""
        self._watcher.show(
            self._progress.status(
                self._settings,
                state,
                reason,
                self._saver.last_save,
                self._previews.taken,
                self._previews.identity_error(),
            )
        )

    def _save(self) -> None:
        """Save the state and the latest weights, unless this step is saved already."""
        with self._progress.aside(), self._stop.held():
            self._saver.save()
        self._leave_room()

    def _take_preview(self, last: bool = False) -> None:
        try:
            with self._progress.aside(), self._stop.abandonable():
                self._previews.take(self._progress, self._fit, last)
        except Abandoned:  # `self._stop` knows
            self._previews.abandon()
        self._leave_room()

    def _leave_room(self) -> None:
        """Keep what the last preview and the last save will take of a time budget."""
        if (budget_s := self._progress.budget_s) is not None:
            self._progress.ending_s = sum(
                rhythm.kept_for_the_last(cost, budget_s)
                for cost in (self._previews.last_cost_s, self._saver.cost_s)
            )

    def _tell_pauses(self) -> None:
        for seconds in self._progress.clock.pauses[self._pauses_told :]:
            self._pauses_told += 1
            self._watcher.tell(f"paused for {in_words(seconds)}: not counted as training time")
            history.write_event(
                self._run, "pause", step=self._progress.step, seconds=round(seconds, 1)
            )
