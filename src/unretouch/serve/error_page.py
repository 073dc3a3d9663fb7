"""What a person reads whose browser went to a page that cannot be shown: in both languages, without
a script, and with nothing that an address without the token could not have."""

from __future__ import annotations

import base64
import hashlib

from markupsafe import escape
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse

from unretouch.base.messages import Message, _

_STYLE = (
    ":root{color-scheme:light dark}body{max-width:34rem;margin:18vh auto 0;padding:0 24px;"
    "font:17px/1.6 system-ui,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans CJK KR',sans-serif;"
    "word-break:keep-all}p{margin:0 0 14px}.brand{opacity:.6;font-weight:600}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
ALL_RUNS = _("All runs")


def wants_page(method: str, path: str, headers: Headers) -> bool:
    """Whether a browser goes to this address, and no script of a page asks for it."""
    return method in ("GET", "HEAD") and "/api/" not in path and (
        "text/html" in headers.get("accept", "")
    )  # fmt: skip


def error_page(message: Message, status: int, home: str = "") -> HTMLResponse:
    """Return a page that says `message`, with a way to all runs at `home` where there is one."""
    told = [("en", str(message), str(ALL_RUNS)), ("ko", message.in_korean(), ALL_RUNS.in_korean())]
    said = "".join(
        f'<p lang="{language}">{escape(text)}'
        + (f' <a href="{escape(home)}">{escape(runs)}</a>' if home else "")
        + "</p>"
        for language, text, runs in told
    )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>unretouch</title><style>{_STYLE}</style></head>'
        f'<body><p class="brand">unretouch</p>{said}</body></html>'
    )
    return HTMLResponse(page, status, {"Content-Security-Policy": _POLICY})
