"""Approved calls: claimed from the work stream, checked once more, started at a fence, and run."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import attrs
import structlog

from handlers.calls.asking import TaskChannel
from handlers.calls.bridging import Channel
from handlers.calls.inquiries import Inquiries
from handlers.calls.kept import Params, params_of
from handlers.calls.outcomes import Execution
from handlers.calls.refusing import is_waited_for, unsent
from handlers.calls.running import Runner
from handlers.calls.starting import Start, ending
from handlers.core import Core
from handlers.owners.ownership import Ownership, Term
from portero.domain import call as calls
from portero.domain.events import Recorded
from portero.domain.ids import LOCK_AGGREGATE, Aggregate, CallId, Millis, Seq, call_aggregate, split_aggregate
from portero.domain.values import SYSTEM, Actor, Status
from portero.errors import LOG_UNAVAILABLE, LogUnavailable, LogUncertain, PorteroError
from portero.log import Pointer, Write
from portero.upstream import Upstreams

logger = structlog.get_logger()

T = TypeVar("T")

UPSTREAM_WAIT_SECONDS: Final = 60.0
"""How long an approved call waits for an upstream that is starting or away before it ends as an error, unsent."""


@attrs.frozen
class Waiting:
    """The client of a call, wherever it is: what it is told of progress, and the way to ask and tell it more."""

    on_progress: Callable[[bytes], None] | None
    channel: Channel | None


class Executions:
    """The consumer of the ``execution`` work stream. One instance per process."""

    def __init__(
        self,
        core: Core,
        runner: Runner,
        upstreams: Upstreams,
        inquiries: Inquiries,
        *,
        ownership: Ownership | None = None,
        waiting: Callable[[calls.Call], Waiting | None] = lambda _: None,
    ) -> None:
        """``ownership``: of the servers that this replica may run for all; ``waiting``: who waits for such a call."""
        self._ownership, self._waiting, self._inquiries = ownership, waiting, inquiries
        self._core = core
        self._runner = runner
        self._upstreams = upstreams
        self._tasks: set[asyncio.Task[Any]] = set()
        self._uncertain: set[CallId] = set()
        """Calls whose start we wrote without learning whether it stands: nothing of them was sent."""

    async def handle(self, pointer: Pointer) -> None:
        """Starts the call a pointer names, unless it is not waiting for that any more.

        Returns once the start is on the log: from there the lease covers it, so the pointer may be acknowledged.
        Cancelling it does not part a start from its run.
        """
        call = CallId(split_aggregate(pointer.aggregate)[1])
        await self._core.reach(pointer.seq)
        state = self._core.view.calls.get(call)
        if state is not None and self._ownership is not None and state.upstream in self._ownership:
            return  # its owner has seen the same on the log
        await self.bring(call, pointer.seq)

    async def bring(self, call: CallId, cause: Seq) -> Seq:
        """Starts a call that waits to be started, as soon as that can be.

        Returns where the log says what came of that, or ``cause`` when there was nothing to do.
        """
        core = self._core
        while (state := self._to_start(call)) is not None:
            if core.view.locked is not None and not is_waited_for(state) and call not in self._uncertain:
                await self._unlocked(call_aggregate(call))
                continue
            if is_waited_for(state):  # only as long as its server tries to start for the first time
                await self._upstreams.settled(UPSTREAM_WAIT_SECONDS, state.upstream)
            else:
                await self._upstreams.connected(state.upstream, UPSTREAM_WAIT_SECONDS)
            params = await params_of(core.log, state)
            done = await asyncio.shield(self._begin(self._start(call, params, cause), f"start {call}"))
            if done is not None:
                return done
        return cause

    async def gave_up(self, pointer: Pointer, reason: str) -> None:
        """A call that cannot be started ends as an error, so that nobody waits for it for ever."""
        await self.fail(CallId(split_aggregate(pointer.aggregate)[1]), pointer.seq, reason)

    async def fail(self, call: CallId, cause: Seq, reason: str) -> None:
        """Ends a call that waits to be started, and could not be."""
        core = self._core

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(call)
            if state is None or state.status is not Status.QUEUED:
                return ()
            message = f"Portero could not start it ({reason}); nothing was sent."
            return (ending(state, unsent(state, LOG_UNAVAILABLE, message), now),)

        await core.catch_up()
        await core.commit(build, actor=SYSTEM, cause=cause, urgent=True)

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

    async def _start(self, call: CallId, params: Params, cause: Seq) -> Seq | None:
        """As ``bring``; None when it has to wait once more: a lock came first."""
        core = self._core
        single, term = self._place(call)
        start = Start(core, self._upstreams.catalogue, call, params, single, term, call in self._uncertain)
        if term is not None:
            term.enter()
        try:
            appended = await core.commit(start.build, actor=SYSTEM, cause=cause)
        except BaseException as error:
            if isinstance(error, LogUncertain):
                self._uncertain.add(call)
            if term is not None:
                term.leave()
            raise
        self._uncertain.discard(call)
        if start.begun is not None and appended is not None:
            self._begin(self._run(start, start.begun, appended.last), f"call {call}")
        elif term is not None:
            term.leave()
        return None if start.locked else appended.last if appended is not None else cause

    def _place(self, call: CallId) -> tuple[bool, Term | None]:
        """Whether there is one instance of its server, and if so, our time as its owner."""
        state, ownership = self._core.view.calls.get(call), self._ownership
        if ownership is None or state is None or state.upstream not in ownership:
            return False, None
        return True, ownership.term(state.upstream)

    async def _run(self, start: Start, started: calls.Call, seq: Seq) -> None:
        waiting = self._waiting(started) if start.waited_for else None
        execution = Execution(
            started.id,
            started.kind,
            started.upstream,
            started.name,
            start.params.arguments or b"",
            start.params.extra,
            version=started.version,
            attempt=started.attempt,
            retry_safe=started.retry_safe,
            asked=not start.waited_for,
            cause=seq,
            trace=started.trace,
            on_progress=waiting.on_progress if waiting is not None else None,
            channel=waiting.channel if waiting is not None else self._task_channel(started),
            requester=Actor("client", started.client),
            fetched=start.waited_for,
        )
        try:
            await self._runner.run(execution)
        except LogUnavailable as error:
            logger.warning("outcome not recorded in time", call=execution.call, error=str(error))
        except PorteroError:
            logger.exception("execution failed in Portero itself", call=execution.call)
        finally:
            if start.term is not None:
                start.term.leave()

    def _task_channel(self, started: calls.Call) -> TaskChannel | None:
        """The way to the client of an approved call, where that declared what it can be asked."""
        approval = started.approval
        if approval is None or approval.capabilities is None:
            return None
        return TaskChannel(started.id, started.client, approval, self._inquiries)

    def _begin(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
