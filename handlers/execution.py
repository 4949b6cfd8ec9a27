"""Approved calls: claimed from the work stream, checked once more, started at a fence, and run."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import structlog

from handlers.asking import TaskChannel
from handlers.core import Core
from handlers.inquiries import Inquiries
from handlers.outcomes import Execution, error_text
from handlers.running import Runner
from portero.domain import call as calls
from portero.domain.commands import Deny, RecordFailure, StartExecution
from portero.domain.digest import call_digest
from portero.domain.events import CallEvent, Recorded
from portero.domain.ids import LOCK_AGGREGATE, Aggregate, CallId, Millis, Seq, call_aggregate, split_aggregate
from portero.domain.patterns import policy_name
from portero.domain.values import SYSTEM, Action, Actor, Kind, Status
from portero.errors import LOG_UNAVAILABLE, UPSTREAM_UNAVAILABLE, LogUnavailable, LogUncertain, PorteroError
from portero.log import Pointer, Write
from portero.upstream import Upstreams

logger = structlog.get_logger()

T = TypeVar("T")

UPSTREAM_WAIT_SECONDS: Final = 60.0
"""How long an approved call waits for an upstream that is starting or away before it ends as an error, unsent."""


class Executions:
    """The consumer of the ``execution`` work stream. One instance per process."""

    def __init__(self, core: Core, runner: Runner, upstreams: Upstreams, inquiries: Inquiries) -> None:
        self._core = core
        self._runner = runner
        self._upstreams = upstreams
        self._inquiries = inquiries
        self._tasks: set[asyncio.Task[Any]] = set()
        self._uncertain: set[CallId] = set()
        """Calls whose start we wrote without learning whether it stands: nothing of them was sent."""

    async def handle(self, pointer: Pointer) -> None:
        """Starts the call a pointer names, unless it is not waiting for that any more.

        Returns once the start is on the log: from there the lease covers it, so the pointer may be acknowledged.
        Cancelling it does not part a start from its run.
        """
        core = self._core
        call = CallId(split_aggregate(pointer.aggregate)[1])
        await core.reach(pointer.seq)
        while (state := self._to_start(call)) is not None:
            if core.view.locked is not None and call not in self._uncertain:
                await self._unlocked(pointer.aggregate)
                continue
            await self._upstreams.connected(state.upstream, UPSTREAM_WAIT_SECONDS)
            arguments = await self._arguments(state)
            if await asyncio.shield(self._begin(self._start(call, arguments, pointer.seq), f"start {call}")):
                return

    async def gave_up(self, pointer: Pointer, reason: str) -> None:
        """A call that cannot be started ends as an error, so that nobody waits for it for ever."""
        core = self._core
        call = CallId(split_aggregate(pointer.aggregate)[1])

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(call)
            if state is None or state.status is not Status.QUEUED:
                return ()
            message = f"Portero could not start it ({reason}); nothing was sent."
            return (_write(state, _unsent(state, LOG_UNAVAILABLE, message), now),)

        await core.catch_up()
        await core.commit(build, actor=SYSTEM, cause=pointer.seq, urgent=True)

    async def drain(self, timeout: float) -> None:
        """Waits for the calls that start or are under way, at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self._tasks and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait(self._tasks, timeout=left)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _to_start(self, call: CallId) -> calls.Call | None:
        """The call, while there is something to be done about its start."""
        state = self._core.view.calls.get(call)
        if state is None or (state.status is not Status.QUEUED and call not in self._uncertain):
            return None
        return state

    def _is_unsent(self, state: calls.Call) -> bool:
        """We wrote that it starts without learning that, so it is not under way."""
        ours = state.status is Status.EXECUTING and state.replica == self._core.log.replica
        return ours and state.id in self._uncertain

    async def _unlocked(self, call: Aggregate) -> None:
        """Until the lock ends, or something else becomes of the call: a lock freezes what was approved, no more."""
        woken = asyncio.Event()

        def seen(recorded: Recorded[Any]) -> None:
            if recorded.aggregate in {LOCK_AGGREGATE, call}:
                woken.set()

        end = self._core.view.subscribe(seen)
        try:
            await woken.wait()
        finally:
            end()

    async def _start(self, call: CallId, arguments: bytes | None, cause: Seq) -> bool:
        """False when it has to wait once more: a lock came first."""
        core = self._core
        started: calls.Call | None = None
        locked = False

        def build(now: Millis) -> tuple[Write, ...]:
            nonlocal started, locked
            started, locked = None, False
            state = core.view.calls.get(call)
            if state is not None and self._is_unsent(state):
                return (_write(state, _unsent(state, LOG_UNAVAILABLE, "The log was away; nothing was sent."), now),)
            if state is None or state.status is not Status.QUEUED:
                return ()
            locked = core.view.locked is not None
            if locked:
                return ()
            refusal = self._refusal(state, arguments, now)
            if refusal is not None:
                return (_write(state, refusal, now),)
            retry_safe = core.retry_lost and bool(state.facts.read_only or state.facts.idempotent)
            command = StartExecution(core.log.replica, Millis(now + core.lease_ms), retry_safe)
            events = tuple(calls.decide(state, command, now))
            after = calls.preview(state, events, now, SYSTEM)
            if after.status is not Status.EXECUTING:
                return (_ends(state, events),)
            started = after
            return (Write(call_aggregate(call), state.version, events, timer=started.lease_until),)

        try:
            appended = await core.commit(build, actor=SYSTEM, cause=cause)
        except LogUncertain:
            self._uncertain.add(call)
            raise
        self._uncertain.discard(call)
        if started is not None and appended is not None:
            self._run(started, arguments, appended.last)
        return not locked

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
                message = f"{state.upstream} is not connected or no longer has {state.name}; nothing was sent."
                return _unsent(state, UPSTREAM_UNAVAILABLE, message)
            definition = tool.facts.definition
        if not state.asked:  # it was allowed, and runs again because a person has said so
            return None
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
            channel=TaskChannel(started.id, started.client, started.approval, self._inquiries)
            if started.approval is not None and started.approval.capabilities is not None
            else None,
            requester=Actor("client", started.client),
        )
        self._begin(self._run_one(execution), f"call {started.id}")

    async def _run_one(self, execution: Execution) -> None:
        try:
            await self._runner.run(execution)
        except LogUnavailable as error:
            logger.warning("outcome not recorded in time", call=execution.call, error=str(error))
        except PorteroError:
            logger.exception("execution failed in Portero itself", call=execution.call)

    def _begin(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _unsent(state: calls.Call, code: int, message: str) -> RecordFailure:
    return RecordFailure(state.attempt, error_text(code, message), sent=False, duration_ms=0)


def _write(state: calls.Call, command: Deny | RecordFailure, now: Millis) -> Write:
    """The end of a call that does not run."""
    return _ends(state, tuple(calls.decide(state, command, now)))


def _ends(state: calls.Call, events: tuple[CallEvent, ...]) -> Write:
    return Write(call_aggregate(state.id), state.version, events, timer=None, work=("notification",), ends=True)
