"""The store is away, in every way that it can be: a whole replica fails closed, says why, and recovers by itself."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest
import pytest_asyncio

from tests.chaos.clients import Clients
from tests.chaos.cluster import Cluster, Replica
from tests.log.proxy import REPLIES, REQUESTS
from tests.log.support import until
from tests.stores import REDIS, Server
from tests.system.place import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTICED_SECONDS = 10.0
"""A hung connection is noticed within two limits of 2 s each; the rest is for a busy machine."""
ATTEMPTS_PER_SECOND = 20
"""Connections that one replica tries to make, over all its parts, while none is to be had."""


@attrs.frozen
class House:
    """One replica on a store behind a relay."""

    cluster: Cluster
    clients: Clients

    @property
    def replica(self) -> Replica:
        return self.cluster.replicas[0]

    @property
    def store(self) -> Server:
        return self.cluster.store

    async def call(self, identity: str, seconds: float = 0) -> dict[str, Any]:
        return await self.clients.legacy(
            "tools/call", {"name": "fx/do", "arguments": {"id": identity, "seconds": seconds}}
        )

    async def under_way(self, identity: str) -> "asyncio.Task[dict[str, Any]]":
        """A call that the upstream works on."""
        calling = asyncio.create_task(self.call(identity, seconds=1))
        await until(lambda: calling.done() or self.cluster.place.done()[identity] == 1, "it is under way")
        assert not calling.done(), calling.result()
        return calling

    async def reasons(self) -> str:
        """What ``/ready`` says against it; empty when it is ready."""
        answer = await self.clients.http.get("/ready")
        return " ".join(answer.json().get("reasons", []))

    async def tools(self) -> int:
        return len((await self.clients.legacy("tools/list", {}))["result"]["tools"])

    def said(self) -> int:
        """How often it has said that the log is away."""
        return self.replica.output.read_text().count("cannot reach the log")

    def count(self, type: str) -> int:
        return sum(fields["t"] == type for _, fields in self.store.redis.xrange("portero:{main}:log"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with Cluster(REDIS, [ROOT], env={}) as cluster:
        clients = Clients(cluster.replicas[0].url, timeout=60)
        yield House(cluster, clients)
        await clients.close()


async def store(house: House, act: Callable[[], object]) -> None:
    await asyncio.to_thread(act)


Act = Callable[[House], Awaitable[None]]


@attrs.frozen
class Trouble:
    """``says``: what ``/ready`` and the refused call have to say of it."""

    name: str
    begin: Act
    end: Act
    says: str


async def held(house: House) -> None:
    house.replica.proxy.hold(REQUESTS)
    house.replica.proxy.hold(REPLIES)


async def released(house: House) -> None:
    house.replica.proxy.release(REQUESTS)
    house.replica.proxy.release(REPLIES)


async def refused(house: House) -> None:
    house.replica.proxy.refuses = True
    house.replica.proxy.cut()


async def taken(house: House) -> None:
    house.replica.proxy.refuses = False


async def stopped(house: House) -> None:
    house.store.signal(signal.SIGSTOP)


async def continued(house: House) -> None:
    house.store.signal(signal.SIGCONT)


TROUBLES = [
    Trouble("gone", lambda h: store(h, h.store.kill), lambda h: store(h, h.store.start), "cannot be written"),
    Trouble("hung", stopped, continued, "did not answer in time"),
    Trouble("black hole", held, released, "did not answer in time"),
    Trouble("cut off", refused, taken, "cannot be written"),
    Trouble(
        "read-only",
        lambda h: store(h, lambda: h.store.redis.execute_command("REPLICAOF", "127.0.0.1", "1")),
        lambda h: store(h, lambda: h.store.redis.execute_command("REPLICAOF", "NO", "ONE")),
        "read-only replica",
    ),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=[trouble.name for trouble in TROUBLES])
async def test_it_fails_closed_says_why_and_recovers(house: House, trouble: Trouble) -> None:
    name = trouble.name.replace(" ", "-")
    before = house.count("ExecutionSucceeded")
    under_way = await house.under_way(f"{name}.under-way")
    said = house.said()
    await trouble.begin(house)
    try:
        async with asyncio.timeout(NOTICED_SECONDS):
            while trouble.says not in await house.reasons():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        began = time.monotonic()
        answer = await house.call(f"{name}.refused")
        assert time.monotonic() - began < 2.0, "what is known to be away is not waited for"
        assert answer["error"]["code"] == 4503
        assert "nothing was written" in answer["error"]["message"]
        assert await house.tools() > 5, "lists need no log"
        if trouble.name == "cut off":
            began, attempts = time.monotonic(), house.replica.proxy.taken
            await asyncio.sleep(2)
            attempts = house.replica.proxy.taken - attempts
            assert attempts < ATTEMPTS_PER_SECOND * (time.monotonic() - began), "no thundering"
    finally:
        await trouble.end(house)
    async with asyncio.timeout(20):
        while await house.reasons():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    assert "result" in await house.call(f"{name}.after")
    first = await under_way
    assert "result" in first or "do not repeat" in first["error"]["message"]
    await until(lambda: house.count("ExecutionSucceeded") == before + 2, "what was under way has its end on the log")
    done = house.cluster.place.done()
    assert [done[f"{name}.{which}"] for which in ("under-way", "refused", "after")] == [1, 0, 1]
    assert house.said() - said < 5, "it is said once what stands in the way, and not at each attempt"


async def test_full_memory_refuses_new_calls_and_ends_those_under_way(house: House) -> None:
    before = house.count("ExecutionSucceeded")
    under_way = await house.under_way("full.under-way")
    await store(house, lambda: house.store.redis.config_set("maxmemory", 1))
    try:
        answer = await house.call("full.refused")
        assert answer["error"]["code"] == 4503
        assert "memory is full; nothing was written. Free memory or raise maxmemory" in answer["error"]["message"]
        assert await house.tools() > 5
        assert "result" in await under_way, "what was begun is ended"
        doctor = await asyncio.to_thread(house.cluster.place.command, "doctor", REDIS_URL=house.store.tcp_url)
        assert "The store's memory is full: calls are refused. Raise maxmemory" in doctor.stdout
    finally:
        await store(house, lambda: house.store.redis.config_set("maxmemory", 0))
    assert "result" in await house.call("full.after")
    assert house.count("ExecutionSucceeded") == before + 2
    assert house.cluster.place.done()["full.refused"] == 0
