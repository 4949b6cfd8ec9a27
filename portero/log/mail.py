"""Messages from one replica to another: in order, at most once, and no part of the record.

For what is of use now or never, such as progress. Whoever is not there does not get them; what nobody reads is dropped.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog

from portero.domain.ids import ReplicaId
from portero.errors import LogError
from portero.log.backoff import Backoff
from portero.log.log import Log
from portero.log.reading import START

logger = structlog.get_logger("portero.log")

KEPT: Final = 1_000
"""Messages that wait for one replica, about; the oldest are dropped first."""
KEPT_SECONDS: Final = 60
LARGEST_BYTES: Final = 4 * 1024 * 1024
PAGE: Final = 100


class Mailbox:
    """This replica's own, and the slot of every other's."""

    def __init__(self, log: Log) -> None:
        self._log, self._store = log, log.store

    async def send(self, to: ReplicaId, messages: Iterable[bytes]) -> None:
        """Raises LogUnavailable or LogFull: then nobody knows which of them have arrived."""
        key = self._store.keys.mail(to)
        async with self._store.reach() as client, client.pipeline(transaction=False) as pipe:
            for message in messages:
                pipe.xadd(key, {b"m": message}, maxlen=KEPT, approximate=True)
            pipe.expire(key, KEPT_SECONDS)
            await pipe.execute()

    async def receive(self, take: Callable[[bytes], None]) -> None:
        """Hands on what comes, for ever, across times when the store is away. ``take`` must not raise."""
        key = self._store.keys.mail(self._log.replica)
        after: Any = START
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                page = await self._read(key, after)
                backoff.reset()
            except LogError as error:
                logger.warning("no mail can be read", error=str(error))
                await asyncio.sleep(backoff.next())
                continue
            for entry, fields in page:
                after = entry
                take(fields[b"m"])

    async def _read(self, key: str, after: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """What has come after ``after``; waits up to 2 s for something. What was handed on before is dropped there."""
        async with self._store.reach(blocking=True) as client:
            if after != START:
                await client.xtrim(key, minid=_behind(after), approximate=False)
            reply: Any = await client.xread({key: after}, count=PAGE, block=self._store.limits.block_ms)
        for page in reply.values() if reply else ():
            return list(page)
        return []


def _behind(entry: bytes) -> str:
    """The smallest id that an entry behind this one can have."""
    time, _, number = entry.decode().partition("-")
    return f"{time}-{int(number) + 1}"
