"""How much the app takes from a browser, and what it refuses, with a sentence the page says."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from unretouch.base import durable
from unretouch.base.errors import UnretouchError
from unretouch.base.messages import Message, Words, _
from unretouch.pixels.images import MAX_PIXELS
from unretouch.serve.error_page import error_page, wants_page

RETRY_AFTER_S = 10
"""What a browser is told when too many wait."""
_CUT_OFF = (400, 408, 411, 413)
"""After these the connection closes: what else the client sends is not read."""

NOT_THERE = _("It is not there any more. Load the page again.")
WRONG_VALUE = _("One of the values is out of range.")
NO_LENGTH = _("The size of the file is missing.")
TOO_SLOW = _("The file came too slowly.")
NO_MODEL = _("There is no model yet.")
NO_CONFIG = _("This run has no config.json: another program made it.")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one app; the last two are settings of `unretouch serve`."""

    upload_bytes: int = 500_000_000
    """a TIFF of 60 megapixels with 16 bits has 360 million"""
    pixels: int = MAX_PIXELS
    """of one side of a pair, or of a photograph, found before any pixel is decoded"""
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


class Refused(Exception):
    """An answer with this status that says `message`."""

    def __init__(self, status: int, message: Message) -> None:
        super().__init__(str(message))
        self.status = status
        self.message = message


def did_not_work(why: Words) -> Message:
    """Return that something failed, and why."""
    return _("It did not work: {text}", text=why)


def located(where: str, said: Message) -> Message:
    """Return what is said of a file, after its name; that alone where no file is named."""
    return _("{where}: {said}", where=where, said=said) if where else said


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    if wants_page(request.method, request.url.path, request.headers):
        return error_page(error.message, error.status, _home(request))
    headers = {}
    if error.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if error.status in _CUT_OFF:
        headers["Connection"] = "close"
    return JSONResponse(error.message.record(), error.status, headers)


def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if wants_page(request.method, request.url.path, request.headers):
        return error_page(NOT_THERE, error.status_code, _home(request))
    return PlainTextResponse(error.detail, error.status_code, error.headers)


def _home(request: Request) -> str:
    return f"{request.scope.get('root_path', '')}/"


def _mended_by_a_person(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UnretouchError)
    return JSONResponse(did_not_work(located(error.where, error.message)).record(), 422)


def _disk(_request: Request, error: Exception) -> Response:
    # Without its path: that of a private folder says nothing to anybody.
    assert isinstance(error, OSError)
    return JSONResponse(did_not_work(durable.reason_of(error)).record(), 507)


ANSWERS = {
    Refused: _refused,
    HTTPException: _unknown,
    UnretouchError: _mended_by_a_person,
    OSError: _disk,
}
"""What a request is answered when one of these was raised."""
