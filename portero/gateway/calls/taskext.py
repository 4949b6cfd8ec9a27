"""The Tasks extension: an approval as a task that the client's own machinery follows.

Source: ``io.modelcontextprotocol/tasks``, version 2026-07-28. A denial or an expiry is a completed task whose result
says so with ``isError``; ``failed`` is kept for JSON-RPC errors.
"""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from handlers.calls.outcomes import failure_of
from handlers.calls.questions import asks
from portero.domain.call import Call
from portero.domain.ids import ClientId
from portero.domain.values import Actor, Kind, Status
from portero.errors import INVALID_PARAMS, AlreadyDecided, RpcError
from portero.gateway import texts
from portero.gateway.calls.answers import failure
from portero.gateway.calls.deferring import POLL_INTERVAL_MS
from portero.gateway.calls.following import Following
from portero.gateway.calls.parking import take_answers
from portero.gateway.calls.tasks import Tasks, updated_at
from portero.gateway.calls.upstream_tasks import UpstreamTasks
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import COMPLETE, Results
from portero.gateway.services import Services
from portero.gateway.times import iso

UNKNOWN_TASK: Final = "There is no such task."

_ENDED_WITHOUT_RUNNING: Final = frozenset({Status.DENIED, Status.EXPIRED, Status.UNKNOWN})

_members = msgspec.json.Decoder(dict[str, Raw])


class TaskExtension:
    """``tasks/get``, ``tasks/update``, ``tasks/cancel``, and the notices of what happens to tasks."""

    def __init__(self, services: Services, results: Results, tasks: Tasks, upstreams: UpstreamTasks) -> None:
        self._services = services
        self._results = results
        self._tasks = tasks
        self._upstreams = upstreams

    async def get(self, request: Request) -> bytes:
        if (answer := await self._upstreams.ask(request)) is not None:
            return answer
        call = await self._find(request)
        self._tasks.mark_read(call)
        return self._results.own(await self._detailed(call, request.text("taskId")), modern=True)

    async def update(self, request: Request) -> bytes:
        """Takes answers to what the upstream asks; those to what was never asked are to be ignored."""
        if (answer := await self._upstreams.ask(request)) is not None:
            return answer
        call = await self._find(request)
        await take_answers(self._services.inquiries, request, call.id)
        return self._results.own({}, modern=True)

    async def cancel(self, request: Request) -> bytes:
        """A task that has ended stays as it is, and the wish is acknowledged all the same."""
        if (answer := await self._upstreams.ask(request)) is not None:
            return answer
        call = await self._find(request)
        by = Actor("client", request.client)
        with contextlib.suppress(AlreadyDecided):
            await self._services.decisions.cancel(call.id, by, reason="the client cancelled the task")
        return self._results.own({}, modern=True)

    async def _find(self, request: Request) -> Call:
        request.require_tasks()
        call = await self._tasks.find(request.client, request.text("taskId"))
        if call is None:
            raise RpcError(INVALID_PARAMS, UNKNOWN_TASK)
        return call

    # --- notices ----------------------------------------------------------------------------------------------------

    async def known(self, client: ClientId, ids: Iterable[str]) -> dict[str, str]:
        """Those of the ids that are the client's tasks: public id by call id."""
        found = {}
        for public in ids:
            call = await self._tasks.find(client, public)
            if call is not None:
                found[str(call.id)] = public
        return found

    def following(self, request: Request, tell: Callable[[str], None]) -> Following:
        """What the stream of a request needs to tell of tasks that upstreams have made."""
        return Following(self._upstreams, request.client, request.capabilities, tell)

    async def notice(self, client: ClientId, public: str) -> dict[str, Any] | None:
        call = await self._tasks.find(client, public)
        return await self._detailed(call, public) if call is not None else None

    # --- a task in the extension's words ----------------------------------------------------------------------------

    async def _detailed(self, call: Call, public: str) -> dict[str, Any]:
        services = self._services
        result = await self._tasks.result(call)
        said = texts.RAN if result is not None else self._tasks.for_people(call)
        status: str
        more: dict[str, Any]
        if call.finished:
            status, more = self._ended(call, result, said)
        elif call.questions:
            status, more = "input_required", {"inputRequests": await services.inquiries.shown(call.questions)}
        else:
            status, more = "working", {}
        return {
            "taskId": public,
            "status": status,
            "statusMessage": said,
            "createdAt": iso(call.requested_at),
            "lastUpdatedAt": iso(updated_at(call)),
            "ttlMs": self._tasks.ttl_ms(call),
            "pollIntervalMs": POLL_INTERVAL_MS,
            **more,
        }

    def _ended(self, call: Call, result: bytes | None, said: str) -> tuple[str, dict[str, Any]]:
        if call.status is Status.CANCELLED:
            return "cancelled", {}
        if call.status is Status.ERROR:
            error = failure(failure_of(call), modern=True)
            data = {"data": error.data} if error.data is not None else {}
            return "failed", {"error": {"code": error.code, "message": str(error), **data}}
        return "completed", {"result": Raw(self._result(call, result, said))}

    def _result(self, call: Call, result: bytes | None, said: str) -> bytes:
        if result is None:
            result = self._results.text(said, modern=False, is_error=call.status in _ENDED_WITHOUT_RUNNING)
        elif call.kind is not Kind.TOOL:
            result = self._results.text(result.decode(), modern=False)
        elif (entrusted := self._upstreams.in_task(call, result)) is not None:
            result = self._results.text(entrusted, modern=False)
        elif asks(result):
            result = self._results.text(texts.ASKS, modern=False)
        return _typed(result)


def _typed(result: bytes) -> bytes:
    """A result inside a task says its type as it does outside of one: the official client takes it for none without."""
    return msgspec.json.encode({"resultType": Raw(COMPLETE), **_members.decode(result)})
