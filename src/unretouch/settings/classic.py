"""What the classic train.py and test.py have besides: idle flags, option files, old names."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from unretouch.base.errors import UsageError
from unretouch.base.names import run_name
from unretouch.settings.fields import Flag, Words, fields_of

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

    What a docstring below says of some is also said when they are given.
    """

    gpu_ids: str = "0"
    """the device is found by itself; -1 is --device cpu"""
    verbose: bool = False
    """the networks and all settings are in config.json in the run's folder"""
    display_winsize: int = 256
    """the page fits pictures to its window"""
    use_wandb: bool = False
    wandb_project_name: str = "CycleGAN-and-pix2pix"
    """nothing is sent to wandb; see web/index.html and metrics.jsonl in the run's folder"""


def gone_elsewhere(known: Collection[str], sister: type, said: str) -> dict[str, str]:
    """Return what to say of flags that are not `known`: of those of the `sister` command `said`,
    and of old names what they are called now."""
    messages = {field.name: said for field in dataclasses.fields(sister) if field.name not in known}
    renamed = {old: new for old, new in RENAMED.items() if new in known}
    return messages | {old: f"is called --{new} since 2019" for old, new in renamed.items()}


def stand_in(given: Words, schema: type[IdleFlags]) -> tuple[Words, list[str]]:
    """Return `given` in our own terms, and a line for each kind of flag that does nothing here.

    Raises UsageError for what the classic program does and unretouch does not.
    """
    for (name, value), line in _NOT_OFFERED.items():
        if given.get(name) == (value,):
            raise UsageError(f"{value!r} is not offered", f"--{name}", line)
    ours, notes = dict(given), []
    if given.get("norm") == ("syncbatch",):
        ours["norm"] = ("batch",)
        notes.append("--norm syncbatch: on one device this is --norm batch, which is used")
    if "gpu_ids" in given:
        (gpu_ids,) = given["gpu_ids"]
        if "device" in given:
            line = f"--device {given['device'][0]} decides"
        elif gpu_ids.startswith("-"):
            ours["device"] = ("cpu",)
            line = "computing on the processor"
        else:
            line = (
                "one device is used, found by itself (CUDA, MPS, else the processor); "
                "--device chooses"
            )
        notes.append(f"--gpu_ids {gpu_ids}: {line}")
    said: dict[str, list[str]] = {}
    for name, flag in fields_of(schema).items():
        if name in given and name != "gpu_ids":
            said.setdefault(flag.about or "has no work here", []).append(f"--{name}")
    return ours, notes + [f"{', '.join(flags)}: {line}" for line, flags in said.items()]


def full_name(options: Any) -> str:
    """Return the name of the run with `--suffix` behind it, its flags filled in.

    Raises UsageError for a flag that is unknown or unset, and for a name that cannot be one.
    """
    if not options.suffix:
        return run_name(options.name)
    known = {name: value for name, value in vars(options).items() if value is not None}
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
    header, footer = f"{'-' * 17} Options {'-' * 15}", f"{'-' * 17} End {'-' * 19}"
    return "\n".join([header, *lines, footer]) + "\n"


def _line(flag: Flag, value: object) -> str:
    default = None if flag.required else flag.default
    changed = f"\t[default: {default}]" if value != default else ""
    shown = str(value).replace("\n", "\\n")  # a line for each option, whatever a folder is called
    return f"{flag.name:>25}: {shown:<30}{changed}"
