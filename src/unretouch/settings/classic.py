"""What the classic train.py and test.py have besides: idle flags, option files, old names."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from unretouch.base.errors import UsageError
from unretouch.base.names import run_name
from unretouch.settings.fields import Flag
from unretouch.settings.parser import Reading, helps_of

HEADER = "----------------- Options ---------------"
FOOTER = "----------------- End -------------------"

RENAMED = {
    "niter": "n_epochs",
    "niter_decay": "n_epochs_decay",
    "loadSize": "load_size",
    "fineSize": "crop_size",
    "which_epoch": "epoch",
    "which_direction": "direction",
    "which_model_netG": "netG",
    "which_model_netD": "netD",
    "resize_or_crop": "preprocess",
    "how_many": "num_test",
}
"""Names of the classic flags before 2019, still found in tutorials."""

_NOT_OFFERED = {
    ("model", "cycle_gan"): "CycleGAN learns without pairs; unretouch trains pix2pix on pairs",
    ("model", "colorization"): "unretouch trains pix2pix on pairs of colour pictures",
    ("dataset_mode", "unaligned"): "unretouch learns from pairs, --dataset_mode aligned",
    ("dataset_mode", "colorization"): "unretouch learns from pairs, --dataset_mode aligned",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdleFlags:
    """Classic flags that are accepted and have no work here.

    What a docstring below says of one is also said when it is given.
    """

    gpu_ids: str = "0"
    """the device is found by itself; -1 is --device cpu"""
    verbose: bool = False
    """the networks and all settings are in config.json in the run's folder"""
    display_winsize: int = 256
    """the page fits pictures to its window"""
    use_wandb: bool = False
    """nothing is sent to wandb; see web/index.html and metrics.jsonl in the run's folder"""
    wandb_project_name: str = "CycleGAN-and-pix2pix"
    """nothing is sent to wandb; see web/index.html and metrics.jsonl in the run's folder"""


def gone_elsewhere(known: Collection[str], sister: type, said: str) -> dict[str, str]:
    """Return what to say of flags that are not `known`: of those of the `sister` command `said`,
    and of old names what they are called now."""
    messages = {field.name: said for field in dataclasses.fields(sister) if field.name not in known}
    renamed = {old: new for old, new in RENAMED.items() if new in known}
    return messages | {old: f"is called --{new} since 2019" for old, new in renamed.items()}


def stand_in(reading: Reading, schema: type[IdleFlags]) -> tuple[Reading, list[str]]:
    """Return `reading` in our own terms, and a line for each kind of flag that does nothing here.

    Raises UsageError for what the classic program does and unretouch does not.
    """
    for (name, value), line in _NOT_OFFERED.items():
        if reading.value(name) == value:
            raise UsageError(f"{value!r} is not offered", f"--{name}", line)
    notes = []
    if reading.value("norm") == "syncbatch":
        reading = reading.replace(norm="batch")
        notes.append("--norm syncbatch: on one device this is --norm batch, which is used")
    gpu_ids = reading.value("gpu_ids")
    if gpu_ids is not None:
        reading, note = _device(reading, gpu_ids)
        notes.append(note)
    return reading, notes + _idle(reading, schema)


def _device(reading: Reading, gpu_ids: str) -> tuple[Reading, str]:
    chosen = reading.value("device")
    if chosen is not None:
        return reading, f"--gpu_ids {gpu_ids}: --device {chosen} decides"
    if gpu_ids.startswith("-"):
        return reading.replace(device="cpu"), f"--gpu_ids {gpu_ids}: computing on the processor"
    return reading, (
        f"--gpu_ids {gpu_ids}: one device is used, found by itself (CUDA, MPS, else the "
        "processor); --device chooses"
    )


def _idle(reading: Reading, schema: type[IdleFlags]) -> list[str]:
    """Return a line for the idle flags that were given, one for all of which the same is said."""
    idle = [field.name for field in dataclasses.fields(schema) if field.name != "gpu_ids"]
    given = [name for name in idle if name in reading.flags]
    helps = helps_of(schema) if given else {}
    said: dict[str, list[str]] = {}
    for name in given:
        said.setdefault(helps.get(name, "has no work here"), []).append(f"--{name}")
    return [f"{', '.join(flags)}: {line}" for line, flags in said.items()]


def full_name(options: Any) -> str:
    """Return the name of the run with `--suffix` behind it, its flags filled in.

    Raises UsageError for a flag that is unknown or unset, and for a name that cannot be one.
    """
    if not options.suffix:
        return run_name(options.name)
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    known = {name: value for name, value in values.items() if value is not None}
    try:
        return run_name(f"{options.name}_{options.suffix.format(**known)}")
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{options.suffix!r} cannot be filled in: {error}",
            "--suffix",
            "Write flags that are given in braces, as {netG}_{load_size}",
        ) from error


def option_text(options: object, flags: Mapping[str, Flag]) -> str:
    """Return what train_opt.txt or test_opt.txt holds: these flags as classic lines, by name.

    A value that is not the default has the default behind it.
    """
    lines = [_line(flags[name], getattr(options, name)) for name in sorted(flags)]
    return "\n".join([HEADER, *lines, FOOTER]) + "\n"


def _line(flag: Flag, value: object) -> str:
    default = None if flag.required else flag.default
    changed = f"\t[default: {default}]" if value != default else ""
    shown = str(value).replace("\n", "\\n")  # a line for each option, whatever a folder is called
    return f"{flag.name:>25}: {shown:<30}{changed}"
