"""A fence: what rests on somebody's being the one who may stands only until somebody else has taken that over."""

import asyncio

import pytest

from portero.domain.ids import Aggregate
from portero.errors import VersionConflict
from portero.log import Log, fence
from tests.log.support import READ, append, everything, following, opened, until, write
from tests.stores import Place

OWNER = Aggregate("owner/up")


async def test_an_append_behind_a_fence_stands_while_it_stands_and_writes_nothing_to_it(log: Log, store: Place) -> None:
    await append(log, write(OWNER, 0))
    head = store.redis.get(store.key(f"a:{OWNER}"))
    appended = await append(log, fence(OWNER, 1), write("call/a", 0, READ, READ))
    assert (appended.first, appended.last) == (2, 3)
    assert store.redis.get(store.key(f"a:{OWNER}")) == head
    await append(log, write("call/b", 0, timer=5, work=("w",)), fence(OWNER, 1))
    seen = [(event.aggregate, event.version) for event in await everything(log)]
    assert seen == [(OWNER, 1), ("call/a", 1), ("call/a", 2), ("call/b", 1)]
    assert store.redis.zrange(store.key("timers"), 0, -1) == ["call/b"]
    [(_, pointer)] = store.redis.xrange(store.key("work:w"))
    assert pointer["s"] == "call/b"


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_an_append_behind_a_fence_that_has_moved_changes_nothing(log: Log, store: Place, version: int) -> None:
    await append(log, write(OWNER, 0, READ, READ))
    before = store.redis.hgetall(store.key("head"))
    with pytest.raises(VersionConflict) as conflict:
        await append(log, write("call/a", 0, timer=5, work=("w",)), fence(OWNER, version), blobs={"k": b"v"})
    assert (conflict.value.aggregate, conflict.value.expected, conflict.value.version) == (OWNER, version, 2)
    assert store.redis.hgetall(store.key("head")) == before
    assert store.found() == {"head", "log", f"a:{OWNER}"}


async def test_who_takes_over_is_the_only_one_from_that_very_place_of_the_log_on(store: Place) -> None:
    async with opened(store, "r1") as old, opened(store, "r2") as new:
        await append(old, write(OWNER, 0))

        async def start(number: int) -> bool:
            try:
                await append(old, write(f"call/{number}", 0), fence(OWNER, 1))
            except VersionConflict:
                return False
            return True

        starting = [asyncio.create_task(start(number)) for number in range(200)]
        await until(lambda: any(task.done() for task in starting), "some have started")
        taken = await append(new, write(OWNER, 1))
        started = [task for task in starting if await task]
        behind = [event.aggregate for event in await everything(new) if event.seq > taken.first]
        assert behind == []
        assert not await start(1000)
        assert len(started) == (await new.head()).seq - 2


async def test_a_fence_is_never_believed_by_what_its_writer_has_seen(log: Log, store: Place) -> None:
    """Other aggregates whose heads have expired are taken at their writer's word, if it has followed the log."""
    async with following(log) as (follower, _):
        await append(log, write(OWNER, 0, ends=True), write("call/a", 0, ends=True))
        await until(lambda: follower.seq == 2, "it was followed")
        store.redis.delete(store.key(f"a:{OWNER}"), store.key("a:call/a"))
        await append(log, write("call/a", 1))
        with pytest.raises(VersionConflict):
            await append(log, write("call/a", 2), fence(OWNER, 1))
        await append(log, write("call/a", 2), fence(OWNER, 0))


@pytest.mark.parametrize("first", [True, False])
async def test_a_repeated_append_is_known_though_its_fence_has_moved_meanwhile(log: Log, first: bool) -> None:
    await append(log, write(OWNER, 0))
    writes = (fence(OWNER, 1), write("call/a", 0, READ, READ))[:: 1 if first else -1]
    written = await append(log, *writes, write_id="w1")
    await append(log, write(OWNER, 1))
    again = await append(log, *writes, write_id="w1")
    assert (again.first, again.last, again.repeated) == (written.first, written.last, True) == (2, 3, True)
    assert (await log.head()).seq == 4


async def test_a_fence_alone_is_no_append(log: Log) -> None:
    with pytest.raises(ValueError, match="alone"):
        await append(log, fence(OWNER, 0))
