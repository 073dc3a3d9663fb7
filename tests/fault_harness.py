"""What the fault and resume tests share: tiny runs in real processes, faults put into them, and
digests to compare them by.

Importing torch takes longer than such a run, so the processes are forked from one that has done it
already (`Warm`; this file is that process when it is run as a script). POSIX only.
"""

from __future__ import annotations

import errno
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "src"

CLASSIC = (
    "--netG", "resnet_6blocks", "--ngf", "2", "--ndf", "2", "--crop_size", "32",
    "--preprocess", "crop", "--no_html", "--device", "cpu", "--precision", "32-true",
)  # fmt: skip
"""The classic fit at its smallest: dropout, flips and random windows are on."""

FAST = (
    "--netG", "detail", "--size", "s", "--recipe", "fast", "--lambda_GAN", "0",
    "--preprocess", "none", "--no_html", "--device", "cpu", "--precision", "32-true",
)  # fmt: skip


def make_pairs(dataroot: Path, count: int = 3, size: int = 40) -> Path:
    """Write `count` pairs A|B into dataroot/train, always the same, and return dataroot."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(count)
    (dataroot / "train").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        small = random.integers(40, 200, (5, 5, 3), dtype=np.uint8)
        smooth = np.array(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC))
        texture = random.integers(-9, 10, smooth.shape)
        real = np.clip(smooth.astype(int) + texture, 0, 255).astype(np.uint8)
        joined = Image.fromarray(np.concatenate([smooth, real], axis=1))
        joined.save(dataroot / "train" / f"{number:03d}.png")
    return dataroot


@dataclass(frozen=True)
class Place:
    """A run: where its pairs and its folder are, and how it is trained."""

    dataroot: Path
    checkpoints: Path
    flags: tuple[str, ...] = (*CLASSIC, "--n_epochs", "3", "--n_epochs_decay", "2")
    name: str = "run"

    @property
    def root(self) -> Path:
        return self.checkpoints / self.name

    def words(self, *more: str) -> list[str]:
        """Return the words of a train command."""
        return [
            "--dataroot", str(self.dataroot), "--checkpoints_dir", str(self.checkpoints),
            "--name", self.name, *self.flags, *more,
        ]  # fmt: skip


# --- what two runs are compared by ------------------------------------------------------------


def states(root: Path) -> list[Path]:
    """Return the state files of a run folder, newest first."""
    return sorted((root / "state").glob("*.ckpt"), reverse=True)


def digest(root: Path) -> str:
    """Return the digest of the newest state."""
    from unretouch.runs import checkpoint

    return checkpoint.digest(checkpoint.load(states(root)[0]).state)


def step(root: Path) -> int:
    """Return the step of the newest state, by its name."""
    return int(states(root)[0].stem)


def metrics(root: Path) -> list[dict[str, Any]]:
    """Return the records of metrics.jsonl without the seconds."""
    lines = (root / "metrics.jsonl").read_text("utf-8").splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if key != "elapsed_s"}
        for line in lines
    ]


def outcome(root: Path) -> tuple[str, list[dict[str, Any]]]:
    """Return what must be equal between two runs that trained the same."""
    return digest(root), metrics(root)


def events(root: Path, kind: str) -> list[dict[str, Any]]:
    """Return the records of events.jsonl of one kind."""
    lines = (root / "events.jsonl").read_text("utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["event"] == kind]


def latest_matches_state(root: Path) -> bool:
    """Whether latest_net_G.pth holds the weights of the newest state."""
    from unretouch.runs import checkpoint
    from unretouch.runs.weights import load_weights

    fit = checkpoint.load(states(root)[0]).state["fit"]
    weights = fit["weights"].get("average", fit["weights"]["G"])
    for stage in fit.get("stages", ()):
        weights = stage["choice"]["weights"] if "choice" in stage else weights
    return checkpoint.digest(load_weights(root / "latest_net_G.pth")) == checkpoint.digest(weights)


# --- processes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """How a process ended: its exit code, negative for a signal, what it printed and used."""

    code: int
    out: str
    seconds: float
    megabytes: float
    """resident at most, those shared with the warm process counted"""


@dataclass(frozen=True)
class Child:
    """A process under way."""

    warm: Warm
    pid: int
    printed: Path

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def wait(self) -> Finished:
        used = self.warm.ask(wait=self.pid)
        return Finished(out=self.printed.read_text("utf-8", errors="replace"), **used)

    def said(self, words: str) -> bool:
        """Whether it has printed `words`."""
        return self.printed.exists() and words in self.printed.read_text("utf-8")

    def wait_until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until `condition` holds; fail when it does not in time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"waited in vain; printed:\n{self.wait().out}")
            time.sleep(0.01)


class Warm:
    """A process that has imported everything and forks the others."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )  # fmt: skip

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def start(self, words: list[str], program: str = "train", **faults: Any) -> Child:
        """Start a program with `words`; `faults` name functions of FAULTS and their values."""
        self._count += 1
        printed = self._folder / f"printed_{self._count}.txt"
        answer = self.ask(words=words, program=program, faults=faults, printed=str(printed))
        return Child(self, answer["pid"], printed)

    def run(self, words: list[str], program: str = "train", **faults: Any) -> Finished:
        return self.start(words, program, **faults).wait()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def warm(folder: Path) -> Iterator[Warm]:
    """Give a Warm whose processes print into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    forker = Warm(folder)
    try:
        yield forker
    finally:
        forker.close()


# --- faults, put in place in the forked process before it begins ---------------------------------


def crash_at(operation: int) -> None:
    """Die as if killed before the disk operation of this number."""
    os.environ["UNRETOUCH_CRASH_AT"] = str(operation)


def environment(variables: dict[str, str]) -> None:
    """Set these variables."""
    os.environ.update(variables)


def steps(count: int) -> None:
    """Train only so many steps in this process."""
    os.environ["UNRETOUCH_TEST_STEPS"] = str(count)


def signal_in_step(arguments: list[int]) -> None:
    """[step, signal, times]: the signal arrives in the middle of the update after `step`."""
    when, number, times = arguments
    _in_update(lambda step: _signal(number, times) if step == when else None)


def signal_between_steps(arguments: list[int]) -> None:
    """[step, signal]: the signal arrives while it is decided that the run goes on after `step`."""
    from unretouch.training.team import Team

    when, number = arguments
    agree, calls = Team.agree, itertools.count()

    def agreeing(self: Any, *given: Any) -> Any:
        answer = agree(self, *given)
        if next(calls) == when:
            _signal(number)
        return answer

    Team.agree = agreeing  # type: ignore[method-assign]


def slow_steps(seconds: float) -> None:
    """Every step takes so much longer."""
    _in_update(lambda step: time.sleep(seconds))


def slower_steps(arguments: list[Any]) -> None:
    """[first, end, seconds]: the updates after `first` to `end` steps take so much longer."""
    first, end, seconds = arguments
    _in_update(lambda step: time.sleep(seconds) if first <= step < end else None)


def slow_preview(seconds: float) -> None:
    """Every preview takes so much longer."""
    from unretouch.training.previews import Previews

    _slow(Previews, "_shown", seconds)


def slow_save(seconds: float) -> None:
    """Every save of a state takes so much longer."""
    from unretouch.runs import checkpoint

    _slow(checkpoint, "save", seconds)


def _slow(owner: Any, name: str, seconds: float) -> None:
    calling = getattr(owner, name)

    def slowly(*given: Any) -> Any:
        time.sleep(seconds)
        return calling(*given)

    setattr(owner, name, slowly)


def stuck_in_picture(number: int) -> None:
    """The picture of this number, from 1, takes half a minute in the middle of being written."""
    from unretouch.base import durable

    write, count = durable.write_bytes, itertools.count(1)

    def writing(path: Path, *parts: Any) -> None:
        if path.parent.name == "images" and next(count) == number:
            path.with_name(path.name + durable.TEMPORARY_SUFFIX).write_bytes(b"half")
            _be_stuck()
        write(path, *parts)

    durable.write_bytes = writing


def stuck_before_training(what: list[str]) -> None:
    """[module, function]: this part of the checks takes half a minute."""
    module, name = what

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    owner = importlib.import_module(module)
    calling = getattr(owner, name)

    def stuck(*given: Any, **named: Any) -> Any:
        _be_stuck()
        return calling(*given, **named)

    setattr(owner, name, stuck)


STUCK = "stuck here"


def _be_stuck() -> None:
    print(STUCK, flush=True)
    time.sleep(30)


def remove_run_in_step(arguments: list[Any]) -> None:
    """[step, folder]: somebody removes the run folder in the middle of a step."""
    import shutil

    when, folder = arguments
    _in_update(lambda step: shutil.rmtree(folder) if step == when else None)


def _in_update(act: Callable[[int], object]) -> None:
    from unretouch.training.classic_fit import ClassicFit
    from unretouch.training.fast_fit import FastFit

    def wrapped(update: Callable[..., Any]) -> Callable[..., Any]:
        def acting(self: Any, step: int, *rest: Any) -> Any:
            act(step)
            return update(self, step, *rest)

        return acting

    for kind in (ClassicFit, FastFit):
        kind.update = wrapped(kind.update)  # type: ignore[method-assign]


def _signal(number: int, times: int = 1) -> None:
    for _ in range(times):
        os.kill(os.getpid(), number)
        time.sleep(0.001)  # so that Python takes note of each


def signal_in_save(arguments: list[int]) -> None:
    """[step, signal, times]: the signal arrives between the state and the latest weights."""
    from unretouch.runs import checkpoint

    when, number, times = arguments
    save = checkpoint.save

    def saving(run: Any, state: Any) -> Path:
        path = save(run, state)
        if state.step == when:
            _signal(number, times)
        return path

    checkpoint.save = saving


def signal_in_preview(arguments: list[int]) -> None:
    """[step, signal, times]: the signal arrives while the preview of `step` is taken."""
    from unretouch.training.previews import Previews

    when, number, times = arguments
    shown = Previews._shown

    def showing(self: Any, progress: Any, *given: Any) -> Any:
        if progress.step == when:
            try:
                _signal(number)
            finally:
                if times > 1:
                    _signal(number)
        return shown(self, progress, *given)

    Previews._shown = showing  # type: ignore[method-assign]


def interrupt_torch_save(call: int) -> None:
    """Ctrl+C lands inside torch.save, at its call of this number, where torch leaves a whole zip
    with records missing."""
    import torch

    save, calls = torch.save, []

    def interrupted(value: Any, file: Any) -> None:
        calls.append(1)
        if len(calls) == call:
            with torch.serialization._open_zipfile_writer(file) as archive:
                archive.write_record("data.pkl", b"", 0)
                raise KeyboardInterrupt
        save(value, file)

    torch.save = interrupted


def file_size_limit(limit: int) -> None:
    """No file may become larger than `limit` bytes, as with a full disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def disk_full_in_save(arguments: list[Any]) -> None:
    """[step, call]: from this step on `call` (write or fsync) of a state fails with ENOSPC."""
    from unretouch.base import durable

    when, call = arguments
    now = [0]
    _in_update(lambda step: now.__setitem__(0, step + 1))
    opening, syncing = Path.open, os.fsync

    def no_space() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    full: set[int] = set()

    def open_(path: Path, *given: Any, **more: Any) -> Any:
        file = opening(path, *given, **more)
        full.discard(file.fileno())
        if now[0] >= when and path.name.endswith(".ckpt.partial"):
            full.add(file.fileno())
            return _HalfFull(file, no_space) if call == "write" else file
        return file

    def fsync(handle: int) -> None:
        if handle in full:
            no_space()
        syncing(handle)

    Path.open = open_  # type: ignore[method-assign]
    if call == "fsync":
        durable.os.fsync = fsync


class _HalfFull:
    """A file that takes half of what it is given, then has no room left."""

    def __init__(self, file: Any, full: Callable[[], None]) -> None:
        self._file, self._full = file, full

    def __enter__(self) -> _HalfFull:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data[: len(data) // 2])
        self._full()


def memory_left(arguments: list[Any]) -> None:
    """[bytes, told]: the process gets only so many bytes more; untold, it cannot find out."""
    import resource

    from unretouch.base import memory

    count, told = arguments
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + count
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if not told:
        memory.free_bytes = lambda swap=False: None


def free_space(count: int) -> None:
    """The disk says that so many bytes are free."""
    from unretouch.base import durable

    durable.free_bytes = lambda path: count


def disk_fills_in_step(arguments: list[int]) -> None:
    """[step, bytes]: from the update after `step` on the disk says that so many bytes are free."""
    from unretouch.base import durable

    when, count = arguments

    def fill(step: int) -> None:
        if step == when:
            durable.free_bytes = lambda path: count

    _in_update(fill)


def log_to_full_disk(name: str) -> None:
    """Appending to the file of this name meets a disk that is full."""
    from unretouch.base import durable

    append = durable.append_text
    full = Path("/dev/full")
    durable.append_text = lambda path, text: append(full if path.name == name else path, text)


def threads(count: int) -> None:
    """Compute on so many threads."""
    import torch

    torch.set_num_threads(count)


def surroundings(changed: dict[str, Any]) -> None:
    """Say that this is another torch or machine."""
    from unretouch.training import session

    real = session.surroundings
    session.surroundings = lambda fit: {**real(fit), **changed}


def clock(seconds_a_call: float) -> None:
    """The time of day jumps by so much at every look at it."""
    looks = [time.time()]

    def jumping() -> float:
        looks[0] += seconds_a_call
        return looks[0]

    gmtime = time.gmtime
    time.time = jumping
    time.gmtime = lambda *given: gmtime(*(given or (jumping(),)))  # type: ignore[assignment]


def as_nobody(_: bool) -> None:
    """Run as a user who may not write everywhere, since tests may run as root."""
    os.setgid(65534)
    os.setuid(65534)


def non_finite(arguments: list[Any]) -> None:
    """[what, value, step]: a loss (G_L1, G_GAN, D_real, D_fake) or the gradient of a network (G, D)
    becomes NaN or infinite in the update after `step`."""
    from unretouch.training import step as step_module

    what, value, when = arguments
    now = [-1]
    _in_update(lambda step: now.__setitem__(0, step))
    bad = float(value)

    if what == "G_L1":
        step_module.l1 = _counting(step_module.l1, now, when, bad, lambda: True)  # type: ignore[assignment]
    elif what in ("G_GAN", "D_real", "D_fake"):
        order, calls = ("D_fake", "D_real", "G_GAN").index(what), [0]

        def wanted() -> bool:
            calls[0] += 1
            return (calls[0] - 1) % 3 == order

        step_module.GAN_LOSSES = {  # type: ignore[misc]
            mode: _counting(loss, now, when, bad, wanted)
            for mode, loss in step_module.GAN_LOSSES.items()
        }
    else:
        _break_gradient(step_module, what, now, when, bad)


def _counting(
    loss: Any, now: list[int], when: int, bad: float, wanted: Callable[..., bool]
) -> Callable[..., Any]:
    def computing(*given: Any) -> Any:
        good, chosen = loss(*given), wanted()
        return good * bad if chosen and now[0] == when else good

    return computing


def _break_gradient(module: Any, what: str, now: list[int], when: int, bad: float) -> None:
    import torch

    largest = module._largest_gradient

    def looking(net: Any) -> Any:
        is_generator = hasattr(net, "size_multiple")
        if now[0] == when and is_generator == (what == "G"):
            last = [p for p in net.parameters() if p.grad is not None][-1]
            with torch.no_grad():
                last.grad.view(-1)[-1] = bad
        return largest(net)

    module._largest_gradient = looking


def say_if_touched(_: bool) -> None:
    """Print, when an update is refused, whether it left the state as it was."""
    from unretouch.base.errors import NonFiniteError
    from unretouch.runs import checkpoint
    from unretouch.training.classic_fit import ClassicFit
    from unretouch.training.fast_fit import FastFit

    def watched(update: Callable[..., Any]) -> Callable[..., Any]:
        def watching(self: Any, *given: Any) -> Any:
            before = checkpoint.digest(self.state())
            try:
                return update(self, *given)
            except NonFiniteError:
                same = checkpoint.digest(self.state()) == before
                print("state untouched" if same else "state touched")
                raise

        return watching

    for kind in (ClassicFit, FastFit):
        kind.update = watched(kind.update)  # type: ignore[method-assign]


def signal_in_verify(arguments: list[Any]) -> None:
    """[where, signal]: the signal arrives with the second tile that is predicted or measured."""
    from unretouch.networks import prediction
    from unretouch.report import pair_figures

    where, number = arguments
    module, name = (prediction, "_predicted") if where == "predicted" else (pair_figures, "Patch")
    made, calls = getattr(module, name), itertools.count()

    def making(*given: Any) -> Any:
        if next(calls) == (1 if where == "predicted" else 20):
            print(f"signal at {time.monotonic()}", flush=True)
            _signal(number)
        return made(*given)

    setattr(module, name, making)


def only_predict(_: bool) -> None:
    """Verify ends when everything is predicted."""
    from unretouch.tasks.verify import measuring

    def judging(*_: Any) -> Any:
        sys.exit(0)

    measuring.judge = judging


def killed_trainings(name: str) -> None:
    """Whatever a sweep starts to train the run of this name is killed at once."""
    from unretouch.jobs.training import TrainingProcess

    start = TrainingProcess._start

    def starting(self: TrainingProcess) -> subprocess.Popen[bytes]:
        if self._training.name != name:
            return start(self)
        print("killed", flush=True)
        return subprocess.Popen(["sh", "-c", "kill -9 $$"], stdin=subprocess.PIPE)

    TrainingProcess._start = starting  # type: ignore[method-assign]


def impatient(_: bool) -> None:
    """A sweep does not wait for a run that another process trains."""
    from unretouch.jobs import training

    training.wait_until_free = lambda run: None  # type: ignore[misc,assignment]


def tiny_detail(_: bool) -> None:
    """Make the generator `detail` as small as the others here, and judge it by few crops."""
    from unretouch.networks import detail
    from unretouch.training import stages

    detail.WIDTHS["s"] = (4, 8)  # type: ignore[index]
    stages.MOST_PIXELS = 1 << 15


def non_finite_fast(arguments: list[Any]) -> None:
    """[value, step]: the loss of the fast recipe becomes NaN or infinite after `step` updates."""
    from unretouch.training import fast_recipe

    value, when = arguments
    now = [-1]
    _in_update(lambda step: now.__setitem__(0, step))
    loss = fast_recipe.residual_loss
    fast_recipe.residual_loss = lambda *given: (
        loss(*given) * (float(value) if now[0] == when else 1.0)
    )


FAULTS: dict[str, Callable[[Any], None]] = {
    fault.__name__: fault
    for fault in (
        crash_at, steps, signal_in_step, signal_between_steps, slow_steps, slower_steps,
        slow_preview, slow_save, stuck_in_picture, stuck_before_training, remove_run_in_step,
        signal_in_save, signal_in_preview, interrupt_torch_save, file_size_limit,
        memory_left, disk_full_in_save, free_space, disk_fills_in_step, log_to_full_disk, threads,
        surroundings, clock, as_nobody, non_finite, non_finite_fast, say_if_touched, tiny_detail,
        signal_in_verify, only_predict, killed_trainings, impatient, environment,
    )
}  # fmt: skip


# --- the warm process itself ------------------------------------------------------------------

LATE = (
    "unretouch.tasks.apply.command", "unretouch.tasks.verify.command",
    "unretouch.training.classic_fit",
    "unretouch.training.fast_fit", "torch.fx.experimental.symbolic_shapes",
    "torch.utils.serialization.config", "rich._emoji_codes",
)  # fmt: skip
"""What the programs would import one by one, each in its own process."""


def _serve() -> None:
    """Answer requests on stdin, one a line: start a program, or wait for its end."""
    import torch
    from PIL import Image

    from unretouch import cli
    from unretouch.tasks import classic_commands
    from unretouch.tasks import train as training_run

    # What a training came to is measured at its end, which takes as long as a tiny training, and
    # has tests of its own.
    training_run._report = lambda run, settings, fit, pairs, *_: len(pairs)
    for late in LATE:
        importlib.import_module(late)
    Image.preinit()
    torch.set_num_threads(1)
    programs: dict[str, Callable[[list[str]], int | None]] = {
        "train": classic_commands.classic_train,
        "test": classic_commands.classic_test,
        "verify": lambda words: cli.dispatch(["verify", *words]),
        "unretouch": cli.dispatch,
    }
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status, usage = os.wait4(request["wait"], 0)
            answer = {
                "code": os.waitstatus_to_exitcode(status),
                "seconds": usage.ru_utime + usage.ru_stime,
                "megabytes": usage.ru_maxrss / 1024,
            }
        else:
            pid = os.fork()
            if pid == 0:
                _child(request, lambda words, r=request: programs[r["program"]](words), cli.run)
            answer = {"pid": pid}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _child(request: dict[str, Any], main: Any, run: Any) -> None:
    code = 1
    try:
        out = os.open(request["printed"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdin.close()
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        for name, value in request["faults"].items():
            FAULTS[name](value)
        code = run(main, request["words"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
