"""A pair with a colour grade on one side: named as such, taken out on request, and no recovery.

Row V2 of docs/reliability.md.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from unretouch.cli import dispatch
from unretouch.metrics.likeness import ruler_of
from unretouch.pixels import images, pair_check
from unretouch.pixels.grade import colour_grade, in_colours_of
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouch import retouch, skin_mask
from unretouch.report.pair_figures import PairFigures, figures_of_pair
from unretouch.report.verdicts import (
    Verification,
    memorised_verdict,
    probe_verdict,
    texture_verdict,
    unseen_verdict,
)
from unretouch.settings.train import AimName, TrainSettings
from unretouch.tasks.pair import pair_folders
from unretouch.tasks.verify.probe import AMOUNTS, memorisation_probe
from unretouch.tasks.verify.report import report
from unretouch.training.fast_fit import FastFit

Rgb = np.ndarray
LEVELS = np.arange(256.0)
WARM = np.array([1.05, 1.0, 0.93])


def s_curve(levels: np.ndarray) -> np.ndarray:
    return levels - 18 * np.sin(2 * np.pi * levels / 255)


def graded(rgb: Rgb) -> Rgb:
    """More contrast, and a warm white balance."""
    return np.rint(np.clip(s_curve(rgb.astype(np.float32)) * WARM, 0, 255)).astype(np.uint8)


def ungraded(rgb: Rgb) -> np.ndarray:
    """The way back, levels: what a model would learn of the grade, and of nothing else."""
    return np.interp(rgb / WARM, s_curve(LEVELS), LEVELS).astype(np.float32)


def saved(rgb: Rgb, quality: int) -> Rgb:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file).convert("RGB"))


@cache
def sides(portrait: bytes, coded: bool = False) -> tuple[Rgb, Rgb]:
    """A, retouched and graded, and B, as it was."""
    before = np.frombuffer(portrait, np.uint8).reshape(512, 512, 3)[32:352, 96:416]
    after = graded(retouch(before, 0, all_surfaces=True))
    return (saved(after, 92), saved(before, 90)) if coded else (after, before)


@pytest.fixture(params=[False, True], ids=["lossless", "JPEG"])
def pair(request: pytest.FixtureRequest, portrait: Rgb) -> tuple[Rgb, Rgb]:
    return sides(portrait.tobytes(), request.param)


def judged(pair: tuple[Rgb, Rgb], prediction: np.ndarray) -> PairFigures:
    return figures_of_pair("face", pair[0], prediction.astype(np.float32), pair[1], 300.0)


def test_V2_a_grade_is_told_with_numbers_and_not_as_swapped_sides(pair: tuple[Rgb, Rgb]) -> None:
    """The curve alone makes so much detail in A that it spoke for swapped sides."""
    assert pair_check.detail_ratio(*pair) > pair_check.SWAPPED
    difference = pair_check.mean_difference(*pair)
    (told,) = pair_check.warnings_for(*pair, "AtoB")
    levels, whole = (float(word) for word in told.split() if word[0].isdigit())
    assert "one side is graded" in told
    assert "--grade remove" in told
    assert whole == pytest.approx(difference, abs=0.06)
    assert 0.6 * whole < levels < whole


def test_V2_swapped_sides_are_told_whatever_the_grade(portrait: Rgb) -> None:
    after, before = sides(portrait.tobytes())
    swapped = pair_check.warnings_for(before, after, "AtoB")
    assert any("--direction BtoA" in line for line in swapped)
    assert not any("more fine detail" in w for w in pair_check.warnings_for(
        before, after, "BtoA"))  # fmt: skip


@pytest.mark.parametrize("change", ["curve", "white balance", "saturation", "lifted blacks"])
def test_V2_every_usual_grade_is_found(portrait: Rgb, change: str) -> None:
    before = portrait[32:352, 96:416]
    after = retouch(before, 0, all_surfaces=True).astype(np.float32)
    light = (after @ np.array([0.3, 0.6, 0.1], np.float32))[..., None]
    changed = {
        "curve": 255 * (after / 255) ** 0.85,
        "white balance": after * np.array([1.04, 1.0, 0.95]),
        "saturation": light + 1.3 * (after - light),
        "lifted blacks": 20 + after * 235 / 255,
    }[change]
    a = np.rint(np.clip(changed, 0, 255)).astype(np.uint8)
    found = colour_grade(a, before)
    assert found is not None
    left = pair_check.mean_difference(found.of_file(a), before)
    retouched = pair_check.mean_difference(np.rint(after).astype(np.uint8), before)
    assert left == pytest.approx(retouched, rel=0.2)
    assert (np.diff(found.curves, axis=0) >= -1e-3).all()


def sound(portrait: Rgb) -> dict[str, tuple[Rgb, Rgb]]:
    before = portrait[32:352, 96:416]
    skin = skin_mask(before)[..., None]
    most = np.clip(np.linspace(3, -1, 320), 0, 1)[:, None]
    return {
        "retouched": (retouch(before, 0), before),
        "all surfaces": (retouch(before, 1, 0.0, all_surfaces=True), before),
        "sparse": (retouch(before, 2, sparse=True), before),
        "two JPEGs": (saved(before, 95), saved(before, 75)),
        "retouched, two JPEGs": (saved(retouch(before, 0), 92), saved(before, 85)),
        "skin lightened": (np.clip(before + skin * 6, 0, 255).astype(np.uint8), before),
        "lightened in most of the frame": (
            np.clip(before + 12 * most, 0, 255).astype(np.uint8),
            before,
        ),
        "smooth": (ndimage.gaussian_filter(before, (2, 2, 0)), before),
        "shifted": (np.roll(before, 2, 1), before),
    }


def test_V2_sound_pairs_are_never_called_graded(portrait: Rgb) -> None:
    assert [name for name, pair in sound(portrait).items() if colour_grade(*pair)] == []
    assert colour_grade(graded(portrait[:96, :96]), portrait[:96, :96]) is None  # too small to tell


def test_V2_who_learnt_the_grade_alone_has_recovered_nothing(pair: tuple[Rgb, Rgb]) -> None:
    """Most of the difference is gone, and not one blemish is back."""
    learnt = judged(pair, ungraded(pair[0]))
    recovered = learnt.prediction.frame["recovered_share"]
    assert recovered is not None
    assert recovered > 0.6
    unseen = unseen_verdict(None, [learnt])
    assert unseen.word == "does not hold"
    assert memorised_verdict([learnt]).word == "did nothing"
    assert texture_verdict([learnt]).word == "nothing"
    assert learnt.grade is not None
    assert learnt.grade.by_grade == pytest.approx(recovered, abs=0.02)
    assert learnt.judged_share == pytest.approx(0, abs=0.02)
    told = f"its curve alone brings back {learnt.grade.by_grade:.0%} of the difference."
    assert told in unseen.sentence
    assert report(Verification([learnt]))["training"]["pairs"][0]["judged_by"] == "area"


def test_V2_who_brings_the_retouch_back_is_praised_for_it(pair: tuple[Rgb, Rgb]) -> None:
    whole, half = judged(pair, pair[1]), judged(pair, (ungraded(pair[0]) + pair[1]) / 2)
    assert whole.judged_share == pytest.approx(1, abs=0.01)
    for figures, share in ((half, (ungraded(pair[0]) + pair[1]) / 2), (whole, pair[1])):
        probed = ruler_of(*pair).share(share, pair[1], pair[0])
        assert probed == pytest.approx(figures.judged_share, abs=1e-3)
    assert half.judged_share == pytest.approx(0.5, abs=0.05)
    assert unseen_verdict(None, [whole]).word == "holds"
    assert memorised_verdict([whole]).word == "perfect"


def test_V2_a_file_in_other_colours_stays_a_file(pair: tuple[Rgb, Rgb]) -> None:
    """In floats a picture of 24 megapixels is four times as large."""
    levels = [side.astype(np.float32) for side in pair]
    found = in_colours_of(*levels)
    assert found.dtype == np.uint8
    assert (found == in_colours_of(*pair)).mean() > 0.999


def test_V2_a_wrong_grade_is_harm(portrait: Rgb) -> None:
    """The retouch is back, and the colours are further off than before."""
    pair = sides(portrait.tobytes())
    wrong = graded(graded(pair[1]))
    assert unseen_verdict(None, [judged(pair, wrong)]).word == "harmful"


def test_V2_where_the_grade_is_all_there_is_no_retouch_to_judge(portrait: Rgb) -> None:
    before = portrait[32:352, 96:416]
    pair = graded(before), before
    learnt = judged(pair, ungraded(pair[0]))
    for verdict in (memorised_verdict([learnt]), unseen_verdict(None, [learnt])):
        assert verdict.word == "unknown"
        assert "only by a colour grade" in verdict.sentence


def test_V2_the_probe_does_not_call_a_grade_skill(
    portrait: Rgb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AMOUNTS, "brightness", (8,))
    for change in ("shift", "noise", "crop"):
        monkeypatch.setitem(AMOUNTS, change, AMOUNTS[change][-1:])
    points = memorisation_probe(ungraded, [("face", *sides(portrait.tobytes()))])
    assert probe_verdict(points).word == "unknown"


def test_V2_a_grade_is_taken_out_on_request(
    tmp_path: Path, portrait: Rgb, capsys: pytest.CaptureFixture[str]
) -> None:
    after, before = sides(portrait.tobytes())
    for side, rgb in (("A", after), ("B", before)):
        (tmp_path / side).mkdir()
        images.write_png(tmp_path / side / "face.png", rgb)
    folders = [str(tmp_path / side) for side in "AB"]
    dispatch(["pair", *folders, "--out", str(tmp_path / "out"), "--grade", "remove"])
    assert "one side was graded" in capsys.readouterr().out
    whole = images.read_rgb(tmp_path / "out/train/face.png")
    plain = retouch(before, 0, all_surfaces=True)
    assert np.abs(whole[:, :320].astype(int) - plain).mean() < 0.6
    assert np.array_equal(whole[:, 320:], before)
    assert pair_check.warnings_for(whole[:, :320], before, "AtoB") == []
    [kept] = pair_folders(tmp_path / "A", tmp_path / "B", tmp_path / "kept").rows
    assert np.array_equal(images.read_rgb(kept.file)[:, :320], after)
    assert kept.detail_ratio < 1


@pytest.mark.parametrize("aim", ["fit", "restore"])
def test_V2_a_grade_is_learnt_to_memorise_and_for_nothing_else(
    pair: tuple[Rgb, Rgb], aim: AimName
) -> None:
    """Other photographs lack it, and beside it the retouch is learnt worse."""
    settings = TrainSettings(
        dataroot="-", netG="detail", size="s", recipe="fast", aim=aim, lambda_GAN=0
    )
    fit = FastFit(settings, [Pair("face", *pair, ())], torch.device("cpu"))
    asked = fit.maps[0].identity_error
    whole = float(np.abs(pair[0].astype(int) - pair[1]).mean())
    assert (asked > 0.95 * whole) if aim == "fit" else (asked < 0.5 * whole)
