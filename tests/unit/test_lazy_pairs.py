"""Pairs that do not fit memory: the same pairs, the same training, in bounded memory."""

from __future__ import annotations

import dataclasses
import re
import threading
from pathlib import Path
from typing import Any

import fault_harness as harness
import numpy as np
import pytest
import torch
from PIL import Image

from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.pixels import pairs as pairs_module
from unretouch.pixels.pairs import (
    LazyPair,
    LoadedPairs,
    Pair,
    PictureCache,
    fetch,
    load_pairs,
    swapped,
)
from unretouch.pixels.retouched_area import pair_map
from unretouch.runs import checkpoint
from unretouch.settings.train import TrainSettings
from unretouch.tasks.classic_commands import classic_train
from unretouch.training import classic_fit, session
from unretouch.training.previews import SHOWN, shown_pairs
from unretouch.training.training_pairs import cache_bytes, padded_pairs, prepared_pairs

COUNT, SIZE = 12, 40
BYTES = 6 * SIZE * SIZE


@pytest.fixture(scope="module")
def dataroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harness.make_pairs(tmp_path_factory.mktemp("many"), COUNT, SIZE)


def load(dataroot: Path, pairs_kept: float | None) -> LoadedPairs:
    cache = None if pairs_kept is None else PictureCache(int(pairs_kept * BYTES))
    return load_pairs(dataroot, "train", cache=cache)


def test_lazy_pairs_are_the_eager_ones(dataroot: Path) -> None:
    eager, lazy = load(dataroot, None), load(dataroot, 3)
    assert lazy.lazy
    assert not eager.lazy
    assert (lazy.warnings, lazy.manifest) == (eager.warnings, eager.manifest)
    for one, other in zip(eager.pairs, lazy.pairs, strict=True):
        assert isinstance(other, LazyPair)
        assert (one.name, one.files, one.shape) == (other.name, other.files, other.shape)
        np.testing.assert_array_equal(one.source, other.source)
        np.testing.assert_array_equal(one.target, other.target)


def test_what_fits_the_cache_is_decoded_at_once(dataroot: Path) -> None:
    assert not load(dataroot, COUNT).lazy
    assert load(dataroot, COUNT - 0.5).lazy


def test_the_cache_is_bounded_and_keeps_what_was_used_last(
    dataroot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = load(dataroot, 3).pairs
    decoded: list[str] = []
    for pair in pairs:
        assert isinstance(pair, LazyPair)
        counting(pair, decoded)
    cache = pairs[0].cache  # type: ignore[attr-defined]
    for pair in pairs:
        assert pair.source.shape == pair.target.shape == (SIZE, SIZE, 3)
        assert cache.held <= cache.limit
    assert decoded == [pair.name for pair in pairs]
    _ = pairs[-3].source, pairs[-1].source  # here still
    _ = pairs[0].source, pairs[-3].target  # drives out the least lately used, which is [-2]
    assert len(decoded) == COUNT + 1
    _ = pairs[-2].source
    assert decoded[COUNT:] == [pairs[0].name, pairs[-2].name]


def counting(pair: LazyPair, decoded: list[str]) -> None:
    decode = pair.decode

    def counted() -> Any:
        decoded.append(pair.name)
        return decode()

    object.__setattr__(pair, "decode", counted)


def test_what_is_fetched_ahead_is_decoded_once_and_elsewhere(dataroot: Path) -> None:
    pairs = load(dataroot, 8).pairs
    where: list[str] = []
    for pair in pairs:
        decode = pair.decode  # type: ignore[attr-defined]
        object.__setattr__(
            pair,
            "decode",
            lambda decode=decode: (where.append(threading.current_thread().name), decode())[1],
        )
    fetch(pairs[:3])
    for pair in pairs[:3]:
        _ = pair.source
    assert len(where) == 3
    assert all(name.startswith("decode") for name in where)
    fetch(pairs)  # no more than half of the room
    assert pairs[0].cache.held <= pairs[0].cache.limit  # type: ignore[attr-defined]


def test_a_pair_the_other_way_round_is_decoded_and_measured_with_the_pair(
    dataroot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = load(dataroot, 3).pairs[0]
    source, target = pair.source, pair.target
    other = swapped(pair)
    monkeypatch.setattr(pairs_module, "read_pair", None)
    fetch([other])
    assert other.source is target
    assert other.target is source
    assert pair.cache.held == BYTES  # type: ignore[attr-defined]
    known, again = pair_map(source, target).swapped(), pair_map(target, source)
    for name in ("absolute", "difference", "change", "noise", "noise_of_means"):
        np.testing.assert_allclose(getattr(known, name), getattr(again, name), atol=1e-4)
    window = slice(8, 40)
    for sigma in (None, 16.0):
        found = known.asked(target, source, window, window, sigma)
        assert np.array_equal(found, again.asked(target, source, window, window, sigma))


def test_a_file_that_changes_or_goes_while_training_is_named(tmp_path: Path) -> None:
    root = harness.make_pairs(tmp_path, 4, SIZE)
    first, second, *_ = load(root, 1).pairs
    Image.new("RGB", (20, 20)).save(first.files[0])
    second.files[0].unlink()
    fetch([second])
    with pytest.raises(DataError, match=r"000\.png: has changed since the run began"):
        _ = first.source
    with pytest.raises(DataError, match=r"001\.png: cannot be opened"):
        _ = second.source
    with pytest.raises(DataError, match=r"001\.png: cannot be opened"):
        _ = second.source


def test_a_pair_that_goes_while_training_ends_the_run_after_a_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = harness.make_pairs(tmp_path / "data", 6, SIZE)
    place = harness.Place(root, tmp_path / "checkpoints")
    update = classic_fit.ClassicFit.update

    def losing(self: Any, step: int, *rest: Any) -> Any:
        if step == 7:
            for file in (root / "train").iterdir():
                file.unlink()
        return update(self, step, *rest)

    monkeypatch.setattr(classic_fit.ClassicFit, "update", losing)
    with pytest.raises(DataError, match="cannot be opened"):
        classic_train(place.words("--cache_gb", "0.00001"))
    assert harness.step(place.root) >= 7
    assert len(harness.events(place.root, "fault")) == 1


def test_every_bad_file_of_a_large_set_is_listed_at_once(tmp_path: Path) -> None:
    root = harness.make_pairs(tmp_path, 6, SIZE)
    for name in ("001", "004"):
        path = root / "train" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ManyDataErrors) as caught:
        load(root, 1)
    assert [Path(p.where).stem for p in caught.value.problems] == ["001", "004"]


SETTINGS = {
    "classic": {
        "netG": "resnet_6blocks", "ngf": 2, "ndf": 2, "norm": "batch", "batch_size": 5,
        "preprocess": "scale_width_and_crop", "load_size": 48, "crop_size": 32,
    },
    "grey, padded": {
        "netG": "unet_128", "ngf": 2, "ndf": 2, "input_nc": 1, "batch_size": 2,
        "preprocess": "none", "norm": "instance",
    },
    "fit": {"netG": "detail", "size": "s", "recipe": "fast", "lambda_GAN": 0, "preprocess": "none"},
    "restore": {
        "netG": "detail", "size": "s", "recipe": "fast", "lambda_GAN": 0, "preprocess": "none",
        "aim": "restore",
    },
}  # fmt: skip


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("kind", SETTINGS)
def test_training_is_the_same_bit_for_bit(dataroot: Path, kind: str) -> None:
    settings = TrainSettings(dataroot=str(dataroot), **SETTINGS[kind])  # type: ignore[arg-type]
    found = []
    for kept in (None, 2.5):
        pairs = prepared_pairs(settings, load(dataroot, kept).pairs)
        assert isinstance(pairs[0], LazyPair) == (kept is not None)
        opened = session.start(settings, padded_pairs(settings, pairs), torch.device("cpu"))
        updates = [opened.progress.update(opened.fit) for _ in range(5)]
        told = [dataclasses.replace(update, data_s=0.0) for update in updates]
        found.append((told, checkpoint.digest(opened.fit.state())))
    assert found[0] == found[1]


def test_a_run_by_the_command_line_is_the_same_but_shows_a_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = harness.make_pairs(tmp_path / "more", SHOWN + 3, SIZE)
    roots = []
    for name, flags in (("eager", []), ("lazy", ["--cache_gb", "0.00002"])):
        place = harness.Place(more, tmp_path / name)
        words = place.words("--n_epochs", "1", "--n_epochs_decay", "0", *flags)
        assert classic_train(words) == 0
        roots.append(place.root)
    eager, lazy = roots
    assert harness.outcome(eager) == harness.outcome(lazy)
    assert (eager / "data.json").read_bytes() == (lazy / "data.json").read_bytes()
    _, said = capsys.readouterr().out.split(
        "more than --cache_gb holds: decoded as they are needed"
    )
    rows = said.partition("exact pixels")[2].partition("Errors in grey levels")[0]
    assert len(re.findall(r"^\d{3} ", rows, re.MULTILINE)) == SHOWN
    assert f"measured on {SHOWN} of the {SHOWN + 3} pairs" in said


def test_shown_pairs() -> None:
    few = [pair(n) for n in range(SHOWN)]
    many = [pair(n) for n in range(1000)]
    assert shown_pairs(few, 0, lazy=True) == few
    assert len(shown_pairs(many[:100], 0, lazy=False)) == 100
    for lazy in (True, False):
        shown = shown_pairs(many, 0, lazy)
        assert len(shown) == SHOWN
        names = [p.name for p in shown]
        assert names == sorted(names)
        assert names == [p.name for p in shown_pairs(many, 0, lazy)]
        assert names != [p.name for p in shown_pairs(many, 1, lazy)]


def pair(number: int) -> Pair:
    picture = np.zeros((1, 1, 3), np.uint8)
    return Pair(f"{number:04d}", picture, picture, ())


def test_cache_bytes() -> None:
    assert cache_bytes(TrainSettings(dataroot="d", cache_gb=1.5)) == 1_500_000_000
    whole = cache_bytes(TrainSettings(dataroot="d"))
    assert whole > 10**8
    assert cache_bytes(TrainSettings(dataroot="d", devices=2)) == pytest.approx(whole / 2, abs=1)
