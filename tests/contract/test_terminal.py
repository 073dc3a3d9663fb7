"""Whole commands at a terminal of 80 columns: what a person reads there, line by line."""

from __future__ import annotations

import itertools
import os
import re
import select
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len
from skimage.data import astronaut

from unretouch.cli import dispatch

pty = pytest.importorskip("pty", reason="Windows has no pseudo terminals")

PAIRS = ("김지우_여름_야외_스튜디오_세로촬영_보정전후_최종본_01", "anna_studio_close_up_final_02")
RUNS = ("portrait_reverse_of_the_summer_sessions", "second_try")
TRAIN = [
    *("train", "--dataroot", "pairs", "--size", "s", "--n_epochs", "1", "--n_epochs_decay", "0"),
    *("--device", "cpu", "--seed", "1", "--name"),
]
LONGEST_SILENCE_S = 120
AFTER = [
    ["test", "--model", "pix2pix", "--dataroot", "pairs", "--phase", "train", "--name", RUNS[0]],
    ["verify", RUNS[0], "--no_probe"],
    ["compare"],
    ["doctor", "--no_speed"],
]


def at_a_terminal(words: list[str]) -> str:
    """Return what a command shows at a terminal of 80 columns, each state of its bar as a line."""
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "unretouch", *words],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm", "PYTHONUTF8": "1"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while select.select([ours], [], [], LONGEST_SILENCE_S)[0] and (
            part := os.read(ours, 65536)
        ):
            shown += part
    except OSError:  # Linux says so that nobody writes any more
        pass
    os.close(ours)  # one that fell silent ends with its terminal
    assert process.wait(60) == 0, shown.decode()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r", "\n")


def broken_words(shown: str, whole: set[str]) -> list[str]:
    """Return words of `whole` that begin at the end of a line and end on the next."""
    found = []
    for line, following in itertools.pairwise(shown.splitlines()):
        start, end = re.search(r"[^\W\d_]+$", line.rstrip()), re.match(r"\s*([^\W\d_]+)", following)
        if start and end and not {start[0], end[1]} <= whole and start[0] + end[1] in whole:
            found.append(start[0] + end[1])
    return found


def test_no_line_is_wider_than_80_and_no_word_is_broken_from_training_to_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does any say idle, share or fit. Words are whole where a wide terminal has them, too."""
    monkeypatch.chdir(tmp_path)
    Path("pairs/train").mkdir(parents=True)
    for number, name in enumerate(PAIRS):
        before = astronaut()[60:108, 150 + 20 * number : 206 + 20 * number]
        after = (before.astype(int) + np.roll(before, 1, 0) + np.roll(before, 1, 1)) // 3
        both = np.concatenate([after.astype(np.uint8), before], axis=1)
        Image.fromarray(both).save(f"pairs/train/{name}.png")

    narrow = {"train": at_a_terminal([*TRAIN, RUNS[0]])}
    monkeypatch.setenv("COLUMNS", "400")
    assert dispatch([*TRAIN, RUNS[1], "--n_epochs", "2"]) == 0
    narrow |= {words[0]: at_a_terminal(words) for words in AFTER}
    for words in AFTER:
        assert dispatch(words) == 0
    whole = set(re.findall(r"[^\W\d_]+", capsys.readouterr().out))

    for command, shown in narrow.items():
        print(f"--- {command}\n{shown}")  # for whoever looks at a failure
        assert max(map(cell_len, shown.splitlines())) <= 80, command
        assert not re.search("[│┃|╭╰]", shown), command
        assert broken_words(shown, whole) == [], command
        said = re.sub(r"--\w+( \w+)?|\S*[/_]\S*", "", shown)  # flags, files and other names
        assert not re.search(r"\b(idle|share|fit)\b", said, re.IGNORECASE), command
    assert "What differs in the settings" in narrow["compare"]
    assert "Did it memorise?" in narrow["train"]
