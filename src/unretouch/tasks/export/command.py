"""`unretouch export`: a run as a file for other programs."""

from __future__ import annotations

from unretouch.base.errors import ExitCode
from unretouch.settings.small_commands import ExportSettings
from unretouch.tasks.export.export import export


def main(settings: ExportSettings) -> int:
    """Export. Returns the exit code. Raises UnretouchError."""
    done = export(settings, settings.to, settings.out)
    print(f"{done.path}: {done.check}")
    if done.note:
        print(f"note: {done.note}")
    print(f"model card: {done.card}")
    return ExitCode.OK
