"""Large photographs, made quickly: one small noisy picture, tiled, and a few retouched places."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fault_harness import SOURCE
from PIL import Image

SIZE_12 = (4000, 3000)
SIZE_24 = (6000, 4000)
SIZE_60 = (9000, 6666)


def write_pairs(dataroot: Path, count: int, size: tuple[int, int]) -> Path:
    """Write `count` pairs of JPEGs of `size` (width, height) into dataroot/trainA and trainB, and
    return dataroot. All are links to the files of the first pair."""
    random = np.random.default_rng(0)
    coarse = random.integers(90, 160, (8, 8, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((500, 500), Image.Resampling.BICUBIC))
    tile = (smooth + random.integers(-12, 13, (500, 500, 1))).astype(np.uint8)
    width, height = size
    real, even = (
        np.tile(one, (-(-height // 500), -(-width // 500), 1))[:height, :width].copy()
        for one in (tile, smooth)
    )
    for side in ("trainB", "trainA"):
        (dataroot / side).mkdir(parents=True)
        Image.fromarray(real).save(dataroot / side / "0.jpg", quality=92, subsampling="4:2:0")
        for number in range(1, count):
            (dataroot / side / f"{number}.jpg").hardlink_to(dataroot / side / "0.jpg")
        for top, left in random.integers(0, min(size) - 300, (6, 2)):  # what A was retouched in
            place = np.s_[top : top + 300, left : left + 300]
            real[place] = even[place]
    return dataroot


@dataclass(frozen=True)
class Ran:
    """How a process went."""

    code: int
    out: str
    gigabytes: float
    """resident at most"""
    seconds_until: float | None
    """of all its cores, until `reached` held"""


def run(words: list[str], printed: Path, reached: Callable[[], bool] = lambda: False) -> Ran:
    """Run python with `words` on two threads, two steps of training at most. Linux only."""
    environment = {
        **os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "2", "COLUMNS": "200",
        "UNRETOUCH_TEST_STEPS": "2",
    }  # fmt: skip
    until, most = None, 0
    with printed.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *words], env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    while True:
        if until is None and reached():
            until = _seconds(process.pid)
        most = max(most, _most_resident(process.pid))
        pid, status = os.waitpid(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    out = printed.read_text("utf-8", errors="replace")
    return Ran(process.returncode, out, most * 1024 / 10**9, until)


def _most_resident(pid: int) -> int:
    """Return the peak of a process, kB. Not as the kernel accounts for children: that starts with
    what their parent held when it made them."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) if "VmHWM" in status else 0


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
