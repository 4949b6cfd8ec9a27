"""Wakes aggregates when their time has come, on whichever replica looks first; a due time is never lost."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from portero import telemetry
from portero.domain.ids import Aggregate, Millis
from portero.errors import LogError
from portero.log.backoff import Backoff
from portero.log.log import Log
from portero.log.scripts import DUE, SETTLE

logger = structlog.get_logger("portero.log")

LOOK_SECONDS: Final = 1.0
"""How late a timer may ring that was set by another replica."""
APART_SECONDS: Final = 2.0
"""Clocks may differ by so much without a word."""
AGAIN_MS: Final = 15_000
"""A timer whose handler failed, or died, rings again after this."""

Ring = Callable[[Aggregate], Awaitable[Millis | None]]
"""Answers a timer; returns when the aggregate wants to be woken next (ms), or None for no more. An append that it
made, and that set or cleared the timer, counts before what it returns."""


class Timers:
    """Looks for due timers and calls the handler of each. Safety is the handler's: another replica may ring too."""

    def __init__(
        self,
        log: Log,
        handler: Ring,
        clock: Callable[[], Millis],
        *,
        look_seconds: float = LOOK_SECONDS,
        again_ms: int = AGAIN_MS,
        concurrency: int = 16,
    ) -> None:
        self._log, self._handler, self._clock = log, handler, clock
        self._look_seconds, self._again_ms, self._concurrency = look_seconds, again_ms, concurrency
        self._ringing: dict[Aggregate, asyncio.Task[None]] = {}
        self.ahead_seconds = 0.0
        """Of the store's clock; negative: behind it."""
        self._said = 0.0

    async def run(self) -> None:
        """For ever, across times when the store is away."""
        backoff = Backoff(0.1, self._look_seconds)
        try:
            while True:
                try:
                    pause = await self._look()
                    backoff.reset()
                except LogError as error:
                    logger.warning("cannot look for due timers", error=str(error))
                    pause = backoff.next()
                await asyncio.sleep(pause)
        finally:
            for task in self._ringing.values():
                task.cancel()
            await asyncio.gather(*self._ringing.values(), return_exceptions=True)

    async def _look(self) -> float:
        """Takes what is due; returns the seconds until the next look."""
        room = self._concurrency - len(self._ringing)
        if room <= 0:
            return self._look_seconds / 10
        now = self._clock()
        async with self._log.store.reach() as client:
            store, until, first, due = await client.eval(
                DUE.source, 1, self._log.store.keys.timers, now, self._again_ms, room
            )
        self._compare(now, self._clock(), store)
        for name in due:
            aggregate = Aggregate(name.decode())
            if aggregate not in self._ringing:
                task = asyncio.create_task(self._ring(aggregate, until), name=f"timer {aggregate}")
                self._ringing[aggregate] = task
                task.add_done_callback(partial(self._rang, aggregate))
        if len(due) == room:
            return 0.0
        if not first:
            return self._look_seconds
        wait: float = (float(first) - min(now, store)) / 1000
        return min(self._look_seconds, max(0.0, wait))

    def _compare(self, asked: Millis, answered: Millis, store: int) -> None:
        """How far our clock is from the store's, as exactly as the way there and back allows; said when it changes."""
        self.ahead_seconds = max(asked - store, min(answered - store, 0)) / 1000
        if abs(self.ahead_seconds) < APART_SECONDS:
            self._said = 0.0
        elif abs(self.ahead_seconds - self._said) >= 1.0:
            self._said = self.ahead_seconds
            text = "this machine's clock is not the store's; approvals and grants end by it: let both keep time by NTP"
            logger.warning(text, ahead_seconds=round(self._said, 1))

    def _rang(self, aggregate: Aggregate, _: asyncio.Task[None]) -> None:
        del self._ringing[aggregate]

    async def _ring(self, aggregate: Aggregate, until: Millis) -> None:
        try:
            due = await self._handler(aggregate)
            if due is not None:
                due = Millis(max(due, self._clock() + 100))  # a handler that wants the past would ring without end
            async with self._log.store.reach() as client:
                await client.eval(
                    SETTLE.source, 1, self._log.store.keys.timers, aggregate, until, "" if due is None else due
                )
        except Exception as error:  # noqa: BLE001  # whatever it was, the timer rings again
            telemetry.HANDLER_ERRORS.labels("timers").inc()
            logger.warning("a timer was not answered and rings again", aggregate=aggregate, error=repr(error))
