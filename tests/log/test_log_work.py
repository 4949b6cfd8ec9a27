"""Work is done by one at a time, until it is done, also when who took it dies."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from portero.domain.events import HandlerGaveUp
from portero.errors import Invalid, LogDivergence, LogUnavailable
from portero.log import Log, Pointer, WorkQueue
from portero.log.group import Group
from tests.log.proxy import REPLIES, REQUESTS, proxied
from tests.log.support import IMPATIENT, NOW, READ, append, background, everything, opened, requested, until, write
from tests.stores import Place


def queue(log: Log, **more: Any) -> WorkQueue:
    """``idle_ms``: long enough for a busy machine, short enough for a test."""
    return WorkQueue(log, "w", lambda: NOW, **{"idle_ms": 600, "retry_seconds": 0.01, **more})


class Hands:
    """A handler that remembers, and does what it is told to."""

    def __init__(self) -> None:
        self.seen: list[Pointer] = []
        self.fail: dict[str, list[Exception]] = {}
        self.block = asyncio.Event()
        self.block.set()

    async def __call__(self, pointer: Pointer) -> None:
        self.seen.append(pointer)
        if errors := self.fail.get(pointer.aggregate):
            raise errors.pop(0)
        await self.block.wait()

    @property
    def about(self) -> list[str]:
        return [pointer.aggregate for pointer in self.seen]


@asynccontextmanager
async def working(log: Log, hands: Hands, *, concurrency: int = 8, **more: Any) -> AsyncIterator["asyncio.Task[Any]"]:
    async with background(queue(log, **more).run(hands, concurrency=concurrency)) as task:
        yield task


async def ask(log: Log, *names: str) -> None:
    for name in names:
        await append(log, write(f"call/{name}", 0, requested(), READ, work=("w",)))


def left(store: Place) -> int:
    return int(store.redis.xlen(store.key("work:w")))


async def test_what_was_asked_before_anybody_worked_is_done(log: Log, store: Place) -> None:
    await ask(log, "a")
    hands = Hands()
    async with working(log, hands):
        await until(lambda: left(store) == 0, "it is done")
        await ask(log, "b")
        await until(lambda: len(hands.seen) == 2 and left(store) == 0, "what comes is done too")
    assert hands.seen == [Pointer(2, "call/a", "ResultRead", 1), Pointer(4, "call/b", "ResultRead", 1)]
    assert store.redis.xpending(store.key("work:w"), "portero")["pending"] == 0


async def test_each_piece_goes_to_one_of_several(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        first, second = Hands(), Hands()
        async with working(one, first, concurrency=2), working(two, second, concurrency=2):
            await ask(one, *(f"{n}" for n in range(60)))
            await until(lambda: left(store) == 0, "all is done")
    assert sorted(first.about + second.about) == sorted(f"call/{n}" for n in range(60))
    assert first.seen
    assert second.seen


async def test_no_more_at_once_than_wanted(log: Log, store: Place) -> None:
    hands = Hands()
    hands.block.clear()
    await ask(log, *"abcdefgh")
    async with working(log, hands, concurrency=3):
        await until(lambda: len(hands.seen) == 3, "three are taken")
        await ask(log, "i")
        assert len(hands.seen) == 3
        hands.block.set()
        await until(lambda: left(store) == 0, "all is done")
    assert len(hands.seen) == 9


async def test_what_a_dead_consumer_had_is_taken_over_and_counted(store: Place) -> None:
    async with opened(store, "dead") as dead, opened(store, "alive") as alive:
        await ask(dead, "a", "b")
        store.redis.xgroup_create(store.key("work:w"), "portero", "0")
        store.redis.xreadgroup("portero", "dead", {store.key("work:w"): ">"})
        hands = Hands()
        async with working(alive, hands):
            await until(lambda: left(store) == 0, "it is taken over")
    assert sorted(hands.about) == ["call/a", "call/b"]
    assert {pointer.deliveries for pointer in hands.seen} == {2}


async def test_what_was_taken_before_a_restart_is_done_first(store: Place) -> None:
    async with opened(store, "r1") as log:
        await ask(log, "a", "b")
        store.redis.xgroup_create(store.key("work:w"), "portero", "0")
        store.redis.xreadgroup("portero", "r1", {store.key("work:w"): ">"}, count=1)
        hands = Hands()
        async with working(log, hands, idle_ms=60_000):
            await until(lambda: left(store) == 0, "all is done")
    assert [(pointer.aggregate, pointer.deliveries) for pointer in hands.seen] == [("call/a", 2), ("call/b", 1)]


async def test_long_work_is_not_taken_away_from_who_lives(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        slow, other = Hands(), Hands()
        slow.block.clear()
        await ask(one, "slow")
        async with working(one, slow, concurrency=1):
            await until(lambda: bool(slow.seen), "it is taken")
            async with working(two, other):
                await asyncio.sleep(1.5)  # two and a half times as long as a silent consumer is waited for
                assert other.seen == []
                slow.block.set()
                await until(lambda: left(store) == 0, "it is done")
    assert len(slow.seen) == 1


async def test_after_a_time_without_the_store_the_living_get_a_turn_to_say_so(valkey: Place) -> None:
    """Whoever is back first would take over from all others, as if they had died."""
    idle_ms = 1_500

    def claims() -> int:
        return int(valkey.redis.info("commandstats").get("cmdstat_xautoclaim", {"calls": 0})["calls"])

    async with (
        proxied(valkey.server.socket) as proxy,
        opened(valkey, "r1", url=proxy.url, limits=IMPATIENT) as log,
        working(log, Hands(), idle_ms=idle_ms),
    ):
        before = claims()
        await until(lambda: claims() > before, "it looks for work of the dead")
        proxy.refuses = True
        proxy.cut()
        await asyncio.sleep(1.2 * idle_ms / 3000)  # longer than between two looks
        before, began = claims(), time.monotonic()
        proxy.refuses = False
        await until(lambda: claims() > before, "it looks again")
        assert time.monotonic() - began >= idle_ms / 3000


async def test_who_stops_hands_over_at_once(store: Place) -> None:
    async with opened(store, "r1") as one, opened(store, "r2") as two:
        stopped, other = Hands(), Hands()
        stopped.block.clear()
        await ask(one, "a")
        async with working(one, stopped, idle_ms=60_000):
            await until(lambda: bool(stopped.seen), "it is taken")
        idle = store.redis.xpending_range(store.key("work:w"), "portero", "-", "+", 10)[0]["time_since_delivered"]
        assert idle >= 60_000
        async with working(two, other):
            await until(lambda: left(store) == 0, "the other has done it")


async def test_work_that_fails_is_tried_again_and_given_up_in_the_end(log: Log, store: Place) -> None:
    hands, told = Hands(), []

    async def on_give_up(pointer: Pointer, reason: str) -> None:
        told.append((pointer.aggregate, reason))

    hands.fail = {
        "call/shaky": [RuntimeError("x")] * 2,
        "call/broken": [RuntimeError("the real name is Bond")] * 9,
        "call/said": [Invalid("no such thing")] * 9,
    }
    await ask(log, "shaky", "broken", "said", "fine")
    async with background(queue(log).run(hands, on_give_up=on_give_up)):
        await until(lambda: left(store) == 0, "all is done or given up")
    counts = {name: hands.about.count(f"call/{name}") for name in ("shaky", "broken", "said", "fine")}
    assert counts == {"shaky": 3, "broken": 5, "said": 5, "fine": 1}
    assert [p.deliveries for p in hands.seen if p.aggregate == "call/broken"] == [1, 2, 3, 4, 5]
    gave_up = [event.event for event in await everything(log) if isinstance(event.event, HandlerGaveUp)]
    assert sorted(gave_up, key=lambda e: e.about) == [
        HandlerGaveUp("w", "call/broken", 5, "RuntimeError"),  # texts that are not ours may hold real values
        HandlerGaveUp("w", "call/said", 5, "no such thing"),
    ]
    assert sorted(told) == [("call/broken", "RuntimeError"), ("call/said", "no such thing")]


async def test_work_that_kills_its_process_is_given_up_too(log: Log, store: Place) -> None:
    await ask(log, "poison")
    store.redis.xgroup_create(store.key("work:w"), "portero", "0")
    store.redis.xreadgroup("portero", "dead", {store.key("work:w"): ">"})
    [entry] = store.redis.xpending_range(store.key("work:w"), "portero", "-", "+", 1)
    store.redis.xclaim(store.key("work:w"), "portero", "dead", 0, [entry["message_id"]], retrycount=5, idle=10_000)
    hands = Hands()
    async with working(log, hands):
        await until(lambda: left(store) == 0, "it is given up")
    assert hands.seen == []
    [gave_up] = [event.event for event in await everything(log) if isinstance(event.event, HandlerGaveUp)]
    assert gave_up == HandlerGaveUp("w", "call/poison", 6, "every attempt ended with the process")


async def test_a_log_that_is_away_is_not_the_works_fault(log: Log, store: Place) -> None:
    hands = Hands()
    hands.fail = {"call/a": [LogUnavailable("away")] * 7}
    await ask(log, "a")
    async with working(log, hands):
        await until(lambda: left(store) == 0, "it is done in the end")
    assert len(hands.seen) == 8
    assert {pointer.deliveries for pointer in hands.seen} == {1}


async def test_lost_connections_lose_no_work(store: Place) -> None:
    async with proxied(store.server.socket) as proxy, opened(store, url=proxy.url) as log, opened(store, "r2") as other:
        hands = Hands()
        async with working(log, hands):
            for n in range(30):
                await ask(other, str(n))
                if n % 5 == 0:
                    proxy.cut()
            await until(lambda: left(store) == 0, "all is done")
        assert set(hands.about) == {f"call/{n}" for n in range(30)}


async def test_a_store_that_hangs_is_left_for_another_connection(store: Place) -> None:
    async with (
        proxied(store.server.socket) as proxy,
        opened(store, url=proxy.url, limits=IMPATIENT) as log,
        opened(store, "r2") as other,
    ):
        hands = Hands()
        async with working(log, hands):
            await ask(other, "a")
            await until(lambda: left(store) == 0, "it works")
            proxy.hold(REQUESTS, only_present=True)
            proxy.hold(REPLIES, only_present=True)
            await ask(other, "b")
            await until(lambda: left(store) == 0, "it works again")


async def test_on_another_log_nothing_is_worked_on(store: Place) -> None:
    async with opened(store, "r1") as log:
        hands = Hands()
        task = asyncio.create_task(queue(log).run(hands))
        await ask(log, "a")
        await until(lambda: len(hands.seen) == 1 and left(store) == 0, "it works")
        store.clear()
        async with opened(store, "r2") as new:
            await ask(new, "b")
            with pytest.raises(LogDivergence):
                await asyncio.wait_for(task, 10)
            assert left(store) == 1
        assert len(hands.seen) == 1


async def test_consumers_that_left_nothing_are_forgotten_and_others_not(log: Log, store: Place) -> None:
    def consumers() -> set[str]:
        return {consumer["name"] for consumer in store.redis.xinfo_consumers(store.key("work:w"), "portero")}

    await ask(log, "a")
    store.redis.xgroup_create(store.key("work:w"), "portero", "0")
    for name in ("gone", "r1"):
        store.redis.xgroup_createconsumer(store.key("work:w"), "portero", name)
    store.redis.xreadgroup("portero", "has work", {store.key("work:w"): ">"})
    group = Group(log, "w")
    assert await group.dismiss(60_000) == []
    assert await group.dismiss(0) == ["gone"]
    assert consumers() == {"has work", "r1"}
    async with working(log, Hands(), idle_ms=60):
        await until(lambda: consumers() == {"r1"}, "the other is forgotten too, once its work is done by somebody")
    assert left(store) == 0
