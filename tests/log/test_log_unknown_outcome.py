"""A lost answer is never guessed: the log itself says what was written, and what was not is never written later."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from portero.domain.ids import Seq
from portero.errors import LogUnavailable, LogUncertain
from portero.log import Appended, Log
from portero.log.limits import Limits
from tests.log.proxy import REPLIES, REQUESTS, Proxy, proxied
from tests.log.support import IMPATIENT, READ, REVOKED, append, everything, opened, until, write
from tests.stores import Place


@pytest.fixture
async def proxy(store: Place) -> AsyncIterator[Proxy]:
    async with proxied(store.server.socket) as proxy:
        yield proxy


@pytest.fixture
async def log(store: Place, proxy: Proxy) -> AsyncIterator[Log]:
    async with opened(store, url=proxy.url, limits=IMPATIENT) as log:
        yield log


async def start(log: Log, *writes: Any, **more: Any) -> "asyncio.Task[Any]":
    """An append that is on its way."""
    task = asyncio.create_task(append(log, *writes, **more))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_written_but_the_answer_was_lost(log: Log, store: Place, proxy: Proxy) -> None:
    await append(log, write("rule/r", 0, REVOKED))
    proxy.hold(REPLIES)
    task = await start(log, write("call/a", 0, READ, READ), write("grant/g", 0, REVOKED), policy_version=1)
    await until(lambda: store.redis.hget(store.key("head"), "seq") == "4", "it is written")
    proxy.release(REQUESTS)
    proxy.cut()
    proxy.release(REPLIES)
    appended = await task
    assert (appended.first, appended.last, appended.policy_version, appended.repeated) == (2, 4, 2, False)
    assert len(await everything(log)) == 4


async def test_not_written_and_sent_again_after_a_cut(log: Log, store: Place, proxy: Proxy) -> None:
    proxy.hold(REQUESTS)
    task = await start(log, write("call/a", 0))
    proxy.refuses = True
    proxy.cut()
    proxy.refuses = False
    proxy.release(REQUESTS)
    appended = await task
    assert (appended.first, appended.last) == (1, 1)
    assert [event.aggregate for event in await everything(log)] == ["call/a"]


async def test_what_is_late_is_never_written(log: Log, proxy: Proxy) -> None:
    """The bytes lie somewhere on the way while the caller is told that nothing was written; then they arrive."""
    proxy.hold(REQUESTS, only_present=True)
    began = time.monotonic()
    task = await start(log, write("call/late", 0))
    with pytest.raises(LogUnavailable, match="nothing was written"):
        await task
    assert IMPATIENT.write <= time.monotonic() - began < IMPATIENT.write + IMPATIENT.patience
    proxy.release(REQUESTS)
    await proxy.drained()
    await append(log, write("call/next", 0))
    assert [event.aggregate for event in await everything(log)] == ["call/next"]


async def test_a_store_that_answers_nobody_leaves_the_outcome_unknown(log: Log, store: Place, proxy: Proxy) -> None:
    proxy.hold(REPLIES)
    began = time.monotonic()
    task = await start(log, write("call/a", 0))
    with pytest.raises(LogUncertain, match="not known whether"):
        await task
    assert time.monotonic() - began < 2
    proxy.release(REPLIES)
    proxy.cut()
    await until(lambda: log.away is None, "the log is back")
    assert [event.aggregate for event in await everything(log)] == ["call/a"]


async def test_an_unknown_append_can_be_repeated_by_its_write_id(log: Log, store: Place, proxy: Proxy) -> None:
    proxy.hold(REPLIES)
    task = await start(log, write("call/a", 0), write_id="mine")
    with pytest.raises(LogUnavailable):
        await task
    proxy.release(REPLIES)
    proxy.cut()
    await until(lambda: log.away is None, "the log is back")
    again = await append(log, write("call/a", 0), write_id="mine")
    assert (again.first, again.repeated) == (1, True)


async def test_who_still_waits_when_the_log_is_closed_gets_an_answer(store: Place, proxy: Proxy) -> None:
    async with opened(store, url=proxy.url, limits=Limits(patience=60)) as log:
        proxy.hold(REPLIES)
        lost = await start(log, write("call/a", 0))
        await until(lambda: "a:call/a" in store.found(), "it is written")
        proxy.refuses = True
        proxy.cut()
        await until(lambda: log.away is not None, "the log is known to be away")
        assert not lost.done()
    with pytest.raises(LogUncertain):
        await asyncio.wait_for(lost, 1)
    with pytest.raises(LogUnavailable, match="stopping"):
        await append(log, write("call/b", 0))


async def test_the_answer_of_a_caller_that_left_goes_to_whom_it_named(log: Log, proxy: Proxy) -> None:
    orphans: list[object] = []
    proxy.hold(REPLIES)
    left = await start(log, write("call/a", 0), orphaned=orphans.append)
    stayed = await start(log, write("call/b", 0), orphaned=orphans.append)
    left.cancel()
    proxy.release(REPLIES)
    await stayed
    assert orphans == [Appended(Seq(1), Seq(1), 0, repeated=False)]


async def test_appends_fail_at_once_while_the_store_is_known_to_be_away(store: Place, proxy: Proxy) -> None:
    async with opened(store, url=proxy.url, limits=Limits(patience=60)) as log:
        proxy.refuses = True
        proxy.cut()
        await until(lambda: log.away is not None, "the log is known to be away", 2)
        began = time.monotonic()
        for n in range(100):
            with pytest.raises(LogUnavailable, match="nothing was written"):
                await append(log, write(f"call/{n}", 0))
        assert time.monotonic() - began < 0.5
        proxy.refuses = False
        await until(lambda: log.away is None, "the log is back")
        assert (await append(log, write("call/a", 0))).first == 1


async def test_a_connection_that_hangs_while_idle_is_noticed_before_somebody_needs_it(log: Log, proxy: Proxy) -> None:
    proxy.hold(REQUESTS)
    await until(lambda: log.away is not None, "the log is known to be away", 8)
    proxy.release(REQUESTS)
    proxy.cut()
    await until(lambda: log.away is None, "the log is back")


async def test_cuts_under_load_lose_nothing_and_repeat_nothing(log: Log, proxy: Proxy) -> None:
    acknowledged: list[tuple[int, str]] = []
    refused: list[str] = []
    unknown: list[str] = []

    async def writer(number: int) -> None:
        for step in range(60):
            aggregate = f"call/{number}.{step}"
            try:
                appended = await append(log, write(aggregate, 0))
                acknowledged.append((appended.first, aggregate))
            except LogUnavailable as error:
                (unknown if isinstance(error, LogUncertain) else refused).append(aggregate)
                await asyncio.sleep(0.02)

    async def cutter() -> None:
        for _ in range(15):
            await asyncio.sleep(0.03)
            proxy.cut()

    await asyncio.gather(cutter(), *map(writer, range(32)))
    await until(lambda: log.away is None, "the log is back")
    written = [(event.seq, event.aggregate) for event in await everything(log)]
    assert [seq for seq, _ in written] == list(range(1, len(written) + 1))
    names = [name for _, name in written]
    assert len(names) == len(set(names))
    assert set(acknowledged) <= set(written)
    assert not set(refused) & set(names)
    assert set(names) - {name for _, name in acknowledged} <= set(unknown)
    assert len(acknowledged) > 500


async def test_what_was_trimmed_before_it_could_be_looked_for_is_unknown(log: Log, store: Place, proxy: Proxy) -> None:
    """It stands on the log, and is archived and off the stream by the time that somebody asks for it."""
    await append(log, write("call/0", 0))
    proxy.hold(REPLIES)
    task = await start(log, write("call/a", 0, READ, READ))
    await until(lambda: store.redis.hget(store.key("head"), "seq") == "3", "it is written")
    async with opened(store, "r2") as other:
        await append(other, write("call/b", 0))
    newest = store.redis.xrevrange(store.key("log"), count=1)[0][0]
    store.redis.xtrim(store.key("log"), minid=newest, approximate=False)
    store.redis.hset(store.key("head"), "trimmed", 3)
    proxy.release(REQUESTS)
    proxy.cut()
    proxy.release(REPLIES)
    with pytest.raises(LogUncertain, match="slept for too long"):
        await task
    assert log.diverged is None
    await append(log, write("call/c", 0))


async def test_what_was_trimmed_without_a_word_is_another_log(log: Log, store: Place, proxy: Proxy) -> None:
    await append(log, write("call/0", 0))
    async with opened(store, "r2") as other:
        await append(other, write("call/b", 0))
    newest = store.redis.xrevrange(store.key("log"), count=1)[0][0]
    store.redis.xtrim(store.key("log"), minid=newest, approximate=False)
    proxy.cut()
    await until(lambda: log.diverged is not None, "it is noticed")
