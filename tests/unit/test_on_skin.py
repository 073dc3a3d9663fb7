"""A retouch that lies on skin alone teaches skin alone: all else stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unretouch.model.load import load_model
from unretouch.networks.detail import Detail
from unretouch.networks.prediction import PartPredictor, Window, predict_picture
from unretouch.pixels.on_skin import SOME_SKIN, lies_on_skin, skin_blocks
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouch import retouch, skin_mask
from unretouch.pixels.retouched_area import exact_map
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings, load_bounds, save_settings
from unretouch.training import crops, fast_fit
from unretouch.training.cameras import Camera
from unretouch.training.fast_fit import FastFit

Rgb = NDArray[np.uint8]

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def face(portrait: Rgb) -> Rgb:
    return np.ascontiguousarray(portrait[:256, 96:352])


@pytest.fixture(scope="module")
def pair(face: Rgb) -> Pair:
    return Pair("face", retouch(face, seed=1), face, ())


def lighter() -> Detail:
    """A network that makes everything lighter by two levels."""
    torch.manual_seed(0)
    net = Detail((4, 4, 4)).eval()
    with torch.no_grad():
        net.head.bias += 0.3  # type: ignore[operator]
    return net


def on_skin(pairs: list[Pair]) -> bool:
    maps = [exact_map(pair.source, pair.target) for pair in pairs]
    return lies_on_skin([skin_blocks(pair.source) for pair in pairs], maps)


def test_the_usual_retouch_lies_on_skin(pair: Pair) -> None:
    assert on_skin([pair])


def test_a_retouch_of_the_background_does_not(pair: Pair) -> None:
    source = pair.target.copy()
    elsewhere = skin_mask(source) == 0
    source[elsewhere] = source[elsewhere] // 2 + 60
    other = Pair("grey", source, pair.target, ())
    assert not on_skin([other])
    assert not on_skin([pair, other])


def test_where_nothing_was_retouched_there_is_nothing_to_tell(face: Rgb) -> None:
    assert not on_skin([Pair("same", face, face, ())])


def test_predictions_leave_all_but_skin_to_the_bit(face: Rgb) -> None:
    net = lighter()
    free = predict_picture(net, face)
    net.only_skin = True
    bound, skin = predict_picture(net, face), skin_mask(face)
    assert (bound[skin == 0] == face[skin == 0]).all()
    np.testing.assert_allclose(bound[skin == 1], free[skin == 1], atol=1e-4)
    assert np.abs(bound - face)[skin == 1].mean() > 1
    window = Window(40, 72, 100, 120)
    part = PartPredictor(net, face).at(window)
    np.testing.assert_allclose(part, window.of(bound), atol=2e-3)


def test_crops_know_the_skin_through_every_turn_and_camera(pair: Pair) -> None:
    maps = crops.pair_maps([pair])
    blocks = skin_blocks(pair.source)
    table = crops.crop_table([pair], maps, 64, 8, skin=[blocks])
    crop = crops.crop_at(table, 0, 64, 96, 64)
    assert crop.skin is not None
    assert crop.skin[0, 0, ::8, ::8].numpy() == pytest.approx(blocks[8:16, 12:20])
    turned = crop.turned(1)
    assert turned.skin is not None
    assert torch.equal(turned.skin, torch.rot90(crop.skin, 1, (2, 3)))
    smaller = crop.taken_by(Camera(scale=0.5), 32)
    assert smaller.skin is not None
    assert smaller.skin.shape == (1, 1, 32, 32)
    assert float(smaller.skin.mean()) == pytest.approx(float(crop.skin.mean()), abs=0.05)


def fit(pair: Pair, aim: str = "restore") -> FastFit:
    settings = TrainSettings(
        dataroot="-", netG="detail", size="s", recipe="fast", lambda_GAN=0, aim=aim, seed=1
    )  # type: ignore[arg-type]
    return FastFit(settings, [pair], torch.device("cpu"))


def test_weights_are_judged_by_what_they_do_on_skin(pair: Pair) -> None:
    """What a network does elsewhere is undone in its predictions, so it is no harm."""
    bound = fit(pair)
    assert bound.generator.only_skin
    assert fast_fit.ONLY_SKIN in bound.expectations(100)
    choice = bound._stage.choice
    assert choice is not None
    for sample, _ in choice._far:
        assert sample.skin is not None
        off = (sample.skin < SOME_SKIN).expand_as(sample.source)
        wrong = torch.where(off, sample.source + 0.1, sample.source)
    one, distance = sample.one(0), choice._distance
    bound_error = choice._error(
        bound.generator, lambda net, crop: wrong[:1].expand_as(crop.source), one, None, distance
    )
    idle = choice._error(None, choice._predict, one, None, distance)
    assert bound_error < idle + 0.011  # a tenth of 0.1, where there is less than SOME_SKIN


def test_to_memorise_is_bound_by_nothing(pair: Pair) -> None:
    assert not fit(pair, "fit").generator.only_skin


def test_a_run_tells_it_and_older_runs_do_not(tmp_path: Path, face: Rgb) -> None:
    settings = TrainSettings(dataroot="-", netG="detail", size="s", recipe="fast", lambda_GAN=0)
    config = tmp_path / "config.json"
    save_settings(config, settings, {}, None, only_skin=True)
    assert load_bounds(config) == (None, True)
    from unretouch import networks

    net = networks.build_generator(settings)
    with torch.no_grad():
        net.head.bias += 0.3  # type: ignore[union-attr,operator]
    save_weights(tmp_path / "latest_net_G.pth", net.state_dict())
    skin = skin_mask(face)
    model = load_model(tmp_path / "latest_net_G.pth", device="cpu")
    assert model.info.only_skin
    assert (model.predict(face)[skin == 0] == face[skin == 0]).all()
    save_settings(config, settings, {}, None)
    before = load_model(tmp_path / "latest_net_G.pth", device="cpu")
    assert not before.info.only_skin
    assert (before.predict(face)[skin == 0] != face[skin == 0]).any()
