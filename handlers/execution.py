"""Approved calls: claimed from the work stream, checked once more, started at a fence, and run."""

import asyncio
from typing import Final

import structlog

from handlers.core import Core
from handlers.outcomes import Execution, error_text
from handlers.running import Runner
from portero.domain import call as calls
from portero.domain.commands import Deny, RecordFailure, StartExecution
from portero.domain.digest import call_digest
from portero.domain.ids import CallId, Millis, Seq, call_aggregate, split_aggregate
from portero.domain.patterns import policy_name
from portero.domain.values import SYSTEM, Action, Actor, Kind, Status
from portero.errors import UPSTREAM_UNAVAILABLE, LogUnavailable, PorteroError
from portero.log import Pointer, Write
from portero.upstream import Upstreams

logger = structlog.get_logger()

UPSTREAM_WAIT_SECONDS: Final = 60.0
"""How long an approved call waits for an upstream that is starting or away before it ends as an error, unsent."""


class Executions:
    """The consumer of the ``execution`` work stream. One instance per process."""

    def __init__(self, core: Core, runner: Runner, upstreams: Upstreams) -> None:
        self._core = core
        self._runner = runner
        self._upstreams = upstreams
        self._running: set[asyncio.Task[None]] = set()

    async def handle(self, pointer: Pointer) -> None:
        """Starts the call a pointer names, unless it is not waiting for that any more.

        Returns once the start is on the log: from there the lease covers it, so the pointer may be acknowledged.
        """
        core = self._core
        call = CallId(split_aggregate(pointer.aggregate)[1])
        await core.view.wait_for(pointer.seq, 5.0)
        state = core.view.calls.get(call)
        if state is None or state.status is not Status.QUEUED:
            return
        await self._upstreams.connected(state.upstream, UPSTREAM_WAIT_SECONDS)
        arguments = await self._arguments(state)
        started: calls.Call | None = None

        def build(now: Millis) -> tuple[Write, ...]:
            nonlocal started
            started = None
            state = core.view.calls.get(call)
            if state is None or state.status is not Status.QUEUED:
                return ()
            refusal = self._refusal(state, arguments, now)
            if refusal is not None:
                events = tuple(calls.decide(state, refusal, now))
                return (Write(call_aggregate(call), state.version, events, timer=None, work=("notification",)),)
            command = StartExecution(core.log.replica, Millis(now + core.lease_ms), state.retry_safe)
            events = tuple(calls.decide(state, command, now))
            started = calls.preview(state, events, now, SYSTEM)
            return (Write(call_aggregate(call), state.version, events, timer=started.lease_until),)

        appended = await core.commit(build, actor=SYSTEM, cause=pointer.seq)
        if started is not None and appended is not None:
            self._run(started, arguments, appended.last)

    async def drain(self, timeout: float) -> None:
        """Waits for the calls under way, at most ``timeout`` seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)

    # --- parts ------------------------------------------------------------------------------------------------------

    async def _arguments(self, state: calls.Call) -> bytes | None:
        """The stored arguments, or None when they were kept beside the log and their time is over."""
        if state.arguments_blob is None:
            return state.arguments.encode()
        return await self._core.log.blob(state.arguments_blob)

    def _refusal(self, state: calls.Call, arguments: bytes | None, now: Millis) -> Deny | RecordFailure | None:
        """Why an approved call must not run after all: what was approved is not what would run, or no longer wanted."""
        core = self._core
        if arguments is None:
            return Deny(SYSTEM, "Its arguments are no longer kept. Ask again.")
        name = policy_name(state.kind, state.upstream, state.name)
        verdict = core.decide_policy(name, state.client, now)
        if verdict.action is Action.DENY:
            return Deny(SYSTEM, "Denied by policy since it was approved.", verdict.reason.rule)
        definition = ""
        if state.kind is Kind.TOOL:
            tool = self._upstreams.catalogue.resolve(name)
            if tool is None:
                return _unsent(
                    state, f"{state.upstream} is not connected or no longer has {state.name}; nothing was sent."
                )
            definition = tool.facts.definition
        digest = call_digest(name, arguments.decode(), state.extra, definition, core.replacer.digest)
        if digest != state.digest:
            return Deny(SYSTEM, "The tool or the replacements changed since it was approved. Ask again.")
        return None

    def _run(self, started: calls.Call, arguments: bytes | None, seq: Seq) -> None:
        execution = Execution(
            started.id,
            started.kind,
            started.upstream,
            started.name,
            arguments or b"",
            started.extra.encode() if started.extra else None,
            version=started.version,
            attempt=started.attempt,
            retry_safe=started.retry_safe,
            asked=True,
            cause=seq,
            requester=Actor("client", started.client),
        )
        task = asyncio.create_task(self._run_one(execution), name=f"call {started.id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run_one(self, execution: Execution) -> None:
        try:
            await self._runner.run(execution)
        except LogUnavailable as error:
            logger.warning("outcome not recorded in time", call=execution.call, error=str(error))
        except PorteroError:
            logger.exception("execution failed in Portero itself", call=execution.call)


def _unsent(state: calls.Call, message: str) -> RecordFailure:
    return RecordFailure(state.attempt, error_text(UPSTREAM_UNAVAILABLE, message), sent=False, duration_ms=0)
