"""Endpoints that other services call, such as a bot's webhook: proved by a secret header before the body is read."""

from typing import Final, Protocol

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from portero.gateway.http.bodies import ALLOW_POST, BodyTooLarge, ClientGone, read_body, send_empty

LARGEST_BYTES: Final = 1_000_000


class Hook(Protocol):
    """Something that takes POST requests at ``path``; ``header`` (lower case) is the one that carries the secret."""

    path: str
    header: bytes

    def authentic(self, secret: str | None) -> bool:
        """Whether this is the secret, in constant time."""

    async def receive(self, secret: str | None, body: bytes) -> int:
        """Takes a body; returns the HTTP status to answer with."""


def hook_route(hook: Hook) -> ASGIRouteHandler:
    @asgi([hook.path], copy_scope=False)
    async def take(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "POST":
            await send_empty(send, 405, [ALLOW_POST])
            return
        header = dict(scope["headers"]).get(hook.header)
        secret = header.decode("latin-1") if header is not None else None
        if not hook.authentic(secret):
            await send_empty(send, 401)
            return
        try:
            body = await read_body(receive, LARGEST_BYTES)
        except BodyTooLarge:
            await send_empty(send, 413)
        except ClientGone:
            return
        else:
            await send_empty(send, await hook.receive(secret, body))

    return take
