"""How strong texture has to be, measured on pictures whose answer is known."""

from __future__ import annotations

import torch
from torch import Tensor

from unretouch.networks import detail
from unretouch.networks.texture_bands import BANDS, luma_bands
from unretouch.training.texture_strength import OF_CHANGE, Seen, measure_strength


def noise(seed: int) -> Tensor:
    """Grey noise, (1, 3, 256, 256), a few grey levels strong."""
    random = torch.Generator().manual_seed(seed)
    return 0.05 * torch.randn(1, 1, 256, 256, generator=random).expand(-1, 3, -1, -1)


def energies(picture: Tensor) -> Tensor:
    return luma_bands(picture).square().mean((0, 2, 3))


def seen(change: Tensor, before: Tensor, target: Tensor) -> Seen:
    return Seen(before, before + change, target, torch.ones_like(target[:, :1]))


def test_a_change_too_weak_is_made_as_strong_as_the_truth() -> None:
    """Of what is missing a part is known, the rest cannot be: all the same the energy is right."""
    net = detail.of_size("s", head="strength")
    assert net.strength is not None
    before, known, unknown = 0.3 * noise(1), noise(2), 0.6 * noise(3)
    target = before + known + unknown
    measure_strength(net, [seen(known, before, target)])
    assert bool((net.strength.weight > 1).all())
    assert bool((net.strength.weight < OF_CHANGE[1]).all())
    picture = before + net.strength(known)
    torch.testing.assert_close(energies(picture), energies(target), rtol=0.08, atol=0)


def test_what_is_strong_enough_stays_as_it_is() -> None:
    net = detail.of_size("s", head="strength")
    assert net.strength is not None
    measure_strength(net, [seen(noise(1), torch.zeros(1, 3, 256, 256), 0.8 * noise(1))])
    assert torch.equal(net.strength.weight, torch.ones(BANDS))


def test_it_is_measured_where_it_is_asked_for_and_nowhere_else() -> None:
    net = detail.of_size("s", head="strength")
    assert net.strength is not None
    target = noise(1)
    where = torch.zeros_like(target[:, :1])
    where[..., :100] = 1
    change = target / 1.2
    change[..., 128:] = 5.0
    measure_strength(net, [Seen(torch.zeros_like(target), change, target, where)])
    torch.testing.assert_close(net.strength.weight, torch.full((BANDS,), 1.2), rtol=0.1, atol=0)


def test_a_network_that_changes_nothing_is_left_as_it_is() -> None:
    net = detail.of_size("s", head="strength")
    assert net.strength is not None
    nothing = torch.zeros(1, 3, 256, 256)
    measure_strength(net, [seen(nothing, nothing, noise(1))])
    assert torch.equal(net.strength.weight, torch.ones(BANDS))
