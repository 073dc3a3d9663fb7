"""Decoders that come with an extra."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from unretouch.base.errors import DataError, install_hint


def needed_module(module: str, what: str, path: Path, extra: str = "photo") -> Any:
    """Return the module of the extra, or raise DataError that `what` needs it."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError):
        raise DataError(f"{what} needs the extra `{extra}`", path, install_hint(extra)) from None
