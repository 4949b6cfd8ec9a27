"""Results of the newer era that ask the client before there is a result, and the calls that go on with its answers.

Each round is a call of its own towards the upstream, which keeps nothing between them. Here they are one: who comes
back with the state that we sealed goes on under the decision that was made at first. A denial since then still holds,
and a state works once.
"""

import base64
import binascii
import hashlib
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from handlers.calls.continued import Continued
from handlers.calls.outcomes import Done
from handlers.calls.questions import check_declared, read
from portero.domain.ids import CallId, ClientId, Millis
from portero.errors import INVALID_PARAMS, RpcError
from portero.gateway.exchange.request import Request
from portero.gateway.services import Services

PURPOSE: Final = "continued call"
PREFIX: Final = "c:"
STATE_MS: Final = 45 * 60_000
"""How long a client may take: the store remembers for an hour whether a call was gone on with already."""
WORD: Final = Raw(b'"input_required"')

_members = msgspec.json.Decoder(dict[str, Raw])


class _State(Struct, array_like=True):
    """What is sealed. ``digest``: of what was asked for; ``state``: the JSON of the upstream's own, or nothing."""

    call: CallId
    version: int
    expires_at: Millis
    digest: str
    state: str = ""


_state = msgspec.json.Decoder(_State)
_any = msgspec.json.Decoder()


class Continuing:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def sealed(self, request: Request, target: str, arguments: bytes, answer: Done) -> bytes:
        """The result with a state of ours in the place of the upstream's, if it asks something; else as it is.

        Raises RpcError when it asks what this client has not declared with this request that it can be asked.
        """
        questions = read(answer.result)
        if questions is None or not questions.goes_on:
            return answer.result
        check_declared(target.partition("/")[0], request.capabilities, questions.asked)
        members, client = _members.decode(answer.result), request.client
        members["resultType"] = WORD
        core = self._services.core
        await core.catch_up()
        call = core.view.calls.get(answer.call)
        if call is None or (call.dialogue is not None and call.dialogue.continued_by is not None):
            raise RpcError(INVALID_PARAMS, "The call asked something, and has been gone on with. Begin it again.")
        expires_at = Millis(core.clock() + STATE_MS)
        own = bytes(members.get("requestState", b"")).decode()
        state = _State(call.id, call.version, expires_at, self._digest(target, arguments), own)
        body = base64.urlsafe_b64encode(msgspec.json.encode(state)).decode()
        members["requestState"] = Raw(msgspec.json.encode(PREFIX + self._services.sealer.sealed(PURPOSE, client, body)))
        return msgspec.json.encode(members)

    def opened(self, client: ClientId, target: str, arguments: bytes, text: str) -> tuple[Continued, str]:
        """What goes on, and the JSON of the upstream's own state, or nothing. Raises RpcError."""
        body = self._services.sealer.opened(PURPOSE, client, text.removeprefix(PREFIX)) if text[:2] == PREFIX else None
        try:
            state = _state.decode(base64.urlsafe_b64decode(body)) if body is not None else None
        except (binascii.Error, msgspec.DecodeError):
            state = None
        if state is None:
            raise RpcError(INVALID_PARAMS, "The requestState is not one of this server's. Begin the call again.")
        if state.expires_at <= self._services.core.clock():
            raise RpcError(INVALID_PARAMS, "The requestState is too old. Begin the call again.")
        if state.digest != self._digest(target, arguments):
            raise RpcError(INVALID_PARAMS, "The requestState belongs to a call with other arguments. Repeat those.")
        return Continued(state.call, state.version), state.state

    def _digest(self, target: str, arguments: bytes) -> str:
        """The same for the same arguments, in whatever order a client writes them down again."""
        stored: Any = _any.decode(self._services.core.replacer.to_fake_stored(arguments))
        return hashlib.sha256(target.encode() + b"\0" + msgspec.json.encode(stored, order="sorted")).hexdigest()


def with_state(extra: bytes | None, state: str) -> bytes | None:
    """The rest of a request's params with the upstream's own state in the place of ours."""
    members = _members.decode(extra) if extra is not None else {}
    members.pop("requestState", None)
    if state:
        members["requestState"] = Raw(state.encode())
    return msgspec.json.encode(members) if members else None
