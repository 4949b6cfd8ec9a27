"""Our end of a JSON-RPC connection to an upstream: ids of our own, answers to the right caller, deadlines, progress."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from portero.domain.mcp import SUBSCRIPTION_ID_META
from portero.errors import INTERNAL_ERROR, OutcomeLost, UpstreamError, UpstreamRefused, UpstreamUnavailable
from portero.upstream.hooks import Notification, OnRequest, ServerRequest, guarded
from portero.upstream.wire import jsonrpc
from portero.upstream.wire.answering import Answering
from portero.upstream.wire.calls import MAX_CALL_SECONDS, Call, Deadlines, Late
from portero.upstream.wire.jsonrpc import Envelope
from portero.upstream.wire.params import with_meta, without_progress_token
from portero.upstream.wire.transport import Transport

log = structlog.get_logger("portero.upstream")

MAX_LATE: Final = 1024
"""Abandoned calls whose answer would still be recognised; the oldest is forgotten first."""

MAX_DIGITS: Final = 18


class _Progress(msgspec.Struct, gc=False):
    progressToken: int | str | None = None  # noqa: N815 - the protocol's spelling


class _Stamp(msgspec.Struct, gc=False):
    id: int = msgspec.field(name=SUBSCRIPTION_ID_META)


class _Subscription(msgspec.Struct, gc=False):
    meta: _Stamp = msgspec.field(name="_meta")


_progress = msgspec.json.Decoder(_Progress)
_subscription = msgspec.json.Decoder(_Subscription)


class Peer:
    """One connection. Requests get ids of our own, so that callers who share theirs never get each other's answers."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        *,
        on_notification: Callable[[Notification], None],
        on_request: OnRequest | None = None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self.name = name
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Resolved with the reason, for people, once nothing can be sent any more."""
        self.on_lost: Callable[[], None] = lambda: None
        """Called in the very moment, so that nobody is told "connected" in the turn between."""
        self.garbage = 0
        self._transport = transport
        self._on_notification, self._mask = on_notification, mask
        self._loop = asyncio.get_running_loop()
        self._last_id = 0
        self._calls: dict[int, Call] = {}
        self._late: dict[int, Late | None] = {}
        self._deadlines = Deadlines(self._calls, self._expired)
        self._answering = Answering(transport.post, on_request)

    @property
    def in_flight(self) -> int:
        """Calls under way; a subscription is none."""
        return sum(call.idle is not None for call in self._calls.values())

    # --- outwards --------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        params: bytes,
        *,
        idle: float | None,
        meta: bytes = b"",
        progress: bool = False,
        on_progress: Callable[[bytes], None] | None = None,
        on_late: Late | None = None,
        context: Any = None,
        cancellable: bool = True,
    ) -> bytes:
        """The JSON of the answer's ``result``. ``meta``: members for ``_meta``; ``progress``: ask for progress, too.

        Raises ``UpstreamUnavailable`` (nothing was sent), ``OutcomeLost`` (sent, no answer), ``UpstreamRefused``.
        """
        if self.closed.done():
            raise UpstreamUnavailable(f"{self.name} is not connected: {self.closed.result()}; nothing was sent.")
        self._last_id = identity = self._last_id + 1
        if progress:  # our id is the token, so that progress finds its call without another table
            meta = b'"progressToken":%d,%b' % (identity, meta) if meta else b'"progressToken":%d' % identity
        try:
            params = jsonrpc.one_line(with_meta(params, meta))
        except (msgspec.DecodeError, RecursionError) as error:
            raise UpstreamUnavailable(
                f"{self.name}: the params are no JSON object ({error}); nothing was sent."
            ) from error
        now = self._loop.time()
        ends = now + MAX_CALL_SECONDS
        deadline = ends if idle is None else now + idle
        future: asyncio.Future[bytes] = self._loop.create_future()
        call = Call(identity, method, params, future, idle, deadline, ends, on_progress, on_late, context, cancellable)
        self._calls[identity] = call
        self._deadlines.watch(call)
        try:
            self._transport.send(call, jsonrpc.request(identity, method, params))
            return await future
        except asyncio.CancelledError:
            self._cancelled(call)
            raise
        finally:
            self._calls.pop(identity, None)

    def notify(self, method: str, params: bytes | None = None) -> None:
        self._transport.post(jsonrpc.notification(method, params))

    # --- inwards ---------------------------------------------------------------------------------------------------

    def received(self, data: bytes, origin: Call | None = None) -> None:
        """Take in one line, body or event. ``origin`` is the call whose response carried it, where that is known."""
        try:
            messages = jsonrpc.decode(data)
        except jsonrpc.NotAMessage:
            self._garbage(data)
            return
        try:
            for message in messages:
                if message.method is None:
                    self._answered(message, data, origin)
                elif message.id is None or message.id is msgspec.UNSET:
                    self._notified(message.method, message, origin)
                else:
                    params = bytes(message.params) or b"{}"
                    asked = ServerRequest(self.name, message.method, params, self._contexts(origin))
                    concerned = list(self._calls.values()) if origin is None else [origin]
                    self._answering.asked(asked, message.id, concerned)
        except RecursionError:  # nested as deep as can be read once, and no deeper
            self._garbage(data)

    def expects(self, call: Call) -> bool:
        """Whether an answer to this call would still be of use, be it late."""
        return call.id in self._calls or call.id in self._late

    def fail(self, call: Call, error: UpstreamError) -> None:
        """End one call without an answer; the others go on."""
        self._late.pop(call.id, None)
        if self._calls.pop(call.id, None) is not None and not call.future.done():
            call.future.set_exception(error)

    def fail_id(self, identity: int, reason: str) -> None:
        """The same, by id: the answer came but cannot be taken."""
        call = self._calls.get(identity)
        if call is not None:
            self.fail(call, OutcomeLost(f"{self.name}: {reason}."))

    def lost(self, reason: str) -> None:
        """The connection is gone: calls of which nothing was sent were not made, the outcome of the others is lost."""
        if self.closed.done():
            return
        self.closed.set_result(reason)
        self.on_lost()
        self._deadlines.stop()
        self._late.clear()
        for call in list(self._calls.values()):
            self.fail(call, self._unanswered(call, reason))
        self._answering.stop()

    # --- answers ---------------------------------------------------------------------------------------------------

    def _answered(self, message: Envelope, data: bytes, origin: Call | None) -> None:
        identity, error = message.id, jsonrpc.error_of(message)
        if isinstance(identity, str):
            identity = _number(identity)
        elif identity is None and error is not None and origin is not None:
            identity = origin.id  # refused before its id was read
        if not isinstance(identity, int) or not (message.result or error):
            self._garbage(data)
            return
        answer: bytes | UpstreamRefused
        if error is not None:
            answer = UpstreamRefused(*error)
        elif (answer := bytes(message.result))[:1] != b"{":
            answer = UpstreamRefused(INTERNAL_ERROR, "the server answered with a result that is no JSON object")
        call = self._calls.pop(identity, None)
        if call is None and identity not in self._late:
            self._garbage(data)  # an answer to nothing that was asked
        elif call is None or call.future.done():
            self._answered_late(self._late.pop(identity, None) if call is None else call.on_late, answer)
        elif isinstance(answer, UpstreamRefused):
            call.future.set_exception(answer)
        else:
            call.future.set_result(answer)

    def _answered_late(self, on_late: Late | None, answer: bytes | UpstreamError) -> None:
        log.info("late answer", upstream=self.name, is_error=not isinstance(answer, bytes))
        if on_late is not None:
            guarded(self.name, "late answer", on_late, answer)

    # --- calls that end otherwise ------------------------------------------------------------------------------------

    def _unanswered(self, call: Call, reason: str) -> UpstreamError:
        if call.sent:
            return OutcomeLost(f"{self.name}: {reason}; the call had been sent.")
        return UpstreamUnavailable(f"{self.name}: {reason}; nothing was sent.")

    def _expired(self, call: Call) -> None:
        if call.questions and self._loop.time() < call.ends:
            call.alive(self._loop.time())
            return
        idle = call.idle or 0
        reason = f"no answer within {idle:g} s" if call.sent else f"it took nothing for {idle:g} s"
        sent = call.sent
        self.fail(call, self._unanswered(call, reason))
        self._abandoned(call, sent, reason)

    def _cancelled(self, call: Call) -> None:
        """The caller went away. An answer that came in the same moment is late, not lost."""
        if self._calls.pop(call.id, None) is not None:
            self._abandoned(call, call.sent, "the caller cancelled")
        elif call.on_late is not None and not call.future.cancelled():
            error = call.future.exception()
            outcome = call.future.result() if error is None else error
            if isinstance(outcome, bytes | UpstreamError):
                self._answered_late(call.on_late, outcome)

    def _abandoned(self, call: Call, sent: bool, reason: str) -> None:
        if sent:
            self._late[call.id] = call.on_late
            if len(self._late) > MAX_LATE:
                del self._late[next(iter(self._late))]
        if call.cancellable and not self.closed.done():
            self._transport.cancel(call, reason)

    # --- what the server says of its own accord ----------------------------------------------------------------------

    def _notified(self, method: str, message: Envelope, origin: Call | None) -> None:
        params = bytes(message.params) or b"{}"
        if method == "notifications/progress":
            self._progressed(params)
            return
        if method == "notifications/cancelled":
            self._answering.cancelled(params)
            return
        if method == "notifications/subscriptions/acknowledged":
            self._acknowledged(params)
            return
        note = Notification(self.name, method, params, self._contexts(origin))
        guarded(self.name, method, self._on_notification, note)

    def _progressed(self, params: bytes) -> None:
        try:
            token = _progress.decode(params).progressToken
        except msgspec.DecodeError:
            self._garbage(params)
            return
        if isinstance(token, str):
            token = _number(token)
        call = self._calls.get(token) if token is not None else None
        if call is None:
            return  # of a call that has ended: progress may cross the answer
        call.alive(self._loop.time())
        if call.on_progress is not None:
            guarded(self.name, "progress", call.on_progress, without_progress_token(params))

    def _acknowledged(self, params: bytes) -> None:
        """A subscription is a call that stays open; that it stands is the progress it makes."""
        try:
            call = self._calls.get(_subscription.decode(params).meta.id)
        except msgspec.DecodeError:
            self._garbage(params)
            return
        if call is not None and call.on_progress is not None:
            guarded(self.name, "acknowledgement", call.on_progress, params)

    def _contexts(self, origin: Call | None) -> tuple[Any, ...]:
        calls = self._calls.values() if origin is None else (origin,)
        return tuple(call.context for call in calls if call.context is not None)

    def _garbage(self, data: bytes) -> None:
        self.garbage += 1
        if self.garbage <= 10 or self.garbage % 1000 == 0:  # a server that prints there may print a lot
            text = self._mask(data[:16384].decode(errors="replace"))[:200]
            log.warning("not a JSON-RPC message", upstream=self.name, count=self.garbage, text=text)


def _number(text: str) -> int | None:
    """Some servers give a number of ours back as a text; none of ours has more digits, and Python reads no more."""
    return int(text) if len(text) <= MAX_DIGITS and text.isascii() and text.isdecimal() else None
