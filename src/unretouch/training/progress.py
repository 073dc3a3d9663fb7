"""How far a run has come, what it measured on the way, and what of that must survive a stop."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from unretouch.runs import history
from unretouch.runs.condition import State
from unretouch.runs.folder import RunDir
from unretouch.runs.status import LastSave, Preview, TrainingStatus
from unretouch.settings.train import TrainSettings
from unretouch.training import rhythm
from unretouch.training.fit import Fit, Update
from unretouch.training.run_clock import RunClock
from unretouch.training.schedule import Epochs, Pace

CURVES = ("step", "G_L1", "G_GAN", "D_real", "D_fake", "level_error", "identity_error")
MEASURED_SHARE = 0.02
"""Of a time budget, or of the schedule, between two measurements of the pace."""
FEWEST_TIMED = 3
"""Steps by which the pace is measured, where there are as many."""
MOST_TIMED = 500
"""The same at most: more of them would say nothing new."""
LEVELS = 127.5
"""Grey levels of one unit of network space."""


@dataclass
class Sums:
    """Running sums, since the last log line, of what a line reports."""

    count: int = 0
    G_GAN: float = 0.0
    G_L1: float = 0.0
    D_real: float = 0.0
    D_fake: float = 0.0
    mean_error: float = 0.0
    identity: float = 0.0

    def add(self, update: Update) -> None:
        self.count += 1
        for name in ("G_GAN", "G_L1", "D_real", "D_fake", "mean_error", "identity"):
            setattr(self, name, getattr(self, name) + getattr(update, name))


@dataclass
class Progress:
    """Where a run stands. `state()` is the part that decides how it goes on."""

    epochs: Epochs
    total_epochs: int
    batch_size: int
    budget_s: float | None = None
    pace: Pace | None = None
    step: int = 0
    ending_s: float = 0.0
    """seconds of a time budget to be left for what comes after the last update"""
    clock: RunClock = field(default_factory=RunClock)
    sums: Sums = field(default_factory=Sums)
    epoch_l1: float = 0.0
    curves: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVES})

    _before: float = 0.0
    _update_s: float = 0.0
    _steps_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TIMED))
    """seconds of the newest steps, those since the last measurement and a few before"""
    _step_began: float = 0.0
    _measured_from: tuple[int, float] = (0, 0.0)
    _lr: float = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds in this and all earlier processes: previews and saves counted, pauses not."""
        return self._before + self.clock.seconds()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take no time inside for that of a step: a preview, a save."""
        began = self.elapsed
        yield
        self._step_began += self.elapsed - began

    def has_room(self, seconds: float) -> bool:
        """Whether a time budget has so many `seconds` beside those that its end needs."""
        return self.budget_s is None or self.elapsed + seconds + self.ending_s <= self.budget_s

    def fits_a_last(self, seconds: float) -> bool:
        """Whether something may follow the last update that takes `seconds`: a time budget may be
        exceeded by a hundredth, lest a step that was held up costs the last picture."""
        return self.budget_s is None or self.elapsed + seconds <= 1.01 * self.budget_s

    @property
    def total_steps(self) -> int:
        """Updates of the whole run, as far as is known now."""
        if self.pace is not None:
            return self.pace.total_steps
        return self.epochs.last_step(self.total_epochs)

    @property
    def epoch(self) -> int:
        """The epoch, from 1, of the last update; 0 before the first."""
        return (
            self.epochs.of_step(self.step - 1)
            if self.step > self.epochs.anchor_step
            else (self.epochs.anchor_epoch)
        )

    @property
    def done(self) -> bool:
        """Whether every update of the run is made."""
        return self.step >= self.total_steps

    @property
    def time_up(self) -> bool:
        """Whether the time budget is used up."""
        return self.budget_s is not None and self.elapsed >= self.budget_s

    @property
    def epoch_ended(self) -> bool:
        """Whether the last update was the last of its epoch."""
        return self.step > self.epochs.anchor_step and self.epochs.place_in_epoch(self.step) == 0

    def share_done(self) -> float:
        """Return the progress through the schedule, in [0, 1]."""
        if self.pace is not None:
            return self.pace.progress(self.step)
        return min(1.0, self.step / max(1, self.total_steps))

    def update(self, fit: Fit, share_done: float | None = None) -> Update:
        """Make one update and take note of its losses and of the time it took.

        `share_done` is the progress by which it goes, where another process measures it.
        """
        began = self.elapsed
        epoch, place = self.epochs.of_step(self.step), self.epochs.place_in_epoch(self.step)
        progress = self.share_done() if share_done is None else share_done
        update = fit.update(self.step, epoch, place, progress)
        self.step += 1
        self.sums.add(update)
        self.epoch_l1 += update.mean_error
        if self.epoch_ended:
            fit.after_epoch(self.epoch_l1 / self.epochs.steps_per_epoch)
            self.epoch_l1 = 0.0
        self._lr = fit.learning_rate()
        now = self.elapsed
        self._update_s = now - began
        if share_done is None and self.budget_s is not None and self.pace is not None:
            self._steps_s.append(now - self._step_began)
            self._measure(now, self.budget_s, self.pace)
        self._step_began = now
        return update

    def _measure(self, now: float, budget_s: float, pace: Pace) -> None:
        """Now and then, fit the number of steps to the time that is left.

        Every MEASURED_SHARE of the budget, since other programs come and go; of the schedule, since
        a plan made in a slow moment goes through it too fast; and where the plan or the time ends.
        """
        left = budget_s - self.ending_s - now
        if (
            now - self._measured_from[1] >= MEASURED_SHARE * budget_s
            or pace.progress(self.step) - pace.anchor_progress >= MEASURED_SHARE
            or self.step >= pace.total_steps
            or left <= 0
        ):
            # What comes between steps takes its share of the time that is left, too.
            left *= 1 - rhythm.BETWEEN_STEPS_SHARE
            self.pace = pace.measured(self.step, usual(self._steps_s), left)
            self._measured_from = (self.step, now)
            while len(self._steps_s) > FEWEST_TIMED - 1:
                self._steps_s.popleft()

    def log_due(self, every_images: int | None, every_steps: int) -> bool:
        """Whether a log line is due after this step: the first, the last, and every so many."""
        if self.step == 1 or self.done:
            return True
        if every_images is not None:
            return self.passed(every_images)
        return self.step % every_steps == 0

    def passed(self, every_images: int) -> bool:
        """Whether a multiple of so many pictures was reached by the last step."""
        before = (self.step - 1) * self.batch_size
        return rhythm.passed(every_images, before, before + self.batch_size)

    def log(self, run: RunDir, last: Update) -> None:
        """Append a line to loss_log.txt and metrics.jsonl: means since the line before."""
        sums, self.sums = self.sums, Sums()
        mean = {k: v / sums.count for k, v in asdict(sums).items() if k != "count"}
        error = mean["mean_error"] * LEVELS
        recovered = 1 - mean["mean_error"] / mean["identity"] if mean["identity"] else 0.0
        losses = {name: mean[name] for name in ("G_GAN", "G_L1", "D_real", "D_fake")}
        epoch = self.epochs.of_step(self.step - 1)
        place = (self.epochs.place_in_epoch(self.step - 1) + 1) * self.batch_size
        shown = {**losses, "levels": error, "recovered": recovered}
        history.append_loss_line(run, epoch, place, self._update_s, last.data_s, shown)
        record = {
            "step": self.step, "epoch": epoch, "images": self.step * self.batch_size, **losses,
            "level_error": error, "identity_error": mean["identity"] * LEVELS,
            "recovered_share": recovered, "lr": self._lr, "elapsed_s": round(self.elapsed, 3),
        }  # fmt: skip
        history.append_record(run.metrics, record)
        self.remember(record)

    def remember(self, record: history.Record) -> None:
        """Add a record of metrics.jsonl to the curves; NaN for what it lacks."""
        for name in CURVES:
            value = record.get(name)
            self.curves[name].append(float(value) if isinstance(value, int | float) else math.nan)

    def begin_epochs(self, steps_per_epoch: int, epochs_done: int) -> None:
        """Count epochs of another length, or from another number, from this step on."""
        self.epochs = self.epochs.moved(steps_per_epoch, epochs_done, self.step)
        self.epoch_l1 = 0.0

    def state(self) -> dict[str, Any]:
        """Return what decides how the run goes on, as plain values."""
        return {
            "step": self.step,
            "epochs": asdict(self.epochs),
            "pace": asdict(self.pace) if self.pace else None,
            "sums": asdict(self.sums),
            "epoch_l1": self.epoch_l1,
        }

    def restore(self, state: dict[str, Any], elapsed: float) -> None:
        """Go back to a `state`; a budget of this call replaces that of the saved one."""
        self.step = state["step"]
        self.epochs = Epochs(**state["epochs"])
        if self.pace is not None and state["pace"] is not None:
            self.pace = Pace(**state["pace"])
        self.sums = Sums(**state["sums"])
        self.epoch_l1 = state["epoch_l1"]
        self._before = self._step_began = elapsed
        self._measured_from = (self.step, elapsed)
        if self.pace is not None and self.budget_s and self.pace.anchor_progress >= 1:
            # Saved by 0.1.0, whose schedule could be over, for ever, while there was time left.
            share = min(1.0, elapsed / self.budget_s)
            self.pace = replace(self.pace, anchor_progress=share)

    def status(
        self,
        settings: TrainSettings,
        state: State,
        reason: str,
        last_save: LastSave | None,
        previews: Sequence[Preview],
        identity_error: float,
    ) -> TrainingStatus:
        """Return what the page and the console show."""
        return TrainingStatus(
            name=settings.name,
            state=state,
            step=self.step,
            total_steps=self.total_steps,
            epoch=self.epoch,
            total_epochs=None if self.pace else self.total_epochs,
            elapsed_s=self.elapsed,
            left_s=self.left_s(),
            lr=self._lr,
            lambda_L1=settings.lambda_L1,
            identity_error=identity_error,
            last_save=last_save,
            stop_reason=reason,
            curves=self.curves,
            previews=previews,
        )

    def left_s(self) -> float | None:
        """Return the seconds left, or None before there is a measure."""
        if self.budget_s is not None:
            return max(0.0, self.budget_s - self.elapsed)
        from_step, from_elapsed = self._measured_from
        if self.step <= from_step:
            return None
        a_step = (self.elapsed - from_elapsed) / (self.step - from_step)
        return (self.total_steps - self.step) * a_step


def usual(seconds: Sequence[float]) -> float:
    """Return the mean of the middle half: a few steps that something held up do not count."""
    cut = (len(seconds) + 1) // 4
    middle = sorted(seconds)[cut : len(seconds) - cut]
    return max(sum(middle) / len(middle), 1e-6)
