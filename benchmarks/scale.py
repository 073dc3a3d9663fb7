"""What docs/scale.md says: a set larger than memory, one run over several processes, many photos.

    python benchmarks/scale.py data         memory and waiting for 100, 1000 and 10,000 pairs
    python benchmarks/scale.py processes    seconds a step over one and two processes, and the model
    python benchmarks/scale.py photographs  2,000 photographs by both engines, killed on the way

All in a temporary folder, which `data` fills with some 500 MB and which goes at the end.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

from unretouch.base import seeding
from unretouch.pixels.retouch import retouch

SIDE = 96
COUNTS = (100, 1000, 10_000)
CACHE_GB = 0.05
"""Of decoded pairs: 900 of them."""
PHOTOGRAPHS = 2000
KILLED_AT = 700

CLASSIC = (
    "--model", "pix2pix", "--preprocess", "none", "--norm", "instance", "--no_dropout",
    "--no_html", "--device", "cpu", "--precision", "32-true", "--print_freq", "1",
)  # fmt: skip
SMALL = (*CLASSIC, "--netG", "resnet_6blocks", "--ngf", "16", "--ndf", "16")
LARGE = (*CLASSIC, "--netG", "unet_128", "--ngf", "64", "--preprocess", "resize_and_crop",
         "--load_size", "128", "--crop_size", "128")  # fmt: skip
FAST = ("--size", "s", "--n_epochs", "100", "--no_html", "--device", "cpu", "--print_freq", "1",
        "--precision", "32-true")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a training of a few steps took."""

    seconds: float
    megabytes: float
    """resident at most, of the first process"""
    steps: list[tuple[float, float]]
    """seconds of each step, and the part of them that waited for its batch"""
    folder: Path

    @property
    def step_s(self) -> float:
        return statistics.median(step for step, _ in self.steps[2:])

    @property
    def waiting(self) -> float:
        """Share of the time that was spent on making batches, the first two steps left out."""
        return sum(data for _, data in self.steps[2:]) / sum(step for step, _ in self.steps[2:])


def make_pairs(folder: Path, count: int) -> None:
    """Write `count` pairs: windows of simulated retouches of one portrait, all different."""
    before = np.ascontiguousarray(astronaut()[:384, 64:448])
    retouches = [retouch(before, seed, all_surfaces=True) for seed in range(4)]
    (folder / "train").mkdir()
    for number in range(count):
        top, left = (seeding.below(384 - SIDE, number, axis) for axis in range(2))
        after = retouches[number % len(retouches)]
        sides = [side[top : top + SIDE, left : left + SIDE] for side in (after, before)]
        Image.fromarray(np.concatenate(sides, axis=1)).save(
            folder / "train" / f"{number:05d}.png", compress_level=1
        )


def start(data: Path, folder: Path, steps: int, flags: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Begin a training of so many steps, on one thread a process."""
    words = ["--dataroot", str(data), "--checkpoints_dir", str(folder), "--name", "run"]
    return subprocess.Popen(
        [sys.executable, "-m", "unretouch", "train", *words, *flags],
        env={**os.environ, "OMP_NUM_THREADS": "1", "UNRETOUCH_TEST_STEPS": str(steps)},
        stdout=subprocess.DEVNULL,
    )


def finish(process: subprocess.Popen[bytes], folder: Path, began: float) -> Run:
    """Wait for the end of a training; return what it took. Raises RuntimeError when it failed."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}")
    log = (folder / "run" / "loss_log.txt").read_text("utf-8")
    steps = [(float(a), float(b)) for a, b in re.findall(r"time: ([\d.]+), data: ([\d.]+)", log)]
    return Run(time.monotonic() - began, usage.ru_maxrss / 1024, steps, folder)


def train(data: Path, place: Path, steps: int, *flags: str) -> Run:
    """Train so many steps in a folder of its own below `place`."""
    folder = Path(tempfile.mkdtemp(dir=place))
    began = time.monotonic()
    return finish(start(data, folder, steps, flags), folder, began)


def measure_data(place: Path) -> None:
    """Print memory and waiting for growing sets with a cache that holds 900 pairs."""
    make_pairs(place, max(COUNTS))
    size = sum(path.stat().st_size for path in (place / "train").iterdir())
    print(f"{max(COUNTS)} pairs of {SIDE} x {SIDE}: {size / 1e6:.0f} MB of files, "
          f"{max(COUNTS) * 6 * SIDE**2 / 1e6:.0f} MB decoded")  # fmt: skip
    print("| fit | pairs | cache, GB | memory, MB | a step, s | waiting | whole call, s |")
    print("|---|---|---|---|---|---|---|")
    classic = (*SMALL, "--batch_size", "4")
    for name, flags in (("classic", classic), ("fast", FAST)):
        for count, cache in [*((n, CACHE_GB) for n in COUNTS), (1000, 1.0)]:
            run = train(
                place, place, 40, *flags, "--max_dataset_size", str(count), "--cache_gb", str(cache)
            )
            print(f"| {name} | {count} | {cache:g} | {run.megabytes:.0f} | {run.step_s:.3f} | "
                  f"{run.waiting:.1%} | {run.seconds:.0f} |", flush=True)  # fmt: skip


def measure_processes(place: Path) -> None:
    """Print seconds a step by batch and processes, the model fitted to them, what it says."""
    make_pairs(place, 24)
    print("| networks | batch | processes | a step, s | pictures a second |\n|---|---|---|---|---|")
    fits = {}
    for name, flags in (("small", SMALL), ("large", LARGE)):
        seconds = {}
        for batch, devices in ((2, 1), (4, 1), (8, 1), (8, 2)):
            run = train(place, place, 6, *flags, "--batch_size", str(batch),
                        "--devices", str(devices))  # fmt: skip
            seconds[batch, devices] = run.step_s
            print(f"| {name} | {batch} | {devices} | {run.step_s:.3f} | {batch / run.step_s:.1f} |",
                  flush=True)  # fmt: skip
            weights = sum(path.stat().st_size for path in run.folder.glob("run/latest_net_*.pth"))
        a_picture, fixed = np.polyfit([2, 4, 8], [seconds[b, 1] for b in (2, 4, 8)], 1)
        exchange = seconds[8, 2] - (fixed + 4 * a_picture)
        fits[name] = (weights / 1e6, float(fixed), float(a_picture), float(exchange))
        print(f"{name}: {json.dumps([round(value, 4) for value in fits[name]])} "
              "= MB of gradients, s fixed, s a picture, s of exchange")  # fmt: skip
    alone = train(place, place, 12, *SMALL, "--batch_size", "1").step_s
    folders = [Path(tempfile.mkdtemp(dir=place)) for _ in range(2)]
    flags, began = (*SMALL, "--batch_size", "1"), time.monotonic()
    started = [start(place, folder, 12, flags) for folder in folders]
    both = [finish(p, f, began).step_s for p, f in zip(started, folders, strict=True)]
    print(f"batch 1: {alone:.3f} s a step alone, {max(both):.3f} s each of two runs side by side: "
          f"{sum(alone / each for each in both):.2f} times the steps")  # fmt: skip
    print_model(fits)


@dataclass(frozen=True)
class Call:
    """What one call of apply did, until it ended or was killed."""

    done: int
    first: float
    """seconds until the first photograph"""
    each: float
    """seconds a photograph, after the first"""
    megabytes: tuple[float, float]
    """resident in the first process after the first photograph, and at most"""


def apply(words: list[str], out: Path, kill_at: int | None = None) -> Call:
    """Run one call of apply, with `kill -9` at so many results where `kill_at` says so.

    Raises RuntimeError when it was not killed and failed.
    """

    def results() -> int:
        return sum(path.suffix == ".png" for path in out.iterdir()) if out.exists() else 0

    def resident() -> float:
        return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 / 1e6

    before, began = results(), time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    first: float | None = None
    memory: list[float] = []
    while process.poll() is None:
        done = results()
        if first is None and done > before:
            first = time.monotonic() - began
        if first is not None:
            memory.append(resident())
        if kill_at is not None and done >= kill_at:
            process.kill()
        time.sleep(0.1)
    if kill_at is None and process.returncode:
        raise RuntimeError(f"exit code {process.returncode}")
    if first is None:
        raise RuntimeError("it ended before its first photograph")
    done, seconds = results() - before, time.monotonic() - began - first
    return Call(done, first, seconds / (done - 1), (memory[0], max(memory)))


def measure_photographs(place: Path) -> None:
    """Print what 2,000 photographs took, by either engine, with a kill -9 and a second call."""
    make_pairs(place, PHOTOGRAPHS)
    run = train(place, place, 20, *FAST)
    print("| | photographs | until the first, s | a photograph, ms | parent, MB |")
    print("|---|---|---|---|---|")
    made = []
    for name, flags in (("--jobs 2", ["--jobs", "2"]), ("--engine ray", ["--engine", "ray"])):
        out = Path(tempfile.mkdtemp(dir=place)) / "restored"
        words = [sys.executable, "-m", "unretouch", "apply", str(run.folder / "run"),
                 str(place / "train"), "-o", str(out), *flags]  # fmt: skip
        for what, kill_at in (("to the kill", KILLED_AT), ("called again", None)):
            call = apply(words, out, kill_at)
            first, most = call.megabytes
            print(f"| `{name}`, {what} | {call.done} | {call.first:.0f} | {call.each * 1000:.0f} | "
                  f"{first:.0f} to {most:.0f} |", flush=True)  # fmt: skip
        made.append({path.name: path.read_bytes() for path in sorted(out.glob("*.png"))})
        noted = (out / "apply.jsonl").read_text("utf-8").splitlines()
        print(f"{name}: {len(made[-1])} results, {len(noted)} lines in apply.jsonl")
    print(f"equal by either engine: {made[0] == made[1] and len(made[0]) == PHOTOGRAPHS}")


def print_model(fits: dict[str, tuple[float, float, float, float]]) -> None:
    """Print what t(p) = fixed + a_picture * batch / p + latency + MB / rate says."""
    (small_mb, *_, small_s), (large_mb, *_, large_s) = fits["small"], fits["large"]
    a_mb = (large_s - small_s) / (large_mb - small_mb)
    latency = small_s - a_mb * small_mb
    print(f"exchange: {latency * 1000:.1f} ms and {a_mb * 1000:.2f} ms a MB, two processes")
    print(
        "| networks | batch | processes | a step, s | times as fast | |\n|---|---|---|---|---|---|"
    )
    for name, (_, fixed, a_picture, exchange) in fits.items():
        for batch, processes in ((8, 2), (8, 4), (8, 8), (32, 2), (32, 8)):
            # A ring passes 2 (p - 1) / p times the gradients through each process: once for two.
            moved = exchange * 2 * (processes - 1) / processes
            step_s = fixed + a_picture * batch / processes + moved
            measured = (batch, processes) == (8, 2)
            print(f"| {name} | {batch} | {processes} | {step_s:.3f} | "
                  f"{(fixed + a_picture * batch) / step_s:.2f} | "
                  f"{'fitted' if measured else 'extrapolated'} |")  # fmt: skip


def main() -> None:
    """Measure what the command line asks for."""
    parts = {
        "data": measure_data,
        "processes": measure_processes,
        "photographs": measure_photographs,
    }
    for part in sys.argv[1:] or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[part](Path(folder))


if __name__ == "__main__":
    main()
