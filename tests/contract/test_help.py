"""The help answers at once, lists every flag with its real default, and loads nothing heavy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from unretouch.cli import COMMANDS
from unretouch.settings.fields import Flag, flags_of
from unretouch.settings.test import TestSettings
from unretouch.settings.train import TrainOptions, fast_flags

ROOT = Path(__file__).parents[2]
TRAIN = [str(ROOT / "train.py")]
TEST = [str(ROOT / "test.py")]
UNRETOUCH = ["-m", "unretouch"]
HELPS = [
    pytest.param([*TRAIN, "--help"], flags_of(TrainOptions), id="train.py"),
    pytest.param([*TEST, "-h"], flags_of(TestSettings), id="test.py"),
    pytest.param([*UNRETOUCH, "train", "--help"], fast_flags(), id="unretouch train"),
    pytest.param([*UNRETOUCH, "test", "--help"], flags_of(TestSettings), id="unretouch test"),
    pytest.param(
        [*UNRETOUCH, "train", "--model", "pix2pix", "--help"],
        flags_of(TrainOptions),
        id="classic",
    ),
]

# The effective defaults of the classic pix2pix model, which its own help never showed.
PIX2PIX_DEFAULTS = {
    "netG": "unet_256", "norm": "batch", "dataset_mode": "aligned", "pool_size": "0",
    "gan_mode": "vanilla", "lambda_L1": "100.0", "model": "pix2pix", "load_size": "286",
    "crop_size": "256", "lr": "0.0002", "n_epochs": "100", "max_dataset_size": "inf",
}  # fmt: skip


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True, text=True, encoding="utf-8", timeout=60,
        env={**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1", **environment},
    )  # fmt: skip


def entries(help_text: str) -> dict[str, str]:
    """Return the text beside each flag, line breaks taken away."""
    plain = re.sub(r"\n\s+", " ", help_text)
    return dict(re.findall(r"--(\w+)((?: (?!--\w).*?)?\((?:default:[^)]*|required)\))", plain))


@pytest.mark.parametrize(("words", "flags"), HELPS)
def test_every_flag_is_listed_with_its_default(words: list[str], flags: dict[str, Flag]) -> None:
    done = run(words)
    assert (done.returncode, done.stderr) == (0, "")
    for flag in flags:
        assert re.search(rf"^  --{flag}\b", done.stdout, re.MULTILINE), flag
    defaults = re.findall(r"\(default:|\(required\)", done.stdout)
    assert len(defaults) == len(flags)


@pytest.mark.parametrize(
    ("command", "count"),
    [("train", 10), ("test", 10), ("apply", 10), ("verify", 10), ("pair", 6), ("serve", 5)],
)
def test_some_ten_basics_come_first_and_thresholds_last(command: str, count: int) -> None:
    shown = run([*UNRETOUCH, command, "--help"]).stdout
    headings = re.findall(r"^(\w+):", shown, re.MULTILINE)
    assert [name for name in headings if name in ("basics", "advanced")][:2] == [
        "basics",
        "advanced",
    ]
    basics = shown.partition("\nbasics:\n")[2].partition("\nadvanced")[0]
    assert len(re.findall(r"^  --", basics, re.MULTILINE)) == count
    if command == "verify":
        first = headings.index("thresholds")
        assert set(headings[first:]) == {"thresholds"}
        assert "--memorised_G_L1" in shown.partition("\nthresholds:")[2]


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_at_80_columns_no_line_is_longer_and_nothing_has_its_old_name(command: str) -> None:
    shown = run([*UNRETOUCH, command, "--help"]).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"\b(fit|idle|recovered share)\b", shown)


def test_train_shows_the_defaults_that_pix2pix_has() -> None:
    listed = entries(run([*TRAIN, "--help"]).stdout)
    for flag, default in PIX2PIX_DEFAULTS.items():
        assert listed[flag].endswith(f"(default: {default})"), listed[flag]


def test_the_overview_names_every_command() -> None:
    done = run([*UNRETOUCH, "--help"])
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command.name} +{re.escape(command.about)}$", done.stdout, re.M)


@pytest.mark.parametrize("encoding", ["ascii", "cp949", "cp1252"])
def test_the_help_can_be_piped_on_any_code_page(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, *TRAIN, "--help"],
        capture_output=True, timeout=60, env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"--lambda_L1" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on a child's memory")
@pytest.mark.parametrize("columns", ["0", "1", "30", "400"])
def test_the_help_fits_any_terminal(columns: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -v 2000000; exec "$@"', "sh", sys.executable, *TRAIN, "--help"],
        capture_output=True, timeout=60, env={**os.environ, "COLUMNS": columns},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"--lambda_L1" in done.stdout


@pytest.mark.parametrize(
    "call",
    [
        "from unretouch.cli import run, dispatch; run(dispatch, ['--help'])",
        "from unretouch.tasks.classic_commands import classic_train; "
        "from unretouch.cli import run; run(classic_train, ['--help'])",
        "from unretouch.tasks.classic_commands import classic_test; "
        "from unretouch.cli import run; run(classic_test, ['--dataroot', 'd', '--lr', '1'])",
    ],
)
def test_neither_help_nor_an_error_loads_anything_heavy(call: str) -> None:
    done = run(["-c", f"import sys; {call}; print(*sys.modules, file=sys.stderr)"])
    loaded = set(done.stderr.split())
    assert "unretouch.cli" in loaded
    assert not loaded & {"torch", "numpy", "PIL", "rich", "scipy", "skimage", "jinja2"}


@pytest.mark.skipif(os.name == "nt", reason="Windows does not report children's processor time")
@pytest.mark.parametrize(
    ("words", "limit_s"),
    [([*UNRETOUCH, "--help"], 0.3), ([*TRAIN, "--help"], 0.5), ([*TEST, "--help"], 0.5)],
)
def test_the_help_answers_at_once(words: list[str], limit_s: float) -> None:
    """Processor time, least of three: a busy machine does not make it fail."""
    assert min(processor_seconds(words) for _ in range(3)) < limit_s


def processor_seconds(words: list[str]) -> float:
    before = os.times()
    run(words)
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
