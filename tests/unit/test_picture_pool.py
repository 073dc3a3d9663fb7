"""--pool_size: earlier predictions that the discriminator is shown again."""

from __future__ import annotations

from pathlib import Path

import fault_harness as harness
import pytest
import torch

from unretouch.base.errors import CheckpointError, NonFiniteError
from unretouch.pixels.pairs import load_pairs
from unretouch.settings.train import TrainSettings
from unretouch.training import classic_fit
from unretouch.training.classic_fit import ClassicFit, PicturePool

CPU = torch.device("cpu")


def pair(number: int) -> torch.Tensor:
    return torch.full((1, 6, 2, 2), float(number))


def shown(pool: PicturePool, steps: range) -> list[int]:
    """Let the updates of `steps` show a pair each, whose values are the number of its step."""
    found = []
    for step in steps:
        found.append(int(pool.shown(pair(step), step)[0, 0, 0, 0]))
        pool.remember()
    return found


def test_until_it_is_full_what_is_shown_is_new() -> None:
    assert shown(PicturePool(50, seed=1), range(50)) == list(range(50))


def test_then_half_are_earlier_ones_and_none_is_shown_twice_in_their_place() -> None:
    pool = PicturePool(5, seed=1)
    found = shown(pool, range(400))
    earlier = [seen for step, seen in enumerate(found) if seen != step]
    assert 0.4 < len(earlier) / 400 < 0.6
    assert len(set(earlier)) == len(earlier)
    assert all(seen < step for step, seen in enumerate(found) if seen != step)
    assert len(pool.pairs) == 5


def test_it_is_drawn_by_seed_and_step_so_that_it_goes_on_as_it_would_have() -> None:
    whole = shown(PicturePool(5, seed=1), range(40))
    first, second = PicturePool(5, seed=1), PicturePool(5, seed=1)
    begun = shown(first, range(15))
    second.restore(first.pairs, 6, CPU, "state")
    assert begun + shown(second, range(15, 40)) == whole
    assert shown(PicturePool(5, seed=2), range(40)) != whole


def test_pairs_of_one_batch_are_exchanged_one_by_one() -> None:
    pool = PicturePool(3, seed=1)
    shown(pool, range(3))
    batch = torch.cat([pair(number) for number in range(10, 16)])
    seen = pool.shown(batch, 3)[:, 0, 0, 0].tolist()
    assert set(seen) <= {0.0, 1.0, 2.0, *range(10, 16)}
    assert len(set(seen)) == 6


def test_predictions_of_other_networks_are_refused() -> None:
    with pytest.raises(CheckpointError, match="other networks"):
        PicturePool(3, seed=1).restore([pair(1)[:, :4]], 6, CPU, "state")


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    return TrainSettings(
        dataroot=str(harness.make_pairs(tmp_path)), netG="resnet_6blocks", ngf=2, ndf=2,
        preprocess="crop", crop_size=32, pool_size=2,
    )  # fmt: skip


def fit_of(settings: TrainSettings) -> ClassicFit:
    return ClassicFit(settings, load_pairs(Path(settings.dataroot), "train").pairs, CPU)


def test_a_fit_remembers_and_an_update_that_is_refused_changes_nothing(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = fit_of(settings)
    for step in range(3):
        fit.update(step, 1, step, 0.0)
    before = [pair.clone() for pair in fit.state()["pool"]]
    assert [tuple(pair.shape) for pair in before] == [(1, 6, 32, 32)] * 2
    assert fit.pool_bytes == sum(pair.numel() * 4 for pair in before)

    def refused(*_: object, shown: object, **__: object) -> None:
        assert callable(shown)
        shown(torch.zeros(1, 6, 32, 32))
        raise NonFiniteError("G_L1 is nan", "")

    for step in range(3, 8):
        monkeypatch.setattr(classic_fit, "train_step", refused)
        with pytest.raises(NonFiniteError):
            fit.update(step, 2, 0, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, fit.state()["pool"], strict=True))


def test_without_it_a_state_is_as_it_was(settings: TrainSettings) -> None:
    import dataclasses

    plain = fit_of(dataclasses.replace(settings, pool_size=0))
    assert "pool" not in plain.state()
    assert plain.pool_bytes == 0
