"""``subscriptions/listen``: streams that stay open and say what has changed.

Notices are level triggers ("this has changed, look again"), so each stream holds every kind at most once, and a slow
reader costs no memory.
"""

import asyncio
from typing import Any, Final

import attrs
import msgspec
from msgspec import Raw

from portero.domain.events import POLICY_EVENTS, Recorded, ToolCallRequested
from portero.domain.ids import ClientId
from portero.domain.mcp import SUBSCRIPTION_ID_META
from portero.errors import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, RpcError
from portero.gateway import wire
from portero.gateway.lists import ToolLists
from portero.gateway.options import Options
from portero.gateway.reply import EventStream
from portero.gateway.request import Request
from portero.gateway.results import Results
from portero.gateway.taskext import TaskExtension
from portero.telemetry import STREAMS
from portero.upstream import Catalogue

SETTLE_SECONDS: Final = 0.1
"""Changes that come together, as when servers start, become one notice."""
MAX_TASKS: Final = 1_000

TOOLS_CHANGED: Final = "notifications/tools/list_changed"
PROMPTS_CHANGED: Final = "notifications/prompts/list_changed"
RESOURCES_CHANGED: Final = "notifications/resources/list_changed"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"


class Filter(msgspec.Struct, omit_defaults=True, rename="camel"):
    """What a client wants to hear of. Kinds that are not served here are passed over, and not acknowledged."""

    tools_list_changed: bool = False
    prompts_list_changed: bool = False
    resources_list_changed: bool = False
    task_ids: list[str] = []


_filter = msgspec.json.Decoder(Filter)


class Listener:
    """One open stream. ``waiting`` holds what changed since it was last written: a method, or a method and a name."""

    def __init__(self, client: ClientId, wanted: Filter, digest: bytes) -> None:
        self.client = client
        self.wanted = wanted
        self.digest = digest
        """Of the list of tools as this client last knew it."""
        self.tasks: dict[str, str] = {}
        """Public task id by call id."""
        self.waiting: dict[tuple[str, str], None] = {}
        self.woken = asyncio.Event()
        self.closing = False

    def tell(self, method: str, name: str = "") -> None:
        self.waiting[method, name] = None
        self.woken.set()

    def close(self) -> None:
        self.closing = True
        self.woken.set()


@attrs.frozen
class _Sources:
    lists: ToolLists
    results: Results
    tasks: TaskExtension


class Listeners:
    """All open streams of this process, fed by the catalogue and by the log."""

    def __init__(self, options: Options, lists: ToolLists, results: Results, tasks: TaskExtension) -> None:
        self._options = options
        self._from = _Sources(lists, results, tasks)
        self._open: dict[Listener, None] = {}
        self._settling: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._open)

    # --- what has changed -------------------------------------------------------------------------------------------

    def catalogue_changed(self, _: Catalogue) -> None:
        for listener in self._open:
            self._tell(listener, TOOLS_CHANGED)
            self._tell(listener, PROMPTS_CHANGED)
            self._tell(listener, RESOURCES_CHANGED)

    def seen(self, recorded: Recorded[Any]) -> None:
        """An event of the log."""
        if not self._open:
            return
        if recorded.aggregate.startswith("call/"):
            call = recorded.aggregate[5:]
            event = recorded.event
            for listener in self._open:
                if call in listener.tasks:
                    self._from.tasks.tell(listener.tell, call)
                if type(event) is ToolCallRequested and event.client == listener.client:
                    self._tell(listener, TOOLS_CHANGED)
        elif type(recorded.event) in POLICY_EVENTS:
            for listener in self._open:
                self._tell(listener, TOOLS_CHANGED)

    def _tell(self, listener: Listener, method: str) -> None:
        wanted = listener.wanted
        if {
            TOOLS_CHANGED: wanted.tools_list_changed,
            PROMPTS_CHANGED: wanted.prompts_list_changed,
            RESOURCES_CHANGED: wanted.resources_list_changed,
        }[method]:
            listener.waiting[method, ""] = None
            if self._settling is None:
                self._settling = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settled)

    def _settled(self) -> None:
        self._settling = None
        for listener in self._open:
            if listener.waiting:
                listener.woken.set()

    # --- one stream -------------------------------------------------------------------------------------------------

    async def listen(self, request: Request) -> bytes:
        """Serves one stream until its client leaves, or until ``close``; then returns the result that ends it."""
        wanted = self._wanted(request)
        stream = request.reply.stream()
        if stream is None:
            raise RpcError(INVALID_REQUEST, "subscriptions/listen is answered by a stream: accept text/event-stream.")
        if self._closed or len(self._open) >= self._options.max_streams:
            raise RpcError(INTERNAL_ERROR, "No more streams can be opened on this replica now. Try again later.")
        meta = {SUBSCRIPTION_ID_META: Raw(request.id)}
        listener = Listener(request.client, wanted, self._digest(request))
        listener.tasks = await self._from.tasks.known(request.client, wanted.task_ids)
        self._open[listener] = None
        STREAMS.inc()
        try:
            honoured = attrs_of(wanted, task_ids=list(listener.tasks.values()))
            stream.push(wire.notification(ACKNOWLEDGED, {"_meta": meta, "notifications": honoured}))
            await self._serve(listener, request, stream, meta)
        finally:
            del self._open[listener]
            STREAMS.dec()
        return self._from.results.own({"_meta": meta}, modern=True)

    def _wanted(self, request: Request) -> Filter:
        raw = request.object("notifications")
        try:
            wanted = _filter.decode(raw)
        except (ValueError, RecursionError) as error:
            raise RpcError(INVALID_PARAMS, f"The parameter 'notifications' cannot be read: {error}.") from None
        if len(wanted.task_ids) > MAX_TASKS:
            raise RpcError(INVALID_PARAMS, f"At most {MAX_TASKS} tasks can be listened to on one stream.")
        if wanted.task_ids:
            request.require_tasks()
        return wanted

    async def _serve(self, listener: Listener, request: Request, stream: EventStream, meta: dict[str, Any]) -> None:
        while not listener.closing:
            await listener.woken.wait()
            listener.woken.clear()
            waiting, listener.waiting = listener.waiting, {}
            for method, name in waiting:
                params = await self._params(listener, request, method, name)
                if params is not None:
                    stream.push(wire.notification(method, {"_meta": meta, **params}))

    async def _params(self, listener: Listener, request: Request, method: str, name: str) -> dict[str, Any] | None:
        """The params of a notice, or None when there is nothing to say after all."""
        if method == TOOLS_CHANGED:
            digest = self._digest(request)
            if digest == listener.digest:
                return None
            listener.digest = digest
            return {}
        if name:
            return await self._from.tasks.notice(listener.client, listener.tasks[name])
        return {}

    def _digest(self, request: Request) -> bytes:
        return self._from.lists.listing(request.client, knows_tasks=request.declares_tasks).digest

    def close(self) -> None:
        """Ends every stream with its result, because this replica stops."""
        self._closed = True
        for listener in self._open:
            listener.close()


def attrs_of(wanted: Filter, *, task_ids: list[str]) -> Filter:
    return msgspec.structs.replace(wanted, task_ids=task_ids)
