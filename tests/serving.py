"""The app in a process of its own, and a client that may send anything to it."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SOURCE = Path(__file__).resolve().parents[1] / "src"
START = """
import json, sys
from pathlib import Path
from unretouch.serve.server import serve
from unretouch.serve.refusals import Limits
from unretouch.settings.commands import ServeSettings
folders = {name: Path(name) for name in ("checkpoints", "datasets", "results")}
folders = {f"{name}_dir": path for name, path in folders.items()}
settings = ServeSettings(port=0, no_open=True, **folders)
serve(settings, Limits(**json.loads(sys.argv[1])))
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class App:
    """A running app: its process, and where it answers."""

    process: subprocess.Popen[str]
    port: int
    token: str
    place: Path

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"http://{self.host}/{self.token}/"

    @property
    def temporary(self) -> Path:
        """Where its private folder lies."""
        return self.place / "tmp"

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Ask below the token; a body that is not bytes goes as JSON."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, f"/{self.token}/{path}", body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=120)

    def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes as they are, return all that comes back until the app closes."""
        with self.connection() as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while part := connection.recv(65536):
                    received += part
            except ConnectionResetError:
                pass
            return received

    def head(self, method: str, path: str, **headers: str) -> bytes:
        """Return the head of a request; the path goes out as it is."""
        lines = [f"{method} /{self.token}/{path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def alive(self) -> bool:
        return self.process.poll() is None and self.ask("GET", "api/runs").status == 200

    def leftovers(self) -> list[Path]:
        """Return the files in its private folder, and the folders of work on a photograph.

        Folders of pairs that are being gathered stay as long as the app; the lock, too.
        """
        found = self.temporary.glob("unretouch-serve-*/**/*")
        return [
            path for path in found
            if path.name != "lock" and (path.is_file() or path.name.startswith("job-"))
        ]  # fmt: skip


@contextmanager
def running(place: Path, **limits: float) -> Iterator[App]:
    """Start an app whose folders lie in `place`; it is ended by SIGTERM."""
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(place / "tmp")}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", START, json.dumps(limits)],
        cwd=place, env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        host, token = address.removeprefix("http://").strip("/").split("/")
        yield App(process, int(host.rpartition(":")[2]), token, place)
    finally:
        process.terminate()
        process.wait(60)


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """Return the first true value of `what()`. Fails after so many seconds.

    Long enough for a machine with other work; waiting costs only a test that fails.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(0.05)
    raise AssertionError("it never came true")


def tiny_run(checkpoints: Path, name: str = "tiny", **changes: Any) -> str:
    """Write a run with untrained weights, which change nothing, and return its id; `changes` are
    settings."""
    from unretouch import networks
    from unretouch.runs.folder import RunDir
    from unretouch.runs.weights import save_weights
    from unretouch.serve.runs import run_id
    from unretouch.settings.train import TrainSettings, save_settings

    settings = TrainSettings(
        dataroot="pairs", name=name, checkpoints_dir=str(checkpoints), netG="detail", size="s",
        preprocess="none", no_flip=True, no_dropout=True, recipe="fast", lambda_GAN=0.0,
        minutes=1.0, device="cpu", **changes,
    )  # fmt: skip
    run = RunDir(checkpoints, name)
    run.prepare()
    save_settings(run.config, settings, {})
    save_weights(run.weights("latest"), networks.build_generator(settings).state_dict())
    return run_id(name)


def picture(size: tuple[int, int] = (48, 40), kind: str = "PNG", **more: Any) -> bytes:
    """Return a picture file, width and height given, always the same."""
    random = np.random.default_rng(0)
    pixels = random.integers(40, 200, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **more)
    return buffer.getvalue()


def begin(app: App, minutes: float) -> str:
    """Begin a run of one tiny pair through the app; return its id."""
    asked = {"draft": draft_of_a_pair(app), "name": "얼굴", "preset": "fast", "minutes": minutes}
    answer = app.ask("POST", "api/runs", asked)
    assert answer.status == 201, answer
    return str(answer.json["id"])


def draft_of_a_pair(app: App) -> str:
    """Send a tiny pair, have it looked at; return the draft it is in."""
    draft = app.ask("POST", "api/drafts", {}).json["draft"]
    place = f"api/drafts/{draft}/1"
    kinds = {"a": ("PNG", {}), "b": ("WEBP", {"quality": 60})}
    for side, (kind, how) in kinds.items():
        headers = {"Content-Type": f"image/{kind.lower()}"}
        body = picture((64, 64), kind, **how)
        assert app.ask("PUT", f"{place}/{side}", body, headers).status == 201
    found = app.ask("POST", f"{place}/check", {})
    assert found.json["width"] == 64, found
    return str(draft)
