"""Group S of the fault matrix: what a browser, or somebody else, may send to the app."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import select
import signal
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from PIL import Image
from serving import App, begin, draft_of_a_pair, picture, running, until
from short_runs import train, write_pairs
from starlette.requests import Request

from unretouch.pixels.photo_kind import kind_of
from unretouch.serve.refusals import Limits, Refused
from unretouch.serve.uploads import receive_picture

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="kills and looks at processes as on POSIX"),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc"),
]

DATA = Path(__file__).resolve().parents[1] / "data"
PNG = {"Content-Type": "image/png"}
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    place = tmp_path_factory.mktemp("app")
    serving.tiny_run(place / "checkpoints")
    # Seconds enough for a client that other work keeps waiting.
    with running(place, upload_bytes=1_000_000, read_s=60, queue=2) as started:
        yield started


def apply_of(app: App) -> str:
    """Where a photograph is sent to."""
    run = app.ask("GET", "api/runs").json[0]
    return f"api/runs/{run['id']}/photos"


@pytest.fixture(scope="module")
def apply(app: App) -> str:
    return apply_of(app)


def photos(app: App, apply: str) -> list[dict[str, Any]]:
    """What the app says of the photographs of a run."""
    return list(app.ask("GET", apply).json["photos"])


def restored(app: App, apply: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """Send a photograph; return what the app says of it once it is restored, or has failed."""
    answer = app.ask("PUT", f"{apply}?name=a+photo", body, headers)
    assert answer.status == 201, answer
    card = answer.json["id"]
    return until(lambda: next((photo for photo in photos(app, apply) if photo["id"] == card
                               and photo["state"] in ("done", "failed")), None))  # fmt: skip


def kept(app: App) -> list[Path]:
    """The folders of photographs, and what was sent and is no photograph yet."""
    below = app.place.glob("checkpoints/*/restored/*")
    return [path for path in below if path.is_dir()] + list(app.place.rglob("*.part"))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


def test_S1_uploads_without_a_true_length_are_cut_off(app: App, apply: str) -> None:
    cases = {
        413: app.head("PUT", apply, Content_Type="image/png", Content_Length="1000001"),
        411: app.head("PUT", apply, Content_Type="image/png", Transfer_Encoding="chunked"),
        415: app.head("PUT", apply, Content_Type="multipart/form-data; boundary=x",
                      Content_Length="3", Connection="close") + b"--x",
        400: app.head("PUT", apply, Content_Type="image/png", Content_Length="-1"),
    }  # fmt: skip
    for expected, request in cases.items():
        # All that it waits for is the end of the connection: the app closes it by itself.
        answer = app.raw(request)
        assert status(answer) == expected, answer
    body = picture()
    head = app.head("PUT", apply, Content_Type="image/png", Content_Length=str(len(body)))
    # Shorter than it says, and then the end.
    assert status(app.raw(head + body[:-9], half_close=True)) in (0, 400)
    # Longer than it says: what follows is no request.
    longer = app.raw(head + body + b"\0" * 500)
    assert [status(part) for part in longer.split(b"HTTP/1.1")[1:]] == [201, 400]
    assert app.alive()
    until(lambda: len(kept(app)) == 1)
    assert app.ask("DELETE", apply).status == 204
    assert kept(app) == []


def test_S1_uploads_that_never_end_are_cut_off(tmp_path: Path) -> None:
    serving.tiny_run(tmp_path / "checkpoints")
    body = picture()
    for limits, send in ((SILENCE, fall_silent), (SLOWNESS, drip)):
        with running(tmp_path, **limits) as app:
            head = app.head("PUT", apply_of(app), Content_Type="image/png",
                            Content_Length=str(len(body)))  # fmt: skip
            assert status(send(app, head, body)) == 408
            assert app.alive()
            until(lambda app=app: not kept(app))


# Each limit by itself: the other lies beyond what the client waits for.
SILENCE = {"read_s": 1, "upload_s": 300}
SLOWNESS = {"read_s": 300, "upload_s": 2}


def fall_silent(app: App, head: bytes, body: bytes) -> bytes:
    """Send less than the head says, and then nothing; return what the app says."""
    return app.raw(head + body[:-9])


def drip(app: App, head: bytes, body: bytes) -> bytes:
    """Send a body in steps of a byte until the app has had enough; return what it says."""
    with app.connection() as connection:
        connection.sendall(head)
        for at in range(60):
            connection.sendall(body[at : at + 1])
            if select.select([connection], [], [], 0.4)[0]:
                return connection.recv(65536)
    raise AssertionError("the app waits on")


def test_S1_a_chunk_in_the_moment_of_the_limit_does_not_lift_it(tmp_path: Path) -> None:
    sent = 0

    async def receive() -> dict[str, object]:
        nonlocal sent
        sent += 1
        time.sleep(0.05)  # the loop stands still, so that the limit and the chunk come at once
        return {"type": "http.request", "body": b"x", "more_body": sent < 50}

    headers = [(b"content-type", b"image/png"), (b"content-length", b"50")]
    scope = {"type": "http", "method": "PUT", "headers": headers, "query_string": b""}
    request = Request(scope, receive)
    limits = Limits(read_s=60, upload_s=0.02)
    with pytest.raises(Refused) as refused:
        asyncio.run(receive_picture(request, tmp_path, "a", limits))
    assert refused.value.status == 408
    assert not list(tmp_path.iterdir())


def test_S2_no_path_is_made_of_what_is_asked_for(app: App, apply: str) -> None:
    (app.place / "secret.html").write_text("SECRET")
    run = apply.split("/")[2]
    reports = {
        f"reports/test/{run}": app.place / "results/tiny/train_latest",
        f"reports/verify/{run}": app.place / "checkpoints/tiny/verify",
        "reports/compare": app.place / "results/comparison",
    }
    for address, folder in reports.items():
        folder.mkdir(parents=True)
        (folder / "index.html").write_text("a report")
        (folder / "link.html").symlink_to(app.place / "secret.html")
        assert app.ask("GET", f"{address}/").body == b"a report"
    ups = ("..", "%2e%2e", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%00", "C:%5Cwindows", "%2fetc")
    paths = [f"runs/{up}/" for up in ups]
    paths += [f"runs/{run}/images/{up}" for up in ups]
    paths += [f"runs/{run}/images/..%2f..%2fconfig.json", f"runs/{run}/config.json"]
    for address in reports:
        paths += [f"{address}/{up}" for up in ups]
        for depth in (2, 3):
            paths += [f"{address}/{up * depth}secret.html" for up in ("../", "%2e%2e/", "..%2f")]
        paths += [f"{address}/link.html", f"{address}/{app.place}/secret.html"]
    paths += [f"assets/{up}" for up in ups] + ["assets/../app.py", "assets/%2e%2e/app.py"]
    paths += [f"api/runs/{up}" for up in ups] + [f"api/drafts/{up}/1/thumbnail/a" for up in ups]
    paths += [f"{apply}/{up}/look/whole" for up in ups]
    paths += [f"{apply}/{up}/saved/restored" for up in ups]
    for path in paths:
        answer = app.raw(app.head("GET", path, Connection="close"))
        assert status(answer) == 404, (path, answer[:200])
        assert b"SECRET" not in answer
        assert b"root:" not in answer
    assert status(app.raw(app.head("PUT", "api/runs/..%2ftiny/photos", **_sized()))) == 404
    assert app.alive()


def _sized() -> dict[str, str]:
    return {"Content_Type": "image/png", "Content_Length": "0", "Connection": "close"}


def test_S3_only_the_apps_own_page_is_answered(app: App, apply: str) -> None:
    own = f"http://{app.host}"
    evil = "evil.example"
    for host in (evil, f"{evil}:{app.port}", "127.0.0.1", f"{app.host}.x"):
        assert app.ask("GET", "", headers={"Host": host}).status == 421
    for prefix in ("", "x" * 32, app.token[:-1], app.token + "x"):
        request = app.head("GET", "api/runs", Connection="close")
        request = request.replace(f"/{app.token}/".encode(), f"/{prefix}/".encode(), 1)
        assert status(app.raw(request)) == 403
    strangers: tuple[dict[str, str], ...] = (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{app.port + 1}"},
        {"Sec-Fetch-Site": "cross-site", "Origin": own},
        {"Sec-Fetch-Site": "same-site"},
    )
    for headers in strangers:
        for method, path in (("POST", "api/drafts"), ("PUT", apply), ("DELETE", "api/drafts/a/1")):
            assert app.ask(method, path, b"", headers={**PNG, **headers}).status == 403
    twice = app.head("GET", "api/runs", Connection="close", host="x")
    assert status(app.raw(twice)) in (400, 421)
    answer = app.ask("POST", "api/drafts", {}, {"Origin": own, "Sec-Fetch-Site": "same-origin"})
    assert answer.status == 201
    page = app.ask("GET", "", headers={"Origin": "https://evil.example"})
    assert not [name for name in page.headers if name.lower().startswith("access-control")]
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_S4_fifty_at_once_leave_a_short_queue(app: App, apply: str) -> None:
    body = picture()
    head = app.head("PUT", apply, Content_Type="image/png", Content_Length=str(len(body)),
                    Connection="close")  # fmt: skip
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(app.connection()) for _ in range(50)]
        for client in clients:
            client.sendall(head)
        # One at work and two that wait: those have a place from before their upload.
        busy = until(lambda: found if len(found := answered(clients)) >= 47 else None)
        assert len(busy) == 47
        for client in busy:
            answer = everything_from(client)
            assert status(answer) == 503, answer
            assert re.search(rb"\r\nretry-after: \d+\r\n", answer, re.IGNORECASE)
        taken = [client for client in clients if client not in busy]
        for client in taken:
            client.sendall(body)
        assert [status(everything_from(client)) for client in taken] == [201] * 3
    at_work = 0
    while any(photo["state"] in ("waiting", "working") for photo in photos(app, apply)):
        at_work = max(at_work, len(children(app.process.pid)))
        time.sleep(0.02)
    assert at_work == 1
    assert app.ask("GET", apply).json["finished"] == 3
    line = next(line for line in peak_memory(app).splitlines() if line.startswith("VmHWM"))
    assert int(line.split()[1]) < 300_000  # kB
    assert app.alive()
    assert app.ask("DELETE", apply).status == 204
    assert kept(app) == []


def answered(clients: list[socket.socket]) -> list[socket.socket]:
    return select.select(clients, [], [], 0)[0]


def everything_from(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def peak_memory(app: App) -> str:
    return Path(f"/proc/{app.process.pid}/status").read_text()


def test_S5_only_pictures_are_taken_and_no_place_is_given(app: App, apply: str) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    refused = [
        (bomb(20_000, 20_000), PNG, 413),
        (bomb(9_000, 9_000), PNG, 413),
        (svg, {"Content-Type": "image/svg+xml"}, 415),
        (svg, PNG, 415),
        (b"8BPS" + bytes(100), PNG, 415),
        (b"<!doctype html><script>alert(1)</script>", JPEG, 415),
    ]
    for body, headers, expected in refused:
        answer = app.ask("PUT", apply, body, headers)
        assert answer.status == expected, (headers, answer)
        assert b"tmp" not in answer.body  # nothing of where it lay
    # Before it is its turn; without the mark of its end alone it is whole.
    cut = app.ask("PUT", apply, picture((320, 240), "JPEG")[:-600], JPEG)
    assert (cut.status, b"Copy it anew" in cut.body) == (415, True)
    cut = app.ask("PUT", apply, picture()[:-60], PNG)
    assert (cut.status, b"Copy it anew" in cut.body) == (415, True)
    assert app.ask("PUT", apply, picture(kind="JPEG")[:-2], JPEG).status == 201
    assert app.ask("DELETE", apply).status == 204
    assert kept(app) == []
    good = picture()
    broken = restored(app, apply, good[:900] + bytes(60) + good[960:], PNG)
    assert broken["state"] == "failed"
    assert str(app.place) not in json.dumps(broken)
    assert broken["said"]["values"]["text"]["values"]["where"] == "a photo"  # as people call it

    exif = Image.Exif()
    exif[0x010F] = "MAKER-OF-CAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (37.0, 33.0, 59.0)
    sent = picture(kind="JPEG", exif=exif.tobytes(), comment=b"A-SECRET-PLACE")
    polyglot = sent + b"PK\x03\x04 <script>alert(1)</script>"
    photo = restored(app, apply, polyglot, JPEG)
    answer = app.ask("GET", f"{apply}/{photo['id']}/saved/restored")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    for word in (b"script", b"PK\x03\x04"):
        assert word not in answer.body
    with Image.open(io.BytesIO(answer.body)) as made:
        made.load()
        assert made.getexif()[0x010F] == "MAKER-OF-CAMERA"
        assert not made.getexif().get_ifd(0x8825)
        assert made.size == (48, 40)
    assert app.ask("DELETE", apply).status == 204
    assert kept(app) == []


def test_S5_what_the_terminal_reads_is_taken_for_pairs_and_what_it_refuses_is_not(app: App) -> None:
    heic = (DATA / "portrait_8.heic").read_bytes()
    draft = app.ask("POST", "api/drafts", {}).json["draft"]
    for at, body in enumerate((heic, picture(kind="TIFF"), picture(kind="GIF"))):
        answer = app.ask("PUT", f"api/drafts/{draft}/{at}/a?name=..%2Fface.x", body)
        assert answer.status == 201, answer
        assert answer.json["width"] > 40
    names = [one["names"] for one in app.ask("GET", f"api/drafts/{draft}").json.values()]
    assert names == [{"a": "face.x"}] * 3
    raw = app.ask("PUT", f"api/drafts/{draft}/5/a?name=x.nef", b"II*\0" + bytes(100))
    assert (raw.status, b"RAW" in raw.body) == (415, True)
    assert app.ask("DELETE", f"api/drafts/{draft}").status == 204
    assert app.ask("GET", f"api/drafts/{draft}").status == 404
    assert app.leftovers() == []


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to be so large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def half_done(app: App, apply: str) -> tuple[str, str]:
    """Send a photograph; return its id and that of the process that works on it, standing still."""
    card = app.ask("PUT", apply, picture(), PNG).json["id"]
    return card, stopped_job(app)


def stopped_job(app: App) -> str:
    """Have the process that the app has begun stand still: it would never end by itself."""
    # Not before it is a program of its own: until then the app waits for it.
    (worker,) = until(lambda: [pid for pid in children(app.process.pid) if _is_a_job(pid)])
    os.kill(int(worker), signal.SIGSTOP)
    return str(worker)


def test_S6_nothing_stays_of_a_photo_that_was_taken_back(tmp_path: Path) -> None:
    apply = f"api/runs/{serving.tiny_run(tmp_path / 'checkpoints')}/photos"
    with running(tmp_path) as app:
        body = picture()
        head = app.head("PUT", apply, Content_Type="image/png", Content_Length=str(len(body)))
        with app.connection() as connection:
            connection.sendall(head + body[:-9])
            until(lambda: kept(app))
        until(lambda: not kept(app))  # the client has gone before all was there

        card, worker = half_done(app, apply)
        assert app.ask("DELETE", f"{apply}/{card}").status == 204
        until(lambda: not _works(worker))
        until(lambda: kept(app) == [])
        assert restored(app, apply, picture(), PNG)["state"] == "done"  # the worker is free


def test_S6_a_photo_outlives_the_app_that_was_killed(tmp_path: Path) -> None:
    apply = f"api/runs/{serving.tiny_run(tmp_path / 'checkpoints')}/photos"
    with running(tmp_path) as app:
        done = restored(app, apply, picture(), PNG)["id"]
        card, worker = half_done(app, apply)
        app.process.send_signal(signal.SIGKILL)
        app.process.wait()
        os.kill(int(worker), signal.SIGCONT)
        until(lambda: not list(tmp_path.glob("tmp/unretouch-serve-*")))
        until(lambda: not _works(worker))
    with running(tmp_path) as app:
        assert [(photo["id"], photo["state"]) for photo in photos(app, apply)] == [
            (done, "done"), (card, "stopped"),
        ]  # fmt: skip
        assert app.ask("POST", f"{apply}/{card}/again", {}).status == 202
        until(lambda: [photo["state"] for photo in photos(app, apply)] == ["done", "done"])


def test_a_comparison_has_no_deadline_and_is_seen_or_ended_by_any_page(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs")
    for name in ("one", "two"):
        train(tmp_path, name)
    with running(tmp_path, work_s=0.1) as app:
        assert app.ask("GET", "api/compare").json == {"groups": [], "alone": []}
        assert app.ask("POST", "api/compare", {}).status == 202
        worker = stopped_job(app)
        (group,) = app.ask("GET", "api/compare").json["groups"]
        assert (sorted(group["runs"]), group["page"]) == (["one", "two"], None)
        assert group["task"]["doing"]
        assert app.ask("POST", "api/compare", {}).status == 409  # it is being done
        run = app.ask("GET", "api/runs").json[0]["id"]
        assert app.ask("POST", f"api/runs/{run}/rename", {"name": "other"}).status == 409
        assert app.ask("DELETE", f"api/compare/{group['id']}").status == 202
        until(lambda: not _works(worker))
        assert app.ask("GET", "api/compare").json["groups"] == []

        assert app.ask("POST", "api/compare", {}).status == 202
        page = until(lambda: app.ask("GET", "api/compare").json["groups"][0]["page"])
        assert b"ranking" in app.ask("GET", page).body
        until(lambda: app.leftovers() == [])


def _is_a_job(pid: str) -> bool:
    try:
        return b"unretouch.jobs.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _works(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_folder_that_a_killed_app_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        app.process.send_signal(signal.SIGKILL)
        app.process.wait()
        (left,) = app.temporary.glob("unretouch-serve-*")
    with running(tmp_path) as app:
        assert not left.exists()
        (ours,) = app.temporary.glob("unretouch-serve-*")
        assert ours.stat().st_mode & 0o077 == 0
        with running(tmp_path):
            assert ours.exists()  # that of an app which lives is let alone
    assert list(app.temporary.glob("unretouch-serve-*")) == []


def test_a_file_where_the_app_was_started_is_no_module_of_it(tmp_path: Path) -> None:
    run = serving.tiny_run(tmp_path / "checkpoints")
    for name in ("PIL.py", "json.py", "unretouch.py"):
        (tmp_path / name).write_text("raise SystemExit('run by mistake')")
    with running(tmp_path) as app:
        assert restored(app, f"api/runs/{run}/photos", picture(), PNG)["state"] == "done"


def test_X1_the_page_hears_that_a_photograph_is_far_from_the_pairs(app: App) -> None:
    run = serving.tiny_run(app.place / "checkpoints", "knows")
    own = kind_of(np.asarray(Image.open(io.BytesIO(picture()))))
    told = []
    for kind in (own, replace(own, sharpness=own.sharpness + 2)):
        record = app.place / "checkpoints" / "knows" / "photo_kinds.json"
        record.write_text(json.dumps([kind.record()]))
        told.append(restored(app, f"api/runs/{run}/photos", picture(), PNG)["far"])
    near, far = told
    assert near is None
    said = far["said"]
    assert said["message"] == "This photo is far from the training pairs: {reasons}."
    assert said["values"]["reasons"]["message"] == "it is softer"


def test_a_run_is_begun_once_and_by_a_name_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        asked = {
            "draft": draft_of_a_pair(app),
            "name": "r",
            "preset": "fast",
            "minutes": 20,
        }
        for name in ("a/b", "..", "-rf", "x" * 101, ""):
            answer = app.ask("POST", "api/runs", {**asked, "name": name})
            assert answer.status == 400
            assert answer.json["message"] == "This name cannot be used: {text}"
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: app.ask("POST", "api/runs", asked), range(4)))
        codes = [answer.status for answer in answers]
        assert codes.count(201) == 1
        assert set(codes) <= {201, 404, 409}  # 404: its pairs have gone into the run
        assert app.ask("POST", "api/runs", {**asked, "draft": draft_of_a_pair(app)}).status == 409
        (run,) = app.ask("GET", "api/runs").json
        until(lambda: app.ask("GET", f"api/runs/{run['id']}").json["state"] == "running")
        assert app.ask("POST", f"api/runs/{run['id']}/stop", {}).status == 202
        until(lambda: app.ask("GET", f"api/runs/{run['id']}").json["state"] == "stopped")


def test_a_killed_app_loses_no_training(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        run = begin(app, minutes=0.05)
        until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] == "running", seconds=180)
        app.process.send_signal(signal.SIGKILL)
        app.process.wait()
    with running(tmp_path) as app:
        found = app.ask("GET", "api/runs").json
        assert [one["id"] for one in found] == [run]
        assert found[0]["state"] in ("running", "finished")
        until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] == "finished", seconds=180)
        assert app.ask("POST", f"api/runs/{run}/stop", {}).status == 409
        assert (tmp_path / "checkpoints" / "얼굴" / "latest_net_G.pth").stat().st_size > 0


def test_a_training_of_an_earlier_app_is_stopped_saved_and_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as app:
        run = begin(app, minutes=20)
        until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] == "running", seconds=180)
    with running(tmp_path) as app:
        told = app.ask("GET", f"api/runs/{run}").json
        assert told["state"] == "running"
        assert app.ask("POST", f"api/runs/{run}/continue", {}).status == 409
        assert app.ask("POST", f"api/runs/{run}/stop", {}).status == 202
        until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] == "stopped", seconds=180)
        stopped = app.ask("GET", f"api/runs/{run}").json
        assert stopped["reason"] == "interrupted"
        assert app.ask("POST", f"api/runs/{run}/continue", {}).status == 202
        until(lambda: app.ask("GET", f"api/runs/{run}").json["step"] > stopped["step"], seconds=180)
        assert app.ask("POST", f"api/runs/{run}/stop", {}).status == 202
        until(lambda: app.ask("GET", f"api/runs/{run}").json["state"] == "stopped", seconds=180)
