"""What an optimiser remembers is brought back whole, however it lay in memory when it was saved."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from unretouch.base.errors import CheckpointError
from unretouch.training.fast_recipe import FastRecipe, make_optimizer
from unretouch.training.optimiser_state import remembered, restore_optimiser
from unretouch.training.step import adam

KINDS = {
    "adam": lambda net: adam(net, 0.01, 0.5),
    "muon": lambda net: make_optimizer(net, FastRecipe()),
}


def made(kind: str) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 4, 3))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net, KINDS[kind](net)


def stepped(net: torch.nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    optimiser.zero_grad()
    net(torch.randn(1, 3, 9, 9)).square().mean().backward()
    optimiser.step()


def plain(state: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return the same numbers in plain memory, as another version may have saved them."""
    return {
        index: {k: v.clone(memory_format=torch.contiguous_format) if torch.is_tensor(v) else v
                for k, v in values.items()}
        for index, values in state.items()
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", [copy.deepcopy, plain])
def test_R1_moments_in_any_layout(kind: str, layout: Any) -> None:
    net, optimiser = made(kind)
    stepped(net, optimiser, 2)
    other, restored = made(kind)
    other.load_state_dict(net.state_dict())
    restore_optimiser(restored, layout(remembered(optimiser)), "state")
    stepped(net, optimiser, 3)
    stepped(other, restored, 3)
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["shape", "nan", "missing", "index"])
def test_C9_moments_that_do_not_fit(kind: str, wrong: str) -> None:
    net, optimiser = made(kind)
    stepped(net, optimiser, 2)
    state = plain(remembered(optimiser))
    name = next(k for k, v in state[0].items() if torch.is_tensor(v) and v.dim() == 4)
    if wrong == "shape":
        state[0][name] = state[0][name][:1]
    elif wrong == "nan":
        state[0][name][0, 0, 0, 0] = float("nan")
    elif wrong == "missing":
        del state[0][name]
    else:
        state[99] = state[0]
    with pytest.raises(CheckpointError, match="state: "):
        restore_optimiser(made(kind)[1], state, "state")
