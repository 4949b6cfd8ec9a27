"""The few HTTP moves of the MCP path: read a body within its limit, send one answer."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final

from litestar.types import Receive, Send

from portero.gateway import wire

Header = tuple[bytes, bytes]

WHOLE: Final = "portero.http.response"
"""A message beyond ASGI that is a whole answer: status, headers without the length, body. Our own server takes it."""

JSON_TYPE: Final = (b"content-type", b"application/json")
CLOSE: Final = (b"connection", b"close")
ALLOW_POST: Final = (b"allow", b"POST")
DRAIN_BYTES: Final = 16 * 1024 * 1024
DRAIN_SECONDS: Final = 2.0


class BodyTooLarge(Exception):
    """The body is longer than is accepted."""


class Refusal(Exception):
    """An answer that is given before the body is read. ``reason`` is its label in the metrics."""

    def __init__(self, status: int, code: int, message: str, *headers: Header, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = wire.error(wire.NULL, code, message)
        self.headers = headers
        self.reason = reason


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body, however it is cut into pieces; never more than ``limit`` plus one piece is held."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limit:
            raise BodyTooLarge
        return body
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message["body"]
        if len(pieces) > limit:
            raise BodyTooLarge
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()
    raise ClientGone


def send_json(send: Send, status: int, body: bytes, headers: Sequence[Header] = ()) -> Awaitable[None]:
    return send({"type": WHOLE, "status": status, "headers": (JSON_TYPE, *headers), "body": body})  # type: ignore[arg-type] # beyond ASGI


def send_empty(send: Send, status: int, headers: Sequence[Header] = ()) -> Awaitable[None]:
    return send({"type": WHOLE, "status": status, "headers": headers, "body": b""})  # type: ignore[arg-type] # beyond ASGI


class Accepts:
    """What an ``Accept`` header lets us answer with: ``(json, event stream)``. No header: anything."""

    def __init__(self) -> None:
        self._seen: dict[bytes | None, tuple[bool, bool]] = {None: (True, True)}

    def __call__(self, header: bytes | None) -> tuple[bool, bool]:
        known = self._seen.get(header)
        if known is None:
            known = _accepts(header or b"")
            if len(self._seen) < 64:
                self._seen[header] = known
        return known


def _accepts(header: bytes) -> tuple[bool, bool]:
    types = {part.split(b";")[0].strip() for part in header.lower().split(b",")}
    if b"*/*" in types:
        return True, True
    return bool(types & {b"application/json", b"application/*"}), bool(types & {b"text/event-stream", b"text/*"})


def is_json(content_type: bytes | None) -> bool:
    if content_type is None:
        return False
    return content_type == b"application/json" or content_type.split(b";")[0].strip().lower() == b"application/json"


async def send_refusal(receive: Receive, send: Send, request: Mapping[bytes, bytes], refusal: Refusal) -> None:
    """An answer that is given while the body may still be on its way; ``request`` are its headers.

    The answer goes out whole at once. What still comes is thrown away for a moment, for a connection that is closed in
    the middle of it may reset before the client has read the answer. Then it is closed: the body's end is not known.
    """
    if b"transfer-encoding" not in request and request.get(b"content-length", b"0") == b"0":
        await send_json(send, refusal.status, refusal.body, refusal.headers)
        return
    length = (b"content-length", b"%d" % len(refusal.body))
    headers = [JSON_TYPE, length, CLOSE, *refusal.headers]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.body, "more_body": True})
    await _drain(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                left -= len(message["body"])
    except TimeoutError:
        return
