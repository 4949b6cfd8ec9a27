"""Where archive and stream meet: nothing may be missing between them, and what both hold must be the same."""

import sys

from portero.errors import LogDivergence, LogTrimmed
from portero.log.archive.archive import pages_of
from portero.log.archive.audit import Audit
from portero.log.archive.cutting import Mark, cut
from portero.log.archive.segment import Segment
from portero.log.archive.storage import Storage
from portero.log.archive.writing import SegmentWriter
from portero.log.connect import Store
from portero.log.log import Log
from portero.log.reading import START, read


async def audit(storage: Storage, log: Log | None) -> Audit:
    """Looks at the whole archive, and with a log at where both meet; ``judge`` is still to be called.

    Raises ArchiveError or LogUnavailable when they cannot be reached.
    """
    verdict = Audit(log.id if log is not None else None)
    trimmed = await _trimmed(log.store) if log is not None else 0
    near = START
    for name in await storage.names():
        segment = await verdict.look(storage, name)
        if segment is not None and log is not None and segment.header.first > trimmed:
            await _compare(verdict, log.store, segment, near)
        near = segment.header.last_entry if segment is not None else START
    if log is not None:
        await _go_on(verdict, log.store)
    return verdict


async def _trimmed(store: Store) -> int:
    async with store.reach() as client:
        return int(await client.hget(store.keys.head, "trimmed") or 0)


async def _compare(verdict: Audit, store: Store, segment: Segment, near: str) -> None:
    """The stream keeps some events that are archived already: there the archive can be held against it."""
    header = segment.header
    archived = SegmentWriter(header.log, header.first, header.previous)
    async for page in pages_of(segment):
        archived.add(page)
    try:
        kept = await cut(store, header.log, Mark(header.first - 1, near, header.previous), header.events, sys.maxsize)
    except LogDivergence:
        return  # the stream does not begin there; whether something is missing is looked at on its own
    if kept.events == header.events and kept.lines_digest != archived.lines_digest:
        verdict.fault("replaced", header.name, "its events are not those that the stream has")


async def _go_on(verdict: Audit, store: Store) -> None:
    """What is on the stream behind the archive, up to the log's end."""
    last = verdict.last
    at = last.last if last else 0
    try:
        async for events in read(store, None, at, last.last_entry if last else START, 1000):
            for recorded in events:
                verdict.hear(recorded.event, recorded.seq)
                at = recorded.seq
    except LogTrimmed:
        begins = await _trimmed(store) + 1
        text = f"events {at + 1} to {begins - 1} are neither in the archive nor on the stream"
        verdict.fault("missing", None, text)
        async for events in read(store, None, begins - 1, START, 1000):
            for recorded in events:
                verdict.hear(recorded.event, recorded.seq)
    except LogDivergence as error:
        verdict.fault("stream", None, f"on the stream, {error}")
