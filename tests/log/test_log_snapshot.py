"""A snapshot is kept whole or not at all, and belongs to its log."""

import random

from portero.log import Log
from tests.log.support import append, opened, write
from tests.stores import Place


async def test_the_newest_one_is_found_whole(log: Log, store: Place) -> None:
    assert await log.load_snapshot() is None
    big = random.Random(1).randbytes(1_500_000)
    await log.save_snapshot(big, 5, "5-0")
    assert await log.load_snapshot() == big
    await log.save_snapshot(b"newer", 7, "7-0")
    await log.save_snapshot(b"late", 6, "6-0")
    assert await log.load_snapshot() == b"newer"
    ttl = {key.split(".")[0]: store.redis.ttl(store.key(key)) for key in store.found() if key.startswith("snapshot:")}
    assert ttl.keys() == {"snapshot:6", "snapshot:7"}
    assert ttl["snapshot:7"] == -1
    assert 0 < ttl["snapshot:6"] <= 600


async def test_an_empty_one_is_one_too(log: Log) -> None:
    await log.save_snapshot(b"", 1, "1-0")
    assert await log.load_snapshot() == b""


async def test_a_damaged_one_is_none(log: Log, store: Place) -> None:
    await log.save_snapshot(b"something", 1, "1-0")
    [chunks] = [store.key(key) for key in store.found() if key.startswith("snapshot:1.")]
    store.redis.lset(chunks, 0, "x")
    assert await log.load_snapshot() is None
    store.redis.delete(chunks)
    assert await log.load_snapshot() is None


async def test_that_of_another_log_is_none_and_gives_way(store: Place) -> None:
    async with opened(store) as old:
        await append(old, write("call/a", 0))
        await old.save_snapshot(b"old", 100, "9-0")
    store.redis.delete(store.key("head"), store.key("log"), store.key("a:call/a"))
    async with opened(store) as new:
        assert await new.load_snapshot() is None
        await new.save_snapshot(b"new", 1, "1-0")
        assert await new.load_snapshot() == b"new"
