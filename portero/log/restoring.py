"""Bringing a log back into an empty store, from its archive."""

from collections.abc import AsyncIterator, Mapping

import attrs
from redis.exceptions import ResponseError

from portero.domain.ids import Aggregate, Millis
from portero.errors import ArchiveError, StoreError
from portero.log.archive import Archive
from portero.log.entries import Entries, RecordedEvent
from portero.log.log import Log
from portero.log.scripts import RESTORE
from portero.log.snapshot import save_snapshot


async def archived_events(archive: Archive) -> AsyncIterator[list[RecordedEvent]]:
    """All of them, from the first on. Raises ArchiveError when its beginning was removed."""
    entries, after, last = Entries(), 0, await archive.last()
    if (await archive.firsts())[:1] != [1]:
        raise ArchiveError(f"The archive {archive} does not go back to the log's beginning, so it cannot be rebuilt.")
    async for page in archive.entries(0, last):
        events = entries.recorded(page, after)
        after = events[-1].seq
        yield events


@attrs.frozen
class Restored:
    """A log as its archive has it: its id and its end, what was folded from it, and what it is to be woken for."""

    id: str
    seq: int
    entry: str
    policy_version: int
    snapshot: bytes = attrs.field(repr=False)
    timers: Mapping[Aggregate, Millis]


async def restore(log: Log, back: Restored) -> None:
    """Makes the store that ``log`` is in the home of the one that comes back; ``log`` is of no use afterwards.

    Raises StoreError when the store holds events, LogUnavailable, LogFull.
    """
    keys = log.store.keys
    await save_snapshot(
        log.store, back.id, back.snapshot, back.seq, back.entry
    )  # means nothing until the head is there
    due = [part for pair in back.timers.items() for part in pair]
    async with log.store.reach() as client:
        try:
            await client.eval(
                RESTORE.source,
                *(3, keys.head, keys.log, keys.timers),
                *(back.id, back.seq, back.entry, back.policy_version, *due),
            )
        except ResponseError as error:
            raise StoreError(f"The store holds a log, and nothing is restored over it ({error}).") from error
