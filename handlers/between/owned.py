"""Calls that wait for a server which this replica runs for all: it sees them on the log, and starts them."""

import asyncio
from typing import Any, Final

import structlog

from handlers.calls.execution import Executions
from handlers.core import Core
from handlers.owners.ownership import Ownership
from portero.domain.events import CallApproved, ExecutionQueued, OutcomeResolved, Recorded
from portero.domain.ids import CallId, Seq
from portero.domain.values import Status
from portero.errors import LogDivergence, LogError, PorteroError

logger = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.1
LAST_PAUSE_SECONDS: Final = 5.0
GIVE_UP_AFTER: Final = 5
"""Attempts that failed for another reason than that the log was away."""
QUEUING: Final = (ExecutionQueued, CallApproved, OutcomeResolved)
"""Events after which a call may wait to be started."""


class Owned:
    """There is no queue: that a call waits is its state, which every replica holds, and a new owner finds it there."""

    def __init__(self, core: Core, executions: Executions, ownership: Ownership) -> None:
        self._core, self._executions, self._ownership = core, executions, ownership
        self._starting: dict[CallId, asyncio.Task[None]] = {}
        ownership.taken = self._taken
        for event in QUEUING:
            core.view.subscribe(self._seen, event)

    def _taken(self, upstream: str) -> None:
        for call in self._core.view.calls.queued(upstream):
            self._start(call.id, upstream)

    def _seen(self, recorded: Recorded[Any]) -> None:
        call = self._core.view.calls.get(CallId(recorded.aggregate[5:]))
        if call is not None and call.status is Status.QUEUED and self._ownership.term(call.upstream) is not None:
            self._start(call.id, call.upstream)

    def _start(self, call: CallId, upstream: str) -> None:
        if call not in self._starting:
            task = asyncio.create_task(self._until_started(call, upstream), name=f"owned {call}")
            self._starting[call] = task
            task.add_done_callback(lambda _: self._starting.pop(call))

    async def _until_started(self, call: CallId, upstream: str) -> None:
        """Or until it is for another replica to start it, or has ended otherwise."""
        pause, failures = FIRST_PAUSE_SECONDS, 0
        while self._ownership.term(upstream) is not None and (cause := self._queued(call)) is not None:
            try:
                if failures >= GIVE_UP_AFTER:
                    await self._executions.fail(call, cause, "it failed too often")
                else:
                    await self._core.reach(await self._executions.bring(call, cause))
                continue
            except LogDivergence:
                return
            except LogError as error:
                logger.warning("a call waits for the log to be started", call=call, error=str(error))
            except Exception as error:
                failures += 1
                # Only our own errors are known to be free of real values.
                reason = str(error) if isinstance(error, PorteroError) else type(error).__name__
                logger.exception("a call could not be started", call=call, failures=failures, error=reason)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_SECONDS)

    def _queued(self, call: CallId) -> Seq | None:
        """Where the log says that it waits to be started, if it does."""
        state = self._core.view.calls.get(call)
        return Seq(state.last_seq) if state is not None and state.status is Status.QUEUED else None
