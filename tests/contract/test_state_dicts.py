"""State dicts of the classic networks: keys, shapes and counts as in the classic files."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from unretouch.base.errors import CheckpointError
from unretouch.networks import (
    GENERATORS,
    build_discriminator,
    build_generator,
    describe_weights,
    load_weights,
)
from unretouch.settings.train import TrainSettings

STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}


def generator(**settings: Any) -> torch.nn.Module:
    with torch.device("meta"):
        return build_generator(TrainSettings(dataroot="-", **settings))


def discriminator(**settings: Any) -> torch.nn.Module:
    with torch.device("meta"):
        return build_discriminator(TrainSettings(dataroot="-", **settings))


def shapes(net: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in net.state_dict().items()}


def parameter_count(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_unet_256_with_batch_norm() -> None:
    net = generator(netG="unet_256", norm="batch")
    found = shapes(net)
    expected: dict[str, tuple[int, ...]] = {
        "model.model.0.weight": (64, 3, 4, 4),
        "model.model.3.weight": (128, 3, 4, 4),
        "model.model.3.bias": (3,),
    }

    def add_norm(prefix: str, width: int) -> None:
        for name in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{prefix}.{name}"] = (width,)
        expected[f"{prefix}.num_batches_tracked"] = ()

    prefix = "model.model.1"
    for outer, inner in [(64, 128), (128, 256), (256, 512), (512, 512), (512, 512), (512, 512)]:
        expected[f"{prefix}.model.1.weight"] = (inner, outer, 4, 4)
        add_norm(f"{prefix}.model.2", inner)
        expected[f"{prefix}.model.5.weight"] = (2 * inner, outer, 4, 4)
        add_norm(f"{prefix}.model.6", outer)
        prefix += ".model.3"
    expected[f"{prefix}.model.1.weight"] = (512, 512, 4, 4)
    expected[f"{prefix}.model.3.weight"] = (512, 512, 4, 4)
    add_norm(f"{prefix}.model.4", 512)

    assert found == expected
    assert len(found) == 82
    assert parameter_count(net) == 54_413_955
    assert sum(v.numel() * v.element_size() for v in net.state_dict().values()) == 217_695_348


def test_basic_discriminator_with_batch_norm() -> None:
    net = discriminator(netD="basic", norm="batch")
    found = shapes(net)
    assert list(dict.fromkeys(key.rsplit(".", 1)[0] for key in found)) == [
        f"model.{n}" for n in (0, 2, 3, 5, 6, 8, 9, 11)
    ]
    assert found["model.0.weight"] == (64, 6, 4, 4)
    assert found["model.11.weight"] == (1, 512, 4, 4)
    assert {key for key in found if key.endswith(".bias")} == {
        f"model.{n}.bias" for n in (0, 3, 6, 9, 11)
    }
    assert len(found) == 22
    assert parameter_count(net) == 2_768_705
    assert sum(v.numel() * v.element_size() for v in net.state_dict().values()) == 11_082_012


@pytest.mark.parametrize(
    ("settings", "keys", "parameters"),
    [
        ({"netG": "unet_256", "norm": "instance"}, 32, 54_409_603),
        ({"netG": "unet_256", "norm": "none"}, 17, 54_404_099),
        ({"netG": "unet_128", "norm": "batch"}, 70, 41_828_995),
        ({"netG": "resnet_9blocks", "norm": "instance"}, 48, 11_378_179),
        ({"netG": "resnet_9blocks", "norm": "batch"}, 140, 11_383_427),
        ({"netG": "resnet_6blocks", "norm": "instance"}, 36, 7_837_699),
    ],
)
def test_counts_of_generators(settings: dict[str, Any], keys: int, parameters: int) -> None:
    net = generator(**settings)
    assert (len(net.state_dict()), parameter_count(net)) == (keys, parameters)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"netD": "n_layers", "n_layers_D": 1, "norm": "none"}, ["model.0", "model.2", "model.5"]),
        ({"netD": "pixel", "norm": "none"}, ["net.0", "net.2", "net.5"]),
        ({"netD": "pixel", "norm": "batch"}, ["net.0", "net.2", "net.3", "net.5"]),
    ],
)
def test_names_of_discriminators(settings: dict[str, Any], names: list[str]) -> None:
    found = shapes(discriminator(**settings))
    assert list(dict.fromkeys(key.rsplit(".", 1)[0] for key in found)) == names


def test_widths_of_a_deep_discriminator_stop_at_eight_times_the_first() -> None:
    found = shapes(discriminator(netD="n_layers", n_layers_D=5, norm="none"))
    assert [shape[0] for key, shape in found.items() if key.endswith("weight")] == [
        64, 128, 256, 512, 512, 512, 1,
    ]  # fmt: skip


def test_dropout_moves_keys_of_residual_generators_only() -> None:
    assert "model.10.conv_block.6.weight" in shapes(generator(netG="resnet_6blocks"))
    assert "model.10.conv_block.5.weight" in shapes(
        generator(netG="resnet_6blocks", no_dropout=True, norm="instance")
    )
    assert shapes(generator(netG="unet_128")) == shapes(generator(netG="unet_128", no_dropout=True))


@pytest.mark.parametrize("netG", ["unet_256", "unet_128", "resnet_9blocks", "resnet_6blocks"])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("no_dropout", [True, False])
def test_describe_tells_what_a_file_holds(netG: str, norm: str, no_dropout: bool) -> None:
    net = generator(netG=netG, norm=norm, no_dropout=no_dropout, ngf=8, input_nc=1, output_nc=3)
    found = describe_weights(net.state_dict())
    assert found is not None
    assert (found.netG, found.norm, found.ngf) == (netG, norm, 8)
    assert (found.input_nc, found.output_nc) == (1, 3)
    assert found.dropout is (None if netG.startswith("unet") else not no_dropout)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        ("s", "change"),
        ("m", "gain"),
        ("deep", "guess"),
        ("l", "strength"),
        ("pyramid", "gain+guess"),
    ],
)
def test_describe_tells_what_a_file_of_detail_holds(size: str, head: str) -> None:
    net = generator(netG="detail", size=size, head=head, input_nc=1, output_nc=3)
    found = describe_weights(net.state_dict())
    assert found is not None
    told = {"netG": "detail", "size": size, "head": head, "input_nc": 1, "output_nc": 3}
    assert found.settings() == told


@pytest.mark.parametrize("netG", GENERATORS)
def test_settings_that_weights_tell_are_settings_that_the_generator_takes(netG: str) -> None:
    kind = GENERATORS[netG]  # type: ignore[index]
    found = kind.recognise(generator(netG=netG, norm="instance").state_dict())
    assert found is not None
    assert set(found.settings()) - {"netG"} <= kind.takes
    again = generator(**found.settings())
    assert shapes(again) == shapes(generator(netG=netG, norm="instance"))


def test_describe_knows_nothing_of_others() -> None:
    assert describe_weights({}) is None
    assert describe_weights(discriminator().state_dict()) is None
    assert describe_weights({"model.model.0.weight": torch.zeros(1)}) is None


def small(**settings: Any) -> torch.nn.Module:
    return build_generator(TrainSettings(dataroot="-", ngf=2, **settings))


def test_load_returns_what_was_saved() -> None:
    one, other = small(), small()
    load_weights(one, other.state_dict(), "file")
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])


def refusal(net: torch.nn.Module, state: dict[Any, Any]) -> str:
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(net, state, "latest_net_G.pth")
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key])
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("latest_net_G.pth: ")
    return message


def test_load_names_what_the_file_holds_and_what_is_asked_for() -> None:
    state = small(netG="resnet_9blocks", norm="instance").state_dict()
    message = refusal(small(), state)
    assert "holds a resnet_9blocks with instance norm, ngf 2, with dropout" in message
    assert "what was asked for is a unet_256 with batch norm, ngf 2" in message


def test_load_names_the_size_of_another_width() -> None:
    wide = build_generator(TrainSettings(dataroot="-", ngf=3, netG="unet_128"))
    message = refusal(small(netG="unet_128"), wide.state_dict())
    assert "ngf 3" in message
    assert "ngf 2" in message


def test_load_refuses_missing_and_unexpected_keys_by_name() -> None:
    net = small()
    state = dict(net.state_dict())
    del state["model.model.3.bias"]
    assert "lacks model.model.3.bias" in refusal(net, state)
    state = {**net.state_dict(), "model.extra": torch.zeros(1)}
    assert "holds model.extra" in refusal(net, state)


def test_load_refuses_wrong_shapes_kinds_and_things_that_are_no_tensors() -> None:
    net = small()
    key = "model.model.3.bias"
    assert "of shape (4,), not (3,)" in refusal(net, {**net.state_dict(), key: torch.zeros(4)})
    assert "as torch.int64" in refusal(net, {**net.state_dict(), key: torch.zeros(3).long()})
    assert "not a state dict" in refusal(net, {**net.state_dict(), "epoch": 3})
    assert "not a state dict" in refusal(net, {**net.state_dict(), 7: torch.zeros(3)})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_load_refuses_values_that_are_not_finite(value: float) -> None:
    net = small()
    bad = net.state_dict()["model.model.3.weight"].clone()
    bad.view(-1)[-1] = value
    message = refusal(net, {**net.state_dict(), "model.model.3.weight": bad})
    assert "not finite, in model.model.3.weight" in message


def test_load_ignores_what_very_old_files_hold_and_supplies_what_they_lack() -> None:
    net = small(norm="instance")
    relics = {
        f"model.model.1.model.2.{name}": torch.zeros(() if "num" in name else 4)
        for name in STATISTICS
    }
    load_weights(net, {**net.state_dict(), **relics}, "file")
    assert describe_weights({**net.state_dict(), **relics}) == describe_weights(net.state_dict())

    net = small(norm="batch")
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    load_weights(net, state, "file")


def test_weights_are_stored_in_plain_order() -> None:
    """So that files are read alike by programs that take the bytes as they lie."""
    assert all(value.is_contiguous() for value in small().state_dict().values())
