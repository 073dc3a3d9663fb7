"""Optimisers update as they say, and what they remember is brought back whole, however it lay in
memory when it was saved."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from unretouch.base.errors import CheckpointError
from unretouch.training.fast_recipe import FastRecipe, make_optimizer
from unretouch.training.optimisers import Optimiser, remembered, restore_optimiser
from unretouch.training.step import adam

KINDS = {
    "adam": lambda net: adam(net, 0.01, 0.5),
    "muon": lambda net: make_optimizer(net, FastRecipe()),
}


def made(kind: str) -> tuple[torch.nn.Module, Optimiser]:
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 4, 3))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net, KINDS[kind](net)


def stepped(net: torch.nn.Module, optimiser: Optimiser, seed: int) -> None:
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


def test_adam_is_that_of_torch_bit_for_bit() -> None:
    net, optimiser = made("adam")
    other = copy.deepcopy(net)
    theirs = torch.optim.Adam(other.parameters(), lr=0.01, betas=(0.5, 0.999), fused=True)
    for seed in range(3):
        stepped(net, optimiser, seed)
        stepped(other, theirs, seed)
    for mine, its in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)
    assert copy.deepcopy(remembered(optimiser)).keys() == theirs.state_dict()["state"].keys()


WITHOUT_COMPILER = """
import sys
import test_optimisers as own
from unretouch.settings.train import TrainSettings
from unretouch.training.estimates import run_bytes
for kind in own.KINDS:
    own.stepped(*own.made(kind), 1)
for netG in ("unet_128", "detail"):
    assert run_bytes(TrainSettings(dataroot="-", netG=netG, ngf=2, ndf=2, size="s"))
assert "torch._dynamo" not in sys.modules
"""


def test_neither_updates_nor_shapes_wait_for_the_compiler_of_torch() -> None:
    """Importing it takes longer than everything else a small run does."""
    subprocess.run([sys.executable, "-c", WITHOUT_COMPILER], cwd=Path(__file__).parent, check=True)


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
