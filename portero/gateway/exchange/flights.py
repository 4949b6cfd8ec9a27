"""Requests under way: watched for clients that leave, cancelled when a client says so, kept alive when they take long.

One timer serves all, and only while there are any: a request that is answered at once pays two dictionary steps.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from litestar.types import Receive

from portero.gateway.exchange.reply import BatchReply, HttpReply, Reply

TICK_SECONDS: Final = 0.1


Key = tuple[str, str, str, bytes]
"""The client, its session, where it has none the address that it calls from, and the JSON text of a request's id."""


class Flight:
    """One request under way. ``gone`` is set when its client has gone or has cancelled it."""

    __slots__ = ("gone", "key", "modern", "receive", "reply", "since", "spoke", "streaming", "task", "watcher")

    def __init__(
        self,
        task: asyncio.Task[None],
        receive: Receive,
        reply: HttpReply | BatchReply,
        key: Key | None,
        *,
        modern: bool,
    ) -> None:
        self.task = task
        self.receive = receive
        self.reply = reply
        self.key = key
        self.modern = modern
        self.since = 0.0
        self.spoke = 0.0
        self.gone = False
        self.streaming = False
        self.watcher: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        if not self.gone:
            self.gone = True
            self.task.cancel()


class Flights:
    """All requests under way in this process."""

    def __init__(self, watch_after: float, stream_after: float, alive_after: float) -> None:
        self._watch_after = watch_after
        self._stream_after = stream_after
        self._alive_after = alive_after
        self._flights: dict[Flight, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._flights)

    def add(self, flight: Flight) -> None:
        loop = flight.task.get_loop()
        flight.since = flight.spoke = loop.time()
        self._flights[flight] = None
        if self._timer is None:
            self._timer = loop.call_later(TICK_SECONDS, self._tick, loop)

    def remove(self, flight: Flight) -> None:
        self._flights.pop(flight, None)
        if flight.watcher is not None:
            flight.watcher.cancel()

    def release(self, reply: Reply) -> None:
        """Its client has an answer, so it is not watched any more; the request may go on."""
        for flight in self._flights:
            if flight.reply is reply:
                self.remove(flight)
                return

    def cancel(self, key: Key) -> bool:
        """Cancels the one request that ``key`` names; of two with that key (two programs, one token) neither."""
        return self.cancel_where(lambda other: other == key)

    def cancel_where(self, named: Callable[[Key], bool]) -> bool:
        """The same for the one request whose key it says yes to."""
        found = [flight for flight in self._flights if flight.key is not None and named(flight.key)]
        if len(found) != 1:
            return False
        found[0].cancel()
        return True

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for flight in list(self._flights):
            age = now - flight.since
            if flight.modern and flight.watcher is None and age >= self._watch_after:
                flight.watcher = loop.create_task(self._watch(flight))
            if not flight.streaming and age >= self._stream_after:
                flight.streaming = True
                flight.reply.stream()
            if now - flight.spoke >= self._alive_after:
                flight.spoke = now
                flight.reply.alive(age)
        if self._flights:
            self._timer = loop.call_later(TICK_SECONDS, self._tick, loop)

    async def _watch(self, flight: Flight) -> None:
        """In the modern era a closed connection is the cancellation of its request."""
        while (await flight.receive())["type"] != "http.disconnect":
            pass
        flight.cancel()
