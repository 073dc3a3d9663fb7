"""The pages as files: what they carry, what they cost, and that no name can become markup."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unretouch.base.names import LONGEST_SEGMENT
from unretouch.pixels.pair_pictures import COLOURS, picture_files
from unretouch.report.pages import ShownPair, picture_url, script_json
from unretouch.report.run_display import write_status, write_training_page
from unretouch.runs.status import (
    PREVIEWS_KEPT,
    PlainFigures,
    Preview,
    PreviewPair,
    PreviewPlace,
    TrainingStatus,
    of_whole_pictures,
    recent,
    thin_curves,
    thin_previews,
)
from unretouch.tasks.test import write_results_page
from unretouch.training.previews import MOST_LARGE, MOST_PAIRS

REPORTS = Path(__file__).parents[2] / "src" / "unretouch" / "report"
HOSTILE = "<img src=x onerror=alert(1)>"


def pair(name: str, epoch: int) -> PreviewPair:
    return PreviewPair(
        name=name,
        real_A=f"images/epoch000_{name}_real_A.png",
        fake_B=f"images/epoch{epoch:03d}_{name}_fake_B.png",
        real_B=f"images/epoch000_{name}_real_B.png",
        error_map=f"images/epoch{epoch:03d}_{name}_error.png",
        level_error=1.5,
        identity_error=2.0,
        recovered_share=0.25,
    )


def status(names: tuple[str, ...] = ("face",), previews: int = 2, lines: int = 5) -> TrainingStatus:
    steps = [float(i) for i in range(1, lines + 1)]
    columns = ("G_L1", "G_GAN", "D_real", "D_fake", "level_error")
    return TrainingStatus(
        name="run",
        state="running",
        step=lines,
        total_steps=6000,
        epoch=2,
        total_epochs=2000,
        elapsed_s=10.0,
        left_s=None,
        lr=0.0001,
        lambda_L1=500.0,
        identity_error=2.0,
        curves={"step": steps, **{name: [1 / 3] * lines for name in columns}},
        previews=[
            Preview(step=30 * i, epoch=i, pairs=[pair(name, i) for name in names])
            for i in range(previews)
        ],
    )


def read_status(web: Path) -> dict[str, object]:
    text = (web / "status.js").read_text("utf-8")
    found = re.fullmatch(r"window\.unretouchStatus\((.*)\);\n", text, re.DOTALL)
    assert found
    record = json.loads(found[1])
    assert isinstance(record, dict)
    return record


class Markup(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, attribute: str) -> list[str]:
        return [a[attribute] or "" for t, a in self.tags if t == tag and attribute in a]


def test_training_page_carries_all_it_refers_to(tmp_path: Path) -> None:
    write_training_page(tmp_path)
    write_status(tmp_path, status())
    page = Markup((tmp_path / "index.html").read_text("utf-8"))
    references = page.values("script", "src") + page.values("link", "href")
    local = [r for r in references if r != "data:,"]
    assert len(local) >= 8
    for reference in local:
        assert (tmp_path / reference).is_file(), reference
    assert (tmp_path / "assets/vendor/uplot/LICENSE").is_file()
    assert (tmp_path / "assets/vendor/img-comparison-slider/LICENSE").is_file()


def test_pages_ask_nobody_for_anything() -> None:
    for path in [*REPORTS.glob("templates/*"), *REPORTS.glob("static/*.*")]:
        addresses = re.findall(r"https?://[^\s\"')]+", path.read_text("utf-8"))
        assert addresses == [], path


def test_policy_forbids_inline_scripts_and_foreign_hosts(tmp_path: Path) -> None:
    write_status(tmp_path, status())
    page = Markup((tmp_path / "index.html").read_text("utf-8"))
    [policy] = [
        a["content"] or "" for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not any(name.startswith("on") for _, a in page.tags for name in a)


def test_rows_without_script_are_the_classic_ones_newest_first(tmp_path: Path) -> None:
    write_status(tmp_path, status(("one", "two"), previews=3))
    text = (tmp_path / "index.html").read_text("utf-8")
    assert re.findall(r"epoch \[(\d+)\]", text) == ["2", "1", "0"]
    images = Markup(text).values("img", "src")
    assert images[:3] == [
        "images/epoch000_one_real_A.png",
        "images/epoch002_one_fake_B.png",
        "images/epoch000_one_real_B.png",
    ]
    assert sum(bool(source) for source in images) == 3 * 2 * 3


def large_pair(name: str, epoch: int, places: int = 3) -> PreviewPair:
    """A pair of 24 megapixels in the middle of a run."""
    return dataclasses.replace(
        pair(name, epoch), fake_B="", error_map=None, estimated=True, sampled_tiles=4,
        size=(6000, 4000),
        places=tuple(
            PreviewPlace(
                kind="strongest" if number < 2 else "worst", left=1000 * number, top=40,
                width=320, height=320, level_error=3.0, identity_error=4.0,
                real_A=f"images/epoch000_x{number}_{name}_real_A.png",
                fake_B=f"images/epoch{epoch:03d}_x{number}_{name}_fake_B.png",
                real_B=f"images/epoch000_x{number}_{name}_real_B.png",
                error_map=f"images/epoch{epoch:03d}_x{number}_{name}_error.png",
            )
            for number in range(places)
        ),
    )  # fmt: skip


def test_large_pairs_bring_their_places_and_say_what_is_estimated(tmp_path: Path) -> None:
    previews = [Preview(step=30, epoch=1, pairs=[large_pair("one", 1), pair("two", 1)])]
    write_status(tmp_path, dataclasses.replace(status(), previews=previews))
    large, small = read_status(tmp_path)["previews"][0]["pairs"]  # type: ignore[index]
    assert (large["estimated"], large["sampled_tiles"], large["size"]) == (True, 4, [6000, 4000])
    assert [place["kind"] for place in large["places"]] == ["strongest", "strongest", "worst"]
    assert not {"estimated", "sampled_tiles", "places", "size"} & small.keys()
    page = Markup((tmp_path / "index.html").read_text("utf-8"))
    sources = page.values("img", "src")
    assert "images/epoch001_x2_one_fake_B.png" in sources
    assert all(source for source in page.values("a", "href"))
    assert "≈ 1.500 grey levels" in page.text


def test_index_is_left_alone_while_its_rows_stay(tmp_path: Path) -> None:
    write_status(tmp_path, status())
    index = tmp_path / "index.html"
    before = index.stat()
    write_status(tmp_path, dataclasses.replace(status(), step=7))
    assert index.stat().st_ino == before.st_ino
    assert read_status(tmp_path)["step"] == 7
    write_status(tmp_path, status(previews=3))
    assert "epoch [2]" in index.read_text("utf-8")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = HOSTILE + "</script><script>alert(2)</script>"
    write_status(tmp_path, dataclasses.replace(status((name,)), name=name, stop_reason=name))
    page = Markup((tmp_path / "index.html").read_text("utf-8"))
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert name in page.text
    data = (tmp_path / "status.js").read_text("utf-8")
    assert "<" not in data
    assert read_status(tmp_path)["name"] == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_picture_url_names_the_same_file(name: str) -> None:
    url = picture_url(name)
    assert unquote(url) == name
    assert re.fullmatch(r"[\w.~/%-]*", url, re.ASCII)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(alphabet=st.characters(exclude_categories=("Cs",))),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc<>&\u2028"), inner),
    )
)  # fmt: skip
def test_script_json_round_trips_without_markup(value: object) -> None:
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_missing_values_become_null(tmp_path: Path) -> None:
    curves = {"step": [1.0, 2.0], "G_L1": [math.nan, 3.0]}
    write_status(tmp_path, dataclasses.replace(status(), curves=curves))
    assert read_status(tmp_path)["curves"] == {"step": [1.0, 2.0], "G_L1": [None, 3.0]}


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "name", ["사진{}_아주_긴_이름이에요", "가" * ((LONGEST_SEGMENT - 8) // 3) + "{}"]
)
@pytest.mark.parametrize("pairs", [3, 12, MOST_PAIRS])
def test_a_long_run_stays_below_one_megabyte(tmp_path: Path, pairs: int, name: str) -> None:
    names = tuple(name.format(f"{i:04d}") for i in range(pairs))
    write_training_page(tmp_path)
    write_status(tmp_path, status(names, previews=PREVIEWS_KEPT, lines=50_000))
    assert folder_bytes(tmp_path) < 1_000_000


def test_the_page_of_large_pairs_stays_below_one_megabyte(tmp_path: Path) -> None:
    names = [f"{number}{'n' * 91}" for number in range(MOST_LARGE)]
    previews = [
        Preview(step=30 * i, epoch=i, pairs=[large_pair(name, i) for name in names])
        for i in range(PREVIEWS_KEPT)
    ]
    write_training_page(tmp_path)
    write_status(tmp_path, dataclasses.replace(status(lines=50_000), previews=previews))
    assert folder_bytes(tmp_path) < 1_000_000


def test_previews_left_out_for_size_keep_first_and_last(tmp_path: Path) -> None:
    names = tuple(f"pair{i:03d}" for i in range(200))
    write_status(tmp_path, status(names, previews=60))
    previews = read_status(tmp_path)["previews"]
    assert isinstance(previews, list)
    steps = [preview["step"] for preview in previews]
    assert 2 <= len(steps) < 60
    assert (steps[0], steps[-1]) == (0, 59 * 30)
    assert steps == sorted(set(steps))


def test_one_update_costs_little(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    long = status(names, previews=60, lines=2000)
    write_status(tmp_path, long)
    took = []
    for _ in range(7):
        began = time.process_time()
        write_status(tmp_path, long)
        took.append(time.process_time() - began)
    assert min(took) < 0.04, "seconds of processor time for one write_status"


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=300), st.integers(1, 50))
def test_thinned_curves_keep_the_last_step_and_the_mean(values: list[float], limit: int) -> None:
    steps = [float(i) for i in range(1, len(values) + 1)]
    thinned = thin_curves({"step": steps, "G_L1": values}, limit)
    assert len(thinned["step"]) == len(thinned["G_L1"]) <= limit
    assert thinned["step"][-1] == steps[-1]
    if len(values) % len(thinned["step"]) == 0:
        assert np.mean(thinned["G_L1"]) == pytest.approx(np.mean(values), rel=1e-4, abs=1e-9)


def test_thinned_curves_pass_over_missing_values() -> None:
    thinned = thin_curves({"G_L1": [1.0, math.nan, math.nan, math.nan]}, limit=2)
    assert thinned["G_L1"][0] == 1.0
    assert math.isnan(thinned["G_L1"][1])


def test_errors_of_crops_are_shown_as_errors_of_whole_pictures(tmp_path: Path) -> None:
    """Half undone is half of what doing nothing costs, in whichever crop it was measured."""
    curves = {"step": [1.0, 2.0], "level_error": [3.0, 1.0], "identity_error": [6.0, 2.0]}
    write_status(tmp_path, dataclasses.replace(status(), curves=curves, identity_error=0.5))
    told = read_status(tmp_path)
    assert told["curves"] == {"step": [1.0, 2.0], "level_error": [0.25, 0.25]}
    assert told["training_error"] == 0.25


def test_a_crop_that_was_not_retouched_tells_nothing_of_the_picture() -> None:
    scaled = of_whole_pictures([0.2, 0.2, 0.2], [0.01, 0.4, math.nan], whole=1.0)
    assert math.isnan(scaled[0])
    assert scaled[1:] == [0.5, 0.2]  # without a record of doing nothing there: as measured


def test_recent_is_the_mean_of_the_newest_lines_without_gaps() -> None:
    assert recent({"a": [9.0, 1.0, math.nan, 3.0]}, "a") == 2.0
    assert recent({"a": [*([9.0] * 196), 1.0, 2.0, 3.0, 4.0]}, "a") == 2.5
    assert math.isnan(recent({}, "a"))


@given(st.integers(1, 400), st.integers(2, 60))
def test_previews_thinned_as_they_come_stay_bounded_and_nested(count: int, limit: int) -> None:
    kept: list[int] = []
    for step in range(count):
        before = set(kept)
        kept = thin_previews([*kept, step], limit)
        assert len(kept) <= limit
        assert kept[0] == 0
        assert kept[-1] == step
        assert set(kept) <= before | {step}


def test_the_style_sheet_draws_the_scale_in_the_same_colours() -> None:
    css = (REPORTS / "static" / "page.css").read_text("utf-8")
    ramp = re.search(r"linear-gradient\(90deg, (.*)\);", css)
    assert ramp
    stops = re.findall(r"rgb\((\d+), (\d+), (\d+)\)", ramp[1])
    assert [tuple(map(int, stop)) for stop in stops] == list(COLOURS)


def test_results_page_shows_pairs_with_figures_and_their_mean(tmp_path: Path) -> None:
    rows = [
        ShownPair(
            name=name,
            files=picture_files(f"images/{name}"),
            figures=PlainFigures(
                name=name, level_error=error, identity_error=2.0, recovered_share=1 - error / 2
            ),
        )
        for name, error in (("one", 0.5), (HOSTILE, 1.5))
    ]
    index = write_results_page(tmp_path, "run · train_latest", rows, {"epoch": "latest"})
    page = Markup(index.read_text("utf-8"))
    assert not any("onerror" in attributes for _, attributes in page.tags)
    for shown in (HOSTILE, "0.500", "75.0%", "25.0%", "Mean", "1.000", "50.0%", "latest"):
        assert shown in page.text
    assert {"images/one_real_A.png", "images/one_fake_B.png"} <= set(page.values("img", "src"))


def test_results_without_answer_use_the_words_real_and_fake(tmp_path: Path) -> None:
    files = {"real": "images/얼굴_real.png", "fake": "images/얼굴_fake.png"}
    row = ShownPair(name="얼굴", files=files)
    index = write_results_page(tmp_path, "run", [row], {})
    page = Markup(index.read_text("utf-8"))
    sources = [unquote(source) for source in page.values("img", "src") if source]
    assert sources == ["images/얼굴_real.png", "images/얼굴_fake.png"]
    data = re.search(r'id="rows">(.*?)</script>', index.read_text("utf-8"))
    assert data
    assert list(json.loads(data[1])[0]["pictures"]) == ["real", "fake"]
    assert "no answer" in page.text
