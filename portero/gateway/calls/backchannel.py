"""The way back to the client of a call: log messages, and questions, which each era takes in its own way."""

from collections.abc import Mapping
from typing import Final, Protocol

from msgspec import Raw

from handlers.between.returning import Away, is_wanted
from handlers.calls.asking import check_askable, letters_of
from handlers.calls.inquiries import Inquiries, Unanswered
from portero.domain.ids import CallId, ClientId
from portero.domain.mcp import LOG_LEVEL_META, LOG_LEVELS, MESSAGE
from portero.errors import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from portero.gateway import wire
from portero.gateway.exchange.reply import Reply
from portero.gateway.exchange.request import Request
from projections import View

DEFAULT_LEVEL: Final = "info"
"""What a client of the older era gets that has not set a level: the protocol leaves it to the server."""
NO_CAPABILITIES: Final = b"{}"
QUESTION_PREFIX: Final = "portero."
"""How the ids of our requests to clients of the older era begin; call and question follow."""


class ClientChannel:
    """See ``handlers.calls.bridging.Channel``; what both eras have in common."""

    __slots__ = ("as_task", "call", "capabilities", "client", "kept", "log_level", "pushes", "reply")

    def __init__(
        self,
        request: Request,
        *,
        capabilities: bytes | None,
        log_level: str | None,
        pushes: bool,
    ) -> None:
        self.client: ClientId = request.client
        self.reply: Reply = request.reply
        self.capabilities = capabilities
        self.log_level = log_level
        self.pushes = pushes
        self.as_task = request.declares_tasks
        self.call: CallId | None = None
        self.kept = False

    def progress(self, params: bytes) -> None:
        self.reply.progress(params)

    def tell(self, method: str, params: bytes) -> None:
        if method == MESSAGE and not is_wanted(self.log_level, params):
            return
        stream = self.reply.stream()
        if stream is not None:
            stream.push(wire.notification(method, Raw(params)), droppable=True)


class PushingChannel(ClientChannel):
    """The older era: a question is a request of ours on the stream of the client's, its answer a message of its own."""

    __slots__ = ("_inquiries", "_letters")

    def __init__(self, request: Request, inquiries: Inquiries, log_level: str) -> None:
        session, reads = request.session, request.reply.can_stream
        capabilities = session.capabilities if reads else None  # who reads no stream gets no questions
        super().__init__(
            request, capabilities=capabilities, log_level=log_level, pushes=reads and bool(session.letters)
        )
        self._letters = session.letters
        self._inquiries = inquiries

    async def ask(self, method: str, params: bytes) -> bytes:
        check_askable(self._letters, method, params)
        call, stream = self.call, self.reply.stream()
        if call is None or stream is None:
            raise RpcError(METHOD_NOT_FOUND, f"{method}: the client reads no event stream, so it cannot be asked.")

        async def present(key: str) -> None:
            stream.push(wire.request(f"{QUESTION_PREFIX}{call}.{key}", method, params))

        return await self._inquiries.ask(call, method, params, present)


class Parks(Protocol):
    """Whoever keeps calls that wait for an answer of their client."""

    async def park(self, call: CallId, channel: "ParkingChannel") -> None:
        """Answers the client's request with what it is asked."""

    async def give_up(self, call: CallId) -> None:
        """Nobody comes back with an answer."""


class ParkingChannel(ClientChannel):
    """The newer era: the client's request is answered with the question, and its call is parked until it comes back."""

    __slots__ = ("_inquiries", "_parking", "answered", "away", "request_id")

    def __init__(self, request: Request, inquiries: Inquiries, parking: Parks, log_level: str | None) -> None:
        super().__init__(request, capabilities=request.capabilities, log_level=log_level, pushes=False)
        self.request_id = request.id
        self.answered = False
        """Its request has an answer already: with a question, or with a task."""
        self.away: Away | None = None
        """Where else its client may have come back to, once its call is parked."""
        self._inquiries = inquiries
        self._parking = parking

    def progress(self, params: bytes) -> None:
        super().progress(params)
        if self.away is not None:
            self.away.progress(params)

    def tell(self, method: str, params: bytes) -> None:
        super().tell(method, params)
        if self.away is not None:
            self.away.tell(method, params)

    def goes_on(self, request: Request) -> None:
        """Its client has come back with this request, and hears there of what the upstream says from now on."""
        self.reply, self.log_level = request.reply, meta_level(request.meta)

    async def ask(self, method: str, params: bytes) -> bytes:
        check_askable(letters_of(self.capabilities), method, params)
        call = self.call
        if call is None:
            raise RpcError(METHOD_NOT_FOUND, f"{method}: the call has not begun.")

        async def present(_: str) -> None:
            await self._parking.park(call, self)

        self.kept = True
        try:
            return await self._inquiries.ask(call, method, params, present)
        except Unanswered:
            if self.answered:
                await self._parking.give_up(call)
            raise


class Channels:
    """Makes the channel of a request."""

    def __init__(self, inquiries: Inquiries, parking: Parks, view: View) -> None:
        self._inquiries = inquiries
        self._parking = parking
        self._view = view

    def of(self, request: Request) -> PushingChannel | ParkingChannel | None:
        """None where a client of the newer era declares nothing and wants no messages: there is nothing to carry."""
        if not request.modern:
            state = self._view.sessions.get(request.session.key)
            level = state.level if state is not None else None
            return PushingChannel(request, self._inquiries, level or DEFAULT_LEVEL)
        level = meta_level(request.meta)
        if level is None and request.capabilities == NO_CAPABILITIES:
            return None
        return ParkingChannel(request, self._inquiries, self._parking, level)


def meta_level(meta: Mapping[str, Raw]) -> str | None:
    """The level of log messages that a client of the newer era wants with its request. Raises RpcError."""
    raw = meta.get(LOG_LEVEL_META)
    level = wire.decode_value(raw, LOG_LEVEL_META) if raw is not None else None
    if level is not None and level not in LOG_LEVELS:
        raise RpcError(INVALID_PARAMS, f"{LOG_LEVEL_META} must be one of {', '.join(LOG_LEVELS)}.")
    return level
