"""Crops as other cameras take them: both sides alike, off the grid, and judged through them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unretouch.networks import detail
from unretouch.training.cameras import NEAR, OWN, Camera, drawn
from unretouch.training.crops import Crops
from unretouch.training.stages import EarlyChoice


def crop(side: int = 64) -> Crops:
    """A crop whose source is its target, two levels darker."""
    random = np.random.default_rng(0)
    target = torch.from_numpy(random.integers(60, 190, (1, 3, side, side))).float() / 127.5 - 1
    return Crops(target - 2 / 127.5, target, torch.zeros(1, 1, side, side, dtype=torch.bool))


def test_a_draw_depends_on_its_counters_alone() -> None:
    assert drawn(0.5, 1, 2, [0, 1, 2, 3])[2:] == drawn(0.5, 1, 2, [2, 3])
    assert drawn(0.5, 1, 2, [0]) != drawn(0.5, 1, 3, [0])
    assert drawn(None, 1, 2, [0, 1]) == [OWN, OWN]


def test_a_share_of_the_crops_is_of_other_cameras_and_all_are_moved_against_the_grid() -> None:
    found = drawn(0.4, 0, 0, range(2000))
    own = [each for each in found if each.colours == OWN]
    assert len(own) / len(found) == pytest.approx(0.6, abs=0.05)
    assert {(each.down, each.right) for each in own} == {(y, x) for y in range(8) for x in range(8)}


def test_a_camera_that_changes_nothing_leaves_every_bit() -> None:
    plain = crop()
    taken = plain.taken_by(Camera(down=3, right=5), 64)
    assert torch.equal(taken.source, plain.source)
    assert torch.equal(taken.target, plain.target)


@given(
    st.sampled_from(range(0, 200, 8)),
    st.integers(0, 7),
    st.floats(0.5, 2),
    st.integers(40, 400),
    st.integers(40, 400),
)
def test_a_window_lies_in_the_picture(
    start: int, moved: int, scale: float, height: int, width: int
) -> None:
    place = min(start, height - 40), min(start, width - 40)
    window = Camera(scale, down=moved, right=moved).window(place, 40, (height, width))
    top, left, side = window
    assert side % 8 == 0
    assert side == pytest.approx(40 / scale, abs=4) or side > min(height, width) - 8
    assert min(top, left) >= 0
    assert top + side <= max(height, 40)
    assert left + side <= max(width, 40)


def test_both_sides_are_taken_alike() -> None:
    """Where source and target are one, they stay so, and pixels stay in their range."""
    same = crop()
    same = Crops(same.target, same.target, same.left_out)
    for camera in (*NEAR, *drawn(1.0, 0, 0, range(20))):
        taken = same.taken_by(camera, 48)
        assert torch.equal(taken.source, taken.target)
        assert taken.source.abs().max() <= 1
        levels = (taken.source + 1) * 127.5
        assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_a_camera_changes_scale_sharpness_and_colour() -> None:
    plain = crop()

    def contrast(camera: Camera, side: int = 64) -> float:
        return float(plain.taken_by(camera, side).target.std())

    assert (
        contrast(Camera(sharpness=0.4))
        > 1.1 * contrast(OWN)
        > 1.2 * contrast(Camera(sharpness=-0.4))
    )
    assert contrast(OWN, 32) < 0.8 * contrast(OWN)
    red, green, blue = plain.taken_by(Camera(gains=(0.5, 1, 1), gamma=2), 64).target.mean((0, 2, 3))
    assert red < green - 0.1
    assert green == pytest.approx(float(blue), abs=0.02)


def test_a_large_change_is_one_of_the_cameras_picture() -> None:
    """The guide of a fine network says how light changes: through a camera it changes as much more
    as the picture's light does."""
    plain = crop()
    guide = torch.full((1, 4, 64, 64), 8 / 127.5)
    guided = Crops(plain.source, plain.target, plain.left_out, guide)
    found = guided.taken_by(Camera(gains=(0.5, 0.5, 0.5)), 64).guide
    assert found is not None
    assert float(found[:, :3].mean()) * 127.5 == pytest.approx(4, abs=0.1)
    assert torch.equal(found[:, 3:], guide[:, 3:])


def test_what_does_harm_through_another_camera_is_not_kept() -> None:
    """A network that makes dark pixels right and light ones wrong is right for the pairs only."""
    torch.manual_seed(0)
    net = detail.Detail((8, 8, 8)).eval()
    dark = crop()
    left_out = ~dark.left_out
    own = Crops(dark.source, dark.target, left_out)
    light = Crops(dark.source + 0.3, dark.target + 0.3, left_out)

    def choice(far: Crops) -> EarlyChoice:
        return EarlyChoice(net, [own], [(far, [1.0])], predicted, predicted, "restore")

    def predicted(net: torch.nn.Module, sample: Crops) -> torch.Tensor:
        if not net.head.bias.any():  # type: ignore[union-attr, operator]
            return sample.source
        wrong = sample.source.mean() > dark.source.mean() + 0.1
        return sample.target + (0.1 if wrong else 0.0)

    better = detail.Detail((8, 8, 8)).eval()
    with torch.no_grad():
        better.head.bias.fill_(1.0)
    blind, seeing = choice(own), choice(light)
    blind.consider(better, 1)
    seeing.consider(better, 1)
    assert not blind.net.does_nothing()
    assert seeing.net.does_nothing()
