"""Where archive and stream meet: nothing may be missing between them, and what both hold must be the same."""

import sys
from collections.abc import Sequence
from typing import Final, Self

import attrs

from portero.domain.ids import ARCHIVE_AGGREGATE
from portero.errors import LogDivergence, LogTrimmed
from portero.log.archive.archive import pages_of
from portero.log.archive.audit import Audit, Fault, told
from portero.log.archive.cutting import Mark, cut
from portero.log.archive.growth import SINCE, Growth
from portero.log.archive.segment import Segment
from portero.log.archive.storage import Storage
from portero.log.archive.writing import SegmentWriter
from portero.log.connect import Store
from portero.log.entries import RecordedEvent
from portero.log.log import Log
from portero.log.reading import START, read

COUNT: Final = 1_000


async def audit(storage: Storage, log: Log | None) -> Audit:
    """Looks at the whole archive, and with a log at where both meet; ``judge`` is still to be called.

    Raises ArchiveError or LogUnavailable when they cannot be reached.
    """
    verdict = Audit(log.id if log is not None else None)
    seen: set[str] = set()
    near = START
    while True:
        for name in [name for name in await storage.names() if name not in seen]:
            seen.add(name)
            trimmed = await _trimmed(log.store) if log is not None else 0
            segment = await verdict.look(storage, name)
            if segment is not None and log is not None and segment.header.first > trimmed:
                await _compare(verdict, log.store, segment, near)
            near = segment.header.last_entry if segment is not None else START
        if log is None:
            return verdict
        rest = await _rest(log.store, verdict)
        if seen >= set(await storage.names()):  # or else the archivist was at work meanwhile: it is looked at again
            verdict.faults += rest.faults
            for event, seq in rest.heard:
                verdict.hear(event, seq)
            return verdict


@attrs.define
class _Rest:
    """What is on the stream behind the archive: what is wrong with it, and what it says of the archive."""

    growth: Growth
    faults: list[Fault] = attrs.field(factory=list)
    heard: list[tuple[object, int]] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)

    def add(self, events: Sequence[RecordedEvent]) -> None:
        for each in events:
            if each.aggregate == ARCHIVE_AGGREGATE:
                self.heard.append((each.event, each.seq))
            back = self.growth.wrong(each.type.encode(), each.aggregate.encode(), each.version)
            if back is not None and each.meta.schema >= SINCE:
                self.wrong.append(f"at event {each.seq}, on the stream, {back}")

    def judged(self) -> Self:
        if self.wrong:
            self.faults.append(Fault("version", None, told(self.wrong)))
        return self


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


async def _rest(store: Store, verdict: Audit) -> _Rest:
    """Up to the log's end."""
    found, last = _Rest(verdict.growth.copy()), verdict.last
    at, near = (last.last, last.last_entry) if last else (0, START)
    while True:
        try:
            async for events in read(store, None, at, near, COUNT):
                found.add(events)
                at = events[-1].seq
        except LogTrimmed:
            begins = await _trimmed(store) + 1
            text = f"events {at + 1} to {begins - 1} are neither in the archive nor on the stream"
            found.faults.append(Fault("missing", None, text))
            at, near = begins - 1, START
        except LogDivergence as error:
            found.faults.append(Fault("stream", None, f"on the stream, {error}"))
            return found.judged()
        else:
            return found.judged()
