"""What this computer offers a training run, and what to do about what is missing.

Nothing here needs torch, numpy or rich to be installed: their absence is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unretouch.tasks.doctor import disk, machine, packages, speed
from unretouch.tasks.doctor.finding import Finding, State

__all__ = ["Finding", "State", "examine"]


def examine(checkpoints_dir: Path, probe_speed: bool) -> Iterator[Finding]:
    """Yield what is found, one topic after the other; the speed probe takes about 3 seconds."""
    yield from packages.examine()
    yield from machine.examine()
    yield from disk.examine(checkpoints_dir)
    if probe_speed:
        yield from speed.examine()
