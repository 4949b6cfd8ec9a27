"""A follower sees every event once, in order, and stops where the log is not what it was."""

import asyncio
from collections.abc import Sequence

import pytest

from portero.errors import LogDivergence, StoreError
from portero.log import Follower, Log, RecordedEvent
from tests.log.proxy import REPLIES, REQUESTS, proxied
from tests.log.support import (
    IMPATIENT,
    READ,
    append,
    background,
    everything,
    following,
    opened,
    requested,
    until,
    write,
)
from tests.stores import Place


async def test_it_applies_what_was_there_and_what_comes(log: Log) -> None:
    await append(log, write("call/a", 0, READ, READ))
    async with following(log) as (follower, seen):
        await until(lambda: len(seen) == 2, "the past is applied")
        await append(log, write("call/a", 2, requested(), READ))
        await until(lambda: follower.seq == 4, "the present is applied")
        assert follower.lag == 0
    assert seen == await everything(log)


async def test_own_events_come_back_as_they_were_written_and_others_are_decoded(store: Place) -> None:
    async with (
        opened(store, "r1") as one,
        opened(store, "r2") as two,
        following(one) as (_, mine),
        following(two) as (_, theirs),
    ):
        events = [requested(f"tool{n}", '{"q":"ä\\""}') for n in range(100)]
        await asyncio.gather(
            *(append((one, two)[n % 2], write(f"call/{n}", 0, event, READ)) for n, event in enumerate(events))
        )
        await until(lambda: len(mine) == len(theirs) == 200, "both have seen everything")
        assert mine == theirs == await everything(one)
        own = {id(event) for event in events[::2]}
        assert own <= {id(recorded.event) for recorded in mine}
        assert not own & {id(recorded.event) for recorded in theirs}


async def test_what_was_refused_is_not_handed_on(log: Log) -> None:
    async with following(log) as (_, seen):
        results = await asyncio.gather(*(append(log, write("call/a", 0)) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(result, Exception) for result in results) == 4
        await until(lambda: len(seen) == 1, "the one that won is applied")
        await append(log, write("call/b", 0))
        await until(lambda: len(seen) == 2, "and what came after it")
    assert seen == await everything(log)


async def test_a_cancelled_caller_leaves_nothing_behind(log: Log) -> None:
    async with following(log) as (_, seen):
        tasks = [asyncio.create_task(append(log, write("call/a", None, READ, READ))) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await append(log, write("call/b", 0))
        await until(lambda: bool(seen) and seen[-1].aggregate == "call/b", "all is applied")
        assert [event.seq for event in seen] == list(range(1, len(seen) + 1))


async def test_it_starts_behind_a_snapshot(log: Log) -> None:
    await append(log, write("call/a", 0, *[READ] * 10))
    fifth = (await everything(log))[4]
    seen: list[RecordedEvent] = []
    follower = Follower(log, seen.extend, (fifth.seq, fifth.entry))
    async with background(follower.run()):
        await until(lambda: follower.seq == 10, "the rest is applied")
    assert [event.seq for event in seen] == [6, 7, 8, 9, 10]


async def test_it_goes_on_after_a_lost_connection_without_a_gap_or_a_repetition(store: Place) -> None:
    async with proxied(store.server.socket) as proxy, opened(store, url=proxy.url) as log, opened(store, "r2") as other:
        async with following(log) as (_, seen):
            for n in range(30):
                await append(other, write("call/a", n))
                if n % 3 == 0:
                    proxy.cut()
            await until(lambda: len(seen) == 30, "everything is applied")
        assert [event.seq for event in seen] == list(range(1, 31))


async def test_a_connection_that_hangs_is_left(store: Place) -> None:
    async with (
        proxied(store.server.socket) as proxy,
        opened(store, url=proxy.url, limits=IMPATIENT) as log,
        opened(store, "r2") as other,
        following(log) as (follower, seen),
    ):
        await append(other, write("call/a", 0))
        await until(lambda: len(seen) == 1, "it follows")
        proxy.hold(REQUESTS, only_present=True)
        proxy.hold(REPLIES, only_present=True)
        await append(other, write("call/a", 1))
        await until(lambda: len(seen) == 2, "it follows on another connection", 5)
        assert follower.silent < 1


async def test_a_sink_that_fails_stops_it(log: Log) -> None:
    def sink(events: Sequence[RecordedEvent]) -> None:
        raise RuntimeError("a bug in a fold")

    await append(log, write("call/a", 0))
    with pytest.raises(RuntimeError, match="a bug in a fold"):
        await Follower(log, sink).run()


# --- divergence -----------------------------------------------------------------------------------------------------


async def refuses_everything(log: Log, text: str) -> None:
    await until(lambda: log.diverged is not None, "the divergence is noticed")
    with pytest.raises(LogDivergence, match=text):
        await append(log, write("call/x", None))
    with pytest.raises(LogDivergence, match=text):
        await append(log, write("call/y", None))


async def test_a_missing_event_stops_everything(store: Place) -> None:
    async with opened(store) as log:
        await append(log, write("call/a", 0, READ, READ, READ))
        middle = (await everything(log))[1]
        store.redis.xdel(store.key("log"), middle.entry)
        seen: list[RecordedEvent] = []
        with pytest.raises(LogDivergence, match="event 2 was expected and 3 came"):
            await Follower(log, seen.extend).run()
        assert seen == []
        await refuses_everything(log, "event 2 was expected")


async def test_a_foreign_entry_stops_everything(store: Place) -> None:
    async with opened(store) as log:
        store.redis.xadd(store.key("log"), {"hello": "world"})
        with pytest.raises(LogDivergence, match="not one of Portero's"):
            await Follower(log, list.clear).run()
        await refuses_everything(log, "not one of Portero's")


async def test_a_snapshot_from_the_future_of_the_log_stops_it(log: Log) -> None:
    await append(log, write("call/a", 0))
    with pytest.raises(LogDivergence, match="its tail was lost"):
        await Follower(log, list.clear, (7, "9999999999999-0")).run()


async def test_a_trimmed_log_cannot_be_followed_from_the_beginning(log: Log, store: Place) -> None:
    await append(log, write("call/a", 0, *[READ] * 5))
    store.redis.xtrim(store.key("log"), minid=(await everything(log))[2].entry, approximate=False)
    with pytest.raises(LogDivergence, match="event 1 was expected and 3 came"):
        await Follower(log, list.clear).run()


async def test_a_flushed_store_is_noticed_by_a_follower_that_only_waits(store: Place) -> None:
    async with opened(store) as log:
        await append(log, write("call/a", 0))
        seen: list[RecordedEvent] = []
        task = asyncio.create_task(Follower(log, seen.extend).run())
        await until(lambda: len(seen) == 1, "it follows")
        store.clear()
        with pytest.raises(LogDivergence, match="The store is empty"):
            await asyncio.wait_for(task, 5)
        await refuses_everything(log, "The store is empty")
        assert store.found() == set()


async def test_a_flushed_store_takes_no_append_of_those_who_knew_the_log(store: Place) -> None:
    async with opened(store) as log:
        await append(log, write("call/a", 0))
        store.clear()
        with pytest.raises(LogDivergence, match=r"The store is empty.*Was it flushed, or is it another database\?"):
            await append(log, write("call/a", 1))
        assert store.found() == set()
        assert log.diverged is not None


async def test_another_log_in_its_place_is_not_taken_for_the_old_one(store: Place) -> None:
    async with opened(store, "r1") as old:
        await append(old, write("call/a", 0))
        store.clear()
        async with opened(store, "r2") as new:
            assert new.id != old.id
            await append(new, write("call/z", 0), write("call/y", 0))
            with pytest.raises(LogDivergence, match=f"holds the log {new.id}, and {old.id} was followed"):
                await append(old, write("call/a", 1))
            assert [event.aggregate for event in await everything(new)] == ["call/z", "call/y"]


async def test_a_log_that_lost_its_tail_is_noticed_by_whoever_wrote_or_read_it(store: Place) -> None:
    """As after a failover to a replica that had not got everything."""
    async with opened(store) as log:
        await append(log, write("call/a", 0, READ, READ, READ))
        first, *rest = await everything(log)
        store.redis.xdel(store.key("log"), *(event.entry for event in rest))
        store.redis.hset(store.key("head"), mapping={"seq": 1, "entry": first.entry})
        with pytest.raises(LogDivergence):
            await append(log, write("call/b", 0))
        assert len(store.redis.xrange(store.key("log"))) == 1


async def test_a_tail_that_was_lost_and_grew_again_is_noticed_on_reconnecting(store: Place) -> None:
    async with proxied(store.server.socket) as proxy, opened(store, url=proxy.url) as log:
        await append(log, write("call/a", 0, READ, READ, READ))
        first, *rest = await everything(log)
        proxy.refuses = True
        proxy.cut()
        await until(lambda: log.away is not None, "the log is away")
        store.redis.xdel(store.key("log"), *(event.entry for event in rest))
        store.redis.hset(store.key("head"), mapping={"seq": 1, "entry": first.entry})
        async with opened(store, "r2") as other:
            await append(other, write("call/b", 0, *[READ] * 5))
        proxy.refuses = False
        await refuses_everything(log, "is not on the log any more")


async def test_a_new_connection_does_not_forgive_a_divergence(store: Place) -> None:
    async with proxied(store.server.socket) as proxy, opened(store, url=proxy.url) as log:
        await append(log, write("call/a", 0, READ, READ))
        store.redis.xdel(store.key("log"), (await everything(log))[0].entry)
        with pytest.raises(LogDivergence):
            await Follower(log, list.clear).run()
        proxy.cut()
        await asyncio.sleep(0.1)
        await refuses_everything(log, "event 1 was expected and 2 came")


async def test_a_head_without_its_log_is_not_made_up_anew(store: Place) -> None:
    async with opened(store) as log:
        await append(log, write("call/a", 0))
    store.redis.delete(store.key("head"))
    with pytest.raises(StoreError, match="without its head"):
        async with opened(store):
            raise AssertionError("it was opened")


async def test_reading_finds_a_gap_behind_a_known_event(log: Log, store: Place) -> None:
    await append(log, write("call/a", 0, *[READ] * 5))
    second = (await everything(log))[1]
    store.redis.xtrim(store.key("log"), minid=(await everything(log))[3].entry, approximate=False)
    with pytest.raises(LogDivergence, match="event 3 was expected and 4 came"):
        await anext(log.read(second.seq, second.entry))


async def test_reading_goes_by_batches_and_ends_at_the_end(log: Log) -> None:
    await append(log, write("call/a", 0, *[READ] * 25))
    assert [len(batch) async for batch in log.read(count=10)] == [10, 10, 5]
    assert (await log.head()).entry == (await everything(log))[-1].entry


async def test_a_look_at_the_head_is_not_confused_by_what_is_written_meanwhile(log: Log) -> None:
    """The head's answer and newer acknowledgements travel on different connections."""

    async def writer(number: int) -> None:
        for version in range(50):
            await append(log, write(f"call/{number}", version))

    async def looker() -> None:
        while not done.is_set():
            await log.head()

    done = asyncio.Event()
    lookers = [asyncio.create_task(looker()) for _ in range(4)]
    async with following(log) as (follower, _):
        await asyncio.gather(*map(writer, range(16)))
        done.set()
        await asyncio.gather(*lookers)
        await until(lambda: follower.seq == 800, "all is applied")
    assert log.diverged is None
