"""Every command and every Python block of the documents is run, in one folder, in reading order.

Only the number of updates is cut, and the width and size of the networks. What cannot be run is
listed here, each with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fenced import LANGUAGES, ROOT, blocks, commands, documents
from PIL import Image

from unretouch.cli import dispatch, run
from unretouch.pixels.retouch import retouch
from unretouch.tasks import classic_commands, doctor

NOT_RUN = {
    r"pip install \. && unretouch demo": "CI runs it whole, in a fresh environment",
    r"pip install '\.\[test\]' && pytest": "CI runs it whole, in a fresh environment",
    r"pip install .*": "needs a package registry; CI installs the core, [test] and [ray]",
    r"python3? -m venv .*|(source )?\.?\S*activate(\.\w+)?": "makes the environment we are in",
    r"unretouch demo": "takes minutes; CI runs it whole",
    r"unretouch serve.*": "waits for a browser; tests/browser/test_app.py drives it",
    r"tail -f .*": "never ends",
    r"unretouch .*--engine ray": "needs the extra; tests/ray runs it",
    r"unretouch export .* --to onnx": "takes long; tests/unit/test_export.py runs it for each kind",
    r"unretouch .*--devices 2|(torchrun|srun) .*": "several processes; tests/scale runs them",
    r"pybabel .*": "tests/unit/test_messages.py does so, and compares",
    r"python benchmarks/.*": "takes minutes on a quiet machine",
    r"(\w+=\d )?(prek|pre-commit|ruff|mypy|pytest|\.ci/run).*": "the checks; CI runs them",
}
"""What is not run, as whole commands, and why."""

CLASSIC = ["--ngf", "2", "--ndf", "2", "--load_size", "256", "--crop_size", "256"]
SHORTER = {
    "train.py": CLASSIC,
    "--preset": CLASSIC,
    "train": ["--size", "s"],
    "sweep": ["--dry_run"],
}
"""Flags put behind a training command, so that it takes a moment. The guide's commands are run
unchanged, at their full width and size, in tests/guide; sweeps are in tests/unit/test_sweep.py."""

HELD_OUT = 2
"""Of three pairs, the one that no training sees."""

Program = Callable[[list[str]], int | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Path:
    """What the documents say somebody has: pairs, new pictures, photographs."""
    root = tmp_path_factory.mktemp("docs")
    pairs, heldout = root / "portrait_retouch/train", root / "heldout/train"
    singles = [root / "test_images/test", root / "photos", root / "retouched", root / "before"]
    for made in (pairs, heldout, *singles, root / "home"):
        made.mkdir(parents=True)
    for number, top in enumerate((20, 60, 100)):
        before = np.ascontiguousarray(portrait[top : top + 96, 180:276])
        after = retouch(before, seed=number)
        combined = Image.fromarray(np.concatenate([after, before], axis=1))
        if number == HELD_OUT:
            combined.save(heldout / f"portrait_{number}.png")
            continue
        combined.save(pairs / f"portrait_{number}.png")
        Image.fromarray(after).save(root / f"retouched/portrait_{number}.png")
        Image.fromarray(before).save(root / f"before/portrait_{number}.png")
    Image.fromarray(portrait[:200, 120:320]).save(root / "test_images/test/new.jpg")
    Image.fromarray(portrait[:200, 120:320]).save(root / "photos/holiday.jpg", quality=95)
    Image.fromarray(portrait).save(root / "photo.jpg", quality=95)
    for block in blocks("docs/sweep.md"):
        if block.language == "toml":
            (root / "sweep.toml").write_text(block.text, "utf-8")
    return root


@pytest.fixture(scope="module")
def done() -> set[str]:
    """Commands that were run already: a second document that has the same does not run it again."""
    return set()


@pytest.fixture(autouse=True)
def _as_a_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("UNRETOUCH_TEST_STEPS", "1")
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "PROBED_S", 0.1)


@pytest.mark.parametrize("document", documents())
def test_commands_run(document: str, done: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(document):
        if command in done or reason_not_to_run(command):
            continue
        done.add(command)
        code = execute(command)
        said = capsys.readouterr()
        assert code == 0, f"{document}: {command}\n{said.out}\n{said.err}"


@pytest.mark.parametrize("document", documents())
def test_python_blocks_run(document: str) -> None:
    """After the commands, whose runs they use."""
    for block in blocks(document):
        if block.language == "python":
            exec(compile(block.text, block.place, "exec"), {})


@pytest.mark.parametrize("document", documents())
def test_every_block_says_what_it_holds(document: str) -> None:
    for block in blocks(document):
        assert block.language in LANGUAGES, f"{block.place} is {block.language!r}"


def test_what_is_not_run_is_still_somewhere() -> None:
    every = [command for document in documents() for command in commands(document)]
    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, command) for command in every), pattern


def reason_not_to_run(command: str) -> str:
    reasons = (why for pattern, why in NOT_RUN.items() if re.fullmatch(pattern, command))
    return next(reasons, "")


def execute(command: str) -> int:
    """Run a command as a user would type it, where possible in this process: that is quicker."""
    if re.search(r"[|>&;]", command) or command.startswith("mkdir"):
        return subprocess.run(["bash", "-c", command], timeout=120).returncode
    words = shlex.split(command)
    program, words = program_of(words)
    return run(program, words)


def program_of(words: list[str]) -> tuple[Program, list[str]]:
    """Return the entry and the words that it is given."""
    match words:
        case ["python", "train.py", *rest]:
            return classic_commands.classic_train, [*rest, *SHORTER["train.py"]]
        case ["python", "test.py", *rest]:
            return classic_commands.classic_test, rest
        case ["python", "-m", "unretouch", *rest] | ["unretouch", *rest]:
            return dispatch, rest + shorter(rest)
    raise AssertionError(f"not a command that can be run: {shlex.join(words)}")


def shorter(words: list[str]) -> list[str]:
    if words[:1] == ["sweep"]:
        return SHORTER["sweep"]
    if words[:1] != ["train"] or not {"--help", "--like", "--size"}.isdisjoint(words):
        return []
    classic = "--model" in words or ("--preset" in words and "fast" not in words)
    return SHORTER["--preset"] if classic else SHORTER["train"]


def test_both_languages_have_the_same_commands() -> None:
    for english in documents():
        korean = english.replace("docs/", "docs/ko/")
        if english == "README.md":
            korean = "README.ko.md"
        if korean != english and (ROOT / korean).exists():
            assert commands(korean) == commands(english), korean


def test_both_languages_have_the_same_measured_figures() -> None:
    english, korean = (
        re.findall(r"\d+\.\d+", (ROOT / name).read_text("utf-8"))
        for name in ("README.md", "README.ko.md")
    )
    assert "0.31" in english
    assert sorted(set(korean)) == sorted(set(english))
