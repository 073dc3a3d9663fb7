"""Previews of large pairs: what they cost, what they tell, and what of it is an estimate."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from unretouch import networks
from unretouch.networks.detail import Detail
from unretouch.networks.prediction import (
    PartPredictor,
    Window,
    predict_picture,
    surroundings,
)
from unretouch.pixels.pairs import Pair
from unretouch.runs.folder import RunDir
from unretouch.settings.train import TrainSettings
from unretouch.training import large_pairs, previews
from unretouch.training.large_pairs import TILE, chosen_tiles, drawn_tiles, estimated_error, survey
from unretouch.training.pair_error import evaluated
from unretouch.training.previews import MOST_TILES, Previews
from unretouch.training.stopping import Abandoned

FAST = TrainSettings(dataroot="-", netG="detail", recipe="fast", lambda_GAN=0, display_freq=1)


def tiny(trained: bool = True, seed: int = 0) -> Detail:
    """The generator `detail` with few channels, as before or after some updates."""
    torch.manual_seed(seed)
    net = Detail((4, 4, 4)).eval()
    if trained:
        with torch.no_grad():
            net.head.weight.normal_(0, 0.05)
    return net


def made_pair(height: int, width: int, name: str = "face", seed: int = 0) -> Pair:
    """Two pictures alike but for faint noise in a half, and a strong and a less strong spot."""
    random = np.random.default_rng(seed)
    target = np.kron(
        random.integers(60, 190, (height // 8 + 1, width // 8 + 1, 3)), np.ones((8, 8, 1))
    )
    target = target[:height, :width].astype(np.uint8)
    source = target.copy()
    source[:, width // 2 :] += random.integers(0, 2, (height, width - width // 2, 3), np.uint8)
    top, left = height // 3, width // 4
    source[top : top + 40, left : left + 40] += 30
    source[-60:-30, -60:-30] += 20
    return Pair(name, source, target, ())


class At:
    """Where a run stands, as far as previews ask."""

    batch_size = 1
    done = time_up = epoch_ended = False
    budget_s = None
    elapsed = 100.0

    def __init__(self, step: int) -> None:
        self.step = self.epoch = step

    def left_s(self) -> float:
        return 500.0


@pytest.fixture
def small_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 0.1 megapixels count as large, and tiles are small beside them."""
    monkeypatch.setattr(large_pairs, "LARGE_PIXELS", 100_000)
    monkeypatch.setattr(large_pairs, "LONG_SIDE", 300)
    monkeypatch.setattr(large_pairs, "TILE", 96)
    monkeypatch.setattr(large_pairs, "CORE", 128)


def begun(folder: Path, pairs: list[Pair]) -> Previews:
    run = RunDir(folder, "run")
    run.prepare()
    return Previews(run, FAST, pairs)


def take(taken: Previews, step: int, net: nn.Module, **given: Any) -> Any:
    taken.take(At(step), SimpleNamespace(generator=net, known=lambda name: None), **given)  # type: ignore[arg-type]
    return taken.taken[-1] if taken.taken else None


def seen_by(net: nn.Module) -> list[int]:
    """Return a list that receives the pixels of every picture the network is given."""
    pixels: list[int] = []
    net.register_forward_pre_hook(lambda _, given: pixels.append(given[0].shape[2:].numel()))
    return pixels


def read(taken: Previews, name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(taken._run.web / name).convert("RGB"))


def test_a_preview_of_24_megapixels_predicts_a_dozen_tiles(tmp_path: Path) -> None:
    pair = made_pair(40, 60)
    sides = (np.tile(side, (100, 100, 1)) for side in (pair.source, pair.target))
    taken = begun(tmp_path, [Pair("large", *sides, ())])
    pixels = seen_by(net := tiny(trained=False))
    assert take(taken, 0, net).pairs[0].estimated is False
    assert pixels == []
    pixels = seen_by(net := tiny())
    assert take(taken, 1, net).pairs[0].estimated is True
    around = TILE + 2 * net.margin + 3 * net.size_multiple
    assert 0 < sum(pixels) <= MOST_TILES * around**2 < 24_000_000 / 8


def test_the_tiles_are_shared_by_all_large_pairs(tmp_path: Path, small_scale: None) -> None:
    taken = begun(tmp_path, [made_pair(360, 400, f"face{n}", n) for n in range(13)])
    pixels = seen_by(net := tiny())
    shown = take(taken, 1, net).pairs
    assert len(pixels) <= MOST_TILES
    assert 2 <= len(shown) <= MOST_TILES // 2
    assert all(pair.sampled_tiles >= 2 for pair in shown)


def test_a_small_pair_is_shown_and_measured_whole(tmp_path: Path) -> None:
    pair, net = made_pair(64, 72), tiny()
    taken = begun(tmp_path, [pair])
    shown = take(taken, 3, net).pairs[0]
    prediction, error = evaluated(net, pair)
    figures = dataclasses.asdict(error)
    assert figures.pop("left_out") == 0
    assert figures.items() <= {**vars(shown), "places": ()}.items()
    assert (shown.fake_B, shown.size) == ("images/epoch003_step3_face_fake_B.png", None)
    assert np.array_equal(read(taken, shown.fake_B), np.rint(prediction).astype(np.uint8))
    assert np.array_equal(read(taken, "images/epoch000_face_real_B.png"), pair.target)


def test_before_the_first_update_all_is_known_exactly(tmp_path: Path, small_scale: None) -> None:
    pair, net = made_pair(403, 617), tiny(trained=False)
    taken = begun(tmp_path, [pair])
    shown = take(taken, 0, net).pairs[0]
    _, error = evaluated(net, pair)
    assert shown.level_error == shown.identity_error == pytest.approx(error.identity_error)
    assert shown.exact_pixels == pytest.approx(error.exact_pixels)
    assert (shown.recovered_share, shown.estimated, shown.size) == (0.0, False, (617, 403))
    assert max(read(taken, shown.fake_B).shape) <= 300
    assert np.array_equal(read(taken, shown.fake_B), read(taken, shown.real_A))
    assert [place.kind for place in shown.places] == ["strongest", "strongest"]


def test_while_it_trains_places_are_shown_at_their_full_size(
    tmp_path: Path, small_scale: None
) -> None:
    pair, net = made_pair(403, 617), tiny()
    taken = begun(tmp_path, [pair])
    take(taken, 0, tiny(trained=False))
    shown = take(taken, 5, net).pairs[0]
    assert (shown.fake_B, shown.error_map, shown.exact_pixels) == ("", None, None)
    assert [place.kind for place in shown.places] == ["strongest", "strongest", "worst"]
    whole = np.rint(predict_picture(net, pair.source)).astype(np.uint8)
    for place in shown.places:
        window = Window(place.top, place.left, place.height, place.width)
        for file, side in (
            (place.real_A, pair.source), (place.fake_B, whole), (place.real_B, pair.target)
        ):  # fmt: skip
            difference = read(taken, file).astype(int) - window.of(side)
            assert np.abs(difference).max() <= (1 if side is whole else 0)
        assert read(taken, place.error_map).shape == (place.height, place.width, 3)


def test_at_the_end_the_whole_is_measured_where_time_allows(
    tmp_path: Path, small_scale: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, net = made_pair(403, 617), tiny()
    taken = begun(tmp_path, [pair])
    monkeypatch.setattr(previews, "WHOLE_S", 0.0)
    monkeypatch.setattr(previews, "WHOLE_SHARE", 0.0)
    assert take(taken, 5, net, last=True).pairs[0].estimated
    monkeypatch.setattr(previews, "WHOLE_S", 1e9)
    shown = take(taken, 5, net, last=True).pairs[0]
    _, error = evaluated(net, pair)
    assert not shown.estimated
    assert shown.level_error == pytest.approx(error.level_error, rel=1e-4)
    assert shown.exact_pixels == pytest.approx(error.exact_pixels, abs=1e-3)
    assert read(taken, shown.fake_B).shape == read(taken, shown.real_A).shape
    assert len(taken.taken) == 1


def test_a_classic_generator_is_shown_whole_at_any_size(tmp_path: Path, small_scale: None) -> None:
    settings = TrainSettings(dataroot="-", netG="resnet_6blocks", ngf=2)
    taken = begun(tmp_path, [made_pair(320, 328)])
    shown = take(taken, 1, networks.build_generator(settings)).pairs[0]
    assert not shown.estimated
    assert read(taken, shown.fake_B).shape == (320, 328, 3)


def test_only_pictures_of_previews_that_are_kept_stay(tmp_path: Path, small_scale: None) -> None:
    taken = begun(tmp_path, [made_pair(403, 617)])
    take(taken, 0, tiny(trained=False))
    for step in range(1, 4):
        take(taken, step, tiny(seed=step))
    taken.taken = [taken.taken[0], taken.taken[2]]
    taken._write_record()
    names = {
        name.removeprefix("images/")
        for preview in taken.taken
        for part in (preview.pairs[0], *preview.pairs[0].places)
        for name in (part.real_A, part.fake_B, part.real_B, part.error_map)
        if name
    }
    assert {path.name for path in taken._run.preview_images.iterdir()} == names


def test_previews_are_read_again_old_ones_too(tmp_path: Path, small_scale: None) -> None:
    taken = begun(tmp_path, [made_pair(403, 617)])
    take(taken, 5, tiny())
    assert Previews(taken._run, FAST, []).taken == taken.taken
    old = {
        "name": "face", "real_A": "a", "fake_B": "f", "real_B": "b", "error_map": None,
        "level_error": 1.0, "identity_error": 2.0, "recovered_share": 0.5, "exact_pixels": 0.1,
    }  # fmt: skip
    line = json.dumps({"step": 0, "epoch": 0, "pairs": [old]})
    taken._run.previews.write_text(line + "\n", "utf-8")
    assert old.items() <= vars(Previews(taken._run, FAST, []).taken[0].pairs[0]).items()


def test_a_stop_is_heeded_within_a_preview_and_leaves_no_record_of_it(
    tmp_path: Path, small_scale: None
) -> None:
    taken = begun(tmp_path, [made_pair(403, 617)])
    take(taken, 0, tiny(trained=False))
    before = {path.name for path in taken._run.preview_images.iterdir()}
    pixels = seen_by(net := tiny())

    def stop(*_: object) -> None:
        if len(pixels) == 2:
            raise Abandoned

    net.register_forward_pre_hook(stop)
    with pytest.raises(Abandoned):
        take(taken, 5, net)
    taken.abandon()
    assert [preview.step for preview in taken.taken] == [0]
    assert {path.name for path in taken._run.preview_images.iterdir()} == before


def test_a_preview_that_takes_too_long_for_a_stop_is_given_up(
    tmp_path: Path, small_scale: None
) -> None:
    taken = begun(tmp_path, [made_pair(403, 617)])
    take(taken, 0, tiny(trained=False))
    with pytest.raises(Abandoned):
        take(taken, 5, tiny(), within_s=-1.0)
    taken.abandon()
    assert [preview.step for preview in taken.taken] == [0]


@pytest.mark.parametrize("place", [(0, 0, 50, 70), (131, 77, 96, 60), (220, 301, 83, 99)])
def test_a_window_is_predicted_as_in_the_whole(place: tuple[int, int, int, int]) -> None:
    pair, net, window = made_pair(303, 400), tiny(), Window(*place)
    around = surroundings(net, window, pair.shape)
    within = Window(window.top - around.top, window.left - around.left, *place[2:])
    alone = PartPredictor(net, around.of(pair.source)).at(within)
    np.testing.assert_allclose(alone, window.of(predict_picture(net, pair.source)), atol=2e-3)


def lighter(net: Detail) -> Detail:
    """The same network, which guesses that all is lighter, by more where it is light."""
    with torch.no_grad():
        net.head.bias += 0.2  # type: ignore[operator]
    return net


@pytest.mark.parametrize("place", [(0, 0, 50, 70), (220, 301, 83, 99)])
def test_a_window_lacks_the_slow_change_that_the_whole_lacks(
    place: tuple[int, int, int, int],
) -> None:
    pair, net, window = made_pair(303, 400), lighter(tiny()), Window(*place)
    net.slower = 24.0
    found, whole = PartPredictor(net, pair.source).at(window), predict_picture(net, pair.source)
    np.testing.assert_allclose(found, window.of(whole), atol=2e-3)
    net.slower = None
    assert np.abs(found - PartPredictor(net, pair.source).at(window)).mean() > 0.3


def test_figures_are_those_of_the_prediction_as_a_user_gets_it(
    tmp_path: Path, small_scale: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An estimate from tiles, and what was measured of the whole; shown is the same."""
    monkeypatch.setattr(large_pairs, "STEADIED_PIXELS", 100_000)
    pair, net = made_pair(403, 617), lighter(tiny())
    net.slower = 24.0
    taken = begun(tmp_path, [pair])
    prediction, error = evaluated(net, pair)
    for last, tolerance in ((False, 0.25), (True, 1e-4)):
        shown = take(taken, 5, net, last=last).pairs[0]
        assert shown.estimated != last
        assert shown.level_error == pytest.approx(error.level_error, rel=tolerance)
        for place in shown.places:
            window = Window(place.top, place.left, place.height, place.width)
            wanted = np.rint(window.of(prediction))
            assert np.abs(read(taken, place.fake_B) - wanted).max() <= 1
    net.slower = None
    assert evaluated(net, pair)[1].level_error > 1.1 * error.level_error


def test_only_a_detail_before_its_first_update_does_nothing() -> None:
    assert tiny(trained=False).does_nothing()
    assert not tiny().does_nothing()
    classic = TrainSettings(dataroot="-", netG="resnet_6blocks", ngf=2)
    assert not networks.build_generator(classic).does_nothing()


def test_places_are_where_the_retouch_is_strong_not_where_there_is_much_noise() -> None:
    pair = made_pair(900, 1300)
    first, second = [tile for tile in chosen_tiles(survey(pair), 6, 0) if tile.strongest]
    assert (
        first.window.of(pair.source).sum() > first.window.of(pair.target).sum() + 3 * 40 * 40 * 29
    )
    strength = [
        int((tile.window.of(pair.source).astype(int) - tile.window.of(pair.target)).max())
        for tile in (first, second)
    ]
    assert strength[0] == 30
    assert strength[1] in (20, 21)


def test_reduced_pictures_are_means_over_the_strips_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = made_pair(1400, 1260)  # two strips of rows more than one
    seen = survey(pair)
    assert (seen.factor, seen.source.shape) == (2, (700, 630, 3))
    means = pair.source.reshape(700, 2, 630, 2, 3).mean(axis=(1, 3))
    assert np.abs(seen.source - means).max() <= 0.5


def test_every_tile_is_drawn_as_often_as_its_probability_says() -> None:
    random = np.random.default_rng(0)
    weights, areas = random.lognormal(0, 1.5, 60), random.uniform(1, 3, 60)
    counts, stated, draws = np.zeros(60), np.zeros(60), 4000
    for seed in range(draws):
        drawn = drawn_tiles(weights, areas, [7], 9, seed)
        assert len(drawn) == len({index for index, _ in drawn}) == 9
        for index, probability in drawn:
            counts[index] += 1
            stated[index] = probability
    assert stated[7] == 1.0
    np.testing.assert_allclose(counts / draws, stated, atol=0.03)


@pytest.mark.parametrize("learnt", ["evenly", "unevenly", "harm where nothing was retouched"])
def test_the_estimate_is_right_on_average(learnt: str) -> None:
    random = np.random.default_rng(1)
    identities = random.lognormal(0, 1, 200) * (random.random(200) < 0.7)
    left = random.uniform(0, 1, 200) if learnt == "unevenly" else np.full(200, 0.4)
    errors = left * identities
    if learnt.startswith("harm"):
        errors = errors + 0.1
    weights = identities + large_pairs.FLOOR * identities.mean()
    found = []
    for seed in range(1500):
        drawn = drawn_tiles(weights, np.ones(200), [int(identities.argmax())], 12, seed)
        at = [index for index, _ in drawn]
        chances = [probability for _, probability in drawn]
        found.append(
            estimated_error(
                list(errors[at]), list(identities[at]), chances, float(identities.sum())
            )
        )
    assert np.mean(found) == pytest.approx(errors.sum(), rel=0.02)
    if learnt == "evenly":
        np.testing.assert_allclose(found, errors.sum())


def test_an_estimate_without_any_retouch_is_that_of_the_errors_alone() -> None:
    assert estimated_error([1.0, 2.0], [0.0, 0.0], [1.0, 0.5], 0.0) == 5.0
