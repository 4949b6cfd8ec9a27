"""What an upstream says or asks while a call is under way, carried to the client of that call and back.

Both ways go through replacement: the client sees fakes, the upstream gets reals.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
import structlog
from msgspec import UNSET, Raw

from handlers.calls.questions import Question, Questions
from handlers.core import Core
from portero.domain.ids import CallId, ClientId
from portero.domain.values import Actor
from portero.errors import METHOD_NOT_FOUND, RpcError
from portero.upstream import Notification, ServerRequest

log = structlog.get_logger("portero.bridging")

MAX_ROUNDS: Final = 16
"""How often one call may ask for more input before it is given up as one that never ends."""
TOLD: Final = frozenset({"notifications/message", "notifications/elicitation/complete"})


class Channel(Protocol):
    """The way back to the client of a call, for as long as the call is under way."""

    client: ClientId
    capabilities: bytes | None
    """What the client can be asked, as JSON in the protocol's words; None: nothing."""
    log_level: str | None
    """The least severe log messages that the client wants; None: none at all."""
    pushes: bool
    """Whether what the result of an upstream asks is to be asked by ``ask``; otherwise it is for the client to see."""
    call: CallId | None
    """Set when the call is on the log."""
    kept: bool
    """The client fetches the result later, so it is to be kept."""
    as_task: bool
    """The client follows a call that must be approved as a task."""

    def tell(self, method: str, params: bytes) -> None:
        """Passes on a notification, where the client wants it."""

    async def ask(self, method: str, params: bytes) -> bytes:
        """The JSON of the client's result. Raises RpcError when it refuses or cannot be asked."""


_members = msgspec.json.Decoder(dict[str, Raw])


class Bridge:
    """Give ``asked`` and ``told`` to Upstreams; contexts there are the channels of the calls, or their clients."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def asked(self, request: ServerRequest) -> bytes:
        """A question that a server of the older era asks in the middle of a call. Raises RpcError."""
        channel = _only(request.contexts)
        if channel is None:
            log.info("a question belongs to no one client", upstream=request.upstream, method=request.method)
            raise RpcError(METHOD_NOT_FOUND, f"{request.method}: there is no one client that could be asked")
        return await self._ask(channel, request.method, request.params)

    def told(self, note: Notification) -> None:
        if note.method in TOLD and (channel := _only(note.contexts)) is not None:
            channel.tell(note.method, self._core.replacer.to_fake_result(note.params))

    async def more_input(self, channel: Channel, params: bytes, questions: Questions) -> bytes:
        """The params to call again with, once the client has answered. Raises RpcError."""
        answers = await self._ask_all(channel, questions.inputRequests or {})
        members = _members.decode(params)
        members["inputResponses"] = Raw(msgspec.json.encode(answers))
        if questions.requestState is not UNSET:
            members["requestState"] = questions.requestState
        else:
            members.pop("requestState", None)
        return msgspec.json.encode(members)

    async def _ask_all(self, channel: Channel, questions: dict[str, Question]) -> dict[str, Raw]:
        """All at once; where one is not answered, nobody waits for the others."""
        asking = {
            key: asyncio.create_task(self._ask(channel, question.method, bytes(question.params)))
            for key, question in questions.items()
        }
        try:
            return {key: Raw(await task) for key, task in asking.items()}
        finally:
            for task in asking.values():
                task.cancel()
            await asyncio.gather(*asking.values(), return_exceptions=True)

    async def _ask(self, channel: Channel, method: str, params: bytes) -> bytes:
        replacer = self._core.replacer
        return replacer.to_real(await channel.ask(method, replacer.to_fake_result(params)))


def _only(contexts: Sequence[Channel | Actor]) -> Channel | None:
    """Over a pipe nothing says which call is meant: the newest, as long as all of them are of one client.

    The context of a call that has no channel is its client: what a server says may be meant for that one.
    """
    clients = {context.id if isinstance(context, Actor) else context.client for context in contexts}
    channels = [context for context in contexts if not isinstance(context, Actor)]
    return channels[-1] if channels and len(clients) == 1 else None
