"""The stream of a session in the older era (GET), and the session's end (DELETE).

Notices carry ids that say how far the client has come: the position on the log, and what the lists looked like that it
knows. So a client that comes back, to whatever replica, is told what it has missed, and nothing has to be kept for it.
"""

import asyncio
import re
import secrets
from collections.abc import Iterator
from typing import Final

import attrs
from litestar.types import Receive

from handlers.resources.subscriptions import Subscriptions
from portero.domain.ids import ClientId, SessionId
from portero.domain.mcp import UPDATED
from portero.errors import INVALID_REQUEST, LOG_UNAVAILABLE, LogError, NotFound, RpcError
from portero.gateway import texts, wire
from portero.gateway.exchange.admission import Inbound
from portero.gateway.exchange.reply import EventStream
from portero.gateway.exchange.sessions import Session
from portero.gateway.http.bodies import send_empty, send_json
from portero.gateway.notices.listeners import LISTS, Listener, Listeners
from portero.gateway.offer.offered import Offered
from projections import View

PRIMED_FROM: Final = b"2025-11-25"
"""Older clients would take the event without data that begins a stream for a broken message."""
_EVENT_ID: Final = re.compile(r"(\d{1,18})\.[0-9a-z]+\.\d{1,9}\.([0-9a-f]{8})\.([0-9a-f]{8})\.([0-9a-f]{8})")


@attrs.define
class Marks:
    """Makes the ids of the events of one stream: unlike in all streams of the session, and readable on any replica."""

    listener: Listener
    seq: int
    """Everything up to here has been told."""
    count: int = 0

    def next(self, seq: int | None = None) -> str:
        """``seq``: what is told with this event completes everything up to there."""
        self.count += 1
        self.seq = self.seq if seq is None else seq
        lists = ".".join(_short(self.listener.lists[method]) for method in LISTS)
        return f"{self.seq}.{self.listener.stream}.{self.count}.{lists}"


def _short(digest: bytes) -> str:
    return digest.hex()[:8]


class Streams:
    def __init__(
        self, view: View, listeners: Listeners, offered: Offered, subscriptions: Subscriptions, keepalive: float
    ) -> None:
        self._view, self._listeners, self._offered = view, listeners, offered
        self._subscriptions, self._keepalive = subscriptions, keepalive

    async def serve(self, method: str, inbound: Inbound) -> None:
        """A GET or DELETE of a session."""
        session = inbound.session
        try:
            if method == "DELETE":
                await self._subscriptions.end(inbound.client, session.key)
                await send_empty(inbound.send, 204)
            else:
                await self._follow(inbound, session)
        except (NotFound, RpcError) as error:
            status = 404 if isinstance(error, NotFound) else 503
            await send_json(inbound.send, status, wire.error(wire.NULL, INVALID_REQUEST, str(error)))
        except LogError as error:
            body = wire.error(wire.NULL, LOG_UNAVAILABLE, texts.log_trouble(error))
            await send_json(inbound.send, 503, body)

    # --- a stream ---------------------------------------------------------------------------------------------------

    async def _follow(self, inbound: Inbound, session: Session) -> None:
        """Until its client leaves, opens another one, or ends the session, or the process stops."""
        client = inbound.client
        self._listeners.make_room(client)

        def digest(method: str) -> bytes:
            return bytes.fromhex(_short(self._offered.digest(method, client, knows_tasks=False)))

        stream_id = secrets.token_hex(4)
        listener = Listener(client, session.key, stream_id, {method: digest(method) for method in LISTS}, digest)
        marks = Marks(listener, self._view.seq)
        self._subscriptions.serve(session.key)
        self._listeners.add(listener)
        try:
            await self._subscriptions.opened(client, session.key, stream_id)
            self._catch_up(listener, marks, inbound)
            await self._write(inbound, listener, marks)
        finally:
            self._listeners.remove(listener)
            self._subscriptions.served(session.key)

    async def _write(self, inbound: Inbound, listener: Listener, marks: Marks) -> None:
        stream = EventStream(inbound.send, self._keepalive)
        if inbound.headers.get(b"mcp-protocol-version", b"") >= PRIMED_FROM:
            stream.prime(marks.next())
        watching = asyncio.create_task(_left(inbound.receive))
        writing = asyncio.create_task(self._tell(listener, stream, marks))
        try:
            await asyncio.wait({watching, writing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone = watching.done()
            for task in (watching, writing):
                task.cancel()
            await asyncio.wait({watching, writing})
            if gone:
                stream.abandon()
        if not gone:
            await stream.end(None)

    async def _tell(self, listener: Listener, stream: EventStream, marks: Marks) -> None:
        while changes := await listener.changes():
            seq, last = self._view.seq, len(changes)
            for number, (method, about) in enumerate(changes, 1):
                params = {"uri": about} if method == UPDATED else {}
                mark = marks.next(seq if number == last else None)
                stream.push(wire.notification(method, params), mark)
            await stream.drained()  # a slow reader is told later, and then each change once

    # --- what was missed --------------------------------------------------------------------------------------------

    def _catch_up(self, listener: Listener, marks: Marks, inbound: Inbound) -> None:
        """Source: Streamable HTTP 2025-11-25, "Resumability and Redelivery"."""
        last = inbound.headers.get(b"last-event-id")
        match = _EVENT_ID.fullmatch(last.decode("latin-1")) if last is not None else None
        if match is None:
            return
        marks.seq = int(match[1])
        known = dict(zip(LISTS, map(bytes.fromhex, match.groups()[1:]), strict=True))
        for method in LISTS:
            if known[method] != listener.lists[method]:
                listener.tell(method)
        listener.lists = known
        for uri in self._updated_since(listener.client, listener.session, marks.seq):
            listener.tell(UPDATED, uri)

    def _updated_since(self, client: ClientId, session: SessionId, seq: int) -> Iterator[str]:
        state = self._view.sessions.get(session)
        for item in state.watched if state is not None else ():
            if self._view.sessions.updated(item) > seq and self._listeners.allowed(item, client):
                yield item.uri


async def _left(receive: Receive) -> None:
    """Returns when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
