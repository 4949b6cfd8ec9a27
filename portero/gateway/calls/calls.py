"""Calls on upstreams: one way in for tools, resources, prompts and completion, and one way to put the answers."""

import time
from collections.abc import Awaitable
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from opentelemetry.trace import SpanKind

from handlers.calls.continued import Continued
from handlers.calls.outcomes import Done
from handlers.calls.questions import asks
from handlers.calls.requests import Answer, CallRequest, Pending, Refused
from portero.domain.patterns import policy_name
from portero.domain.values import Kind, ToolFacts
from portero.errors import (
    DENIED,
    INVALID_PARAMS,
    PENDING_APPROVAL,
    Invalid,
    RpcError,
)
from portero.gateway import texts
from portero.gateway.calls.answers import NO_SUGGESTIONS, completes_nothing, count, failure
from portero.gateway.calls.backchannel import Channels, ClientChannel
from portero.gateway.calls.continuing import Continuing, with_state
from portero.gateway.calls.deferring import POLL_INTERVAL_MS, Deferring
from portero.gateway.calls.parking import PREFIX as PARKED
from portero.gateway.calls.parking import Asking, Parking
from portero.gateway.calls.taskids import task_id
from portero.gateway.calls.tasks import ttl_ms
from portero.gateway.calls.upstream_tasks import UpstreamTasks
from portero.gateway.exchange.reply import Reply
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.services import Services
from portero.gateway.times import iso
from portero.telemetry import SPAN_CALL, span, traceparent, tracing
from portero.upstream import Tool

NO_FACTS: Final = ToolFacts()


class Asked(Struct, frozen=True):
    """What is asked of an upstream. ``arguments`` is a JSON object, ``extra`` one or None."""

    kind: Kind
    upstream: str
    name: str
    arguments: bytes
    extra: bytes | None = None
    facts: ToolFacts = NO_FACTS


class Calls:
    """Hands calls to the write side and turns what comes of them into results."""

    def __init__(
        self,
        services: Services,
        results: Results,
        channels: Channels,
        parking: Parking,
        *,
        deferring: Deferring,
        tasks: UpstreamTasks,
    ) -> None:
        self._services = services
        self._results = results
        self._channels = channels
        self._parking = parking
        self._deferring = deferring
        self._continuing = Continuing(services)
        self._tasks = tasks

    def tools_call(self, request: Request, tool: Tool, arguments: bytes) -> Awaitable[bytes]:
        """``tools/call`` on an upstream's tool."""
        if request.modern and tool.header_map:
            from portero.gateway.exchange import disorder

            disorder.check_param_headers(tool.definition, arguments, request.headers)
        return self.tool(request, tool, arguments)

    async def tool(self, request: Request, tool: Tool, arguments: bytes) -> bytes:
        """The result of a call on a tool: the upstream's, or what the policy has to say."""
        asked = Asked(Kind.TOOL, tool.server, tool.name, arguments, request.rest("name", "arguments"), tool.facts)
        answer = await self._call(request, asked)
        if isinstance(answer, Done):
            return await self.finished(request, tool.canonical, arguments, answer)
        if isinstance(answer, Pending):
            return self._pending(request, answer, tool)
        if isinstance(answer, Refused):
            text = texts.refused(tool.canonical, answer.reason)
            return self._results.text(text, modern=request.modern, is_error=True)
        if isinstance(answer, Asking):
            return self._results.own(answer.members, modern=True)
        raise failure(answer, modern=request.modern)

    async def finished(self, request: Request, tool: str, arguments: bytes, answer: Done) -> bytes:
        """The result of a call on a tool, for who waited for it and for who fetches it later."""
        result = await self._shown(request, tool, arguments, answer)
        return self._tasks.passed_on(request, answer.call, tool, result)

    async def other(self, request: Request, asked: Asked) -> bytes:
        """The result of reading a resource, getting a prompt or completing an argument."""
        answer = await self._call(request, asked)
        target = policy_name(asked.kind, asked.upstream, asked.name)
        if isinstance(answer, Done):
            result = await self._shown(request, target, asked.arguments, answer)
            return self._results.upstream(result, modern=request.modern, cached=asked.kind is Kind.RESOURCE)
        if isinstance(answer, Asking):
            return self._results.own(answer.members, modern=True)
        if isinstance(answer, Pending):
            members = self._pending_members(task_id(answer.call, answer.seq), target, answer)
            raise RpcError(PENDING_APPROVAL, members["message"], members)
        if isinstance(answer, Refused):
            raise RpcError(DENIED, texts.refused(target, answer.reason))
        if completes_nothing(asked.kind, answer):
            return self._results.upstream(NO_SUGGESTIONS, modern=request.modern)
        raise failure(answer, modern=request.modern)

    async def _shown(self, request: Request, target: str, arguments: bytes, answer: Done) -> bytes:
        """The result of a call, so that its client can go on with it where it asks something."""
        if request.modern and asks(answer.result):
            return await self._continuing.sealed(request, target, arguments, answer)
        return answer.result

    def _call(self, request: Request, asked: Asked) -> Awaitable[Answer | Asking]:
        if (token := request.progress_token()) is not None:
            request.reply.wants_progress(token)
        if "requestState" not in request.params or not request.modern:
            return self._begin(request, asked, None)
        state, target = request.text("requestState"), policy_name(asked.kind, asked.upstream, asked.name)
        if state.startswith(PARKED):
            return self._parking.resume(request, asked.kind, target, state)
        continued, own = self._continuing.opened(request.client, target, asked.arguments, state)
        return self._begin(request, replace(asked, extra=with_state(asked.extra, own)), continued)

    async def _begin(self, request: Request, asked: Asked, continued: Continued | None) -> Answer:
        channel = self._channels.of(request)
        to: Reply | ClientChannel = channel if channel is not None else request.reply
        call = CallRequest(
            client=request.client,
            kind=asked.kind,
            upstream=asked.upstream,
            name=asked.name,
            arguments=asked.arguments,
            facts=asked.facts,
            extra=asked.extra,
            trace=request.trace(),
            on_progress=to.progress if request.progress_token() is not None else None,
            channel=channel,
            precedent=continued,
        )
        timer = self._deferring.watch(asked.upstream, channel) if request.declares_tasks else None
        began = time.perf_counter()
        try:
            answer = await (self._traced(call) if tracing() else self._services.requests.call(call))
        except Invalid as error:  # nothing was written: what was asked means two things
            raise RpcError(INVALID_PARAMS, str(error)) from error
        finally:
            request.elsewhere += time.perf_counter() - began
            if timer is not None:
                timer.cancel()
            if channel is not None and channel.kept:
                self._parking.left(channel)
        count(asked.upstream, answer)
        return answer

    async def _traced(self, call: CallRequest) -> Answer:
        """The address of a resource is the client's own text."""
        tool = self._services.core.replacer.stored_text(policy_name(call.kind, call.upstream, call.name))
        with span(SPAN_CALL, parent=call.trace, kind=SpanKind.SERVER, attributes={"portero.tool": tool}):
            return await self._services.requests.call(replace(call, trace=traceparent()))

    # --- pending ----------------------------------------------------------------------------------------------------

    def _pending(self, request: Request, answer: Pending, tool: Tool) -> bytes:
        public = task_id(answer.call, answer.seq)
        if request.declares_tasks:
            return self._task(public, answer)
        members = self._pending_members(public, tool.canonical, answer)
        promised = (request.client, tool.canonical) in self._services.promised
        return self._results.document(members, modern=request.modern, is_error=promised)

    def _pending_text(self, public: str, answer: Pending) -> str:
        return texts.pending(public, answer.call, self._services.options.approve_hint, answer.expires_at)

    def _pending_members(self, public: str, tool: str, answer: Pending) -> dict[str, Any]:
        return {
            "status": "pending-approval",
            "taskId": public,
            "task_id": public,
            "toolName": tool,
            "expiresAt": iso(answer.expires_at),
            "message": self._pending_text(public, answer),
        }

    def _task(self, public: str, answer: Pending) -> bytes:
        """The answer to a client that knows tasks. The task is on the log already."""
        at, hint, now = iso(answer.requested_at), self._services.options.approve_hint, self._services.core.clock()
        return self._results.own(
            {
                "resultType": "task",
                "taskId": public,
                "status": "working",
                "statusMessage": texts.waiting(answer.call, hint, answer.requested_at, answer.expires_at, now),
                "createdAt": at,
                "lastUpdatedAt": at,
                "ttlMs": ttl_ms(self._services.core, answer.requested_at, answer.expires_at),
                "pollIntervalMs": POLL_INTERVAL_MS,
            },
            modern=True,
        )
