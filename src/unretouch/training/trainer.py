"""The training loop, on one screen: update, log, preview, save, stop; and what it writes."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

from unretouch.base import durable
from unretouch.base.errors import DataError, DiskError, ExitCode, NonFiniteError, ProcessLostError
from unretouch.base.messages import Message
from unretouch.pixels.spaces import GREY_LEVELS
from unretouch.runs import checkpoint, history
from unretouch.runs.checkpoint import Checkpoint
from unretouch.runs.folder import RunDir
from unretouch.runs.history import State
from unretouch.runs.status import LastSave, TrainingStatus, share_of
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings
from unretouch.training import rhythm, session
from unretouch.training.estimates import disk_plan
from unretouch.training.fit import Update
from unretouch.training.previews import Previews
from unretouch.training.rhythm import CostShare, in_words
from unretouch.training.session import Session
from unretouch.training.stopping import Abandoned, StoppedNow, StopRequest, early_end
from unretouch.training.team import ALONE, Team

STEPS_THIS_TIME = "UNRETOUCH_TEST_STEPS"
"""Test only: stop, as if the run were done, after so many updates of this process."""

STATUS_EVERY_S = 2.0
AT_STOP_S = 5.0
"""Seconds that the last preview may take of a run that was asked to stop: somebody waits for it."""
CURVES = ("step", "G_L1", "G_GAN", "D_real", "D_fake", "level_error", "identity_error")
"""What the page draws of the records of metrics.jsonl."""


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
        opened: Session,
        previews: Previews,
        watcher: Watcher,
        stop: StopRequest,
        team: Team = ALONE,
    ) -> None:
        self._run, self._settings, self._opened = run, settings, opened
        self._fit, self._progress = opened.fit, opened.progress
        self._previews, self._watcher, self._stop, self._team = previews, watcher, stop, team
        timed = opened.progress.budget_s is not None
        saves = rhythm.TIMED_SAVES_SHARE if timed else rhythm.SAVES_SHARE
        weights = rhythm.TIMED_WEIGHTS_SHARE if timed else rhythm.WEIGHTS_SHARE
        self._saves = CostShare(rhythm.SAVE_EVERY_S, growth=0.0, share=saves)
        self._saves.spent(opened.progress.elapsed, 0.0)
        self._numbered = CostShare(shortest=0.0, growth=0.0, share=weights)
        self._page = CostShare(STATUS_EVERY_S, growth=0.0, share=rhythm.PAGE_SHARE)
        self._last_save: LastSave | None = None
        """that of this process"""
        self._save_s = 0.0
        """seconds that the newest save took; 0 before the first"""
        self._given_up = False
        """whether a preview was given up when a stop was asked for"""
        self._pauses_told = 0
        self._curves: dict[str, list[float]] = {name: [] for name in CURVES}
        for record in opened.records:
            self._draw(record)
        steps = os.environ.get(STEPS_THIS_TIME)
        self._final_step = opened.progress.step + int(steps) if steps else None

    def train(self) -> ExitCode:
        """Train until the epochs or the time are used up, or a stop is asked for; save at the end.

        Returns 0, or the exit code of the stop that was asked for.
        Raises NonFiniteError, after which the last save is as it was, DiskError, and, after a save,
        ProcessLostError, and DataError for a pair that has changed or gone.
        """
        progress, previews = self._progress, self._previews
        try:
            history.append_loss_header(self._run)
            self._take_preview()
            self._show("running")
            while not (reason := self._end()):
                update = progress.update(self._fit)
                self._look_at_the_last()
                if update.note:
                    self._watcher.tell(update.note)
                self._tell_pauses()
                if self._log_due():
                    self._log(update)
                if progress.has_room(previews.cost_s):
                    if self._numbered_due() and previews.affordable(progress):
                        self._take_preview()
                        self._save_numbered()
                    elif previews.due(progress):
                        self._take_preview()
                if self._save_due() and progress.has_room(self._save_s):
                    self._save()
                if self._page.due(progress.elapsed):
                    began = progress.elapsed
                    self._show("running")
                    self._page.spent(progress.elapsed, progress.elapsed - began)
            self._finish(reason)
        except (ProcessLostError, DataError) as error:
            # The update under way was undone, or not begun: the state is that of the step before.
            self._save()
            self._write_event("fault", reason=str(error))
            self._show("failed", str(error))
            raise
        except (NonFiniteError, DiskError) as error:
            with contextlib.suppress(DiskError):  # what stopped the run may stop this, too
                self._write_event("fault", reason=str(error))
                self._show("failed", error.stop_reason)
            raise
        return self._stop.asked or ExitCode.OK

    def _finish(self, reason: str) -> None:
        """Save, and take the last preview where it fits."""
        fits = self._progress.fits_a_last(self._previews.last_cost_s)
        self._save()
        self._tell_pauses()
        if self._stop.asked is not None:
            self._take_preview_at_stop()
        elif fits:
            self._take_preview(last=True)
        else:
            took = in_words(self._previews.last_cost_s)
            self._watcher.tell(
                f"no last preview: it would take about {took}, more than is left of the time"
            )
        outcome = self._fit.outcome(self._progress.step)
        if outcome is not None:
            self._watcher.tell(str(outcome))
        reason = self._asked() or reason
        self._show("stopped" if self._stop.asked else "finished", reason, outcome)
        self._write_event("stop", reason=reason)

    def _look_at_the_last(self) -> None:
        """Judge the weights of a run that is at its end, those that learnt most, before anything is
        saved or shown of them."""
        progress, fit = self._progress, self._fit
        over = self._stop.asked is None and (progress.done or progress.time_up)
        if over and progress.fits_a_last(fit.last_look_s):
            fit.look_at_the_last(progress.step)

    # --- when it ends -------------------------------------------------------------------------

    def _end(self) -> str:
        """Return why training ends now, or an empty text; all processes of the team hear of it."""
        reason = self._own_end()
        asked = self._stop.asked
        agreed, _, _ = self._team.agree(asked, bool(reason), self._progress.share_done())
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

    # --- what is told -------------------------------------------------------------------------

    def _show(self, state: State, reason: str = "", outcome: Message | None = None) -> None:
        """Show where the run stands."""
        progress = self._progress
        self._watcher.show(
            TrainingStatus(
                name=self._settings.name,
                state=state,
                step=progress.step,
                total_steps=None if progress.guessed else progress.total_steps,
                epoch=progress.epoch,
                total_epochs=None if progress.pace else progress.total_epochs,
                elapsed_s=progress.elapsed,
                left_s=progress.left_s(),
                lr=progress.lr,
                lambda_L1=self._settings.lambda_L1,
                identity_error=self._previews.identity_error(),
                last_save=self._last_save or self._opened.saved,
                stop_reason=reason,
                outcome=outcome,
                weighted=self._settings.lambda_GAN > 0,
                curves=self._curves,
                previews=self._previews.taken,
            )
        )

    def _log_due(self) -> bool:
        """Whether a log line is due after this step: the first, the last, and every so many."""
        progress, every_images = self._progress, self._settings.print_freq
        if progress.step == 1 or progress.done:
            return True
        if every_images is not None:
            return progress.passed(every_images)
        return progress.step % rhythm.log_every(progress.total_steps) == 0

    def _log(self, last: Update) -> None:
        """Append a line to loss_log.txt and metrics.jsonl: means since the line before."""
        progress, mean = self._progress, self._progress.means()
        whole = (mean[name] * GREY_LEVELS for name in ("mean_error", "identity"))
        error, identity = self._fit.of_the_retouch(*whole)
        recovered = share_of(error, identity) or 0.0
        losses = {name: mean[name] for name in ("G_GAN", "G_L1", "D_real", "D_fake")}
        size, place = progress.batch_size, progress.epochs.place_in_epoch(progress.step - 1) + 1
        epoch = progress.epochs.of_step(progress.step - 1)
        shown = {**losses, "levels": error, "recovered": recovered}
        history.append_loss_line(
            self._run, epoch, place * size, progress.update_s, last.data_s, shown
        )
        record = {
            "step": progress.step, "epoch": epoch, "images": progress.step * size, **losses,
            "level_error": error, "identity_error": identity,
            "recovered_share": recovered, "lr": progress.lr,
            "elapsed_s": round(progress.elapsed, 3),
        }  # fmt: skip
        history.append_record(self._run.metrics, record)
        self._draw(record)

    def _draw(self, record: history.Record) -> None:
        """Add a record of metrics.jsonl to the curves; NaN for what it lacks."""
        for name, curve in self._curves.items():
            value = record.get(name)
            curve.append(float(value) if isinstance(value, int | float) else math.nan)

    def _tell_pauses(self) -> None:
        for seconds in self._progress.clock.pauses[self._pauses_told :]:
            self._pauses_told += 1
            self._watcher.tell(f"paused for {in_words(seconds)}: not counted as training time")
            self._write_event("pause", seconds=round(seconds, 1))

    def _write_event(self, event: str, **details: Any) -> None:
        progress = self._progress
        about = {"step": progress.step, "elapsed_s": round(progress.elapsed, 3)}
        history.write_event(self._run, event, **about, **details)

    # --- what is written ----------------------------------------------------------------------

    def _take_preview(self, last: bool = False) -> None:
        try:
            with self._progress.aside(), self._stop.abandonable():
                self._previews.take(self._progress, self._fit, last)
        except Abandoned:  # `self._stop` knows
            self._give_up_preview()
        self._leave_room()

    def _take_preview_at_stop(self) -> None:
        """Show what the run has come to, or else its page would tell of an earlier step; not where
        that takes long, nor where a preview was given up for the stop's sake."""
        if self._given_up or self._previews.cost_s > AT_STOP_S:
            return
        try:
            with self._progress.aside():
                self._previews.take(self._progress, self._fit, within_s=AT_STOP_S)
        except (Abandoned, StoppedNow):  # it took too long, or was asked to stop once more
            self._give_up_preview()

    def _give_up_preview(self) -> None:
        self._given_up = True
        self._previews.abandon()

    def _save_due(self) -> bool:
        """Whether the state is due to be saved after this step."""
        if self._settings.save_latest_freq is not None:
            return self._progress.passed(self._settings.save_latest_freq)
        return self._saves.due(self._progress.elapsed)

    def _save(self) -> None:
        """Save the state and the latest weights, unless this step is saved already.

        Raises DiskError; NonFiniteError for weights that would be refused when they are loaded.
        """
        progress = self._progress
        with progress.aside(), self._stop.held():
            if self._last_save is None or self._last_save.step != progress.step:
                began = progress.elapsed
                save_state(self._run, self._settings, self._opened)
                self._last_save = LastSave(step=progress.step, time=time.time())
                self._write_event("save")
                self._save_s = progress.elapsed - began
            self._saves.spent(progress.elapsed, self._save_s)
        self._leave_room()

    def _numbered_due(self) -> bool:
        """Whether numbered weights are due after this step: at an epoch's end, if time allows."""
        progress = self._progress
        return (
            progress.epoch_ended
            and progress.epoch % self._settings.save_epoch_freq == 0
            and self._numbered.due(progress.elapsed)
        )

    def _save_numbered(self) -> None:
        """Save the weights of this epoch under its number, then thin the older ones; that with the
        least error stays. Raises as `_save` does."""
        run, progress, errors = self._run, self._progress, self._previews.errors_by_epoch()
        with progress.aside(), self._stop.held():
            began = progress.elapsed
            weights = self._fit.weights()
            require_finite(weights["G"], progress.step)
            save_weights(run.weights(progress.epoch), weights["G"])
            there = run.numbered_epochs()
            measured = {e: errors[e] for e in there if e in errors}
            best = min(measured, key=lambda e: (measured[e], e), default=progress.epoch)
            history.write_best(run, history.Best(best, measured.get(best)))
            plan = disk_plan(weights, self._settings.keep_gb, self._fit.pool_bytes)
            for old in set(there) - set(rhythm.thinned(there, plan.numbered, keep=[best])):
                durable.remove(run.weights(old))
            self._numbered.spent(progress.elapsed, progress.elapsed - began)

    def _leave_room(self) -> None:
        """Keep what the last preview, the last save and the last look at what was left out will
        take of a time budget."""
        if (budget_s := self._progress.budget_s) is not None:
            self._progress.ending_s = sum(
                rhythm.kept_for_the_last(cost, budget_s)
                for cost in (self._previews.last_cost_s, self._save_s, self._fit.last_look_s)
            )


def save_state(run: RunDir, settings: TrainSettings, opened: Session) -> None:
    """Save the state of this moment, then the latest weights that match it.

    Of the settings, only those that decide what is learnt are part of the state, so that a run that
    was copied to another folder is equal to the one it was copied from. Raises DiskError,
    NonFiniteError.
    """
    fit, progress = opened.fit, opened.progress
    deciding = settings.deciding()
    state = {"progress": progress.state(), "fit": fit.state(), "settings": deciding}
    require_finite(state, progress.step)
    about = {"elapsed_s": progress.elapsed, **session.surroundings(fit)}
    checkpoint.save(run, Checkpoint(progress.step, state, about))
    for letter, weights in fit.weights().items():
        save_weights(run.weights("latest", letter), weights)


def require_finite(state: Any, step: int) -> None:
    """Raise NonFiniteError when a tensor of the state holds NaN or infinity.

    An update by finite losses and gradients can still leave the range of float32 by its rate.
    """
    for tensor in _tensors(state):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise NonFiniteError(
                "the last update led to weights or moments that are NaN or infinite",
                f"step {step}",
                "Lower --lr; what was saved is untouched",
            )


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            yield from _tensors(item)
