"""Decoders that come with an extra."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from unretouch.base.errors import DataError, install_hint
from unretouch.base.messages import Words, _


def needed_module(module: str, what: Words, path: Path, extra: str = "photo") -> Any:
    """Return the module of the extra, or raise DataError that `what` needs it."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError):
        needed = _("{what} needs the extra `{extra}`", what=what, extra=extra)
        raise DataError(needed, path, install_hint(extra)) from None
