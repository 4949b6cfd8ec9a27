"""Cutting the next segment: its events are taken off the stream's pages, and one that is there already is looked at."""

import asyncio
import sys
import time
from typing import Final

import attrs

from portero.domain.ids import ARCHIVE_AGGREGATE
from portero.errors import ArchiveConflict
from portero.log.archive.archive import pages_of
from portero.log.archive.segment import Segment
from portero.log.archive.writing import SegmentWriter
from portero.log.connect import Store
from portero.log.entries import Entries
from portero.log.reading import raw_pages

RAW_BYTES: Final = 32 << 20
"""A segment is cut at this size, before packing, however few its events are."""
PAGE: Final = 100
"""Half a millisecond's work, between which calls are answered."""
REST: Final = 2.0
"""How long to rest for how long a page took: a third of a core is the most that archiving may take."""
LOOK: Final = 10
"""Events looked at to find the first that counts; the archive's own are few."""


@attrs.frozen
class Mark:
    """Where a segment ends: its last event, that one's entry, and the segment's hash."""

    last: int
    entry: str
    digest: str


async def cut(store: Store, log: str, after: Mark, events: int, raw_bytes: int = RAW_BYTES) -> SegmentWriter:
    """What comes behind the mark: at most ``events``, and as many as a segment may hold.

    It takes its time: calls come first. Raises LogUnavailable, or LogDivergence for a stream that does not go on there.
    """
    writer = SegmentWriter(log, after.last + 1, after.digest)
    began = time.perf_counter()
    async for page in raw_pages(store, after.entry, PAGE):
        writer.add(page[: events - writer.events])
        if writer.events >= events or writer.raw_bytes >= raw_bytes:
            break
        await asyncio.sleep((time.perf_counter() - began) * REST)
        began = time.perf_counter()
    return writer


async def agrees(store: Store, after: Mark, found: Segment) -> bool:
    """Whether a segment that is there already is the one that follows on the mark, event by event as on the stream."""
    header = found.header
    if (header.first, header.previous) != (after.last + 1, after.digest):
        return False
    archived = SegmentWriter(header.log, header.first, header.previous)
    async for page in pages_of(found):
        archived.add(page)
    wanted = await cut(store, header.log, after, header.events, sys.maxsize)
    return wanted.lines_digest == archived.lines_digest


def conflict(name: str, why: str) -> ArchiveConflict:
    return ArchiveConflict(
        f"The archive's segment {name} {why}. It is left as it is, and nothing more is archived: run `portero audit "
        "verify`, find out who wrote it, and move it away."
    )


async def oldest_event(store: Store, after: Mark) -> int | None:
    """When (ms) the first event behind the mark was written that is not about the archive itself; None: no such."""
    entries = Entries()
    async for page in raw_pages(store, after.entry, LOOK):
        for recorded in entries.recorded(page, None):
            if recorded.aggregate != ARCHIVE_AGGREGATE:
                return recorded.meta.at
    return None
