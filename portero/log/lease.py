"""A named lease: one process at a time does what only one should, such as polling Telegram.

Safety never rests on it (the log's version check does): a holder that sleeps may wake up believing in it for a moment.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from portero.errors import LogError
from portero.log.log import Log
from portero.log.scripts import LEASE

logger = structlog.get_logger("portero.log")

TTL_SECONDS: Final = 10.0


class Lease:
    """``epoch`` is greater for every new holder, and 0 while this one has not got it."""

    def __init__(self, log: Log, name: str, *, ttl_seconds: float = TTL_SECONDS) -> None:
        self.epoch = 0
        self._log, self._name, self._ttl = log, name, ttl_seconds
        self._holder = f"{log.replica}:{secrets.token_hex(6)}"
        self._loop = asyncio.get_running_loop()
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether it is ours by our own clock; without an answer from the store it ends by itself."""
        return self.epoch > 0 and self._loop.time() < self._until

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
        asked = self._loop.time()
        keys = self._log.store.keys
        async with self._log.store.reach() as client:
            epoch = await client.eval(
                LEASE.source,
                2,
                keys.lease(self._name),
                keys.epoch(self._name),
                what,
                self._holder,
                round(self._ttl * 1000),
            )
        self.epoch = int(epoch)
        self._until = (
            asked + self._ttl if self.epoch else 0.0
        )  # counted from before the question: never longer than the store does
        return self.epoch > 0

    async def run_while_held(self, work: Callable[[int], Awaitable[None]]) -> None:
        """Waits for the lease and runs ``work(epoch)``; cancels it when the lease is lost, and waits again.

        Returns when ``work`` returns, and raises what it raises; the lease is given back.
        """
        while True:
            if await self._try(self.acquire):
                logger.info("holds a lease", lease=self._name, epoch=self.epoch)
                try:
                    if await self._hold(work):
                        return
                finally:
                    if self.held:
                        await self._try(self._give_back)
                logger.warning("lost a lease", lease=self._name)
            await asyncio.sleep(self._ttl / 3)

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
            async with asyncio.timeout(self._until - self._loop.time()):
                return await self._try(self.renew) or self.held
        except TimeoutError:
            return False

    async def _give_back(self) -> bool:
        await self.release()
        return True

    async def _try(self, ask: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await ask()
        except LogError as error:
            logger.warning("cannot ask for a lease", lease=self._name, error=str(error))
            return False
