"""`unretouch export`: a run as a file for other programs."""

from __future__ import annotations

from unretouch.base.errors import ExitCode
from unretouch.model.load import weights_file
from unretouch.settings.small_commands import ExportSettings
from unretouch.tasks.export.export import export


def main(settings: ExportSettings) -> int:
    """Export. Returns the exit code. Raises UnretouchError."""
    weights = weights_file(
        settings.run,
        settings.weights,
        epoch=settings.epoch,
        checkpoints_dir=settings.checkpoints_dir,
    )
    done = export(weights, settings.to, settings.out)
    print(f"{done.path}: {done.check}")
    if done.note:
        print(f"note: {done.note}")
    print(f"model card: {done.card}")
    return ExitCode.OK
