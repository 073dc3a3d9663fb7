"""How much the app takes from a browser, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one app; the last two are settings of `unretouch serve`."""

    upload_bytes: int = 100_000_000
    pixels: int = 24_000_000
    """of one picture, found before any pixel is decoded"""
    pairs: int = 40
    """in one set"""
    drafts: int = 8
    """sets being gathered; the one untouched for longest makes room"""
    read_s: float = 10
    """between two parts of an upload"""
    upload_s: float = 300
    """for a whole upload"""
    queue: int = 4
    """pictures that may wait for the worker"""
    work_s: float = 600
    """for what is done with a picture"""
