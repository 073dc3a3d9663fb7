"""Layers: each size of texture in its own, and together exactly what apply makes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from layered import Read, read_psd, read_tiff
from numpy.typing import NDArray
from PIL import Image

from unretouch import networks
from unretouch.base.errors import DataError, UsageError
from unretouch.cli import dispatch, run
from unretouch.model.interface import Floats, ModelInfo, Part
from unretouch.pixels.photos import Photo, read_photo, write_photo
from unretouch.pixels.spaces import Sizing, luma
from unretouch.runs.weights import save_weights
from unretouch.settings.commands import ApplySettings
from unretouch.settings.train import TrainSettings, save_settings
from unretouch.tasks.apply import kept_changes, layered_files, layers, restore
from unretouch.tasks.apply.kept_changes import KeptChanges
from unretouch.tasks.apply.layers import (
    Layers,
    one_layer_a_step,
    opened_mask,
    two_layers_a_step,
    under_mask,
)
from unretouch.tasks.apply.masks import Enlarged
from unretouch.tasks.apply.restore import Restorer
from unretouch.tasks.apply.texture_sizes import by_size, weighed
from unretouch.tiles import Strip


class Texture:
    """A model that adds noise, the same at every place, and counts what it is asked."""

    tile = 1_500_000
    info = ModelInfo("texture", "here", 8, False, Sizing("none", 256, 256), None, 0)

    def __init__(self, height: int = 40, width: int = 50, levels: float = 12) -> None:
        noise = np.random.default_rng(1).normal(0, levels / 255, (height, width, 3))
        self.noise = noise.astype(np.float32)
        self.asked = 0

    def look_at(self, height: int, rows: object) -> None:
        pass

    def change(
        self, picture: Floats, top: int = 0, left: int = 0, wanted: Part | None = None
    ) -> Floats:
        self.asked += 1
        rows, columns = picture.shape[:2]
        return self.noise[top : top + rows, left : left + columns]

    def fix_statistics(self, windows: object) -> None:
        raise AssertionError

    def free_statistics(self) -> None:
        pass

    def draw(self, strength: float, seed: int) -> None:
        pass

    def spread(self, picture: Floats, top: int, left: int, wanted: Part) -> Floats:
        return np.zeros((*picture.shape[:2], 1), np.float32)


def photo(bits: int = 8, **more: object) -> Photo:
    """A photograph with black, white, and all between."""
    full = 2**bits - 1
    pixels = np.random.default_rng(0).integers(0, full + 1, (40, 50, 3))
    pixels[:5], pixels[5:10], pixels[10:14, ::2] = 0, full, full - 1
    kind = np.uint8 if bits == 8 else np.uint16
    return Photo(pixels.astype(kind), "png", ".png", **more)  # type: ignore[arg-type]


MASKS = {
    "none": None,
    "ramp": np.linspace(-0.2, 1.2, 50, dtype=np.float32).clip(0, 1)[None].repeat(40, 0),
    "thin": np.full((40, 50), 0.02, np.float32),
}


def layered(folder: Path, given: Photo, mask: NDArray[np.float32] | None = None) -> Read:
    """Restore the photograph with layers; return the file as it reads."""
    made = Layers(given, mask is not None, folder)
    enlarged = None if mask is None else Enlarged(mask, *mask.shape, cubic=False)
    result = Restorer(Texture()).restore(given, enlarged, layers=made)
    path = folder / ("x" + layers.ending_of(given))
    made.write(path, result.photo)
    return read_psd(path) if given.full == 255 else read_tiff(path)


def plain(given: Photo, mask: NDArray[np.float32] | None = None) -> NDArray[np.int64]:
    """Return what apply makes without layers."""
    enlarged = None if mask is None else Enlarged(mask, *mask.shape, cubic=False)
    return Restorer(Texture()).restore(given, enlarged).photo.pixels.astype(np.int64)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("bits", [8, 16])
def test_layers_make_what_apply_makes(tmp_path: Path, bits: int, mask: str) -> None:
    read = layered(tmp_path, photo(bits), MASKS[mask])
    expected = plain(photo(bits), MASKS[mask])
    assert np.abs(read.flattened() - expected).max() <= (0 if bits == 8 else 1)
    np.testing.assert_array_equal(read.merged, expected)
    for _, _, layer in read.layers[:2]:
        np.testing.assert_array_equal(layer, photo(bits).pixels)
    names = [name for name, _, _ in read.layers]
    each = [" darker", " lighter"] if bits == 8 else [""]
    steps = [s + e for s in ("rest", "8-16 px", "4-8 px", "2-4 px") for e in each]
    assert names == ["photograph, untouched", "photograph", *steps]


@pytest.mark.parametrize("bits", [8, 16])
def test_the_mask_is_applied_once_and_can_be_painted_wider(tmp_path: Path, bits: int) -> None:
    read = layered(tmp_path, photo(bits), MASKS["ramp"])
    without = Read(read.layers, None, read.merged, read.full)
    expected = plain(photo(bits))
    assert np.abs(without.flattened() - expected)[:, MASKS["ramp"][0] == 0].max() <= 1
    assert read.mask is not None
    opened = read.mask - np.rint(MASKS["ramp"] * read.full)
    assert (opened >= 0).all()
    assert (opened == 0).mean() > 0.6, "only where black or white cut the change"
    middling = (np.abs(photo(bits).pixels / read.full - 0.5) < 0.2).all(2)
    assert (opened[middling] == 0).all()


def test_a_tall_photograph_is_made_into_layers_part_by_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = np.random.default_rng(5).random((300, 20)).astype(np.float32)
    pixels = np.random.default_rng(4).integers(0, 256, (300, 20, 3)).astype(np.uint8)
    monkeypatch.setattr(restore, "AT_ONCE", 70)
    monkeypatch.setattr(Texture.__init__, "__defaults__", (300, 20, 12))
    read = layered(tmp_path, Photo(pixels.copy(), "png", ".png"), mask)
    expected = plain(Photo(pixels.copy(), "png", ".png"), mask)
    np.testing.assert_array_equal(read.flattened(), expected)


def test_a_grey_photograph_has_grey_layers(tmp_path: Path) -> None:
    given = photo(grey=True)
    given.pixels[..., 1:] = given.pixels[..., :1]
    expected = np.rint(luma(plain(Photo(given.pixels.copy(), "png", ".png")))).astype(int)
    read = layered(tmp_path, given)
    np.testing.assert_array_equal(read.flattened()[..., 0], expected)
    assert read.merged.shape[2] == 1


def test_no_step_leaves_what_a_file_can_hold() -> None:
    random = np.random.default_rng(2)
    for full, split in ((255, two_layers_a_step), (65535, one_layer_a_step)):
        source = random.choice([0, 1, full // 2, full - 1, full], (30, 30, 3))
        bands = [random.normal(0, full, source.shape).astype(np.float32) for _ in range(4)]
        result = random.choice([0, 1, full // 2, full - 1, full], source.shape)
        made = split(source, bands, result)
        assert min(layer.min() for layer in made) >= 0
        assert max(layer.max() for layer in made) <= full
        now = source
        for index, layer in enumerate(made):
            sign = 2 * layer - full if full > 255 else (layer if index % 2 else -layer)
            now = now + sign
            assert now.min() >= 0
            assert now.max() <= full
        assert np.abs(now - result).max() <= (full > 255)


def test_where_nothing_changes_16_bits_stay() -> None:
    source = np.arange(65536).reshape(1, -1, 1)
    still = [np.zeros(source.shape, np.float32)] * 4
    now = source
    for layer in one_layer_a_step(source, still, source):
        now = now + 2 * layer - 65535
    np.testing.assert_array_equal(now, source)


@pytest.mark.parametrize("full", [255, 65535])
def test_under_a_mask_every_result_is_reached(full: int) -> None:
    random = np.random.default_rng(3)
    source = random.choice([0, 3, full // 2, full], (80, 80, 3))
    asked = np.rint(random.normal(0, 0.3 * full, source.shape)).astype(np.int64)
    mask = random.random((80, 80)).astype(np.float32) ** 3
    result = np.rint(source + mask[..., None] * asked).clip(0, full).astype(np.int64)
    opened = opened_mask(source, result, mask, full)
    channels = np.moveaxis([source, asked, result], 3, 0)
    picture = np.stack([under_mask(*channel, opened, full) for channel in channels], 2)
    blended = np.rint(source + opened[..., None] / full * (picture - source))
    np.testing.assert_array_equal(blended, result)
    assert picture.min() >= 0
    assert picture.max() <= full
    assert opened.max() <= full


# --- sizes of texture


def wave(period: float, height: int = 300, width: int = 260) -> Floats:
    across = np.sin(2 * np.pi * np.arange(width) / period)[None, :, None]
    return np.tile(across, (height, 1, 3)).astype(np.float32)


@pytest.mark.parametrize(("period", "place"), [(2.83, 0), (5.66, 1), (11.3, 2), (60, 3)])
def test_each_size_of_texture_is_in_its_band_and_together_they_are_the_change(
    period: float, place: int
) -> None:
    change = wave(period)
    parts = by_size(change, slice(0, 300))
    inner = [part[40:-40, 40:-40] for part in parts]
    energies = [float((part**2).mean()) for part in inner]
    assert energies[place] > 0.99 * 0.5
    assert sum(energies) - energies[place] < 0.01
    np.testing.assert_allclose(sum(parts), change, atol=1e-5)


def test_strips_are_weighed_as_the_whole_is() -> None:
    change = np.random.default_rng(0).normal(0, 1, (300, 90, 3)).astype(np.float32)
    whole = np.concatenate([s.rows for s in weighed(iter([Strip(0, change)]), 300, (0, 1, 2))])
    cuts = [0, 100, 130, 290, 300]
    parts = (Strip(a, change[a:b]) for a, b in pairwise(cuts))
    strips = list(weighed(parts, 300, (0, 1, 2)))
    assert [strip.top for strip in strips] == list(
        np.cumsum([0, *(len(strip.rows) for strip in strips[:-1])])
    )
    together = np.concatenate([strip.rows for strip in strips])
    assert np.abs(together - whole).max() < 0.02
    fine, _, coarse, _ = by_size(change, slice(0, 300))
    np.testing.assert_allclose(whole, change - fine + coarse, atol=1e-5)


def test_fine_texture_can_be_left_out() -> None:
    model = Texture(120, 130)
    model.noise = 0.1 * wave(2.83, 120, 130)
    grey = np.full((120, 130, 3), 30_000, np.uint16)

    def moved(*sizes: float) -> float:
        given = Photo(grey.copy(), "png", ".png")
        after = Restorer(model, sizes=sizes).restore(given).photo.pixels
        return float((after.astype(float) - 30_000)[30:-30, 30:-30].std())

    everything = moved(1, 1, 1)
    assert moved(0, 1, 1) < 0.02 * everything
    assert moved(0.5, 1, 1) == pytest.approx(0.5 * everything, rel=0.02)
    assert moved(1, 0, 0) == pytest.approx(everything, rel=0.02)


# --- kept changes


def kept_in(folder: Path, info: ModelInfo = Texture.info, **settings: object) -> KeptChanges:
    weights = folder.parent / "weights.pth"
    weights.write_bytes(b"weights")
    request = ApplySettings(run="x", photos=("y",), **settings)  # type: ignore[arg-type]
    return KeptChanges(folder, request, weights, info)


def test_other_strengths_masks_and_layers_cost_no_forward_pass(tmp_path: Path) -> None:
    model, kept = Texture(), kept_in(tmp_path / "kept")
    ramp = Enlarged(MASKS["ramp"], 40, 50, cubic=False)
    nowhere = Enlarged(np.zeros((40, 50), np.float32), 40, 50)
    Restorer(model, kept=kept).restore(photo(), nowhere)
    asked = model.asked
    assert asked > 0, "the whole photograph is computed, for masks to come"
    for strength, sizes, mask in (
        (1, (1, 1, 1), None),
        (0.3, (0, 1, 1.5), ramp),
        (0, (1,) * 3, None),
    ):
        again = Restorer(model, strength=strength, sizes=sizes, kept=kept).restore(photo(), mask)
        assert model.asked == asked
        anew = Restorer(Texture(), strength=strength, sizes=sizes).restore(photo(), mask)
        np.testing.assert_array_equal(again.photo.pixels, anew.photo.pixels)
    other = photo()
    other.pixels[0, 0, 0] ^= 1
    Restorer(model, kept=kept).restore(other)
    assert model.asked > asked
    asked = model.asked
    Restorer(model, kept=kept_in(tmp_path / "kept", scale="full")).restore(photo())
    assert model.asked > asked
    asked = model.asked
    steady = replace(Texture.info, slower=96.0)
    Restorer(model, kept=kept_in(tmp_path / "kept", steady)).restore(photo())
    assert model.asked > asked, "what is taken out of predictions is another"


def test_a_reduced_photograph_is_kept_small(tmp_path: Path) -> None:
    model, kept = Texture(), kept_in(tmp_path / "kept")
    model.info = ModelInfo("texture", "here", 8, False, Sizing("resize_and_crop", 32, 32), None, 0)
    first = Restorer(model, kept=kept).restore(photo())
    asked = model.asked
    again = Restorer(model, kept=kept).restore(photo())
    assert model.asked == asked
    np.testing.assert_array_equal(first.photo.pixels, again.photo.pixels)
    (file,) = (tmp_path / "kept").iterdir()
    assert file.stat().st_size < 20_000


def test_the_folder_keeps_the_last_and_stays_within_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = 40 * 50 * 3 * 4
    monkeypatch.setattr(kept_changes, "LIMIT", int(2.5 * one))
    kept = kept_in(tmp_path / "kept")
    of_someone_else = tmp_path / "kept" / "numbers.npy"
    np.save(of_someone_else, np.zeros(3 * one))
    photos = []
    for number in range(3):
        given = photo()
        given.pixels[20, 20] = number
        photos.append(given.pixels.copy())
        Restorer(Texture(), kept=kept).restore(given)
    there = [kept.read(kept.place(Photo(p, "png", ".png"))) is not None for p in photos]
    assert there == [False, True, True]
    assert of_someone_else.exists()
    monkeypatch.setattr(kept_changes, "LIMIT", one - 1)
    Restorer(Texture(), kept=kept_in(tmp_path / "other")).restore(photo())
    assert not list((tmp_path / "other").iterdir())


# --- files


def exif() -> bytes:
    block = Image.Exif()
    block[271], block[274] = "Camera", 1
    block[282], block[283], block[296] = 118.0, 118.0, 3
    data: bytes = block.tobytes()
    return data


@pytest.mark.parametrize("bits", [8, 16])
def test_profile_resolution_and_exif_are_in_the_file(tmp_path: Path, bits: int) -> None:
    from test_photos import ADOBE_RGB

    given = photo(bits, exif=exif(), profile=ADOBE_RGB, resolution=(299.72, 299.72))
    layered(tmp_path, given)
    if bits == 16:
        back = read_photo(tmp_path / "x.tif")
        assert back.profile == ADOBE_RGB
        assert back.exif
        assert b"Camera" in back.exif
        return
    from psd_tools import PSDImage
    from psd_tools.constants import Resource

    resources = PSDImage.open(tmp_path / "x.psd").image_resources
    assert resources.get_data(Resource.ICC_PROFILE) == ADOBE_RGB
    assert b"Camera" in resources.get_data(Resource.EXIF_DATA_1)
    resolution = resources.get_data(Resource.RESOLUTION_INFO)
    assert resolution.horizontal / 65536 == pytest.approx(299.72)
    assert resolution.horizontal_unit == 1


def test_in_another_colour_space_layers_make_what_apply_makes(tmp_path: Path) -> None:
    from test_photos import ADOBE_RGB

    read = layered(tmp_path, photo(profile=ADOBE_RGB), MASKS["ramp"])
    expected = plain(photo(profile=ADOBE_RGB), MASKS["ramp"])
    np.testing.assert_array_equal(read.flattened(), expected)


def test_what_a_psd_cannot_hold_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Photo(np.zeros((1, 30_001, 3), np.uint8), "png", ".png")
    with pytest.raises(DataError, match="30001 pixels a side, a PSD holds 30000"):
        Layers(wide, False, tmp_path)
    monkeypatch.setattr(layered_files, "_LARGEST_PSD", 1000)
    with pytest.raises(DataError, match="too large for layers"):
        layered(tmp_path, photo())
    assert not list(tmp_path.iterdir())


def test_layers_have_their_own_formats() -> None:
    with pytest.raises(UsageError, match="leave out --format"):
        ApplySettings(run="x", photos=("y",), layers=True, format="png")


# --- the command


@pytest.mark.parametrize("name", ["a.psd", "b.tif"])
def test_the_command_writes_layers_and_keeps_the_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    told = TrainSettings(dataroot="x", name="r", netG="detail", size="s", preprocess="none")
    (tmp_path / "r").mkdir()
    save_settings(tmp_path / "r" / "config.json", told, {})
    weights = networks.build_generator(told).state_dict()
    save_weights(tmp_path / "r" / "latest_net_G.pth", weights)
    write_photo(tmp_path / "a.png", photo())
    write_photo(tmp_path / "b.png", photo(16))
    source = (tmp_path / name).with_suffix(".png")
    words = ["apply", "r", str(source), "-o", str(tmp_path / "out")]
    words += ["--checkpoints_dir", str(tmp_path), "--device", "cpu"]
    words += ["--keep_changes", str(tmp_path / "kept")]
    assert run(dispatch, [*words, "--layers"]) == 0
    assert run(dispatch, words) == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == sorted(["apply.jsonl", name, source.name])
    assert len(list((tmp_path / "kept").iterdir())) == 1
    assert run(dispatch, [*words, "--layers"]) == 0
    assert "1 already there" in capsys.readouterr().out


# --- memory


def peak(work: Callable[[], None]) -> int:
    """The most bytes that numpy and Python held at a time for some work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bits", [8, 16])
def test_no_layer_is_in_memory_while_its_file_is_written(tmp_path: Path, bits: int) -> None:
    full = 2**bits - 1
    random = np.random.default_rng(0)
    pixels = random.integers(0, full + 1, (1000, 1200, 3))  # noise, of which deflating makes more
    given = Photo(pixels.astype(np.uint8 if bits == 8 else np.uint16), "png", ".png")
    made = Layers(given, False, tmp_path)
    change = random.normal(0, full / 8, pixels.shape).astype(np.float32)
    made.add(given.pixels, change, given.pixels, None)
    path = tmp_path / ("x" + layers.ending_of(given))
    used = peak(lambda: made.write(path, given))
    assert path.stat().st_size > 2 * given.pixels.nbytes
    assert used < 3_000_000


def test_layers_of_a_wide_photograph_are_made_channel_by_channel(tmp_path: Path) -> None:
    rows, width = restore.AT_ONCE, 6000
    given = Photo(np.full((2 * rows, width, 3), 99, np.uint8), "png", ".png")
    made = Layers(given, False, tmp_path)
    change, part = np.ones((rows, width, 3), np.float32), given.pixels[:rows]
    made.add(part, change, part, None)
    used = peak(lambda: made.add(part, change, part, None))
    assert used / (rows * width) < 75
