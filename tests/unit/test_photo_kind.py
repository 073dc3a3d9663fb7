"""How far a photograph lies from the pairs: row X1 of docs/reliability.md, what is told."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import short_runs
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from unretouch import networks
from unretouch.api import apply as applied
from unretouch.cli import dispatch, run
from unretouch.model.interface import info_of_record
from unretouch.model.load import load_network
from unretouch.pixels.images import read_rgb
from unretouch.pixels.pairs import LazyPair, Pair, PictureCache
from unretouch.pixels.photo_kind import (
    Distance,
    PhotoKind,
    distance,
    kind_of,
    kind_seen,
    kinds_of,
)
from unretouch.pixels.spaces import Rgb
from unretouch.runs.weights import save_weights
from unretouch.settings.train import TrainSettings, save_settings, settings_from
from unretouch.tasks.export import export
from unretouch.training.training_pairs import MOST_KINDS, kinds_among

torch.set_num_threads(1)

pytestmark = pytest.mark.usefixtures("narrow")


@cache
def person(seed: int) -> Rgb:
    """Return a portrait that is drawn, uint8 (480, 480, 3): a face with hair before a backdrop."""
    random = np.random.default_rng(seed)
    side, middle = 960, 480
    image = Image.new("RGB", (side, side), (150, 155, 160))
    draw = ImageDraw.Draw(image)
    wide, high = random.integers(230, 260), random.integers(300, 330)
    red = int(random.integers(165, 215))
    skin = (red, round(red * 0.82), round(red * random.uniform(0.74, 0.79)))

    def oval(x: float, y: float, w: float, h: float, fill: tuple[int, ...]) -> None:
        draw.ellipse((middle + x - w, middle + y - h, middle + x + w, middle + y + h), fill)

    oval(0, -60, wide + 50, high + 40, (60, 45, 35))
    oval(0, 40, wide, high, skin)
    for x in (-95, 95):
        draw.arc((middle + x - 55, 340, middle + x + 55, 400), 200, 340, (60, 40, 30), 12)
        oval(x, -40, 42, 20, (235, 230, 225))
        oval(x, -40, 17, 17, (40, 30, 30))
    draw.arc((middle - 40, 480, middle + 40, 590), 30, 150, (120, 70, 60), 8)
    oval(0, 190, 80, 22, (170, 80, 80))
    for _ in range(700):  # hair: as fine as the picture can show
        x, length = random.integers(-wide - 40, wide + 40), random.integers(60, 160)
        start = (middle + int(x), int(random.integers(110, 200)))
        shade = int(random.integers(30, 130))
        draw.line((start, (start[0] + int(x) // 6, start[1] + int(length))), (shade,) * 3, 2)
    sharp = np.asarray(image.reduce(2)).astype(np.float32)
    small = ndimage.gaussian_filter(sharp, (0.6, 0.6, 0))  # no lens is sharper
    y, x = np.mgrid[-1:1:480j, -1:1:480j]
    shading = 1 - 0.25 * (0.5 * x + 0.3 * y) ** 2 - 0.1 * x
    return as_file(small * shading[..., None] + random.normal(0, 0.6, small.shape))


def as_file(levels: NDArray[np.floating]) -> Rgb:
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def resized(rgb: Rgb, scale: float) -> Rgb:
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def jpeg(rgb: Rgb, quality: int) -> Rgb:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def noisy(rgb: Rgb, levels: float) -> Rgb:
    return as_file(rgb + np.random.default_rng(0).normal(0, levels, rgb.shape))


@cache
def pairs() -> tuple[PhotoKind, ...]:
    return tuple(kind_of(person(seed)) for seed in range(3))


def found(rgb: Rgb) -> Distance:
    return distance(kind_of(rgb), pairs())


def names(rgb: Rgb) -> set[str]:
    """Return the reasons for which a picture is told to be far, at least one."""
    told = found(rgb)
    assert told.far
    return {reason.name for reason in told.reasons if reason.number > 1}


@pytest.mark.parametrize("seed", range(3, 9))
def test_X1_other_people_of_the_same_studio_are_near(seed: int) -> None:
    assert not found(person(seed)).far
    assert not found(jpeg(person(seed), 90)).far


@pytest.mark.parametrize("seed", range(3))
def test_X1_the_pairs_themselves_and_parts_of_them_are_near(seed: int) -> None:
    assert found(person(seed)).number == 0
    assert not found(person(seed)[60:420, 60:420]).far


@pytest.mark.parametrize("seed", [1, 4])
def test_X1_another_scale_is_told(seed: int) -> None:
    assert names(resized(person(seed), 0.5)) == {"size"}
    assert "sharpness" in names(resized(person(seed), 2))
    assert "2." in str(found(resized(person(seed), 0.4)).why)
    for enlarged in (resized(person(seed), 10), jpeg(resized(person(seed), 10), 90)):
        assert "it is softer" in str(found(enlarged).why)


@pytest.mark.parametrize("seed", [4, 5])
def test_X1_what_is_blurred_noisy_or_of_other_colours_is_told(seed: int) -> None:
    rgb = person(seed)
    assert names(as_file(ndimage.gaussian_filter(rgb.astype(float), (2, 2, 0)))) == {"sharpness"}
    assert [reason.name for reason in found(noisy(rgb, 8)).reasons] == ["noise"]
    assert names(as_file(rgb * [1.14, 1, 0.8])) == {"warmth"}
    assert "tint" in names(as_file(rgb * [0.93, 1.05, 0.93]))
    assert names(as_file(rgb * 0.15)) >= {"light"}


def test_X1_no_colour_and_no_portrait_are_told_by_name() -> None:
    grey = np.repeat(as_file(person(4).mean(2))[..., None], 3, axis=2)
    assert str(found(grey).why) == "it is black and white"
    random = np.random.default_rng(0)
    meadow = as_file(random.normal((60, 120, 50), 25, (300, 400, 3)))
    assert "no skin was found in it" in str(found(meadow).why)
    assert found(np.full((200, 200, 3), 128, np.uint8)).far


def test_X1_black_and_white_pairs_say_nothing_of_colour() -> None:
    grey = [np.repeat(as_file(person(s).mean(2))[..., None], 3, axis=2) for s in range(3)]
    assert not distance(kind_of(person(3)), [kind_of(rgb) for rgb in grey]).far


def test_what_is_trusted_falls_with_the_distance() -> None:
    assert [Distance(number).trust for number in (0, 1, 2.5, 4, 9)] == [1, 1, 0.5, 0, 0]


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 300), (300, 7)])
def test_a_picture_of_any_size_has_a_kind(shape: tuple[int, int]) -> None:
    kind = kind_of(np.full((*shape, 3), 90, np.uint8))
    assert kinds_of([json.loads(json.dumps(kind.record()))]) == kinds_of([kind.record()])
    assert np.isfinite(list(kind.record().values())).all()


def test_24_megapixels_are_measured_in_a_moment() -> None:
    large = np.tile(person(0), (9, 13, 1))[:4000, :6000]
    looked_at = 0

    def view(rows: slice, columns: slice) -> Rgb:
        nonlocal looked_at
        part = large[rows, columns]
        looked_at += part.shape[0] * part.shape[1]
        return part

    tracemalloc.start()
    began = time.process_time()
    kind_seen(*large.shape[:2], view)
    took = time.process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert looked_at < 3_000_000
    assert peak < 40_000_000
    assert took < 1.5


def test_of_many_pairs_some_are_measured_and_of_those_on_the_disk_few() -> None:
    rgb = person(0)[200:300, 200:300]
    many = [Pair(str(number), rgb, rgb, ()) for number in range(50)]
    cache = PictureCache(1)
    lazy = [LazyPair(str(n), (), (100, 100), lambda: (rgb, rgb), cache) for n in range(50)]
    in_memory, on_disk = MOST_KINDS
    assert 0.5 * in_memory < len(kinds_among(many)) <= in_memory
    assert 0.5 * on_disk < len(kinds_among(lazy)) <= on_disk
    assert kinds_among([]) == []


def test_untouched_pictures_count_as_a_retouch_would_leave_them() -> None:
    """Else they passed for the kind of picture that is restored, which is softer."""
    before = person(0)
    after = as_file(ndimage.gaussian_filter(before.astype(float), (2, 2, 0)))
    given = Pair("pair", after, before, ())
    own, other = kinds_among([given], [Pair("same person", before, before, ())])
    assert (other.noise, other.sharpness) == pytest.approx((own.noise, own.sharpness))
    assert other.size == kind_of(before).size
    assert kind_of(before).sharpness > own.sharpness + 0.3


# --- from training to what is told


QUICKLY = ("--device", "cpu", "--strength", "0")
"""Here it is not looked at what the network makes."""


FAST: dict[str, Any] = {"recipe": "fast", "lambda_GAN": 0.0}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """A run with untrained weights and the kinds of its pairs."""
    settings = TrainSettings(
        dataroot="nowhere", name="run", netG="detail", size="s", preprocess="none", **FAST
    )
    folder = tmp_path / "checkpoints" / "run"
    folder.mkdir(parents=True)
    save_settings(folder / "config.json", settings, {})
    save_weights(folder / "latest_net_G.pth", networks.build_generator(settings).state_dict())
    (folder / "photo_kinds.json").write_text(json.dumps([kind.record() for kind in pairs()]))
    for name, rgb in (("near", person(4)), ("soft", resized(person(4), 2)[200:800, 200:800])):
        Image.fromarray(rgb).save(tmp_path / f"{name}.png")
    return folder.parent


def test_X1_apply_tells_of_each_photograph_and_counts_them(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [str(tmp_path / name) for name in ("near.png", "soft.png")]
    out = tmp_path / "out"
    words = ["apply", "run", *photos, "-o", str(out), "--checkpoints_dir", str(checkpoints)]
    assert run(dispatch, [*words, *QUICKLY]) == 0
    said = capsys.readouterr().out
    assert "soft.png: far from the pairs: it is softer" in said
    assert "near.png: far" not in said
    assert "2 restored, 1 of them far from the pairs; folder:" in said
    records = [json.loads(line) for line in (out / "apply.jsonl").read_text("utf-8").splitlines()]
    (far,) = [record["far"] for record in records if "far" in record]
    assert far["distance"] > 1
    assert "sharpness" in far["reasons"]
    done = applied(photos, "run", out=tmp_path / "again", checkpoints_dir=checkpoints, device="cpu")
    assert [each.far for each in done] == [False, True]


@pytest.mark.parametrize("aim", ["restore", "fit"])
def test_X1_a_photo_far_from_the_pairs_is_changed_less_and_it_is_said(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], aim: str
) -> None:
    """By models for unseen portraits, where nobody chose a strength; one that is near is not."""
    folder = checkpoints / "run"
    config = json.loads((folder / "config.json").read_text())
    settings = settings_from({**config["settings"], "aim": aim}, "-")
    save_settings(folder / "config.json", settings, {})
    network = networks.build_generator(settings)
    torch.nn.init.constant_(network.head.bias, 0.3)  # type: ignore[union-attr, arg-type]
    save_weights(folder / "latest_net_G.pth", network.state_dict())
    photos = [str(tmp_path / name) for name in ("near.png", "soft.png")]

    def made(**chosen: float) -> list[Rgb]:
        done = applied(photos, "run", out=tmp_path / "out", checkpoints_dir=checkpoints, **chosen)
        assert not any(each.already for each in done)
        weakened.append([each.weakened for each in done])
        return [read_rgb(each.output) for each in done]

    weakened: list[list[float | None]] = []
    near, soft = made()
    fully = made(strength=1)
    [[_, trust], none] = weakened
    assert none == [None, None]
    assert (near == fully[0]).all()
    if aim == "fit":
        assert (trust, (soft == fully[1]).all()) == (None, True)
        return
    assert trust is not None
    assert 0 < trust < 1
    assert (soft == made(strength=trust)[1]).all()
    words = ["apply", "run", photos[1], "-o", str(tmp_path / "told")]
    assert run(dispatch, [*words, "--checkpoints_dir", str(checkpoints)]) == 0
    told = f"; so restored at {trust:.0%} strength (--strength 1: all of it)"
    assert told in " ".join(capsys.readouterr().out.split())
    records = (tmp_path / "told/apply.jsonl").read_text("utf-8").splitlines()
    (far,) = [record["far"] for record in map(json.loads, records) if "far" in record]
    assert far["strength"] == trust
    assert far["said"]["values"]["percent"] == round(100 * trust)


def test_a_training_leaves_the_kinds_of_its_pairs_as_the_network_sees_them(tmp_path: Path) -> None:
    short_runs.write_pairs(tmp_path / "pairs")
    fast = {"recipe": "fast", "netG": "detail", "size": "s", "lambda_GAN": 0.0, "norm": "batch"}
    short_runs.train(tmp_path, "run", **fast, aim="restore")
    short_runs.train(tmp_path, "half", **fast, preprocess="scale_width", load_size=28)
    found = {}
    for name in ("run", "half"):
        weights = tmp_path / "checkpoints" / name / "latest_net_G.pth"
        found[name] = load_network(weights)[2].kinds
        assert len(found[name]) == 2
    assert found["run"] != found["half"]
    assert not distance(found["run"][0], found["run"]).far


def test_weights_that_know_no_pairs_are_silent(
    checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkpoints / "run" / "photo_kinds.json").unlink()
    out = str(tmp_path / "out")
    words = ["apply", "run", str(tmp_path / "soft.png"), "-o", out]
    words += ["--checkpoints_dir", str(checkpoints), *QUICKLY]
    assert run(dispatch, words) == 0
    assert "far from" not in capsys.readouterr().out


def test_a_damaged_record_is_as_none(checkpoints: Path) -> None:
    weights = checkpoints / "run" / "latest_net_G.pth"
    assert len(load_network(weights)[2].kinds) == 3
    for text in ("", "{", "3", '[{"skin": 1}]', '["x"]', "[NaN]"):
        (weights.parent / "photo_kinds.json").write_text(text)
        assert load_network(weights)[2].kinds == ()


def test_an_exported_model_knows_its_pairs(checkpoints: Path) -> None:
    pytest.importorskip("safetensors")
    weights = checkpoints / "run" / "latest_net_G.pth"
    export(weights, "safetensors")
    info = load_network(weights.with_suffix(".safetensors"))[2]
    assert info.kinds == load_network(weights)[2].kinds != ()
    record = info.record()
    assert info_of_record(json.loads(json.dumps(record)), "there").kinds == info.kinds
    del record["kinds"]  # as version 0.1 wrote it
    assert info_of_record(record, "there") == replace(info, origin="there", kinds=())
