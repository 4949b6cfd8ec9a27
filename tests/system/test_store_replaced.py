"""The store holds another log, or none, or an older one: a whole replica decides nothing on it, and says why."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from tests.chaos.clients import Clients
from tests.chaos.cluster import Cluster, Replica
from tests.stores import REDIS
from tests.system.place import ROOT

FLUSHED, ELSEWHERE, OLDER, EMPTY = range(4)
"""The replicas, each in a database of its own (its number and one), and what happens to it."""
SPARE = 9
AOF = "appendonlydir"


class House:
    def __init__(self, cluster: Cluster, clients: list[Clients]) -> None:
        self.cluster = cluster
        self._clients = clients

    def replica(self, number: int) -> Replica:
        return self.cluster.replicas[number]

    async def call(self, number: int, identity: str) -> str:
        """``done``, or the text of the error."""
        params = {"name": "fx/do", "arguments": {"id": identity}}
        answer = await self._clients[number].legacy("tools/call", params)
        return "done" if "result" in answer else str(answer["error"]["message"])

    async def reasons(self, number: int) -> str:
        answer = await self._clients[number].http.get("/ready")
        return " ".join(answer.json().get("reasons", []))

    async def tools(self, number: int) -> int:
        return len((await self._clients[number].legacy("tools/list", {}))["result"]["tools"])

    def restart_store(self, saved: str | None) -> None:
        """Kills it and starts it again on a copy of its file that was made before, or on nothing."""
        store = self.cluster.store
        store.kill()
        shutil.rmtree(store.folder / AOF)
        if saved is not None:
            shutil.copytree(store.folder / saved, store.folder / AOF)
        store.start()


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    cluster = Cluster(REDIS, [ROOT] * 4, env={})
    for number, replica in enumerate(cluster.replicas):
        replica.env["REDIS_URL"] += f"/{number + 1}"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(cluster)
        clients = [Clients(replica.url, timeout=60) for replica in cluster.replicas]
        for one in clients:
            stack.push_async_callback(one.close)
        yield House(cluster, clients)


async def decides_nothing(house: House, number: int, *words: str) -> None:
    """It says why, at ``/ready`` and to whoever calls; lists go on; nothing runs."""
    async with asyncio.timeout(15):
        while "diverged" not in (reasons := await house.reasons(number)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    assert all(word in reasons for word in words), reasons
    refusal = await house.call(number, f"{number}.refused")
    assert all(word in refusal for word in words), refusal
    assert await house.tools(number) > 5
    assert house.cluster.place.done()[f"{number}.refused"] == 0


async def test_another_log_or_none_is_not_taken_for_the_old_one_until_a_restart(house: House) -> None:
    """All in one, because each replica is good for one of them, and the store is restarted for the last two."""
    redis, place = house.cluster.store.redis, house.cluster.place
    assert [await house.call(number, f"{number}.before") for number in range(4)] == ["done"] * 4

    redis.execute_command("SELECT", FLUSHED + 1)
    redis.flushdb()
    await decides_nothing(house, FLUSHED, "The store is empty", "Was it flushed, or is it another database?")

    redis.swapdb(ELSEWHERE + 1, SPARE)
    await decides_nothing(house, ELSEWHERE, "The store is empty", "is it another database?")

    shutil.copytree(house.cluster.store.folder / AOF, house.cluster.store.folder / "copy")
    assert await house.call(OLDER, "tail") == "done"
    house.restart_store("copy")
    await decides_nothing(house, OLDER, "its tail was lost, as a failover or a restored backup does it")

    while await house.reasons(EMPTY):  # noqa: ASYNC110 - it comes back from that restart
        await asyncio.sleep(0.05)
    house.restart_store(None)
    await decides_nothing(house, EMPTY, "The store is empty", "the log that was followed is gone")

    for number in range(4):
        house.replica(number).signal(signal.SIGTERM)
        assert await house.replica(number).ended(30) == 0
    house.replica(EMPTY).start()  # the way out that the runbook names: the log is accepted as it now is
    assert await house.replica(EMPTY).until_ready()
    assert await house.call(EMPTY, "again") == "done"
    assert sum(place.done().values()) == 6
