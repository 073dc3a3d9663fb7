"""What a run is called, and which of its weights are meant."""

from __future__ import annotations

import dataclasses
from typing import Any

from unretouch.base.errors import UsageError
from unretouch.base.names import run_name


def full_name(options: Any) -> str:
    """Return the name of the run with `--suffix` behind it, its flags filled in.

    Raises UsageError for a flag that is unknown or unset, and for a name that cannot be one.
    """
    if not options.suffix:
        return run_name(options.name)
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    known = {name: value for name, value in values.items() if value is not None}
    try:
        return run_name(f"{options.name}_{options.suffix.format(**known)}")
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{options.suffix!r} cannot be filled in: {error}",
            "--suffix",
            "Write flags that are given in braces, as {netG}_{load_size}",
        ) from error


def check_epoch(epoch: str) -> None:
    """Raise UsageError unless `epoch` is latest, best or the number of an epoch."""
    if epoch not in ("latest", "best") and not (epoch.isdecimal() and int(epoch) > 0):
        raise UsageError(f"{epoch!r} is not latest, best or the number of an epoch", "--epoch")
