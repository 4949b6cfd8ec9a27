"""A clock that jumps on one of two replicas is noticed and said, and nothing ends or comes back because of it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.clients import Clients
from tests.chaos.cluster import Cluster
from tests.log.support import until
from tests.stores import REDIS
from tests.system.place import ROOT

WRONG_CLOCK = Path(__file__).parent / "wrong_clock.py"
HOUR = 3600
LOG = "portero:{main}:log"


class House:
    """``jumps``: replica 1, whose clock ``set`` moves; replica 0 keeps the right time."""

    def __init__(self, cluster: Cluster, offset: Path) -> None:
        self.cluster = cluster
        self.right, self.jumps = (Clients(replica.url, timeout=60) for replica in cluster.replicas)
        self._offset = offset

    def set(self, seconds: int) -> None:
        new = self._offset.with_suffix(".new")  # never seen half written
        new.write_text(str(seconds))
        new.replace(self._offset)

    async def ask(self, clients: Clients, identity: str) -> str:
        """A call that needs approval; its task."""
        shown = await tool(clients, "fx/danger", id=identity)
        return str(shown["task_id"])

    async def status(self, clients: Clients, task: str) -> str:
        return str((await tool(clients, "portero/check_task", task_id=task)).get("status", "completed"))

    async def ahead(self) -> float:
        text = (await self.jumps.http.get("/metrics")).text
        (line,) = [line for line in text.splitlines() if line.startswith("portero_clock_ahead_seconds ")]
        return float(line.split()[1])

    def types(self, task: str) -> list[str]:
        call = f"call/{task.partition('-')[0]}"
        return [fields["t"] for _, fields in self.cluster.store.redis.xrange(LOG) if fields["s"] == call]


async def tool(clients: Clients, name: str, **arguments: Any) -> dict[str, Any]:
    """The JSON in the one text of its result."""
    answer = await clients.legacy("tools/call", {"name": name, "arguments": arguments})
    assert "result" in answer, answer
    return dict(json.loads(answer["result"]["content"][0]["text"]))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    offset = tmp_path / "offset"
    offset.write_text("0")
    env = {"APPROVAL_TIMEOUT_SECONDS": str(HOUR // 2), "PORTERO_LEASE_SECONDS": "2"}
    cluster = Cluster(REDIS, [ROOT] * 2, env=env)
    cluster.replicas[1].command = [sys.executable, str(WRONG_CLOCK), str(offset), "serve"]
    async with cluster:
        house = House(cluster, offset)
        yield house
        await house.right.close()
        await house.jumps.close()


async def jumped(house: House, seconds: int) -> None:
    house.set(seconds)
    async with asyncio.timeout(20):
        while abs(await house.ahead() - seconds) > 30:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


async def test_a_clock_that_jumps_is_noticed_and_nothing_ends_or_comes_back_by_it(house: House) -> None:
    waiting = await house.ask(house.right, "waiting")
    running = asyncio.create_task(tool(house.right, "fx/do", id="running", seconds=4))
    await until(lambda: house.cluster.place.done()["running"] == 1, "a call runs on the other replica")

    await jumped(house, HOUR)
    assert "NTP" in house.cluster.replicas[1].output.read_text()
    assert await house.status(house.jumps, waiting) == "pending-approval"
    assert (await running)["id"] == "running", "its lease held"
    assert house.types(waiting)[-1] == "ApprovalRequested", "a clock that runs ahead has ended nothing"
    early = await house.ask(house.jumps, "early")

    await jumped(house, -HOUR)
    late = await house.ask(house.jumps, "late")
    arguments = {"id": "behind"}
    answer = await house.jumps.legacy("tools/call", {"name": "fx/do", "arguments": arguments})
    # To the other replica its lease was over before it began, so it may have been given up; but it ran once.
    assert "result" in answer or "given up as unknown" in answer["error"]["message"]

    await jumped(house, 0)
    for task in (waiting, early):
        assert await house.status(house.right, task) == "pending-approval"
    await until(lambda: house.types(late)[-1] == "ApprovalExpired", "what was to end half an hour ago has ended", 20)
    approved = await asyncio.to_thread(
        house.cluster.place.command, "approve", late.partition("-")[0], REDIS_URL=house.cluster.store.tcp_url
    )
    assert approved.returncode == 3, "and stays so"
    assert house.cluster.place.done() == {"running": 1, "behind": 1}
