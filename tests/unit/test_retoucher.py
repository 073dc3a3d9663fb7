"""--also: the retouch itself is learnt first, and makes pairs of untouched pictures."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import fault_harness as harness
import numpy as np
import pytest
import torch
from fault_harness import FAST, Place, Warm

from unretouch.base.errors import UsageError
from unretouch.pixels.images import write_png
from unretouch.pixels.pairs import Pair
from unretouch.runs import checkpoint
from unretouch.settings.train import TrainSettings
from unretouch.training import crops, retoucher
from unretouch.training.fast_fit import FastFit

HERE = torch.device("cpu")
STEPS = 24
FIRST = math.ceil(STEPS * retoucher.SHARE)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    from unretouch.networks import detail
    from unretouch.training import stages

    monkeypatch.setitem(detail.WIDTHS, "s", (8, 8, 8))  # type: ignore[arg-type]
    monkeypatch.setattr(stages, "MOST_PIXELS", 1 << 15)


def picture(seed: int, side: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(80, 120, (side, side, 3), dtype=np.uint8)


def pair() -> Pair:
    target = picture(3)
    source = target.copy()
    source[64:192, 64:192] = (target[64:192, 64:192] // 4 + 87).astype(np.uint8)
    return Pair("one", source, target, ())


def untouched(count: int = 3) -> list[Pair]:
    return [Pair(f"also_{n}", picture(n), picture(n), ()) for n in range(10, 10 + count)]


def fit() -> FastFit:
    settings = TrainSettings(
        dataroot="-", netG="detail", size="s", recipe="fast", lambda_GAN=0, aim="restore",
        also="somewhere", seed=1,
    )  # fmt: skip
    return FastFit(settings, [pair()], HERE, untouched=untouched())


def trained(fitted: FastFit, steps: range) -> FastFit:
    for step in steps:
        fitted.update(step, 1, 0, step / STEPS)
    return fitted


def test_nothing_is_restored_while_the_retouch_is_learnt() -> None:
    fitted = trained(fit(), range(FIRST))
    assert not fitted.generator.state_dict()["head.weight"].any()
    assert fitted._retoucher is not None
    assert fitted._retoucher[0].state_dict()["head.weight"].any()
    trained(fitted, range(FIRST, STEPS))
    assert fitted._own[0].net.state_dict()["head.weight"].any()


def test_people_are_told_what_is_learnt_and_of_how_many_pictures() -> None:
    fitted = fit()
    notes = [fitted.update(step, 1, 0, step / STEPS).note for step in range(FIRST + 2)]
    assert "the retouch itself is learnt, to make pairs of 3 untouched pictures" in notes[0]
    assert "now the way back, with 3 made pairs" in notes[FIRST]
    assert not any(note for step, note in enumerate(notes) if step not in (0, FIRST))


def test_a_made_pair_leads_back_to_the_untouched_picture() -> None:
    fitted = trained(fit(), range(FIRST + 1))
    given, *made = fitted._own[0].table.pairs
    assert given.name == "one"
    for each, whole in zip(made, untouched(), strict=True):
        assert np.array_equal(each.target, whole.target)
        assert each.source.shape == each.target.shape


def test_made_pairs_are_about_a_third_of_what_is_seen() -> None:
    maps = crops.pair_maps([pair()])
    much = [Pair(f"made_{n}", picture(n) // 2, picture(n), ()) for n in range(10)]
    maps += crops.pair_maps(much)
    table = crops.crop_table([pair(), *much], maps, 64, 8, made=len(much))
    places, _ = crops.drawn(table, 0, 0, 2000)
    assert 0.25 < float(np.mean(places[:, 0] > 0)) < 0.4


@functools.cache
def never_stopped() -> str:
    return checkpoint.digest(trained(fit(), range(STEPS)).state())


@pytest.mark.parametrize("at", [1, FIRST, FIRST + 1, STEPS - 1])
def test_R1_a_run_that_goes_on_is_equal_to_one_that_never_stopped(at: int) -> None:
    first = trained(fit(), range(at))
    second = fit()
    second.restore(first.state(), "here")
    trained(second, range(at, STEPS))
    assert checkpoint.digest(second.state()) == never_stopped()


def test_it_is_for_portraits_that_were_never_seen() -> None:
    with pytest.raises(UsageError, match="Add --aim restore or texture"):
        TrainSettings(dataroot="-", recipe="fast", netG="detail", also="somewhere")


def test_a_run_goes_on_with_the_same_untouched_pictures_only(
    forker: Warm, dataroot: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "untouched"
    folder.mkdir()
    for number in range(2):
        write_png(folder / f"{number}.png", picture(number, 64))
    flags = (*FAST, "--aim", "restore", "--also", str(folder), "--n_epochs", "3")
    place = Place(dataroot, tmp_path / "runs", (*flags, "--n_epochs_decay", "0"))
    done = forker.run(place.words(), tiny_detail=True)
    assert done.code == 0, done.out
    assert "2 untouched pictures" in done.out
    write_png(folder / "1.png", picture(7, 64))
    changed = forker.run(place.words("--continue_train", "--n_epochs", "4"), tiny_detail=True)
    assert changed.code == 3
    assert "the pictures of --also are not those" in changed.out
    assert "1.png" in changed.out
    assert harness.states(place.root)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_without_pictures_is_refused(
    forker: Warm, dataroot: Path, tmp_path: Path, there: bool
) -> None:
    folder = tmp_path / "untouched"
    if there:
        folder.mkdir()
    place = Place(dataroot, tmp_path / "runs", (*FAST, "--aim", "restore", "--also", str(folder)))
    done = forker.run(place.words(), tiny_detail=True)
    assert done.code == 3
    said = done.out.splitlines()[-1]
    assert str(folder) in said
    assert "Traceback" not in done.out
    assert not place.root.exists()
