"""Carrying out a call that has started on the log: send, wait, record what came of it, and only then answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec
import structlog

from handlers.calls.bridging import MAX_ROUNDS, Bridge, Channel
from handlers.calls.outcomes import (
    ABOUT_TASKS,
    METHODS,
    Done,
    Execution,
    Failed,
    called_off,
    cancelled,
    failed,
    stopped,
    succeeded,
    upstream_params,
)
from handlers.calls.questions import check_declared
from handlers.calls.questions import read as read_questions
from handlers.calls.recording import ANSWER_SECONDS, Recorder, not_given_out
from handlers.core import Core
from handlers.naming import completion_there, name_there
from portero.domain import call as calls
from portero.domain.commands import GiveTask
from portero.domain.events import Recorded
from portero.domain.ids import Aggregate, CallId, Millis, call_aggregate
from portero.domain.mcp import KNOWS_TASKS
from portero.domain.values import SYSTEM, Kind, Status
from portero.errors import (
    INTERNAL_ERROR,
    OUTCOME_UNKNOWN,
    DecisionError,
    LogError,
    RpcError,
    UpstreamError,
    UpstreamRefused,
)
from portero.log import Write
from portero.upstream import Upstreams

logger = structlog.get_logger()

LEASE_PARTS: Final = 3
"""How often a lease is prolonged within its length."""


@attrs.define(eq=False)
class _Run:
    """A call under way. ``working``: the upstream has it; ``called_off``: the log says that it is cancelled."""

    task: asyncio.Task[Any]
    channel: Channel | None
    working: bool = True
    called_off: bool = False


class Runner:
    """Sends started calls to their upstreams. One instance per process."""

    def __init__(self, core: Core, upstreams: Upstreams) -> None:
        self._core = core
        self._upstreams = upstreams
        self._bridge = Bridge(core)
        self._recorder = Recorder(core)
        self._running: dict[Aggregate, _Run] = {}
        self.waiting: Callable[[Aggregate], Channel | None] = lambda _: None
        """Finds the client of a call that another replica runs."""
        self.stopping = False
        """From now on it is not the client who cancels."""

    async def run(self, execution: Execution) -> Done | Failed:
        """Sends the call, records its outcome, and returns what the client may be told.

        Raises LogUnavailable when the outcome could not be recorded in time; recording goes on in the background.
        When cancelled, the upstream is told, the cancellation recorded, and CancelledError raised.
        """
        aggregate = call_aggregate(execution.call)
        run = _Run(asyncio.current_task(), execution.channel)  # type: ignore[arg-type] # a coroutine runs in a task
        self._running[aggregate] = run
        try:
            return await self._send_and_record(execution, run)
        finally:
            if self._running.get(aggregate) is run:  # or else a later attempt has taken its place
                del self._running[aggregate]

    def holds(self, aggregate: Aggregate) -> bool:
        """Whether this call is under way here."""
        return aggregate in self._running

    def seen(self, recorded: Recorded[Any]) -> None:
        """To be told of every CallCancelled: a call that somebody cancels, on whatever replica, stops where it runs."""
        run = self._running.get(Aggregate(recorded.aggregate))
        if run is not None and run.working:
            run.called_off = True
            run.task.cancel()

    async def give_task(self, call: CallId) -> bool:
        """Lets the client have a task instead of the result; False when the result is as good as there.

        Raises LogError. From then on what comes of the call is kept, for the client to fetch.
        """
        core, aggregate = self._core, call_aggregate(call)
        run = self._running.get(aggregate)
        channel = self.waiting(aggregate) if run is None else run.channel if run.working else None
        if channel is None:
            return False
        # Before it is on the log: whatever comes in this moment is kept already, what is asked is asked there.
        channel.kept = channel.pushes = True

        def build(now: Millis) -> tuple[Write, ...]:
            state = core.view.calls.get(call)
            events = tuple(calls.decide(state, GiveTask(), now))
            return (Write(aggregate, state.version, events),) if events and state is not None else ()

        try:
            await core.catch_up()
            await core.commit(build, actor=SYSTEM)
        except DecisionError:
            return False
        return True

    async def _send_and_record(self, execution: Execution, run: _Run) -> Done | Failed:
        replacer = self._core.replacer
        started = time.perf_counter()
        try:
            raw = await self._send(execution, self._params(execution))
        except asyncio.CancelledError:
            run.working = False
            if run.called_off:
                run.task.uncancel()
                return called_off(execution)
            gone = (stopped if self.stopping else cancelled)(execution)
            await asyncio.wait([self._recorder.record_behind(execution, gone)], timeout=ANSWER_SECONDS)
            raise
        except UpstreamError as error:
            run.working = False
            outcome = failed(execution, error, replacer, _elapsed_ms(started))
        else:
            run.working = False
            outcome = succeeded(execution, raw, replacer, _elapsed_ms(started))
        if await self._recorder.record(execution, outcome):
            return outcome.answer
        return await self._as_it_stands(execution, outcome.answer)

    async def _send(self, execution: Execution, params: bytes) -> bytes:
        """The upstream's result, with all that it asked on the way answered where its client can be asked."""
        channel, capabilities = execution.channel, _capabilities(execution)
        for _ in range(MAX_ROUNDS):
            result = await self._upstreams.request(
                execution.upstream,
                METHODS[execution.kind],
                params,
                on_progress=self._progress(execution.on_progress),
                on_late=lambda late: self._late(execution, late),
                context=channel or execution.requester,
                capabilities=capabilities,
                log_level=channel.log_level if channel is not None else None,
            )
            try:
                questions = read_questions(result)
                if questions is None:
                    return result
                check_declared(execution.upstream, capabilities, questions.asked)
                if channel is None or not channel.pushes or not questions.goes_on:
                    return result
                params = await self._bridge.more_input(channel, params, questions)
            except RpcError as error:
                data = None if error.data is None else msgspec.json.encode(error.data)
                raise UpstreamRefused(error.code, str(error), data) from error
        raise UpstreamRefused(INTERNAL_ERROR, f"The upstream asked {MAX_ROUNDS} times for more input; it was given up.")

    def _params(self, execution: Execution) -> bytes:
        """For the upstream: with reals, and under its own name. Raises UpstreamUnavailable."""
        replacer, catalogue = self._core.replacer, self._upstreams.catalogue
        kind, upstream, name = execution.kind, execution.upstream, execution.name
        arguments = replacer.to_real(execution.arguments)
        if kind is Kind.COMPLETION:
            return completion_there(catalogue, replacer, upstream, name, arguments)
        if kind in ABOUT_TASKS:
            return arguments
        there = name_there(catalogue, replacer, kind, upstream, name)
        extra = replacer.to_real(execution.extra) if execution.extra else None
        return upstream_params(kind, there, arguments, extra)

    async def _as_it_stands(self, execution: Execution, answer: Done | Failed) -> Done | Failed:
        """The answer, unless the log says something else of the call: nobody is told what the log denies."""
        try:
            await self._core.catch_up()
        except LogError as error:
            raise not_given_out(execution) from error
        state = self._core.view.calls.get(execution.call)
        if state is None or state.status in {Status.COMPLETED, Status.ERROR}:
            return answer
        if state.status is Status.CANCELLED:
            return called_off(execution)
        return Failed(
            execution.call,
            OUTCOME_UNKNOWN,
            "The outcome came too late: the call had been given up as unknown. A person can look at it and settle it.",
        )

    def _progress(self, on_progress: Callable[[bytes], None] | None) -> Callable[[bytes], None] | None:
        if on_progress is None:
            return None
        replacer = self._core.replacer
        return lambda params: on_progress(replacer.to_fake_result(params))

    def _late(self, execution: Execution, late: bytes | UpstreamError) -> None:
        """What came after the call was given up: on the log it goes, as a late outcome."""
        replacer = self._core.replacer
        if isinstance(late, UpstreamError):
            self._recorder.record_behind(execution, failed(execution, late, replacer, 0))
        else:
            self._recorder.record_behind(execution, succeeded(execution, late, replacer, 0))

    # --- life -------------------------------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        """Prolongs the leases of the calls under way, for ever; one whose lease ends is given up by whoever notices."""
        core = self._core
        while True:
            await asyncio.sleep(core.lease_ms / 1000 / LEASE_PARTS)
            if self._running:
                due = Millis(core.clock() + core.lease_ms)
                try:
                    await core.log.prolong(dict.fromkeys(self._running, due))
                except LogError as error:
                    logger.warning("leases not prolonged", calls=len(self._running), error=str(error))

    async def drain(self, timeout: float) -> int:
        """Waits until nothing is under way any more; returns how many calls were still running when time was up."""
        deadline = time.monotonic() + timeout
        while (self._running or self._recorder.waiting) and time.monotonic() < deadline:  # noqa: ASYNC110 - calls pay for no event
            await asyncio.sleep(0.02)
        return len(self._running)


def _capabilities(execution: Execution) -> bytes | None:
    """What the upstream is told that its client can do."""
    if execution.kind in ABOUT_TASKS:
        return KNOWS_TASKS
    return execution.channel.capabilities if execution.channel is not None else None


def _elapsed_ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
