"""Bringing a log back into an empty store, from its archive."""

from collections.abc import AsyncIterator, Container, Iterable, Mapping
from typing import Final

import attrs
from redis.exceptions import ResponseError

from portero.domain.ids import Aggregate, Millis, split_aggregate
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


PASSING: Final = frozenset({"call", "session", "replica", "owner"})
"""Kinds of aggregates that come and go without end; and owners, of whom none owns anything after that."""


class Versions:
    """Where the aggregates stand that last: of all others, whoever has seen the whole log is believed."""

    def __init__(self) -> None:
        self.lasting: dict[Aggregate, int] = {}

    def add(self, events: Iterable[RecordedEvent]) -> None:
        for event in events:
            if split_aggregate(name := Aggregate(event.aggregate))[0] not in PASSING:
                self.lasting[name] = event.version

    def drop(self, kind: str, but: Container[Aggregate]) -> None:
        """Those of this kind that have ended."""
        gone = [name for name in self.lasting if split_aggregate(name)[0] == kind and name not in but]
        for name in gone:
            del self.lasting[name]


@attrs.frozen
class Restored:
    """A log as its archive has it: its id and its end, what was folded from it, what it is to be woken for, and the
    versions that go on from there."""

    id: str
    seq: int
    entry: str
    policy_version: int
    snapshot: bytes = attrs.field(repr=False)
    timers: Mapping[Aggregate, Millis]
    versions: Mapping[Aggregate, int]


async def restore(log: Log, back: Restored) -> None:
    """Makes the store that ``log`` is in the home of the one that comes back; ``log`` is of no use afterwards.

    Raises StoreError when the store holds events, LogUnavailable, LogFull.
    """
    keys = log.store.keys
    await save_snapshot(log.store, back.id, back.snapshot, back.seq, back.entry)  # means nothing without a head
    due = [part for pair in back.timers.items() for part in pair]
    heads = [part for pair in back.versions.items() for part in pair]
    async with log.store.reach() as client:
        try:
            await client.eval(
                RESTORE.source,
                *(3, keys.head, keys.log, keys.timers),
                *(back.id, back.seq, back.entry, back.policy_version, keys.aggregate("")),
                *(len(back.timers), *due, *heads),
            )
        except ResponseError as error:
            raise StoreError(f"The store holds a log, and nothing is restored over it ({error}).") from error
