"""What the app refuses: an answer other than 2xx, with a sentence that the page says."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from unretouch.base.errors import UnretouchError
from unretouch.base.messages import Message, _

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


class Refused(Exception):
    """An answer with this status that says `message`."""

    def __init__(self, status: int, message: Message) -> None:
        super().__init__(str(message))
        self.status = status
        self.message = message


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def did_not_work(text: str) -> Message:
    """Return that something failed, for the reason `text` has, which is in English."""
    return _("It did not work: {text}", text=text)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    headers = {}
    if error.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if error.status in _CUT_OFF:
        headers["Connection"] = "close"
    return JSONResponse(error.message.record(), error.status, headers)


def _client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


def _mended_by_a_person(_request: Request, error: Exception) -> Response:
    return JSONResponse(did_not_work(str(error)).record(), 422)


def _disk(_request: Request, error: Exception) -> Response:
    # Without its path: that of a private folder says nothing to anybody.
    text = str(getattr(error, "strerror", None) or "the disk failed")
    return JSONResponse(did_not_work(text).record(), 507)


def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(error.detail, error.status_code)


ANSWERS = {
    Refused: _refused,
    ClientGone: _client_gone,
    UnretouchError: _mended_by_a_person,
    OSError: _disk,
    HTTPException: _http,
}
"""What a request is answered when one of these was raised."""
