"""Two files of one picture that were compressed apart differ without any retouch.

Row V1 of docs/reliability.md.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from scipy import ndimage

from unretouch.metrics import Area, Levels
from unretouch.pixels.pairs import Pair
from unretouch.pixels.retouched_area import pair_map
from unretouch.report.console import error_table
from unretouch.report.pair_figures import PairFigures, figures_of_pair
from unretouch.report.verdicts import (
    Verification,
    memorised_verdict,
    texture_verdict,
    unseen_verdict,
)
from unretouch.tasks.verify.report import detail_tables
from unretouch.training.pair_error import pair_error

HEIGHT, WIDTH = 240, 320
Rgb = np.ndarray


def picture() -> Levels:
    random = np.random.default_rng(0)
    light = random.integers(60, 190, (6, 8, 3), dtype=np.uint8)
    smooth = np.array(Image.fromarray(light).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    return np.asarray(smooth + random.normal(0, 6, (HEIGHT, WIDTH, 1)), dtype=np.float32)


def square() -> Area:
    area = np.zeros((HEIGHT, WIDTH), np.bool_)
    area[60:140, 80:180] = True
    return area


def saved(levels: Levels, quality: int) -> Rgb:
    file = io.BytesIO()
    rgb = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file).convert("RGB"))


def sides(retouched: bool) -> tuple[Rgb, Rgb]:
    """Source and target, saved apart; the source smoothed in the square."""
    target = picture()
    smooth = ndimage.gaussian_filter(target, (3, 3, 0))
    source = np.where(square()[..., None], smooth, target) if retouched else target
    return saved(source, 92), saved(target, 85)


@pytest.fixture
def ruler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise and area as they are, whatever measures them: here the verdicts are looked at."""

    def known(source: Rgb, target: Rgb) -> tuple[float, Area, float]:
        rough, true = (
            np.abs(np.diff(side[70:130, 90:170].astype(int), axis=1)).mean()
            for side in (source, target)
        )
        return 2.0, square() & bool(rough < 0.7 * true), 0.0

    monkeypatch.setattr("unretouch.metrics.likeness.noise_and_area", known)


def figures(retouched: bool, restored: float = 0.0) -> PairFigures:
    source, target = sides(retouched)
    change = np.where(square()[..., None], target.astype(np.float32) - source, 0)
    prediction = (source + np.float32(restored) * change).astype(np.float32)
    return figures_of_pair("face", source, prediction, target, 500.0)


@pytest.mark.usefixtures("ruler")
def test_V1_without_retouch_there_is_nothing_to_judge() -> None:
    idle = figures(retouched=False)
    for verdict in (memorised_verdict([idle]), texture_verdict([idle]), unseen_verdict(1, [idle])):
        assert verdict.word == "unknown"
        assert "no retouch to judge" in verdict.sentence


@pytest.mark.usefixtures("ruler")
def test_V1_verdicts_turn_on_the_retouch_and_not_on_the_noise() -> None:
    """The noise is a third of what doing nothing costs: over the frame 0.7 cannot be reached."""
    restored = figures(retouched=True, restored=0.97)
    assert restored.prediction.frame["recovered_share"] < 0.7
    assert memorised_verdict([restored]).word == "memorised"
    assert "in the retouched area" in memorised_verdict([restored]).sentence
    assert unseen_verdict(0.9, [restored]).word == "holds"
    idle = figures(retouched=True)
    assert memorised_verdict([idle]).word == "did nothing"
    assert texture_verdict([idle]).word == "nothing"


@pytest.mark.usefixtures("ruler")
def test_V1_what_is_added_outside_is_told() -> None:
    source, target = sides(retouched=True)
    prediction = source.astype(np.float32)
    prediction[~square()] += 8
    told = figures_of_pair("face", source, prediction, target, 500.0)
    assert told.added_outside == pytest.approx(8)
    assert told.wrong_outside is not None
    assert 4 < told.wrong_outside < 8  # less what lies between the two sides
    assert figures(retouched=True).added_outside == 0
    harmed = memorised_verdict([told])
    assert harmed.word == "harmful"
    stands, changed, means = harmed.said[1:4]
    assert str(stands).startswith("The weakest pair is face")
    assert str(changed) == (
        f"The model changed the picture by {told.wrong_outside:.2g} grey levels where nothing was "
        "retouched."
    )
    assert str(means).startswith("Memorised means")


@pytest.mark.usefixtures("ruler")
def test_V1_tables_tell_retouch_from_compression() -> None:
    source, target = sides(retouched=True)
    off = np.abs(source.astype(float) - target).mean(axis=2)
    retouch = off[square()].sum() / off.size
    plain = figures(retouched=True).plain
    assert (plain.level_error, plain.identity_error) == pytest.approx((retouch, retouch))
    assert plain.left_out == pytest.approx(off.mean() - retouch)
    assert plain.exact_pixels == pytest.approx((off.size - square().sum()) / off.size, abs=0.01)
    console = Console(record=True, width=250, file=io.StringIO())
    console.print(error_table("", {"": [plain]}))
    for shown in detail_tables(Verification([figures(retouched=True)])):
        console.print(shown)
    said = f"which no model can undo: face by {off.mean() - retouch:.3f}"
    assert " ".join(console.export_text().split()).count(said) == 2


@pytest.mark.usefixtures("ruler")
def test_V1_who_gives_the_noise_back_too_is_no_worse() -> None:
    """Where the sides differ by noise alone, both are right, and all between them."""
    source, target = sides(retouched=True)
    for share, error in ((1.0, 0.0), (0.5, 0.5)):
        prediction = source + np.float32(share) * (target.astype(np.float32) - source)
        told = figures_of_pair("face", source, prediction, target, 500.0)
        assert told.harm == 0
        assert told.plain.level_error == pytest.approx(error * told.plain.identity_error)
        pair = Pair("face", source, target, ())
        trained = pair_error(pair, prediction, pair_map(source, target))
        assert trained.level_error == pytest.approx(error * trained.identity_error)
    perfect = figures_of_pair("face", source, target.astype(np.float32), target, 500.0).plain
    assert (perfect.exact_pixels, perfect.recovered_share) == (1, 1)


def test_V1_lossless_pairs_are_judged_as_before() -> None:
    target = np.rint(np.clip(picture(), 0, 255)).astype(np.uint8)
    smooth = ndimage.gaussian_filter(target, (3, 3, 0))
    source = np.where(square()[..., None], smooth, target)
    told = figures_of_pair("face", source, source.astype(np.float32), target, 500.0)
    assert told.left_out is None
    assert told.judged is told.prediction.frame
    assert told.judged_G_L1 == told.G_L1
    pair = Pair("face", source, target, ())
    assert told.plain == pair_error(pair, source.astype(np.float32))


@pytest.mark.parametrize("sky", [False, True], ids=["", "an identical sky"])
def test_V1_two_jpegs_of_one_picture(sky: bool) -> None:
    source, target = sides(retouched=False)
    if sky:
        target[:80] = source[:80]
    told = figures_of_pair("face", source, source.astype(np.float32), target, 500.0)
    assert memorised_verdict([told]).word == "unknown"
    assert texture_verdict([told]).word == "unknown"
