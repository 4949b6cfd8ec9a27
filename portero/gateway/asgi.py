"""The Litestar application: the MCP endpoint, and what operators and probes ask for."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import attrs
from litestar import Litestar, MediaType, Request, Response, asgi, get
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler, HTTPRouteHandler
from litestar.types import Guard, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST

from portero import telemetry
from portero.errors import INTERNAL_ERROR, INVALID_REQUEST
from portero.gateway import wire
from portero.gateway.admission import Admission
from portero.gateway.auth import Clients, Credential
from portero.gateway.backchannel import Channels, LogLevels, Questions
from portero.gateway.calls import Calls
from portero.gateway.dispatch import Dispatch
from portero.gateway.endpoint import Endpoint
from portero.gateway.hooks import Hook, hook_route
from portero.gateway.listen import Listeners
from portero.gateway.lists import ToolLists
from portero.gateway.methods import Methods
from portero.gateway.offers import Offers
from portero.gateway.options import Options
from portero.gateway.origin import Origins
from portero.gateway.results import Results
from portero.gateway.services import Services
from portero.gateway.taskext import TaskExtension
from portero.gateway.tasks import Tasks
from portero.gateway.upstream_tasks import UpstreamTasks
from portero.gateway.virtual import VirtualTools

PATHS = ("/mcp", "/mcp/message")
WARM_UP_AFTER_SECONDS: Final = 3.0


@attrs.frozen
class Gateway:
    """The application, and what must be called from outside of it."""

    app: Litestar
    begin_stop: Callable[[], None]
    """Ends the open streams in good order; to be called before the server stops to take requests."""
    in_flight: Callable[[], int]


def create_asgi(
    services: Services,
    credentials: Iterable[Credential],
    *,
    hooks: Iterable[Hook] = (),
    lifespan: Sequence[Callable[[Litestar], AbstractAsyncContextManager[None]]] = (),
) -> Gateway:
    """Builds the application. It follows the log and the catalogue from the start of its lifespan to the end."""
    results = Results(services.options.version)
    tasks = Tasks(services)
    upstream_tasks = UpstreamTasks(services, results)
    questions, levels = Questions(), LogLevels()
    calls = Calls(services, results, Channels(questions, levels), upstream_tasks)
    virtual = VirtualTools(services, results, calls, tasks)
    lists = ToolLists(services, results, virtual)
    extension = TaskExtension(services, results, tasks, upstream_tasks)
    offers = Offers(services, results, calls)
    listeners = Listeners(services.options, lists, results, extension)
    methods = Methods(
        services,
        results,
        calls,
        virtual,
        levels,
        shared={
            "tools/list": lists.tools_list,
            "prompts/list": offers.prompts_list,
            "prompts/get": offers.prompts_get,
            "resources/list": offers.resources_list,
            "resources/templates/list": offers.templates_list,
            "resources/read": offers.resources_read,
            "completion/complete": offers.complete,
        },
        modern={"tasks/get": extension.get, "tasks/update": extension.update, "tasks/cancel": extension.cancel},
    )
    admission = Admission(services.options, Clients(credentials))
    endpoint = Endpoint(
        services.options, admission, questions, Dispatch(methods, listeners, services.core.replacer.to_fake_result)
    )

    @asynccontextmanager
    async def following(_: Litestar) -> AsyncIterator[None]:
        unsubscribe = [
            services.core.view.subscribe(tasks.seen),
            services.core.view.subscribe(listeners.seen),
            services.upstreams.subscribe(listeners.catalogue_changed),
        ]
        warming_up = asyncio.create_task(_warm_up())
        try:
            yield
        finally:
            warming_up.cancel()
            listeners.close()
            for end in unsubscribe:
                end()

    app = Litestar(
        route_handlers=[
            mcp_route(endpoint),
            health,
            ready_route(services),
            metrics_route(services),
            *(hook_route(hook) for hook in hooks),
        ],
        lifespan=[*lifespan, following],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        openapi_config=None,
        logging_config=None,
    )
    return Gateway(app, listeners.close, endpoint.flights.__len__)


async def _warm_up() -> None:
    """What odd requests will need, imported before there is one, but not while everything starts."""
    await asyncio.sleep(WARM_UP_AFTER_SECONDS)
    await asyncio.to_thread(importlib.import_module, "portero.gateway.disorder")


def probe_guard(options: Options) -> Guard:
    """Keeps web pages that made a name point here from reading what operators may read. Probes come by address."""
    origins = Origins(options.host)

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        headers = dict(connection.scope["headers"])
        if origins.refusal(headers.get(b"host"), headers.get(b"origin")) is not None:
            raise PermissionDeniedException("Pages of other origins may not read this.")

    return guard


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
            "There is nothing here. The MCP endpoint is /mcp/message; /health, /ready and /metrics are for operators."
        )
    return _json(error.status_code, wire.error(wire.NULL, INVALID_REQUEST, text), error.headers)


def _failed(_: Request[Any, Any, Any], __: Exception) -> Response[bytes]:
    return _json(500, wire.error(wire.NULL, INTERNAL_ERROR, "Portero failed on this request. Its log says why."), None)


def _json(status: int, body: bytes, headers: dict[str, str] | None) -> Response[bytes]:
    return Response(body, status_code=status, media_type="application/json", headers=headers)
