"""`unretouch serve`: the whole way in a browser, on one's own computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unretouch.base.errors import ExitCode, UsageError
from unretouch.settings.parser import parse

PROG = "unretouch serve"


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Open a page on this computer: drop pairs, train, watch, restore photographs."""

    port: int = 8765
    """where to listen; 0 takes any free port"""
    host: str = "127.0.0.1"
    """address to listen at; one that other computers reach needs --token"""
    token: str | None = None
    """secret word in the address; unset, a new one every time"""
    checkpoints_dir: str = "./checkpoints"
    """folder of all runs"""
    datasets_dir: str = "./datasets"
    """folder that takes the pairs of new runs"""
    results_dir: str = "./results"
    """folder of all results"""
    queue: int = 4
    """photographs that may wait while one is restored"""
    deadline: float = 600.0
    """seconds after which the work on one photograph is given up"""
    open: bool = False
    """open the page in the browser at once"""


def main(argv: list[str]) -> int:
    """Serve until Ctrl+C. Returns the exit code. Raises UnretouchError."""
    options = parse(ServeOptions, argv, PROG)
    if options.queue < 0:
        raise UsageError(f"{options.queue} is not zero or more", "--queue")
    if not 0 < options.deadline < float("inf"):
        raise UsageError(f"{options.deadline} is not a number of seconds", "--deadline")
    from unretouch.serve import settings as told  # late, as the next: starts the whole app

    told.check(options.host, options.port, options.token)
    from unretouch.serve.server import serve

    limits = told.Limits(queue=options.queue, work_s=options.deadline)
    chosen = {} if options.token is None else {"token": options.token}
    settings = told.ServeSettings(
        host=options.host,
        port=options.port,
        checkpoints_dir=Path(options.checkpoints_dir),
        datasets_dir=Path(options.datasets_dir),
        results_dir=Path(options.results_dir),
        limits=limits,
        **chosen,
    )
    serve(settings, options.open)
    return ExitCode.OK
