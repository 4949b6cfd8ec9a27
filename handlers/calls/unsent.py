"""Calls that stand on the log and were never sent, because whoever made them could not wait for the log's answer."""

import asyncio
from typing import Final

import structlog

from handlers.calls.outcomes import error_text
from handlers.core import Core
from portero.domain import call as calls
from portero.domain.commands import CallCommand, Cancel, RecordFailure
from portero.domain.ids import CallId, Millis, call_aggregate
from portero.domain.values import Actor, Status
from portero.errors import LOG_UNAVAILABLE, DecisionError, LogDivergence, LogError, LogUncertain
from portero.log import Appended, Write

logger = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.05
LAST_PAUSE_SECONDS: Final = 2.0


class Unsent:
    """Says of such calls that nothing was sent: nobody is asked in vain, and no lease ends as ``outcome-unknown``."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._settling: set[asyncio.Task[None]] = set()

    def orphaned(self, call: CallId, by: Actor, answer: Appended | LogError) -> None:
        """The client went away while its request was on the way to the log."""
        if isinstance(answer, Appended | LogUncertain):
            self.settle(call, by, "the client cancelled it before it was sent")

    def settle(self, call: CallId, by: Actor, why: str, *, started: bool = True) -> asyncio.Task[None]:
        """Ends a call, if it turns out to stand on the log; in the background, however long the log is away.

        ``started``: also one that another replica has started.
        """
        task = asyncio.create_task(self._until_settled(call, by, why, started), name=f"unsent {call}")
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _until_settled(self, call: CallId, by: Actor, why: str, started: bool) -> None:
        core, pause = self._core, FIRST_PAUSE_SECONDS
        while core.log.diverged is None:
            try:
                # Appends are taken again only after it is certain that no lost one can still be written.
                if core.log.away is None:
                    await core.catch_up()
                    await core.commit(lambda now: self._end(call, by, why, now, started), actor=by, urgent=True)
                    return
            except LogDivergence:
                return
            except LogError as error:
                logger.warning("an unsent call waits for the log", call=call, error=str(error))
            except DecisionError as error:
                logger.info("an unsent call was decided already", call=call, reason=str(error))
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_SECONDS)

    def _end(self, call: CallId, by: Actor, why: str, now: Millis, started: bool) -> tuple[Write, ...]:
        state = self._core.view.calls.get(call)
        if state is None or (not started and state.status is not Status.QUEUED):
            return ()
        command: CallCommand
        if state.status is Status.PENDING or state.waits_elsewhere:
            command = Cancel(by, why)
        elif state.status is Status.EXECUTING and not state.asked:
            command = RecordFailure(state.attempt, error_text(LOG_UNAVAILABLE, f"Nothing was sent: {why}."), False, 0)
        else:
            return ()
        events = tuple(calls.decide(state, command, now))
        work = ("notification",) if state.asked else ()
        return (Write(call_aggregate(call), state.version, events, timer=None, work=work, ends=True),)
