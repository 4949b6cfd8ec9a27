"""Tasks that upstreams make themselves: passed through, each under an id that belongs to the client that got it.

The id holds all that is needed to find the task again, so every replica serves it, after any restart: where each
replica runs a server of its own, also which one has the task. It is sealed for its client.
"""

import base64
import binascii
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from portero.domain.call import Call
from portero.domain.ids import CallId, ClientId, ReplicaId
from portero.domain.values import Action
from portero.errors import (
    DENIED,
    INVALID_PARAMS,
    UPSTREAM_UNAVAILABLE,
    CallError,
    RpcError,
    UpstreamError,
    UpstreamRefused,
)
from portero.gateway import texts, wire
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.services import Services

PURPOSE: Final = "upstream task"
PREFIX: Final = "u."
NO_TASK: Final = "There is no such task."
CANCEL: Final = "tasks/cancel"

_members = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)


class _Task(Struct, array_like=True):
    """What an id holds. ``tool``: as policies know it; ``replica``: whose instance of the server has it, if any's."""

    upstream: str
    task: str
    tool: str
    replica: ReplicaId | None = None


_task = msgspec.json.Decoder(_Task)


class UpstreamTasks:
    """The tasks of upstreams that know the extension."""

    def __init__(self, services: Services, results: Results) -> None:
        self._services = services
        self._results = results

    def adopted(self, client: ClientId, tool: str, call: CallId, upstream: str, result: bytes) -> bytes:
        """A result that makes a task, with the id under which the client finds it here; any other as it is."""
        if b'"task"' not in result:
            return result
        members = _members.decode(result)
        if bytes(members.get("resultType", b"")) != b'"task"' or "taskId" not in members:
            return result
        task = _Task(upstream, _text.decode(members["taskId"]), tool, self._instance(upstream, call))
        members["taskId"] = Raw(wire.encode(self._public(client, task)))
        return wire.encode(members)

    def in_task(self, call: Call, result: bytes) -> str | None:
        """What a task of ours comes to whose server has made one of its own: a task cannot end as another."""
        adopted = self.adopted(call.client, call.tool, call.id, call.upstream, result)
        if adopted is result:
            return None
        return texts.ENTRUSTED.format(task=_text.decode(_members.decode(adopted)["taskId"]))

    def _public(self, client: ClientId, task: _Task) -> str:
        body = base64.urlsafe_b64encode(msgspec.json.encode(task)).rstrip(b"=").decode()
        return PREFIX + self._services.sealer.sealed(PURPOSE, client, body)

    def _instance(self, upstream: str, call: CallId) -> ReplicaId | None:
        """A call that was parked may have run on another replica than the one that answers for it."""
        instance = self._services.passing.instance(upstream)
        state = self._services.core.view.calls.get(call)
        if instance is None or state is None or state.execution is None:
            return instance
        return state.execution.replica

    async def ask(self, request: Request) -> bytes | None:
        """The upstream's answer to a ``tasks/…`` request, or None when the id is not of an upstream's task.

        A denial of the tool that made it holds for the task too, but it can always be cancelled.
        """
        public = request.text("taskId")
        if not public.startswith(PREFIX):
            return None
        request.require_tasks()
        task = self._resolved(request.client, public)
        core = self._services.core
        verdict = core.decide_policy(task.tool, request.client, core.clock())
        if verdict.action is Action.DENY and request.method != CANCEL:
            raise RpcError(DENIED, texts.refused(task.tool, verdict.reason))
        params: dict[str, Any] = {"taskId": task.task}
        if "inputResponses" in request.params:
            params["inputResponses"] = Raw(request.object("inputResponses"))
        try:
            result = await self._services.passing.request(
                task.upstream, request.method, wire.encode(params), request.capabilities, task.replica
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

    def _resolved(self, client: ClientId, public: str) -> _Task:
        body = self._services.sealer.opened(PURPOSE, client, public.removeprefix(PREFIX))
        try:
            if body is not None:
                return _task.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, msgspec.DecodeError):  # of another release
            pass
        raise RpcError(INVALID_PARAMS, NO_TASK)
