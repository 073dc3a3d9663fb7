"""What a run of a sweep is called: the settings in which it differs, readable in a file manager."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from unretouch.base import names

Value = tuple[str, ...] | None
"""The words after a flag, none after a switch that is on; None: the switch is off."""


def segment(settings: Iterable[tuple[str, Value]]) -> str:
    """Return one segment of a run's name for these settings: `lambda_L1_300-lr_0.0001`.

    Equal numbers have equal names, however they were typed. What is too long for a file name is
    cut, and ends in a checksum of the whole.
    """
    text = "-".join(f"{name}_{_shown(value)}" for name, value in settings)
    if len(text.encode()) <= names.LONGEST_SEGMENT:
        return text
    return names.file_stem(text, f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}")


def plain(value: Value) -> str:
    """Return how people write the value: numbers without exponent or idle zeros."""
    if not value:
        return "no" if value is None else "yes"
    try:
        number = Decimal(value[0])
    except InvalidOperation:
        return value[0]
    if not number.is_finite():
        return value[0]
    return f"{number.normalize():f}" if number else "0"


def _shown(value: Value) -> str:
    text = plain(value).strip("./\\ ") or "none"
    return names.file_stem(text).strip("_") or "other"
