"""Carrying out a call that has started on the log: send, wait, record what came of it, and only then answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from handlers.core import Core
from handlers.outcomes import (
    METHODS,
    Done,
    Execution,
    Failed,
    called_off,
    cancelled,
    failed,
    succeeded,
    upstream_params,
)
from handlers.recording import Recorder
from portero.domain.events import CallCancelled, Recorded
from portero.domain.ids import Aggregate, Millis, call_aggregate
from portero.domain.values import Kind, Status
from portero.errors import OUTCOME_UNKNOWN, LogError, UpstreamError
from portero.upstream import Upstreams

logger = structlog.get_logger()

LEASE_PARTS: Final = 3
"""How often a lease is prolonged within its length."""


class Runner:
    """Sends started calls to their upstreams. One instance per process."""

    def __init__(self, core: Core, upstreams: Upstreams) -> None:
        self._core = core
        self._upstreams = upstreams
        self._recorder = Recorder(core)
        self._running: dict[Aggregate, asyncio.Task[Any]] = {}
        self._called_off: set[Aggregate] = set()
        """Calls under way of which the log says that they are cancelled."""

    async def run(self, execution: Execution) -> Done | Failed:
        """Sends the call, records its outcome, and returns what the client may be told.

        Raises LogUnavailable when the outcome could not be recorded in time; recording goes on in the background.
        When cancelled, the upstream is told, the cancellation recorded, and CancelledError raised.
        """
        aggregate = call_aggregate(execution.call)
        self._running[aggregate] = asyncio.current_task()  # type: ignore[assignment] # a coroutine runs in a task
        try:
            return await self._send_and_record(execution, aggregate)
        finally:
            self._running.pop(aggregate, None)
            self._called_off.discard(aggregate)

    def seen(self, recorded: Recorded[Any]) -> None:
        """To be told of every event: a call that somebody cancels, on whatever replica, stops where it runs."""
        if type(recorded.event) is CallCancelled:
            aggregate = Aggregate(recorded.aggregate)
            if (task := self._running.get(aggregate)) is not None:
                self._called_off.add(aggregate)
                task.cancel()

    async def _send_and_record(self, execution: Execution, aggregate: Aggregate) -> Done | Failed:
        replacer = self._core.replacer
        params = upstream_params(
            execution.kind,
            self._real_name(execution),
            replacer.to_real(execution.arguments),
            replacer.to_real(execution.extra) if execution.extra else None,
        )
        started = time.perf_counter()
        try:
            raw = await self._upstreams.request(
                execution.upstream,
                METHODS[execution.kind],
                params,
                on_progress=self._progress(execution.on_progress),
                on_late=lambda late: self._late(execution, late),
            )
        except asyncio.CancelledError:
            task = self._running.pop(aggregate)
            if aggregate in self._called_off:
                task.uncancel()
                return called_off(execution)
            await asyncio.shield(self._recorder.record_behind(execution, cancelled(execution)))
            raise
        except UpstreamError as error:
            outcome = failed(execution, error, replacer, _elapsed_ms(started))
        else:
            outcome = succeeded(execution, raw, replacer, _elapsed_ms(started))
        if await self._recorder.record(execution, outcome):
            return outcome.answer
        return await self._as_it_stands(execution, outcome.answer)

    def _real_name(self, execution: Execution) -> str:
        """A resource's URI may hold fakes, as lists have shown it; names of tools and prompts are what they are."""
        if execution.kind is not Kind.RESOURCE:
            return execution.name
        real = self._core.replacer.to_real(msgspec.json.encode(execution.name))
        return msgspec.json.decode(real, type=str)

    async def _as_it_stands(self, execution: Execution, answer: Done | Failed) -> Done | Failed:
        """The answer, unless the log says something else of the call: nobody is told what the log denies."""
        await self._core.catch_up()
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


def _elapsed_ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
