"""Decoders that come with the extra `photo`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from unretouch.base.errors import DataError, install_hint


def needed_module(module: str, what: str, path: Path) -> Any:
    """Return the module of the extra `photo`, or raise DataError that `what` needs it."""
    try:
        return importlib.import_module(module)
    except (ImportError, OSError):
        raise DataError(f"{what} needs the extra `photo`", path, install_hint("photo")) from None
