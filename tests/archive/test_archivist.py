"""The archivist: when it cuts, what it trims, and that nothing is ever missing or there twice, whoever does it."""

import asyncio
from pathlib import Path

import attrs
import pytest

from handlers.upkeep.archiving import LEASE
from handlers.upkeep.loading import load_view
from portero.errors import ArchiveConflict, LogDivergence, LogError
from portero.log import Lease
from portero.log.archive import Bucket, name_of, storage_at
from portero.log.archive.cutting import Mark, cut
from portero.log.trimming import trim
from tests.archive.made import segment
from tests.archive.shelf import SMALL, Shelf, judged, on_stream, segments, shelf, story
from tests.log.support import until
from tests.stores import Place

# --- cutting ----------------------------------------------------------------------------------------------------------


async def test_a_segment_is_cut_when_there_are_enough_events(store: Place, where: Path | Bucket) -> None:
    async with shelf(store, where) as one:
        await one.fill(9)
        await one.work()
        assert await segments(one) == []
        await one.fill(16)
        before = await story(one.log)
        await one.work()
        assert await segments(one) == [(1, 10), (11, 20)]
        archived = one.core.view.archived
        assert archived is not None
        assert (archived.last, archived.version, archived.location) == (20, 2, name_of(11))
        assert (await judged(one)).faults == []
        assert (await story(one.log))[:25] == before


async def test_few_events_are_archived_when_they_are_old_and_the_archives_own_never_alone(
    valkey: Place, tmp_path: Path
) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(2)
        await one.work()
        assert await segments(one) == []
        one.later(SMALL.after_ms)
        await one.work()
        assert await segments(one) == [(1, 2)]
        for _ in range(3):
            one.later(100 * SMALL.after_ms)
            await one.work()
        assert await segments(one) == [(1, 2)]
        assert one.core.view.seq == 3
        await one.fill(1)
        one.later(SMALL.after_ms)
        await one.work()
        assert await segments(one) == [(1, 2), (3, 4)]


async def test_a_segment_is_cut_at_its_size_too(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(1200)
        mark = Mark(0, "0-0", "")
        whole = await cut(one.log.store, one.log.id, mark, 1200)
        part = await cut(one.log.store, one.log.id, mark, 1200, whole.raw_bytes // 3)
        assert (whole.events, part.events) == (1200, 500)


# --- trimming ---------------------------------------------------------------------------------------------------------


async def test_the_stream_is_trimmed_behind_archive_and_snapshot_with_a_margin(
    store: Place, where: Path | Bucket
) -> None:
    async with shelf(store, where) as one:
        await one.fill(34)
        before = await story(one.log)
        await one.work()
        assert await segments(one) == [(1, 10), (11, 20), (21, 30)]
        assert on_stream(store) == list(range(21, 38))  # 37 - 5 = 32, and the segment before that begins with 21
        assert (await story(one.log))[:34] == before
        assert [event.seq for event in await story(one.log)] == list(range(1, 38))
        assert (await judged(one)).faults == []
    async with shelf(store, where) as one:
        assert [event.seq for event in await story(one.log)] == list(range(1, 38))
        assert (await load_view(one.log)).digest() == one.core.view.digest()


async def test_what_no_snapshot_covers_is_not_trimmed(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(12)
        await one.work()
        await one.log.save_snapshot(one.core.view.snapshot(), 12, one.core.view.entry)
        valkey.redis.hset(valkey.key("snapshot"), "seq", 12)
        await one.fill(40)
        lease = Lease(one.log, LEASE)
        assert await lease.acquire()
        one.archiving._firsts = await one.archive.firsts()
        one.archiving._trim_at = 0
        while await one.archiving.step(lease.epoch):
            pass
        assert await one.archive.firsts() == [1, 11, 21, 31, 41]
        assert on_stream(valkey)[0] == 11
        beyond = await one.archive.load(21)
        assert beyond is not None
        assert not await trim(one.log, LEASE, lease.epoch, beyond.header, SMALL.keep)
        assert on_stream(valkey)[0] == 11


async def test_an_archivist_that_lost_its_lease_trims_nothing(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(50)
        with pytest.raises(LogError, match="taken over"):
            await one.work(epoch=99)
        assert on_stream(valkey)[0] == 1
        await one.work()
        assert on_stream(valkey)[0] > 1


async def test_the_stream_is_not_trimmed_where_it_is_not_what_is_archived(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path, attrs.evolve(SMALL, keep=1000)) as one:
        await one.fill(30)
        await one.work()
        header = attrs.evolve((await one.archive.load(21)).header, first=22)  # type: ignore[union-attr] # it is there
        one.archiving._known[21] = (header, "")
        one.archiving._rules = SMALL
        with pytest.raises(LogDivergence, match="not what is in the archive"):
            await one.work()
        assert on_stream(valkey)[0] == 1


# --- crashes and company ----------------------------------------------------------------------------------------------


async def test_a_segment_that_was_written_before_a_crash_is_taken_over(store: Place, where: Path | Bucket) -> None:
    async with shelf(store, where) as one:
        await one.fill(25)
        left = await one.archiving._next()  # and here it died: the log knows nothing of it
        assert left is not None
        assert one.core.view.archived is None
    async with shelf(store, where) as one:
        await one.fill(3)
        await one.work()
        assert await segments(one) == [(1, 10), (11, 20), (21, 30)]
        assert one.core.view.archived is not None
        assert (await one.archive.load(1)) == left
        assert (await judged(one)).faults == []


async def test_one_that_was_cut_by_other_rules_is_taken_over_as_it_is(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path, attrs.evolve(SMALL, events=13)) as one:
        await one.fill(25)
        assert await one.archiving._next() is not None
    async with shelf(valkey, tmp_path) as one:
        await one.work()
        assert await segments(one) == [(1, 13), (14, 23)]
        assert (await judged(one)).faults == []


@pytest.mark.parametrize("what", ["other events", "more events", "another predecessor", "another log", "damaged"])
async def test_what_does_not_belong_there_is_left_alone_and_stops_the_archivist(
    valkey: Place, tmp_path: Path, what: str
) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(25)
        if what == "other events":
            data = segment(1, 10, log=one.log.id).data
        elif what == "more events":
            data = segment(1, 40, log=one.log.id).data
        elif what == "another log":
            data = segment(1, 10).data
        else:
            writer = await cut(one.log.store, one.log.id, Mark(0, "0-0", "f" * 64), 10)
            data = writer.finish().data
            data = data if what == "another predecessor" else data[:-1]
        storage = storage_at(tmp_path)
        await storage.create(name_of(1), data)
        with pytest.raises(LogError, match=r"is left as it is|own hash|holds the log"):
            await one.work()
        assert await storage.read(name_of(1)) == data
        assert one.core.view.archived is None
        assert on_stream(valkey)[0] == 1


async def test_an_archive_without_its_newest_segment_is_not_continued(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(25)
        await one.work()
        for name, why in ((name_of(11), "is named by the log, and is not in"), (name_of(1), "")):
            data = await one.archive.storage.read(name)
            await one.archive.storage.remove(name)
            if why:
                with pytest.raises(ArchiveConflict, match=why):
                    await asyncio.wait_for(one.archiving._work(1), 20)
                await one.archive.storage.create(name, segment(11, 10, log=one.log.id).data)
                with pytest.raises(ArchiveConflict, match="not the one that the log names"):
                    await asyncio.wait_for(one.archiving._work(1), 20)
                await one.archive.storage.remove(name)
            await one.archive.storage.create(name, data)
        await one.archiving._demand_the_newest()


async def test_two_archivists_at_once_do_no_harm(valkey: Place, where: Path | Bucket) -> None:
    """Both believe that they have the lease; the places and versions decide."""
    async with shelf(valkey, where) as one, shelf(valkey, where, attrs.evolve(SMALL, events=7), replica="r2") as two:
        await one.fill(100)
        await until(lambda: two.core.view.seq == one.core.view.seq, "both have followed")
        lease = Lease(one.log, LEASE)
        assert await lease.acquire()
        await one.log.save_snapshot(one.core.view.snapshot(), one.core.view.seq, one.core.view.entry)

        async def greedy(which: Shelf) -> None:
            while await which.archiving.step(lease.epoch):
                pass

        await asyncio.gather(greedy(one), greedy(two))
        await one.core.catch_up()
        found = await segments(one)
        assert [first for first, _ in found] == [1, *(last + 1 for _, last in found[:-1])]
        assert found[-1][1] >= 100
        archived = one.core.view.archived
        assert archived is not None
        assert archived.version == len(found)
        assert (await judged(one)).faults == []
        assert [event.seq for event in await story(one.log)] == list(range(1, one.core.view.seq + 1))


async def test_it_works_by_itself_and_says_what_stands_in_its_way(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path / "a") as one:
        await one.fill(25)
        (tmp_path / "a").write_text("a file, not a folder")
        one.background.start("archive", one.archiving.run)
        await until(lambda: valkey.redis.exists(valkey.key("epoch:archivist")) == 1, "it has tried")
        (tmp_path / "a").unlink()
        await until(lambda: one.core.view.archived is not None and one.core.view.archived.last == 20, "it archives")
        await one.background.stop("archive")
        assert (await judged(one)).faults == []


async def test_in_the_rush_hour_segments_wait_and_not_for_ever(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(60)
        assert await one.archiving._busy(0)
        assert not await one.archiving._busy(50)
        await one.fill(60)
        assert await one.archiving._busy(0)
        valkey.redis.config_set("maxmemory", 1 << 20)
        try:
            assert not await one.archiving._busy(0), "there is no room to wait"
        finally:
            valkey.redis.config_set("maxmemory", 0)
        await one.fill(400)
        assert not await one.archiving._busy(0)


async def test_with_a_full_store_archiving_and_trimming_go_on(valkey: Place, tmp_path: Path) -> None:
    """That is what frees the memory again."""
    async with shelf(valkey, tmp_path) as one:
        await one.fill(60)
        await one.log.save_snapshot(one.core.view.snapshot(), one.core.view.seq, one.core.view.entry)
        valkey.redis.config_set("maxmemory", 1)
        try:
            lease = Lease(one.log, LEASE)
            assert await lease.acquire()
            one.archiving._trim_at = 0
            while await one.archiving.step(lease.epoch):
                pass
        finally:
            valkey.redis.config_set("maxmemory", 0)
        assert on_stream(valkey)[0] > 1
