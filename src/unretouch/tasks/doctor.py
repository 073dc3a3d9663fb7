"""`unretouch doctor`: what this computer offers a run, and what to do about what is missing.

Nothing here needs torch, numpy or rich to be installed: their absence is a finding.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from unretouch import __version__
from unretouch.base import durable, memory
from unretouch.base.durable import megabytes
from unretouch.base.errors import ExitCode, install_hint
from unretouch.base.terminal import counted, wrapped
from unretouch.settings.commands import DoctorSettings
from unretouch.settings.train import TrainSettings

SCHEMA = 1
"""Of the JSON; raised when a reader would have to change."""

EXTRAS = {
    "photo": "16 bits a channel, HEIC, RAW, pictures over 200 megapixels",
    "export": "ONNX and safetensors",
    "layers": "layered files for Photoshop, Affinity, Krita and GIMP",
    "scale": "one run over several GPUs, processes or machines",
    "deep": "the deep distance of verify",
    "ray": "sweeps and photographs over all GPUs or a cluster",
}
"""What people may want beyond the core, and what it is for."""

SHOWN = ("torch", "pillow")
"""Packages whose versions have a line of their own."""

OLDEST_PYTHON = (3, 11)

_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?([^;]*)(?:;.*extra\s*==\s*['\"]([\w-]+)['\"])?")

LITTLE_MEMORY = 3 * 10**9
"""Bytes below which the guide's presets may not fit: unet_256 at 512 pixels takes 2.3 GB."""

PROBED_S = 2.0
PROBED_SIDE = 256
"""Pixels of the pictures it is tried on; an update takes crops, of the same size in any picture."""

PAIRS_PIXELS = 3 * 512 * 512
"""What a guide's worth of pairs holds: three of 512 x 512."""

SLOW = 100
"""Passes over those pairs in ten minutes below which a longer time is advised."""

State = Literal["ok", "note", "trouble"]

_SIGNS = {"ok": "ok", "note": "note", "trouble": "TROUBLE"}
_COLOURS = {"ok": "green", "note": "yellow", "trouble": "bold red"}


_SIGN, _TOPIC = 9, 17
"""Columns of a state and of a topic, the gap behind them counted."""
_HANG = " " * (_SIGN + _TOPIC)


@dataclass(frozen=True)
class Finding:
    """What was found of a topic. `trouble` keeps a run from starting; `note` does not."""

    topic: str
    value: str
    state: State = "ok"
    advice: str = ""
    """what to do, where the state is not ok"""
    exit_code: ExitCode = ExitCode.OK
    """of a trouble: what a run would end with"""


def main(settings: DoctorSettings) -> int:
    """Examine. Returns 0 where a run can start, else the exit code it would end with."""
    findings = []
    for finding in examine(settings.checkpoints_dir, not settings.no_speed):
        findings.append(finding)
        if not settings.json:
            _show(finding)
    if settings.json:
        print(json.dumps(record(findings), indent=1, ensure_ascii=False))
    return verdict(findings)


def verdict(findings: Sequence[Finding]) -> ExitCode:
    """Return the exit code of the first trouble, or OK."""
    return next((f.exit_code for f in findings if f.state == "trouble"), ExitCode.OK)


def lines(finding: Finding) -> list[str]:
    """Return a finding as plain text: one line, and one more for what to do."""
    text = f"{_SIGNS[finding.state]:<{_SIGN}}{finding.topic:<{_TOPIC}}{finding.value}"
    return [text, f"{_HANG}-> {finding.advice}"] if finding.advice else [text]


def record(findings: Sequence[Finding]) -> dict[str, object]:
    """Return all findings as plain JSON values."""
    shown = [{**dataclasses.asdict(f), "exit_code": int(f.exit_code)} for f in findings]
    return {"schema": SCHEMA, "exit_code": int(verdict(findings)), "findings": shown}


def _show(finding: Finding) -> None:
    """Print a finding; a terminal breaks it between words and shows its state in colour."""
    if not (sys.stdout.isatty() and importlib.util.find_spec("rich")):
        print("\n".join(lines(finding)), flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    console, colour = Console(), _COLOURS[finding.state]
    found, *advice = lines(finding)
    for part in wrapped(found, console.width, _HANG):
        styled = Text.assemble((part[:_SIGN], colour), part[_SIGN:])
        console.print(styled, soft_wrap=True)
    for line in advice:
        for part in wrapped(line, console.width):
            console.print(Text(part, colour), soft_wrap=True)


def examine(checkpoints_dir: Path, probe_speed: bool) -> Iterator[Finding]:
    """Yield what is found, one topic after the other; the speed probe takes about 3 seconds."""
    yield from examine_packages()
    yield from examine_machine()
    yield from examine_disk(checkpoints_dir)
    if probe_speed:
        yield from examine_speed()


def examine_packages() -> Iterator[Finding]:
    """Yield Python, unretouch, the packages it needs, and its extras."""
    yield _python()
    yield Finding("unretouch", __version__)
    needed = requirements()
    problems = {name: _problem(name, bounds) for name, bounds in needed[""].items()}
    for name in SHOWN:
        problem = problems.pop(name, "") or _problem(name, "")
        if problem:
            yield Finding(name, problem, "trouble", str(install_hint()), ExitCode.USAGE)
        else:
            yield Finding(name, metadata.version(name))
    bad = [f"{name} {problem}" for name, problem in problems.items() if problem]
    if bad:
        yield Finding("packages", ", ".join(bad), "trouble", str(install_hint()), ExitCode.USAGE)
    else:
        yield Finding("packages", f"{len(problems)} others, all there")
    for extra, purpose in EXTRAS.items():
        yield _extra(extra, purpose, needed.get(extra, {}) if needed[""] else None)


def requirements() -> dict[str, dict[str, str]]:
    """Return what the installed unretouch asks for: by extra ("" is the core), name to bounds."""
    found: dict[str, dict[str, str]] = {"": {}}
    try:
        lines = metadata.requires("unretouch") or []
    except metadata.PackageNotFoundError:  # run from its source, not installed
        lines = []
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match:
            found.setdefault(match[3] or "", {})[match[1].lower()] = match[2].strip()
    return found


def satisfies(version: str, bounds: str) -> bool:
    """Return whether `version` lies within `bounds`, such as `>=2.10,<2.14`; others are ignored."""
    for bound in bounds.split(","):
        match = re.match(r"\s*(>=|<)\s*([\d.]+)", bound)
        if match is None:
            continue
        at_least = _numbers(version) >= _numbers(match[2])
        if at_least != (match[1] == ">="):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    numbers = re.match(r"\d+(\.\d+)*", version)
    parts = [int(part) for part in numbers[0].split(".")] if numbers else []
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _python() -> Finding:
    value = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", value, "trouble", "Install Python 3.11 or newer", ExitCode.USAGE)
    return Finding("python", value)


def _problem(name: str, bounds: str) -> str:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"
    return "" if satisfies(version, bounds) else f"is {version}, {bounds} is needed"


def _extra(extra: str, purpose: str, packages: dict[str, str] | None) -> Finding:
    missing = [name for name, bounds in (packages or {}).items() if _problem(name, bounds)]
    if packages is not None and not missing:
        return Finding(f"extra [{extra}]", "installed")
    advice = f"For {purpose}. {install_hint(extra)}"
    unknown = "not known: unretouch itself is not installed"
    what = f"without {', '.join(missing)}" if missing else unknown
    return Finding(f"extra [{extra}]", what, "note", advice)


def examine_machine() -> Iterator[Finding]:
    """Yield the device, bf16, the cores and the memory."""
    try:
        yield from _device()
    except ImportError as error:  # said already, or a damaged installation
        yield Finding("device", f"not known: {error}", "note", "Install torch first")
    yield _cores()
    yield _memory()


def _device() -> Iterator[Finding]:
    import torch

    from unretouch.training import device

    chosen = device.choose("auto")
    if chosen.type == "cuda":
        card = torch.cuda.get_device_properties(chosen)
        yield Finding("device", f"CUDA: {card.name}, {megabytes(card.total_memory)}")
    elif chosen.type == "mps":
        yield Finding("device", "MPS: the GPU of this Mac")
    else:
        yield Finding("device", "the processor; no CUDA or MPS was found")
    if device.precision("auto", chosen) == "bf16-mixed":
        yield Finding("bf16", "fast here, and used by itself")
    else:
        yield Finding("bf16", "not fast here; float32 is used by itself")


def _cores() -> Finding:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    value = f"{allowed or 'unknown'} to use"
    try:
        import torch
    except ImportError:
        return Finding("cores", value)
    threads = torch.get_num_threads()
    value += f", {counted(threads, 'thread')} of torch"
    if allowed and threads < allowed // 2:
        advice = "OMP_NUM_THREADS is set? Unset, torch takes every core"
        return Finding("cores", value, "note", advice)
    return Finding("cores", value)


def _memory() -> Finding:
    total, free = memory.total_bytes(), memory.free_bytes()
    if total is None:
        return Finding("memory", "unknown")
    value = megabytes(total) + (f", {megabytes(free)} free" if free is not None else "")
    if (total if free is None else free) < LITTLE_MEMORY:
        advice = "Close other programs, or train with --preset fast --size s, which needs 1 GB"
        return Finding("memory", value, "note", advice)
    return Finding("memory", value)


def examine_disk(checkpoints_dir: Path) -> Iterator[Finding]:
    """Yield whether runs can be written, and whether there is room for one."""
    folder = checkpoints_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problem = durable.disk_error(error, folder)
        advice = str(problem.hint) or "Choose another folder by --checkpoints_dir"
        yield Finding("folder", str(folder), "trouble", advice, ExitCode.DISK)
    else:
        yield Finding("folder", f"runs can be written to {checkpoints_dir}")
    yield _room(folder)


def _room(folder: Path) -> Finding:
    free = durable.free_bytes(folder)
    value = f"{megabytes(free)} free"
    try:
        from unretouch.training.estimates import run_bytes
    except ImportError:
        return Finding("disk", value)
    fast = run_bytes(TrainSettings(dataroot=".", netG="detail", size="deep", lambda_GAN=0))
    guide = run_bytes(TrainSettings(dataroot="."))
    # With the state that is written before an older one goes.
    value += f"; while it saves, a run needs {megabytes(fast)}, one of the guide's presets "
    value += megabytes(guide)
    advice = "Free some space, lower --keep_gb, or choose another disk by --checkpoints_dir"
    if free < fast:
        return Finding("disk", value, "trouble", advice, ExitCode.DISK)
    return Finding("disk", value, "note", advice) if free < guide else Finding("disk", value)


def examine_speed() -> Iterator[Finding]:
    """Yield how often ten minutes of training go over three pairs of 512 pixels."""
    try:
        pixels = pixels_per_second()
    except ImportError as error:
        yield Finding("speed", f"not known: {error}", "note", "Install torch first")
        return
    passes = pixels * 600 / PAIRS_PIXELS
    value = (
        f"in 10 minutes a training sees three pairs of 512 pixels {passes:.0f} times "
        f"({pixels / 1e6:.2f} megapixels a second)"
    )
    if passes < SLOW:
        advice = "Is another program busy? Else give it longer (--minutes 30), or --size s"
        yield Finding("speed", value, "note", advice)
    else:
        yield Finding("speed", value)


def pixels_per_second() -> float:
    """Return how many pixels of crops the fast fit, in its usual size, learns from in a second."""
    import numpy as np

    from unretouch.pixels.pairs import Pair
    from unretouch.training import device
    from unretouch.training.fast_fit import FastFit

    where = device.choose("auto")
    device.prepare(where)
    settings = TrainSettings(
        dataroot=".", netG="detail", size="auto", recipe="fast", lambda_GAN=0, lambda_L1=500,
        preprocess="none", no_flip=True, no_dropout=True,
        precision=device.precision("auto", where), minutes=10,
    )  # fmt: skip
    shape = (PROBED_SIDE, PROBED_SIDE, 3)
    target = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    fit = FastFit(settings, [Pair("probe", target // 2, target, ())], where)
    fit.update(0, 1, 0, 0.0)  # the first fetches memory
    began, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < PROBED_S:
        done += 1
        fit.update(done, 1, 0, 0.0)
    return done * fit.pixels_a_step / spent
