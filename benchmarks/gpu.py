"""What only a GPU can show: is it right there, how fast, of what, and does it go on exactly?

    benchmarks/gpu.sh [PAIRS_DIR] [OUT_JSON]      or, with the package installed:
    python benchmarks/gpu.py [--pairs DIR] [--json FILE] [--only PART ...] [--dry] [--long]

Every part runs in a process of its own with a time limit; one that fails is recorded with its error
and the others go on. The file is written again after every part, and holds what a part that ran
out of time had found until then. Without a GPU, or with --dry, all of it is tried in small on what
there is: that shows that the parts run, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUDGET_S = 325.0
"""Seconds for everything but --long: no part is begun that has less left than it needs."""
LONG_S = 125.0
DRY_S = 300.0
"""For each part: the machine on which it is tried may have other work."""
LEVELS = 127.5
"""Grey levels of one unit of network space."""

TOLERANCES = {
    "detail float32, largest": 0.01,
    "detail float32 with TF32, largest": 0.1,
    "detail bf16-mixed, largest": 0.5,
    "classic float32, largest": 0.1,
    "losses of 20 updates, relative": 0.01,
    "losses of 20 updates with TF32, relative": 0.02,
}
"""Largest differences between the GPU and the processor in float32: grey levels, and shares."""

STRONG = (
    "--model", "pix2pix", "--direction", "AtoB", "--batch_size", "1", "--load_size", "512",
    "--crop_size", "512", "--n_epochs", "1000", "--n_epochs_decay", "1000", "--lambda_L1", "500.0",
    "--lr", "0.0001", "--continue_train",
)  # fmt: skip
"""The guide's strong command, as in the README."""


@dataclass(frozen=True)
class Place:
    """Where a part works, and how large it may be."""

    pairs: Path
    work: Path
    device: str
    """cuda or cpu"""
    dry: bool
    limit_s: float

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"


class Figures:
    """What a part has found, written to its file at every addition."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.values: dict[str, Any] = {}

    def put(self, key: str, value: Any) -> None:
        self.values[key] = value
        self._path.write_text(json.dumps(self.values), "utf-8")

    def attempt(self, key: str, find: Callable[[], Any]) -> None:
        """Put what `find` returns, or its error: what comes after it goes on."""
        try:
            self.put(key, find())
        except Exception:
            self.put(key, {"error": traceback.format_exc()[-1500:]})


# --- what several parts need ------------------------------------------------------------------


def fast_settings(place: Place, **changes: Any) -> Any:
    """Return the settings of `unretouch train`, with `changes`."""
    import torch

    from unretouch.settings.train import TrainSettings
    from unretouch.training import device

    values: dict[str, Any] = {
        "precision": device.precision("auto", torch.device(place.device)),
        "dataroot": str(place.pairs), "netG": "detail", "recipe": "fast", "lambda_GAN": 0,
        "lambda_L1": 500.0, "preprocess": "none", "no_flip": True, "no_dropout": True,
    }  # fmt: skip
    return TrainSettings(**(values | changes))


def fast_fit(place: Place, device: str, **changes: Any) -> Any:
    """Return a fresh FastFit on the training pairs."""
    import torch

    from unretouch.pixels.pairs import load_pairs
    from unretouch.training.fast_fit import FastFit
    from unretouch.training.training_pairs import prepared_pairs

    settings = fast_settings(place, **changes)
    pairs = prepared_pairs(settings, load_pairs(place.pairs, "train").pairs)
    return FastFit(settings, pairs, torch.device(device))


def prepare(place: Place) -> None:
    """Set up torch as training does."""
    import torch

    from unretouch.training import device

    device.prepare(torch.device(place.device))


def synchronise() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(step: Callable[[int], object], place: Place, warm_up: int = 10) -> dict[str, Any]:
    """Return seconds a call of `step`: median and least of four blocks, after a warm-up.

    A slow step is called less often, so that all calls take 8 s at most.
    """
    blocks, calls = (1, 1) if place.dry else (4, 10)
    warm_up = 1 if place.dry else warm_up
    began = 0.0
    for number in range(warm_up):
        synchronise()
        began = time.perf_counter()
        step(number)
    synchronise()
    a_call = time.perf_counter() - began  # the last: those before it chose kernels
    calls = max(1, min(calls, int(8 / blocks / a_call)))
    times, number = [], warm_up
    for _ in range(blocks):
        began = time.perf_counter()
        for _ in range(calls):
            step(number)
            number += 1
        synchronise()
        times.append((time.perf_counter() - began) / calls)
    return {"seconds": statistics.median(times), "least": min(times), "calls": blocks * calls}


def free_memory() -> None:
    """Give the memory of what is gone back, and count the peak anew."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> dict[str, float] | None:
    """Return bytes of GPU memory at most: of tensors, and as reserved for them."""
    import torch

    if not torch.cuda.is_available():
        return None
    return {
        "allocated": float(torch.cuda.max_memory_allocated()),
        "reserved": float(torch.cuda.max_memory_reserved()),
    }


def started(words: Sequence[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start a command as a user would; what it prints goes to `log`."""
    # A shell that runs this in the background would have it ignore Ctrl+C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("wb") as printed:
        return subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=printed,
            stderr=subprocess.STDOUT, cwd=log.parent, env={**os.environ, **environment},
        )  # fmt: skip


def finished(
    process: subprocess.Popen[bytes], log: Path, limit_s: float, patience_s: float = 15
) -> None:
    """Wait for the end. Raises RuntimeError, with what was printed, for a failure or a time-out."""
    try:
        code: int | str = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        code = f"none after {limit_s:.0f} s"
        stop(process, patience_s)
    if code != 0:
        raise RuntimeError(f"exit code {code}: {tail(log)}")


def stop(process: subprocess.Popen[bytes], patience_s: float = 15) -> int:
    """Press Ctrl+C, wait, and end it where that does not help; return the exit code."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def tail(log: Path, length: int = 1500) -> str:
    """Return the end of what a command printed."""
    return log.read_text("utf-8", errors="replace")[-length:] if log.exists() else ""


def records(path: Path) -> list[dict[str, Any]]:
    """Return the records of a .jsonl file; none where there is none."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):  # the last line of a run that was ended
            found.append(json.loads(line))
    return found


# --- 1: the GPU agrees with the processor ------------------------------------------------------


def agreement(place: Place, figures: Figures) -> None:
    import torch

    prepare(place)
    figures.put("tolerances", TOLERANCES)
    sizes = ("s",) if place.dry else ("s", "m", "l")
    classic = ("unet_256",) if place.dry else ("unet_256", "resnet_9blocks")
    source = picture(place)
    for size in sizes:
        net = detail_net(size, source)
        reference = predicted(net, source, "cpu")
        for name, exact, autocast in (
            ("detail float32", True, False),
            ("detail float32 with TF32", False, False),
            ("detail bf16-mixed", False, True),
        ):
            torch.backends.cudnn.allow_tf32 = not exact
            figures.attempt(
                f"{name.replace('detail', 'detail ' + size)}",
                lambda net=net, reference=reference, name=name, autocast=autocast: difference(
                    predicted(net, source, place.device, autocast),
                    reference,
                    TOLERANCES[f"{name}, largest"],
                ),
            )
    for kind in classic:
        net = classic_net(kind)
        reference = predicted(net, source, "cpu")
        for exact in (True, False):
            torch.backends.cudnn.allow_tf32 = not exact
            figures.attempt(
                f"{kind} float32{'' if exact else ' with TF32'}",
                lambda net=net, reference=reference: difference(
                    predicted(net, source, place.device),
                    reference,
                    TOLERANCES["classic float32, largest"],
                ),
            )
    figures.attempt("20 updates", lambda: updates_agree(place))


def picture(place: Place) -> Any:
    """Return the retouched side of the first pair in network space, (1, 3, 512, 512)."""
    from unretouch.pixels import spaces
    from unretouch.pixels.pairs import load_pairs

    return spaces.to_network(load_pairs(place.pairs, "train").pairs[0].source[:512, :512], 3)


def detail_net(size: str, source: Any) -> Any:
    """Return `detail` with a head that changes `source` by one grey level on average."""
    import torch

    from unretouch import networks
    from unretouch.settings.train import TrainSettings

    torch.manual_seed(0)
    net = networks.build_generator(TrainSettings(dataroot="", netG="detail", size=size))  # type: ignore[arg-type]
    head: Any = net.head
    torch.nn.init.normal_(head.weight, std=0.02)
    with torch.no_grad():
        change = (networks.predict(net, source) - source).abs().mean() * LEVELS
        head.weight.div_(change)
    return net


def classic_net(kind: str) -> Any:
    import torch

    from unretouch import networks
    from unretouch.settings.train import TrainSettings

    torch.manual_seed(0)
    return networks.build_generator(TrainSettings(dataroot="", netG=kind))  # type: ignore[arg-type]


def predicted(net: Any, source: Any, device: str, autocast: bool = False) -> Any:
    """Return the prediction of a copy of `net` on `device`, brought to the processor."""
    import torch

    from unretouch import networks

    there = copy.deepcopy(net).to(device)
    with torch.autocast(device, torch.bfloat16, enabled=autocast):
        return networks.predict(there, source.to(device)).cpu()


def difference(ours: Any, reference: Any, tolerance: float) -> dict[str, Any]:
    """Return how far two predictions lie apart in grey levels, and whether that may be."""
    apart = (ours - reference).abs() * LEVELS
    largest = float(apart.max())
    return {"largest": largest, "mean": float(apart.mean()), "ok": largest <= tolerance}


def updates_agree(place: Place) -> dict[str, Any]:
    """Return the losses of the same float32 updates on both, and how far they lie apart."""
    import torch

    count, size = (3, "s") if place.dry else (20, "m")

    def losses(device: str, tf32: bool) -> list[float]:
        torch.backends.cudnn.allow_tf32 = tf32
        fit = fast_fit(place, device, size=size, precision="32-true")
        steps = range(count)
        return [fit.update(n, n // 3 + 1, n % 3, n / 100).mean_error * LEVELS for n in steps]

    found: dict[str, Any] = {"processor": losses("cpu", False)}
    for name, tf32 in (("", False), (" with TF32", True)):
        ours = losses(place.device, tf32)
        apart = [abs(a - b) / b for a, b in zip(ours, found["processor"], strict=True)]
        tolerance = TOLERANCES[f"losses of 20 updates{name}, relative"]
        found[f"GPU{name}"] = {
            "losses": ours, "largest relative": max(apart), "ok": max(apart) <= tolerance,
        }  # fmt: skip
    return found


# --- 2: seconds a step, and of what ------------------------------------------------------------


def step_fast(place: Place, figures: Figures) -> None:
    prepare(place)
    sizes, batches = (("s",), (1,)) if place.dry else (("m", "l"), (1, 2, 4, 8, 16))
    figures.attempt("parts of a step", lambda: parts_of_a_step(place))
    for aim in ("restore", "texture"):
        figures.attempt(f"{aim}, batch 1", lambda aim=aim: update_seconds(place, aim=aim))
    for size in sizes:
        for batch in batches:
            figures.attempt(
                f"fit {size}, batch {batch}",
                lambda size=size, batch=batch: update_seconds(place, size=size, batch_size=batch),
            )
    figures.attempt("kernels of a step", lambda: kernels(place))
    figures.attempt("optimiser", lambda: ways_to_step(place))
    ways_to_pass(place, figures)
    # Last: a graph that cannot be captured may leave the GPU unusable for this process.
    if place.device == "cuda":
        figures.attempt("passes as CUDA graphs", lambda: graphed_passes(place))
        figures.attempt("optimiser as a CUDA graph", lambda: graphed_step(place))


def small(place: Place) -> dict[str, Any]:
    """Return the size of the network on which single things are measured."""
    return {"size": "s" if place.dry else "m"}


def update_seconds(place: Place, **changes: Any) -> dict[str, Any]:
    """Return seconds an update and the memory it takes."""
    free_memory()
    fit = fast_fit(place, place.device, **(small(place) | changes))
    found = seconds_of(lambda n: fit.update(n, n // 3 + 1, n % 3, n / 1000), place)
    pixels = fit.pixels_a_step
    return found | {"pixels a second": pixels / found["seconds"], "peak_bytes": peak_memory()}


def parts_of_a_step(place: Place) -> dict[str, Any]:
    """Return seconds of each part of an update; their sum is less than an update, which also reads
    its figures back."""
    import torch

    from unretouch.training import crops, fast_recipe

    free_memory()
    fit = fast_fit(place, place.device, **small(place))
    batch, recipe, table = fit._drawn(0), fit._stage.recipe, fit._stage.table
    found = {
        "whole update": seconds_of(lambda n: fit.update(n, n // 3 + 1, n % 3, n / 1000), place),
        "crops made": seconds_of(
            lambda n: [
                crops.crop_at(table, *place, table.crop)
                for place in crops.drawn_places(table, 0, n, fit._batch).tolist()
            ],
            place,
        ),
        "crops made and moved": seconds_of(fit._drawn, place),
        "forward and backward": seconds_of(lambda n: fit._backward(batch, 0.5), place),
    }
    # So small a rate that the same gradient can be followed many times.
    fast_recipe.set_rate(fit._stage.optimiser, 1e-4)

    def clip_and_step(number: int) -> None:
        torch.nn.utils.clip_grad_norm_(fit._net.parameters(), recipe.clip)
        fit._stage.optimiser.step(number)

    found["clip and optimiser"] = seconds_of(clip_and_step, place)
    found["average"] = seconds_of(
        lambda n: fast_recipe.update_average(fit._average, fit._net, n, 1.0, recipe), place
    )
    return found


def pass_both_ways(fit: Any, net: Any, batch: Any) -> Callable[[int], Any]:
    """Return a function that passes `batch` forward and backward through `net` as FastFit does."""
    import torch

    from unretouch.training import fast_recipe

    parameters, bf16 = list(net.parameters()), fit._settings.precision == "bf16-mixed"

    def both(_: int) -> Any:
        for parameter in parameters:
            parameter.grad = None
        # The cast weights must not be kept where the passes are replayed from a graph.
        with torch.autocast(
            batch.source.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False
        ):
            prediction = net(batch.source)
        target = torch.where(batch.left_out, prediction.detach(), batch.target)
        fast_recipe.residual_loss(prediction, target, fit._stage.recipe, 0.5).backward()
        return prediction.detach()

    return both


def ways_to_pass(place: Place, figures: Figures) -> None:
    """Measure both passes in other settings of torch; the first is that of training."""
    fit = fast_fit(place, place.device, **small(place))
    batch = fit._drawn(0)
    for benchmark in (False, True):
        for repeatable in (True, False):
            figures.attempt(
                f"passes, cudnn.benchmark {benchmark}, {'' if repeatable else 'not '}repeatable",
                lambda benchmark=benchmark, repeatable=repeatable: with_settings(
                    fit, batch, place, benchmark, repeatable
                ),
            )
    prepare(place)


def with_settings(
    fit: Any, batch: Any, place: Place, benchmark: bool, repeatable: bool
) -> dict[str, Any]:
    import torch

    prepare(place)
    torch.backends.cudnn.benchmark = benchmark
    if not repeatable:
        torch.set_deterministic_debug_mode("default")
    return seconds_of(pass_both_ways(fit, copy.deepcopy(fit._net), batch), place)


def graphed_passes(place: Place) -> dict[str, Any]:
    """Return seconds of both passes as CUDA graphs, and whether they give the same."""
    import torch

    fit = fast_fit(place, "cuda", **small(place))
    batch = fit._drawn(0)
    plain, graphed = copy.deepcopy(fit._net), copy.deepcopy(fit._net)
    sample = batch.source.clone()  # needs no gradient, as the sources of training
    with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
        graphed = torch.cuda.make_graphed_callables(graphed, (sample,))
    ways = [pass_both_ways(fit, net, batch) for net in (plain, graphed)]
    found = seconds_of(ways[1], place)
    first, second = (way(0) for way in ways)
    apart = [
        float((a.grad - b.grad).abs().max())
        for a, b in zip(plain.parameters(), graphed.parameters(), strict=True)
    ]
    return found | {
        "same prediction": bool(torch.equal(first, second)),
        "largest difference of a gradient": max(apart),
    }


def ways_to_step(place: Place) -> dict[str, Any]:
    """Return seconds of the optimiser alone, and of its products where those of a shape are
    stacked."""
    import torch

    from unretouch.training import fast_recipe, optimisers

    fit = fast_fit(place, place.device, **small(place))
    fit._backward(fit._drawn(0), 0.5)
    fast_recipe.set_rate(fit._stage.optimiser, 1e-4)
    hidden = [p.grad.flatten(1) for p in fit._stage.optimiser.param_groups[0]["params"]]
    stacks = by_shape(hidden)

    def one_by_one(_: int) -> None:
        for matrix in hidden:
            optimisers.orthogonal(matrix[None])

    def stacked(_: int) -> None:
        for stack in stacks:
            optimisers.orthogonal(stack)

    with torch.no_grad():
        apart = max(
            float((optimisers.orthogonal(stack)[:1] - optimisers.orthogonal(stack[:1])).abs().max())
            for stack in stacks
        )
        found: dict[str, Any] = {
            "hidden kernels": len(hidden),
            "shapes": len(stacks),
            "largest difference of the stacked": apart,
            "Newton-Schulz, one by one": seconds_of(one_by_one, place),
            "Newton-Schulz, stacked by shape": seconds_of(stacked, place),
            "step": seconds_of(lambda n: fit._stage.optimiser.step(), place),
        }
    return found


def by_shape(matrices: Sequence[Any]) -> list[Any]:
    """Return wide matrices stacked with those of their shape; tall ones are turned."""
    import torch

    groups = defaultdict(list)
    for matrix in matrices:
        wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
        groups[tuple(wide.shape)].append(wide)
    return [torch.stack(group) for group in groups.values()]


def graphed_step(place: Place) -> dict[str, Any]:
    """Return seconds of a step of the optimiser that is replayed, with the rates of its capture."""
    import torch

    from unretouch.training import fast_recipe

    fit = fast_fit(place, "cuda", **small(place))
    fit._backward(fit._drawn(0), 0.5)
    fast_recipe.set_rate(fit._stage.optimiser, 1e-4)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            fit._stage.optimiser.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        fit._stage.optimiser.step()
    return seconds_of(lambda n: graph.replay(), place)


def kernels(place: Place) -> dict[str, Any]:
    """Return how many kernels an update launches, and for how long the GPU is busy with them."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    fit = fast_fit(place, place.device, **small(place))

    def update(n: int) -> None:
        fit.update(n, n // 3 + 1, n % 3, n / 1000)

    count = 1 if place.dry else 5
    for n in range(count):
        update(n)
    synchronise()
    activities = [ProfilerActivity.CPU]
    if place.device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiled:
        for n in range(count, 2 * count):
            update(n)
        synchronise()
    events = [
        e
        for e in profiled.key_averages()
        if e.device_type == DeviceType.CUDA and not getattr(e, "is_user_annotation", False)
    ]
    events.sort(key=lambda e: -e.self_device_time_total)
    return {
        "kernels": sum(e.count for e in events) / count,
        "busy seconds": sum(e.self_device_time_total for e in events) / 1e6 / count,
        "longest": {
            e.key[:80]: round(e.self_device_time_total / 1e6 / count, 6) for e in events[:8]
        },
    }


# --- 3 and 8: the fast fit as a user runs it ---------------------------------------------------


def train_fast(place: Place, figures: Figures) -> None:
    minutes = 0.12 if place.dry else 1.0
    flags = ["--size", "s"] if place.dry else []
    train_as_a_user(place, figures, "fast", minutes, flags)


def fit_long(place: Place, figures: Figures) -> None:
    minutes = 0.12 if place.dry else min(1.5, (place.limit_s - 35) / 60)
    flags = ["--size", "s" if place.dry else "l", "--batch_size", "2" if place.dry else "4"]
    train_as_a_user(place, figures, "long", round(minutes, 3), flags)


def train_as_a_user(
    place: Place, figures: Figures, name: str, minutes: float, flags: Sequence[str]
) -> None:
    """Run `unretouch train` and put down what its run folder says, however it ends."""
    words = [
        "train", "--dataroot", str(place.pairs), "--phase", "train", "--name", name,
        "--checkpoints_dir", str(place.checkpoints), "--minutes", str(minutes),
        "--device", place.device, *flags,
    ]  # fmt: skip
    figures.put("command", " ".join(["unretouch", "train", *words[7:]]))
    log = place.work / f"{name}.log"
    began = time.perf_counter()
    process = started(["-m", "unretouch", *words], log)
    try:
        finished(process, log, place.limit_s - 10)
    except RuntimeError as error:
        figures.put("train", {"error": str(error)})
    figures.put("wall seconds", time.perf_counter() - began)
    run = place.checkpoints / name
    figures.attempt("run", lambda: course(run))
    figures.put("printed", tail(log))
    figures.attempt("unseen", lambda: unseen_faces(place, run))


def course(run: Path) -> dict[str, Any]:
    """Return how a run went, by its records: seconds, updates, errors, rates."""
    lines, looks = records(run / "metrics.jsonl"), records(run / "previews.jsonl")
    first, last, pairs = lines[0], lines[-1], looks[-1]["pairs"]
    at = {line["step"]: line["elapsed_s"] for line in lines} | {0: 0.0}
    longest = max(line["lr"] for line in lines)
    rates = {}
    for share in (0.02, 0.1, 0.25, 0.5, 0.75, 0.95):
        line = next(r for r in lines if r["elapsed_s"] >= share * last["elapsed_s"])
        rates[f"{share:.0%} of the time"] = round(line["lr"] / longest, 4)
    return {
        "updates": last["step"],
        "seconds": last["elapsed_s"],
        "seconds a step": (last["elapsed_s"] - first["elapsed_s"]) / max(1, last["step"] - 1),
        "first update ended at": first["elapsed_s"],
        "lines in metrics.jsonl": len(lines),
        "rate beside the highest": rates,
        "level error": statistics.mean(p["level_error"] for p in pairs),
        "worst level error": max(p["level_error"] for p in pairs),
        "doing nothing": statistics.mean(p["identity_error"] for p in pairs),
        "recovered": statistics.mean(p["recovered_share"] or 0.0 for p in pairs),
        "exact pixels": statistics.mean(p["exact_pixels"] for p in pairs),
        "curve": [
            {
                "step": look["step"],
                "seconds": at.get(look["step"]),
                "error": statistics.mean(p["level_error"] for p in look["pairs"]),
            }
            for look in looks
        ],
    }


def unseen_faces(place: Place, run: Path) -> dict[str, float]:
    """Return the mean error on the held-out pairs, beside doing nothing."""
    import torch
    from fit import unseen

    from unretouch.model.load import load_network
    from unretouch.pixels.pairs import load_pairs

    net = load_network(run / "latest_net_G.pth")[0].to(torch.device(place.device)).eval()
    pairs = load_pairs(place.pairs, "heldout").pairs
    mean = unseen(net, pairs[:1] if place.dry else pairs)["mean"]
    return {"error": mean["error"], "doing nothing": mean["identity"]}


# --- 4: the guide's strong command -------------------------------------------------------------


def train_classic(place: Place, figures: Figures) -> None:
    """Press Ctrl+C a minute after the first update: this command counts epochs, not minutes."""
    seconds = 4.0 if place.dry else min(60.0, place.limit_s - 25)
    strong = list(STRONG)
    if place.dry:
        strong[strong.index("--load_size") + 1] = strong[strong.index("--crop_size") + 1] = "256"
    words = [
        str(ROOT / "train.py"), "--dataroot", str(place.pairs), "--name", "classic", *strong,
        "--device", place.device, "--checkpoints_dir", str(place.checkpoints),
    ]  # fmt: skip
    log, run = place.work / "classic.log", place.checkpoints / "classic"
    began = time.perf_counter()
    process = started(words, log)
    begins = wait_for_updates(process, run / "metrics.jsonl", place.limit_s - 15)
    figures.put("seconds until the first update", begins - began)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(1.0, min(seconds, place.limit_s - 15 - (begins - began))))
    by_itself = process.poll() is not None
    pressed = time.perf_counter()
    code = process.returncode if by_itself else stop(process, 60 if place.dry else 25)
    figures.put("exit code", code)
    figures.put("ended by itself", by_itself)
    figures.put("seconds from Ctrl+C to the end", time.perf_counter() - pressed)
    figures.put("as expected", {"ok": code == (0 if by_itself else 130)})
    figures.put("printed", tail(log))
    figures.attempt("run", lambda: course(run))
    figures.attempt("loss_log.txt", lambda: classic_lines(run / "loss_log.txt"))


def wait_for_updates(process: subprocess.Popen[bytes], metrics: Path, limit_s: float) -> float:
    """Return the time at which the first line is there, or at which there is no more hope."""
    end = time.perf_counter() + limit_s
    while process.poll() is None and time.perf_counter() < end:
        if metrics.exists() and metrics.stat().st_size:
            break
        time.sleep(0.05)
    return time.perf_counter()


def classic_lines(path: Path) -> dict[str, Any]:
    """Return what the classic log says of the time of a step, and its last error."""
    text = path.read_text("utf-8")
    found = re.findall(r"time: ([\d.]+), data: ([\d.]+)\).*levels: ([\d.]+)", text)
    steps = [float(seconds) for seconds, _, _ in found]
    return {
        "lines": len(found),
        "seconds of the first step": steps[0],
        "seconds a step, median": statistics.median(steps[1:] or steps),
        "seconds of it for data, median": statistics.median(float(d) for _, d, _ in found),
        "last level error, in training": float(found[-1][2]),
    }


# --- 5: a photograph ---------------------------------------------------------------------------


def apply(place: Place, figures: Figures) -> None:
    width, height = (600, 400) if place.dry else (6000, 4000)
    photo = make_photo(place, width, height)
    figures.put("megapixels", width * height / 1e6)
    model = trained_model(place)
    figures.put("weights", "of train_fast" if model[0] == "fast" else "random")
    outs = {}
    for device in dict.fromkeys((place.device, "cpu")):
        outs[device] = place.work / f"restored_{device}" / photo.name
        figures.attempt(
            device,
            lambda device=device: applied(place, model, photo, outs[device].parent, device),
        )
    figures.attempt("apart", lambda: levels_apart(outs[place.device], outs["cpu"]))
    figures.attempt("in this process", lambda: applied_here(place, photo))


def make_photo(place: Place, width: int, height: int) -> Path:
    """Write a JPEG of that size: a retouched side, side by side and one below the other."""
    import numpy as np
    from PIL import Image

    from unretouch.pixels.pairs import load_pairs

    tile = load_pairs(place.pairs, "train").pairs[0].source
    times = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    path = place.work / "photo.jpg"
    Image.fromarray(np.tile(tile, times)[:height, :width]).save(path, quality=92)
    return path


def weights_of(place: Place) -> Path:
    """Return the weights of train_fast, or random ones where that part gave none."""
    trained = place.checkpoints / "fast" / "latest_net_G.pth"
    if trained.exists():
        return trained
    from unretouch.runs.weights import save_weights

    path = place.work / "random.pth"
    save_weights(path, detail_net("s" if place.dry else "m", picture(place)).state_dict())
    return path


def trained_model(place: Place) -> list[str]:
    """Return the words that name the model to `unretouch apply`."""
    path = weights_of(place)
    if path.parent.name == "fast":
        return ["fast", "--checkpoints_dir", str(place.checkpoints)]
    return ["--weights", str(path)]


def applied(
    place: Place, model: Sequence[str], photo: Path, out: Path, device: str
) -> dict[str, Any]:
    """Run `unretouch apply` and return its time and the GPU memory taken meanwhile."""
    log = place.work / f"apply_{device}.log"
    words = ["-m", "unretouch", "apply", *model, str(photo), "-o", str(out), "--device", device]
    with memory_taken(device == "cuda") as taken:
        began = time.perf_counter()
        finished(started(words, log), log, place.limit_s / 2)
        seconds = time.perf_counter() - began
    printed = tail(log)
    megapixels = re.search(r"([\d.]+) megapixels, ([\d.]+) s", printed)
    found: dict[str, Any] = {"wall seconds": seconds, "printed": printed[-400:]}
    if megapixels:
        size, own = map(float, megapixels.groups())
        found |= {"megapixels a second, start counted": size / seconds,
                  "seconds of the photograph": own,
                  "megapixels a second": size / max(own, 0.05)}  # fmt: skip
    return found | taken


@contextlib.contextmanager
def memory_taken(there: bool) -> Iterator[dict[str, float]]:
    """Fill what is yielded with the GPU memory that others take meanwhile, looked at every 20 ms.

    What a process takes to use the GPU at all is part of it.
    """
    import torch

    taken: dict[str, float] = {}
    if not there:
        yield taken
        return
    before, done = torch.cuda.mem_get_info()[0], threading.Event()
    least = before

    def look() -> None:
        nonlocal least
        while not done.wait(0.02):
            least = min(least, torch.cuda.mem_get_info()[0])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        done.set()
        thread.join()
        taken["peak_bytes"] = float(before - least)


def levels_apart(ours: Path, reference: Path) -> dict[str, Any]:
    """Return how far two pictures lie apart, decoded, in grey levels."""
    import numpy as np
    from PIL import Image

    one, other = (np.asarray(Image.open(path), np.int16) for path in (ours, reference))
    apart = np.abs(one - other)
    return {
        "largest": int(apart.max()), "mean": float(apart.mean()),
        "equal": float((apart == 0).mean()),
    }  # fmt: skip


def applied_here(place: Place, photo: Path) -> list[dict[str, Any]]:
    """Return seconds of reading, computing and writing; the first of two rounds is cold."""
    from unretouch.model.load import load_any
    from unretouch.pixels.photos import read_photo, write_photo
    from unretouch.tasks.apply.restore import Restorer

    free_memory()
    model = load_any(weights_of(place), device=place.device)  # type: ignore[arg-type]
    restorer = Restorer(model, full_scale=True)
    rounds = []
    for _ in range(2):
        times = [time.perf_counter()]
        read = read_photo(photo)
        times.append(time.perf_counter())
        result = restorer.restore(read)
        times.append(time.perf_counter())
        write_photo(place.work / "here.jpg", result.photo)
        times.append(time.perf_counter())
        names = ("read", "computed", "written")
        rounds.append({
            **{name: times[n + 1] - times[n] for n, name in enumerate(names)},
            "peak_bytes": peak_memory(),
        })  # fmt: skip
    return rounds


# --- 6: going on exactly -----------------------------------------------------------------------


def resume(place: Place, figures: Figures) -> None:
    """Train in one go, twice, and in two halves, all at the same time: only bits count here."""
    half = 2 if place.dry else 10
    epochs = ["--n_epochs", "10", "--n_epochs_decay", "10"]
    kinds = {
        "fast": epochs,
        "restore": ["--aim", "restore", *epochs],
        "classic": ["--model", "pix2pix", "--ngf", "32", *epochs],
    }
    if place.dry:
        kinds = {"fast": ["--size", "s", *epochs]}
    end = time.perf_counter() + place.limit_s - 15
    begun = {
        (kind, name): some_steps(place, f"{kind}_{name}", flags, steps)
        for kind, flags in kinds.items()
        for name, steps in (("halves", half), ("whole", 2 * half), ("again", 2 * half))
    }

    def go_on(kind: str) -> tuple[subprocess.Popen[bytes], Path]:
        over(*begun[kind, "halves"], end)
        flags = [*kinds[kind], "--continue_train"]
        return some_steps(place, f"{kind}_halves", flags, half)

    def judge(kind: str, name: str) -> dict[str, Any]:
        over(*begun[kind, "whole"], end)
        over(*begun[kind, name], end)
        return same_state(place, kind, name, 2 * half)

    for kind in kinds:
        try:
            begun[kind, "halves"] = go_on(kind)
        except RuntimeError as error:
            figures.put(f"{kind}, first half", {"error": str(error)})
    for kind in kinds:
        figures.attempt(f"{kind}, resumed", lambda kind=kind: judge(kind, "halves"))
        figures.attempt(f"{kind}, repeated", lambda kind=kind: judge(kind, "again"))


def some_steps(
    place: Place, name: str, flags: Sequence[str], steps: int
) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a run that ends after so many updates, or goes on for so many."""
    words = [
        "-m", "unretouch", "train", "--dataroot", str(place.pairs), "--name", name, *flags,
        "--checkpoints_dir", str(place.checkpoints), "--device", place.device, "--no_html",
    ]  # fmt: skip
    log = place.work / f"{name}_{time.monotonic_ns()}.log"
    return started(words, log, UNRETOUCH_TEST_STEPS=str(steps)), log


def over(process: subprocess.Popen[bytes], log: Path, end: float) -> None:
    """Wait for a run until the time `end`. Raises RuntimeError, as `finished` does."""
    finished(process, log, max(0.5, end - time.perf_counter()), patience_s=1)


def same_state(place: Place, kind: str, other: str, steps: int) -> dict[str, Any]:
    """Return whether a run ended in the very state of the one in one go, or how far from it."""
    from unretouch.runs import checkpoint

    states = []
    for name in ("whole", other):
        folder = place.checkpoints / f"{kind}_{name}" / "state"
        states.append(checkpoint.load(folder / f"{steps:09d}.ckpt").state)
    digests = [checkpoint.digest(state) for state in states]
    one, two = (dict(tensors(state)) for state in states)
    apart = {k: float((one[k].double() - two[k].double()).abs().max()) for k in one if k in two}
    worst = max(apart, key=lambda key: apart[key])
    return {
        "ok": digests[0] == digests[1],
        "digests": [digest[:16] for digest in digests],
        "largest difference": apart[worst],
        "of": worst,
    }


def tensors(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every tensor of a state with its path."""
    import torch

    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from tensors(item, f"{name}.{key}")


# --- 7: the compiler ---------------------------------------------------------------------------


def compiled(place: Place, figures: Figures) -> None:
    """Measure what torch.compile gives; nothing of it is shipped."""
    prepare(place)
    figures.attempt("passes", lambda: compiled_passes(place))
    figures.attempt("optimiser", lambda: compiled_step(place))


def compiler_options(place: Place, **options: Any) -> dict[str, Any]:
    """Return what torch.compile is told; on a processor only that it can be called at all."""
    return options if place.device == "cuda" and not place.dry else {"backend": "eager"}


def compiled_passes(place: Place) -> dict[str, Any]:
    import torch

    fit = fast_fit(place, place.device, **small(place))
    batch = fit._drawn(0)
    net = torch.compile(copy.deepcopy(fit._net), **compiler_options(place, mode="reduce-overhead"))
    both = pass_both_ways(fit, net, batch)

    def pass_on(n: int) -> None:
        torch.compiler.cudagraph_mark_step_begin()
        both(n)

    began = time.perf_counter()
    pass_on(0)
    synchronise()
    first = time.perf_counter() - began
    return {"seconds of the first": first} | seconds_of(pass_on, place)


def compiled_step(place: Place) -> dict[str, Any]:
    import torch

    from unretouch.training import fast_recipe, optimisers

    fit = fast_fit(place, place.device, **small(place))
    fit._backward(fit._drawn(0), 0.5)
    fast_recipe.set_rate(fit._stage.optimiser, 1e-4)
    plain = optimisers.orthogonal
    optimisers.orthogonal = torch.compile(plain, dynamic=False, **compiler_options(place))
    try:
        began = time.perf_counter()
        fit._stage.optimiser.step()
        synchronise()
        first = time.perf_counter() - began
        return {
            "seconds of the first": first,
            **seconds_of(lambda n: fit._stage.optimiser.step(), place),
        }
    finally:
        optimisers.orthogonal = plain


# --- all of it ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """What is measured in one process."""

    measure: Callable[[Place, Figures], None]
    limit_s: float
    needs_s: float
    """with less time left it is not begun"""


PARTS = {
    "agreement": Part(agreement, 70, 15),
    "step_fast": Part(step_fast, 100, 20),
    "train_fast": Part(train_fast, 105, 85),
    "train_classic": Part(train_classic, 95, 40),
    "apply": Part(apply, 60, 20),
    "resume": Part(resume, 60, 20),
    "compile": Part(compiled, 60, 20),
    "fit_long": Part(fit_long, LONG_S, 75),
}
"""By importance."""


def machine() -> dict[str, Any]:
    """Return what all figures depend on."""
    import torch

    found: dict[str, Any] = {
        "python": platform.python_version(), "torch": str(torch.__version__),
        "cores": os.cpu_count(), "processor": processor(), "system": platform.platform(),
        "gpu": None,
    }  # fmt: skip
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        found |= {
            "gpu": card.name, "gpu_bytes": card.total_memory, "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), "driver": driver(),
        }  # fmt: skip
    return found


def processor() -> str:
    with contextlib.suppress(OSError):
        names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
        return names[0] if names else platform.machine()
    return platform.processor() or platform.machine()


def driver() -> str | None:
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def run_part(name: str, place: Place) -> dict[str, Any]:
    """Measure a part in a process of its own; return its figures and what went wrong."""
    result, log = place.work / f"{name}.json", place.work / f"{name}.part.log"
    words = [
        sys.executable, __file__, "--part", name, "--pairs", str(place.pairs), "--work",
        str(place.work), "--device", place.device, "--limit", str(place.limit_s),
        *(["--dry"] if place.dry else []),
    ]  # fmt: skip
    paths = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200",
        "TORCHINDUCTOR_CACHE_DIR": str(place.work / "inductor"),
        "TRITON_CACHE_DIR": str(place.work / "triton"),
    }  # fmt: skip
    before = set(place.work.glob("*.log"))
    began = time.perf_counter()
    with log.open("wb") as printed:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT,
            cwd=place.work, env=environment, start_new_session=True,
        )  # fmt: skip
    error = ""
    try:
        if code := process.wait(place.limit_s):
            error = f"exit code {code}: {tail(log)}"
    except subprocess.TimeoutExpired:
        error = f"not done after {place.limit_s:.0f} s: {tail(log)}"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it and what it may have left running
        process.wait()
    seconds = time.perf_counter() - began
    found: dict[str, Any] = {}
    if result.exists():
        with contextlib.suppress(ValueError):  # ended while it wrote
            found = json.loads(result.read_text("utf-8"))
    wrong = ([error] if error else []) + problems(found)
    warnings = warned(path for path in place.work.glob("*.log") if path not in before)
    return {"ok": not wrong, "seconds": round(seconds, 1), "problems": wrong,
            "warnings": warnings, **found}  # fmt: skip


def warned(logs: Iterable[Path]) -> list[str]:
    """Return what torch warned of, each kind once."""
    lines = [
        line[:300]
        for log in logs
        for line in re.findall(r"\w*Warning: [^\n]*", log.read_text("utf-8", errors="replace"))
    ]
    return list(dict.fromkeys(lines))[:10]


def problems(value: Any, path: str = "") -> list[str]:
    """Return what failed or lies outside its tolerance, wherever it stands in the figures."""
    if isinstance(value, list):
        return [line for item in value for line in problems(item, path)]
    if not isinstance(value, dict):
        return []
    found = []
    if "error" in value and isinstance(value["error"], str):
        lines = value["error"].strip().splitlines()
        found.append(f"{path}: {lines[0][:120]} .. {lines[-1][:300]}")
    if value.get("ok") is False:
        found.append(f"{path}: not within its tolerance, or not as expected")
    for key, item in value.items():
        found += problems(item, f"{path} / {key}" if path else key)
    return found


def summary(value: Any, indent: int = 1) -> Iterator[str]:
    """Yield the figures as lines; long texts and lists stay in the file."""
    for key, item in value.items():
        if isinstance(item, dict):
            plain = {k: v for k, v in item.items() if isinstance(v, int | float | None)}
            line = ", ".join(f"{k} {shown(v)}" for k, v in plain.items())
            yield f"{'  ' * indent}{key}: {line}"
            deeper = {k: v for k, v in item.items() if isinstance(v, dict)}
            yield from summary(deeper, indent + 1)
        elif isinstance(item, int | float):
            yield f"{'  ' * indent}{key}: {shown(item)}"


def shown(number: float | bool | None) -> str:
    if isinstance(number, bool) or number is None:
        return {True: "yes", False: "no", None: "-"}[number]
    return f"{number:.5g}" if abs(number) < 1e6 else f"{number:.3g}"


def measure_all(options: argparse.Namespace) -> bool:
    """Measure the parts one after the other while time is left; return whether all went well."""
    began = time.perf_counter()
    here = machine()
    device = "cuda" if here["gpu"] else "cpu"
    dry = options.dry or device == "cpu"
    print(", ".join(f"{key} {value}" for key, value in here.items()), flush=True)
    if dry:
        print("dry: small, only to see that the parts run")
    known = json.loads(options.json.read_text("utf-8")) if options.only else {}
    record: dict[str, Any] = {"machine": here, "dry": dry, "parts": known.get("parts", {})}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        pairs = small_pairs(options.pairs, Path(folder) / "pairs") if dry else options.pairs
        for name in options.only or PARTS:
            part = PARTS[name]
            left = options.budget - (time.perf_counter() - began)
            if dry or (name == "fit_long" and options.long):
                left = DRY_S if dry else LONG_S
            if left < part.needs_s:
                found: dict[str, Any] = {"ok": None, "skipped": f"only {left:.0f} s were left"}
            else:
                limit = left if dry else min(part.limit_s, left)
                place = Place(pairs, Path(folder), device, dry, limit)
                found = run_part(name, place)
            record["parts"][name] = found
            write(options.json, record)
            tell(name, found)
    print(f"{time.perf_counter() - began:.0f} s in all; {options.json}")
    return all(part["ok"] is not False for part in record["parts"].values())


def small_pairs(pairs: Path, out: Path) -> Path:
    """Write pairs whose sides are the middle 128 pixels of those in `pairs`; return `out`."""
    from PIL import Image

    for phase in ("train", "heldout"):
        (out / phase).mkdir(parents=True)
        for path in sorted((pairs / phase).iterdir())[:3]:
            picture = Image.open(path).convert("RGB")
            side, small = picture.width // 2, Image.new("RGB", (256, 128))
            for number in (0, 1):
                left, top = number * side + side // 2 - 64, picture.height // 2 - 64
                small.paste(picture.crop((left, top, left + 128, top + 128)), (128 * number, 0))
            small.save(out / phase / f"{path.stem}.png")
    return out


def write(path: Path, record: dict[str, Any]) -> None:
    """Replace the file, so that it is whole at every moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    beside.replace(path)


def tell(name: str, found: dict[str, Any]) -> None:
    """Print a part's figures."""
    if "skipped" in found:
        print(f"{name}: skipped, {found['skipped']}", flush=True)
        return
    print(f"{name}: {'ok' if found['ok'] else 'PROBLEMS'}, {found['seconds']:.0f} s")
    for line in found["problems"]:
        print(f"  ! {line}")
    for line in found["warnings"]:
        print(f"  ? {line}")
    for line in summary({k: v for k, v in found.items() if k not in ("ok", "seconds")}):
        print(line)
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    shared = ROOT.parent / "shared" / "pairs"
    parser.add_argument("--pairs", type=Path, default=shared, help="holds train/ and heldout/")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "gpu.json")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="add these to the file")
    parser.add_argument("--dry", action="store_true", help="small, to see that the parts run")
    parser.add_argument("--long", action="store_true", help="fit_long, too, whatever time is left")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds for all parts")
    for hidden in ("--part", "--work", "--device", "--limit"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.pairs, options.json = options.pairs.resolve(), options.json.resolve()
    if options.part:
        work = Path(options.work)
        place = Place(options.pairs, work, options.device, options.dry, float(options.limit))
        PARTS[options.part].measure(place, Figures(work / f"{options.part}.json"))
        return 0
    # So that it ends the process of a part, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return 0 if measure_all(options) else 1


if __name__ == "__main__":
    sys.exit(main())
