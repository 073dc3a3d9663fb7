"""What `unretouch serve` is told, and the limits it keeps."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from unretouch.base.errors import UsageError

SHORTEST_TOKEN = 16
"""Characters of a token that somebody chose."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much the app takes from a browser, and how long it waits."""

    upload_bytes: int = 100_000_000
    pixels: int = 24_000_000
    """of one picture, found before any pixel is decoded"""
    pairs: int = 40
    """in one set"""
    drafts: int = 8
    """sets being gathered; the one untouched for longest makes room"""
    queue: int = 4
    """pictures that may wait for the worker"""
    read_s: float = 10
    """between two parts of an upload"""
    upload_s: float = 300
    """for a whole upload"""
    work_s: float = 600
    """for what is done with a picture"""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Where the app listens and where everything lies."""

    host: str = "127.0.0.1"
    port: int = 8765
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    checkpoints_dir: Path = Path("checkpoints")
    datasets_dir: Path = Path("datasets")
    results_dir: Path = Path("results")
    limits: Limits = field(default_factory=Limits)

    def hosts(self, port: int) -> frozenset[str]:
        """Return the values of the header Host that mean this app, listening on `port`."""
        names = {self.host}
        if is_loopback(self.host):
            names |= {"127.0.0.1", "localhost", "::1"}
        written = {f"[{name}]" if ":" in name else name for name in names}
        bare = written if port == 80 else set()
        return frozenset({f"{name}:{port}".lower() for name in written} | bare)


def is_loopback(host: str) -> bool:
    """Return whether `host` is reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check(host: str, port: int, token: str | None) -> None:
    """Raise UsageError where the app must not or cannot listen so."""
    if not 0 <= port <= 65535:
        raise UsageError(f"{port} is not from 0 to 65535", "--port")
    if not is_loopback(host) and token is None:
        raise UsageError(
            "is reached from other computers", "--host", "Choose a secret word: --token WORD"
        )
    if host in ("0.0.0.0", "::", ""):
        raise UsageError(
            "must be the one address that browsers will use", "--host", "Give it by name or number"
        )
    if token is None:
        return
    if len(token) < SHORTEST_TOKEN:
        raise UsageError(f"is shorter than {SHORTEST_TOKEN} characters", "--token")
    if not all(c.isascii() and (c.isalnum() or c in "-_") for c in token):
        raise UsageError("may hold letters a to z, digits, '-' and '_'", "--token")
