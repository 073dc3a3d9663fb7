"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from unretouch.base.errors import ExitCode

State = Literal["ok", "note", "trouble"]


@dataclass(frozen=True)
class Finding:
    """What was found of a topic. `trouble` keeps a run from starting; `note` does not."""

    topic: str
    value: str
    state: State = "ok"
    advice: str = ""
    """what to do, where the state is not ok"""
    exit_code: ExitCode = ExitCode.OK
    """of a trouble: what a run would end with"""
