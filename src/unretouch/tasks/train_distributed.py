"""One run over several processes: start those of this machine, lead or follow, end them all.

The first process checks the data, opens the run, and tells the others where it stands; from then on
all make the same updates, each of its part of every batch. Before each the first one says whether
the run goes on. When it ends, the others, which write nothing, wait until all is saved: a launcher
that sees one of them gone would stop the rest.

Run as a module it is one of the processes (ranks) that the first one started: its only word is the
settings as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console

from unretouch.base.errors import (
    DiskError,
    ExitCode,
    NonFiniteError,
    ProcessLostError,
    UnretouchError,
    UsageError,
)
from unretouch.jobs import child
from unretouch.networks import GENERATORS
from unretouch.pixels.pairs import PictureCache, load_pairs
from unretouch.report.console import say
from unretouch.settings.train import TrainSettings, settings_from
from unretouch.tasks.train import Continuation, train_run
from unretouch.training import device, session
from unretouch.training.fast_recipe import usual_recipe
from unretouch.training.launching import Layout, layout
from unretouch.training.stopping import StoppedNow, StopRequest
from unretouch.training.team import Team, join
from unretouch.training.training_pairs import (
    cache_bytes,
    padded_pairs,
    prepared_pairs,
    untouched_pictures,
)

MODULE = "unretouch.tasks.train_distributed"
LAST_WORDS_S = 5.0
"""How long a process that is lost, or done, may take to end."""


def train_distributed(
    settings: TrainSettings,
    plan: Layout,
    continuation: Continuation,
    console: Console,
    options_text: str | None = None,
) -> ExitCode:
    """Train with all processes of `plan`, as `train_run` does with one. Only the first one speaks.

    Raises what train_run raises, and ProcessLostError saying which process is lost, where that is
    known.
    """
    lines = _require_split(settings, plan.processes)
    settings = dataclasses.replace(settings, devices=plan.devices, num_nodes=plan.num_nodes)
    with _other_ranks(settings, plan) as others:
        try:
            with closing(join(settings, plan)) as team:
                if not team.first:
                    return _follow(settings, team)
                for line in lines:
                    say(console, line)
                code = _lead(settings, team, continuation, console, options_text)
                for other in others:
                    with suppress(subprocess.TimeoutExpired):
                        other.process.wait(LAST_WORDS_S)
        except ProcessLostError as error:
            raise _explained(error, others) from error
    return code


def _require_split(settings: TrainSettings, processes: int) -> list[str]:
    """Return what a person should know of a run over so many `processes`.

    Raises UsageError for settings by which it would not be the run that one process makes.
    """
    fast, generator = settings.recipe == "fast", GENERATORS[settings.netG]
    batch = settings.batch_size * (usual_recipe(settings).batch if fast else 1)
    if batch % processes:
        # The next batch that divides.
        step = processes // math.gcd(processes, batch // settings.batch_size)
        multiple = -(-settings.batch_size // step) * step
        raise UsageError(
            f"a batch of {batch} does not divide by {processes} processes",
            "--batch_size",
            f"Set it to {multiple}, or change --devices",
        )
    if settings.norm == "batch" and ("norm" in generator.takes or settings.lambda_GAN):
        raise UsageError(
            "batch normalisation would take its statistics from a part of the batch, another one "
            "in every process",
            "--norm batch",
            "Take --norm instance, which looks at one picture at a time",
        )
    if settings.pool_size and settings.lambda_GAN:
        raise UsageError(
            "every process would remember predictions of its own",
            "--pool_size",
            "Leave it at 0, or train with one process",
        )
    lines = [f"{processes} processes, {batch // processes} of {batch} in each step"]
    if not (fast or settings.no_dropout or "no_dropout" not in generator.takes):
        lines.append(
            "dropout is drawn anew in every process: as good as that of one process, but not the "
            "same (--no_dropout is)"
        )
    return lines


def _lead(
    settings: TrainSettings,
    team: Team,
    continuation: Continuation,
    console: Console,
    options_text: str | None,
) -> ExitCode:
    try:
        code = train_run(settings, continuation, console, options_text, team=team)
    except UnretouchError as error:
        with suppress(ProcessLostError):
            # Where the others wait: for the beginning, or for the word to go on after a save.
            if team.waits_for_beginning or isinstance(error, DiskError):
                team.excuse(error.exit_code)
        raise
    if team.waits_for_beginning:
        team.excuse(code)
    return code


def _follow(settings: TrainSettings, team: Team) -> ExitCode:
    """Compute this process's part of every update until the first process ends the run.

    Returns the exit code of the run. Raises ProcessLostError, and what reading the pairs raises.
    """
    loaded = load_pairs(
        Path(settings.dataroot),
        settings.phase,
        settings.direction,
        settings.max_dataset_size,
        PictureCache(cache_bytes(settings)),
    )
    pairs = prepared_pairs(settings, loaded.pairs)
    untouched = untouched_pictures(settings, loaded).pairs
    told = team.tell()
    if told["code"] is not None:
        return ExitCode(told["code"])
    assert team.device is not None
    device.prepare(team.device)
    decided = {name: told[name] for name in ("precision", "size", "head")}
    settings = dataclasses.replace(settings, **decided)
    padded = padded_pairs(settings, pairs)
    opened = session.start(settings, padded, team.device, team=team, untouched=untouched)
    opened.fit.restore(told["fit"], "state of the first process")
    opened.progress.restore(told["progress"], 0.0)
    if not team.same([*pairs, *untouched]):
        return ExitCode.DATA
    try:
        with StopRequest(patient=True) as stop:
            while True:
                _, ends, progress = team.agree(stop.asked)
                if ends:
                    break
                opened.progress.update(opened.fit, progress)
            return ExitCode(team.tell()["code"])
    except NonFiniteError as error:  # the first process has it, too, and says so
        return error.exit_code


# --- the processes of this machine ------------------------------------------------------------


@dataclass(frozen=True)
class _Rank:
    number: int
    process: subprocess.Popen[bytes]
    printed: IO[bytes]

    def error(self) -> str:
        self.printed.seek(0)
        return child.error_in(self.printed.read().decode(errors="replace"))


def _explained(error: ProcessLostError, others: list[_Rank]) -> ProcessLostError:
    """Return `error`, saying which process ended how, where it is one of this machine."""
    ended: list[_Rank] = []
    for _ in range(int(LAST_WORDS_S * 10)):
        # One that ended because another is lost explains nothing.
        ended = [o for o in others if o.process.poll() not in (None, ExitCode.PROCESS_LOST)]
        if ended or not others:
            break
        with suppress(subprocess.TimeoutExpired):
            others[0].process.wait(0.1)
    if not ended:
        return error
    code, words = ended[0].process.returncode, ended[0].error()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return ProcessLostError(
        f"process {ended[0].number + 1} of this run {how}{f' ({words})' if words else ''}",
        hint="What was trained is saved; --continue_train goes on from there",
    )


@contextmanager
def _other_ranks(settings: TrainSettings, plan: Layout) -> Iterator[list[_Rank]]:
    """Start the other processes of this machine where no launcher has; end those that are left."""
    if plan.launcher or "LOCAL_RANK" in os.environ:
        yield []
        return
    started: list[_Rank] = []
    # Where nobody set them: by these the processes find each other, this one included.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wanted = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "NODE_RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(plan.processes),
    }
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        first = int(os.environ["NODE_RANK"]) * plan.devices
        words = [json.dumps(settings.to_dict())]
        for local_rank in range(1, plan.devices):
            printed = tempfile.TemporaryFile()  # noqa: SIM115, closed when the process has ended
            environ = child.environment(LOCAL_RANK=str(local_rank))
            process = child.start(MODULE, words, "ends", printed, environ=environ)
            started.append(_Rank(first + local_rank, process, printed))
        yield started
    finally:
        for rank in started:
            rank.process.kill()
            rank.process.wait()
            rank.printed.close()
        for name in added:
            os.environ.pop(name, None)


def main() -> ExitCode:
    """Be one of the processes that another one started. Returns the exit code."""
    settings = settings_from(json.loads(sys.argv[1]), "settings of the first process")
    plan = layout(settings)
    assert plan is not None
    try:
        return _follow(settings, join(settings, plan))
    except UnretouchError as error:
        print(f"unretouch: {error}", file=sys.stderr)
        return error.exit_code
    except StoppedNow as stopped:
        return stopped.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Nothing is left to save or to say: the connections need no ceremony.
    os._exit(code)
