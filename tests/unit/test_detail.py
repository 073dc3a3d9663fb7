"""The generator `detail`: starts at the identity, sees only a neighbourhood, ends in float32."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unretouch.networks import build_generator, describe_weights, detail, texture_bands
from unretouch.networks.generator import Draw
from unretouch.networks.pyramid import settled
from unretouch.pixels.spaces import Bits
from unretouch.settings.train import AimName, HeadName, TrainSettings


def build(size: str = "s", seed: int = 0, **channels: int) -> nn.Module:
    torch.manual_seed(seed)
    return build_generator(
        TrainSettings(dataroot="-", netG="detail", size=size, **channels)  # type: ignore[arg-type]
    )


def awake(seed: int = 0, size: str = "s") -> nn.Module:
    """A network whose last layer is not zero, as after training."""
    net = build(size, seed)
    nn.init.normal_(net.head.weight, std=0.05)  # type: ignore[union-attr,arg-type]
    return net


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32), st.booleans())
def test_before_any_update_the_output_is_the_input(
    rows: int, columns: int, seed: int, bf16: bool
) -> None:
    net = build(seed=seed % 97)
    multiple = net.size_multiple
    generator = torch.Generator().manual_seed(seed)
    source = torch.rand(1, 3, rows * multiple, columns * multiple, generator=generator) * 2 - 1
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), torch.no_grad():
        prediction = net(source)
    assert prediction.dtype == torch.float32
    assert torch.equal(prediction, source)


@pytest.mark.parametrize("size", list(detail.WIDTHS))
def test_sizes_grow_and_stay_below_8_million_but_l(size: str) -> None:
    count = {s: sum(p.numel() for p in build(s).parameters()) for s in detail.WIDTHS}
    assert count["s"] < count["m"] < count["deep"] < count["l"] < 20e6
    assert size == "l" or count[size] < 8e6


@pytest.mark.parametrize("size", list(detail.WIDTHS))
def test_weights_tell_their_size(size: str) -> None:
    found = detail.recognise_detail(build(size).state_dict())
    assert found is not None
    assert found.size == size
    assert str(found) == f"detail, size {size}"


KNOWN = {
    "s": (10.6919, -0.52961), "m": (17.3318, -10.02647), "deep": (9.92486, 6.87345),
    "l": (31.9173, -15.13539),
}  # fmt: skip
"""What is added to a picture, its mean size and that at one place; of s, m and l by the version
before `deep`."""


@pytest.mark.parametrize("size", list(detail.WIDTHS))
def test_weights_of_earlier_versions_load_and_predict_the_same(size: str) -> None:
    net = build(size)
    state = {
        name: torch.sin(torch.arange(value.numel()) * 0.7 + number).view(value.shape)
        * (1.5 / value[0].numel() ** 0.5)
        for number, (name, value) in enumerate(net.state_dict().items())
    }
    net.load_state_dict(state)
    source = torch.sin(torch.arange(3 * 32 * 48) * 0.37).view(1, 3, 32, 48)
    with torch.no_grad():
        change = net(source) - source
    assert [float(change.abs().mean()), float(change[0, 1, 11, 30])] == pytest.approx(
        KNOWN[size], rel=1e-3
    )


@pytest.mark.parametrize(
    ("aim", "bits", "head"),
    [
        ("fit", 8, "change"), ("fit", 16, "change"), ("restore", 8, "change"),
        ("restore", 16, "gain"), ("texture", 8, "strength"), ("texture", 16, "strength"),
    ],
)  # fmt: skip
def test_auto_takes_size_and_heads_by_the_pairs(aim: AimName, bits: Bits, head: HeadName) -> None:
    asked = TrainSettings(dataroot="-", netG="detail", size="auto", head="auto", aim=aim)
    for pixels, size in ((2_000_000, "m" if aim == "texture" else "deep"), (2_000_001, "pyramid")):
        found = settled(asked, pixels, bits)
        assert (found.size, found.head) == (size, head)
        described = describe_weights(build_generator(found).state_dict())
        assert described is not None
        assert (described.size, described.head) == (size, head)
    chosen = dataclasses.replace(asked, size="m", head="change")
    assert settled(chosen, 1, bits) == chosen


# --- further heads


def guessing(head: HeadName = "gain+guess") -> detail.Detail:
    """A network with further heads, as after training."""
    torch.manual_seed(1)
    net = detail.of_size("s", head=head)
    for name, parameter in net.named_parameters():
        if name.startswith(("head.", "gain.", "guess.")):
            nn.init.normal_(parameter, std=0.05)
    return net.eval()


@pytest.mark.parametrize("head", ["gain", "guess", "gain+guess", "strength"])
def test_with_further_heads_it_starts_at_the_identity_too(head: HeadName) -> None:
    net, source = detail.of_size("s", head=head), torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.equal(net(source), source)
    assert net.does_nothing()


def test_gains_make_the_texture_that_is_left_stronger() -> None:
    net, source = detail.of_size("s", head="gain"), torch.rand(1, 3, 64, 64) * 2 - 1
    assert net.gain is not None
    with torch.no_grad():
        net.gain.bias[:4] = 2.0  # of the finest band, at each place of a cell
        expected = source + 2 * texture_bands.bands(source)[0]
        torch.testing.assert_close(net(source), expected)


def test_the_texture_of_the_change_is_multiplied_by_the_strength_of_its_band() -> None:
    net, source = guessing("strength"), torch.rand(1, 3, 96, 128) * 2 - 1
    assert net.strength is not None
    with torch.no_grad():
        change = net(source) - source
        net.strength.weight[1] = 1.5
        further = 0.5 * texture_bands.luma_bands(change)[:, 1:2]
        torch.testing.assert_close(net(source), source + change + further)
        # In a part, as in the whole.
        wanted = slice(40, 56), slice(64, 72)
        inner = net.part_at(0, 16, wanted)(source[:, :, :, 16:])[:, :, wanted[0], wanted[1]]
        whole = net(source)[:, :, wanted[0], slice(80, 88)]
    torch.testing.assert_close(inner, whole, atol=2e-4, rtol=0)


def test_what_is_guessed_is_drawn_the_same_at_the_same_place() -> None:
    net, source = guessing(), torch.rand(1, 3, 96, 128) * 2 - 1
    with torch.no_grad():
        net.set_draw(Draw(0.0))
        mean = net(source)
        net.set_draw(Draw(1.0, seed=3))
        drawn = net(source)
        assert torch.equal(net(source), drawn)
        net.set_draw(Draw(0.5, seed=3))
        torch.testing.assert_close(net(source), (mean + drawn) / 2)
        net.set_draw(Draw(1.0, seed=4))
        assert not torch.equal(net(source), drawn)
        # In a part, as in the whole.
        net.set_draw(Draw(1.0, seed=3))
        around = slice(0, 96), slice(16, 128)
        wanted = slice(40, 56), slice(64, 72)
        part = net.part_at(0, 16, wanted)(source[:, :, around[0], around[1]])
        inner = part[:, :, wanted[0], wanted[1]]
        whole = net(source)[:, :, wanted[0], slice(80, 88)]
    torch.testing.assert_close(inner, whole, atol=2e-4, rtol=0)


def test_what_is_known_is_made_stronger_before_anything_is_drawn() -> None:
    """Both ways there is as much texture as is expected; the first costs far less error."""
    torch.manual_seed(0)
    noise = texture_bands.noise_bands(0, 0, 256, 256, 1)
    truth = texture_bands.noise_bands(0, 0, 256, 256, 2) * 0.04
    inner = slice(40, -40)
    for share, most in ((0.7, 0.6), (0.2, 1.3)):
        # Of every band so much is known, and the rest of the energy is not.
        known = (share * truth).sum(1, keepdim=True).expand(-1, 3, -1, -1)
        spread = (1 - share**2) ** 0.5 * torch.full_like(truth, 0.04)
        added = texture_bands.at_full_strength(known, spread, noise)
        whole = known + added
        wanted = texture_bands.luma_bands(truth.sum(1, keepdim=True).expand(-1, 3, -1, -1))
        energies = [
            side[:, :, inner, inner].square().mean((0, 2, 3))
            for side in (texture_bands.luma_bands(whole), wanted)
        ]
        torch.testing.assert_close(energies[0], energies[1], rtol=0.35, atol=0)
        error = (whole[:, :1] - truth.sum(1, keepdim=True))[:, :, inner, inner].square().mean()
        of_truth = truth.sum(1)[:, inner, inner].square().mean()
        assert float(error / of_truth) < most


def test_noise_of_a_part_is_that_of_the_whole_and_has_the_deviation_of_one() -> None:
    whole = texture_bands.noise_bands(0, 0, 200, 300, 7)
    part = texture_bands.noise_bands(37, 90, 50, 60, 7)
    assert torch.equal(part, whole[:, :, 37:87, 90:150])
    torch.testing.assert_close(
        whole.std((0, 2, 3)), torch.ones(texture_bands.BANDS), atol=0.03, rtol=0
    )
    assert abs(float(whole.mean())) < 0.02


def test_the_table_of_generators_has_it() -> None:
    chosen = TrainSettings(dataroot="-", netG="detail", size="s")
    assert type(build_generator(chosen)) is detail.Detail


@pytest.mark.parametrize(("input_nc", "output_nc"), [(1, 1), (1, 3), (3, 1)])
def test_grey_pictures_start_at_the_identity_too(input_nc: int, output_nc: int) -> None:
    net = build(input_nc=input_nc, output_nc=output_nc)
    grey = torch.rand(1, 1, 16, 16) * 2 - 1
    with torch.no_grad():
        prediction = net(grey.expand(1, input_nc, 16, 16))
    torch.testing.assert_close(prediction, grey.expand(1, output_nc, 16, 16))


def test_no_buffers_hence_nothing_that_depends_on_what_was_seen_before() -> None:
    assert not list(build().buffers())


def test_a_picture_does_not_depend_on_its_neighbours_in_the_batch() -> None:
    net = awake()
    a, b = torch.rand(2, 1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        together, alone = net(torch.cat([a, b]))[:1], net(a)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_equal_calls_give_equal_bits_in_training_and_evaluation_mode() -> None:
    net, source = awake(), torch.rand(1, 3, 32, 40) * 2 - 1
    with torch.no_grad():
        assert torch.equal(net.train()(source), net.eval()(source))


@pytest.mark.parametrize("size", ["s", "deep"])
def test_a_pixel_sees_at_most_margin_pixels_far(size: str) -> None:
    net = awake(size=size)
    margin, multiple = net.margin, net.size_multiple
    source = torch.rand(1, 3, multiple, 2 * (margin // multiple + 4) * multiple) * 2 - 1
    middle = source.shape[3] // 2
    other = source.clone()
    other[..., :middle] = torch.rand(1, 3, multiple, middle) * 2 - 1
    with torch.no_grad():
        change = (net(source) - net(other)).abs()
    assert change[..., middle + margin :].max() == 0
    assert change[..., middle : middle + 8].max() > 0


def test_the_last_sum_is_float32_under_bf16() -> None:
    """A tenth of a grey level must survive next to 1, where bf16 steps by half a level."""
    net = build()
    level = 1 / 127.5
    nn.init.constant_(net.head.bias, 0.1 * level / detail.RESIDUAL_UNIT)  # type: ignore[union-attr,arg-type]
    source = torch.full((1, 3, 16, 16), 0.99)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        change = net(source) - source
    torch.testing.assert_close(change, torch.full_like(change, 0.1 * level), rtol=0.01, atol=0)


def test_weights_come_back_bit_for_bit(tmp_path: Path) -> None:
    net, other = awake(), build(seed=1)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    other.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True))
    source = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        assert torch.equal(net(source), other(source))


@pytest.mark.parametrize("size", [(40, 56), (9, 3), (8, 8)])
def test_the_mean_around_is_that_of_pooling_and_the_same_in_a_tile(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    for laid in (picture, picture.to(memory_format=torch.channels_last)):
        pooled = F.avg_pool2d(laid, 5, stride=1, padding=2, count_include_pad=False)
        torch.testing.assert_close(detail._blur(laid), pooled, rtol=0, atol=1e-6)
    if size == (40, 56):
        part = detail._blur(picture[:, :, 10:30, 8:40])
        assert torch.equal(part[:, :, 2:-2, 2:-2], detail._blur(picture)[:, :, 12:28, 10:38])
