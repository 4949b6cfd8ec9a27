"""Calls that take long become tasks, where the server's entry says so and the client knows tasks."""

import asyncio
from typing import Any, Final

import structlog

from portero.domain.ids import Seq
from portero.errors import LogError
from portero.gateway import wire
from portero.gateway.calls.backchannel import ParkingChannel
from portero.gateway.calls.taskids import task_id
from portero.gateway.calls.tasks import Tasks
from portero.gateway.exchange.flights import Flights
from portero.gateway.exchange.results import Results
from portero.gateway.services import Services
from portero.gateway.times import iso

log = structlog.get_logger("portero.gateway")

POLL_INTERVAL_MS: Final = 5_000


class Deferring:
    """One instance per process."""

    def __init__(self, services: Services, results: Results, tasks: Tasks, flights: Flights) -> None:
        self._services, self._results, self._tasks, self._flights = services, results, tasks, flights
        self._after = {
            config.name: config.task_after_seconds
            for config in services.upstreams.configs.values()
            if config.task_after_seconds is not None
        }
        self._deferring: set[asyncio.Task[None]] = set()

    def watch(self, upstream: str, channel: Any) -> asyncio.TimerHandle | None:
        """To be called before a call begins, and what it returns cancelled when it has ended."""
        seconds = self._after.get(upstream)
        if seconds is None or not isinstance(channel, ParkingChannel) or not channel.as_task:
            return None
        return asyncio.get_running_loop().call_later(seconds, self._begin, channel)

    def _begin(self, channel: ParkingChannel) -> None:
        task = asyncio.create_task(self._defer(channel), name=f"task for {channel.call}")
        self._deferring.add(task)
        task.add_done_callback(self._deferring.discard)

    async def _defer(self, channel: ParkingChannel) -> None:
        """The task is on the log before the client has it."""
        services, call = self._services, channel.call
        if call is None or channel.answered:
            return  # it is not on the log yet, and the log takes that long; or the client was asked something
        try:
            if not await services.requests.give_task(call):
                return
        except LogError as error:
            log.warning("a call does not become a task", call=call, error=str(error))
            return
        state = services.core.view.calls.get(call)
        if state is None or channel.answered:
            return
        at = iso(state.requested_at)
        made = {
            "resultType": "task",
            "taskId": task_id(call, Seq(state.last_seq)),
            "status": "working",
            "statusMessage": self._tasks.for_people(state),
            "createdAt": at,
            "lastUpdatedAt": at,
            "ttlMs": self._tasks.ttl_ms(state),
            "pollIntervalMs": POLL_INTERVAL_MS,
        }
        channel.answered = True
        self._flights.release(channel.reply)
        await channel.reply.detach(200, wire.result(channel.request_id, self._results.own(made, modern=True)))
