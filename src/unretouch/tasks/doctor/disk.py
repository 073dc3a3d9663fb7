"""The disk that takes the runs: may we write there, and does a run fit?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from unretouch.base import durable
from unretouch.base.durable import megabytes
from unretouch.base.errors import ExitCode
from unretouch.settings.train import TrainSettings
from unretouch.tasks.doctor.finding import Finding

_FAST = TrainSettings(dataroot=".", netG="detail", size="m", lambda_GAN=0)
_GUIDE = TrainSettings(dataroot=".")


def examine(checkpoints_dir: Path) -> Iterator[Finding]:
    """Yield whether runs can be written, and whether there is room for one."""
    folder = checkpoints_dir.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    yield _permission(folder)
    yield _room(folder)


def _permission(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        problem = durable.disk_error(error, folder)
        advice = problem.hint or "Choose another folder by --checkpoints_dir"
        return Finding("folder", str(folder), "trouble", advice, ExitCode.DISK)
    return Finding("folder", f"{folder} takes files")


def _room(folder: Path) -> Finding:
    free = durable.free_bytes(folder)
    value = f"{megabytes(free)} free"
    try:
        fast, guide = needed(_FAST), needed(_GUIDE)
    except ImportError:
        return Finding("disk", value)
    value += f"; a run takes {megabytes(fast)}, one of the guide's presets {megabytes(guide)}"
    advice = "Free some space, lower --keep_gb, or choose another disk by --checkpoints_dir"
    if free < fast:
        return Finding("disk", value, "trouble", advice, ExitCode.DISK)
    if free < guide:
        return Finding("disk", value, "note", advice)
    return Finding("disk", value)


def needed(settings: TrainSettings) -> int:
    """Return the bytes that a run asks for before it starts."""
    import torch
    from torch import nn

    from unretouch.networks import build_discriminator, build_generator
    from unretouch.training.estimates import disk_plan

    with torch.device("meta"):  # shapes, no memory
        nets: dict[str, nn.Module] = {"G": build_generator(settings)}
        if settings.lambda_GAN:
            nets["D"] = build_discriminator(settings)
    made = disk_plan({letter: net.state_dict() for letter, net in nets.items()}, settings.keep_gb)
    return made.total + made.state
