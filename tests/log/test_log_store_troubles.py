"""Full memory, read-only servers, unfit servers: nothing is written by halves, and every refusal says what to do."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from portero.domain.ids import Aggregate, Millis, ReplicaId
from portero.errors import ConfigError, LogFull, LogUnavailable, StoreError
from portero.log import Lease, Note, Timers, open_log
from portero.log.health import judge
from portero.log.keys import Keys
from tests.log.support import (
    IMPATIENT,
    NOW,
    READ,
    append,
    background,
    everything,
    opened,
    requested,
    until,
    write,
)
from tests.stores import REDIS, VALKEY, Place, Server

FIT = {"redis_version": "7.0.15", "role": "master", "aof_enabled": 1, "used_memory": 10, "maxmemory": 0}
SURE = {"appendfsync": "always", "save": "", "maxmemory-policy": "noeviction"}


@pytest.fixture(params=[VALKEY, REDIS])
def own(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that a test may spoil."""
    server = Server(request.param).start()
    yield server
    server.stop()


async def test_full_memory_refuses_whole_appends_and_only_them(own: Server) -> None:
    place = Place(own)
    async with opened(place) as log:
        await append(log, write("call/a", 0))
        own.redis.config_set("maxmemory", int(own.redis.info("memory")["used_memory"]) + 300_000)
        big = requested(arguments="x" * 20_000)
        results = []
        for n in range(60):
            batch = [append(log, write(f"call/{n}.{k}", 0, big, READ), blobs={f"{n}.{k}": b"y"}) for k in range(4)]
            results += await asyncio.gather(*batch, return_exceptions=True)
        kinds = {type(result).__name__ for result in results}
        assert kinds == {"Appended", "LogFull"}
        own.redis.config_set("maxmemory", 0)
        written = await everything(log)
        assert [event.seq for event in written] == list(range(1, len(written) + 1))
        assert len(written) == 1 + 2 * sum(not isinstance(result, Exception) for result in results)
        assert len([key for key in place.found() if key.startswith("blob:")]) == (len(written) - 1) // 2
        assert (await append(log, write("call/z", 0))).first == len(written) + 1


async def test_full_memory_says_so(own: Server) -> None:
    place = Place(own)
    async with opened(place) as log:
        own.redis.config_set("maxmemory", 1)
        with pytest.raises(LogFull, match=r"nothing was written\. Free memory or raise maxmemory"):
            await append(log, write("call/a", 0))
        with pytest.raises(LogFull):
            await log.save_snapshot(b"x" * 1000, 1, "1-0")
        assert log.away is None


async def test_what_was_begun_can_be_ended_though_memory_is_full(own: Server) -> None:
    place = Place(own)
    async with opened(place) as log:
        await append(log, write("call/a", 0))
        own.redis.config_set("maxmemory", 1)
        results = await asyncio.gather(
            append(log, write("call/a", 1), urgent=True),
            append(log, write("call/b", 0)),
            append(log, write("call/a", 7), urgent=True),
            append(log, write("call/a", 2, ends=True), blobs={"k": b"v"}, urgent=True),
            append(log, write("call/d", 0)),
            return_exceptions=True,
        )
        kinds = [type(result).__name__ for result in results]
        assert kinds == ["Appended", "LogFull", "VersionConflict", "Appended", "LogFull"]
        assert [event.aggregate for event in await everything(log)] == ["call/a"] * 3
        assert await log.blob("k") == b"v"


async def test_a_connection_lost_while_memory_is_full_comes_back_for_what_must_be_ended(own: Server) -> None:
    place = Place(own)
    async with opened(place) as log:
        await append(log, write("call/a", 0))
        own.redis.config_set("maxmemory", 1)
        own.redis.client_kill_filter(_type="normal", skipme=True)
        await until(lambda: log.away is None, "the log is back")
        assert (await append(log, write("call/a", 1), urgent=True)).first == 2
        with pytest.raises(LogFull):
            await append(log, write("call/b", 0))


async def test_whoever_looks_gets_in_while_memory_is_full(own: Server) -> None:
    place = Place(own)
    async with opened(place) as log:
        await append(log, write("call/a", 0))
        assert await Note(log, "key").claim("mine") == "mine"
    own.redis.config_set("maxmemory", 1)
    async with opened(place, "r2") as log:
        assert len(await everything(log)) == 1
        assert any("memory is full" in problem.text for problem in (await log.health()).problems)
        assert await Note(log, "key").claim("another") == "mine"


async def test_time_goes_on_while_memory_is_full(own: Server) -> None:
    place = Place(own)
    rung: list[str] = []

    async def ring(aggregate: str) -> None:
        rung.append(aggregate)

    async with opened(place) as log:
        await append(log, write("call/a", 0, timer=NOW), write("call/b", 0, timer=NOW + 500))
        lease = Lease(log, "l", ttl_seconds=60)
        assert await lease.acquire()
        own.redis.config_set("maxmemory", 1)
        await log.prolong({Aggregate("call/b"): Millis(NOW + 1_000), Aggregate("call/c"): NOW})
        assert dict(own.redis.zrange(place.key("timers"), 0, -1, withscores=True)) == {
            "call/a": NOW,
            "call/b": NOW + 1_000,
        }
        async with background(Timers(log, ring, lambda: NOW, look_seconds=0.01).run()):
            await until(
                lambda: own.redis.zcard(place.key("timers")) == 1, "the one that is due has rung and is settled"
            )
        assert rung == ["call/a"]
        assert await lease.renew()


async def test_a_server_that_became_a_replica_is_left_until_it_is_primary_again(own: Server) -> None:
    place = Place(own)
    async with opened(place) as log:
        await append(log, write("call/a", 0))
        own.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(LogUnavailable, match="nothing was written"):
            await append(log, write("call/a", 1))
        await until(lambda: log.away is not None, "it is known")
        own.redis.execute_command("REPLICAOF", "NO", "ONE")
        await until(lambda: log.away is None, "the log is back")
        assert (await append(log, write("call/a", 1))).first == 2


async def test_scripts_that_were_flushed_are_loaded_again(store: Place) -> None:
    async with opened(store) as log:
        await append(log, write("call/a", 0))
        store.redis.script_flush()
        results = await asyncio.gather(*(append(log, write(f"call/{n}", 0)) for n in range(10)))
        assert [result.first for result in results] == list(range(2, 12))


async def test_a_store_that_would_lose_the_log_is_refused_with_what_to_do(own: Server) -> None:
    async def refusal() -> str:
        with pytest.raises(StoreError) as refused:
            async with opened(Place(own)):
                raise AssertionError("it was opened")
        return str(refused.value)

    own.redis.config_set("maxmemory-policy", "allkeys-lru")
    assert "CONFIG SET maxmemory-policy noeviction" in await refusal()
    own.redis.config_set("maxmemory-policy", "noeviction")
    own.redis.config_set("appendonly", "no")
    assert "Set appendonly yes" in await refusal()
    own.redis.config_set("appendonly", "yes")
    own.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
    assert "read-only replica" in await refusal()
    assert Place(own, "x").found() == set()
    own.redis.execute_command("REPLICAOF", "NO", "ONE")
    async with opened(Place(own)) as log:
        assert (await log.health()).fatal == ()


async def test_a_store_that_is_not_there_is_told() -> None:
    with pytest.raises(StoreError, match=r"cannot be reached.*REDIS_URL"):
        async with open_log("redis://127.0.0.1:1", ReplicaId("r1"), data=Path("unused"), limits=IMPATIENT):
            raise AssertionError("it was opened")


async def test_a_wrong_password_is_told_apart_from_a_store_that_is_away(own: Server) -> None:
    own.redis.config_set("requirepass", "right")
    place = Place(own)
    for url in (own.url, own.url.replace("unix://", "unix://:wrong@")):
        with pytest.raises(StoreError, match=r"password in REDIS_URL") as refused:
            async with opened(place, url=url):
                raise AssertionError("it was opened")
        assert "wrong@" not in str(refused.value)
    async with opened(place, url=own.url.replace("unix://", "unix://:right@")) as log:
        await append(log, write("call/a", 0))
        assert (await log.head()).seq == 1
        assert len(await everything(log)) == 1


async def test_health_tells_the_facts(store: Place) -> None:
    async with opened(store) as log:
        health = await log.health()
    valkey = store.server.kind == VALKEY
    assert health.server.startswith("Valkey 9.1" if valkey else "Redis 7.0")
    assert (health.reached, health.role) == ("single", "primary")
    assert (health.persistence, health.eviction) == ("fsync everysec", "noeviction")
    assert health.waitaof is valkey
    assert health.memory_used > 0
    assert 0 < health.ping_ms < 1000
    assert [problem.fatal for problem in health.problems] == [False]


@pytest.mark.parametrize(
    ("info", "config", "fatal", "text"),
    [
        ({}, {}, None, None),
        ({"redis_version": "6.2.14"}, {}, True, "Redis 6.2.14"),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.5"}, {}, None, None),
        ({"role": "slave"}, {}, True, "replica"),
        ({}, {"maxmemory-policy": "volatile-lru"}, True, "volatile-lru"),
        ({"maxmemory": 11}, {}, False, "90 % full"),
        ({"maxmemory": 10}, {}, False, "memory is full: calls are refused. Raise maxmemory"),
        ({"aof_enabled": 0}, {}, True, "keeps nothing on disk"),
        ({"aof_enabled": 0}, {"save": "3600 1"}, False, "only saves snapshots"),
        ({}, {"appendfsync": "no"}, False, "power cut"),
        ({"aof_last_write_status": "err"}, {}, False, "write to disk failed"),
        ({"rdb_last_bgsave_status": "err"}, {}, False, "write to disk failed"),
    ],
)
def test_every_weakness_is_named(
    info: dict[str, object], config: dict[str, str], fatal: bool | None, text: str | None
) -> None:
    problems = judge({**FIT, **info}, {**SURE, **config}, ping_ms=1.0, reached="single").problems
    assert [problem.fatal for problem in problems] == ([] if fatal is None else [fatal])
    assert all(text in problem.text for problem in problems if text)


def test_a_store_that_keeps_its_settings_secret_is_not_refused() -> None:
    health = judge({**FIT, "aof_enabled": 0, "maxmemory_policy": "noeviction"}, {}, ping_ms=1.0, reached="single")
    assert (health.fatal, health.persistence, health.eviction) == ((), "unknown", "noeviction")


def test_a_name_that_would_break_the_keys_is_refused() -> None:
    with pytest.raises(ConfigError, match="store name"):
        Keys("a}b")
