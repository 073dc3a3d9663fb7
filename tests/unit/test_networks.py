"""What every generator, discriminator and initialisation must do; each new one inherits this."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unretouch.networks import (
    DISCRIMINATORS,
    GENERATORS,
    build_discriminator,
    build_generator,
    load_weights,
    predict,
    predict_picture,
)
from unretouch.networks.prediction import PartPredictor, Window
from unretouch.settings.train import TrainSettings

CLASSIC = ["unet_256", "unet_128", "resnet_9blocks", "resnet_6blocks"]
SIZES = [(64, 64), (1, 1), (37, 200), (130, 5)]


def settings(**values: Any) -> TrainSettings:
    return TrainSettings(dataroot="-", **{"ngf": 4, "ndf": 4, "size": "s", **values})


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(5)


def pictures(count: int, height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, height, width) * 2 - 1


def state_of(net: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in net.state_dict().items()}


def assert_same_state(net: nn.Module, state: dict[str, torch.Tensor]) -> None:
    for key, value in net.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_the_tables_hold_every_name_that_settings_allow() -> None:
    from typing import get_args

    from unretouch.settings.train import DiscriminatorName, GeneratorName

    assert tuple(GENERATORS) == get_args(GeneratorName)
    assert tuple(DISCRIMINATORS) == get_args(DiscriminatorName)


@pytest.mark.parametrize("netG", GENERATORS)
class TestEveryGenerator:
    @pytest.mark.parametrize("size", SIZES)
    def test_prediction_has_the_size_of_the_source(self, netG: str, size: tuple[int, int]) -> None:
        net = build_generator(settings(netG=netG))
        prediction = predict(net, pictures(1, *size))
        assert prediction.shape == (1, 3, *size)
        assert prediction.dtype == torch.float32
        assert prediction.isfinite().all()

    def test_channels_may_differ(self, netG: str) -> None:
        for input_nc, output_nc in [(1, 3), (3, 1), (1, 1)]:
            if netG == "detail" and input_nc != output_nc:
                continue  # adds to its input
            net = build_generator(settings(netG=netG, input_nc=input_nc, output_nc=output_nc))
            assert predict(net, pictures(1, 16, 16, input_nc)).shape == (1, output_nc, 16, 16)

    def test_prediction_repeats_and_leaves_the_network_as_it_was(self, netG: str) -> None:
        net = build_generator(settings(netG=netG))
        net.train()
        next(iter(net.children())).eval()  # a mode that is neither throughout
        modes = [module.training for module in net.modules()]
        before = state_of(net)
        source = pictures(2, 32, 32)
        first = predict(net, source)
        assert torch.equal(first, predict(net, source))
        assert [module.training for module in net.modules()] == modes
        assert_same_state(net, before)
        for mode in ("running", "train"):
            predict(net, source, mode)  # type: ignore[arg-type]
            assert_same_state(net, before)

    def test_prediction_does_not_depend_on_the_batch(self, netG: str) -> None:
        net = build_generator(settings(netG=netG))
        source = pictures(2, 32, 32)
        assert torch.equal(predict(net, source)[1:], predict(net, source[1:]))

    def test_saved_weights_predict_the_same_bit_for_bit(self, netG: str) -> None:
        net, other = (build_generator(settings(netG=netG)) for _ in range(2))
        load_weights(other, net.state_dict(), "file")
        source = pictures(1, 32, 32)
        assert torch.equal(predict(net, source), predict(other, source))

    def test_it_takes_settings_that_there_are(self, netG: str) -> None:
        known = {field.name for field in dataclasses.fields(TrainSettings)}
        assert GENERATORS[netG].takes <= known  # type: ignore[index]

    def test_a_local_one_predicts_a_part_as_in_the_whole(self, netG: str) -> None:
        net = build_generator(settings(netG=netG))
        if not net.is_local:
            pytest.skip("it normalises over the picture")
        for weight in net.parameters():
            nn.init.normal_(weight, std=0.05)
        rgb = np.random.default_rng(0).integers(0, 256, (180, 210, 3), np.uint8)
        window = Window(40, 56, 33, 71)
        part, whole = PartPredictor(net, rgb).at(window), predict_picture(net, rgb)
        assert np.abs(whole - rgb).mean() > 0.1
        np.testing.assert_allclose(part, window.of(whole), atol=2e-3)

    def test_one_for_the_fast_recipe_has_no_noise_and_begins_with_the_source(
        self, netG: str
    ) -> None:
        net = build_generator(settings(netG=netG))
        if not GENERATORS[netG].takes_fast_recipe:  # type: ignore[index]
            assert not net.does_nothing()
            return
        assert not any(isinstance(m, nn.Dropout | nn.BatchNorm2d) for m in net.modules())
        source = pictures(1, 32, 32)
        assert net.does_nothing()
        assert torch.equal(predict(net, source), source)

    def test_what_does_nothing_is_not_asked(
        self, netG: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first preview of a run comes without a single forward pass."""
        net = build_generator(settings(netG=netG))
        if not net.does_nothing():
            pytest.skip("it changes the picture")
        monkeypatch.delattr(type(net), "forward")
        rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
        np.testing.assert_array_equal(predict_picture(net, rgb), rgb.astype(np.float32))

    def test_weights_repeat_under_a_seed(self, netG: str) -> None:
        torch.manual_seed(7)
        net = build_generator(settings(netG=netG))
        torch.manual_seed(7)
        assert_same_state(build_generator(settings(netG=netG)), state_of(net))


@pytest.mark.parametrize("netG", CLASSIC)
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_predictions_of_classic_generators_stay_in_range(netG: str, norm: str) -> None:
    net = build_generator(settings(netG=netG, norm=norm, init_gain=0.5))
    assert predict(net, pictures(1, 40, 40)).abs().max() <= 1


def test_a_picture_of_the_right_size_is_not_padded() -> None:
    net = build_generator(settings(netG="resnet_6blocks", norm="instance", no_dropout=True))
    source = pictures(1, 32, 36)
    with torch.no_grad():
        expected = net.train()(source)
    assert torch.equal(predict(net, source), expected)


def test_padding_reflects_right_and_below() -> None:
    class Remember(nn.Module):
        size_multiple = 8

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = x
            return x

    net = Remember()
    source = pictures(1, 19, 3)
    assert torch.equal(predict(net, source), source)
    padded = np.pad(source.numpy(), ((0, 0), (0, 0), (0, 5), (0, 13)), mode="reflect")
    np.testing.assert_array_equal(net.seen.numpy(), padded)


class TestModesOfPrediction:
    @pytest.fixture
    def net(self) -> nn.Module:
        net = build_generator(settings(netG="unet_128", ngf=8))
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()  # type: ignore[union-attr]
        return net

    def test_evaluate_is_training_without_dropout(self, net: nn.Module) -> None:
        source = pictures(1, 128, 128)
        calm = copy.deepcopy(net).train()
        for module in calm.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        torch.testing.assert_close(
            predict(net, source, "evaluate"), calm(source).detach(), atol=1e-5, rtol=0
        )

    def test_running_is_plain_evaluation(self, net: nn.Module) -> None:
        source = pictures(1, 128, 128)
        with torch.no_grad():
            expected = copy.deepcopy(net).eval()(source)
        assert torch.equal(predict(net, source, "running"), expected)
        assert not torch.equal(predict(net, source, "evaluate"), expected)

    def test_train_has_the_noise_of_training(self, net: nn.Module) -> None:
        source = pictures(1, 128, 128)
        torch.manual_seed(1)
        one = predict(net, source, "train")
        assert not torch.equal(one, predict(net, source, "train"))
        torch.manual_seed(1)
        assert torch.equal(one, predict(net, source, "train"))
        torch.manual_seed(1)
        with torch.no_grad():
            assert torch.equal(one, copy.deepcopy(net).train()(source))

    def test_the_network_is_left_as_it_was_even_when_it_fails(self, net: nn.Module) -> None:
        before = state_of(net)
        with pytest.raises(RuntimeError):
            predict(net, pictures(1, 128, 128, channels=2))
        assert_same_state(net, before)
        assert net.training


def test_dropout_is_on_the_three_or_two_innermost_wide_levels() -> None:
    for name, count in (("unet_256", 3), ("unet_128", 2)):
        net = build_generator(settings(netG=name))
        rates = [m.p for m in net.modules() if isinstance(m, nn.Dropout)]
        assert sorted(rates, reverse=True)[: count + 1] == [0.5] * count + [0.0]
        net = build_generator(settings(netG=name, no_dropout=True))
        assert not any(m.p for m in net.modules() if isinstance(m, nn.Dropout))


@pytest.mark.parametrize(
    ("netD", "expected"), [("basic", (30, 30)), ("n_layers", (62, 62)), ("pixel", (256, 256))]
)
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_every_discriminator_judges_patches(
    netD: str, norm: str, expected: tuple[int, int]
) -> None:
    net = build_discriminator(settings(netD=netD, norm=norm, n_layers_D=2))
    assert net(pictures(2, 256, 256, channels=6)).shape == (2, 1, *expected)


def test_a_value_of_the_basic_discriminator_sees_70_pixels() -> None:
    net = build_discriminator(settings(netD="basic", norm="none"))
    source = pictures(1, 128, 128, channels=6).requires_grad_()
    net(source)[0, 0, 7, 7].backward()
    assert source.grad is not None
    seen = source.grad.abs().sum((0, 1)).nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [70, 70]


class TestInitialisation:
    @pytest.mark.parametrize("gain", [0.02, 0.1])
    def test_normal(self, gain: float) -> None:
        net = build_generator(settings(netG="unet_128", ngf=16, init_gain=gain))
        for name, value in net.named_parameters():
            spread = float(value.detach().std(correction=0))
            if value.dim() == 4:
                assert spread == pytest.approx(gain, rel=0.1), name
                assert abs(float(value.detach().mean())) < gain / 10
            elif name.endswith("weight"):
                assert float(value.detach().mean()) == pytest.approx(1, abs=gain)
                assert 0.5 * gain < spread < 1.6 * gain, name
            else:
                assert not value.any(), name

    def test_xavier_kaiming_orthogonal(self) -> None:
        key = "model.model.1.model.3.model.1.weight"  # (64, 32, 4, 4)
        found = {
            kind: build_generator(
                settings(netG="unet_128", ngf=16, init_type=kind, init_gain=2.0)
            ).state_dict()[key]
            for kind in ("xavier", "kaiming", "orthogonal")
        }
        inputs, outputs = 32 * 16, 64 * 16
        assert float(found["xavier"].std()) == pytest.approx(
            2.0 * (2 / (inputs + outputs)) ** 0.5, rel=0.05
        )
        assert float(found["kaiming"].std()) == pytest.approx((2 / inputs) ** 0.5, rel=0.05)
        rows = found["orthogonal"].flatten(1)
        torch.testing.assert_close(rows @ rows.T, 4 * torch.eye(64), atol=1e-4, rtol=0)

    def test_discriminators_too(self) -> None:
        net = build_discriminator(settings(ndf=32, init_gain=0.1))
        assert float(net.state_dict()["model.5.weight"].std()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("count", [1, 3])
def test_instance_norm_takes_each_picture_and_channel_by_itself(count: int) -> None:
    from unretouch.networks.classic import InstanceNorm

    x = torch.randn(count, 4, 9, 7) * 3 + 1
    torch.testing.assert_close(InstanceNorm()(x), nn.InstanceNorm2d(4)(x), atol=1e-6, rtol=1e-5)
