"""Listen, say where, and serve until Ctrl+C."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from unretouch.base.errors import UsageError
from unretouch.serve.app import make_app
from unretouch.serve.security import Guard
from unretouch.serve.settings import ServeSettings
from unretouch.serve.state import AppState

CONNECTIONS = 64
GRACE_S = 3
"""For answers under way when the app ends."""


def serve(settings: ServeSettings, open_browser: bool = False) -> None:
    """Serve the app until Ctrl+C or SIGTERM. Raises UsageError where it cannot listen."""
    listening = _listen(settings.host, settings.port)
    port = listening.getsockname()[1]
    state = AppState(settings)
    try:
        app = Guard(make_app(state), settings.token, settings.hosts(port))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{port}/{settings.token}/"

        def told() -> None:
            print(f"open {address}", flush=True)
            print("Ctrl+C ends the app; a training goes on, and is found next time", flush=True)
            if open_browser:
                webbrowser.open(address)

        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=GRACE_S,
        )
        _Server(config, told).run(sockets=[listening])
    finally:
        state.close()
        listening.close()


class _Server(uvicorn.Server):
    """Calls `ready` once requests are answered and a signal ends it tidily, not before."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(f"{host!r} is no address here: {error.strerror}", "--host") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        hint = "Another one may be running; --port 0 takes any free port"
        raise UsageError(f"cannot listen: {error.strerror}", f"{host}:{port}", hint) from error
    return listening
