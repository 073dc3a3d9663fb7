"""What this computer offers a training run: `unretouch doctor`."""

from unretouch.tasks.doctor.examination import Finding, State, examine

__all__ = ["Finding", "State", "examine"]
