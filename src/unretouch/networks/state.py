"""Weights of networks: recognise what a file holds, check that it fits, put it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from unretouch.base.errors import CheckpointError
from unretouch.settings.train import NormName

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_SHOWN = 3
"""Keys named in a message; the others are counted."""


@dataclass(frozen=True)
class WeightsDescription:
    """What a classic generator's state dict says about the generator."""

    netG: str  # a classic name, or unet with another number of halvings, resnet of blocks
    norm: NormName
    ngf: int
    input_nc: int
    output_nc: int
    dropout: bool | None  # None: the keys do not tell (U-Nets)

    def __str__(self) -> str:
        text = f"{self.netG} with {self.norm} norm"
        if self.norm == "none":
            text = f"{self.netG} without norm"
        if self.ngf != 64:
            text += f", ngf {self.ngf}"
        if (self.input_nc, self.output_nc) != (3, 3):
            text += f", {self.input_nc} to {self.output_nc} channels"
        if self.dropout is not None:
            text += ", with dropout" if self.dropout else ", no dropout"
        return text


def describe_weights(state: Mapping[str, torch.Tensor]) -> WeightsDescription | None:
    """Return which classic generator `state` belongs to, by keys and shapes; None if to none."""
    if "model.model.0.weight" in state:
        return _describe_unet(state)
    if "model.1.weight" in state and any(key.startswith("model.10.conv_block.") for key in state):
        return _describe_resnet(state)
    return None


def load_weights(net: nn.Module, state: Mapping[str, torch.Tensor], where: object) -> None:
    """Put `state` into `net`, or raise CheckpointError in one line and leave `net` as it was.

    Refused: missing or unexpected keys, wrong shapes, values that are not numbers or not finite.
    Statistics that very old files hold for instance normalisation are ignored, and counters that
    they lack are taken as zero. `where` names the file in the message.
    """
    own = net.state_dict()
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError("is not a state dict: it holds more than named tensors", where)
    given = {key: value for key, value in state.items() if not _is_relic(key, state)}
    for key, value in own.items():
        if key.endswith(".num_batches_tracked"):
            given.setdefault(key, torch.zeros_like(value))
    problem = _misfit(own, given)
    if problem:
        raise CheckpointError(_tell(own, given, problem), where, _HINT)
    broken = [k for k, v in given.items() if v.is_floating_point() and not bool(v.isfinite().all())]
    if broken:
        raise CheckpointError(f"holds values that are not finite, in {_listed(broken)}", where)
    net.load_state_dict(given)


_HINT = "Give the settings it was trained with"


def _misfit(own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> str:
    """Return what is wrong with `given`, or an empty text."""
    missing = [key for key in own if key not in given]
    if missing:
        return f"lacks {_listed(missing)}"
    unexpected = [key for key in given if key not in own]
    if unexpected:
        return f"holds {_listed(unexpected)}, which this network does not have"
    for key, value in own.items():
        if given[key].shape != value.shape:
            return f"has {key} of shape {tuple(given[key].shape)}, not {tuple(value.shape)}"
        if given[key].is_floating_point() != value.is_floating_point():
            return f"has {key} as {given[key].dtype}, not {value.dtype}"
    return ""


def _tell(own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor], problem: str) -> str:
    asked, found = describe_weights(own), describe_weights(given)
    if found is not None and asked is not None and found != asked:
        return f"holds a {found}; the run asks for a {asked}"
    if found is not None and asked is None:
        return f"holds a {found}, not the network asked for; it {problem}"
    return problem


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def _is_relic(key: str, state: Mapping[str, torch.Tensor]) -> bool:
    """Whether `key` is a statistic without the weight that batch normalisation has beside it."""
    stem, _, last = key.rpartition(".")
    return last in _STATISTICS and f"{stem}.weight" not in state


def _norm(state: Mapping[str, torch.Tensor], convolution: str, norm: str) -> NormName:
    if f"{norm}.weight" in state:
        return "batch"
    return "instance" if f"{convolution}.bias" in state else "none"


def _describe_unet(state: Mapping[str, torch.Tensor]) -> WeightsDescription | None:
    first, last = state["model.model.0.weight"], state.get("model.model.3.weight")
    if last is None or first.dim() != 4 or last.dim() != 4:
        return None
    deepest = max(key.count("model.3.") for key in state)
    halvings = deepest + 1
    norm = _norm(state, "model.model.1.model.1", "model.model.1.model.2")
    name = {8: "unet_256", 7: "unet_128"}.get(halvings, f"U-Net of {halvings} halvings")
    return WeightsDescription(name, norm, first.shape[0], first.shape[1], last.shape[1], None)


def _describe_resnet(state: Mapping[str, torch.Tensor]) -> WeightsDescription | None:
    blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    first, last = state["model.1.weight"], state.get(f"model.{17 + blocks}.weight")
    if last is None or first.dim() != 4 or last.dim() != 4:
        return None
    name = f"resnet_{blocks}blocks"
    norm = _norm(state, "model.1", "model.2")
    dropout = "model.10.conv_block.6.weight" in state and (
        state["model.10.conv_block.6.weight"].dim() == 4
    )
    return WeightsDescription(name, norm, first.shape[0], first.shape[1], last.shape[0], dropout)
