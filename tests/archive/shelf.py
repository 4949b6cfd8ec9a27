"""A log with an archive, and short ways to fill both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from handlers.background import Background
from handlers.core import Core
from handlers.upkeep.archiving import LEASE, Archiving
from handlers.upkeep.loading import load_view
from portero.domain.ids import Millis, ReplicaId
from portero.domain.policy import ConfigPolicy
from portero.domain.replacement import Replacer
from portero.domain.values import Action
from portero.log import Follower, Lease, Log, RecordedEvent, open_log
from portero.log.archive import Archive, Bucket
from portero.log.archive.audit import Audit
from portero.log.archive.seam import audit
from portero.settings import ArchiveSettings
from tests.log.support import NOW, READ, USUAL, append, everything, write
from tests.stores import Place

SMALL = ArchiveSettings(None, events=10, after_ms=60_000, keep=5)


@attrs.define
class Shelf:
    """One replica that may archive. ``now`` (ms) is its clock."""

    log: Log
    core: Core
    archive: Archive
    archiving: Archiving
    follower: Follower
    background: Background
    now: list[int]

    async def fill(self, events: int, *, size: int = 10, name: str = "session/a") -> None:
        """Events of one aggregate, as cheap as they come."""
        await append(self.log, write(name, None, *[READ] * events), now=Millis(self.now[0]))
        await self.core.catch_up()

    async def work(self, *, epoch: int | None = None) -> None:
        """All that is due, with a snapshot of how it is before, under a lease of its own."""
        view = self.core.view
        await self.log.save_snapshot(view.snapshot(), view.seq, view.entry)
        lease = Lease(self.log, LEASE)
        assert await lease.acquire()
        try:
            self.archiving._firsts = await self.archive.firsts()
            self.archiving._trim_at = 0.0
            while await self.archiving.step(lease.epoch if epoch is None else epoch):
                pass
        finally:
            await lease.release()
        await self.core.catch_up()

    def later(self, milliseconds: int) -> None:
        self.now[0] += milliseconds


@asynccontextmanager
async def shelf(
    place: Place, where: Path | Bucket | None, rules: ArchiveSettings = SMALL, *, replica: str = "r1"
) -> AsyncIterator[Shelf]:
    now = [int(NOW)]
    async with open_log(
        place.url, ReplicaId(replica), data=Path("unused"), name=place.name, limits=USUAL, archive=where
    ) as log:
        view = await load_view(log)
        follower, background = Follower(log, view.apply, (view.seq, view.entry)), Background()
        core = Core(log, view, ConfigPolicy({}, Action.ASK), Replacer.from_entries([]), lambda: Millis(now[0]))
        background.start("follower", follower.run)
        archive = log.archive
        try:
            yield Shelf(
                log,
                core,
                archive or Archive(None, log.id),  # type: ignore[arg-type] # never used where there is none
                Archiving(core, archive, rules, look=0.02) if archive else None,  # type: ignore[arg-type]
                follower,
                background,
                now,
            )
        finally:
            await background.stop()


async def story(log: Log) -> list[RecordedEvent]:
    """The whole log, from archive and stream."""
    return await everything(log)


async def judged(one: Shelf) -> Audit:
    """What an audit says of the archive and of where it meets the stream."""
    found = await audit(one.archive.storage, one.log)
    found.judge()
    return found


def on_stream(place: Place) -> list[int]:
    """The sequences that the stream still has."""
    return [int(fields["n"]) for _, fields in place.redis.xrange(place.key("log"))]


async def segments(one: Shelf) -> list[tuple[int, int]]:
    """What is archived: the first and the last event of each segment."""
    found = []
    for first in await one.archive.firsts():
        loaded = await one.archive.load(first)
        assert loaded is not None
        found.append((loaded.header.first, loaded.header.last))
    return found
