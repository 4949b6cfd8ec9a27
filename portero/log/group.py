"""The consumer group of one work stream: its commands, and what their replies mean."""

from collections.abc import Container, Sequence
from typing import Any, Final

import attrs
from redis.exceptions import ResponseError

from portero.log.log import Log
from portero.log.scripts import DISMISS

GROUP: Final = "portero"


@attrs.frozen
class Delivery:
    """An entry of the stream that is ours to work on. ``deliveries`` counts this one."""

    id: bytes
    fields: dict[bytes, bytes]
    deliveries: int


class Group:
    """Every method raises LogUnavailable, and LogDivergence where the log turns out to be another one."""

    def __init__(self, log: Log, stream: str) -> None:
        self._store = log.store
        self._log = log
        self._key = log.store.keys.work(stream)
        self._me = str(log.replica)

    async def ensure(self) -> None:
        """Makes the group where it is missing, from the stream's beginning: ``$`` would lose work."""
        await self._log.head()  # on another log nothing is made
        async with self._store.reach() as client:
            try:
                await client.xgroup_create(self._key, GROUP, "0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def unfinished(self, active: Container[bytes]) -> list[Delivery]:
        """What was delivered to us before and never acknowledged, beside ``active``; counts as one more delivery.

        Not by XREADGROUP with an id, which would count the active ones once more as well.
        """
        async with self._store.reach() as client:
            ours: list[Any] = [entry for entry in await self._pending(client) if entry not in active]
            page: Any = await client.xclaim(self._key, GROUP, self._me, 0, ours) if ours else []
            return await self._counted(client, page)

    async def fetch(self, count: int) -> list[Delivery]:
        """New entries; waits up to 2 s for one."""
        async with self._store.reach(blocking=True) as client:
            block = self._store.limits.block_ms
            reply = await client.xreadgroup(GROUP, self._me, {self._key: ">"}, count=count, block=block)
        return [Delivery(entry, fields, 1) for entry, fields in _page(reply)]

    async def take_over(self, idle_ms: int, count: int) -> list[Delivery]:
        """Entries whose consumer was not heard of for ``idle_ms``, at most ``count``."""
        found: list[Delivery] = []
        cursor: Any = "0-0"
        async with self._store.reach() as client:
            while len(found) < count:
                cursor, page, *_ = await client.xautoclaim(
                    self._key, GROUP, self._me, idle_ms, cursor, count=count - len(found)
                )
                found += await self._counted(client, page)
                if cursor == b"0-0":
                    break
        return found

    async def keep(self, ids: set[bytes]) -> set[bytes]:
        """Says of these entries that they are being worked on; returns those that are still ours."""
        if not ids:
            return set()
        async with self._store.reach() as client:
            ours = ids & set(await self._pending(client))
            if ours:
                await client.xclaim(self._key, GROUP, self._me, 0, list(ours), justid=True)
        return ours

    async def again(self, entry: bytes, *, counts: bool) -> int | None:
        """Delivers an entry to us once more; returns how often it was delivered, or None when it is no longer ours."""
        async with self._store.reach() as client:
            if entry not in await self._pending(client, entry):
                return None
            await client.xclaim(self._key, GROUP, self._me, 0, [entry], justid=not counts)
            return (await self._pending(client, entry)).get(entry)

    async def done(self, entry: bytes) -> None:
        """Acknowledges and deletes in one step, so that the stream holds only what is still to be done."""
        async with self._store.reach() as client, client.pipeline(transaction=True) as both:
            both.xack(self._key, GROUP, entry)
            both.xdel(self._key, entry)
            await both.execute()

    async def hand_over(self, ids: set[bytes], idle_ms: int) -> None:
        """Lets others take these over at once."""
        async with self._store.reach() as client:
            ours = ids & set(await self._pending(client))
            if ours:
                await client.xclaim(self._key, GROUP, self._me, 0, list(ours), idle=idle_ms, justid=True)

    async def dismiss(self, idle_ms: int) -> list[str]:
        """Removes consumers that were not heard of for ``idle_ms`` and have nothing left; returns their names."""
        async with self._store.reach() as client:
            names = await client.eval(DISMISS.source, 1, self._key, GROUP, idle_ms, self._me)
        return [name.decode() for name in names]

    async def _pending(self, client: Any, entry: bytes | None = None) -> dict[bytes, int]:
        """Our entries with their number of deliveries: the given one, or all."""
        first, last = (entry, entry) if entry else ("-", "+")
        rows = await client.xpending_range(self._key, GROUP, first, last, 10_000, consumername=self._me)
        return {row["message_id"]: row["times_delivered"] for row in rows}

    async def _counted(self, client: Any, page: Sequence[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Delivery]:
        if not page:
            return []
        counts = await self._pending(client)
        # An entry that was deleted while it was pending has no fields; there is nothing left to do for it.
        return [Delivery(entry, fields, counts.get(entry, 1)) for entry, fields in page if fields]


def _page(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of the one stream that was asked for."""
    for page in reply.values() if reply else ():
        return list(page)
    return []
