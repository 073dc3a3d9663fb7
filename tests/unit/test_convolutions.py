"""The quick convolutions against torch's own: results, gradients, and when they are taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unretouch.networks import classic
from unretouch.networks.classic import Double, Halve, Keep

LAYERS = [Halve, Double, Keep]


@pytest.fixture
def narrow_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the quick way for narrow layers, too, so that tests need no wide ones."""
    monkeypatch.setattr(classic, "MANY_CHANNELS", 1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def plainly(layer: Any, x: Tensor) -> Tensor:
    bias = layer.bias
    if isinstance(layer, Double):
        return F.conv_transpose2d(x, layer.weight, bias, stride=2, padding=1)
    return F.conv2d(x, layer.weight, bias, stride=layer.stride, padding=1)


def results(layer: nn.Module, y: Tensor, x: Tensor, upstream: Tensor) -> list[Tensor]:
    return [y, *torch.autograd.grad(y, [x, *layer.parameters()], upstream)]


@pytest.mark.usefixtures("narrow_too")
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(2, 4, 4), (1, 2, 6), (3, 16, 10)])
@pytest.mark.parametrize("out", [2, 5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_same_results_and_gradients_as_torch(
    kind: Any, bias: bool, size: tuple[int, int, int], out: int, layout: torch.memory_format
) -> None:
    count, height, width = size
    layer = kind(3, out, bias).double()
    x = torch.randn(count, 3, height, width, dtype=torch.float64)
    x = x.contiguous(memory_format=layout).requires_grad_()
    quick, plain = layer(x), plainly(layer, x)
    upstream = torch.randn_like(plain)
    assert quick.shape == plain.shape
    for one, other in zip(
        results(layer, quick, x, upstream), results(layer, plain, x, upstream), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


@pytest.mark.usefixtures("narrow_too")
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("out", [2, 5])
def test_differentiable_twice(kind: Any, out: int) -> None:
    layer = kind(2, out, bias=False).double()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer, (x,))


@pytest.mark.parametrize("kind", LAYERS)
def test_in_float32_only_rounding_differs(kind: Any) -> None:
    layer = kind(classic.MANY_CHANNELS, classic.MANY_CHANNELS, bias=False)
    x = torch.randn(1, classic.MANY_CHANNELS, 16, 16)
    quick = layer(x)
    exact = plainly(layer.double(), x.double())
    assert (quick - exact).norm() <= 2e-6 * exact.norm()


class Watched(Exception):
    pass


@pytest.fixture
def quick_way_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: Any, **__: Any) -> Tensor:
        raise Watched

    monkeypatch.setattr(classic, "winograd", raises)
    monkeypatch.setattr(F, "unfold", raises)
    monkeypatch.setattr(F, "fold", raises)


@pytest.mark.usefixtures("quick_way_raises")
@pytest.mark.parametrize("kind", LAYERS)
def test_the_quick_way_is_for_wide_layers_in_training_only(kind: Any) -> None:
    wide = classic.MANY_CHANNELS
    layer = kind(wide, wide, bias=False)
    x = torch.randn(1, wide, 16, 16)
    with pytest.raises(Watched):
        layer(x)
    with torch.no_grad():
        layer(x)
    layer.eval()(x)
    narrow = kind(wide, wide - 1, bias=False)
    narrow(x)


@pytest.mark.usefixtures("quick_way_raises")
def test_many_positions_and_autocast_go_the_plain_way() -> None:
    wide = classic.MANY_CHANNELS
    Halve(wide, wide, bias=False)(torch.randn(1, wide, 34, 32))
    Double(wide, wide, bias=False)(torch.randn(1, wide, 17, 16))
    with torch.autocast("cpu", torch.bfloat16):
        Keep(wide, wide, bias=False)(torch.randn(1, wide, 16, 16))


@pytest.mark.parametrize(("height", "width"), [(2, 2), (4, 3), (5, 64), (64, 6)])
def test_winograd_fits_every_size(height: int, width: int) -> None:
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    weight = torch.randn(4, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(classic.winograd(x, weight), F.conv2d(x, weight, padding=1))
