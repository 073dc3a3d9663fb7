"""The memorisation probe, with models whose memory and skill are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from unretouch.metrics import Levels
from unretouch.report.verdicts import ProbePoint, probe_verdict
from unretouch.settings.verify import ProbeThresholds
from unretouch.tasks.verify.probe import AMOUNTS, changed, memorisation_probe

Rgb = np.ndarray
TARGET = data.astronaut()[60:188, 150:278]
SOURCE = (TARGET // 2 + 40).astype(np.uint8)
PAIRS = [("face", SOURCE, TARGET)]


def skilled(source: Rgb) -> Levels:
    """Knows the way back for any picture: the retouch was a change of contrast."""
    return ((source.astype(np.float32) - 40) * 2).clip(0, 255)


def learnt_by_heart(source: Rgb) -> Levels:
    """Gives the answer for the very pixels it saw, and anything else back as it is."""
    same = source.shape == SOURCE.shape and np.array_equal(source, SOURCE)
    return (TARGET if same else source).astype(np.float32)


def share(points: list[ProbePoint], change: str, amount: int) -> float | None:
    return next(p.recovered_share for p in points if (p.change, p.amount) == (change, amount))


def test_the_curve_has_every_change_unchanged_first() -> None:
    points = memorisation_probe(skilled, PAIRS)
    assert [(p.change, p.amount) for p in points] == [
        (change, amount) for change, amounts in AMOUNTS.items() for amount in amounts
    ]
    assert points[0].change == "none"
    assert points[0].pairs == {"face": points[0].recovered_share}


def test_memory_recovers_only_what_it_saw() -> None:
    points = memorisation_probe(learnt_by_heart, PAIRS)
    assert points[0].recovered_share == 1
    assert {p.recovered_share for p in points[1:]} == {0.0}
    assert probe_verdict(points).word == "memory"


def test_skill_follows_the_shift_the_mirror_and_the_crop() -> None:
    points = memorisation_probe(skilled, PAIRS)
    unchanged = points[0].recovered_share
    assert unchanged is not None
    assert unchanged > 0.95
    for change in ("shift", "mirror", "crop"):
        for amount in AMOUNTS[change]:
            assert share(points, change, amount) == pytest.approx(unchanged, abs=0.05)


def test_between_skill_and_memory() -> None:
    points = [
        ProbePoint("none", 0, "", 0.9, {}),
        ProbePoint("shift", 1, "px", 0.7, {}),
        ProbePoint("shift", 2, "px", 0.5, {}),
        ProbePoint("mirror", 1, "", 0.8, {}),
    ]
    verdict = probe_verdict(points)
    assert verdict.word == "in between"
    assert "shift" in verdict.sentence
    assert probe_verdict(points, ProbeThresholds(skill=0.6)).word == "skill"
    assert probe_verdict(points, ProbeThresholds(memory=0.7)).word == "memory"


def test_where_nothing_is_recovered_there_is_nothing_to_probe() -> None:
    idle = memorisation_probe(lambda source: source.astype(np.float32), PAIRS)
    assert probe_verdict(idle).word == "unknown"
    assert probe_verdict([]).word == "unknown"


def test_memory_is_spoken_of_only_where_something_was_learnt() -> None:
    points = [ProbePoint("none", 0, "", 0.07, {}), ProbePoint("mirror", 1, "", 0.01, {})]
    assert probe_verdict(points).word == "unknown"


def test_two_files_compressed_apart_are_probed_by_their_retouch() -> None:
    """Over the frame, most of which is noise, the share would be small."""
    noise = np.random.default_rng(0).normal(0, 3, (*TARGET.shape, 2))
    area = np.zeros(TARGET.shape[:2], np.bool_)
    area[40:80, 40:80] = True
    true = TARGET.astype(float)
    before = np.where(area[..., None], ndimage.gaussian_filter(true, (3, 3, 0)) + 30, true)
    source, target = (
        np.clip(np.rint(side + noise[..., number]), 0, 255).astype(np.uint8)
        for number, side in enumerate((before, true))
    )
    restored = np.where(area[..., None], target, source).astype(np.float32)
    points = memorisation_probe(
        lambda given: restored if np.array_equal(given, source) else given.astype(np.float32),
        [("face", source, target)],
    )
    assert points[0].recovered_share is not None
    assert points[0].recovered_share > 0.6
    assert probe_verdict(points).word == "memory"


def test_a_small_picture_is_not_cropped_away() -> None:
    small = [("face", SOURCE[:40, :40], TARGET[:40, :40])]
    points = memorisation_probe(skilled, small)
    assert share(points, "crop", 8) is not None
    assert share(points, "crop", 16) is None


def test_changes_by_hand() -> None:
    row = np.arange(6, dtype=np.uint8)
    picture = np.broadcast_to((row * 50)[None, :, None], (4, 6, 3)).copy()
    assert changed(picture, "shift", 2)[0, :, 0].tolist() == [0, 0, 0, 50, 100, 150]
    assert changed(picture, "mirror", 1)[0, :, 0].tolist() == [250, 200, 150, 100, 50, 0]
    assert changed(picture, "brightness", 8)[0, :, 0].tolist() == [8, 58, 108, 158, 208, 255]
    assert changed(picture, "brightness", -8)[0, :, 0].tolist() == [0, 42, 92, 142, 192, 242]
    assert changed(picture, "crop", 1)[:, :, 0].tolist() == [[50, 100, 150, 200]] * 2
    np.testing.assert_array_equal(changed(picture, "none", 0), picture)


def test_noise_is_the_same_for_source_and_target_and_as_strong_as_said() -> None:
    grey = np.full((100, 100, 3), 128, dtype=np.uint8)
    noisy = changed(grey, "noise", 4).astype(float)
    assert noisy.std() == pytest.approx(4, rel=0.05)
    brighter = changed(grey + 20, "noise", 4).astype(float)
    np.testing.assert_array_equal(brighter - noisy, np.full_like(noisy, 20))


def test_detail_is_not_destroyed_by_a_change() -> None:
    """What the retouch removed stays what it was: only so can the shares be compared."""
    smooth = ndimage.gaussian_filter(TARGET, (2, 2, 0))
    for change in ("shift", "mirror", "brightness"):
        for amount in AMOUNTS[change]:
            before, true = (changed(p, change, amount) for p in (smooth, TARGET))
            removed = np.abs(true.astype(float) - before).mean()
            assert removed == pytest.approx(np.abs(TARGET.astype(float) - smooth).mean(), rel=0.05)
