"""Names and links: nothing is written outside, letters of every script work, pages escape names.

Rows P1 to P3 of docs/reliability.md.
"""

from __future__ import annotations

import dataclasses
import shutil
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import fault_harness as harness
import pytest
from fault_harness import Place, Warm
from hypothesis import example, given
from hypothesis import strategies as st

from unretouch.base import durable
from unretouch.base.errors import DataError, UsageError
from unretouch.base.names import LONGEST_SEGMENT, file_stem, run_name, unique_stems
from unretouch.report.pages import ShownPair
from unretouch.report.run_display import write_status, write_training_page
from unretouch.runs.folder import RunDir
from unretouch.runs.status import Preview, PreviewPair, TrainingStatus
from unretouch.tasks.test import write_results_page

REFUSED = (
    "", ".", "..", "../x", "../../x", "a/../b", "a/./b", "a//b", "/etc/x", "/", "a/", "\\x",
    "..\\x", "C:\\x", "C:x", "~/x", "a\0b", "a\nb", " ", "-rf", "a/-rf", "con", "CON", "Con.txt",
    "nul.a.b", "a/aux", "com1", "LPT9.x", "a.", "a..", "x" * 101, "한" * 34, "a:b", "a*b", "a?b",
    "a|b", "<img>", "a\"b", "a'b", "$HOME", "a;b", "a&b", "%2e%2e", "\u202eabc", "a\u200bb",
    "a\u200fb",
    "🙂", "a\ufeff", "\udc80", "e\u0301/..", "a/" * 100 + "b",
)  # fmt: skip

ALLOWED = (
    "experiment_name", "portrait_retouch_reverse", "초상", "초상_복원-2.1", "ポートレート",
    "портрет", "صورة", "ภาพถ่าย", "चित्र", "group/run", "a/b/c", ".hidden", "x" * 100, "한" * 33,
    "ß", "e\u0301",
    "컨", "console", "com0", "com10", "_", "1",
)  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_P1_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a run"):
        RunDir(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ALLOWED)
def test_P1_allowed(tmp_path: Path, name: str) -> None:
    run = RunDir(tmp_path, name)
    run.prepare()
    assert run.root.is_dir()
    assert run.root.resolve().is_relative_to(tmp_path.resolve())


@pytest.mark.parametrize(
    "name", ["my run", " my\N{NO-BREAK SPACE}run ", "my\N{IDEOGRAPHIC SPACE}run"]
)
def test_P1_spaces_become_underscores(tmp_path: Path, name: str) -> None:
    assert RunDir(tmp_path, name).root == tmp_path / "my_run"


@given(st.text(st.characters(), max_size=30) | st.from_regex(r"[a./\\~\-ㄱ가 :]{1,12}"))
@example("..")
@example("a/../../b")
def test_P1_never_outside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp() / "root"
    try:
        run = RunDir(root, name)
    except UsageError:
        return
    assert run.root.resolve().is_relative_to(root.resolve())
    assert run.root.resolve() != root.resolve()
    for part in run.root.relative_to(root).parts:
        assert part not in ("", ".", "..")
        assert len(part.encode()) <= LONGEST_SEGMENT
    assert run_name(run.name) == run.name


@given(st.text(st.characters(categories=["Lo", "Ll", "Mn"]), min_size=1, max_size=8))
@example("초상")
@example("é")
def test_P1_both_spellings_are_one_folder(tmp_path_factory: pytest.TempPathFactory,
                                          text: str) -> None:  # fmt: skip
    root = tmp_path_factory.getbasetemp() / "root"
    composed, apart = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    try:
        expected = RunDir(root, composed).root
    except UsageError:
        return
    assert RunDir(root, apart).root == expected


def test_P1_korean_run(forker: Warm, place: Place, tmp_path: Path) -> None:
    """Typed on a Mac (NFD) or elsewhere (NFC), it is the same run."""
    apart = dataclasses.replace(place, name=unicodedata.normalize("NFD", "초상/복원_1"))
    done = forker.run(apart.words(), steps=3)
    assert done.code == 0, done.out
    composed = dataclasses.replace(place, name=unicodedata.normalize("NFC", apart.name))
    done = forker.run(composed.words("--continue_train"))
    assert done.code == 0
    assert "going on at epoch 2, step 4" in done.out
    assert [p.name for p in place.checkpoints.iterdir()] == ["초상"]


@pytest.mark.parametrize("name", ["../../x", "-rf", "🙂", "a\udc80"])
def test_P1_refused_in_one_line(forker: Warm, place: Place, name: str, tmp_path: Path) -> None:
    done = forker.run(dataclasses.replace(place, name=name).words())
    assert done.code == 2
    (line,) = done.out.splitlines()
    assert line.startswith("unretouch: --name")
    assert not place.checkpoints.exists()


@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=5, unique=True))
@example(["Face", "face"])
def test_P1_names_of_pictures_become_names_of_files(names: list[str]) -> None:
    """Whatever a picture is called, what is written for it has a plain, unique, short name."""
    names = [name.replace("/", "_").replace("\0", "_") for name in names]
    stems = unique_stems([Path(f"{name}.png") for name in names])
    assert len({stem.casefold() for stem in stems}) == len(stems)
    for stem in stems:
        assert run_name(stem) == stem
        assert "/" not in stem
        assert file_stem(stem) == stem


@pytest.mark.parametrize("link", ["run", "state", "web", "loss_log.txt", "metrics.jsonl",
                                  "events.jsonl", "run.lock"])  # fmt: skip
def test_P2_links_out_of_the_run_are_not_written_through(
    forker: Warm, place: Place, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    if "." in link:
        outside.write_text("mine")
    else:
        outside.mkdir()
    path = place.checkpoints / "run" if link == "run" else place.root / link
    path.parent.mkdir(parents=True)
    path.symlink_to(outside)
    done = forker.run(place.words())
    assert done.code == 3, done.out
    assert f"{path}: is a link that leads outside of its folder" in done.out
    assert outside.read_text() == "mine" if "." in link else list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["latest_net_G.pth", "latest_net_G.pth.partial", "config.json"])
def test_P2_links_in_place_of_written_files_are_replaced(
    forker: Warm, place: Place, tmp_path: Path, name: str
) -> None:
    (tmp_path / "outside").write_text("mine")
    place.root.mkdir(parents=True)
    (place.root / name).symlink_to(tmp_path / "outside")
    done = forker.run(place.words("--continue_train") if "pth" not in name else place.words())
    assert done.code == 0, done.out
    assert (tmp_path / "outside").read_text() == "mine"
    assert not (place.root / name).is_symlink()


@pytest.mark.parametrize("link", ["run", "run/train_latest", "run/train_latest/images"])
def test_P2_results_are_not_written_through_links(
    forker: Warm, place: Place, tmp_path: Path, link: str
) -> None:
    assert forker.run(place.words(), steps=1).code == 0
    (tmp_path / "outside").mkdir()
    path = tmp_path / "results" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "outside")
    done = forker.run(
        ["--dataroot", str(place.dataroot), "--name", "run", "--model", "pix2pix",
         "--checkpoints_dir", str(place.checkpoints), "--results_dir", str(tmp_path / "results")],
        "test",
    )  # fmt: skip
    assert done.code == 3, done.out
    assert "is a link that leads outside" in done.out
    assert list((tmp_path / "outside").iterdir()) == []


def test_P2_pictures_may_be_links(forker: Warm, place: Place, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    (linked / "train").mkdir(parents=True)
    for picture in (place.dataroot / "train").iterdir():
        (linked / "train" / picture.name).symlink_to(picture)
    whole_folder = tmp_path / "folder"
    whole_folder.symlink_to(place.dataroot)
    assert forker.run(place.words()).code == 0
    for number, dataroot in enumerate((linked, whole_folder)):
        other = Place(dataroot, tmp_path / f"other_{number}")
        assert forker.run(other.words()).code == 0
        assert harness.outcome(other.root) == harness.outcome(place.root)


def test_P2_the_folder_of_all_runs_may_be_a_link(
    forker: Warm, place: Place, tmp_path: Path
) -> None:
    (tmp_path / "big_disk").mkdir()
    place.checkpoints.symlink_to(tmp_path / "big_disk")
    assert forker.run(place.words(), steps=1).code == 0


def test_P2_link_to_another_run(tmp_path: Path) -> None:
    """Runs beside each other do not write into each other's folders either."""
    (tmp_path / "a" / "state").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "state").symlink_to(tmp_path / "a" / "state")
    with pytest.raises(DataError, match="is a link that leads outside"):
        RunDir(tmp_path, "b").prepare()


HOSTILE = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>&amp;{{7*7}}"


class Seen(HTMLParser):
    """What a browser would make of a page: its elements, and attributes that run code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.bad: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.bad += [
            f"{tag} {name}"
            for name, value in attrs
            if name.startswith("on") or (value or "").startswith("javascript:")
        ]


def test_P3_results_page(tmp_path: Path) -> None:
    def page(name: str) -> str:
        files = {"real": f"images/{name}.png", "fake": f"images/{name}_f.png"}
        row = ShownPair(name=name, files=files)
        index = write_results_page(tmp_path, name, [row], {"epoch": name, "phase": name})
        return index.read_text("utf-8")

    plain, hostile = Seen(page("plain")), Seen(page(HOSTILE))
    assert hostile.elements == plain.elements
    assert hostile.bad == plain.bad == []
    assert "49" not in page("{{7*7}}").replace("49", "", page("plain").count("49"))


def test_P3_training_page(tmp_path: Path) -> None:
    def page(name: str) -> tuple[Seen, str]:
        pair = PreviewPair(
            name=name, real_A=f"images/{name}_a.png", fake_B=f"images/{name}_f.png",
            real_B=f"images/{name}_b.png", level_error=1.0, identity_error=2.0, recovered_share=0.5,
        )  # fmt: skip
        status = TrainingStatus(
            name=name, state="stopped", step=1, total_steps=2, epoch=1, total_epochs=2,
            elapsed_s=1.0, left_s=None, lr=0.1, lambda_L1=1.0, identity_error=2.0, stop_reason=name,
            previews=[Preview(step=0, epoch=0, pairs=[pair])],
        )  # fmt: skip
        write_training_page(tmp_path)
        write_status(tmp_path, status)
        index = (tmp_path / "index.html").read_text("utf-8")
        return Seen(index), (tmp_path / "status.js").read_text("utf-8")

    (plain, _), (hostile, script) = page("plain"), page(HOSTILE)
    assert hostile.elements == plain.elements
    assert hostile.bad == plain.bad == []
    assert "</script" not in script
    assert "<script" not in script


@pytest.mark.skipif("os.name == 'nt'", reason="such names cannot be given there")
def test_P3_pictures_with_hostile_names(forker: Warm, place: Place, tmp_path: Path) -> None:
    """From the file name to the page: training and both kinds of test."""
    name = "<img src=x onerror=alert(1)>'\";&.png"
    dataroot = tmp_path / "hostile"
    (dataroot / "train").mkdir(parents=True)
    shutil.copy(place.dataroot / "train" / "000.png", dataroot / "train" / name)
    shutil.copy(place.dataroot / "train" / "001.png", dataroot / "train" / "a\udc80\n[red]b.png")
    flags = tuple(flag for flag in place.flags if flag != "--no_html")
    hostile = Place(dataroot, place.checkpoints, flags)
    done = forker.run(hostile.words(), steps=2)
    assert done.code == 0, done.out
    for model, folder in (("pix2pix", dataroot), ("test", dataroot / "train")):
        words = ["--dataroot", str(folder), "--name", "run", "--model", model, "--results_dir",
                 str(tmp_path / model), "--checkpoints_dir", str(place.checkpoints)]  # fmt: skip
        done = forker.run(words, "test")
        assert done.code == 0, done.out
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) == 3
    for path in pages:
        assert Seen(path.read_text("utf-8")).bad == []


def test_P2_temporary_files_are_made_anew(tmp_path: Path) -> None:
    """A link in the place of a temporary file is not written through, whoever put it there."""
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "new.partial").symlink_to(tmp_path / "outside")
    durable.write_bytes(tmp_path / "new", b"ours")
    assert (tmp_path / "outside").read_text() == "mine"
    assert (tmp_path / "new").read_bytes() == b"ours"
