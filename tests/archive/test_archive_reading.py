"""Reading a log whose beginning is in the archive: without a seam, by whoever comes from wherever."""

import asyncio
from pathlib import Path

import pytest

from portero.errors import LogDivergence, LogTrimmed
from portero.log.archive import Bucket
from tests.archive.shelf import judged, on_stream, shelf, story
from tests.log.support import append, until, write
from tests.stores import Place


async def test_a_start_without_a_snapshot_goes_by_archive_and_stream(store: Place, where: Path | Bucket) -> None:
    async with shelf(store, where) as one:
        await one.fill(30)
        await one.work()
        digest = one.core.view.digest()
    store.redis.delete(store.key("snapshot"))
    assert on_stream(store)[0] > 1
    async with shelf(store, where) as one:
        assert one.core.view.digest() == digest


async def test_without_the_archive_it_says_where_the_events_are(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(30)
        await one.work()
    async with shelf(valkey, None) as one:  # the snapshot is enough
        assert one.core.view.seq == 33
        with pytest.raises(LogTrimmed, match=r"Events 1 to 20 .* PORTERO_ARCHIVE"):
            await story(one.log)
    valkey.redis.delete(valkey.key("snapshot"))
    with pytest.raises(LogTrimmed, match="PORTERO_ARCHIVE"):
        async with shelf(valkey, None):
            raise AssertionError("it was opened")


async def test_reading_from_anywhere_meets_no_seam(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one:
        await one.fill(30)
        whole = await story(one.log)
        await one.work()
        whole = await story(one.log)
        for after in range(34):
            for near in ("0-0", whole[max(0, after - 3)].entry if after else "0-0", whole[-1].entry):
                found = [event async for batch in one.log.read(after, near, 7) for event in batch]
                assert found == whole[after:], (after, near)


async def test_a_replica_that_slept_reads_on_from_the_archive(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one, shelf(valkey, tmp_path, replica="r2") as sleeper:
        await one.fill(3)
        await until(lambda: sleeper.follower.seq == 3, "both have followed")
        await sleeper.background.stop()
        await one.fill(40)
        await one.work()
        assert on_stream(valkey)[0] > 4
        sleeper.background.start("follower", sleeper.follower.run)
        await one.fill(1)
        await until(lambda: sleeper.core.view.seq == one.core.view.seq, "it has caught up")
        assert sleeper.core.view.digest() == one.core.view.digest()
        assert sleeper.log.diverged is None
        await append(sleeper.log, write("call/b", 0))


async def test_a_replica_that_slept_and_has_no_archive_waits_and_does_not_diverge(
    valkey: Place, tmp_path: Path
) -> None:
    async with shelf(valkey, tmp_path) as one, shelf(valkey, None, replica="r2") as sleeper:
        await one.fill(3)
        await until(lambda: sleeper.follower.seq == 3, "both have followed")
        await sleeper.background.stop()
        await one.fill(40)
        await one.work()
        sleeper.background.start("follower", sleeper.follower.run)
        await until(lambda: "PORTERO_ARCHIVE" in (sleeper.follower.missing or ""), "it says what is missing")
        assert sleeper.log.diverged is None
        assert sleeper.follower.lag > 0
        sleeper.log.archive = one.archive
        await until(lambda: sleeper.core.view.seq == one.core.view.seq, "it has caught up")
        await one.fill(1)
        await until(lambda: sleeper.follower.missing is None, "nothing is missing any more")


async def test_a_real_gap_on_a_trimmed_stream_is_noticed(valkey: Place, tmp_path: Path) -> None:
    async with shelf(valkey, tmp_path) as one, shelf(valkey, tmp_path, replica="r2") as sleeper:
        await one.fill(30)
        await until(lambda: sleeper.follower.seq == 30, "both have followed")
        await sleeper.background.stop()
        await one.work()
        [gone] = [entry for entry, fields in valkey.redis.xrange(valkey.key("log")) if fields["n"] == "31"]
        valkey.redis.xdel(valkey.key("log"), gone)
        with pytest.raises(LogDivergence, match="events are missing"):
            await story(one.log)
        with pytest.raises(LogDivergence, match="events are missing"):
            await asyncio.wait_for(sleeper.follower.run(), 20)
        assert ("stream", None) in [(fault.kind, fault.segment) for fault in (await judged(one)).faults]
