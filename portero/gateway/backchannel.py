"""The way back to the client of a call: log messages, and in the older era questions on the request's own stream."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from portero.domain.ids import ClientId
from portero.domain.mcp import LOG_LEVEL_META
from portero.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, RpcError
from portero.gateway import sessions, wire
from portero.gateway.reply import Reply
from portero.gateway.request import Request
from projections import View

LOG_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
DEFAULT_LEVEL: Final = "info"
"""What a client of the older era gets that has not set a level: the protocol leaves it to the server."""
ANSWER_SECONDS: Final = 600.0
"""How long a person may take over a question."""
NO_CAPABILITIES: Final = b"{}"

_NEEDED: Final = {"sampling/createMessage": sessions.SAMPLE, "roots/list": sessions.ROOTS}


class _Elicitation(msgspec.Struct):
    mode: str = "form"


class _Level(msgspec.Struct):
    level: str = ""


class _Error(msgspec.Struct):
    code: int = INTERNAL_ERROR
    message: str = "the client gave no reason"
    data: Any = None


_elicitation = msgspec.json.Decoder(_Elicitation)
_level = msgspec.json.Decoder(_Level)
_error = msgspec.json.Decoder(_Error)


class Questions:
    """Questions that wait for the answers of clients, on this replica; an answer comes as a request of its own."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[ClientId, asyncio.Future[bytes]]] = {}

    async def ask(self, client: ClientId, reply: Reply, method: str, params: bytes) -> bytes:
        stream = reply.stream()
        if stream is None:
            raise RpcError(METHOD_NOT_FOUND, f"{method}: the client reads no event stream, so it cannot be asked")
        identity = f"portero-{secrets.token_urlsafe(16)}"
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[identity] = client, future
        try:
            stream.push(wire.request(identity, method, params))
            async with asyncio.timeout(ANSWER_SECONDS):
                return await future
        except TimeoutError:
            raise RpcError(INTERNAL_ERROR, f"{method}: the client did not answer in time") from None
        finally:
            del self._waiting[identity]

    def answered(self, client: ClientId, message: wire.Message) -> bool:
        """Takes a client's response; whether it answers something that this client was asked here."""
        identity = wire.decode_value(message.id, "id") if message.id is not UNSET else None
        asked, future = self._waiting.get(identity, (None, None)) if isinstance(identity, str) else (None, None)
        if future is None or asked != client or future.done():
            return False
        if message.error is not UNSET:
            future.set_exception(_refusal(message.error))
        elif message.result is not UNSET:
            future.set_result(bytes(message.result))
        return True


def _refusal(raw: Raw) -> RpcError:
    try:
        error = _error.decode(raw)
    except (ValueError, RecursionError):
        error = _Error()
    return RpcError(error.code, error.message, error.data)


class ClientChannel:
    """See ``handlers.bridging.Channel``."""

    __slots__ = ("_letters", "_questions", "_reply", "capabilities", "client", "log_level", "pushes")

    def __init__(
        self,
        client: ClientId,
        reply: Reply,
        questions: Questions,
        *,
        letters: str,
        capabilities: bytes | None,
        log_level: str | None,
    ) -> None:
        self.client = client
        self.capabilities = capabilities
        self.log_level = log_level
        self.pushes = bool(letters)
        self._letters = letters
        self._reply = reply
        self._questions = questions

    def tell(self, method: str, params: bytes) -> None:
        if method == "notifications/message" and not self._wants(params):
            return
        stream = self._reply.stream()
        if stream is not None:
            stream.push(wire.notification(method, Raw(params)), droppable=True)

    def _wants(self, params: bytes) -> bool:
        if self.log_level is None:
            return False
        try:
            level = _level.decode(params).level
        except (ValueError, RecursionError):
            return False
        return level in LOG_LEVELS and LOG_LEVELS.index(level) >= LOG_LEVELS.index(self.log_level)

    async def ask(self, method: str, params: bytes) -> bytes:
        if not self._can_answer(method, params):
            raise RpcError(METHOD_NOT_FOUND, f"{method}: this client cannot be asked that")
        return await self._questions.ask(self.client, self._reply, method, params)

    def _can_answer(self, method: str, params: bytes) -> bool:
        needed = _NEEDED.get(method)
        if method == "elicitation/create":
            try:
                mode = _elicitation.decode(params).mode
            except (ValueError, RecursionError):
                return False
            needed = {"form": sessions.ELICIT_FORM, "url": sessions.ELICIT_URL}.get(mode)
        return needed is not None and needed in self._letters


class Channels:
    """Makes the channel of a request."""

    def __init__(self, questions: Questions, view: View) -> None:
        self._questions = questions
        self._view = view

    def of(self, request: Request) -> ClientChannel | None:
        """None where a client of the newer era declares nothing and wants no messages: there is nothing to carry."""
        if not request.modern:
            session = request.session
            state = self._view.sessions.get(session.key)
            return ClientChannel(
                request.client,
                request.reply,
                self._questions,
                letters=session.letters,
                capabilities=session.capabilities,
                log_level=(state.level if state is not None else None) or DEFAULT_LEVEL,
            )
        capabilities = request.capabilities
        level = _meta_level(request.meta) if LOG_LEVEL_META in request.meta else None
        if level is None and capabilities == NO_CAPABILITIES:
            return None
        return ClientChannel(
            request.client, request.reply, self._questions, letters="", capabilities=capabilities, log_level=level
        )


def _meta_level(meta: Mapping[str, Raw]) -> str | None:
    raw = meta.get(LOG_LEVEL_META)
    level = wire.decode_value(raw, LOG_LEVEL_META) if raw is not None else None
    return level if level in LOG_LEVELS else None
