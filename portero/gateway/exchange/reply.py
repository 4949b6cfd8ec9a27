"""The answer to one request: plain JSON, or an event stream as soon as there is something to say before the end."""

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Final, Protocol

import msgspec
from litestar.types import Send
from msgspec import Raw

from portero.gateway import wire
from portero.gateway.http.bodies import Header, send_json

EVENT_STREAM: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
COMMENT: Final = b": still here\n\n"
MAX_WAITING: Final = 256
"""Frames that wait for a slow reader; then the oldest that may be dropped is: progress and log messages, no more."""
MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""The same of their size: a log message may be as large as a server likes."""

STEP: Final = 1e-6
"""What our own signs of life add to an upstream's progress."""

_members = msgspec.json.Decoder(dict[str, Raw])
_float = msgspec.json.Decoder(float)


def frame(message: bytes, mark: str | None = None) -> bytes:
    """A JSON-RPC message as one server-sent event. A line break between two tokens would end the event early."""
    if b"\n" in message or b"\r" in message:
        message = msgspec.json.format(message, indent=-1)
    event = b"event: message\ndata: %b\n\n" % message
    return event if mark is None else b"id: %b\n%b" % (mark.encode(), event)


def _number(raw: Raw | None, otherwise: float) -> float:
    try:
        return _float.decode(raw) if raw is not None else otherwise
    except msgspec.DecodeError:
        return otherwise


class EventStream:
    """A ``text/event-stream`` answer. A task of its own writes it, so that whoever has something to say never waits."""

    def __init__(self, send: Send, keepalive: float) -> None:
        self._send = send
        self._keepalive = keepalive
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._ended = False
        self._task = asyncio.create_task(self._write())

    def push(self, message: bytes, mark: str | None = None, *, droppable: bool = False) -> None:
        """``mark``: the event's id, by which a client says how far it has come."""
        self._put(frame(message, mark), droppable=droppable)

    def prime(self, mark: str) -> None:
        """An event without data, so that a client has an id from the first moment on."""
        self._put(b"id: %b\ndata: \n\n" % mark.encode(), droppable=False)

    def _put(self, data: bytes, *, droppable: bool) -> None:
        waiting = self._waiting
        most = MAX_WAITING_BYTES - len(data) if droppable else self._bytes  # an answer may be large, and displaces none
        while waiting and (len(waiting) >= MAX_WAITING or self._bytes > most):
            oldest = next((index for index, (_, may) in enumerate(waiting) if may), None)
            if oldest is not None:
                self._bytes -= len(waiting[oldest][0])
                del waiting[oldest]
            elif droppable:
                return
            else:
                break
        waiting.append((data, droppable))
        self._bytes += len(data)
        self._wake.set()

    async def drained(self) -> None:
        """Returns when the client has taken all that was pushed, as far as can be seen from here."""
        while self._waiting:
            self._drained.clear()
            await self._drained.wait()

    async def end(self, message: bytes | None) -> None:
        """Writes what waits, ``message`` last, and closes the stream."""
        if message is not None:
            self.push(message)
        self._ended = True
        self._wake.set()
        await self._task

    def abandon(self) -> None:
        """Nobody reads any more."""
        self._task.cancel()

    async def _write(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        while True:
            try:
                async with asyncio.timeout(self._keepalive):
                    await self._wake.wait()
            except TimeoutError:
                await self._write_body(COMMENT)
                continue
            self._wake.clear()
            while self._waiting:
                data, _ = self._waiting.popleft()
                self._bytes -= len(data)
                await self._write_body(data)
            self._drained.set()
            if self._ended:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
                return

    async def _write_body(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})


class Reply(Protocol):
    """Where the answer to a request goes."""

    @property
    def can_stream(self) -> bool:
        """Whether something can be said before the end."""

    def progress(self, params: bytes) -> None:
        """Passes on progress of the upstream, where the client wants it. ``params`` is a JSON object."""

    def wants_progress(self, token: Raw) -> None:
        """The client gave a progress token with its request."""

    def begin_session(self, session: str) -> None:
        """The answer carries this session id."""

    def stream(self) -> EventStream | None:
        """The event stream of this answer, begun now if need be; None where the client cannot read one."""

    async def detach(self, status: int, body: bytes) -> bool:
        """Gives an answer while the request goes on; whatever it comes to is not given. False: it was answered."""


class HttpReply:
    """An answer over HTTP."""

    __slots__ = ("_answered", "_headers", "_keepalive", "_progress", "_send", "_stream", "_token", "can_stream")

    def __init__(self, send: Send, *, can_stream: bool, keepalive: float) -> None:
        self._send = send
        self.can_stream = can_stream
        self._keepalive = keepalive
        self._stream: EventStream | None = None
        self._token: bytes | None = None
        self._progress = 0.0
        self._answered = False
        self._headers: tuple[Header, ...] = ()

    def begin_session(self, session: str) -> None:
        self._headers = ((b"mcp-session-id", session.encode()),)

    def wants_progress(self, token: Raw) -> None:
        self._token = bytes(token)

    def progress(self, params: bytes) -> None:
        if self._token is None:
            return
        stream = self.stream()
        if stream is not None:
            members = _members.decode(params)
            members["progressToken"] = Raw(self._token)
            self._progress = _number(members.get("progress"), self._progress)
            stream.push(wire.notification("notifications/progress", members), droppable=True)

    def alive(self, seconds: float) -> None:
        """Tells a client that waits that the call still runs. Progress must grow, so it grows by next to nothing."""
        if self._token is None:
            return
        stream = self.stream()
        if stream is not None:
            self._progress += STEP
            params = {
                "progressToken": Raw(self._token),
                "progress": self._progress,
                "message": f"still running after {seconds:.0f} s",
            }
            stream.push(wire.notification("notifications/progress", params), droppable=True)

    def stream(self) -> EventStream | None:
        if self._answered:
            return None
        if self._stream is None and self.can_stream:
            self._stream = EventStream(self._send, self._keepalive)
        return self._stream

    def answer(self, status: int, body: bytes) -> Awaitable[None]:
        """The final message. Once a stream has begun, the status is 200 and stays so."""
        if self._answered:
            return _nothing()
        self._answered = True
        if self._stream is None:
            return send_json(self._send, status, body, self._headers)
        return self._stream.end(body)

    async def detach(self, status: int, body: bytes) -> bool:
        if self._answered:
            return False
        await self.answer(status, body)
        return True

    def abandon(self) -> None:
        if self._stream is not None:
            self._stream.abandon()


async def _nothing() -> None:
    """An answer has been given already, and the client asks for what comes of it elsewhere."""


class BatchReply:
    """Part of a batch: the answers go together, so nothing can be said before."""

    __slots__ = ()
    can_stream = False

    def begin_session(self, session: str) -> None:
        """A batch begins none."""

    def wants_progress(self, token: Raw) -> None:
        """There is nowhere to send it."""

    def progress(self, params: bytes) -> None:
        """There is nowhere to send it."""

    def alive(self, seconds: float) -> None:
        """There is nowhere to say so."""

    def stream(self) -> None:
        return None

    async def detach(self, status: int, body: bytes) -> bool:
        return False
