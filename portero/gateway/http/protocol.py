"""uvicorn's HTTP protocol with limits on slowness, and with errors that MCP clients can read.

uvicorn gives a connection all the time it likes to send a request. Here one timer per process looks at all connections:
whoever takes too long with the head or the body of a request is cut off, and so is whoever has asked for nothing for
long (uvicorn has a timer for each request of each connection).
"""

import asyncio
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from portero.errors import INVALID_REQUEST, PARSE_ERROR
from portero.gateway import wire
from portero.gateway.http.bodies import WHOLE
from portero.gateway.http.upgrades import reader_of_the_rest

REQUEST_SECONDS: Final = 30.0
"""From the opening of a connection, or from the first byte of a request, to the end of its body."""
SWEEP_SECONDS: Final = 1.0
NO_CONTENT: Final = 204
"""The status of an answer that has no body, and must not say how long it is."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""Of a head that comes in pieces; one that comes at once is as large as what is read at once, 256 KiB."""


class Cycle(RequestResponseCycle):
    """One request and its answer, which may be given whole: then it is one write, 25 µs less than uvicorn's two."""

    async def send(self, message: Any) -> None:
        if message["type"] != WHOLE:
            await super().send(message)
            return
        if self.response_started:
            raise RuntimeError("a whole answer was given after another one had begun")
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        body, status = message["body"], message["status"]
        lines = [STATUS_LINE[status]]
        for name, value in message["headers"]:
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n" if status == NO_CONTENT else b"content-length: %d\r\n\r\n" % len(body))
        if self.scope["method"] != "HEAD":  # a body would be taken for the beginning of the next answer
            lines.append(body)
        self.transport.write(b"".join(lines))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    async def receive(self) -> Any:
        """Without waiting, where the whole body is there, as it nearly always is."""
        if self.more_body or not self.body or self.response_complete or self.disconnected:
            return await super().receive()
        self.flow.resume_reading()
        self.message_event.clear()
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": False}


class Protocol(HttpToolsProtocol):
    """One connection. ``receiving_since`` is when the request that is not complete yet began to come."""

    idle_since: float | None = None
    """When the last answer ended, while none is under way."""
    receiving_since: float | None = None
    head_complete: bool = False
    """Of the request that is coming in: from then on its answer is the application's."""
    answering: RequestResponseCycle | None = None
    """The request whose answer is the next to be given; those that came behind it wait for that."""
    heavy_head: tuple[float | None, int] = (None, 0)
    """When a head began that did not come at once, and its bytes so far."""
    last_word: tuple[int, bytes] | None = None
    """An answer that ends the connection, once all that came before has its own."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.receiving_since = self.loop.time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.receiving_since = self.loop.time()
        self.head_complete = False

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.head_complete = True
        self.headers = TRAILERS

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as offer:
            self._pass_over_offer(data[offer.args[0] :])
        except HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if not self.head_complete:
            self._weigh_head(len(data))

    def _weigh_head(self, size: int) -> None:
        since, before = self.heavy_head
        self.heavy_head = self.receiving_since, size + (before if since == self.receiving_since else 0)
        if self.heavy_head[1] > MAX_HEAD_BYTES:
            text = f"The head of the request is larger than {MAX_HEAD_BYTES // 1024} KiB."
            self._give_up(431, wire.error(wire.NULL, INVALID_REQUEST, text))

    def _pass_over_offer(self, rest: bytes) -> None:
        """The request was taken for complete with its head. Nobody has looked at it yet."""
        self.cycle.more_body = True
        self.cycle.message_event.clear()
        self.receiving_since = self.loop.time()
        self.parser = reader_of_the_rest(self)
        self.data_received(rest)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.idle_since = None
        self.answering = cycle
        cycle.__class__ = Cycle  # uvicorn has no other place to say which class it should be
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.receiving_since = None

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.last_word is not None:
            self._end_with(*self.last_word)
        else:
            self.idle_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.answering is not None and not self.answering.response_complete:
            _lose(self.answering)  # uvicorn tells the request that came last, which may still wait for this one

    # --- requests that are none -------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed as HTTP."""
        self._give_up(400, wire.error(wire.NULL, PARSE_ERROR, msg))

    def too_slow(self) -> None:
        """The request did not come in time."""
        text = f"The request took longer than {REQUEST_SECONDS:g} s."
        self._give_up(408, wire.error(wire.NULL, INVALID_REQUEST, text))

    def _give_up(self, status: int, body: bytes) -> None:
        """No more is read. What came before is answered first: in its place, this would be taken for its answer."""
        if isinstance(self.parser, _Deaf):
            return
        incoming = self.cycle if self.head_complete and self.receiving_since is not None else None
        self.parser, self.receiving_since = _Deaf(), None  # type: ignore[assignment] # all that is called of it
        if incoming is not None and incoming is not self.answering:
            self.pipeline.popleft()  # it waited for its turn, and will never be whole
        elif incoming is not None:
            _lose(incoming)
            self._end_with(status, body) if not incoming.response_started else self.transport.close()
            return
        if self.answering is None or self.answering.response_complete:
            self._end_with(status, body)
        else:
            self.last_word = status, body

    def _end_with(self, status: int, body: bytes) -> None:
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


class _Unread(list[tuple[bytes, bytes]]):
    """Takes nothing in. Fields behind the body are no headers: a proxy has not looked at them, so neither do we."""

    def append(self, item: tuple[bytes, bytes]) -> None:
        """Passes over it."""


TRAILERS: Final = _Unread()


class _Deaf:
    """In the parser's place when nothing more is to be parsed."""

    def feed_data(self, data: bytes) -> None:
        """Passes over it."""


def _lose(cycle: RequestResponseCycle) -> None:
    """Tells the application that nobody is there for this request any more."""
    cycle.disconnected = True
    cycle.message_event.set()


async def cut_off_the_slow(connections: set[Any], seconds: float = REQUEST_SECONDS) -> None:
    """Runs for ever beside the server whose connections these are."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(SWEEP_SECONDS, seconds / 2))
        now = loop.time()
        for connection in list(connections):
            receiving, idle = connection.receiving_since, connection.idle_since
            if connection.transport.is_closing():
                continue
            if receiving is not None and receiving <= now - seconds:
                connection.too_slow()
            elif receiving is None and idle is not None and idle <= now - connection.timeout_keep_alive:
                connection.timeout_keep_alive_handler()
