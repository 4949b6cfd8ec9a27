"""Work that exactly one replica should do: pointers to events, delivered until somebody has done what they ask for.

A consumer group delivers each pointer to one consumer, in no order, and more than once when a consumer dies. So a
handler waits for its view to reach the pointer's sequence and decides on state.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import attrs
import structlog

from portero import telemetry
from portero.domain.events import HandlerGaveUp
from portero.domain.ids import LOG_AGGREGATE, Aggregate, Millis, Seq
from portero.domain.values import SYSTEM
from portero.errors import LogDivergence, LogError, PorteroError
from portero.log.append import Write
from portero.log.backoff import Backoff
from portero.log.group import Delivery, Group
from portero.log.log import Log

logger = structlog.get_logger("portero.log")

IDLE_MS: Final = 30_000
"""A delivery of which nothing was heard for so long belongs to a dead consumer."""
GIVE_UP_AFTER: Final = 5
"""Deliveries."""
FORGET_FACTOR: Final = 20
"""A consumer without work is forgotten after so many times the idle limit (10 minutes)."""

T = TypeVar("T")


@attrs.frozen
class Pointer:
    """The event that asks for work: the last one of a write. ``deliveries`` counts this one."""

    seq: Seq
    aggregate: Aggregate
    type: str
    deliveries: int


Handler = Callable[[Pointer], Awaitable[None]]
GiveUp = Callable[[Pointer, str], Awaitable[None]]


class WorkQueue:
    """One consumer of one work stream; its name is the replica's. What it could not finish, others take over."""

    def __init__(
        self,
        log: Log,
        stream: str,
        clock: Callable[[], Millis],
        *,
        idle_ms: int = IDLE_MS,
        give_up_after: int = GIVE_UP_AFTER,
        retry_seconds: float = 0.5,
    ) -> None:
        self._log, self._stream, self._clock = log, stream, clock
        self._idle_ms, self._give_up_after, self._retry_seconds = idle_ms, give_up_after, retry_seconds
        self._group = Group(log, stream)
        self._active: dict[bytes, asyncio.Task[None]] = {}
        self._room = asyncio.Event()

    async def run(self, handler: Handler, *, concurrency: int = 8, on_give_up: GiveUp | None = None) -> None:
        """Delivers to ``handler``, ``concurrency`` pointers at a time, for ever, across times when the store is away.

        A handler that returns has done the work. One that raises gets the pointer again, later; after the last delivery
        a HandlerGaveUp is appended and ``on_give_up`` is called with the reason. Not having the log counts as no
        delivery. Raises LogDivergence.
        """
        self._room.set()
        caring = asyncio.create_task(self._care(handler, concurrency, on_give_up), name=f"{self._stream} caretaker")
        backoff = Backoff(0.1, 2.0)
        try:
            while True:
                try:
                    await self._deliver(handler, concurrency, on_give_up, backoff)
                except LogDivergence:
                    raise
                except LogError as error:
                    logger.warning("no work can be fetched", stream=self._stream, error=str(error))
                    await asyncio.sleep(backoff.next())
        finally:
            await self._stop(caring)

    # --- fetching ---------------------------------------------------------------------------------------------------

    async def _deliver(self, handler: Handler, concurrency: int, on_give_up: GiveUp | None, backoff: Backoff) -> None:
        """On every new start: first what we have left lying, then what is new."""
        await self._group.ensure()
        for delivery in await self._group.unfinished(self._active):
            self._begin(delivery, handler, on_give_up)
        while True:
            while len(self._active) >= concurrency:
                self._room.clear()
                await self._room.wait()
            for delivery in await self._group.fetch(concurrency - len(self._active)):
                self._begin(delivery, handler, on_give_up)
            backoff.reset()

    def _begin(self, delivery: Delivery, handler: Handler, on_give_up: GiveUp | None) -> None:
        if delivery.id in self._active:
            return
        task = asyncio.create_task(
            self._work(delivery, handler, on_give_up), name=f"{self._stream} {delivery.id.decode()}"
        )
        self._active[delivery.id] = task

        def ended(task: asyncio.Task[None]) -> None:
            del self._active[delivery.id]
            self._room.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("work ended without an end", stream=self._stream, error=repr(error))

        task.add_done_callback(ended)

    # --- one piece of work ------------------------------------------------------------------------------------------

    async def _work(self, delivery: Delivery, handler: Handler, on_give_up: GiveUp | None) -> None:
        failed, away = Backoff(self._retry_seconds, 30.0), Backoff(self._retry_seconds, 2.0)
        deliveries: int | None = delivery.deliveries
        while deliveries is not None:
            pointer = Pointer(
                Seq(int(delivery.fields[b"n"])),
                Aggregate(delivery.fields[b"s"].decode()),
                delivery.fields[b"t"].decode(),
                deliveries,
            )
            if deliveries > self._give_up_after:  # those that took it before died over it
                await self._give_up(pointer, "every attempt ended with the process", on_give_up)
                break
            counts = True
            try:
                await handler(pointer)
                break
            except LogDivergence:
                return
            except LogError as error:
                counts = False
                reason = str(error)
            except Exception as error:  # noqa: BLE001  # whatever it was, the work is not done
                # Only our own errors are known to be free of real values.
                reason = str(error) if isinstance(error, PorteroError) else type(error).__name__
            telemetry.HANDLER_ERRORS.labels(self._stream).inc()
            logger.warning(
                "work failed", stream=self._stream, about=pointer.aggregate, deliveries=deliveries, error=reason
            )
            if counts and deliveries >= self._give_up_after:
                await self._give_up(pointer, reason, on_give_up)
                break
            await asyncio.sleep((failed if counts else away).next())
            deliveries = await self._insist(partial(self._group.again, delivery.id, counts=counts))
        else:
            return  # somebody else has it by now
        await self._insist(lambda: self._group.done(delivery.id))

    async def _give_up(self, pointer: Pointer, reason: str, on_give_up: GiveUp | None) -> None:
        event = HandlerGaveUp(self._stream, pointer.aggregate, pointer.deliveries, reason)
        write = Write(LOG_AGGREGATE, None, (event,))
        await self._insist(lambda: self._log.append(write, actor=SYSTEM, now=self._clock(), cause=pointer.seq))
        logger.error("gave up on work", stream=self._stream, about=pointer.aggregate, error=reason)
        if on_give_up is not None:
            await on_give_up(pointer, reason)

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks until the log answers."""
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                return await ask()
            except LogDivergence:
                raise
            except LogError as error:
                logger.warning("the log does not answer", stream=self._stream, error=str(error))
                await asyncio.sleep(backoff.next())

    # --- others' and the end ----------------------------------------------------------------------------------------

    async def _care(self, handler: Handler, concurrency: int, on_give_up: GiveUp | None) -> None:
        """Keeps what we work on ours, takes over from the dead, and forgets consumers that left nothing.

        After a time without the store the living look dead as well: they get a turn to say that they live.
        """
        away = False
        while True:
            await asyncio.sleep(self._idle_ms / 3000)
            try:
                await self._group.keep(set(self._active))
                room = 0 if away else concurrency - len(self._active)
                away = False
                for delivery in await self._group.take_over(self._idle_ms, room) if room > 0 else ():
                    self._begin(delivery, handler, on_give_up)
                for name in await self._group.dismiss(FORGET_FACTOR * self._idle_ms):
                    logger.info("forgot a consumer", stream=self._stream, consumer=name)
            except LogError as error:
                away = True
                logger.warning("cannot look after the work", stream=self._stream, error=str(error))

    async def _stop(self, caring: asyncio.Task[None]) -> None:
        """Stops handlers where they are, and lets others take over what they had."""
        left = dict(self._active)
        for task in (caring, *left.values()):
            task.cancel()
        await asyncio.gather(caring, *left.values(), return_exceptions=True)
        if left:
            with contextlib.suppress(LogError, TimeoutError):  # away: others take over when the time is up
                async with asyncio.timeout(1.0):
                    await self._group.hand_over(set(left), self._idle_ms)
