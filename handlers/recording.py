"""Outcomes on the log: at the fence, as late ones where the call has moved on, and until the log takes them."""

import asyncio
from typing import Final

import structlog

from handlers.core import Core
from handlers.outcomes import Execution, Outcome
from portero.domain import call as calls
from portero.domain.events import CallEvent, ExecutionOutcomeUnknown, ExecutionSucceeded
from portero.domain.ids import Millis, call_aggregate
from portero.domain.values import SYSTEM
from portero.errors import LogDivergence, LogError, LogUnavailable, VersionConflict
from portero.log import Write

logger = structlog.get_logger()

ANSWER_SECONDS: Final = 5.0
"""How long a client waits for its outcome to reach a log that is away, before it is told so."""
FIRST_PAUSE_SECONDS: Final = 0.05
LAST_PAUSE_SECONDS: Final = 5.0


class Recorder:
    """Writes what came of calls. One instance per process."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._behind: set[asyncio.Task[None]] = set()

    async def record(self, execution: Execution, outcome: Outcome) -> bool:
        """Appends an outcome; True when it is what stands, False when the log has to be asked what does.

        Raises LogUnavailable when the log is away for longer than a client waits; writing goes on in the background.
        """
        try:
            await self._append(execution, outcome)
        except VersionConflict:
            await self._append_late(execution, outcome)
            return False
        except LogDivergence:
            raise
        except LogError:
            try:
                await asyncio.wait_for(asyncio.shield(self.record_behind(execution, outcome)), ANSWER_SECONDS)
            except TimeoutError as late:
                raise LogUnavailable(
                    "The call was sent, but its outcome could not be written to the audit log, so it is not given out. "
                    f"Look at task {execution.call} later; do not repeat the call blindly."
                ) from late
            return False
        return True

    def record_behind(self, execution: Execution, outcome: Outcome) -> asyncio.Task[None]:
        """Appends an outcome in the background, however long the log is away."""
        task = asyncio.create_task(self._append_until_written(execution, outcome), name=f"outcome {execution.call}")
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task

    @property
    def waiting(self) -> int:
        """Outcomes that are not on the log yet."""
        return len(self._behind)

    # --- appending --------------------------------------------------------------------------------------------------

    async def _append(self, execution: Execution, outcome: Outcome) -> None:
        core, event = self._core, outcome.event
        announced = execution.asked or isinstance(event, ExecutionOutcomeUnknown)
        await core.log.append(
            Write(
                call_aggregate(execution.call),
                execution.version,
                (event,),
                timer=None,
                work=("notification",) if announced else (),
                ends=not announced,
            ),
            actor=SYSTEM,
            now=core.clock(),
            cause=execution.cause,
            trace=execution.trace,
            blobs=_blobs(outcome),
            blob_ttl=core.result_seconds,
        )

    async def _append_late(self, execution: Execution, outcome: Outcome) -> None:
        """Somebody wrote first: a cancellation, a lease that was given up, or we ourselves without knowing."""
        core = self._core
        command = outcome.command(execution.attempt)

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(execution.call)
            if state is None:
                return ()
            events: tuple[CallEvent, ...] = tuple(calls.decide(state, command, now))
            if not events:
                return ()
            return (Write(call_aggregate(execution.call), state.version, events, work=("notification",)),)

        await core.catch_up()
        await core.commit(
            build,
            actor=SYSTEM,
            cause=execution.cause,
            trace=execution.trace,
            blobs=_blobs(outcome),
            blob_ttl=core.result_seconds,
        )

    async def _append_until_written(self, execution: Execution, outcome: Outcome) -> None:
        append, pause = self._append, FIRST_PAUSE_SECONDS
        while True:
            try:
                return await append(execution, outcome)
            except VersionConflict:
                append = self._append_late
            except LogDivergence:
                logger.critical("an outcome is lost with the log it belonged to", call=execution.call)
                return None
            except LogError as error:
                logger.warning("an outcome waits for the log", call=execution.call, error=str(error))
                append = self._append_late  # the attempt may have been written after all: the view knows
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE_SECONDS)


def _blobs(outcome: Outcome) -> dict[str, bytes]:
    event = outcome.event
    if isinstance(event, ExecutionSucceeded) and event.result_blob is not None:
        return {event.result_blob: outcome.result}
    return {}
