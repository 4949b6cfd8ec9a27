"""Follows the log from outside while it is written: what is trimmed later was seen, and what stands has not changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.checker import Violation
from tests.chaos.history import PAGE, Entry, entry_of

LOOK_SECONDS = 0.1
UNCHANGED = "what stands on the log stays as it is"


class Tail:
    """Plain XRANGE on a connection of its own, again and again. ``entries`` is the whole log so far."""

    def __init__(self, port: int, key: str) -> None:
        self.entries: list[Entry] = []
        self._key = key
        self._redis: Any = Redis(port=port, decode_responses=True, socket_timeout=2.0)

    async def run(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.read)
            except RedisError:
                self._redis.close()  # it is away, or stands still: it is tried again on another connection
            await asyncio.sleep(LOOK_SECONDS)

    def read(self) -> None:
        """Everything that is new."""
        while page := self._redis.xrange(self._key, f"({self._last()}", "+", PAGE):
            self.entries += [entry_of(identity, fields) for identity, fields in page]

    def changed(self) -> list[Violation]:
        """What stands on the stream now and is not what stood there when it was read first."""
        known = {entry.id: entry for entry in self.entries}
        found, after = [], "-"
        while page := self._redis.xrange(self._key, after, "+", PAGE):
            for identity, fields in page:
                if known.get(identity) != entry_of(identity, fields):
                    found.append(Violation(UNCHANGED, f"entry {identity}", "it is not what it was"))
            after = f"({page[-1][0]}"
        return found

    def close(self) -> None:
        self._redis.close()

    def _last(self) -> str:
        return self.entries[-1].id if self.entries else "0-0"


@asynccontextmanager
async def following(port: int, key: str) -> AsyncIterator[Tail]:
    """A tail that reads on during the block."""
    tail = Tail(port, key)
    reading = asyncio.create_task(tail.run())
    try:
        yield tail
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        tail.close()
