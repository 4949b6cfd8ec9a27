"""Tasks that upstreams make themselves: passed through, each under an id that belongs to the client that got it.

The id holds all that is needed to find the task again, so every replica serves it, after any restart: where each
replica runs a server of its own, also which one has the task. It is sealed for its client.
"""

import base64
import binascii
from collections.abc import Awaitable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from handlers.between.tending import GET, Said, UpstreamTask
from handlers.calls.outcomes import Done
from handlers.calls.questions import check_declared, makes_task, of_task
from handlers.calls.requests import Refused
from portero.domain.call import Call
from portero.domain.ids import CallId, ClientId, ReplicaId
from portero.domain.values import Action, Kind
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
from portero.gateway.calls.answers import count, failure, modern_error
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.services import Services

PURPOSE: Final = "upstream task"
PREFIX: Final = "u."
NO_TASK: Final = "There is no such task."
SAYING: Final = {"tasks/update": Kind.TASK_UPDATE, "tasks/cancel": Kind.TASK_CANCEL}

T = TypeVar("T")

_members = msgspec.json.Decoder(dict[str, Raw])
_text = msgspec.json.Decoder(str)
_task = msgspec.json.Decoder(UpstreamTask)


class UpstreamTasks:
    """The tasks of upstreams that know the extension."""

    def __init__(self, services: Services, results: Results) -> None:
        self._services = services
        self._results = results

    # --- made -------------------------------------------------------------------------------------------------------

    def passed_on(self, request: Request, call: CallId, tool: str, result: bytes) -> bytes:
        """The upstream's result of a call on a tool.

        Where it makes a task, its id is the one under which the client finds it here; who has not declared that it
        knows tasks is told in words. The official clients would take such a result for an empty one.
        """
        if not makes_task(result):
            return self._results.upstream(result, modern=request.modern)
        adopted = self._adopted(request.client, tool, call, result) if request.declares_tasks else None
        if adopted is None:
            return self._results.text(texts.UNFOLLOWED, modern=request.modern, is_error=True)
        return self._results.upstream(wire.encode(adopted), modern=True)

    def _adopted(self, client: ClientId, tool: str, call: CallId, result: bytes) -> dict[str, Raw] | None:
        """A result that makes a task, with an id of ours; None where it has none."""
        members, upstream = _members.decode(result), tool.partition("/")[0]
        try:
            theirs = _text.decode(members.get("taskId", b""))
        except msgspec.DecodeError:
            return None
        task = UpstreamTask(upstream, theirs, tool, call, self._instance(upstream, call))
        return members | {"taskId": Raw(wire.encode(self._public(client, task)))}

    def in_task(self, call: Call, result: bytes) -> str | None:
        """What a task of ours comes to whose server has made one of its own: a task cannot end as another."""
        if not makes_task(result):
            return None
        adopted = self._adopted(call.client, call.tool, call.id, result)
        return texts.UNFOLLOWED if adopted is None else texts.ENTRUSTED.format(task=_text.decode(adopted["taskId"]))

    def _public(self, client: ClientId, task: UpstreamTask) -> str:
        body = base64.urlsafe_b64encode(msgspec.json.encode(task)).rstrip(b"=").decode()
        return PREFIX + self._services.sealer.sealed(PURPOSE, client, body)

    def _instance(self, upstream: str, call: CallId) -> ReplicaId | None:
        """A call that was parked may have run on another replica than the one that answers for it."""
        instance = self._services.passing.instance(upstream)
        state = self._services.core.view.calls.get(call)
        if instance is None or state is None or state.execution is None:
            return instance
        return state.execution.replica

    # --- asked about ------------------------------------------------------------------------------------------------

    async def ask(self, request: Request) -> bytes | None:
        """The upstream's answer to a ``tasks/…`` request, or None when the id is not of an upstream's task.

        A denial of the tool that made it holds for the task too, but it can always be cancelled.
        """
        public = request.text("taskId")
        if not public.startswith(PREFIX):
            return None
        request.require_tasks()
        task = self._resolved(request.client, public)
        params = _params(task, request)
        if request.method == GET:
            members = await self._look(request.client, public, task, params, request.capabilities)
        else:
            said = self._services.tending.say(request.client, SAYING[request.method], task, params, request.trace())
            members = _members.decode(self._said(task, await _reached(said)))
        return self._results.upstream(wire.encode(members), modern=True)

    def knows(self, client: ClientId, public: str) -> bool:
        """Whether it is the id of a task that an upstream made for this client."""
        return public.startswith(PREFIX) and self._opened(client, public) is not None

    async def look(self, client: ClientId, public: str, capabilities: bytes) -> dict[str, Raw]:
        """How a task stands, as ``tasks/get`` says it to who declares this. Raises RpcError or LogError."""
        task = self._resolved(client, public)
        return await self._look(client, public, task, wire.encode({"taskId": task.task}), capabilities)

    async def _look(
        self, client: ClientId, public: str, task: UpstreamTask, params: bytes, capabilities: bytes
    ) -> dict[str, Raw]:
        core = self._services.core
        verdict = core.decide_policy(task.tool, client, core.clock())
        if verdict.action is Action.DENY:
            raise RpcError(DENIED, texts.refused(task.tool, verdict.reason))
        members = _members.decode(await _reached(self._services.tending.get(client, task, params, capabilities)))
        check_declared(task.upstream, capabilities, of_task(members))
        members["taskId"] = Raw(wire.encode(public))
        return members

    def _said(self, task: UpstreamTask, answer: Said) -> bytes:
        count(task.upstream, answer)
        if isinstance(answer, Done):
            return answer.result
        if isinstance(answer, Refused):
            raise RpcError(DENIED, texts.refused(task.tool, answer.reason))
        raise failure(answer, modern=True)

    def _resolved(self, client: ClientId, public: str) -> UpstreamTask:
        task = self._opened(client, public)
        if task is None:
            raise RpcError(INVALID_PARAMS, NO_TASK)
        return task

    def _opened(self, client: ClientId, public: str) -> UpstreamTask | None:
        body = self._services.sealer.opened(PURPOSE, client, public.removeprefix(PREFIX))
        if body is None:
            return None
        try:
            return _task.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (binascii.Error, msgspec.DecodeError):  # of another release
            return None


def _params(task: UpstreamTask, request: Request) -> bytes:
    """For the upstream: its own id, and whatever else the client says."""
    if "inputResponses" in request.params:
        request.object("inputResponses")
    rest = request.rest("taskId")
    return wire.encode({"taskId": task.task, **(_members.decode(rest) if rest is not None else {})})


async def _reached(asking: Awaitable[T]) -> T:
    """The upstream's answer. Raises RpcError where there is none."""
    try:
        return await asking
    except UpstreamRefused as refused:
        raise modern_error(refused.code, refused.message, refused.data) from refused
    except UpstreamError as error:
        raise CallError(UPSTREAM_UNAVAILABLE, str(error)) from error
