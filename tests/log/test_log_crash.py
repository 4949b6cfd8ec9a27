"""A store that is killed and comes back: what was acknowledged is there, once, and Portero recovers by itself."""

import asyncio
import time

import pytest

from portero.errors import LogUnavailable, LogUncertain
from portero.log import Log
from tests.log.support import IMPATIENT, append, everything, following, opened, until, write
from tests.stores import REDIS, VALKEY, Place, Server


class Load:
    """Writers that go on whatever happens, and remember what they were told."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.acknowledged: list[tuple[int, str]] = []
        self.not_written: set[str] = set()
        self.unknown: set[str] = set()
        self.stop = False
        self.slowest = 0.0

    async def writer(self, number: int) -> None:
        step = 0
        while not self.stop:
            step += 1
            aggregate = f"call/{number}.{step}"
            began = time.monotonic()
            try:
                appended = await append(self.log, write(aggregate, 0))
                self.acknowledged.append((appended.first, aggregate))
            except LogUnavailable as error:
                (self.unknown if isinstance(error, LogUncertain) else self.not_written).add(aggregate)
                await asyncio.sleep(0.02)
            self.slowest = max(self.slowest, time.monotonic() - began)

    def judge(self, written: list[tuple[int, str]]) -> None:
        assert [seq for seq, _ in written] == list(range(1, len(written) + 1))
        names = {name for _, name in written}
        assert len(names) == len(written)
        assert set(self.acknowledged) <= set(written)
        assert not self.not_written & names
        assert names - {name for _, name in self.acknowledged} <= self.unknown


@pytest.mark.parametrize("kind", [VALKEY, REDIS])
async def test_killed_under_load_and_started_again(kind: str) -> None:
    server = Server(kind, settings={"appendfsync": "always"}).start()
    try:
        async with opened(Place(server)) as log, following(log) as (_, seen):
            load = Load(log)
            writers = [asyncio.create_task(load.writer(n)) for n in range(32)]
            for _ in range(3):
                before = len(load.acknowledged)
                await until(lambda before=before: len(load.acknowledged) > before + 500, "writes succeed", 20)
                server.kill()
                await until(lambda: log.away is not None, "the log is known to be away")
                await asyncio.to_thread(server.start)
                await until(lambda: log.away is None, "the log is back")
            load.stop = True
            await asyncio.gather(*writers)
            written = [(event.seq, event.aggregate) for event in await everything(log)]
            load.judge(written)
            assert load.slowest < 8
            await until(lambda: len(seen) == len(written), "the follower has caught up")
            assert [(event.seq, event.aggregate) for event in seen] == written
    finally:
        server.stop()


async def test_a_stopped_store_is_noticed_and_its_backlog_does_no_harm() -> None:
    """SIGSTOP is a long pause of the machine: what lies in its sockets is worked on when it goes on."""
    server = Server(VALKEY).start()
    try:
        async with opened(Place(server), limits=IMPATIENT) as log:
            load = Load(log)
            writers = [asyncio.create_task(load.writer(n)) for n in range(16)]
            await until(lambda: len(load.acknowledged) > 200, "writes succeed")
            server.signal(19)
            await until(lambda: log.away is not None, "the silence is noticed", 5)
            server.signal(18)
            await until(lambda: log.away is None, "the log is back")
            before = len(load.acknowledged)
            await until(lambda: len(load.acknowledged) > before + 200, "writes succeed again")
            load.stop = True
            await asyncio.gather(*writers)
            load.judge([(event.seq, event.aggregate) for event in await everything(log)])
    finally:
        server.signal(18)
        server.stop()
