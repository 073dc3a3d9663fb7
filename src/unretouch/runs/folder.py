"""Every path in a run folder, and which folders are runs. Nothing else knows them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from unretouch.base import durable, names
from unretouch.base.errors import CheckpointError, UnretouchError, UsageError
from unretouch.base.terminal import listed
from unretouch.settings.fields import nearest_hint

_STATE = re.compile(r"(\d{9})\.ckpt")
_NUMBERED = re.compile(r"(\d+)_net_G\.pth")
_MARKS = (
    "config.json", "events.jsonl", "loss_log.txt", "latest_net_G.pth", "console.txt", "run.lock",
)  # fmt: skip
"""Files that tell the folder of a run, whoever trained it."""
DEEPEST = 4
"""Segments of a run's name that are looked for."""


class RunDir:
    """The folder of one run, `checkpoints_dir/NAME`.

    Raises UsageError for a name that cannot be a run's, DataError for one that is a link leading
    outside of checkpoints_dir.
    """

    def __init__(self, checkpoints_dir: str | Path, name: str) -> None:
        self.name = names.run_name(name)
        self.checkpoints_dir = Path(checkpoints_dir)
        self.root = names.inside(self.checkpoints_dir, *self.name.split("/"))
        self.config = self.root / "config.json"
        self.data_manifest = self.root / "data.json"
        self.untouched_manifest = self.root / "untouched.json"
        self.photo_kinds = self.root / "photo_kinds.json"
        """What kind of pictures the pairs are, see pixels/photo_kind.py."""
        self.train_options = self.root / "train_opt.txt"
        self.test_options = self.root / "test_opt.txt"
        self.loss_log = self.root / "loss_log.txt"
        self.metrics = self.root / "metrics.jsonl"
        self.metrics_aside = self.root / "metrics.aside.jsonl"
        """Records of steps that were lost in a crash and trained again."""
        self.events = self.root / "events.jsonl"
        self.console = self.root / "console.txt"
        """What a training that the app began printed."""
        self.note = self.root / "note.txt"
        """What a person wrote beside the run."""
        self.lock = self.root / "run.lock"
        self.best = self.root / "best.json"
        """Which numbered weights have the least error so far, see history.read_best."""
        self.web = self.root / "web"
        self.preview_images = self.web / "images"
        self.previews = self.root / "previews.jsonl"
        """Record of the previews taken, from which the page is written."""

    def state(self, step: int) -> Path:
        return self.root / "state" / f"{step:09d}.ckpt"

    def states(self) -> list[Path]:
        """Return the state files, newest first."""
        folder = self.root / "state"
        found = [p for p in folder.glob("*.ckpt") if _STATE.fullmatch(p.name)]
        return sorted(found, reverse=True)

    def weights(self, epoch: str | int, net: str = "G", suffix: str = "") -> Path:
        """Return the classic weights file: `latest`, `best`, an epoch's number or `iter_N`."""
        return self.root / f"{epoch}_net_{net}{suffix}.pth"

    def numbered_epochs(self) -> list[int]:
        """Return the epochs whose numbered weights exist, ascending."""
        found = (_NUMBERED.fullmatch(p.name) for p in self.root.glob("*_net_G.pth"))
        return sorted(int(match[1]) for match in found if match)

    def prepare(self) -> None:
        """Create the folders a run writes to.

        Raises DataError for a link that leads outside of the run folder, DiskError.
        """
        durable.make_folder(self.root)
        appended = (self.loss_log, self.metrics, self.metrics_aside, self.events, self.lock)
        for path in (self.state(0).parent, self.web, self.preview_images, *appended):
            names.inside(self.root, path.relative_to(self.root).as_posix())
        for folder in (self.state(0).parent, self.preview_images):
            durable.make_folder(folder)

    def require(self) -> None:
        """Raise CheckpointError, naming the nearest run or those there are, when there is none of
        this name."""
        if not self.root.is_dir():
            raise _no_such_run(self.root, self.name, self.checkpoints_dir)
        if any((self.root / mark).is_file() for mark in _MARKS):
            return
        below = [run.name for run in find_runs(self.root)]
        if below:
            hint = f"Take one of them: {listed([f'{self.name}/{name}' for name in below])}"
            raise CheckpointError("is a folder of runs", self.root, hint)


def _no_such_run(where: object, name: str, checkpoints_dir: Path) -> CheckpointError:
    others = [run.name for run in find_runs(checkpoints_dir)]
    there = f"There are: {listed(others)}" if others else "No run was trained there yet"
    return CheckpointError("no such run", where, nearest_hint(name, others) or there)


def run_of(text: str, checkpoints_dir: str) -> RunDir:
    """Return the run that `text` names, or whose folder it is. Raises CheckpointError, DataError
    for a link that leads outside of checkpoints_dir."""
    folder = Path(text)
    if (folder / "config.json").is_file() or list(folder.glob("*_net_G*.pth")):
        resolved = folder.resolve()
        run = RunDir(resolved.parent, resolved.name)
        if not run.root.exists():
            hint = f"Rename the folder to {run.name}"
            raise CheckpointError("has a name that no run can have", folder, hint)
        return run
    return run_below(Path(checkpoints_dir), text)


def run_below(checkpoints_dir: Path, text: str) -> RunDir:
    """Return the run below `checkpoints_dir` that `text` names, or whose folder it is, as a shell
    completes it. Raises as `run_of`."""
    path, root = Path(text), checkpoints_dir.resolve()
    name = text.rstrip("/\\")
    try:
        found = path.resolve()
        if found.is_relative_to(root) and (path.is_dir() or not (root / name).is_dir()):
            name = found.relative_to(root).as_posix()
        run = RunDir(checkpoints_dir, name)
    except (UsageError, ValueError, OSError):  # no run can be called so
        raise _no_such_run(text, path.name, checkpoints_dir) from None
    run.require()
    return run


def find_runs(checkpoints_dir: Path) -> list[RunDir]:
    """Return the runs below `checkpoints_dir`, sorted by name; not those that are only linked."""
    found = []
    for folder in _run_folders(checkpoints_dir, DEEPEST):
        try:
            found.append(RunDir(checkpoints_dir, folder.relative_to(checkpoints_dir).as_posix()))
        except UnretouchError:  # a name no run can have
            continue
    return sorted(found, key=lambda run: run.name)


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    try:
        # Not through links: what one leads to is no run of this folder, or is found here already.
        below = [Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in below:
        if any((path / name).is_file() for name in _MARKS):
            yield path
        if depth > 1:
            yield from _run_folders(path, depth - 1)
