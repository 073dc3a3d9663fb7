"""The generator `pyramid`: large changes at an eighth of the size, pores at full resolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from unretouch.model.interface import ModelInfo
from unretouch.model.load import recognised
from unretouch.model.torch_model import TorchModel
from unretouch.networks import build_generator, predict_picture, prediction, pyramid
from unretouch.networks.detail import Detail
from unretouch.networks.prediction import PartPredictor, Window, surroundings
from unretouch.networks.pyramid import FACTOR, Pyramid
from unretouch.pixels.photos import Photo
from unretouch.pixels.spaces import Sizing
from unretouch.settings.train import TrainSettings
from unretouch.tasks.apply.restore import Restorer


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def small(awake: bool = True, gate: float | None = None) -> Pyramid:
    """A small pyramid; awake, as after training; with the gate open (1) or shut (0) everywhere."""
    torch.manual_seed(0)
    net = Pyramid(Detail((8, 8, 8), output_nc=4), Detail((8, 8, 8)))
    if awake:
        for part in (net.coarse, net.fine):
            nn.init.normal_(part.head.weight, std=0.1)
    if gate is not None:
        with torch.no_grad():
            # Four neighbours of each channel come from the first layer's reduced resolution.
            net.coarse.head.weight.view(4, 4, -1)[3] = 0
            net.coarse.head.bias.view(4, 4)[3] = 1000 * (2 * gate - 1)
    return net.eval()


def picture(
    height: int, width: int, seed: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    cells = np.random.default_rng(seed).integers(40, 200, (-(-height // 9), -(-width // 9), 3))
    large: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = (
        cells.astype(np.uint8).repeat(9, 0).repeat(9, 1)[:height, :width]
    )
    return np.ascontiguousarray(large)


@pytest.mark.parametrize("bf16", [False, True])
def test_before_any_update_the_output_is_the_input(bf16: bool) -> None:
    net, source = small(awake=False), torch.rand(1, 3, 128, 64) * 2 - 1
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), torch.no_grad():
        prediction = net(source)
    assert prediction.dtype == torch.float32
    assert torch.equal(prediction, source)
    assert net.does_nothing()
    assert not small().does_nothing()


def test_where_the_gate_is_shut_every_pixel_stays_bit_for_bit() -> None:
    source = torch.rand(1, 3, 128, 128) * 2 - 1
    with torch.no_grad():
        shut, open_ = small(gate=0)(source), small(gate=1)(source)
    assert torch.equal(shut, source)
    assert (open_ - source).abs().mean() > 1e-3


def test_a_pixel_sees_at_most_margin_pixels_far() -> None:
    net = small(gate=1)
    width = -(-(2 * net.margin + 256) // net.size_multiple) * net.size_multiple
    source = torch.rand(1, 3, net.size_multiple, width) * 2 - 1
    other, middle = source.clone(), width // 2
    other[..., :middle] = torch.rand(1, 3, net.size_multiple, middle) * 2 - 1
    with torch.no_grad():
        change = (net(source) - net(other)).abs()
    assert change[..., middle + net.margin :].max() == 0
    assert change[..., middle : middle + 8].max() > 0


def test_M3_tiles_and_windows_of_a_pyramid(monkeypatch: pytest.MonkeyPatch) -> None:
    net, rgb = small(), picture(701, 903)
    whole = predict_picture(net, rgb)
    monkeypatch.setattr(prediction, "WHOLE", 1000)
    monkeypatch.setattr(prediction, "TILE", 300**2)
    monkeypatch.setattr(pyramid, "STRIP", 192)
    np.testing.assert_allclose(predict_picture(net, rgb), whole, atol=2e-3)
    tall = np.tile(rgb, (3, 1, 1))
    window = Window(960, 320, 90, 100)
    around = surroundings(net, window, tall.shape[:2])
    assert around.pixels < tall.shape[0] * tall.shape[1]
    alone = PartPredictor(net, around.of(tall)).at(window.within(around))
    np.testing.assert_allclose(alone, window.of(predict_picture(net, tall)), atol=2e-3)
    assert np.abs(whole - rgb).mean() > 0.1


def test_a_part_lacks_the_slow_change_of_the_large_changes() -> None:
    """A network that has looked at the whole need not see it again for what is slow."""
    net, rgb, window = small(gate=1), picture(701, 903), Window(320, 64, 90, 100)
    nn.init.constant_(net.coarse.head.bias.view(4, 4)[:3], 0.3)
    nn.init.zeros_(net.fine.head.weight)
    net.slower = 768.0
    parts = PartPredictor(net, rgb)
    found, seen = parts.at(window), parts.seen
    assert seen == parts.looked_at(window)
    np.testing.assert_allclose(found, window.of(predict_picture(net, rgb)), atol=0.05)
    assert np.abs(found - parts.unsteadied_at(window)).mean() > 0.5


def test_a_part_of_a_guide_is_that_of_the_enlarged_one() -> None:
    cells = torch.rand(1, 4, 9, 12)
    whole = pyramid.enlarged(cells)
    for top, left, height, width in ((0, 0, 24, 16), (16, 40, 30, 41), (48, 64, 24, 32)):
        part = pyramid.guide_at(cells, top, left, height, width)
        torch.testing.assert_close(part, whole[:, :, top : top + height, left : left + width])
    beyond = pyramid.guide_at(cells, 64, 88, 16, 16)
    assert beyond.shape == (1, 4, 16, 16)
    torch.testing.assert_close(
        beyond[..., FACTOR:, FACTOR:], cells[..., -1:, -1:].expand(1, 4, 8, 8)
    )


@pytest.mark.parametrize(("input_nc", "output_nc"), [(1, 1), (1, 3), (3, 1)])
def test_grey_pictures_start_at_the_identity_too(input_nc: int, output_nc: int) -> None:
    net = build_generator(
        TrainSettings(
            dataroot="-", netG="detail", size="pyramid",
            input_nc=input_nc, output_nc=output_nc,  # type: ignore[arg-type]
        )
    )  # fmt: skip
    grey = torch.rand(1, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        prediction = net(grey.expand(1, input_nc, 64, 64))
    torch.testing.assert_close(prediction, grey.expand(1, output_nc, 64, 64))


def test_weights_tell_that_they_are_a_pyramid() -> None:
    net = build_generator(TrainSettings(dataroot="-", netG="detail", size="pyramid"))
    assert recognised(net.state_dict(), Path("net.pth")).size == "pyramid"


def test_a_photograph_in_tiles_is_restored_as_the_whole() -> None:
    net, rgb = small(), picture(640, 1000)
    info = ModelInfo(
        "pyramid",
        "here",
        net.size_multiple,
        False,
        Sizing("none", 256, 256),
        margin=net.margin,
    )
    settings = TrainSettings(dataroot="-", netG="detail", size="pyramid")
    model = TorchModel(net, settings, info, torch.device("cpu"), "32-true")
    whole, tiled = (
        Restorer(model, tile=tile).restore(Photo(rgb.copy(), "png", ".png")).photo.pixels
        for tile in (10**7, 360**2)
    )
    expected = np.rint(predict_picture(net, rgb)).clip(0, 255)
    assert np.abs(whole.astype(int) - expected).max() <= 1
    assert np.abs(tiled.astype(int) - whole).max() <= 1
    assert np.abs(whole.astype(int) - rgb).mean() > 0.1


def test_what_it_guesses_of_a_part_is_that_of_the_whole() -> None:
    torch.manual_seed(0)
    net = Pyramid(Detail((8, 8, 8), output_nc=4), Detail((8, 8, 8), head="guess")).eval()
    for part in (net.coarse, net.fine):
        nn.init.normal_(part.head.weight, std=0.1)
    rgb = np.random.default_rng(1).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    parts = PartPredictor(net, rgb)
    whole = parts.spread(Window(0, 0, 700, 900))
    window = Window(240, 320, 200, 136)
    np.testing.assert_allclose(parts.spread(window), window.of(whole), atol=1e-4)
    assert whole.min() > 0
