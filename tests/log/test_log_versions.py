"""Versions of one aggregate only grow, though the store forgets where those that have ended stand."""

import pytest

from portero.errors import VersionConflict
from portero.log import Log
from tests.log.support import READ, append, everything, following, requested, until, write
from tests.stores import Place


def forget(store: Place, aggregate: str) -> None:
    """An hour after its end."""
    assert 0 < store.redis.ttl(store.key(f"a:{aggregate}")) <= 3600
    store.redis.delete(store.key(f"a:{aggregate}"))


async def versions(log: Log, aggregate: str) -> list[tuple[int, int]]:
    """Of each of its events, the sequence and the version."""
    return [(event.seq, event.version) for event in await everything(log) if event.aggregate == aggregate]


async def test_who_expects_nothing_goes_on_above_all_that_was(log: Log, store: Place) -> None:
    await append(log, write("replica/a", None, READ, READ, ends=True), write("call/b", 0))
    for _ in range(2):
        forget(store, "replica/a")
        await append(log, write("call/b", None))
        await append(log, write("replica/a", None, READ, READ, ends=True))
    found = await versions(log, "replica/a")
    assert found == [(1, 1), (2, 2), (5, 5), (6, 6), (8, 8), (9, 9)]
    assert await versions(log, "call/b") == [(3, 1), (4, 2), (7, 3)]


async def test_each_of_an_append_and_of_a_batch_has_its_own(log: Log) -> None:
    await append(log, write("call/x", 0, READ, READ, READ))
    both = (write("replica/a", None, READ, READ), write("replica/b", None), write("call/y", 0))
    await append(log, *both)
    assert await versions(log, "replica/a") == [(4, 4), (5, 5)]
    assert await versions(log, "replica/b") == [(6, 6)]
    assert await versions(log, "call/y") == [(7, 1)]


async def test_what_is_decided_on_it_afterwards_is_held_against_that(log: Log, store: Place) -> None:
    async with following(log) as (follower, _):
        await append(log, write("call/a", 0, requested(), READ, ends=True))
        forget(store, "call/a")
        await append(log, write("call/a", None, ends=True))
        await until(lambda: follower.seq == 3, "it was followed")
        for version in (0, 1, 2):
            with pytest.raises(VersionConflict):
                await append(log, write("call/a", version))
        assert (await append(log, write("call/a", 3, ends=True))).first == 4
        assert await versions(log, "call/a") == [(1, 1), (2, 2), (3, 3), (4, 4)]
