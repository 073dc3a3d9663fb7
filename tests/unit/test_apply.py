"""Apply: size, depth and untouched pixels are kept; tiles agree with the whole; batches go on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from unretouch import networks
from unretouch.base.errors import CheckpointError, DataError
from unretouch.cli import dispatch, run
from unretouch.model.interface import Floats, ModelInfo, Part, Window
from unretouch.model.load import load_any, load_model, trained_aspect, weights_file
from unretouch.model.torch_model import TorchModel
from unretouch.pixels.photo_kind import Distance
from unretouch.pixels.photos import Photo, write_photo
from unretouch.pixels.spaces import Sizing
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings, save_settings
from unretouch.tasks.apply import files, masks
from unretouch.tasks.apply.masks import Enlarged
from unretouch.tasks.apply.restore import Restorer

torch.set_num_threads(1)

FULL = Sizing("none", 256, 256)


class Simple:
    """A model that is a function of the picture."""

    tile = 1_500_000

    def __init__(self, change: Callable[[Floats], Floats], sizing: Sizing = FULL) -> None:
        self._change = change
        self.info = ModelInfo("simple", "here", 8, False, sizing, None, 16)
        self.seen: list[tuple[int, ...]] = []

    def look_at(self, height: int, rows: Callable[[slice], Floats]) -> None:
        pass

    def change(
        self, picture: Floats, top: int = 0, left: int = 0, wanted: Part | None = None
    ) -> Floats:
        self.seen.append(picture.shape)
        return self._change(picture)

    def fix_statistics(self, windows: Callable[[], Iterator[Window]]) -> None:
        raise AssertionError

    def free_statistics(self) -> None:
        pass

    def draw(self, strength: float, seed: int) -> None:
        pass

    def spread(self, picture: Floats, top: int, left: int, wanted: Part) -> Floats:
        return np.zeros((*picture.shape[:2], 1), np.float32)


def nothing(picture: Floats) -> Floats:
    return np.zeros_like(picture)


def brighter(picture: Floats) -> Floats:
    return np.full_like(picture, 10 / 255)


def photo(height: int, width: int, bits: int = 8, seed: int = 0) -> Photo:
    kind = np.uint8 if bits == 8 else np.uint16
    top = 200 if bits == 8 else 50_000
    pixels = np.random.default_rng(seed).integers(0, top, (height, width, 3)).astype(kind)
    return Photo(pixels, "png", ".png")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with random weights: detail, and small classic ones."""
    root = tmp_path_factory.mktemp("checkpoints")
    kinds = {
        "detail": {"netG": "detail", "size": "s", "preprocess": "none"},
        "deep": {"netG": "detail", "size": "deep", "preprocess": "none"},
        "reduced": {"netG": "detail", "size": "s", "load_size": 64, "crop_size": 64},
        "unet": {"netG": "unet_128", "ngf": 4, "preprocess": "none"},
        "resnet": {
            "netG": "resnet_6blocks", "ngf": 4, "norm": "instance", "preprocess": "none",
        },
        "plain": {"netG": "resnet_6blocks", "ngf": 4, "norm": "none", "preprocess": "none"},
        "guesses": {
            "netG": "detail", "size": "s", "head": "gain+guess", "preprocess": "none",
            "recipe": "fast", "aim": "texture",
        },
    }  # fmt: skip
    for name, values in kinds.items():
        torch.manual_seed(1)
        told = TrainSettings(dataroot="nowhere", name=name, **values)  # type: ignore[arg-type]
        net = networks.build_generator(told)
        if told.netG == "detail":
            torch.nn.init.normal_(net.head.weight, std=0.05)  # type: ignore[union-attr, arg-type]
        (root / name).mkdir()
        save_settings(root / name / "config.json", told, {})
        save_weights(root / name / "latest_net_G.pth", net.state_dict())
    return root


def model_of(runs: Path, name: str) -> TorchModel:
    return load_model(weights_file(name, None, checkpoints_dir=str(runs)), device="cpu")


# --- pixels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [10**9, 4000])
def test_a_16_bit_ramp_through_an_identity_comes_back_bit_for_bit(tile: int) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    before = np.stack([ramp, ramp[::-1], ramp.T], axis=2)
    given_photo = Photo(before.copy(), "tiff", ".tif")
    result = Restorer(Simple(nothing), tile=tile).restore(given_photo)
    np.testing.assert_array_equal(result.photo.pixels, before)
    assert result.mean_change == 0


def test_a_16_bit_ramp_through_a_real_network_that_learnt_nothing(runs: Path) -> None:
    model = model_of(runs, "detail")
    torch.nn.init.zeros_(model.generator.head.weight)  # type: ignore[union-attr, arg-type]
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    result = Restorer(model).restore(Photo(ramp.copy(), "tiff", ".tif"))
    np.testing.assert_array_equal(result.photo.pixels, ramp)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 120), st.integers(1, 120), st.sampled_from([8, 16]),
    st.sampled_from([10**9, 2000]), st.floats(0, 1.5),
)  # fmt: skip
def test_any_size_keeps_size_and_depth_and_moves_by_strength(
    height: int, width: int, bits: int, tile: int, strength: float
) -> None:
    given_photo = photo(height, width, bits)
    before = given_photo.pixels.astype(np.int64)
    result = Restorer(Simple(brighter), strength=strength, tile=tile).restore(given_photo)
    assert result.photo.pixels.dtype == given_photo.pixels.dtype
    moved = result.photo.pixels.astype(np.int64) - before
    assert np.abs(moved - 10 * strength * given_photo.full / 255).max() <= 0.51


@settings(deadline=None, max_examples=30)
@given(st.integers(20, 90), st.integers(20, 90), st.integers(0, 99))
def test_outside_of_the_mask_every_bit_stays(height: int, width: int, seed: int) -> None:
    given_photo = photo(height, width, seed=seed)
    before = given_photo.pixels.copy()
    plane = (np.random.default_rng(seed).random((height, width)) > 0.5).astype(np.float32)
    mask = Enlarged(plane, height, width, cubic=False)
    after = Restorer(Simple(brighter), tile=1500).restore(given_photo, mask).photo.pixels
    np.testing.assert_array_equal(after[plane == 0], before[plane == 0])
    assert (after[plane == 1] != before[plane == 1]).all()


@pytest.mark.parametrize(("slower", "sizes"), [(16.0, (1.0,) * 3), (None, (1.0, 0.0, 2.0))])
def test_inside_of_a_mask_all_is_as_without_one(
    slower: float | None, sizes: tuple[float, ...]
) -> None:
    """What is done to a pixel depends on the change around it: that is computed, too."""
    plane = np.zeros((300, 200), np.float32)
    plane[130:170, 90:110] = 1

    def darker(picture: Floats) -> Floats:
        return picture - 0.5

    model = Simple(darker)
    model.info = dataclasses.replace(model.info, slower=slower)
    restorer = Restorer(model, tile=1500, sizes=sizes)
    mask = Enlarged(plane, 300, 200, cubic=False)
    masked, whole = (restorer.restore(photo(300, 200), m).photo.pixels for m in (mask, None))
    np.testing.assert_array_equal(masked[plane > 0], whole[plane > 0])
    assert (masked[plane == 0] == photo(300, 200).pixels[plane == 0]).all()


def test_a_photo_that_is_hardly_far_from_the_pairs_is_not_called_weakened() -> None:
    """Rounded, all of the change is made."""
    model = Simple(brighter)
    model.info = dataclasses.replace(model.info, aim="restore")
    restorer = Restorer(model)
    assert Distance(1.01).far
    assert [restorer._weakened(Distance(number)) for number in (1.01, 1.3)] == [None, 0.9]


def test_tiles_that_are_masked_out_are_not_computed() -> None:
    plane = np.zeros((400, 100), np.float32)
    plane[:20] = 1
    all_of, some_of = Simple(brighter), Simple(brighter)
    Restorer(all_of, tile=10_000).restore(photo(400, 100))
    Restorer(some_of, tile=10_000).restore(photo(400, 100), Enlarged(plane, 400, 100))
    assert len(some_of.seen) < len(all_of.seen)


@pytest.mark.parametrize(
    ("name", "shape"), [("detail", (300, 340)), ("plain", (300, 340)), ("deep", (500, 560))]
)
def test_tiled_and_whole_agree(runs: Path, name: str, shape: tuple[int, int]) -> None:
    model, part = model_of(runs, name), shape[0] * shape[1] // 2
    whole = Restorer(model, tile=10**9).restore(photo(*shape, 16)).photo.pixels
    tiled = Restorer(model, tile=part).restore(photo(*shape, 16)).photo.pixels
    levels = np.abs(whole.astype(float) - tiled) / 257
    assert levels.max() <= 0.5
    changed = np.abs(whole.astype(float) - photo(*shape, 16).pixels)
    assert changed.mean() > 100, "a network that changes nothing proves nothing"


@pytest.mark.parametrize("name", ["unet", "resnet"])
def test_fixed_statistics_are_those_of_the_whole(runs: Path, name: str) -> None:
    model = model_of(runs, name)
    picture = photo(256, 256).pixels.astype(np.float32) / 255
    expected = model.change(picture)
    everything = Window(picture, slice(0, 256), slice(0, 256))
    model.fix_statistics(lambda: iter([everything]))
    fixed = model.change(picture)
    np.testing.assert_allclose(fixed, expected, atol=1e-4)
    part = model.change(picture[:128, :128])
    model.free_statistics()
    assert np.abs(part - model.change(picture[:128, :128])).max() > 1e-4
    np.testing.assert_allclose(model.change(picture), expected, atol=1e-6)


def test_a_large_picture_through_batch_norm_says_that_statistics_were_fixed(runs: Path) -> None:
    model = model_of(runs, "resnet")
    notes = Restorer(model, tile=20_000).restore(photo(200, 220)).notes
    assert any("restored in parts, by statistics of the whole" in str(note) for note in notes)


# --- texture that nobody can know ----------------------------------------------------------------


def restored(runs: Path, tile: int | None = None, **how: Any) -> NDArray[np.int32]:
    soft = photo(300, 260, 16)
    soft = dataclasses.replace(
        soft, pixels=ndimage.gaussian_filter(soft.pixels, (9, 9, 0)) // 2 + 20_000
    )
    made = Restorer(model_of(runs, "guesses"), tile=tile, **how).restore(soft)
    return made.photo.pixels.astype(np.int32)


def test_a_guess_lies_on_the_line_from_the_least_error_to_all_of_the_texture(runs: Path) -> None:
    least, half, full = (restored(runs, guess=guess) for guess in (0.0, 0.5, 1.0))
    assert np.abs(full - least).mean() > 30
    assert np.abs(2 * half - least - full).max() <= 2  # of rounding
    np.testing.assert_array_equal(restored(runs), full)


def test_one_seed_draws_one_picture_and_tiles_agree(runs: Path) -> None:
    whole = restored(runs, seed=5)
    np.testing.assert_array_equal(restored(runs, seed=5), whole)
    assert np.abs(restored(runs, seed=6) - whole).mean() > 30
    assert np.abs(restored(runs, tile=40_000, seed=5) - whole).max() <= 257 // 2


def test_a_guess_map_is_written_and_is_black_where_nothing_is_changed(
    runs: Path, tmp_path: Path
) -> None:
    write_photo(tmp_path / "사진.png", photo(90, 120))
    mask = np.zeros((90, 120), np.uint8)
    mask[:, 60:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = [
        "apply",
        str(runs / "guesses"),
        str(tmp_path / "사진.png"),
        "-o",
        str(tmp_path / "out"),
    ]
    assert dispatch([*words, "--guess_map", "--mask", str(tmp_path / "mask.png")]) == 0
    found = np.asarray(Image.open(tmp_path / "out" / "guess_maps" / "사진.png.png"))
    assert found.shape == (90, 120)
    assert found[:, :60].max() == 0
    assert found[:, 60:].min() > 0


def test_another_guess_is_another_result_and_is_made_anew(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photo(tmp_path / "photo.png", photo(60, 70))
    words = ["apply", str(runs / "guesses"), str(tmp_path / "photo.png"), "-o", str(tmp_path / "o")]
    made = []
    for flags in ([], ["--guess", "0"], ["--seed", "1"], ["--guess", "1"], ["--guess_map"]):
        assert dispatch([*words, "--keep_changes", str(tmp_path / "kept"), *flags]) == 0
        made.append((tmp_path / "o" / "photo.png").read_bytes())
        assert "1 restored" in capsys.readouterr().out
    assert len(set(made[:3])) == 3
    assert made[0] == made[3] == made[4]
    assert dispatch([*words, "--guess_map", "--guess", "1"]) == 0
    assert "1 restored" not in capsys.readouterr().out  # the same, and it is there


@pytest.mark.parametrize("flags", [["--guess", "0.5"], ["--guess_map"]])
def test_a_model_that_guesses_nothing_says_so(
    runs: Path, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_photo(tmp_path / "photo.png", photo(40, 40))
    words = ["apply", str(runs / "detail"), str(tmp_path / "photo.png"), "-o", str(tmp_path / "o")]
    assert run(dispatch, [*words, *flags]) == 2
    assert f"{flags[0]}: latest_net_G.pth guesses nothing" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


# --- scale -------------------------------------------------------------------------------------


def test_a_run_trained_at_512_sees_512_and_only_the_detail_comes_back() -> None:
    model = Simple(brighter, Sizing("resize_and_crop", 64, 64))
    given_photo = photo(300, 400)
    before = given_photo.pixels.astype(int)
    result = Restorer(model).restore(given_photo)
    assert model.seen == [(64, 64, 3)]
    assert (result.photo.pixels - before == 10).all(), "the photograph itself must stay sharp"
    assert any("64 px" in str(note) and "64 x 64" in str(note) for note in result.notes)


def test_full_scale_can_be_chosen() -> None:
    model = Simple(brighter, Sizing("resize_and_crop", 64, 64))
    Restorer(model, full_scale=True).restore(photo(30, 40))
    assert model.seen == [(30, 40, 3)]


@given(st.integers(10, 9000), st.integers(10, 9000), st.floats(0.3, 3))
def test_a_reduced_photograph_has_the_area_and_the_squeeze_of_training(
    width: int, height: int, aspect: float
) -> None:
    info = ModelInfo("x", "x", 8, False, Sizing("resize_and_crop", 512, 512), aspect)
    w, h = info.reduced(width, height) or (width, height)
    if min(w, h) > 50:
        assert (w / width) / (h / height) == pytest.approx(1 / aspect, rel=0.03)
        assert w * h == pytest.approx(512 * 512, rel=0.03)


def test_the_aspect_of_training_is_read_from_the_manifest(tmp_path: Path) -> None:
    one = {"pair": "a", "width": 400, "height": 100}  # both sides in one file
    two = [{"pair": "b", "width": 200, "height": 100}] * 2
    (tmp_path / "data.json").write_text(json.dumps([one, *two]))
    assert trained_aspect(tmp_path / "data.json") == 2
    assert trained_aspect(tmp_path / "missing.json") is None


def test_windows_of_a_stretched_plane_fit_together() -> None:
    plane = np.random.default_rng(0).random((40, 30), np.float32)
    large = Enlarged(plane, 333, 211)
    whole = large.rows(0, 333)
    np.testing.assert_allclose(large.window(slice(100, 170), slice(50, 90)), whole[100:170, 50:90],
                               atol=1e-4)  # fmt: skip


# --- masks -------------------------------------------------------------------------------------


def test_a_mask_is_learnt_from_where_pairs_differ() -> None:
    from unretouch.pixels.pairs import Pair

    random = np.random.default_rng(0)
    target = np.zeros((200, 200, 3), np.float32)
    target[:, :100], target[:, 100:] = (205, 150, 120), (60, 90, 160)  # skin, cloth
    target += random.normal(0, 6, target.shape)
    source = target.copy()
    source[:, :100] += random.normal(0, 5, (200, 100, 3))
    pair = Pair("a", _bytes(source), _bytes(target), ())
    learnt = masks.learn([pair])
    other = target[:, ::-1].copy()
    plane = learnt.of(Photo(_bytes(other), "png", ".png")).rows(0, 200)
    assert plane[:, 130:].mean() > 0.8
    assert plane[:, :70].max() == 0


def _bytes(levels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(levels.clip(0, 255)).astype(np.uint8)


def test_skin_is_found_and_the_rest_stays(portrait: NDArray[np.uint8]) -> None:
    given_photo = Photo(portrait.copy(), "png", ".png")
    mask = masks.of_skin(given_photo)
    after = Restorer(Simple(brighter)).restore(given_photo, mask).photo.pixels
    same = (after == portrait).all(axis=2)
    assert 0.5 < same.mean() < 0.97
    assert same[90:130, 210:240].mean() < 0.3, "the forehead"


def test_a_mask_of_other_proportions_is_refused(tmp_path: Path) -> None:
    Image.new("L", (50, 20)).save(tmp_path / "m.png")
    with pytest.raises(DataError, match="does not fit"):
        masks.from_file(tmp_path / "m.png", photo(40, 50))


# --- batches -----------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "sub/a.png", "b.JPG")):
        Image.fromarray(photo(40, 50, seed=seed).pixels).save(folder / name)
    return folder


def files_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def apply(runs: Path, *words: str) -> int:
    return run(dispatch, ["apply", *words, "--checkpoints_dir", str(runs), "--device", "cpu"])


@pytest.mark.parametrize(
    ("error", "said"), [(2.5, "made its own photos worse. "), (1.99, "next to nothing")]
)
def test_a_run_that_is_not_worth_it_yet_is_told_before_a_photograph_is_restored(
    runs: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    error: float, said: str,
) -> None:  # fmt: skip
    pair = {"fake_B": "", "level_error": error, "identity_error": 2.0}
    previews = [{"step": 9, "epoch": 9, "pairs": [pair]}]
    status = {"state": "finished", "step": 9, "previews": previews, "curves": {}}
    page = runs / "detail" / "web" / "status.js"
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"window.unretouchStatus({json.dumps(status)});\n")
    try:
        assert apply(runs, "detail", str(pictures / "a.png"), "-o", str(tmp_path / "out")) == 0
    finally:
        page.unlink()
    shown = " ".join(capsys.readouterr().out.split())
    assert said in shown
    assert "doing nothing by 2.00." in shown


def test_a_folder_is_restored_and_the_same_command_does_nothing_twice(
    runs: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ("detail", str(pictures), "-o", str(out))
    assert apply(runs, *words) == 0
    assert "3 restored" in capsys.readouterr().out
    times = {p.relative_to(out).as_posix(): p.stat().st_mtime_ns for p in files_in(out)}
    assert set(times) == {"a.png", "sub/a.png", "b.JPG", "apply.jsonl"}
    assert apply(runs, *words) == 0
    assert "0 restored, 3 already there" in capsys.readouterr().out
    assert {p.relative_to(out).as_posix(): p.stat().st_mtime_ns for p in files_in(out)} == times
    (out / "a.png").unlink()
    assert apply(runs, *words) == 0
    assert "1 restored, 2 already there" in capsys.readouterr().out
    assert apply(runs, *words, "--strength", "0.5") == 0
    assert "3 restored" in capsys.readouterr().out


def test_that_a_jpeg_changes_outside_of_the_mask_is_said(
    runs: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / "mask.png")
    masked = ("--mask", str(tmp_path / "mask.png"))
    words = ("detail", str(pictures / "b.JPG"), "-o", str(tmp_path / "out"))
    said = "pixels outside the mask"
    assert apply(runs, *words, *masked, "--format", "jpeg") == 0
    assert said in capsys.readouterr().out
    assert apply(runs, *words, *masked, "--format", "png") == 0
    assert said not in capsys.readouterr().out
    assert apply(runs, *words, "--format", "jpeg") == 0
    assert said not in capsys.readouterr().out


def test_what_was_written_when_apply_was_killed_is_not_taken_for_someone_elses(
    runs: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Killed between the name of a file and its record, as other processes' files often are."""
    out = tmp_path / "out"
    words = ("detail", str(pictures), "-o", str(out))
    with monkeypatch.context() as patch:
        patch.setattr(files.Records, "add", lambda *_: None)
        assert apply(runs, *words) == 0
    mine = b"put there since"
    (out / "b.JPG").write_bytes(mine)
    assert apply(runs, *words) == 3
    printed = capsys.readouterr()
    assert "2 restored, 1 failed" in printed.out
    assert "b.JPG: is there already and was not made by apply" in printed.err
    assert (out / "b.JPG").read_bytes() == mine
    assert apply(runs, *words, "--overwrite") == 0
    assert "1 restored, 2 already there" in capsys.readouterr().out


def test_a_bad_file_is_passed_over_and_listed_at_the_end(
    runs: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "aa.jpg").write_bytes(b"no picture")
    assert apply(runs, "detail", str(pictures), "-o", str(tmp_path / "out")) == 3
    shown = capsys.readouterr()
    assert "3 restored, 1 failed" in shown.out
    assert shown.err.count("\n") == 1
    assert "aa.jpg" in shown.err
    assert not list((tmp_path / "out").glob("*.partial"))


def test_the_input_is_never_written_over(
    runs: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (pictures / "a.png").read_bytes()
    assert apply(runs, "detail", str(pictures / "a.png"), "-o", str(pictures)) == 3
    assert "would be overwritten" in capsys.readouterr().err
    assert (pictures / "a.png").read_bytes() == before


def test_a_file_of_someone_else_is_not_replaced_unasked(
    runs: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"mine")
    words = ("detail", str(pictures / "a.png"), "-o", str(out))
    assert apply(runs, *words) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "a.png").read_bytes() == b"mine"
    assert apply(runs, *words, "--overwrite") == 0
    assert (out / "a.png").read_bytes() != b"mine"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_two_processes_make_the_same_files(
    runs: Path, pictures: Path, tmp_path: Path, precision: str
) -> None:
    for jobs in ("1", "2"):
        words = ("detail", str(pictures), "-o", str(tmp_path / jobs), "--jobs", jobs)
        words += ("--precision", precision)
        assert apply(runs, *words) == 0
    for name in ("a.png", "sub/a.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_patterns_and_missing_files(
    runs: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert apply(runs, "detail", str(pictures / "*.png"), "-o", out) == 0
    assert "1 restored" in capsys.readouterr().out
    assert apply(runs, "detail", str(pictures / "*.webp"), str(pictures / "none.png")) == 3
    assert capsys.readouterr().err.count("there is no such file") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["detail"], "no photograph was given"),
        (["detail", "x.png", "--strength", "2"], "0 to 1.5"),
        (["detail", "x.png", "--jobs", "0"], "1 or more"),
    ],
)
def test_mistakes_are_one_line(
    runs: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply(runs, *words) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


# --- weights -----------------------------------------------------------------------------------


def test_bare_weights_are_recognised(runs: Path, tmp_path: Path) -> None:
    for name, expected in (
        ("detail", "detail, size s"),
        ("unet", "unet_128 with batch norm, ngf 4"),
        ("resnet", "resnet_6blocks with instance norm, ngf 4, with dropout"),
    ):
        bare = tmp_path / f"{name}_net_G.pth"
        bare.write_bytes((runs / name / "latest_net_G.pth").read_bytes())
        model = load_model(bare, device="cpu")
        assert model.info.generator == expected
        picture = photo(64, 64).pixels.astype(np.float32) / 255
        same = model_of(runs, name).change(picture)
        np.testing.assert_allclose(model.change(picture), same, atol=1e-6)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "x.pth", {"fc.weight": torch.zeros(3)})
    with pytest.raises(CheckpointError, match="no generator that is known"):
        load_any(tmp_path / "x.pth", device="cpu")


def test_an_adobe_rgb_photograph_is_restored_in_srgb_and_kept_where_nothing_changed() -> None:
    from test_photos import ADOBE_RGB

    pixels = photo(30, 40, 16).pixels
    same = Restorer(Simple(nothing)).restore(
        Photo(pixels.copy(), "tiff", ".tif", profile=ADOBE_RGB)
    )
    np.testing.assert_array_equal(same.photo.pixels, pixels)
    assert any("sRGB" in str(note) for note in same.notes)
    grey = np.full((8, 8, 3), 128, np.uint8)
    plain = Restorer(Simple(brighter)).restore(Photo(grey.copy(), "png", ".png"))
    wide = Restorer(Simple(brighter)).restore(Photo(grey.copy(), "png", ".png", profile=ADOBE_RGB))
    assert plain.photo.pixels.mean() == 138
    assert wide.photo.pixels.mean() == pytest.approx(138, abs=1)


def test_what_was_written_has_the_size_of_the_photograph(runs: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "in.png", photo(37, 53))
    assert apply(runs, "reduced", str(tmp_path / "in.png"), "-o", str(tmp_path / "out")) == 0
    with Image.open(tmp_path / "out" / "in.png") as image:
        assert image.size == (53, 37)
