"""Record a session at a terminal of 80 columns: `python benchmarks/terminal.py`.

Three pairs of the astronaut's portrait (NASA, public domain), their retouch simulated, are learnt
for five minutes, judged, and a photograph is restored. Every line is real output; of the progress
bar one look is kept.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import struct
import sys
import tempfile
import termios
from pathlib import Path

import numpy as np
from skimage.data import astronaut

from unretouch.pixels.images import write_png
from unretouch.pixels.retouch import retouch

COLUMNS, ROWS, SIDE = 80, 40, 128
BAR = "━"
WAITING = re.compile("[\u2800-\u28ff] ")
"""What turns while one waits."""
_BEGINNING = "A session at a terminal of 80 columns"
_ABOUT = (
    "As it was printed, by `python benchmarks/terminal.py`: three small pairs, learnt on one core."
)


def commands(minutes: float) -> tuple[tuple[str, ...], ...]:
    """Return the words of each command of the session."""
    return (
        (
            "train",
            "--dataroot",
            "pairs",
            "--name",
            "first",
            "--size",
            "s",
            "--minutes",
            f"{minutes:g}",
        ),
        ("verify", "first"),
        ("apply", "first", "photo.png", "-o", "restored"),
    )


def make_pairs(folder: Path) -> None:
    """Write the pairs and a photograph into `folder`."""
    photo = astronaut()
    after = retouch(photo, seed=0, all_surfaces=True)
    (folder / "pairs" / "train").mkdir(parents=True)
    for name, (top, left) in {"face": (60, 170), "patch": (300, 120), "flag": (128, 0)}.items():
        area = np.s_[top : top + SIDE, left : left + SIDE]
        combined = np.concatenate([after[area], photo[area]], axis=1)
        write_png(folder / "pairs" / "train" / f"{name}.png", combined)
    write_png(folder / "photo.png", np.ascontiguousarray(after[0:320, 60:380]))


def recorded(folder: Path, words: tuple[str, ...]) -> str:
    """Return what `unretouch` prints in `folder`, in a terminal of its own."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", NO_COLOR="1")
        os.environ.pop("COLUMNS", None)
        os.execv(sys.executable, [sys.executable, "-m", "unretouch", *words])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    printed = b""
    while True:
        try:
            printed += os.read(terminal, 65536)
        except OSError:  # the command has ended
            break
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(printed.decode(errors="replace"))
    return settled(printed.decode(errors="replace"))


def settled(printed: str) -> str:
    """Return the lines that stay, and of a line that was drawn again and again one look halfway."""
    # Colours and the cursor are left out; `clear the line` is what parts two looks at a bar.
    cleared = re.sub(r"\x1b\[2K", "\r", printed)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", cleared)
    lines: list[str] = []
    looks: list[str] = []
    place = 0
    for line in plain.replace("\r\n", "\n").split("\n"):
        *drawn, last = line.split("\r")
        found = [look for look in (*drawn, last) if BAR in look]
        if found and not looks:
            place = len(lines)
        looks += found
        if BAR not in last and not WAITING.match(last):
            lines.append(last.rstrip())
    if looks:
        lines.insert(place, looks[len(looks) // 2].rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def main() -> None:
    """Write the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    default = Path(__file__).parents[1] / "docs" / "terminal.md"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    parts = [f"# {_BEGINNING}\n\n{_ABOUT}\n"]
    with tempfile.TemporaryDirectory(prefix="unretouch-terminal-") as folder:
        make_pairs(Path(folder))
        for words in commands(options.minutes):
            said = recorded(Path(folder), words)
            parts.append(f"```text\n$ unretouch {' '.join(words)}\n{said}\n```\n")
    options.out.write_text("\n".join(parts), "utf-8")


if __name__ == "__main__":
    main()
