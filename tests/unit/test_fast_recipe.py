"""The fast recipe: crops by counter, a loss that leaves the identity, an optimiser that resumes."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from crop_batches import crops_at
from torch import Tensor, nn

from unretouch.networks import build_generator, detail
from unretouch.pixels.pairs import Pair
from unretouch.pixels.slow_change import OF_PREDICTIONS
from unretouch.settings.train import TrainSettings
from unretouch.training import crops, optimisers
from unretouch.training import fast_recipe as recipe
from unretouch.training.fast_recipe import FastRecipe
from unretouch.training.optimisers import (
    MOST_ROWS,
    Muon,
    Optimiser,
    orthogonal,
    remembered,
    restore_optimiser,
)


def table_of(pairs: list[Pair], *sizes: int, **given: Any) -> crops.CropTable:
    return crops.crop_table(pairs, crops.pair_maps(pairs), *sizes, **given)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def pair(height: int, width: int, seed: int = 0, changed: slice = slice(None)) -> Pair:
    random = np.random.default_rng(seed)
    target = random.integers(60, 190, (height, width, 3), dtype=np.uint8)
    source = target.copy()
    source[:, changed] = source[:, changed] // 2 + 62
    return Pair(f"p{seed}", source, target, ())


def test_loss_is_zero_at_the_target_and_has_a_slope_in_grey_levels() -> None:
    target = torch.zeros(1, 3, 4, 4)
    for error, wanted in ((0.0, 0.0), (1.0, 0.25), (2.0, 1.0), (10.0, 9.0)):
        loss = recipe.residual_loss(target + error / 127.5, target, FastRecipe(huber=2.0), 0.0)
        assert float(loss) == pytest.approx(wanted, abs=1e-5)


def test_loss_pulls_away_from_identity_where_most_pixels_are_unchanged() -> None:
    residual = torch.zeros(1, 1, 10, 10)
    residual[..., 0] = 5 / 127.5
    prediction = torch.zeros_like(residual, requires_grad=True)
    recipe.residual_loss(prediction, residual, FastRecipe(huber=2.0), 0.0).backward()
    assert prediction.grad is not None
    assert prediction.grad[..., 0].max() < 0
    assert prediction.grad[..., 1:].abs().max() == 0


def test_towards_the_end_the_force_goes_to_what_does_not_round_to_the_answer() -> None:
    def pull(progress: float, near: int) -> list[float]:
        """Of an error of 0.3 levels, one of `near` such, and of one of 0.6 beside nine others."""
        errors = torch.tensor([0.3] * near + [0.6] * (10 - near)) / 127.5
        errors.requires_grad_()
        numbers = FastRecipe(exact_weight=0.8)
        recipe.residual_loss(errors, torch.zeros(10), numbers, progress).backward()
        assert errors.grad is not None
        return (errors.grad[[0, 9]] / 127.5 * 10).tolist()

    before = pull(0.6, 9)
    assert before == pytest.approx([0.3 / 0.2**0.6, 1], abs=0.01)
    many, few = pull(0.7, 9), pull(0.7, 5)
    inside = 0.3 / 0.2**0.7
    assert many == pytest.approx([(1 - 0.8 * 0.9**2) * inside, 1], abs=0.01)
    assert few == pytest.approx([(1 - 0.8 * 0.5**2) * inside, 1], abs=0.01)


@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (16, 16), (1, 9)])
def test_orthogonal_equalises_the_singular_values(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(2, *shape) * 1e-4
    before, after = torch.linalg.svdvals(matrices), torch.linalg.svdvals(orthogonal(matrices))
    assert after.max() < 1.03
    assert after[before > 0.05 * before.max()].min() > 0.97


def test_nothing_to_learn_moves_nothing() -> None:
    assert not orthogonal(torch.zeros(2, 8, 72)).any()


def test_matrices_of_a_stack_do_not_touch_each_other() -> None:
    torch.manual_seed(0)
    stack = torch.randn(3, 8, 72)
    each = torch.cat([orthogonal(one[None]) for one in stack])
    assert torch.allclose(orthogonal(stack), each, atol=1e-6)


def test_large_matrices_are_made_orthogonal_in_blocks_of_rows() -> None:
    torch.manual_seed(0)
    large = torch.randn(1, 2 * MOST_ROWS, 3 * MOST_ROWS)
    blocks = [orthogonal(block) for block in large.split(MOST_ROWS, dim=1)]
    assert torch.allclose(orthogonal(large), torch.cat(blocks, 1), atol=1e-5)


def test_large_kernels_take_turns_and_move_as_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the gradient stays, six updates come to the same."""
    torch.manual_seed(0)
    gradients = [torch.randn(8, 8, 3, 3) for _ in range(3)] + [torch.randn(4, 8, 3, 3)]
    ends = []
    for turns in (1, 3):
        monkeypatch.setattr(optimisers, "LARGE", 8 * 8 * 9)
        monkeypatch.setattr(optimisers, "TURNS", turns)
        kernels = [nn.Parameter(torch.zeros_like(each)) for each in gradients]
        muon, moved = Muon(kernels, [], 0.1, 0.1), []
        for number in range(6):
            before = [kernel.detach().clone() for kernel in kernels]
            for kernel, gradient in zip(kernels, gradients, strict=True):
                kernel.grad = gradient.clone()
            muon.step(number)
            pairs = zip(before, kernels, strict=True)
            moved.append([place for place, (a, b) in enumerate(pairs) if not torch.equal(a, b)])
        ends.append(kernels)
        if turns == 3:
            assert moved == [[0, 3], [2, 3], [1, 3]] * 2
    for one, other in zip(*ends, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_what_is_learnt_does_not_depend_on_the_order_of_memory() -> None:
    """Kernels lie channels last in training, but not in a test, or on another device."""
    torch.manual_seed(0)
    gradient = torch.randn(8, 4, 3, 3)
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        kernel = nn.Parameter(torch.zeros(8, 4, 3, 3).to(memory_format=layout))
        muon = Muon([kernel], [], 0.1, 0.1)
        for _ in range(3):
            kernel.grad = gradient.to(memory_format=layout)
            muon.step()
        found.append(kernel.detach())
    assert torch.allclose(*found, atol=1e-6)
    assert found[0].abs().max() > 0


def test_rates_rise_then_fall_to_zero() -> None:
    numbers = FastRecipe(warm_up=10)
    factor = [recipe.rate_factor(s / 1000, s, numbers) for s in range(1001)]
    assert 0 < factor[0] < factor[5] < factor[9]
    assert max(factor) == pytest.approx(1, abs=1e-2)
    assert all(b <= a for a, b in itertools.pairwise(factor[10:]))
    assert factor[-1] == pytest.approx(0, abs=1e-9)
    assert recipe.rate_factor(1.5, 2000, numbers) == pytest.approx(0, abs=1e-9)


def small() -> nn.Module:
    torch.manual_seed(0)
    return detail.Detail((8, 8, 8))


def train(net: nn.Module, steps: range, optimizer: Optimiser | None = None) -> Tensor:
    numbers = FastRecipe(crop=32, warm_up=5)
    optimizer = optimizer or recipe.make_optimizer(net, numbers)
    table = table_of([pair(64, 64)], 32, 8)
    for step in steps:
        recipe.set_rate(optimizer, recipe.rate_factor(step / 60, step, numbers))
        batch = crops_at(table, *crops.drawn(table, 0, step, 2))
        optimizer.zero_grad()
        loss = recipe.residual_loss(net(batch.source), batch.target, numbers, step / 60)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), numbers.clip)
        optimizer.step(step)
    return loss.detach()


def test_every_weight_moves_and_the_loss_falls() -> None:
    net = small()
    before = copy.deepcopy(net)
    first = train(net, range(1))
    last = train(net, range(60))
    assert last < 0.9 * first
    for (name, old), new in zip(before.named_parameters(), net.parameters(), strict=True):
        assert not torch.equal(old, new), name


def test_where_little_was_changed_the_outer_layers_learn_in_small_steps() -> None:
    numbers = FastRecipe()
    rates = {
        residual: [
            g["base_lr"] for g in recipe.make_optimizer(small(), numbers, residual).param_groups
        ]
        for residual in (0.18, 1.8, 18.0)
    }
    assert rates[1.8] == rates[18.0] == [numbers.rate, numbers.adam_rate]
    assert rates[0.18] == pytest.approx([numbers.rate, 0.1 * numbers.adam_rate])
    table = table_of([pair(64, 64, changed=slice(0, 8)), pair(40, 64, seed=1)], 32, 8)
    drawn = crops_at(table, *crops.drawn(table, 0, 0, 4000))
    asked = 127.5 * (drawn.target - drawn.source).abs().mean()
    assert table.residual == pytest.approx(float(asked), rel=0.1)


def test_a_resumed_optimiser_goes_on_bit_for_bit() -> None:
    whole, halved = small(), small()
    numbers = FastRecipe()
    train(whole, range(8))
    optimizer = recipe.make_optimizer(halved, numbers)
    train(halved, range(4), optimizer)
    resumed = small()
    resumed.load_state_dict(halved.state_dict())
    fresh = recipe.make_optimizer(resumed, numbers)
    restore_optimiser(fresh, copy.deepcopy(remembered(optimizer)), "state")
    train(resumed, range(4, 8), fresh)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_average_follows_and_ends_at_a_resting_network() -> None:
    numbers = FastRecipe(decay=0.9)
    net, average = nn.Linear(2, 2), nn.Linear(2, 2)
    for step in range(400):
        recipe.update_average(average, net, step, 1.0, numbers)
    torch.testing.assert_close(average.weight, net.weight)


@pytest.mark.parametrize(("factor", "moved"), [(1.0, 0.005), (0.1, 0.05), (0.0, 0.1)])
def test_the_average_follows_sooner_where_weights_move_less(factor: float, moved: float) -> None:
    net, average = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.ones_(net.weight)
    nn.init.zeros_(average.weight)
    recipe.update_average(average, net, 10_000, factor, FastRecipe(least_memory=0.05))
    assert float(average.weight.detach()) == pytest.approx(moved, rel=0.01)


_PROCESS = """
import hashlib, sys, torch
sys.path[:0] = {path!r}
from test_fast_recipe import small, train
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)
for bf16 in (False, True):
    net = small()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        train(net, range(3))
    weights = torch.cat([p.detach().flatten() for p in net.parameters()])
    print(hashlib.sha256(weights.numpy().tobytes()).hexdigest())
"""


def test_two_processes_train_to_equal_bits() -> None:
    """In either precision."""
    code = _PROCESS.format(path=[str(Path(__file__).parent), *sys.path])
    one, other = (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(2)
    )
    assert one == other
    assert len(set(one)) == 2


def test_the_sizes_build_from_settings() -> None:
    net = build_generator(TrainSettings(dataroot="-", netG="detail", size="m"))
    optimizer = recipe.make_optimizer(net, FastRecipe())
    counted = sum(len(group["params"]) for group in optimizer.param_groups)
    assert counted == len(list(net.parameters()))


def test_a_sparse_retouch_gets_smaller_crops_and_smaller_steps() -> None:
    dense, sparse = (recipe.recipe_for("fit", share, True) for share in (0.7, 0.05))
    assert dense.exact_weight > sparse.exact_weight == recipe.coarse_recipe(dense).exact_weight == 0
    assert dense is recipe.RECIPES["fit"]
    assert sparse.crop < dense.crop
    assert sparse.batch * sparse.crop**2 == pytest.approx(dense.batch * dense.crop**2, rel=0.02)
    assert (sparse.rate, sparse.adam_rate) < (dense.rate, dense.adam_rate)
    assert recipe.crops_a_step(sparse.crop, sparse) == sparse.batch
    of_texture = recipe.recipe_for("texture", 0.05, False)
    assert of_texture.texture == recipe.RECIPES["texture"].texture


def test_a_network_that_looks_far_learns_other_portraits_from_larger_crops() -> None:
    near, guesses, far = (
        detail.of_size("m"),
        detail.of_size("m", head="guess"),
        detail.of_size("deep"),
    )
    assert [recipe.looks_far(net) for net in (near, guesses, far)] == [False, False, True]
    usual, larger = (recipe.recipe_for("restore", 0.7, far) for far in (False, True))
    assert larger.crop > usual.crop
    assert (larger.slower or 0) > (usual.slower or 0)
    assert recipe.recipe_for("fit", 0.7, True) == recipe.recipe_for("fit", 0.7, False)
    assert recipe.slower_of("restore", far) == OF_PREDICTIONS * (larger.slower or 0)
