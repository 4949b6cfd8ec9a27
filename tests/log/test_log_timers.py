"""A due time is never lost, and rings once while its handler lives."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from structlog.testing import capture_logs

from handlers.core import system_clock
from portero.domain.ids import Aggregate, Millis
from portero.log import Log, Timers
from tests.log.proxy import proxied
from tests.log.support import NOW, append, background, opened, until, write
from tests.stores import Place


class Clock:
    def __init__(self) -> None:
        self.now = int(NOW)

    def __call__(self) -> Millis:
        return Millis(self.now)


def timers(log: Log, handler: Callable[[Aggregate], Awaitable[Any]], clock: Clock, **more: Any) -> Timers:
    return Timers(log, handler, clock, **{"look_seconds": 0.05, "again_ms": 1000, **more})


def due(store: Place) -> dict[str, int]:
    return {name: int(at) for name, at in store.redis.zrange(store.key("timers"), 0, -1, withscores=True)}


async def test_it_rings_when_the_time_has_come_and_not_before(log: Log, store: Place) -> None:
    clock, rang = Clock(), []

    async def ring(aggregate: Aggregate) -> None:
        rang.append((aggregate, clock.now))

    await append(log, write("call/a", 0, timer=NOW + 50), write("call/b", 0, timer=NOW + 500))
    async with background(timers(log, ring, clock).run()):
        await asyncio.sleep(0.2)
        assert rang == []
        clock.now += 50
        await until(lambda: due(store) == {"call/b": NOW + 500}, "the first has rung and is settled")
        clock.now += 1000
        await until(lambda: due(store) == {}, "the second has rung and is settled")
    assert rang == [("call/a", NOW + 50), ("call/b", NOW + 1050)]


async def test_a_clock_that_runs_ahead_ends_nothing_early_and_that_is_said(log: Log, store: Place) -> None:
    seconds, _ = store.redis.time()
    clock, rang = Clock(), []
    clock.now = 1000 * (seconds + 3600)

    async def ring(aggregate: Aggregate) -> None:
        rang.append(aggregate)

    soon = Millis(1000 * (seconds + 600))
    await append(log, write("call/a", 0, timer=soon), write("call/b", 0, timer=Millis(1000 * seconds)))
    looking = timers(log, ring, clock)
    with capture_logs() as said:
        async with background(looking.run()):
            await until(lambda: due(store) == {"call/a": soon}, "the one that is due by both clocks has rung")
            await asyncio.sleep(0.2)
    assert rang == ["call/b"]
    assert 3590 < looking.ahead_seconds < 3601
    assert [entry["ahead_seconds"] > 3590 for entry in said if "NTP" in entry["event"]] == [True]


async def test_a_clock_that_is_behind_is_said_too_and_one_that_is_right_is_not(log: Log, store: Place) -> None:
    async def ring(aggregate: Aggregate) -> None: ...

    for ahead, words in ((-50, 1), (0, 0)):
        looking = timers(log, ring, lambda ahead=ahead: Millis(system_clock() + 1000 * ahead))  # type: ignore[misc,arg-type] # bound now
        with capture_logs() as said:
            async with background(looking.run()):
                await until(lambda looking=looking, ahead=ahead: round(looking.ahead_seconds) == ahead, "it has looked")  # type: ignore[misc] # bound now
                await asyncio.sleep(0.1)
        assert sum("NTP" in entry["event"] for entry in said) == words


async def test_one_rings_though_several_look(store: Place) -> None:
    rang: list[Aggregate] = []

    async def ring(aggregate: Aggregate) -> None:
        rang.append(aggregate)

    async with opened(store, "r1") as one, opened(store, "r2") as two:
        await append(one, *(write(f"call/{n}", 0, timer=NOW) for n in range(100)))
        async with background(timers(one, ring, Clock()).run()), background(timers(two, ring, Clock()).run()):
            await until(lambda: due(store) == {}, "all have rung")
    assert sorted(rang) == sorted(f"call/{n}" for n in range(100))


async def test_an_append_of_the_handler_decides_over_the_next_time(log: Log, store: Place) -> None:
    async def ring(aggregate: Aggregate) -> None:
        timer = NOW + 5000 if aggregate == "call/later" else None
        await append(log, write(aggregate, 1, timer=timer, ends=timer is None))

    await append(log, write("call/later", 0, timer=NOW), write("call/over", 0, timer=NOW))
    async with background(timers(log, ring, Clock()).run()):
        await until(lambda: due(store) == {"call/later": NOW + 5000}, "both are settled")
        await asyncio.sleep(0.1)
    assert due(store) == {"call/later": NOW + 5000}


async def test_what_the_handler_returns_is_the_next_time(log: Log, store: Place) -> None:
    """It was too early by the handler's clock: the time must not be lost."""

    async def ring(aggregate: Aggregate) -> Millis:
        return Millis(NOW + 700)

    await append(log, write("call/a", 0, timer=NOW))
    async with background(timers(log, ring, Clock()).run()):
        await until(lambda: due(store) == {"call/a": NOW + 700}, "it is set anew")


async def test_a_handler_that_wants_the_past_does_not_spin(log: Log, store: Place) -> None:
    rang = 0

    async def ring(aggregate: Aggregate) -> Millis:
        nonlocal rang
        rang += 1
        return Millis(NOW - 10)

    await append(log, write("call/a", 0, timer=NOW))
    async with background(timers(log, ring, Clock()).run()):
        await until(lambda: due(store) == {"call/a": NOW + 100}, "it is set anew, a little later")
        await asyncio.sleep(0.2)
    assert rang == 1


async def test_a_handler_that_fails_or_dies_is_asked_again(log: Log, store: Place) -> None:
    clock, rang = Clock(), []

    async def fail(aggregate: Aggregate) -> None:
        rang.append(clock.now)
        if len(rang) < 3:
            raise RuntimeError("not now")
        if len(rang) == 3:
            await asyncio.Event().wait()

    await append(log, write("call/a", 0, timer=NOW))
    async with background(timers(log, fail, clock).run()):
        for attempt in (1, 2, 3):
            await until(lambda attempt=attempt: len(rang) == attempt, "it rings again")
            assert due(store) == {"call/a": clock.now + 1000}
            clock.now += 1000
    clock.now += 1000
    async with background(timers(log, fail, clock).run()):
        await until(lambda: due(store) == {}, "another has answered it after the handler died")
    assert len(rang) == 4


async def test_no_timer_is_lost_when_connections_are(store: Place) -> None:
    rang: list[Aggregate] = []

    async def ring(aggregate: Aggregate) -> None:
        rang.append(aggregate)

    clock = Clock()

    def all_rang() -> bool:
        clock.now += 10
        return due(store) == {}

    async with (
        proxied(store.server.socket) as proxy,
        opened(store, url=proxy.url) as log,
        opened(store, "r2") as other,
        background(timers(log, ring, clock).run()),
    ):
        for n in range(40):
            await append(other, write(f"call/{n}", 0, timer=NOW))
            if n % 4 == 0:
                proxy.cut()
                clock.now += 1000
        await until(all_rang, "all have rung")
    assert set(rang) == {f"call/{n}" for n in range(40)}


async def test_a_timer_can_be_prolonged_but_not_brought_back(log: Log, store: Place) -> None:
    await append(log, write("call/a", 0, timer=NOW), write("call/b", 0, timer=NOW), write("call/c", 0, timer=NOW + 900))
    await append(log, write("call/b", 1, timer=None))
    await log.prolong({Aggregate(f"call/{name}"): Millis(NOW + 500) for name in "abc"})
    await log.prolong({})
    assert due(store) == {"call/a": NOW + 500, "call/c": NOW + 900}
