"""Shell completion: every command and flag, and a real bash in which somebody presses Tab."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unretouch.cli import COMMANDS, dispatch, settings_of
from unretouch.settings.fields import fields_of, flags_of
from unretouch.settings.parser import RUNS
from unretouch.settings.paths import FILES, FOLDERS

SHELLS = ["bash", "zsh", "tcsh", "fish"]


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert dispatch(["--print-completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_every_flag_is_in_the_script(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = script(shell, capsys)
    for command in COMMANDS:
        assert re.search(rf"\b{command.name}\b", text), command.name
        for flag in flags_of(settings_of(command)):
            # fish and tcsh write a flag without its hyphens.
            assert re.search(rf"\b{flag}\b", text), f"{command.name} {flag}"


def test_what_is_a_folder_or_a_file_is_a_flag_of_some_command() -> None:
    known: set[str] = set()
    for command in COMMANDS:
        known |= fields_of(settings_of(command)).keys()
    assert known >= FOLDERS | FILES | RUNS


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_can_read_the_script(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    file = tmp_path / f"completion.{shell}"
    file.write_text(script(shell, capsys), "utf-8")
    done = subprocess.run([program, "-n", str(file)], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("unretouch tra", "unretouch train "),
        ("unretouch train --lambda_L", "unretouch train --lambda_L1 "),
        ("unretouch train --preset str", "unretouch train --preset strong "),
        ("unretouch train --dataroot por", "unretouch train --dataroot portrait_retouch"),
        ("unretouch apply first pho", "unretouch apply first photo.jpg "),
        ("unretouch apply fir", "unretouch apply first_run "),
        ("unretouch train --like fir", "unretouch train --like first_run "),
        ("unretouch verify --heldo", "unretouch verify --heldout "),
        ("unretouch verify ex", "unretouch verify exp/size_s "),
        ("unretouch compare first_run ot", "unretouch compare first_run other "),
        ("unretouch apply first_run --mask sk", "unretouch apply first_run --mask skin "),
        ("unretouch apply first_run --mask pho", "unretouch apply first_run --mask photo.jpg "),
    ],
)
def test_tab_in_a_real_bash(
    typed: str, completed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "completion").write_text(script("bash", capsys), "utf-8")
    (tmp_path / "portrait_retouch").mkdir()
    (tmp_path / "photo.jpg").touch()
    for name in ("first_run", "exp/size_s", "other"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "config.json").touch()
    (tmp_path / "checkpoints" / "first_run.json").touch()  # the line of the app, say, is no run
    shown = press_tab(tmp_path, typed, completed)
    assert completed in shown


def press_tab(folder: Path, typed: str, wanted: str) -> str:
    """Return what a bash in a terminal shows after `typed` and Tab, once it holds `wanted`."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(TERM="dumb", PS1="ready>", HISTFILE="")
        os.execvp("bash", ["bash", "--noprofile", "--norc", "-i"])
    try:
        os.write(terminal, b"source ./completion; echo so''urced\n")
        read_until(terminal, "sourced")
        os.write(terminal, typed.encode() + b"\t")
        return read_until(terminal, wanted)
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(child, 0)


def read_until(terminal: int, wanted: str, seconds: float = 20) -> str:
    text, deadline = "", time.monotonic() + seconds
    while wanted not in text and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):
                text += os.read(terminal, 4096).decode(errors="replace")
    return text


@pytest.mark.skipif(os.name == "nt", reason="Windows does not report children's processor time")
def test_the_completion_loads_nothing_heavy() -> None:
    call = (
        "import sys; from unretouch.cli import dispatch; dispatch(['--print-completion', 'bash']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, timeout=60)
    assert not set(done.stderr.split()) & {"torch", "numpy", "PIL", "rich", "starlette"}
