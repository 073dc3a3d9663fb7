"""Put weights into a network, after a look at whether they fit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from unretouch.base.errors import CheckpointError
from unretouch.networks.table import describe_weights

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_SHOWN = 3
"""Keys named in a message; the others are counted."""


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
