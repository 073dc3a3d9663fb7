"""The three calls for programs: `from unretouch import train, apply, verify`.

Each does what the command of its name does and raises the errors of `unretouch.base.errors`, all
of them an UnretouchError. Nothing heavy is imported before one of them is called.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unretouch.base.errors import ExitCode, ManyDataErrors, UsageError
from unretouch.settings import presets
from unretouch.settings.presets import PresetName
from unretouch.settings.train import DeviceName, TrainSettings, nearest_hint

if TYPE_CHECKING:
    from rich.console import Console

    from unretouch.pixels.photos import FormatName
    from unretouch.tasks.apply.request import Done
    from unretouch.tasks.verify.verification import Verified

StrPath = str | Path


@dataclass(frozen=True)
class TrainedRun:
    """What a training left behind."""

    name: str
    folder: Path
    weights: Path
    """latest_net_G.pth"""
    page: Path
    """the live page, web/index.html"""
    finished: bool
    """False after Ctrl+C or SIGTERM: all is saved, and `continue_train=True` goes on"""


def train(
    dataroot: StrPath,
    *,
    name: str = "experiment_name",
    preset: PresetName = "fast",
    continue_train: bool = False,
    allow_changed_data: bool = False,
    show: bool = False,
    **settings: Any,
) -> TrainedRun:
    """Learn the way back from the pairs in `dataroot`, as `unretouch train` does.

    `preset` is `fast`, or one of the guide's methods: balanced, strong, extreme. `settings` are
    those of `unretouch.settings.train.TrainSettings`, named as the flags, and win over the preset.
    With `continue_train` the run of this name goes on; without it, it is kept under another name.
    `show` prints what the command prints.

    >>> from unretouch import train
    >>> run = train("portrait_retouch", name="first", minutes=2, size="s")
    >>> run.weights.as_posix()
    'checkpoints/first/latest_net_G.pth'
    >>> run.finished
    True

    Raises UnretouchError: UsageError for an unknown or impossible setting, DataError for the
    pictures, CheckpointError, DiskError, NonFiniteError.
    """
    from unretouch.compat.train import begin
    from unretouch.runs.folder import RunDir
    from unretouch.tasks.train import Continuation

    chosen = _settings(dataroot, name, preset, settings)
    how = Continuation(continue_train=continue_train, allow_changed_data=allow_changed_data)
    ended = begin(chosen, how, _console(show), report=show)
    run = RunDir(chosen.checkpoints_dir, chosen.name)
    return TrainedRun(
        run.name, run.root, run.weights("latest"), run.web / "index.html", ended == ExitCode.OK
    )


def apply(
    photos: StrPath | Iterable[StrPath],
    run: str | None = None,
    *,
    weights: StrPath | None = None,
    out: StrPath = "./restored",
    strength: float = 1.0,
    mask: str | None = None,
    format: FormatName | None = None,
    epoch: str = "latest",
    checkpoints_dir: StrPath = "./checkpoints",
    full_scale: bool = False,
    keep_gps: bool = False,
    overwrite: bool = False,
    device: DeviceName = "auto",
    jobs: int = 1,
) -> list[Done]:
    """Restore photographs (files, folders, patterns) at their full size, as `unretouch apply` does.

    Either `run`, the name or folder of a run, or a `weights` file is given. Returns what was made
    of each photograph, those of an earlier call with the same settings among them.

    >>> from unretouch import apply
    >>> for done in apply("photo.jpg", "first", out="restored"):
    ...     print(done.output.as_posix(), done.already)
    restored/photo.jpg False

    Raises UnretouchError; a photograph that fails is passed over, and all that failed are raised
    as one ManyDataErrors after the others are done.
    """
    from unretouch.tasks.apply.batch import prepare
    from unretouch.tasks.apply.request import ApplyRequest, Done, ModelRequest

    if (run is None) == (weights is None):
        raise UsageError("one of both is needed", "run, weights")
    if not 0 <= strength <= 1.5:
        raise UsageError(f"{strength} is not from 0 to 1.5", "strength")
    words = [photos] if isinstance(photos, (str, Path)) else list(photos)
    model = ModelRequest(
        run=run,
        weights=None if weights is None else Path(weights),
        epoch=epoch,
        checkpoints_dir=str(checkpoints_dir),
        device=device,
    )
    request = ApplyRequest(
        model=model,
        out=Path(out),
        strength=strength,
        mask=mask,
        format=format,
        keep_gps=keep_gps,
        full_scale=full_scale,
        overwrite=overwrite,
    )
    made: list[Done] = []
    problems = []
    for outcome in prepare([str(word) for word in words], request).run(jobs):
        if isinstance(outcome, Done):
            made.append(outcome)
        else:
            problems.append(outcome.error)
    if problems:
        raise ManyDataErrors(problems)
    return made


def verify(
    run: str | None = None,
    *,
    weights: StrPath | None = None,
    images: StrPath | None = None,
    dataroot: StrPath | None = None,
    heldout: StrPath | None = None,
    self_test: Iterable[StrPath] = (),
    cross_minutes: float | None = None,
    probe: bool = True,
    deep: bool = False,
    epoch: str = "latest",
    checkpoints_dir: StrPath = "./checkpoints",
    out: StrPath | None = None,
    device: DeviceName = "auto",
    show: bool = False,
) -> Verified:
    """Prove what a model can do, as `unretouch verify` does; write its report and its page.

    One of `run`, `weights` (with `dataroot`, its pairs) and `images` (finished pictures of any
    program, with `dataroot`, the pairs they belong to) is given. `heldout` are pairs that were not
    trained on; `cross_minutes` holds each training pair out in turn for so long in all; `deep`
    needs the extra of that name.

    >>> from unretouch import verify
    >>> verified = verify("first", probe=False)
    >>> verified.page.as_posix()
    'checkpoints/first/verify/index.html'
    >>> verified.verification.verdicts["memorised"].word
    'did nothing'
    >>> [pair.name for pair in verified.verification.training]
    ['face_0', 'face_1']

    Raises UnretouchError.
    """
    from unretouch.tasks.verify.request import VerifyRequest
    from unretouch.tasks.verify.verification import verify as measure

    if sum(subject is not None for subject in (run, weights, images)) != 1:
        raise UsageError("one of these is needed", "run, weights, images")
    request = VerifyRequest(
        run=run,
        weights=_path(weights),
        images=_path(images),
        checkpoints_dir=str(checkpoints_dir),
        epoch=epoch,
        dataroot=None if dataroot is None else str(dataroot),
        heldout=_path(heldout),
        cross_minutes=cross_minutes,
        self_test=tuple(Path(photo) for photo in self_test),
        probe=probe,
        deep=deep,
        out=_path(out),
        device=device,
    )
    return measure(request, _console(show))


def _settings(
    dataroot: StrPath, name: str, preset: PresetName, given: dict[str, Any]
) -> TrainSettings:
    known = [field.name for field in dataclasses.fields(TrainSettings)]
    for setting in given:
        if setting not in known:
            raise UsageError("unknown setting", setting, nearest_hint(setting, known))
    filled = {**presets.preset(preset), **given}
    if "minutes" not in given and not given.keys().isdisjoint(presets.EPOCHS):
        filled["minutes"] = None
    values = {setting: value for setting, value in filled.items() if setting in known}
    if "checkpoints_dir" in values:
        values["checkpoints_dir"] = str(values["checkpoints_dir"])
    return TrainSettings(**{**values, "dataroot": str(dataroot), "name": name})


def _console(show: bool) -> Console:
    from rich.console import Console

    return Console() if show else Console(file=io.StringIO(), quiet=True)


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)
