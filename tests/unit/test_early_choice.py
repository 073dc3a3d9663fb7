"""Of all weights that a run passes through, those are kept that do best on what was left out."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unretouch.networks import detail
from unretouch.pixels.pairs import Pair
from unretouch.training import crops
from unretouch.training.stages import EarlyChoice


def table_of(pairs: list[Pair], *sizes: int, **given: Any) -> crops.CropTable:
    return crops.crop_table(pairs, crops.pair_maps(pairs), *sizes, **given)


@pytest.fixture
def table() -> crops.CropTable:
    """Pairs whose source lacks what the target has: two levels of light."""
    target = np.random.default_rng(0).integers(60, 190, (96, 96, 3), dtype=np.uint8)
    return table_of([Pair("one", target - 2, target, ())], 64, 8, left_out=0.2)


def choice_of(net: nn.Module, table: crops.CropTable) -> EarlyChoice:
    judged = crops.left_out_places(table, EarlyChoice.most(table.crop))
    sample = crops.crops_at(table, judged)
    return EarlyChoice(net, sample, lambda net, sample: net(sample.source), "restore")


def network(levels: float) -> nn.Module:
    """A generator that adds so many grey levels everywhere."""
    torch.manual_seed(0)
    net = detail.Detail((8, 8, 8))
    with torch.no_grad():
        net.head.bias.fill_(levels / 127.5 / detail.RESIDUAL_UNIT)
    return net.eval()


def added(choice: EarlyChoice) -> float:
    with torch.no_grad():
        return float(choice.net(torch.zeros(1, 3, 16, 16)).mean()) * 127.5


def test_the_best_of_all_is_kept(table: crops.CropTable) -> None:
    choice = choice_of(network(0), table)
    for levels in (1.0, 2.0, 3.0, 9.0):
        choice.consider(network(levels))
    assert added(choice) == pytest.approx(2, abs=0.01)


def test_what_is_worse_than_doing_nothing_is_never_kept(table: crops.CropTable) -> None:
    choice = choice_of(network(0), table)
    choice.consider(network(5))
    assert added(choice) == 0


def test_weights_of_another_run_are_judged_before_any_other(table: crops.CropTable) -> None:
    choice = choice_of(network(0), table)
    choice.net.load_state_dict(network(9).state_dict())
    choice.begin()
    choice.consider(network(5))
    assert added(choice) == pytest.approx(5, abs=0.01)


def test_it_goes_on_from_its_state(table: crops.CropTable) -> None:
    choice = choice_of(network(0), table)
    choice.consider(network(1.5))
    other = choice_of(network(0), table)
    other.restore(copy.deepcopy(choice.state()), "state")
    other.consider(network(1))
    assert added(other) == pytest.approx(1.5, abs=0.01)
