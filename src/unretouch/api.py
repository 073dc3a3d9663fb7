"""The three calls for programs: `from unretouch import train, apply, verify`.

Each does what the command of its name does, takes the settings of that command by the names of its
flags, and raises the errors of `unretouch.base.errors`, all of them an UnretouchError. Nothing
heavy is imported before one of them is called.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from unretouch.base.errors import ExitCode, ManyDataErrors
from unretouch.settings.classic import full_name
from unretouch.settings.commands import ApplySettings
from unretouch.settings.fields import fields_of, from_call
from unretouch.settings.parser import build
from unretouch.settings.train import TrainOptions
from unretouch.settings.verify import VerifySettings

if TYPE_CHECKING:
    from rich.console import Console

    from unretouch.tasks.apply.command import Done
    from unretouch.tasks.verify.command import Verified

StrPath = str | Path
Call = TypeVar("Call", bound=Callable[..., Any])


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


def _takes_settings_of(schema: type) -> Callable[[Call], Call]:
    """Let `help`, editors and `inspect.signature` see the settings of a command as the keyword
    arguments that they are, after those that the call itself names."""

    def shown(call: Call) -> Call:
        whole = inspect.signature(call)
        parameters = {name: each for name, each in whole.parameters.items() if name != "settings"}
        for name, flag in fields_of(schema).items():
            kind, default, hint = inspect.Parameter.KEYWORD_ONLY, flag.default, flag.annotation
            argument = inspect.Parameter(name, kind, default=default, annotation=hint)
            parameters.setdefault(name, argument)
        signature = whole.replace(parameters=list(parameters.values()))
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return shown


@_takes_settings_of(TrainOptions)
def train(dataroot: StrPath | None = None, *, show: bool = False, **settings: Any) -> TrainedRun:
    """Learn the way back from the pairs in `dataroot`, as `unretouch train` does.

    `settings` are those of `unretouch.settings.train.TrainOptions`, named as the flags. `preset` is
    `fast` unless it is one of the guide's methods: balanced, strong, extreme; other settings win
    over it. `like`, instead, takes those of another run, its pairs too. With `continue_train` the
    run of this name goes on; without it, it is kept under another name. `show` prints what the
    command prints.

    >>> from unretouch import train
    >>> run = train("portrait_retouch", name="first", minutes=2, size="s")
    >>> run.weights.as_posix()
    'checkpoints/first/latest_net_G.pth'
    >>> run.finished
    True

    Raises UnretouchError: UsageError for an unknown or impossible setting, DataError for the
    pictures, CheckpointError, DiskError, NonFiniteError.
    """
    from unretouch.runs.folder import RunDir
    from unretouch.tasks.classic_commands import begin, chosen

    if dataroot is not None:
        settings["dataroot"] = dataroot
    if settings.get("like") is None:
        settings = {"preset": "fast", **settings}
    given, _ = chosen(from_call(TrainOptions, settings))
    options = build(TrainOptions, given, "train")
    options = dataclasses.replace(options, name=full_name(options))
    ended = begin(options, _console(show), report=show)
    run = RunDir(options.checkpoints_dir, options.name)
    return TrainedRun(
        run.name, run.root, run.weights("latest"), run.web / "index.html", ended == ExitCode.OK
    )


@_takes_settings_of(ApplySettings)
def apply(
    photos: StrPath | Iterable[StrPath], run: StrPath | None = None, **settings: Any
) -> list[Done]:
    """Restore photographs (files, folders, patterns) at their full size, as `unretouch apply` does.

    Either `run`, the name or folder of a run, or a `weights` file is given. `settings` are those of
    `unretouch.settings.commands.ApplySettings`, named as the flags. Returns what was made of each
    photograph, those of an earlier call with the same settings among them.

    >>> from unretouch import apply
    >>> for done in apply("photo.jpg", "first", out="restored"):
    ...     print(done.output.as_posix(), done.already)
    restored/photo.jpg False

    Raises UnretouchError; a photograph that fails is passed over, and all that failed are raised
    as one ManyDataErrors after the others are done.
    """
    from unretouch.tasks.apply.command import Done, prepare
    from unretouch.tasks.apply.treatment import given_like

    # As the call said these before it took all settings of the command.
    if settings.pop("full_scale", False):
        settings["scale"] = "full"
    if settings.get("format", "keep") is None:
        del settings["format"]
    given = from_call(ApplySettings, {"photos": photos, **settings})
    if run is not None:
        given["run"] = str(run)
    given = given_like(given)
    restored: list[Done] = []
    problems = []
    for outcome in prepare(build(ApplySettings, given, "apply")).run():
        if isinstance(outcome, Done):
            restored.append(outcome)
        else:
            problems.append(outcome)
    if problems:
        raise ManyDataErrors(problems)
    return restored


@_takes_settings_of(VerifySettings)
def verify(run: StrPath | None = None, *, show: bool = False, **settings: Any) -> Verified:
    """Prove what a model can do, as `unretouch verify` does; write its report and its page.

    One of `run`, `weights` (with `dataroot`, its pairs) and `images` (finished pictures of any
    program, with `pairs`, those they belong to) is given. `settings` are those of
    `unretouch.settings.verify.VerifySettings`, named as the flags. `heldout` are pairs that were
    not trained on; `cross_minutes` holds each training pair out in turn for so long in all; `deep`
    needs the extra of that name. `show` prints what the command prints.

    >>> from unretouch import verify
    >>> verified = verify("first", no_probe=True)
    >>> verified.page.as_posix()
    'checkpoints/first/verify/index.html'
    >>> verified.verification.verdicts["memorised"].word
    'did nothing'
    >>> [pair.name for pair in verified.verification.training]
    ['face_0', 'face_1']

    Raises UnretouchError; VerificationError, after all is written, where a verdict is below the
    words of `fail_below`.
    """
    from unretouch.tasks.verify.command import verify as measure

    # As the call said these before it took all settings of the command.
    if "probe" in settings:
        settings["no_probe"] = not settings.pop("probe")
    if settings.get("cross_minutes") is not None:
        settings.setdefault("cross", True)
    else:
        settings.pop("cross_minutes", None)
    if settings.get("images") is not None and "dataroot" in settings:
        settings.setdefault("pairs", settings.pop("dataroot"))
    given = from_call(VerifySettings, {"run": run, **settings})
    return measure(build(VerifySettings, given, "verify"), _console(show))


def _console(show: bool) -> Console:
    from rich.console import Console

    return Console() if show else Console(file=io.StringIO(), quiet=True)
