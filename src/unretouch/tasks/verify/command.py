"""`unretouch verify`: did it memorise, is the texture back, does it hold on unseen portraits."""

from __future__ import annotations

from rich.console import Console

from unretouch.base.errors import ExitCode
from unretouch.report.verdicts import least_words, require
from unretouch.settings.verify import VerifySettings
from unretouch.tasks.verify.verification import verify
from unretouch.training.stopping import StoppedNow


def main(settings: VerifySettings) -> int:
    """Verify. Returns the exit code. Raises UnretouchError, VerificationError for --fail_below."""
    least = least_words(settings.fail_below)
    try:
        verified = verify(settings, Console())
    except StoppedNow as stopped:  # while --cross trained
        return stopped.exit_code
    require(verified.verification.verdicts, least)
    return ExitCode.OK
