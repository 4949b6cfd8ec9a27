"""The MCP endpoint: from an HTTP request to a JSON-RPC answer, in both eras of the protocol.

Every answer on this path is JSON-RPC, also when the request never gets as far as being one: clients decide by the body
of an error which era the server speaks.
"""

import asyncio
from typing import Final

import structlog
from litestar.types import Receive, Scope, Send
from msgspec import UNSET

from portero.errors import HTTP_STATUS, INTERNAL_ERROR, INVALID_REQUEST, RpcError
from portero.gateway import wire
from portero.gateway.dispatch import Dispatch, rpc_error
from portero.gateway.exchange.admission import Admission, Inbound
from portero.gateway.exchange.cancelling import flight_key
from portero.gateway.exchange.eras import BATCH_VERSION
from portero.gateway.exchange.flights import Flight
from portero.gateway.exchange.reply import BatchReply, HttpReply
from portero.gateway.http.bodies import (
    BodyTooLarge,
    ClientGone,
    Refusal,
    read_body,
    send_empty,
    send_json,
    send_refusal,
)
from portero.gateway.http.browsers import ASKED_METHOD, permission, readable_by
from portero.gateway.incoming import Incoming
from portero.gateway.notices.streams import Streams
from portero.gateway.options import Options
from portero.telemetry import REFUSED_REQUESTS

log = structlog.get_logger("portero.gateway")

MAX_BATCH: Final = 100

RETRY_AFTER: Final = (b"retry-after", b"1")
FAILED: Final = wire.error(wire.NULL, INTERNAL_ERROR, "Portero failed on this request. Its log says why.")
BUSY: Final = "Too many requests are under way. Try again in a moment."
CANCELLED: Final = "The client cancelled the request."
REQUEST_CANCELLED: Final = -32800
"""As official servers answer a cancelled request of the older era."""


class Endpoint:
    """The ASGI application behind ``/mcp`` and ``/mcp/message``."""

    def __init__(
        self,
        options: Options,
        admission: Admission,
        streams: Streams,
        incoming: Incoming,
        dispatch: Dispatch,
    ) -> None:
        self._options = options
        self._admission = admission
        self._streams = streams
        self._incoming = incoming
        self._dispatch = dispatch
        self.flights = incoming.flights

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if b"origin" in headers and self._admission.welcomes(headers):  # a web page, through a browser
            send = readable_by(headers[b"origin"], send)
            if scope["method"] == "OPTIONS" and ASKED_METHOD in headers:  # type: ignore[typeddict-item] # as below
                await send_empty(send, 204, permission(headers))
                return
        try:
            inbound = self._admission.admit(scope, headers, receive, send)
            if scope["method"] != "POST":  # type: ignore[typeddict-item] # routed as HTTP
                await self._streams.serve(scope["method"], inbound)  # type: ignore[typeddict-item]
                return
            body = await read_body(receive, self._options.body_limit)
            request = _request(body)
            if request is not None:
                await self._answer(inbound, request)
            else:
                await self._serve(inbound, body)
        except BodyTooLarge:
            await self._refuse(receive, send, headers, self._admission.too_large())
        except Refusal as refusal:
            await self._refuse(receive, send, headers, refusal)
        except ClientGone:
            return
        except Exception:
            log.exception("request failed")
            await send_json(send, 500, FAILED)

    async def _refuse(self, receive: Receive, send: Send, headers: dict[bytes, bytes], refusal: Refusal) -> None:
        REFUSED_REQUESTS.labels(refusal.reason).inc()
        await send_refusal(receive, send, headers, refusal)

    async def _serve(self, inbound: Inbound, body: bytes) -> None:
        """Whatever is not one request."""
        try:
            wire.check_text(body)
            if body.lstrip()[:1] == b"[":
                await self._serve_batch(inbound, body)
                return
            await self._incoming.take(inbound, wire.decode(body))
        except RpcError as error:
            status = HTTP_STATUS.get(error.code, 400)
            await send_json(inbound.send, status, rpc_error(error, _id_of(error)))
        else:
            await send_empty(inbound.send, 202)

    # --- one request ------------------------------------------------------------------------------------------------

    async def _answer(self, inbound: Inbound, message: wire.Message) -> None:
        request_id = bytes(message.id)  # type: ignore[arg-type] # the caller looked
        if len(self.flights) >= self._options.max_in_flight:
            await send_json(inbound.send, 503, wire.error(request_id, INTERNAL_ERROR, BUSY), (RETRY_AFTER,))
            return
        reply = HttpReply(inbound.send, can_stream=inbound.accepts_stream, keepalive=self._options.keepalive_seconds)
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment] # a request runs in a task
        # A modern client calls off by leaving: a message must not, and would leave it without an answer.
        key = None if inbound.modern else flight_key(inbound, request_id)
        flight = Flight(task, inbound.receive, reply, key, modern=inbound.modern)
        self.flights.add(flight)
        try:
            status, answer = await self._dispatch.answer(inbound, message, reply)
        except asyncio.CancelledError:
            task.uncancel()
            await self._answer_cancelled(flight, reply, request_id)
            return
        finally:
            self.flights.remove(flight)
        await reply.answer(status, answer)

    async def _answer_cancelled(self, flight: Flight, reply: HttpReply, request_id: bytes) -> None:
        """The modern era forbids an answer, and nobody would read it. The older one ends requests by answers only."""
        if not flight.gone:
            text = "This replica stops, and the request took too long to end with it. Look up what became of it."
            await reply.answer(503, wire.error(request_id, INTERNAL_ERROR, text))
        elif flight.modern:
            reply.abandon()
        else:
            await reply.answer(200, wire.error(request_id, REQUEST_CANCELLED, CANCELLED))

    # --- batches ----------------------------------------------------------------------------------------------------

    async def _serve_batch(self, inbound: Inbound, body: bytes) -> None:
        """Only the version of 2025-03-26 has batches, and clients of that version do not say so in a header."""
        if inbound.headers.get(b"mcp-protocol-version", BATCH_VERSION) != BATCH_VERSION:
            raise wire.BadMessage(INVALID_REQUEST, "This protocol version has no batches; send one message at a time.")
        batch = wire.decode_batch(body)
        if len(batch) > MAX_BATCH:
            raise wire.BadMessage(INVALID_REQUEST, f"A batch holds at most {MAX_BATCH} messages.")
        answers = await asyncio.gather(*(self._serve_part(inbound, bytes(part)) for part in batch))
        given = [answer for answer in answers if answer is not None]
        if given:
            await send_json(inbound.send, 200, b"[%b]" % b",".join(given))
        else:
            await send_empty(inbound.send, 202)

    async def _serve_part(self, inbound: Inbound, part: bytes) -> bytes | None:
        try:
            message = wire.decode(part)
            if message.method == "initialize":
                raise wire.BadMessage(INVALID_REQUEST, "initialize must not be part of a batch.", wire.id_of(part))
            if message.method is UNSET or message.id is UNSET:
                await self._incoming.take(inbound, message)
                return None
        except RpcError as error:
            return rpc_error(error, _id_of(error))
        return await self._answer_part(inbound, message)

    async def _answer_part(self, inbound: Inbound, message: wire.Message) -> bytes:
        """Each request of a batch is under way, and called off, by itself."""
        request_id = bytes(message.id)  # type: ignore[arg-type] # the caller looked
        if len(self.flights) >= self._options.max_in_flight:
            return wire.error(request_id, INTERNAL_ERROR, BUSY)
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment] # each part runs in a task
        reply = BatchReply()
        flight = Flight(task, inbound.receive, reply, flight_key(inbound, request_id), modern=False)
        self.flights.add(flight)
        try:
            return (await self._dispatch.answer(inbound, message, reply))[1]
        except asyncio.CancelledError:
            if not flight.gone:
                raise
            task.uncancel()
            return wire.error(request_id, REQUEST_CANCELLED, CANCELLED)
        finally:
            self.flights.remove(flight)


def _request(body: bytes) -> wire.Message | None:
    """The one request that a body is, as nearly all are; None for whatever else it is, good or bad."""
    try:
        wire.check_text(body)
        message = wire.decode(body)
    except RpcError:
        return None
    return message if message.method is not UNSET and message.id is not UNSET else None


def _id_of(error: RpcError) -> bytes:
    return error.id if isinstance(error, wire.BadMessage) else wire.NULL
