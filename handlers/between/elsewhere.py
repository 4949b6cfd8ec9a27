"""Calls on servers of which there is one instance: run here where that is here, else asked for and waited for.

Whoever asks puts the allowed call on the log as queued. The owner of the server, which follows the log like everybody,
starts it at its fence; its end is on the log too, with the result beside it for a while. So a call needs nobody to be
told of it, and survives a change of hands in between; only progress and questions travel as letters.
"""

import asyncio
from typing import Any, Final

import attrs
import structlog
from msgspec.structs import replace

from handlers.between.answering import answer_of
from handlers.calls.asking import capabilities_of, letters_of
from handlers.calls.bridging import Channel
from handlers.calls.kept import Params
from handlers.calls.outcomes import Execution
from handlers.calls.recording import ANSWER_SECONDS, not_given_out
from handlers.calls.requests import Answer, CallRequest, Turn
from handlers.calls.running import LEASE_PARTS, Runner
from handlers.calls.unsent import Unsent
from handlers.concluding import conclude
from handlers.core import Core
from handlers.owners.ownership import Ownership, Term
from portero.domain.call import Call
from portero.domain.commands import RequestCall, Wake
from portero.domain.events import (
    CallCancelled,
    CallDenied,
    ExecutionFailed,
    ExecutionOutcomeUnknown,
    ExecutionQueued,
    ExecutionStarted,
    ExecutionSucceeded,
    LateOutcomeRecorded,
    OutcomeResolved,
    Recorded,
)
from portero.domain.ids import Aggregate, CallId, Millis, call_aggregate
from portero.domain.patterns import policy_name
from portero.domain.values import SYSTEM, Status
from portero.errors import DecisionError, LogError
from portero.log import Write
from portero.upstream import Upstreams

logger = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
"""How often a call that is waited for is looked at though nothing was heard of it: the log may be away."""
CAPABILITIES_BYTES: Final = 2_048
"""What clients declare takes some hundred; more of it does not stand on the log."""
TELLING: Final = (
    *(ExecutionStarted, ExecutionSucceeded, ExecutionFailed, ExecutionOutcomeUnknown, OutcomeResolved),
    *(LateOutcomeRecorded, CallCancelled, CallDenied),
)
"""Events after which a call that is waited for may stand otherwise."""


class Here:
    """This replica runs the server: the call is started with its request, at the fence."""

    def __init__(self, term: Term, runner: Runner, command: RequestCall) -> None:
        self.command = command
        self.fences: tuple[Write, ...] = (term.fence,)
        self._term, self._runner = term, runner
        term.enter()

    async def run(self, execution: Execution) -> Answer:
        try:
            return await self._runner.run(execution)
        finally:
            self.leave()

    def leave(self) -> None:
        self._term.leave()


@attrs.define(eq=False)
class There:
    """Another replica runs the server, or will: the call waits for it on the log."""

    command: RequestCall
    request: CallRequest
    aggregate: Aggregate
    home: "Elsewhere"
    fences: tuple[Write, ...] = ()
    state: Call | None = None
    """The call as it was last seen; None: not yet. Kept here, because the view forgets what has ended."""
    woken: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def run(self, execution: Execution) -> Answer:
        try:
            return await self.home.wait(self, execution)
        finally:
            self.leave()

    def leave(self) -> None:
        self.home.left(self)

    @property
    def waits_to_start(self) -> bool:
        return self.state is None or self.state.status is Status.QUEUED


class Elsewhere:
    """One instance per process. ``place`` is what Requests wants for each of those servers."""

    def __init__(self, core: Core, runner: Runner, upstreams: Upstreams, ownership: Ownership) -> None:
        self._core, self._runner, self._upstreams, self._ownership = core, runner, upstreams, ownership
        self._unsent = Unsent(core)
        self._waiting: dict[Aggregate, There] = {}
        runner.waiting = self._channel
        for event in TELLING:
            core.view.subscribe(self._seen, event)

    def place(self, call: CallId, request: CallRequest, command: RequestCall) -> Turn:
        """Where this call is to run, as things stand now."""
        term = self._ownership.term(request.upstream)
        if term is not None and self._upstreams.is_connected(request.upstream):
            return Here(term, self._runner, command)
        there = There(self._queued(request, command), request, call_aggregate(call), self)
        self._waiting[there.aggregate] = there
        return there

    def waiting(self, aggregate: Aggregate) -> There | None:
        """The call as its client waits for it here."""
        return self._waiting.get(aggregate)

    def _channel(self, aggregate: Aggregate) -> Channel | None:
        there = self._waiting.get(aggregate)
        return there.request.channel if there is not None else None

    def holds(self, aggregate: Aggregate) -> bool:
        """Whether a call waits here to be started: it is not given up, whatever its timer says."""
        there = self._waiting.get(aggregate)
        if there is None or not there.waits_to_start:
            return False
        return there.state is None or (there.state.start_by or 0) > self._core.clock()

    def left(self, there: There) -> None:
        if self._waiting.get(there.aggregate) is there:
            del self._waiting[there.aggregate]

    def _queued(self, request: CallRequest, command: RequestCall) -> RequestCall:
        core, facts, channel = self._core, request.facts, request.channel
        lease_ms = core.lease_ms
        wait_ms = round(self._upstreams.configs[request.upstream].timeout_seconds * 1000)
        capabilities = channel.capabilities if channel is not None else None
        event = ExecutionQueued(
            core.log.replica,
            self._digest(request, command),
            wait_ms,
            lease_ms,
            facts,
            core.replacer.to_fake_stored(_brief(capabilities)).decode() if capabilities is not None else None,
            channel.log_level if channel is not None else None,
            pushes=channel is not None and channel.pushes,
            progress=request.on_progress is not None,
        )
        due = Millis(command.lease_until - core.lease_ms + min(wait_ms, lease_ms))
        return replace(command, queued=event, lease_until=due)

    def _digest(self, request: CallRequest, command: RequestCall) -> str:
        """What is kept beside the log does not stand in the command, and is made once more."""
        replacer = self._core.replacer
        arguments, extra = command.arguments.encode(), command.extra.encode() if command.extra is not None else None
        if command.arguments_blob is not None:
            arguments = replacer.to_fake_stored(request.arguments)
        if command.extra_blob is not None and request.extra is not None:
            extra = replacer.to_fake_stored(request.extra)
        name = policy_name(request.kind, request.upstream, command.name)
        return Params(arguments, extra).digest(name, request.facts.definition, replacer.digest)

    # --- waiting ----------------------------------------------------------------------------------------------------

    async def wait(self, there: There, execution: Execution) -> Answer:
        """What came of the call. Raises LogUnavailable when the log is away for longer than a client waits.

        When cancelled, the call is cancelled on the log, wherever it is, and CancelledError raised; when this replica
        stops, only if it has not been started.
        """
        away_since: float | None = None
        loop = asyncio.get_running_loop()
        try:
            while True:
                there.woken.clear()
                state = there.state = self._core.view.calls.get(execution.call) or there.state
                if state is not None and state.finished and not await self._goes_on(there, state):
                    return await answer_of(self._core, execution, state)
                await self._until_woken(there)
                if self._core.log.away is None and self._core.log.diverged is None:
                    away_since = None
                elif away_since is None:
                    away_since = loop.time()
                elif loop.time() - away_since >= ANSWER_SECONDS:
                    raise not_given_out(execution)
        except asyncio.CancelledError:
            await self._called_off(there, execution)
            raise

    async def _until_woken(self, there: There) -> None:
        """A second at most; what cannot be started in time is ended."""
        state, seconds = there.state, LOOK_SECONDS
        if state is not None and state.start_by is not None:
            left = (state.start_by - self._core.clock()) / 1000
            if left <= 0:
                await self._conclude(state)
            seconds = min(seconds, max(left, 0.01))
        try:
            async with asyncio.timeout(seconds):
                await there.woken.wait()
        except TimeoutError:
            return

    async def _conclude(self, state: Call) -> None:
        try:
            await conclude(self._core, state.id, Wake())
        except (LogError, DecisionError) as error:
            logger.warning("a call that could not be started has not ended yet", call=state.id, error=str(error))

    async def _goes_on(self, there: There, state: Call) -> bool:
        """A lost outcome of a call that runs again: the two events of it may come one after the other."""
        if state.status is not Status.UNKNOWN or not state.retry_safe:
            return False
        try:
            await self._core.catch_up()
        except LogError:
            return False
        there.state = self._core.view.calls.get(state.id) or state
        return not there.state.finished

    async def _called_off(self, there: There, execution: Execution) -> None:
        if not self._runner.stopping:
            ending = self._unsent.settle(execution.call, execution.requester, "the client cancelled it")
        elif there.waits_to_start:
            ending = self._unsent.settle(execution.call, SYSTEM, "Portero stopped before it was started", started=False)
        else:
            return
        await asyncio.wait([ending], timeout=ANSWER_SECONDS)

    # --- life -------------------------------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        """Says for ever that clients still wait here for calls to be started; once they run, that is their owner's."""
        core = self._core
        while True:
            await asyncio.sleep(core.lease_ms / 1000 / LEASE_PARTS)
            due = Millis(core.clock() + core.lease_ms)
            waiting = [there for there in self._waiting.values() if there.waits_to_start]
            try:
                await core.log.prolong({there.aggregate: _not_after(there, due) for there in waiting})
            except LogError as error:
                logger.warning("waiting calls not prolonged", calls=len(waiting), error=str(error))

    def _seen(self, recorded: Recorded[Any]) -> None:
        there = self._waiting.get(Aggregate(recorded.aggregate))
        if there is not None:
            there.state = self._core.view.calls.get(CallId(recorded.aggregate[5:])) or there.state
            there.woken.set()


def _brief(capabilities: bytes) -> bytes:
    """Of what is too long for the log, what a client can be asked."""
    return (
        capabilities if len(capabilities) <= CAPABILITIES_BYTES else capabilities_of(letters_of(capabilities)) or b"{}"
    )


def _not_after(there: There, due: Millis) -> Millis:
    start_by = there.state.start_by if there.state is not None else None
    return due if start_by is None else min(due, start_by)
