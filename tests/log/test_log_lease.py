"""A lease has one holder at a time, and every change of hands shows in its epoch."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from portero.log import Lease, Log
from portero.log.lease import clock, holder
from tests.log.proxy import REPLIES, REQUESTS, proxied
from tests.log.support import IMPATIENT, background, opened, until
from tests.stores import Place


def expire(store: Place) -> None:
    store.redis.delete(store.key("lease:poller"))


async def test_one_holds_it_and_keeps_it(log: Log) -> None:
    one, two = Lease(log, "poller"), Lease(log, "poller")
    assert not one.held
    assert await one.acquire()
    assert (one.held, one.epoch) == (True, 1)
    assert not await two.acquire()
    assert (two.held, two.epoch) == (False, 0)
    assert await one.renew()
    assert await one.acquire()
    assert one.epoch == 1


async def test_it_ends_by_itself_and_the_next_holder_has_a_greater_epoch(log: Log, store: Place) -> None:
    one, two = Lease(log, "poller"), Lease(log, "poller")
    await one.acquire()
    assert 0 < store.redis.pttl(store.key("lease:poller")) <= 10_000
    expire(store)
    assert await two.acquire()
    assert two.epoch == 2
    assert not await one.renew()
    assert not one.held
    await one.release()
    assert await two.renew()


async def test_a_lease_that_was_lost_is_not_renewed_though_it_is_free(log: Log, store: Place) -> None:
    one = Lease(log, "poller")
    await one.acquire()
    expire(store)
    assert not await one.renew()
    assert await one.acquire()
    assert one.epoch == 2


async def test_released_it_is_free_at_once(log: Log) -> None:
    one, two = Lease(log, "poller"), Lease(log, "poller")
    await one.acquire()
    await one.release()
    assert not one.held
    assert await two.acquire()
    assert two.epoch == 2


async def test_names_do_not_hinder_each_other(log: Log) -> None:
    assert await Lease(log, "poller").acquire()
    assert await Lease(log, "archivist").acquire()


async def test_two_acquire_at_once_and_one_gets_it(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        leases = [Lease(log, "poller") for log in (one, two) * 5]
        assert sum(await asyncio.gather(*(lease.acquire() for lease in leases))) == 1
        assert sorted(lease.epoch for lease in leases) == [0] * 9 + [1]


class Work:
    """Who works now, and whether two ever did at once."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.epochs: list[int] = []
        self.overlapped = False

    def by(self, name: str) -> Callable[[int], Awaitable[None]]:
        async def work(epoch: int) -> None:
            self.overlapped |= bool(self.running)
            self.running.append(name)
            self.epochs.append(epoch)
            try:
                await asyncio.Event().wait()
            finally:
                self.running.remove(name)

        return work


async def test_the_work_of_who_loses_it_is_stopped_before_the_next_begins(store: Place) -> None:
    async with (
        proxied(store.server.socket) as proxy,
        opened(store, url=proxy.url, limits=IMPATIENT) as cut,
        opened(store, "r2") as fine,
    ):
        work = Work()
        first, second = (Lease(log, "poller", ttl_seconds=1.0) for log in (cut, fine))
        async with background(first.run_while_held(work.by("first"))):
            await until(lambda: work.running == ["first"], "the first works")
            async with background(second.run_while_held(work.by("second"))):
                proxy.hold(REQUESTS)
                proxy.hold(REPLIES)
                await until(lambda: work.running == ["second"], "the second works")
                proxy.release(REQUESTS)
                proxy.release(REPLIES)
            await until(lambda: work.running == ["first"], "the first works again after the second has stopped")
        assert not work.overlapped
        assert work.epochs == sorted(set(work.epochs))


async def test_who_waits_does_not_get_it_while_it_is_kept(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        work = Work()
        first, second = (Lease(log, "poller", ttl_seconds=3.0) for log in (one, two))
        async with background(first.run_while_held(work.by("first"))):
            await until(lambda: work.running == ["first"], "the first works")
            async with background(second.run_while_held(work.by("second"))):
                await asyncio.sleep(4.0)  # longer than it lives without being kept
                assert (work.running, work.epochs) == (["first"], [1])


async def test_without_the_store_it_ends_by_its_own_clock(store: Place) -> None:
    async with proxied(store.server.socket) as proxy, opened(store, url=proxy.url) as log:
        work = Work()
        lease = Lease(log, "poller", ttl_seconds=0.6)
        async with background(lease.run_while_held(work.by("it"))):
            await until(lambda: work.running == ["it"], "it works")
            proxy.refuses = True
            proxy.cut()
            await until(lambda: work.running == [], "it has stopped", 1.5)
            assert not lease.held


async def test_work_that_ends_gives_the_lease_back(log: Log) -> None:
    async def work(epoch: int) -> None:
        assert epoch == 1

    await Lease(log, "poller").run_while_held(work)
    assert await Lease(log, "poller").acquire()


async def test_work_that_fails_gives_the_lease_back_and_says_so(log: Log) -> None:
    async def work(epoch: int) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await Lease(log, "poller").run_while_held(work)
    assert await Lease(log, "poller").acquire()


async def test_who_is_stopped_gives_the_lease_back(log: Log) -> None:
    work = Work()
    async with background(Lease(log, "poller").run_while_held(work.by("it"))):
        await until(lambda: work.running == ["it"], "it works")
    assert work.running == []
    assert await Lease(log, "poller").acquire()


async def test_who_is_stopped_before_it_knows_that_it_has_it_gives_it_back(store: Place) -> None:
    """Or nobody would have it for the whole life of a lease that nobody knows of."""
    async with proxied(store.server.socket) as proxy, opened(store, url=proxy.url) as log:
        work, key = Work(), store.key("lease:poller")
        proxy.hold(REPLIES)
        async with background(Lease(log, "poller").run_while_held(work.by("it"))):
            await until(lambda: store.redis.exists(key) == 1, "the store has given it")
            proxy.release(REPLIES)
        await until(lambda: store.redis.exists(key) == 0, "it is free", 2.0)
        assert work.running == []


async def test_who_waits_gets_it_in_the_moment_in_which_the_life_of_a_dead_holder_ends(log: Log) -> None:
    assert await Lease(log, "poller", ttl_seconds=0.5).acquire()
    work = Work()
    waiting = Lease(log, "poller", ttl_seconds=120)  # it would look again in forty seconds
    async with background(waiting.run_while_held(work.by("it"))):
        await until(lambda: work.running == ["it"], "it works")


async def test_who_waits_and_is_told_that_it_is_free_gets_it_at_once(log: Log) -> None:
    first, work = Lease(log, "poller", ttl_seconds=120), Work()
    await first.acquire()
    waiting = Lease(log, "poller", ttl_seconds=120)
    async with background(waiting.run_while_held(work.by("it"))):
        await until(lambda: waiting._taken_until > 0, "it waits")
        waiting.nudge()
        await until(lambda: not waiting._nudged.is_set(), "it has looked, and waits again")
        await first.release()
        waiting.nudge()
        await until(lambda: work.running == ["it"], "it works")


async def test_the_epoch_never_goes_back_to_where_it_was_known_to_be(log: Log, store: Place) -> None:
    one, two = Lease(log, "poller"), Lease(log, "poller")
    await one.acquire()
    await one.release()
    store.redis.delete(store.key("epoch:poller"))
    two.after = 7
    assert await two.acquire()
    assert two.epoch == 8
    await two.release()
    assert await one.acquire()
    assert one.epoch == 9


async def test_anybody_can_ask_who_has_it(log: Log, store: Place) -> None:
    assert await holder(log, "poller") is None
    await Lease(log, "poller").acquire()
    assert await holder(log, "poller") == "r1"


async def test_its_holder_is_told_until_when_it_has_it(log: Log) -> None:
    told: list[float] = []
    lease = Lease(log, "poller", ttl_seconds=30, on_kept=told.append)
    began = clock()
    await lease.acquire()
    await lease.renew()
    await lease.release()
    assert len(told) == 2
    assert began + 30 <= told[0] <= told[1] <= clock() + 30
