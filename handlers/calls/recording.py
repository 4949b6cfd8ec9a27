"""Outcomes on the log: at the fence, by the call as it stands where it has moved on, and until the log takes them."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

import structlog

from handlers.calls.kept import let_go
from handlers.calls.outcomes import FETCHED_SECONDS, Execution, Outcome
from handlers.concluding import written
from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import Cancel, RecordFailure, RecordSuccess
from portero.domain.events import CallEvent, ExecutionOutcomeUnknown, ExecutionSucceeded, LateOutcomeRecorded
from portero.domain.ids import Millis, call_aggregate
from portero.domain.values import SYSTEM
from portero.errors import DecisionError, LogDivergence, LogError, LogUnavailable
from portero.log import Appended, Write

logger = structlog.get_logger()

ANSWER_SECONDS: Final = 5.0
"""How long a client waits for its outcome to reach a log that is away, before it is told so."""
FIRST_PAUSE_SECONDS: Final = 0.05
LAST_PAUSE_SECONDS: Final = 5.0


class _Forgotten(Exception):
    """The call ended so long ago that the view does not hold it any more."""


class Recorder:
    """Writes what came of calls. One instance per process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._behind: set[asyncio.Task[None]] = set()

    async def record(self, execution: Execution, outcome: Outcome) -> bool:
        """Appends an outcome; True when it is what stands, False when the log has to be asked what does.

        Raises LogUnavailable when the log is away for longer than a client waits; writing goes on in the background,
        also when whoever waits is cancelled.
        """
        if not _runs_again(execution, outcome):
            try:
                await self._append(execution, outcome)
            except asyncio.CancelledError:
                self.record_behind(execution, outcome)
                raise
            except LogDivergence:
                raise
            except LogError as error:  # somebody wrote first, or the log is away
                logger.info("an outcome is looked at again", call=execution.call, reason=str(error))
            else:
                await self._let_go(execution, outcome)
                return True
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.shield(self.record_behind(execution, outcome))
        except TimeoutError as late:
            raise not_given_out(execution) from late
        return False

    def record_behind(self, execution: Execution, outcome: Outcome) -> asyncio.Task[None]:
        """Appends an outcome in the background, by the call as it then stands, however long the log is away."""
        task = asyncio.create_task(self._append_until_written(execution, outcome), name=f"outcome {execution.call}")
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task

    @property
    def waiting(self) -> int:
        """Outcomes that are not on the log yet."""
        return len(self._behind)

    # --- appending --------------------------------------------------------------------------------------------------

    def _append(self, execution: Execution, outcome: Outcome) -> Awaitable[Appended]:
        """At the version of the start, which only the first who says something of this attempt finds."""
        core, event = self._core, outcome.event
        announced = execution.asked or isinstance(event, ExecutionOutcomeUnknown)
        return core.log.append(
            Write(
                call_aggregate(execution.call),
                execution.version,
                (event,),
                timer=None,
                work=("notification",) if announced else (),
                ends=True,
            ),
            actor=SYSTEM,
            now=core.clock(),
            cause=execution.cause,
            trace=execution.trace,
            blobs=_blobs(outcome),
            blob_ttl=FETCHED_SECONDS if execution.kept_briefly else core.result_seconds,
            write_id=_write_id(execution, outcome),
            urgent=True,
        )

    async def _let_go(self, execution: Execution, outcome: Outcome) -> None:
        """What an allowed call was sent with, unless it may be sent with that once more."""
        if not execution.asked and not isinstance(outcome.event, ExecutionOutcomeUnknown):
            with suppress(LogError):  # or else it stays for as long as it would have
                await let_go(self._core.log, execution.call, execution.arguments, execution.extra)

    async def _append_as_it_stands(self, execution: Execution, outcome: Outcome) -> None:
        """Somebody may have written first: a cancellation, a lease that was given up, or we ourselves unknowingly."""
        core = self._core
        command = outcome.command(execution.attempt)

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(execution.call)
            if state is None:
                raise _Forgotten
            if isinstance(command, Cancel) and state.attempt != execution.attempt:
                return ()  # who left an attempt has not left a later one
            try:
                events: tuple[CallEvent, ...] = tuple(calls.decide(state, command, now))
            except DecisionError as error:
                logger.info("an outcome changes nothing", call=execution.call, reason=str(error))
                return ()
            return (written(state, events, now),) if events else ()

        await core.catch_up()
        try:
            await core.commit(
                build,
                actor=SYSTEM,
                cause=execution.cause,
                trace=execution.trace,
                blobs=_blobs(outcome),
                blob_ttl=core.result_seconds,
                urgent=True,
            )
        except _Forgotten:
            if isinstance(command, RecordSuccess | RecordFailure):
                await self._append_late(execution, outcome, calls.late(command))

    async def _append_late(self, execution: Execution, outcome: Outcome, late: LateOutcomeRecorded) -> None:
        """An answer to a call of which the view holds nothing: open calls are always held, so it has ended otherwise.

        Or by this very answer, if that was written without our knowing: then the write id stands there already.
        """
        core = self._core
        logger.info("an answer came for a call that the view has forgotten", call=execution.call)
        await core.log.append(
            Write(call_aggregate(execution.call), None, (late,), ends=True),
            actor=SYSTEM,
            now=core.clock(),
            cause=execution.cause,
            trace=execution.trace,
            blobs=_blobs(outcome),
            blob_ttl=core.result_seconds,
            write_id=_write_id(execution, outcome),
            urgent=True,
        )

    async def _append_until_written(self, execution: Execution, outcome: Outcome) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._append_as_it_stands(execution, outcome)
            except LogDivergence:
                logger.critical("an outcome is lost with the log it belonged to", call=execution.call)
                return None
            except LogError as error:
                logger.warning("an outcome waits for the log", call=execution.call, error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE_SECONDS)


def _write_id(execution: Execution, outcome: Outcome) -> str:
    """The same for the same answer, however often it is written."""
    return f"{execution.call}.{execution.attempt}.{type(outcome.event).__name__}"


def not_given_out(execution: Execution) -> LogUnavailable:
    return LogUnavailable(
        "The call was sent, but its outcome could not be written to the audit log, so it is not given out. "
        f"Look at task {execution.call} later; do not repeat the call blindly."
    )


def _runs_again(execution: Execution, outcome: Outcome) -> bool:
    """Whether the call may have to be decided about: what was lost and may be repeated runs again by itself."""
    return execution.asked and execution.retry_safe and isinstance(outcome.event, ExecutionOutcomeUnknown)


def _blobs(outcome: Outcome) -> dict[str, bytes]:
    event = outcome.event
    if isinstance(event, ExecutionSucceeded) and event.result_blob is not None:
        return {event.result_blob: outcome.result}
    return {}
