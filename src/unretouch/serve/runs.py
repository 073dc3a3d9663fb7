"""The runs there are: ordinary run folders, whoever trained or trains them; and their trainings.

A training is a command that anybody could type, in a process that outlives the app.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unretouch.base import durable, locks
from unretouch.base.errors import CheckpointError, DataError, UnretouchError
from unretouch.base.messages import Message, _
from unretouch.jobs import child
from unretouch.jobs.training import start_training
from unretouch.report.run_display import read_status
from unretouch.runs.folder import RunDir, find_runs
from unretouch.runs.history import (
    STOP_REASONS,
    RunCondition,
    State,
    condition_of,
    holder,
    trained_s,
)
from unretouch.runs.status import standing
from unretouch.serve.queue import Queue, Waiting
from unretouch.serve.read_once import ReadOnce
from unretouch.serve.refusals import NOT_THERE, WRONG_VALUE, Refused
from unretouch.serve.verifying import verdict_that_counts
from unretouch.settings.train import (
    GUIDE,
    Direction,
    TrainSettings,
    flag_words,
    load_settings,
    preset,
    train_words,
)

MINUTES = (0.01, 1440.0)
"""What a time budget may be."""
AIMS = ("fit", "restore", "texture")
"""What a run may be for: the photos of its pairs, or others, at the least error or with texture as
strong as it was."""
EPOCHS = (1, 100_000)
"""How many may be added to a run."""
NOT_TRAINED = _("It is not being trained now.")
LONGEST_NOTE = 2000
"""Characters."""
_LAST_LINES = 12

Status = dict[str, Any]
"""What the page of a run says of it; see report/run_display.py."""


@dataclass(frozen=True)
class Condition:
    """How a run stands; `said` is what the program last printed, where it failed."""

    state: State | Literal["waiting"]
    reason: str = ""
    """a word that the pages know: of STOP_REASONS, waiting, checking, gone or failed"""
    said: str = ""
    doing: str = ""
    """of a run that is starting, what is being done: reading, preparing or pictures"""

    @property
    def active(self) -> bool:
        return self.state in ("starting", "running")


class Runs:
    """The runs below one folder, and the training processes of this app."""

    def __init__(
        self, checkpoints: Path, tested_since: Callable[[], float | None] = lambda: None
    ) -> None:
        """`tested_since` tells since when, Unix seconds, a test by turns is made or waits, which
        trains, too; None where none is."""
        self._checkpoints = checkpoints
        self._tested_since = tested_since
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun: dict[str, float] = {}
        self._stopped: dict[str, int] = {}
        """which process of a run was asked to stop"""
        self._pages = ReadOnce[Status | None](lambda path: read_status(path.parent))
        self.queue = Queue(checkpoints)
        # Held from the look for another training to the start: two requests may come at once.
        self._starting = threading.Lock()

    def all(self) -> list[RunDir]:
        """Return the runs, the newest first."""
        return sorted(find_runs(self._checkpoints), key=_changed, reverse=True)

    def get(self, wanted: str) -> RunDir:
        """Return the run of that id. Raises Refused 404."""
        for run in find_runs(self._checkpoints):
            if run_id(run.name) == wanted:
                return run
        raise Refused(404, NOT_THERE)

    # --- what is told of a run

    def status(self, run: RunDir) -> Status | None:
        """Return what the page of `run` says; None where there is none that can be read."""
        try:
            return self._pages.of(_status_file(run))
        except OSError:
            return None

    def condition(self, run: RunDir) -> Condition:
        """Return how `run` stands."""
        page = self.status(run)
        told = condition_of(run)
        process = self._processes.get(run.name)
        alive = process is not None and process.poll() is None
        if alive or told.holder is not None:
            # What the page says may be of the training before.
            begun = self._begun[run.name] if alive else told.opened or 0.0
            if not page or _modified(_status_file(run)) < begun:
                return Condition("starting", doing=_doing(told, begun))
            return Condition("running", "checking" if told.state == "finished" else "")
        waiting = self.queue.get(run.name)
        if waiting is not None and not waiting.held:
            return Condition("waiting", "waiting")
        if waiting is not None and not run.config.is_file():
            return Condition("stopped")  # taken out of the line before it ever began
        if process is not None and process.returncode not in child.NO_FAILURE:
            return Condition("failed", "failed", _tail(run.console))
        if told.state != "unfinished":
            reason = str((page or {}).get("stop_reason") or told.reason)
            known = reason in STOP_REASONS
            return Condition(told.state, reason if known else "", "" if known else reason)
        if page:
            return Condition("stopped", "gone")
        if run.weights("latest").is_file():
            return Condition("finished")
        return Condition("failed", "failed", _tail(run.console))

    def describe(self, run: RunDir) -> dict[str, Any]:
        """Return what the pages show of a run, as JSON has it."""
        status, condition, settings = self.status(run) or {}, self.condition(run), settings_of(run)
        trained = None if condition.active else trained_s(run)
        budget = None
        if settings is not None:
            budget = "epochs" if settings.minutes is None else "minutes"
        elif self.queue.get(run.name):
            budget = "minutes"  # it has not begun; its words are in the line
        previews: list[dict[str, Any]] = status.get("previews") or []
        pairs = previews[-1].get("pairs", []) if previews else []
        stands = standing({**status, "state": condition.state})
        left = status.get("left_s")
        if trained is not None and settings is not None and settings.minutes is not None:
            # It goes on from its last save, which may lie before what the page was told last.
            left = max(0.0, 60 * settings.minutes - trained)
        return {
            "id": run_id(run.name),
            "name": run.name,
            **dataclasses.asdict(condition),
            "has_weights": run.weights("latest").is_file(),
            "budget": budget,
            **{name: status.get(name) for name in ("step", "total_steps")},
            "left_s": left,
            "stopping": condition.active and self._stopping(run),
            "elapsed_s": status.get("elapsed_s") if trained is None else trained,
            "level_error": stands.level_error if stands else None,
            "recovered": stands.recovered if stands else None,
            "gain": stands.told if stands else None,
            "estimated": bool(stands and stands.estimated),
            "aim": settings.aim if settings else None,
            "verdict": None if condition.active else verdict_that_counts(run, settings),
            "picture": _picture(pairs[0]) if pairs else None,
            "before": self._before(run),
            "now_trained": self._now_trained() if condition.state == "waiting" else None,
            "note": _note(run),
            "epochs": run.numbered_epochs(),
        }

    # --- its training

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Nothing else begins to train, is renamed or deleted meanwhile."""
        with self._starting:
            yield

    @contextmanager
    def at_rest(self, run: RunDir) -> Iterator[None]:
        """Nobody trains `run` meanwhile, here or in a terminal. Raises Refused 409 where somebody
        does, where it waits to be trained, or where other runs lie in its folder."""
        with self._starting, ExitStack() as held:
            condition = self.condition(run)
            if condition.active:
                raise Refused(409, _("{name} is being trained. Stop it first.", name=run.name))
            if condition.state == "waiting":
                message = _(
                    "{name} waits to be trained. Take it out of the line first.", name=run.name
                )
                raise Refused(409, message)
            inner = next((r.name for r in self.all() if r.name.startswith(f"{run.name}/")), None)
            if inner is not None:
                message = _("Another run lies in its folder: {name}", name=inner)
                raise Refused(409, message)
            # Windows moves no folder in which a file is open, that of a training neither.
            if os.name != "nt":
                held.enter_context(locks.held(run.lock, lambda: DataError("is in use", run.root)))
            yield

    def start(self, run: RunDir, words: list[str]) -> None:
        """Begin to train, or go on, within `starting`; or wait in the line where another run is
        being trained, or tested by turns: two at once only slow each other down. Raises DiskError,
        Refused 409 where it is being trained itself."""
        if self.condition(run).active:
            raise Refused(409, _("{name} is being trained. Stop it first.", name=run.name))
        if self._training() is not None or self._tested_since() is not None:
            durable.make_folder(run.root)
            durable.append_text(run.console, "")  # it makes a run of the folder
            self.queue.put(run.name, words)
        else:
            self.queue.take(run.name)
            self._launch(run, words)

    def start_next(self) -> None:
        """Begin the training that has waited longest, if none is under way. Raises DiskError."""
        if not self.queue.line():
            return
        with self._starting:
            line, tested = self._line(), self._tested_since()
            if not line or self._training():
                return
            first, run = line[0]
            if tested is not None and tested < first.since:
                return
            if next_ := self.queue.take(first.name):
                try:
                    self._launch(run, next_.words)
                except UnretouchError:
                    self.queue.put(next_.name, next_.words)
                    self.queue.hold(next_.name)
                    raise

    def before(self, since: float) -> Message | None:
        """Return what a test by turns that was asked for at `since` (Unix seconds) waits for; None:
        it may begin."""
        with self._starting:
            trained = self._training()
            if trained is not None:
                return _("Waiting: {name} is being trained", name=trained.name)
            line = [run for waiting, run in self._line() if waiting.since < since]
            return _("Waiting: {name} is trained first", name=line[0].name) if line else None

    def _line(self) -> list[tuple[Waiting, RunDir]]:
        """Return who waits, the next first, of the runs that are there."""
        there = {run.name: run for run in self.all()}
        line = self.queue.line()
        return [(waiting, there[waiting.name]) for waiting in line if waiting.name in there]

    def _training(self) -> RunDir | None:
        return next((run for run in self.all() if self.condition(run).active), None)

    def _launch(self, run: RunDir, words: list[str]) -> None:
        """Begin to train; the process survives this one. Raises DiskError."""
        self._begun[run.name] = time.time()
        self._processes[run.name] = start_training(run, words, "lives_on")

    def _before(self, run: RunDir) -> int | None:
        """Return how many runs are trained before this one; None where it does not wait."""
        names = [waiting.name for waiting in self.queue.line()]
        return names.index(run.name) + 1 if run.name in names else None

    def _now_trained(self) -> dict[str, Any] | None:
        """Return the run that others wait for, and its time left in seconds, None where that is
        not known; None where none is trained: a test by turns may be."""
        run = self._training()
        if run is None:
            return None
        return {"name": run.name, "left_s": (self.status(run) or {}).get("left_s")}

    def stop(self, run: RunDir) -> None:
        """Ask for what Ctrl+C asks: finish the step, save, end; or take it out of the line. Once
        only: asked twice, a training ends at once, unsaved. Raises Refused 409."""
        if self.condition(run).state == "waiting":
            self.queue.hold(run.name)
            return
        pid = self._trainer(run)
        if pid is None:
            raise Refused(409, NOT_TRAINED)
        if self._stopping(run):
            return
        try:
            child.interrupt(pid)
        except OSError:
            raise Refused(409, NOT_TRAINED) from None
        self._stopped[run.name] = pid

    def _stopping(self, run: RunDir) -> bool:
        """Whether the process that trains `run` was asked to stop."""
        asked = self._stopped.get(run.name)
        return asked is not None and asked == self._trainer(run)

    def _trainer(self, run: RunDir) -> int | None:
        """Return the process that trains `run`; None where none does."""
        process = self._processes.get(run.name)
        return process.pid if process and process.poll() is None else holder(run)


def _doing(told: RunCondition, begun: float) -> str:
    """Return what a training does that was begun at `begun` (Unix s) and shows nothing yet."""
    if told.opened is None or told.opened + 1 < begun:  # records have whole seconds
        return "reading"
    return "pictures" if told.set_out else "preparing"


def run_id(name: str) -> str:
    """Return the name of a run as its addresses have it: no path can be made of it."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def settings_of(run: RunDir) -> TrainSettings | None:
    """Return what the run was trained with; None for a run of another program."""
    try:
        return load_settings(run.config)
    except CheckpointError:
        return None


def picture(run: RunDir, name: str) -> Path:
    """Return the preview picture of that name. Raises Refused 404."""
    # Looked up, not joined: whatever the name says, nothing but these can be found.
    try:
        for entry in os.scandir(run.preview_images):
            is_picture = entry.name.endswith(".png") and entry.is_file(follow_symlinks=False)
            if entry.name == name and is_picture:
                return Path(entry.path)
    except OSError:
        pass
    raise Refused(404, NOT_THERE)


def _changed(run: RunDir) -> float:
    return max(map(_modified, (run.events, run.weights("latest"), run.console)))


def _modified(path: Path) -> float:
    """Return when a file was written last, in Unix seconds; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _status_file(run: RunDir) -> Path:
    return run.web / "status.js"


def _picture(pair: dict[str, Any]) -> str | None:
    """Return the newest picture of a pair: of a large one, mostly, a part at 1:1."""
    parts = [pair, *pair.get("places", ())]
    return next((part["fake_B"] for part in parts if part.get("fake_B")), None)


def _note(run: RunDir) -> str:
    try:
        return run.note.read_text("utf-8", errors="replace")[:LONGEST_NOTE]
    except OSError:
        return ""


def _tail(path: Path) -> str:
    """Return the last lines of a text file; empty where it cannot be read."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_LAST_LINES:])


# --- the words of a training: what anybody could type as well


def start_words(
    method: str,
    minutes: float,
    dataroot: Path,
    name: str,
    checkpoints: Path,
    direction: Direction,
    aim: str = "fit",
    also: Path | None = None,
    test_photo: Path | None = None,
) -> list[str]:
    """Return the words that begin a run: with `method` fast for so many minutes and for `aim`, else
    by a preset of the guide, which memorises.

    `also` is a folder of untouched photos, `test_photo` one to be restored at every preview. Raises
    Refused 400 for an unknown method or aim, and for an aim that the method does not have.
    """
    words = [
        *("train", "--dataroot", str(dataroot), "--name", name),
        *("--checkpoints_dir", str(checkpoints), "--direction", direction),
    ]
    if test_photo is not None:
        words += ["--test_photo", str(test_photo)]
    if aim not in AIMS or (aim != "fit" and method != "fast"):
        raise Refused(400, WRONG_VALUE)
    if method == "fast":
        words += ["--minutes", f"{_checked(minutes):g}"]
        words += ["--aim", aim] if aim != "fit" else []
        return [*words, "--also", str(also)] if also is not None else words
    if method not in GUIDE:
        raise Refused(400, WRONG_VALUE)
    return words + flag_words(preset(method))


def continue_words(
    settings: TrainSettings, name: str, checkpoints: Path, more: float | None
) -> list[str]:
    """Return the words by which a run with these settings goes on.

    `more` are the minutes, or for a run of so many epochs the epochs, that are added to what it
    was given; None goes on to the end that was set. Raises Refused 400.
    """
    minutes, n_epochs = settings.minutes, settings.n_epochs
    if more is not None and minutes is not None:
        minutes += _checked(more)
    elif more is not None:
        n_epochs += int(within(more, EPOCHS, _("Epochs")))
    settings = dataclasses.replace(
        settings, name=name, checkpoints_dir=str(checkpoints), minutes=minutes, n_epochs=n_epochs
    )
    return [*train_words(settings), "--continue_train"]


def _checked(minutes: float) -> float:
    """Return `minutes` where a run may last so long. Raises Refused 400."""
    return within(minutes, MINUTES, _("Minutes"))


def within(value: float, limits: tuple[float, float], field: Message) -> float:
    """Return `value`. Raises Refused 400, naming `field` and `limits`, where it lies outside."""
    least, most = limits
    if not least <= value <= most:
        message = _(
            "{field}: a number from {least} to {most}.",
            field=field,
            least=f"{least:g}",
            most=f"{most:,.0f}",
        )
        raise Refused(400, message)
    return value
