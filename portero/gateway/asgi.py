"""The Litestar application: the MCP endpoint, and what operators and probes ask for."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import attrs
from litestar import Litestar, MediaType, Request, Response, asgi, get
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler, HTTPRouteHandler
from litestar.types import ASGIApp, Guard, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST

from portero import telemetry
from portero.errors import INTERNAL_ERROR, INVALID_REQUEST
from portero.gateway import wire
from portero.gateway.endpoint import Endpoint
from portero.gateway.http.auth import Credential
from portero.gateway.http.hooks import Hook, hook_route
from portero.gateway.http.metadata import metadata_routes
from portero.gateway.http.origin import Origins
from portero.gateway.notices.listeners import Listeners
from portero.gateway.options import Options
from portero.gateway.parts import Parts
from portero.gateway.services import Services

PATHS = ("/mcp", "/mcp/message")
WARM_UP_AFTER_SECONDS: Final = 3.0


@attrs.frozen
class Gateway:
    """The application, and what must be called from outside of it."""

    app: Litestar
    listeners: Listeners
    """The open streams; to be closed before the server stops to take requests."""
    in_flight: Callable[[], int]


def create_asgi(
    services: Services,
    credentials: Iterable[Credential],
    *,
    hooks: Iterable[Hook] = (),
    lifespan: Sequence[Callable[[Litestar], AbstractAsyncContextManager[None]]] = (),
) -> Gateway:
    """Builds the application. It follows the log and the catalogue from the start of its lifespan to the end."""
    parts = Parts(services, credentials)

    @asynccontextmanager
    async def following(_: Litestar) -> AsyncIterator[None]:
        end = parts.follow()
        warming_up = asyncio.create_task(_warm_up())
        try:
            yield
        finally:
            warming_up.cancel()
            end()

    options = services.options
    guard = origin_guard(Origins(options.host, options.allowed_hosts, options.allowed_origins))
    app = Litestar(
        route_handlers=[
            mcp_route(parts.endpoint),
            health,
            ready_route(services),
            metrics_route(services),
            *metadata_routes(PATHS, guard),
            *(hook_route(hook) for hook in hooks),
        ],
        lifespan=[*lifespan, following],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        openapi_config=None,
        logging_config=None,
    )
    app.asgi_handler = straight(parts.endpoint, app.asgi_handler)
    return Gateway(app, parts.listeners, parts.endpoint.flights.__len__)


async def _warm_up() -> None:
    """What odd requests will need, imported before there is one, but not while everything starts."""
    await asyncio.sleep(WARM_UP_AFTER_SECONDS)
    await asyncio.to_thread(importlib.import_module, "portero.gateway.exchange.disorder")


def probe_guard(options: Options) -> Guard:
    """Keeps web pages that made a name point here from reading what operators may read. Probes come by address."""
    return origin_guard(Origins(options.host))


def origin_guard(origins: Origins) -> Guard:
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        headers = dict(connection.scope["headers"])
        if origins.refusal(headers.get(b"host"), headers.get(b"origin")) is not None:
            raise PermissionDeniedException("Pages of other origins may not read this.")

    return guard


def straight(endpoint: Endpoint, otherwise: ASGIApp) -> ASGIApp:
    """What the application does with a request: those to the endpoint, spelt as they should be, need no looking up.

    They need no handling of exceptions either, since the endpoint answers each: that saves 10 µs a call.
    """
    exact = frozenset(PATHS)

    def handle(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["path"] in exact:  # the server speaks HTTP and nothing else
            return endpoint(scope, receive, send)
        return otherwise(scope, receive, send)

    return handle


def mcp_route(endpoint: Endpoint) -> ASGIRouteHandler:
    @asgi(list(PATHS), copy_scope=False)
    async def mcp(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint(scope, receive, send)

    return mcp


@get("/health", media_type=MediaType.JSON, sync_to_thread=False)
def health() -> dict[str, str]:
    """The process is alive; nothing more is looked at."""
    return {"status": "ok"}


def ready_route(services: Services) -> HTTPRouteHandler:
    @get("/ready", media_type=MediaType.JSON, sync_to_thread=False, guards=[probe_guard(services.options)])
    def ready() -> Response[dict[str, object]]:
        """Whether this replica takes calls; 503 and the reasons when it does not."""
        readiness = services.readiness()
        if readiness.ready:
            return Response({"status": "ready"})
        return Response({"status": "not ready", "reasons": list(readiness.reasons)}, status_code=503)

    return ready


def metrics_route(services: Services) -> HTTPRouteHandler:
    @get("/metrics", sync_to_thread=False, guards=[probe_guard(services.options)])
    def metrics() -> Response[bytes]:
        return Response(telemetry.render(services.sample()), media_type=CONTENT_TYPE_LATEST)

    return metrics


def _refused(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What Litestar refuses before a handler of ours sees it: unknown paths, wrong methods, broken Host headers."""
    text = error.detail or "The request was refused."
    if error.status_code == 404:
        text = (
            "There is nothing here. The MCP endpoint is /mcp; it wants the header Authorization: Bearer TOKEN, and has "
            "no other way to sign in. /health, /ready and /metrics are for operators."
        )
    return _json(error.status_code, wire.error(wire.NULL, INVALID_REQUEST, text), error.headers)


def _failed(_: Request[Any, Any, Any], __: Exception) -> Response[bytes]:
    return _json(500, wire.error(wire.NULL, INTERNAL_ERROR, "Portero failed on this request. Its log says why."), None)


def _json(status: int, body: bytes, headers: dict[str, str] | None) -> Response[bytes]:
    return Response(body, status_code=status, media_type="application/json", headers=headers)
