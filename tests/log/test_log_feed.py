"""What a process appends itself is handed on at once, without being read back, and never out of order."""

import asyncio
from collections.abc import Sequence

import pytest

from portero.errors import VersionConflict
from portero.log import Follower, Log, RecordedEvent
from tests.log.proxy import REPLIES, proxied
from tests.log.support import READ, append, everything, following, opened, until, write
from tests.stores import Place


def reads(store: Place) -> int:
    """How often the log was read since the store's statistics began."""
    return int(store.redis.info("commandstats").get("cmdstat_xread", {"calls": 0})["calls"])


async def caught_up(follower: Follower, log: Log) -> None:
    await until(lambda: follower.seq == log.position.seq, "the follower has seen the present")


async def test_what_was_appended_is_seen_when_the_append_returns(log: Log) -> None:
    async with following(log) as (follower, seen):
        await append(log, write("call/a", 0, READ, READ), write("call/b", 0))
        await caught_up(follower, log)
        for version in range(2, 40):
            await append(log, write("call/a", version))
            assert seen[-1].version == version + 1
    assert seen == await everything(log), "entry ids, versions and all"


async def test_a_busy_writer_does_not_read_its_own_events(log: Log, store: Place) -> None:
    async with following(log) as (follower, seen):
        await append(log, write("call/a", 0))
        await caught_up(follower, log)
        before = reads(store)
        for version in range(1, 301):
            await append(log, write("call/a", version))
        assert len(seen) == 301
        assert reads(store) - before < 30


async def test_what_others_write_meanwhile_is_seen_in_its_place(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two, following(one) as (follower, seen):
        await append(one, write("call/a", 0))
        await caught_up(follower, one)
        for version in range(1, 30):
            if version % 3 == 0:
                await append(two, write("call/b", None))
            await append(one, write("call/a", version))
        await until(lambda: len(seen) == 39, "everything is applied")
        assert seen == await everything(one)


async def test_what_others_write_is_seen_when_this_process_is_quiet_again(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two, following(one) as (follower, seen):
        await append(one, write("call/a", 0))
        await caught_up(follower, one)
        await append(two, write("call/b", 0))
        await until(lambda: len(seen) == 2, "it is applied")


async def test_a_conflict_makes_it_read_what_others_wrote(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two, following(one) as (follower, seen):
        await append(one, write("call/a", 0))
        await caught_up(follower, one)
        await append(two, write("call/a", 1))
        with pytest.raises(VersionConflict):
            await append(one, write("call/a", 1))
        await until(lambda: len(seen) == 2, "what came first is applied")


async def test_a_version_that_is_not_known_beforehand_is_read(log: Log) -> None:
    async with following(log) as (follower, seen):
        await append(log, write("call/a", None, READ, READ))
        await append(log, write("call/b", 0))
        await append(log, write("call/a", None))
        await caught_up(follower, log)
    assert [(event.aggregate, event.version) for event in seen] == [
        *(("call/a", 1), ("call/a", 2), ("call/b", 1), ("call/a", 3)),
    ]
    assert seen == await everything(log)


async def test_an_append_whose_answer_was_lost_is_read(store: Place) -> None:
    async with proxied(store.server.socket) as proxy, opened(store, url=proxy.url) as log:
        async with following(log) as (follower, seen):
            await append(log, write("call/a", 0))
            await caught_up(follower, log)
            proxy.hold(REPLIES, only_present=True)
            writing = asyncio.create_task(append(log, write("call/a", 1)))
            await until(lambda: len(store.redis.xrange(store.key("log"))) == 2, "it is written")
            proxy.cut()
            await writing
            await append(log, write("call/a", 2))
            await until(lambda: len(seen) == 3, "all is applied")
        assert seen == await everything(log)


async def test_a_sink_that_fails_on_an_own_event_stops_it(log: Log) -> None:
    def sink(events: Sequence[RecordedEvent]) -> None:
        if any(event.aggregate == "call/bad" for event in events):
            raise RuntimeError("a bug in a fold")

    follower = Follower(log, sink)
    running = asyncio.create_task(follower.run())
    await append(log, write("call/a", 0))
    await caught_up(follower, log)
    await append(log, write("call/bad", 0))  # it stands; that it cannot be folded is not its writer's fault
    with pytest.raises(RuntimeError, match="a bug in a fold"):
        async with asyncio.timeout(5):
            await running
    assert follower.seq == 1
