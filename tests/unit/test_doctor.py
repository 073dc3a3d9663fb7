"""`unretouch doctor`: what it finds, what it advises, and that it needs nothing to be there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from unretouch.base.errors import ExitCode, install_hint
from unretouch.cli import dispatch
from unretouch.tasks import doctor
from unretouch.tasks.doctor import Finding

TOPICS = [
    "python", "unretouch", "torch", "pillow", "packages", "extra [photo]", "extra [export]",
    "extra [layers]", "extra [scale]", "extra [deep]", "extra [ray]", "device", "bf16", "cores",
    "memory", "folder", "disk",
]  # fmt: skip


def test_plain_lines_and_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["doctor", "--no_speed", "--checkpoints_dir", str(tmp_path / "new")]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line[8:24].strip().removesuffix(":") for line in lines if line[:8].strip()]
    assert found == TOPICS
    assert not (tmp_path / "new").exists()


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["doctor", "--json", "--no_speed", "--checkpoints_dir", str(tmp_path)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["schema"], shown["exit_code"]) == (1, 0)
    assert [finding["topic"] for finding in shown["findings"]] == TOPICS
    torch = shown["findings"][TOPICS.index("torch")]
    assert torch["value"] == metadata.version("torch")


def test_the_speed_is_that_of_real_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBED_S", 0.1)
    (found,) = doctor.examine_speed()
    assert "megapixels a second" in found.value


def test_without_torch_and_others_it_still_answers(tmp_path: Path) -> None:
    """A folder of broken packages stands before the real ones."""
    for name in ("torch", "numpy", "rich", "PIL"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no {name} here')\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "unretouch", "doctor"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "not known: no torch here" in done.stdout, done.stderr
    assert "GB free" in done.stdout
    assert done.stderr == ""


def test_a_package_that_is_missing_or_of_a_wrong_version(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        there = dict.fromkeys(("pi-heif", "pyvips", "pyvips-binary"), "99")
        return {**there, "scipy": "1.2", "rawpy": "0.1"}.get(name) or real(name)

    monkeypatch.setattr(metadata, "version", version)
    found = {finding.topic: finding for finding in doctor.examine_packages()}
    assert (found["torch"].state, found["torch"].exit_code) == ("trouble", ExitCode.USAGE)
    assert found["packages"].value == "scipy is 1.2, >=1.13 is needed"
    assert found["extra [photo]"].value == "without rawpy"
    assert "pip install '.[photo]'" in found["extra [photo]"].advice
    assert found["extra [scale]"].value == "installed"  # it needs nothing beyond the core
    assert doctor.verdict(list(found.values())) == 2


def test_every_extra_that_people_may_want_is_looked_at() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    for_developers = {"benchmarks", "test"}
    offered = project["project"]["optional-dependencies"].keys() - for_developers
    assert doctor.EXTRAS.keys() == offered


@pytest.mark.parametrize(
    ("version", "bounds", "well"),
    [
        ("2.13.0+cpu", "<2.14,>=2.10", True),
        ("2.9.1", "<2.14,>=2.10", False),
        ("2.14.0", "<2.14,>=2.10", False),
        ("2.10", ">=2.10.0", True),
        ("13.0.0", ">=13", True),
        ("0.9", ">=0.25", False),
        ("1", "", True),
    ],
)
def test_versions(version: str, bounds: str, well: bool) -> None:
    assert doctor.satisfies(version, bounds) is well


def test_a_full_disk_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unretouch.base.durable.free_bytes", lambda path: 10**6)
    *_, room = doctor.examine_disk(tmp_path)
    assert (room.state, room.exit_code) == ("trouble", ExitCode.DISK)
    assert "--keep_gb" in room.advice
    monkeypatch.setattr("unretouch.base.durable.free_bytes", lambda path: 2 * 10**9)
    *_, room = doctor.examine_disk(tmp_path)
    assert room.state == "note"


@pytest.mark.skipif(os.name == "nt", reason="Windows lets its folders be written")
def test_a_folder_that_takes_no_file_is_trouble() -> None:
    folder, *_ = doctor.examine_disk(Path("/proc/self/nowhere"))
    assert (folder.state, folder.exit_code) == ("trouble", ExitCode.DISK)


def test_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.memory, "free_bytes", lambda: 10**9)
    memory = {finding.topic: finding for finding in doctor.examine_machine()}["memory"]
    assert memory.state == "note"
    assert "--size s" in memory.advice


def test_every_trouble_has_an_advice_and_a_line() -> None:
    trouble = Finding("torch", "is not installed", "trouble", "Do so", ExitCode.USAGE)
    assert doctor.lines(trouble)[1].strip() == "-> Do so"


@pytest.mark.parametrize("columns", [60, 80])
def test_at_a_terminal_sentences_are_broken_between_words(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advice = f"For HEIC and RAW. {install_hint('photo')}"
    found = Finding("extra [photo]", "without pi-heif, rawpy", "note", advice)
    monkeypatch.setattr(doctor, "examine", lambda *_: [found])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    assert dispatch(["doctor", "--no_speed"]) == ExitCode.OK
    said = capsys.readouterr().out.splitlines()
    assert "extra [photo]" in said[0]
    assert max(len(line.rstrip()) for line in said) <= columns
    words = " ".join(said).split()
    assert words == ["note", *f"{found.topic} {found.value} -> {advice}".split()]
