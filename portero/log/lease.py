"""A named lease: one process at a time does what only one should, such as polling Telegram.

Safety never rests on it (the log's version check does): a holder that sleeps may wake up believing in it for a moment.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from portero.domain.ids import ReplicaId
from portero.errors import LogError
from portero.log.log import Log
from portero.log.scripts import LEASE

logger = structlog.get_logger("portero.log")

TTL_SECONDS: Final = 10.0
SHORTEST_WAIT_SECONDS: Final = 0.02
LEAVE_SECONDS: Final = 2.0
"""How long who is stopped tries to give back what it may have got: the store may be away."""
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds that go on while this machine sleeps, where there is such a clock: the store's go on then."""
    return time.clock_gettime(_CLOCK)


async def holder(log: Log, name: str) -> ReplicaId | None:
    """The replica that has this lease now. Raises LogUnavailable."""
    async with log.store.reach() as client:
        found: Any = await client.get(log.store.keys.lease(name))
    return None if found is None else ReplicaId(found.decode().rpartition(":")[0])


class Lease:
    """``epoch`` is greater for every new holder, and 0 while this one has not got it."""

    def __init__(
        self,
        log: Log,
        name: str,
        *,
        ttl_seconds: float = TTL_SECONDS,
        on_kept: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``on_kept`` is told until when it is ours, by ``clock``, whenever that changes."""
        self.epoch = 0
        self.after = 0
        """An epoch that is known to have been: the next one is greater, whatever became of the store's counter."""
        self._log, self._name, self._ttl = log, name, ttl_seconds
        self._holder = f"{log.replica}:{secrets.token_hex(6)}"
        self._on_kept = on_kept
        self._until = 0.0
        self._taken_until = 0.0
        """When another one's would end, if it died now; 0 while nobody else is known to have it."""
        self._nudged = asyncio.Event()

    @property
    def held(self) -> bool:
        """Whether it is ours by our own clock; without an answer from the store it ends by itself."""
        return self.epoch > 0 and clock() < self._until

    @property
    def until(self) -> float:
        """When it ends, by ``clock``, unless it is kept before."""
        return self._until

    def nudge(self) -> None:
        """It may be free: whoever waits for it in ``run_while_held`` asks at once."""
        self._nudged.set()

    async def acquire(self) -> bool:
        """Takes it when it is free, keeps it when it is ours. Raises LogUnavailable."""
        return await self._ask("take")

    async def renew(self) -> bool:
        """Keeps it when it is still ours; never takes it anew. Raises LogUnavailable."""
        return await self._ask("keep")

    async def release(self) -> None:
        """Gives it to whoever asks next. Raises LogUnavailable."""
        await self._ask("leave")

    async def _ask(self, what: str) -> bool:
        asked = clock()
        keys = self._log.store.keys
        async with self._log.store.reach() as client:
            reply = await client.eval(
                LEASE.source,
                2,
                keys.lease(self._name),
                keys.epoch(self._name),
                what,
                self._holder,
                round(self._ttl * 1000),
                self.after,
            )
        self.epoch = max(0, int(reply))
        self._taken_until = clock() - int(reply) / 1000 if int(reply) < 0 else 0.0
        # Counted from before the question: never longer than the store does.
        self._until = asked + self._ttl if self.epoch else 0.0
        if self.epoch:
            self._on_kept(self._until)
        return self.epoch > 0

    async def run_while_held(self, work: Callable[[int], Awaitable[None]]) -> None:
        """Waits for the lease and runs ``work(epoch)``; cancels it when the lease is lost, and waits again.

        Returns when ``work`` returns, and raises what it raises; the lease is given back.
        """
        while True:
            self._nudged.clear()
            if await self._try(self._acquire_or_leave):
                logger.info("holds a lease", lease=self._name, epoch=self.epoch)
                try:
                    if await self._hold(work):
                        return
                finally:
                    if self.held:
                        await self._try(self._give_back)
                logger.warning("lost a lease", lease=self._name)
            await self._wait()

    async def _wait(self) -> None:
        """Until it may be free: when another one's ends, if that is not kept, or when somebody says so."""
        left = max(self._taken_until - clock(), SHORTEST_WAIT_SECONDS) if self._taken_until else self._ttl / 3
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, self._ttl / 3)):
                await self._nudged.wait()

    async def _hold(self, work: Callable[[int], Awaitable[None]]) -> bool:
        """True when the work is done, False when the lease was lost before."""
        task = asyncio.ensure_future(work(self.epoch))
        try:
            while not task.done():
                await asyncio.wait([task], timeout=self._ttl / 4)
                if not task.done() and not await self._renew_in_time():
                    return False
            await task
            return True
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def _renew_in_time(self) -> bool:
        """False once it is lost: the store said so, or could not be asked until it ran out."""
        try:
            async with asyncio.timeout(self._until - clock()):
                return await self._try(self.renew) or self.held
        except TimeoutError:
            return False

    async def _acquire_or_leave(self) -> bool:
        """Who is stopped before the store has answered may have it without knowing."""
        try:
            return await self.acquire()
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._try(self._give_back)
            raise

    async def _give_back(self) -> bool:
        await self.release()
        return True

    async def _try(self, ask: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await ask()
        except LogError as error:
            logger.warning("cannot ask for a lease", lease=self._name, error=str(error))
            return False
