"""The two stages of a `pyramid`, and which weights a fit keeps."""

from __future__ import annotations

import copy
import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
import torch
from crop_batches import crops_at
from torch import nn

from unretouch.networks import detail, pyramid
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import pair_map
from unretouch.settings.train import AimName, HeadName, TrainSettings
from unretouch.training import crops, optimisers
from unretouch.training.cameras import OWN
from unretouch.training.fast_fit import FastFit
from unretouch.training.stages import LEAST_SHARE, MOST_SHARE, EarlyChoice, coarse_share

HERE = torch.device("cpu")
STEPS = 24


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    from unretouch.networks import detail
    from unretouch.training import stages

    monkeypatch.setitem(detail.WIDTHS, "s", (8, 8, 8))  # type: ignore[arg-type]
    monkeypatch.setattr(stages, "MOST_PIXELS", 1 << 15)


def pairs() -> list[Pair]:
    """A picture of noise, a square of which was made lighter by 12 levels, and smoother."""
    random = np.random.default_rng(3)
    target = random.integers(80, 120, (512, 576, 3), dtype=np.uint8)
    source = target.copy()
    source[128:320, 192:448] = (target[128:320, 192:448] // 4 + 87).astype(np.uint8)
    return [Pair("one", source, target, ())]


def fit(aim: AimName = "fit") -> FastFit:
    settings = TrainSettings(
        dataroot="-", netG="detail", size="pyramid", recipe="fast", lambda_GAN=0, aim=aim, seed=1,
        head="strength" if aim == "texture" else "change",
    )  # fmt: skip
    return FastFit(settings, pairs(), HERE)


def trained(fitted: FastFit, steps: range) -> FastFit:
    for step in steps:
        fitted.update(step, 1, 0, step / STEPS)
    return fitted


def coarse_weights(fitted: FastFit) -> dict[str, torch.Tensor]:
    return {
        key: value.clone()
        for key, value in fitted.generator.state_dict().items()
        if key.startswith("coarse.")
    }


def test_the_coarse_network_comes_first_and_then_stays_as_it_is() -> None:
    fitted = fit()
    half = int(STEPS * fitted._stages[0].ends_at)
    fresh = fitted.generator.state_dict()
    fresh = {key: value.clone() for key, value in fresh.items()}
    trained(fitted, range(half))
    now = fitted.generator.state_dict()
    for key, value in now.items():
        assert torch.equal(value, fresh[key]) == key.startswith("fine."), key
    before = coarse_weights(fitted)
    trained(fitted, range(half, STEPS))
    for key, value in fitted.generator.state_dict().items():
        if key.startswith("coarse."):
            assert torch.equal(value, before[key]), key
        else:
            assert not torch.equal(value, fresh[key]), key


@functools.cache
def never_stopped(aim: AimName) -> dict[str, torch.Tensor]:
    return trained(fit(aim), range(STEPS)).generator.state_dict()


@pytest.mark.parametrize(
    ("aim", "stop"), [("fit", 7), ("fit", 17), ("restore", 7), ("restore", 17), ("texture", 17)]
)
def test_R1_a_pyramid_in_either_stage(
    aim: AimName, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With kernels that take turns."""
    monkeypatch.setattr(optimisers, "LARGE", 8 * 8 * 9)
    first = trained(fit(aim), range(stop))
    state = copy.deepcopy(first.state())
    second = fit(aim)
    second.restore(state, "state")
    trained(second, range(stop, STEPS))
    ended, resumed = never_stopped(aim), second.generator.state_dict()
    assert ended.keys() == resumed.keys()
    for key in ended:
        assert torch.equal(ended[key], resumed[key]), key


@pytest.mark.parametrize("head", ["guess", "strength"])
def test_the_strength_of_texture_is_measured_in_a_pyramid(head: HeadName) -> None:
    settings = TrainSettings(
        dataroot="-", netG="detail", size="pyramid", head=head, recipe="fast", lambda_GAN=0,
        aim="texture", seed=1,
    )  # fmt: skip
    fitted = trained(FastFit(settings, pairs(), HERE), range(STEPS))
    for weight in fitted.generator.state_dict().values():
        assert bool(weight.isfinite().all())
    fine = fitted._stages[-1]
    net = fine.net
    assert isinstance(net, detail.Detail)
    left_out = fine._all_by(OWN, crops.left_out_places(fine.table, 4))
    fine._measure_strength(net, [left_out])
    strengths = net.strengths if net.strength is None else net.strength.weight
    assert bool(strengths.isfinite().all())
    assert not torch.equal(strengths, torch.ones_like(strengths))


def test_of_a_pyramid_the_texture_of_the_fine_network_alone_is_made_stronger() -> None:
    """What the coarse network changes is there before it."""
    fine = trained(fit("texture"), range(STEPS))._stages[-1]
    sample = fine._all_by(OWN, crops.left_out_places(fine.table, 1))
    assert sample.guide is not None
    sample = dataclasses.replace(sample, guide=torch.rand_like(sample.guide))
    with torch.no_grad():
        for parameter in fine.net.head.parameters():  # type: ignore[union-attr]
            parameter.zero_()
        seen = fine._seen(fine.net, sample)
    assert torch.equal(seen.picture, seen.before)
    assert not torch.equal(seen.before, sample.source)


def test_what_is_reduced_teaches_the_change_and_where_it_is() -> None:
    fitted = fit()
    end = fitted._stages[0].ends_at
    updates = [fitted.update(step, 1, 0, step / 200 * end * 0.999) for step in range(200)]
    assert updates[-1].mean_error < 0.6 * updates[-1].identity
    source = torch.from_numpy(pairs()[0].source).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        guide = pyramid.guide(fitted.generator.coarse, pyramid.reduced(source))  # type: ignore[arg-type]
    gate = guide[0, 3]
    assert gate[18:38, 26:54].mean() > 0.65
    assert gate[48:].mean() < 0.2


def test_left_out_pixels_are_those_of_both_networks() -> None:
    coarse, fine = fit("restore")._stages
    for of_coarse, of_fine in zip(coarse.table.left_out, fine.table.left_out, strict=True):
        assert of_coarse.block == of_fine.block
        assert np.array_equal(of_coarse.cells, of_fine.cells)
    assert coarse.table.left_out[0].cells.any()


def test_weights_of_another_run_are_taken_whole() -> None:
    other = trained(fit(), range(STEPS))
    begun = fit()
    begun.load_weights(other.weights(), "net.pth")
    for key, value in begun.generator.state_dict().items():
        assert torch.equal(value, other.generator.state_dict()[key]), key


def test_time_goes_to_the_network_that_has_more_to_learn() -> None:
    target = np.random.default_rng(0).integers(80, 160, (256, 256, 3), dtype=np.uint8)
    lighter = target + np.uint8(20)
    checks = (target + 12 * (np.indices(target.shape).sum(0) % 2)).astype(np.uint8)
    shares = [coarse_share([pair_map(source, target)]) for source in (lighter, checks - 6)]
    assert shares == [MOST_SHARE, LEAST_SHARE]


def table_of(pairs: list[Pair], *sizes: int, **given: Any) -> crops.CropTable:
    return crops.crop_table(pairs, crops.pair_maps(pairs), *sizes, **given)


@pytest.fixture
def table() -> crops.CropTable:
    """Pairs whose source lacks what the target has: two levels of light."""
    target = np.random.default_rng(0).integers(60, 190, (96, 96, 3), dtype=np.uint8)
    return table_of([Pair("one", target - 2, target, ())], 64, 8, left_out=0.2)


def choice_of(net: nn.Module, table: crops.CropTable) -> EarlyChoice:
    judged = crops.left_out_places(table, EarlyChoice.most(table.crop))
    sample = crops_at(table, judged, [0] * len(judged))
    return EarlyChoice(
        net,
        [sample],
        [(sample, [1.0] * len(judged))],
        lambda net, sample: net(sample.source),
        lambda net, sample: net(sample.source),
        "restore",
    )


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
    for step, levels in enumerate((1.0, 2.0, 3.0, 9.0), 1):
        choice.consider(network(levels), step)
    assert added(choice) == pytest.approx(2, abs=0.01)
    assert (choice.step, choice.judged) == (2, 4)


def test_what_is_judged_and_kept_has_its_texture_measured(table: crops.CropTable) -> None:
    def doubled(net: Any) -> None:
        with torch.no_grad():
            net.head.bias.mul_(2)

    judged = crops.left_out_places(table, EarlyChoice.most(table.crop))
    sample = crops_at(table, judged, [0] * len(judged))
    far = [(sample, [1.0] * len(judged))]
    choice = EarlyChoice(
        network(0), [sample], far, *2 * [lambda net, sample: net(sample.source)], "restore", doubled
    )
    for levels in (0.4, 1.0, 2.0):  # twice as many are 0.8, 2.0, 4.0; 2 are right
        choice.consider(network(levels), round(10 * levels))
    assert added(choice) == pytest.approx(2, abs=0.01)


def test_what_is_worse_than_doing_nothing_is_never_kept(table: crops.CropTable) -> None:
    choice = choice_of(network(0), table)
    choice.consider(network(5), 5)
    assert added(choice) == 0


def test_weights_of_another_run_are_judged_before_any_other(table: crops.CropTable) -> None:
    choice = choice_of(network(0), table)
    choice.net.load_state_dict(network(9).state_dict())
    choice.begin()
    choice.consider(network(5), 5)
    assert added(choice) == pytest.approx(5, abs=0.01)


def test_it_goes_on_from_its_state(table: crops.CropTable) -> None:
    choice = choice_of(network(0), table)
    choice.consider(network(1.5), 10)
    other = choice_of(network(0), table)
    other.restore(copy.deepcopy(choice.state()), "state")
    other.consider(network(1), 20)
    assert added(other) == pytest.approx(1.5, abs=0.01)
    assert (other.step, other.judged) == (10, 20)
