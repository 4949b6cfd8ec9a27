"""The archive of one log, for those who read it: events by their place, from segments that hang together."""

import asyncio
from collections.abc import AsyncIterator

from portero.errors import ArchiveConflict, ArchiveError, SegmentDamaged
from portero.log.archive.reading import entries_of, open_segment
from portero.log.archive.segment import RawEntry, Segment, first_of, name_of
from portero.log.archive.storage import Storage


class Archive:
    """``log``: the id of the log that it must be of."""

    def __init__(self, storage: Storage, log: str) -> None:
        self.storage = storage
        self.log = log

    def __str__(self) -> str:
        return str(self.storage)

    @classmethod
    async def of(cls, storage: Storage) -> "Archive | None":
        """Of whichever log its first segment is; None when it holds none. Raises ArchiveError or SegmentDamaged."""
        for name in await storage.names():
            if first_of(name) is not None:
                segment = await asyncio.to_thread(open_segment, name, await storage.read(name))
                return cls(storage, segment.header.log)
        return None

    async def last(self) -> int:
        """The last archived event; 0 when there is none."""
        firsts = await self.firsts()
        newest = await self.load(firsts[-1]) if firsts else None
        return newest.header.last if newest is not None else 0

    async def before(self, moment: int) -> int:
        """Behind which event to read for all that was written from ``moment`` (ms, by the store's clock) on, and more.

        Looks at few segments: their times only grow.
        """
        firsts = await self.firsts()
        if not firsts or moment <= 0:
            return firsts[0] - 1 if firsts else 0
        low, high = 0, len(firsts)
        while low < high:
            middle = (low + high) // 2
            segment = await self.load(firsts[middle])
            if segment is not None and int(segment.header.first_entry.partition("-")[0]) < moment:
                low = middle + 1
            else:
                high = middle
        return firsts[max(low, 1) - 1] - 1

    async def firsts(self) -> list[int]:
        """The first event of each segment, in order. Raises ArchiveError."""
        found = (first_of(name) for name in await self.storage.names())
        return [first for first in found if first is not None]

    async def load(self, first: int) -> Segment | None:
        """The segment that begins with this event, whole; None when there is none.

        Raises ArchiveError, SegmentDamaged, and ArchiveConflict for one of another log.
        """
        name = name_of(first)
        try:
            data = await self.storage.read(name)
        except FileNotFoundError:
            return None
        segment = await asyncio.to_thread(open_segment, name, data)
        if segment.header.log != self.log:
            raise ArchiveConflict(
                f"The archive {self} holds the log {segment.header.log}, and this is the log {self.log}. Set "
                "PORTERO_ARCHIVE to a place of its own for each log."
            )
        if segment.header.first != first:
            raise SegmentDamaged(name, "out of order", f"it holds the events from {segment.header.first} on")
        return segment

    async def entries(self, after: int, until: int) -> AsyncIterator[list[RawEntry]]:
        """The entries behind event ``after`` up to ``until``, in pages. Raises ArchiveError when one is missing."""
        firsts = await self.firsts()
        first = max((each for each in firsts if each <= after + 1), default=None)
        previous: str | None = None
        at = after + 1
        while at <= until:
            segment = await self.load(first) if first is not None else None
            if segment is None or not segment.header.first <= at <= segment.header.last:
                raise ArchiveError(f"Event {at} is not on the stream any more, and not in the archive {self} either.")
            if previous is not None and segment.header.previous != previous:
                raise SegmentDamaged(
                    segment.header.name,
                    "out of chain",
                    "it does not name the hash of the one before",
                )
            async for page in pages_of(segment):
                wanted = [entry for entry in page if at <= int(entry[1][7]) <= until]
                if wanted:
                    yield wanted
            previous, at = segment.digest, segment.header.last + 1
            first = at


async def pages_of(segment: Segment) -> AsyncIterator[list[RawEntry]]:
    """Its entries, unpacked in a thread, a page at a time. Raises SegmentDamaged."""
    pages = entries_of(segment, segment.header.name)
    while (page := await asyncio.to_thread(next, pages, None)) is not None:
        yield page
