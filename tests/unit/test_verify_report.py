"""The report, the table, the places to look at, and finished pictures."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import ndimage
from skimage import data

from unretouch.base.errors import DataError, ManyDataErrors
from unretouch.metrics.table import METRICS
from unretouch.pixels.images import write_png
from unretouch.report.pair_figures import PairFigures, figures_of_pair, worst_and_typical
from unretouch.report.verdicts import CrossRuns, ProbePoint, Verification
from unretouch.tasks.verify.finished_pictures import finished_pictures
from unretouch.tasks.verify.measuring import simulated_pair
from unretouch.tasks.verify.report import SCHEMA, detail_tables, mean_figures, report

Rgb = np.ndarray


def target() -> Rgb:
    return data.astronaut()[60:140, 150:230]


def source() -> Rgb:
    smooth = ndimage.gaussian_filter(target(), (2, 2, 0))
    return np.where(np.arange(80)[:, None, None] < 50, smooth, target())


@cache
def figures(name: str = "face", share: float = 0.5) -> PairFigures:
    before, true = source().astype(np.float32), target().astype(np.float32)
    skin = np.zeros((80, 80), dtype=np.float32)
    skin[:40] = 1
    prediction = before + np.float32(share) * (true - before)
    return figures_of_pair(name, source(), prediction, target(), 300.0, skin)


def verification() -> Verification:
    probe = [
        ProbePoint("none", 0, "", 0.5, {"face": 0.5}),
        ProbePoint("shift", 1, "px", 0.1, {"face": 0.1}),
    ]
    return Verification([figures(), figures("second", 0.9)], [figures("other", 0.2)], probe)


def test_the_report_is_json_without_nan_and_says_its_schema() -> None:
    text = json.dumps(report(verification()), allow_nan=False)
    again = json.loads(text)
    assert again["schema"] == SCHEMA == 1
    assert list(again) == [
        *("schema", "program", "version", "subject", "verdicts", "thresholds"),
        *(
            "generalisation_gap",
            "cross",
            "training",
            "heldout",
            "self_test",
            "probe",
            "guesses",
            "metrics",
        ),
    ]
    assert set(again["verdicts"]) == {"memorised", "texture", "unseen", "unseen_texture", "probe"}
    assert again["generalisation_gap"] == pytest.approx(0.7 - 0.2, abs=1e-3)


def test_every_figure_of_the_report_is_described_in_it() -> None:
    written = report(verification())
    described = {key for metric in written["metrics"].values() for key in metric["figures"]}
    pair = written["training"]["pairs"][0]
    for candidate in ("prediction", "identity", "grain"):
        assert set(pair[candidate]["frame"]) <= described
        assert set(pair[candidate]["area"]) == described
    assert described == {key for metric in METRICS.values() for key in metric.keys}


def test_an_untouched_pair_and_an_empty_report_are_json_too() -> None:
    same = figures_of_pair("same", target(), target().astype(np.float32), target(), 100.0)
    json.dumps(report(Verification([same])), allow_nan=False)
    json.dumps(report(Verification([])), allow_nan=False)


def test_means_leave_out_what_has_no_value() -> None:
    assert mean_figures([{"a": 1.0, "b": None}, {"a": None, "b": None}]) == {"a": 1.0, "b": None}
    assert mean_figures([]) == {}


def test_the_figures_of_one_pair_by_hand() -> None:
    one = figures(share=0.5)
    assert (one.width, one.height, one.lambda_L1) == (80, 80, 300)
    assert one.prediction.frame["recovered_share"] == pytest.approx(0.5, abs=1e-3)
    assert one.identity.frame["recovered_share"] == 0
    error = one.prediction.frame["level_error"]
    assert error is not None
    assert pytest.approx(error / 127.5 * 300) == one.G_L1
    assert one.area_share == pytest.approx(50 / 80, abs=0.1)
    assert one.skin is not None
    assert one.skin.share_of_frame == 0.5


def test_the_table_tells_everything_and_takes_names_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=220)
    for shown in detail_tables(Verification([figures("[red]face[/red]")])):
        console.print(shown)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]face[/red]" in text
    assert "a grain overlay" in " ".join(text.split())
    whole = Console(file=io.StringIO(), width=220)
    for shown in detail_tables(verification()):
        whole.print(shown)
    assert "elsewhere" in whole.file.getvalue()  # type: ignore[attr-defined]


# --- places


def test_the_worst_place_is_where_the_error_is_and_the_typical_one_is_median() -> None:
    true = np.zeros((200, 300, 3), dtype=np.float32)
    prediction = true + 1
    prediction[120:140, 250:270] = 50
    worst, typical = worst_and_typical(prediction, true, np.ones((200, 300), dtype=np.bool_), 32)
    assert worst.top <= 120
    assert worst.top + 32 >= 140
    assert worst.left <= 250
    assert worst.left + 32 >= 270
    assert worst.level_error == pytest.approx(1 + 49 * 400 / 1024)
    assert typical.level_error == pytest.approx(1)


def test_places_lie_in_the_retouched_area_and_in_the_frame() -> None:
    true = np.zeros((100, 90, 3), dtype=np.float32)
    prediction = true.copy()
    prediction[:20] = 99
    area = np.zeros((100, 90), dtype=np.bool_)
    area[95:, 80:] = True
    for place in worst_and_typical(prediction, true, area, 40):
        assert (place.top + 40, place.left + 40) <= (100, 90)
        assert place.top + 40 > 95
        assert place.left + 40 > 80


def test_a_frame_smaller_than_a_place_is_shown_whole() -> None:
    true = np.zeros((20, 50, 3), dtype=np.float32)
    worst, _ = worst_and_typical(true, true, np.zeros((20, 50), dtype=np.bool_))
    assert (worst.top, worst.side) == (0, 20)


# --- finished pictures


def folders(tmp_path: Path, names: tuple[str, ...] = ("anna", "박")) -> tuple[Path, Path]:
    for name in names:
        side_by_side = np.concatenate([source(), target()], axis=1)
        (tmp_path / "pairs" / name).parent.mkdir(parents=True, exist_ok=True)
        write_png(tmp_path / "pairs" / f"{name}.png", side_by_side)
    (tmp_path / "made").mkdir()
    return tmp_path / "made", tmp_path / "pairs"


def test_finished_pictures_are_judged_by_name(tmp_path: Path) -> None:
    made, pairs = folders(tmp_path)
    write_png(made / "anna.png", target())
    write_png(made / "박.png", source())
    found = {pair.name: prediction for pair, prediction in finished_pictures(made, pairs)}
    assert list(found) == ["anna", "박"]
    np.testing.assert_array_equal(found["anna"], target())
    np.testing.assert_array_equal(found["박"], source())


def test_the_predictions_of_a_classic_results_folder_are_found(tmp_path: Path) -> None:
    made, pairs = folders(tmp_path, ("anna",))
    write_png(made / "anna_real_A.png", source())
    write_png(made / "anna_real_B.png", target())
    write_png(made / "anna_fake_B.png", target())
    ((_, prediction),) = finished_pictures(made, pairs)
    np.testing.assert_array_equal(prediction, target())


def test_the_other_direction_swaps_source_and_target(tmp_path: Path) -> None:
    made, pairs = folders(tmp_path, ("anna",))
    write_png(made / "anna.png", target())
    ((pair, _),) = finished_pictures(made, pairs, direction="BtoA")
    np.testing.assert_array_equal(pair.source, target())


def test_pairs_without_a_picture_are_all_named_before_the_first_is_judged(tmp_path: Path) -> None:
    made, pairs = folders(tmp_path)
    write_png(made / "someone.png", target())
    with pytest.raises(ManyDataErrors, match=r"anna[\s\S]*박"):
        finished_pictures(made, pairs)


def test_one_picture_is_not_taken_for_two_pairs_of_one_file_name(tmp_path: Path) -> None:
    made, pairs = folders(tmp_path, ("a/001", "b/001"))
    write_png(made / "001.png", target())
    with pytest.raises(ManyDataErrors, match=r"a_001[\s\S]*b_001"):
        finished_pictures(made, pairs, phase=".")


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    made, pairs = folders(tmp_path, ("anna",))
    write_png(made / "anna.png", target()[1:])
    with pytest.raises(DataError, match="80 x 79 pixels, its pair 80 x 80"):
        list(finished_pictures(made, pairs))


# --- self-test


def test_the_self_test_takes_the_photo_for_the_answer(tmp_path: Path) -> None:
    photo = np.tile(target(), (2, 2, 1))
    write_png(tmp_path / "me.png", photo)
    pair = simulated_pair("me", tmp_path / "me.png")
    np.testing.assert_array_equal(pair.target, photo)
    assert not np.array_equal(pair.source, photo)


def test_the_self_test_says_that_it_is_no_proof() -> None:
    told = Verification([figures()], self_test=[figures("me", 0.9)]).verdicts
    assert told["self_test"].word == "holds"
    assert "no proof" in told["self_test"].sentence
    assert told["unseen"].word == "unknown"


# --- leave-one-out


def test_the_gap_of_leave_one_out_is_that_of_the_small_runs() -> None:
    """Against the long run itself, a short training would pass for a lack of generalisation."""
    cross = CrossRuns(runs=2, minutes_each=1.0, own_share=0.3)
    verification = Verification([figures("a", 0.9)], [figures("b", 0.2)], cross=cross)
    assert report(verification)["generalisation_gap"] == pytest.approx(0.1, abs=1e-3)
    said = verification.verdicts["unseen"].sentence
    assert "Of their own pairs these runs recovered 30.0%." in said
    assert "points" not in said
    assert report(verification)["cross"]["minutes_each"] == 1.0
