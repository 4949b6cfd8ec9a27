"""Open streams of notices, of both eras, and what is to be told to whom.

Notices are level triggers ("this has changed, look again"), so each stream holds every kind at most once, and a slow
reader costs no memory.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from portero.domain.events import (
    POLICY_EVENTS,
    Recorded,
    ResourceUpdated,
    SessionEnded,
    StreamOpened,
    ToolCallRequested,
)
from portero.domain.ids import ClientId, SessionId
from portero.domain.mcp import PROMPTS_CHANGED, RESOURCES_CHANGED, TASK, TOOLS_CHANGED, UPDATED
from portero.domain.session import places
from portero.domain.values import Watched
from portero.errors import INTERNAL_ERROR, RpcError
from portero.gateway.options import Options
from portero.telemetry import STREAMS
from portero.upstream import Catalogue

SETTLE_SECONDS: Final = 0.1
"""Changes that come together, as when servers start, become one notice."""

LISTS: Final = (TOOLS_CHANGED, PROMPTS_CHANGED, RESOURCES_CHANGED)


@attrs.define(eq=False)
class Listener:
    """One open stream."""

    client: ClientId
    session: SessionId
    """Whose subscriptions to resources it tells of."""
    stream: str
    """Tells it from other streams of the session."""
    lists: Mapping[str, bytes]
    """Which lists it tells of, by the method that does, with the digest of each as the client last knew it."""
    digest: Callable[[str], bytes]
    """Of such a list as it is now."""
    tasks: Mapping[str, str] = attrs.field(factory=dict)
    """Public task id by call id."""
    waiting: dict[tuple[str, str], None] = attrs.field(factory=dict, init=False)
    """What changed since it was last written: a method, and what it is about."""
    woken: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    closing: bool = attrs.field(default=False, init=False)

    def tell(self, method: str, about: str = "") -> None:
        self.waiting[method, about] = None
        self.woken.set()

    async def changes(self) -> list[tuple[str, str]]:
        """Waits for what is to be told; the lists that came out the same are left out. Empty: it is to end."""
        while not self.closing:
            await self.woken.wait()
            self.woken.clear()
            waiting, self.waiting = self.waiting, {}
            found = [change for change in waiting if change[0] not in LISTS or self._moved(change[0])]
            if found:
                return found
        return []

    def _moved(self, method: str) -> bool:
        digest = self.digest(method)
        if digest == self.lists[method]:
            return False
        self.lists = {**self.lists, method: digest}
        return True

    def close(self) -> None:
        self.closing = True
        self.woken.set()


class Listeners:
    """All open streams of this process, fed by the catalogue and by the log."""

    def __init__(
        self,
        options: Options,
        watchers: Callable[[str], Mapping[str, Mapping[SessionId, ClientId]]],
        allowed: Callable[[Watched, ClientId], bool],
    ) -> None:
        """``watchers``: who is subscribed to which resource of an upstream; ``allowed``: who may hear of one."""
        self._options = options
        self._watchers = watchers
        self.allowed = allowed
        self.open: dict[Listener, None] = {}
        self._settling: asyncio.TimerHandle | None = None
        self._closed = False

    def make_room(self, client: ClientId) -> None:
        """Raises RpcError when no more streams can be opened, by anybody or by this client."""
        options = self._options
        if self._closed or len(self.open) >= options.max_streams:
            raise RpcError(INTERNAL_ERROR, "No more streams can be opened on this replica now. Try again later.")
        if sum(listener.client == client for listener in self.open) >= options.max_streams_per_client:
            text = f"This client holds {options.max_streams_per_client} streams open already. Close some first."
            raise RpcError(INTERNAL_ERROR, text)

    def add(self, listener: Listener) -> None:
        self.open[listener] = None
        STREAMS.inc()
        if self._closed:
            listener.close()

    def remove(self, listener: Listener) -> None:
        del self.open[listener]
        STREAMS.dec()

    # --- what has changed -------------------------------------------------------------------------------------------

    def catalogue_changed(self, _: Catalogue) -> None:
        for listener in self.open:
            self._lists_changed(listener, *LISTS)

    def seen(self, recorded: Recorded[Any]) -> None:
        """An event of the log."""
        if not self.open:
            return
        event = recorded.event
        if recorded.aggregate.startswith("call/"):
            self._call_moved(recorded.aggregate[5:], event)
        elif type(event) in POLICY_EVENTS:
            for listener in self.open:
                self._lists_changed(listener, *LISTS)
        elif type(event) is ResourceUpdated:
            self._updated(recorded.aggregate[9:], event.uri)
        elif type(event) is StreamOpened:
            self._keep(SessionId(recorded.aggregate[8:]), event.stream)
        elif type(event) is SessionEnded:
            self._keep(SessionId(recorded.aggregate[8:]), None)

    def _call_moved(self, call: str, event: Any) -> None:
        for listener in self.open:
            if call in listener.tasks:
                listener.tell(TASK, call)
            if type(event) is ToolCallRequested and event.client == listener.client:
                self._lists_changed(listener, TOOLS_CHANGED)

    def _updated(self, upstream: str, uri: str) -> None:
        watchers = self._watchers(upstream)
        hearing = {session for place in places(uri) for session in watchers.get(place, ())}
        for listener in self.open:
            if listener.session in hearing and self.allowed(Watched(upstream, uri), listener.client):
                listener.tell(UPDATED, uri)

    def _keep(self, session: SessionId, stream: str | None) -> None:
        """A message goes to one stream of a session only: the newest, on whatever replica; None: to none any more."""
        for listener in self.open:
            if listener.session == session and listener.stream != stream:
                listener.close()

    def _lists_changed(self, listener: Listener, *methods: str) -> None:
        for method in methods:
            if method in listener.lists:
                listener.waiting[method, ""] = None
                if self._settling is None:
                    self._settling = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settled)

    def _settled(self) -> None:
        self._settling = None
        for listener in self.open:
            if listener.waiting:
                listener.woken.set()

    def close(self) -> None:
        """Ends every stream in good order, because this replica stops."""
        self._closed = True
        for listener in self.open:
            listener.close()
