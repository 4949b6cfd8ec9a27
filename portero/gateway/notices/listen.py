"""``subscriptions/listen``: a stream of the newer era that stays open and says what has changed."""

import asyncio
import contextlib
import secrets
from typing import Any, Final

import msgspec
import structlog
from msgspec import Raw

from handlers.resources.subscriptions import Subscriptions
from portero.domain.ids import ClientId, SessionId
from portero.domain.mcp import PROMPTS_CHANGED, RESOURCES_CHANGED, SUBSCRIPTION_ID_META, TASK, TOOLS_CHANGED, UPDATED
from portero.errors import INVALID_PARAMS, INVALID_REQUEST, DecisionError, LogError, NotFound, RpcError
from portero.gateway import wire
from portero.gateway.calls.following import Following
from portero.gateway.calls.taskext import TaskExtension
from portero.gateway.exchange.reply import EventStream
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.notices.listeners import Listener, Listeners
from portero.gateway.offer.offered import Offered

log = structlog.get_logger("portero.gateway")

MAX_TASKS: Final = 1_000
MAX_RESOURCES: Final = 1_000
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


class Filter(msgspec.Struct, omit_defaults=True, rename="camel"):
    """What a client wants to hear of. Kinds that are not served here are passed over, and not acknowledged."""

    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    resource_subscriptions: list[str] = []
    task_ids: list[str] = []

    @property
    def lists(self) -> list[str]:
        wanted = {
            TOOLS_CHANGED: self.tools_list_changed,
            PROMPTS_CHANGED: self.prompts_list_changed,
            RESOURCES_CHANGED: self.resources_list_changed,
        }
        return [method for method in wanted if wanted[method]]


_filter = msgspec.json.Decoder(Filter)


class Listening:
    """Serves the streams."""

    def __init__(
        self,
        listeners: Listeners,
        offered: Offered,
        results: Results,
        tasks: TaskExtension,
        subscriptions: Subscriptions,
    ) -> None:
        self._listeners, self._offered, self._results = listeners, offered, results
        self._tasks, self._subscriptions = tasks, subscriptions
        self._leaving: set[asyncio.Task[None]] = set()

    async def listen(self, request: Request) -> bytes:
        """Serves one stream until its client leaves, or the process stops; then returns the result that ends it."""
        wanted = _wanted(request)
        self._listeners.make_room(request.client)
        stream = request.reply.stream()
        if stream is None:
            raise RpcError(INVALID_REQUEST, "subscriptions/listen is answered by a stream: accept text/event-stream.")
        session = SessionId(f"l{secrets.token_hex(8)}")
        client, knows_tasks = request.client, request.declares_tasks

        def digest(method: str) -> bytes:
            return self._offered.digest(method, client, knows_tasks=knows_tasks)

        tasks = await self._tasks.known(client, wanted.task_ids)
        following = self._tasks.following(request, lambda public: listener.tell(TASK, public))
        lists = {method: digest(method) for method in wanted.lists}
        listener = Listener(client, session, str(session), lists, digest, tasks)
        self._listeners.add(listener)
        self._subscriptions.serve(session)
        try:
            uris = await self._subscribed(client, session, wanted.resource_subscriptions)
            ids = [*tasks.values(), *following.begin(wanted.task_ids)]
            honoured = msgspec.structs.replace(wanted, task_ids=ids, resource_subscriptions=uris)
            meta = {SUBSCRIPTION_ID_META: Raw(request.id)}
            stream.push(wire.notification(ACKNOWLEDGED, {"_meta": meta, "notifications": honoured}))
            await self._serve(listener, stream, meta, following)
        finally:
            following.end()
            self._listeners.remove(listener)
            self._subscriptions.served(session)
            if wanted.resource_subscriptions:
                self._leave(client, session)
        return self._results.own({"_meta": meta}, modern=True)

    async def _serve(self, listener: Listener, stream: EventStream, meta: dict[str, Any], following: Following) -> None:
        while changes := await listener.changes():
            for method, about in changes:
                params: dict[str, Any] | None = {"uri": about} if method == UPDATED else {}
                if method == TASK and about in listener.tasks:
                    params = await self._tasks.notice(listener.client, listener.tasks[about])
                elif method == TASK:
                    params = following.latest(about)
                if params is not None:
                    stream.push(wire.notification(method, {"_meta": meta, **params}))
            await stream.drained()  # a slow reader is told later, and then each change once

    # --- resources --------------------------------------------------------------------------------------------------

    async def _subscribed(self, client: ClientId, session: SessionId, uris: list[str]) -> list[str]:
        """Those that are told of; the others are not acknowledged, which is how the protocol says no."""
        owned = []
        for uri in dict.fromkeys(uris):
            with contextlib.suppress(NotFound):
                owned.append((uri, self._offered.owner(uri, client)))
        if not owned:
            return []
        try:
            refusals = await self._subscriptions.subscribe(client, session, [(owner, uri) for uri, owner in owned])
        except DecisionError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        return [uri for (uri, _), refusal in zip(owned, refusals, strict=True) if refusal is None]

    def _leave(self, client: ClientId, session: SessionId) -> None:
        """In the background: whoever was served is gone."""
        task = asyncio.create_task(self._unsubscribe(client, session))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _unsubscribe(self, client: ClientId, session: SessionId) -> None:
        try:
            await self._subscriptions.leave(client, session)
        except LogError as error:
            log.warning("subscriptions are left to lapse", error=str(error))


def _wanted(request: Request) -> Filter:
    if "notifications" not in request.params:
        raise RpcError(INVALID_PARAMS, "The parameter 'notifications' is missing.")
    raw = request.object("notifications")
    try:
        wanted = _filter.decode(raw)
    except (ValueError, RecursionError) as error:
        raise RpcError(INVALID_PARAMS, f"The parameter 'notifications' cannot be read: {error}.") from None
    if len(wanted.task_ids) > MAX_TASKS:
        raise RpcError(INVALID_PARAMS, f"At most {MAX_TASKS} tasks can be listened to on one stream.")
    if len(wanted.resource_subscriptions) > MAX_RESOURCES:
        raise RpcError(INVALID_PARAMS, f"At most {MAX_RESOURCES} resources can be listened to on one stream.")
    if wanted.task_ids:
        request.require_tasks()
    return wanted
