"""What browsers ask for before they let a web page of another origin talk to this server. Source: the Fetch standard.

Who may is decided by the Origin check alone; a page still needs a token.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from litestar.types import Send

from portero.gateway.http.bodies import Header

ASKED_METHOD: Final = b"access-control-request-method"
ASKED_HEADERS: Final = b"access-control-request-headers"
_NAMES: Final = re.compile(rb"[A-Za-z0-9, _-]{1,2000}")


def readable_by(origin: bytes, send: Send) -> Send:
    """``send`` for an answer that pages of this origin may read."""
    more: tuple[Header, ...] = (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"mcp-session-id, www-authenticate"),
        (b"vary", b"origin"),
    )

    async def send_readable(message: Any) -> None:
        if "headers" in message:
            message = {**message, "headers": (*message["headers"], *more)}
        await send(message)

    return send_readable


def permission(headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
    """The answer to a browser that asks what a page may send: whatever it names, for a token is needed all the same."""
    names = headers.get(ASKED_HEADERS, b"")
    named: tuple[Header, ...] = ((b"access-control-allow-headers", names),) if _NAMES.fullmatch(names) else ()
    return (
        (b"access-control-allow-methods", b"POST, GET, DELETE"),
        (b"access-control-max-age", b"600"),
        *named,
    )
