"""The archivist: what is on the stream goes into segments, the log says so, and only then the stream is trimmed.

One replica at a time does it, the holder of a lease. Nothing rests on that: a segment is put where no other is, the
event that names it is appended at a version, and the trimming checks the lease's epoch where the stream is. Whatever
is interrupted is found as it was left, and done from there.
"""

import asyncio
from bisect import bisect_right
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from handlers.core import Core
from portero import telemetry
from portero.domain.archive import NOTHING, witness
from portero.domain.events import SegmentArchived, SegmentsRemoved
from portero.domain.ids import ARCHIVE_AGGREGATE, Millis
from portero.domain.values import SYSTEM
from portero.errors import ArchiveError, LogDivergence, LogError, LogFull, VersionConflict
from portero.log import Lease, Note, Write
from portero.log.archive import Archive, Bucket, Header, Segment, first_of, name_of, prove
from portero.log.archive.cutting import Mark, agrees, conflict, cut, oldest_event
from portero.log.trimming import trim, trimmable
from portero.settings import ArchiveSettings

logger = structlog.get_logger("portero.archive")

LEASE: Final = "archivist"
LOOK_SECONDS: Final = 5.0
TRIM_SECONDS: Final = 60.0
"""How often the stream is looked at where no new segment asks for it."""
FIRST_PAUSE_SECONDS: Final = 1.0
LAST_PAUSE_SECONDS: Final = 60.0
DAY_MS: Final = 86_400_000
BUSY_EVENTS: Final = 1_000
"""A second; more, and segments wait."""
PATIENCE: Final = 50
"""So many segments wait at most: half a million events, 200 MB in the store, which a rush makes in a minute."""
ROOM_FOR: Final = 10
"""So many wait whatever the store's memory; more only while it is less than half full."""
TOO_MANY: Final = 2 * PATIENCE
"""More segments than this wait only where the archivist cannot do its work: it never waits when it sees so many."""
LATE: Final = 3
"""Overdue is also what waits so many times longer than it should."""
GRACE_MS: Final = 300_000


def archive_place(settings: ArchiveSettings | None) -> Path | Bucket | None:
    """Where the log finds its archive, from what is configured."""
    if settings is None:
        return None
    return settings.folder or Bucket(settings.bucket, settings.prefix, settings.options)


class Archiving:
    """One instance per process, on a log that has an archive. ``look``, in seconds, is settable for tests."""

    def __init__(self, core: Core, archive: Archive, rules: ArchiveSettings, *, look: float = LOOK_SECONDS) -> None:
        self._core, self._archive, self._rules, self._look = core, archive, rules, look
        self._firsts: list[int] = []
        """Where the segments begin, as far as this holder knows."""
        self._trim_at = 0.0
        self._told = Note(core.log, "archive.witness")
        self._waits: tuple[int, Millis] | None = None
        """The newest archived event, and since when others have waited behind it."""
        self._known: dict[int, tuple[Header, str]] = {}
        """Headers and hashes of the oldest segments, which are looked at again and again."""

    async def run(self) -> None:
        """Archives while the lease is held, for ever; what stands in the way is said once, and tried again."""
        pause, said = FIRST_PAUSE_SECONDS, ""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await Lease(self._core.log, LEASE).run_while_held(self._work)
            except LogError as error:
                telemetry.ARCHIVE_ERRORS.inc()
                if str(error) != said:
                    said = str(error)
                    logger.error("nothing is archived", error=said)  # noqa: TRY400 - its text says what to do
            if loop.time() - began > LAST_PAUSE_SECONDS:
                pause, said = FIRST_PAUSE_SECONDS, ""
            await asyncio.sleep(min(pause, self._look * 12))
            pause = min(pause * 2, LAST_PAUSE_SECONDS)

    async def _work(self, epoch: int) -> None:
        await prove(self._archive.storage)
        await self._archive.storage.sweep()
        await self._core.catch_up()
        await self._demand_the_newest()
        self._firsts = await self._archive.firsts()
        seen = self._core.view.seq
        while True:
            busy, seen = await self._busy(seen), self._core.view.seq
            if busy or not await self.step(epoch):
                await asyncio.sleep(self._look)

    async def _busy(self, before: int) -> bool:
        """Whether to wait for a quieter moment: archiving takes from the calls, and it is in no hurry."""
        seq, rules = self._core.view.seq, self._rules
        waiting = seq - (self._core.view.archived or NOTHING).last
        if seq - before <= BUSY_EVENTS * self._look or waiting >= PATIENCE * rules.events:
            return False
        if waiting < ROOM_FOR * rules.events:
            return True
        health = await self._core.log.health()
        return health.memory_limit == 0 or health.memory_used < health.memory_limit / 2

    async def _demand_the_newest(self) -> None:
        """What the log says of its archive must be so, or going on would only hide that it is not."""
        newest = self._core.view.archived or NOTHING
        if newest.last == 0:
            return
        first = first_of(newest.location)
        found = await self._archive.load(first) if first is not None else None
        if found is None:
            raise conflict(
                newest.location, f"is named by the log, and is not in {self._archive}, which all replicas share"
            )
        if found.digest != newest.digest:
            raise conflict(newest.location, "is not the one that the log names")

    async def step(self, epoch: int) -> bool:
        """One segment, if it is time; then what follows from it. Says whether there may be more to do at once."""
        await self._core.catch_up()
        version = (self._core.view.archived or NOTHING).version  # of the state that the segment is cut on
        try:
            segment = await self._next()
        except LogDivergence:
            await self._core.catch_up()
            if (self._core.view.archived or NOTHING).version == version:
                raise
            return True  # another archivist was first, and has trimmed the stream meanwhile
        if segment is not None:
            await self._say(segment, version)
        now = asyncio.get_running_loop().time()
        if segment is not None or now >= self._trim_at:
            self._trim_at = now + TRIM_SECONDS
            await self._trim(epoch)
            await self._retire()
            await self._testify()
        return segment is not None

    # --- a segment --------------------------------------------------------------------------------------------------

    async def _next(self) -> Segment | None:
        core, rules = self._core, self._rules
        newest = core.view.archived or NOTHING
        after = Mark(newest.last, newest.last_entry, newest.digest)
        waiting = core.view.seq - after.last
        if waiting == 0 or (waiting < rules.events and not await self._old_enough(after)):
            return None
        writer = await cut(core.log.store, core.log.id, after, rules.events)
        if not writer.events:
            return None
        segment = await asyncio.to_thread(writer.finish)
        if await self._archive.storage.create(segment.header.name, segment.data):
            return segment
        return await self._found(after)

    async def _old_enough(self, after: Mark) -> bool:
        """Of the archive's own events none is worth a segment, or each segment would lead to the next."""
        oldest = await oldest_event(self._core.log.store, after)
        return oldest is not None and self._core.clock() - oldest >= self._rules.after_ms

    async def _found(self, after: Mark) -> Segment:
        """One is there already: of a holder that died before the log knew, or it does not belong there."""
        name = name_of(after.last + 1)
        found = await self._archive.load(after.last + 1)
        if found is None:
            raise ArchiveError(f"The segment {name} is there and is not: look at the archive {self._archive}.")
        if found.header.last > self._core.view.seq or not await agrees(self._core.log.store, after, found):
            raise conflict(name, "does not hold what is on the log there")
        logger.info("a segment is taken over that was written before", segment=name)
        return found

    async def _say(self, segment: Segment, version: int) -> None:
        header, core = segment.header, self._core
        event = SegmentArchived(
            header.first,
            header.last,
            segment.digest,
            header.previous,
            header.name,
            len(segment.data),
            header.last_entry,
        )
        if await self._append(event, version):
            telemetry.SEGMENTS_ARCHIVED.inc()
            logger.info("archived", events=f"{header.first} to {header.last}", bytes=len(segment.data))
        if header.first not in self._firsts:
            self._firsts.append(header.first)
        await core.catch_up()

    async def _append(self, event: SegmentArchived | SegmentsRemoved, version: int) -> bool:
        """False when another archivist has written meanwhile; then it is looked at again."""
        core = self._core
        write = Write(ARCHIVE_AGGREGATE, version, (event,))
        try:
            await core.log.append(write, actor=SYSTEM, now=core.clock(), urgent=True)
        except VersionConflict:
            logger.info("another archivist was first")
            return False
        return True

    # --- what is not needed any more --------------------------------------------------------------------------------

    async def _trim(self, epoch: int) -> None:
        """The stream begins where a segment begins, so that both fit together without a seam."""
        done, goal = await trimmable(self._core.log, self._rules.keep)
        at = bisect_right(self._firsts, goal + 1) - 1
        if at < 0 or self._firsts[at] - 1 <= done:
            return
        begins, _ = await self._header(self._firsts[at])
        if await trim(self._core.log, LEASE, epoch, begins, self._rules.keep):
            logger.info("trimmed the stream", up_to=begins.first - 1)
            self._known = {first: known for first, known in self._known.items() if first == self._firsts[0]}

    async def _retire(self) -> None:
        """Removes what is too old: first the log says so, so that nobody takes it for a loss."""
        if self._rules.retention_ms is None:
            return
        core, old = self._core, self._core.clock() - self._rules.retention_ms
        trimmed, _ = await trimmable(core.log, 0)
        newest, last = core.view.archived or NOTHING, None
        for first, following in zip(self._firsts, self._firsts[1:], strict=False):
            if following - 1 > trimmed:
                break
            header, digest = await self._header(first)
            if int(header.last_entry.partition("-")[0]) >= old:
                break
            last = SegmentsRemoved(header.last + 1, digest)
        if last is not None and last.before > newest.before:
            await self._append(last, newest.version)
            await core.catch_up()
        before = (core.view.archived or NOTHING).before
        for first in [first for first in self._firsts if first < before]:
            await self._archive.storage.remove(name_of(first))
            self._firsts.remove(first)
            self._known.pop(first, None)

    async def _header(self, first: int) -> tuple[Header, str]:
        if first not in self._known:
            found = await self._archive.load(first)
            if found is None:
                raise conflict(name_of(first), f"is not in {self._archive} any more")
            self._known[first] = (found.header, found.digest)
        return self._known[first]

    # --- outside witnesses ------------------------------------------------------------------------------------------

    async def _testify(self) -> None:
        """Once a day, whoever holds the lease."""
        told = await self._told.load()
        now = self._core.clock()
        if self._core.view.archived is not None and now - int(told or 0) >= DAY_MS:
            self.testify()
            with suppress(LogFull):
                await self._told.save(str(now))

    def testify(self) -> None:
        """Puts the head of the chain into the log output, which lies elsewhere than the archive."""
        archived = self._core.view.archived
        if archived is not None and archived.last:
            logger.info("the archive's head", witness=witness(self._core.log.id, archived))

    def sample(self) -> telemetry.ArchiveSample:
        """What waits to be archived, as this replica sees it, and whether it has for much longer than it should."""
        core, rules = self._core, self._rules
        last, now = (core.view.archived or NOTHING).last, core.clock()
        lag = core.view.seq - last
        if lag <= 1 or self._waits is None or self._waits[0] != last:  # one: the event that names the newest segment
            self._waits = (last, now)
        waited = now - self._waits[1]
        overdue = lag > TOO_MANY * rules.events or waited > LATE * rules.after_ms + GRACE_MS
        return telemetry.ArchiveSample(lag, overdue=overdue)
