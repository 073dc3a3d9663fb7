"""What a log without a terminal shows of a run."""

from __future__ import annotations

import dataclasses
import io
import re
import signal
from pathlib import Path

from rich.console import Console

from unretouch.base.terminal import counted
from unretouch.report.console import percent, times_or_percent
from unretouch.report.run_display import HEARD, RunDisplay, read_status
from unretouch.runs.status import TrainingStatus
from unretouch.training.stopping import StopRequest

STATUS = TrainingStatus(
    name="run", state="running", step=90, total_steps=None, epoch=30, total_epochs=None,
    elapsed_s=30.0, left_s=90.0, lr=0.001, lambda_L1=500.0, identity_error=0.46,
    curves={
        "step": [30.0, 60.0, 90.0], "level_error": [1.8, 1.2, 0.6],
        "identity_error": [1.5, 1.5, 1.8], "G_L1": [7.0, 5.0, 3.0],
    },
)  # fmt: skip


def test_while_training_the_error_of_crops_is_told_as_one_of_whole_pictures() -> None:
    """As on the page: of crops, where much was retouched, doing nothing costs more."""
    console = Console(file=io.StringIO(), width=200)
    RunDisplay(console, web=None).show(STATUS)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == (
        "step 90: 1 min 30 s left, 25.0% recovered, off by 0.345 grey levels, doing nothing by "
        "0.460, G_L1 5.000\n"
    )


def test_an_error_of_many_times_doing_nothing_is_not_told_in_per_cent() -> None:
    console = Console(file=io.StringIO(), width=200)
    far = {**STATUS.curves, "level_error": [60.0, 60.0, 60.0]}
    RunDisplay(console, web=None).show(dataclasses.replace(STATUS, curves=far))
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "left, nothing recovered yet, off by 17.250 grey levels, doing nothing by 0.460" in said


def test_G_L1_is_not_said_where_lambda_weighs_nothing() -> None:
    console = Console(file=io.StringIO(), width=200)
    RunDisplay(console, web=None).show(dataclasses.replace(STATUS, weighted=False))
    assert "G_L1" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_who_asks_for_a_stop_is_heard_while_the_step_goes_on(tmp_path: Path) -> None:
    """And asked twice, the page says that the run stopped, not that it trains on."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True, no_color=True)
    with RunDisplay(console, tmp_path) as display, StopRequest(heard=display.stopping):
        display.show(STATUS)
        signal.raise_signal(signal.SIGINT)
    assert f" {HEARD}" in console.file.getvalue()  # type: ignore[attr-defined]
    display.stopped_at_once()
    status = read_status(tmp_path)
    assert status is not None
    assert (status["state"], status["stop_reason"]) == ("stopped", "stopped_at_once")


def test_the_bar_keeps_twenty_columns_of_eighty() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, no_color=True)
    status = dataclasses.replace(STATUS, step=123456, epoch=1999, total_epochs=2000)
    with RunDisplay(console, web=None) as display:
        display.show(status)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    looks = [look for look in re.split(r"[\r\n]", said) if "━" in look]
    assert looks
    for look in looks:
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", look)
        assert "1 min 30 s left" in plain
        # What is not done yet is drawn in colour only, here as blanks.
        assert len(plain.split("123456 ")[1].split("1 min")[0]) > 20


def test_a_ratio_is_told_in_per_cent_and_from_twice_on_in_times() -> None:
    told = {ratio: str(times_or_percent(ratio)) for ratio in (0.85, 1.99, 2.0, 82.47)}
    assert told == {0.85: "85%", 1.99: "199%", 2.0: "2.0 times", 82.47: "82 times"}
    assert times_or_percent(82.47).in_korean() == "82배"


def test_one_is_one_and_no_plural() -> None:
    assert counted(1, "pair") == "1 pair"
    assert counted(0.5, "minute") == "0.5 minutes"
    assert [counted(n, "pass", "passes") for n in (1, 2)] == ["1 pass", "2 passes"]


def test_nothing_gained_is_not_said_with_a_minus() -> None:
    assert percent(-0.0004) == percent(0.0004) == "0.0%"
    assert percent(-0.004, 0) == "0%"
    assert percent(-0.0006) == "-0.1%"


def test_how_many_times_the_retouch_is_lost_the_errors_tell_and_no_percentage() -> None:
    assert [percent(share, before="~") for share in (-1.0, -650.7)] == ["~-100.0%", "< -100%"]
