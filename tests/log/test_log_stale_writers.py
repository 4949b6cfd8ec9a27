"""Heads of finished aggregates expire; later writes are taken from those who followed, refused from those who slept."""

import pytest

from portero.errors import VersionConflict
from portero.log import Log
from tests.log.support import READ, append, following, until, write
from tests.stores import Place


def expire(store: Place, aggregate: str, *, older: int) -> None:
    """An hour later: the aggregate's head is gone, and ``older`` is the sequence of about half an hour ago."""
    assert 0 < store.redis.ttl(store.key(f"a:{aggregate}")) <= 3600
    store.redis.delete(store.key(f"a:{aggregate}"))
    store.redis.hset(store.key("head"), mapping={"older": older, "newer": older})


async def test_a_finished_call_can_still_be_written_to(log: Log, store: Place) -> None:
    async with following(log) as (follower, _):
        await append(log, write("call/a", 0, READ, READ, ends=True))
        await until(lambda: follower.seq == 2, "it was followed")
        expire(store, "call/a", older=2)
        assert (await append(log, write("call/a", 2, ends=True))).first == 3
        with pytest.raises(VersionConflict):
            await append(log, write("call/a", 2, ends=True))


async def test_who_has_not_seen_how_it_ended_is_refused(log: Log, store: Place) -> None:
    """A process that slept while others finished the call must not go on where it stopped."""
    async with following(log) as (follower, _):
        await append(log, write("call/a", 0))
        await until(lambda: follower.seq == 1, "the beginning was followed")
    log.position.followed = 1  # and here it fell asleep
    await append(log, write("call/a", 1, ends=True))
    expire(store, "call/a", older=2)
    with pytest.raises(VersionConflict):
        await append(log, write("call/a", 1))
    log.position.followed = 2
    await append(log, write("call/a", 2))


async def test_the_marks_move_on_with_time(log: Log, store: Place) -> None:
    def marks() -> tuple[int, int]:
        older, newer = store.redis.hmget(store.key("head"), "older", "newer")
        return int(older), int(newer)

    def back(seconds: int) -> None:
        turned = int(store.redis.hget(store.key("head"), "turned") or 0)
        store.redis.hset(store.key("head"), "turned", turned - seconds)

    await append(log, write("call/a", None, *[READ] * 10))
    assert marks() == (0, 0)
    back(1100)
    await append(log, write("call/a", None))
    assert marks() == (0, 0)
    back(200)
    await append(log, write("call/a", None))
    assert marks() == (0, 11)
    back(1300)
    await append(log, write("call/a", None))
    assert marks() == (11, 12)
    back(5000)  # nothing was written for longer than a head lives
    await append(log, write("call/a", None))
    assert marks() == (13, 13)


async def test_a_clock_that_was_set_back_makes_nobody_too_trusted(log: Log, store: Place) -> None:
    await append(log, write("call/a", None, *[READ] * 10))
    turned = int(store.redis.hget(store.key("head"), "turned") or 0)
    store.redis.hset(store.key("head"), "turned", turned + 100_000)
    await append(log, write("call/a", None))
    assert store.redis.hmget(store.key("head"), "older", "newer") == ["10", "10"]
    assert abs(int(store.redis.hget(store.key("head"), "turned") or 0) - turned) < 100
