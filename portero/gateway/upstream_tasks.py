"""Tasks that upstreams make themselves: passed through, each under an id that belongs to the client that got it.

The id holds all that is needed to find the task again, so every replica serves it, after any restart. It is signed for
its client with a key that only the replicas of one log know.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any, Final

import msgspec
from msgspec import Raw

from portero.domain.ids import ClientId
from portero.errors import INVALID_PARAMS, UPSTREAM_UNAVAILABLE, CallError, RpcError, UpstreamError, UpstreamRefused
from portero.gateway import wire
from portero.gateway.request import Request
from portero.gateway.results import Results
from portero.gateway.services import Services

PREFIX: Final = "u."
MAC_BYTES: Final = 16

_members = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)
_pair = msgspec.json.Decoder(tuple[str, str])


class UpstreamTasks:
    """The tasks of upstreams that know the extension."""

    def __init__(self, services: Services, results: Results) -> None:
        self._services = services
        self._results = results
        self._key = hashlib.sha256(f"portero upstream tasks {services.core.log.id}".encode()).digest()

    def adopted(self, client: ClientId, upstream: str, result: bytes) -> bytes:
        """A result that makes a task, with the id under which the client finds it here; any other as it is."""
        if b'"task"' not in result:
            return result
        members = _members.decode(result)
        if bytes(members.get("resultType", b"")) != b'"task"' or "taskId" not in members:
            return result
        members["taskId"] = Raw(wire.encode(self._public(client, upstream, _text.decode(members["taskId"]))))
        return wire.encode(members)

    async def ask(self, request: Request) -> bytes | None:
        """The upstream's answer to a ``tasks/…`` request, or None when the id is not of an upstream's task."""
        public = request.text("taskId")
        if not public.startswith(PREFIX):
            return None
        request.require_tasks()
        upstream, task = self._resolved(request.client, public)
        params: dict[str, Any] = {"taskId": task}
        if "inputResponses" in request.params:
            params["inputResponses"] = Raw(request.object("inputResponses"))
        try:
            result = await self._services.passing.request(
                upstream, request.method, wire.encode(params), request.capabilities
            )
        except UpstreamRefused as refused:
            data = Raw(refused.data) if refused.data is not None else None
            raise CallError(refused.code, refused.message, data) from refused
        except UpstreamError as error:
            raise CallError(UPSTREAM_UNAVAILABLE, str(error)) from error
        members = _members.decode(result)
        if "taskId" in members:
            members["taskId"] = Raw(wire.encode(public))
        return self._results.upstream(wire.encode(members), modern=True)

    # --- ids --------------------------------------------------------------------------------------------------------

    def _public(self, client: ClientId, upstream: str, task: str) -> str:
        body = base64.urlsafe_b64encode(wire.encode([upstream, task])).rstrip(b"=")
        return f"{PREFIX}{body.decode()}.{self._mac(client, body)}"

    def _resolved(self, client: ClientId, public: str) -> tuple[str, str]:
        body, _, mac = public.removeprefix(PREFIX).partition(".")
        if not public.isascii() or not hmac.compare_digest(mac, self._mac(client, body.encode())):
            raise RpcError(INVALID_PARAMS, "There is no such task.")
        try:
            return _pair.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, msgspec.DecodeError) as error:
            raise RpcError(INVALID_PARAMS, "There is no such task.") from error

    def _mac(self, client: ClientId, body: bytes) -> str:
        signed = hmac.new(self._key, client.encode() + b"\0" + body, hashlib.sha256)
        return signed.hexdigest()[: 2 * MAC_BYTES]
