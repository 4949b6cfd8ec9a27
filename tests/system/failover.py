"""``python -m tests.system.failover``: how long it takes until others have taken over, with the default settings.

Three replicas on one store, with a server of which there is one instance and with a bot. Every time counts from the
moment in which the replica is hurt to the first answer that shows that another does its work.
"""

import argparse
import asyncio
import logging
import re
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import structlog

from tests.chaos.clients import Clients
from tests.chaos.cluster import SOLO, Cluster, Replica
from tests.chaos.tail import Tail, following
from tests.stores import VALKEY
from tests.system.place import ROOT, document
from tests.telegram.fake_api.server import TOKEN, FakeApi
from tests.telegram.fake_api.world import Person
from tests.telegram.office import ANA

LOG = "portero:{main}:log"
LONG = 600.0
"""Seconds that a call takes which is not to end by itself."""
POLLER = re.compile(r'"lease":"telegram","epoch":(\d+),"event":"holds a lease"')
LIMIT = 120.0


async def until(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}"
        await asyncio.sleep(0.01)
    return found


class Failover:
    """``times``: by what was tried, in seconds."""

    def __init__(self, cluster: Cluster, api: FakeApi, tail: Tail) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._cluster, self._api, self._tail = cluster, api, tail
        self._ana: Person = api.world.person(ANA, "Ana")
        self._clients = {replica.name: Clients(replica.url, timeout=LIMIT) for replica in cluster.replicas}
        self._count = 0

    async def round(self) -> None:
        for what, hurt in (("killed", Replica.kill), ("put to sleep", sleep), ("stopped", stop)):
            await self._owner(what, hurt)
        for what, hurt in (("killed", Replica.kill), ("stopped", stop)):
            await self._poller(what, hurt)
        await self._executing("do")
        await self._executing("again")

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _owner(self, what: str, hurt: Callable[[Replica], None]) -> None:
        """Calls that another replica is asked for, one after the other, until one succeeds."""
        owner = await until(self._cluster.owner, "somebody runs it")
        other = self._other(owner)
        await self._called(other, f"{SOLO}/do")

        async def answered() -> None:
            while "result" not in await self._called(other, f"{SOLO}/do"):  # noqa: ASYNC110 - each waits by itself
                await asyncio.sleep(0.01)

        await self._timed(f"a server of one instance, its owner {what}", owner, hurt, answered)

    async def _poller(self, what: str, hurt: Callable[[Replica], None]) -> None:
        """Somebody writes to the bot in that moment, and is answered."""
        poller = await until(self._polls, "somebody polls")

        async def answered() -> None:
            before = len(self._api.world.of_bot(ANA))
            self._ana.says("/rules")
            await until(lambda: len(self._api.world.of_bot(ANA)) > before, "the bot answers")

        await asyncio.sleep(1)
        await self._timed(f"the bot, its poller {what}", poller, hurt, answered)

    async def _executing(self, tool: str) -> None:
        """What is known of the call, or its second run, once its replica is gone."""
        asking = self._cluster.replicas[0]
        before = self._done(tool)
        name = self._name()
        if tool == "do":
            running = asyncio.create_task(self._called(asking, "fx/do", name, LONG))
        else:
            pending = await self._called(asking, f"fx/{tool}", name, LONG)
            task = document(pending)["task_id"]
            url = f"redis://127.0.0.1:{self._cluster.store.port}"
            approved = await asyncio.to_thread(self._cluster.place.command, "approve", task, REDIS_URL=url)
            assert approved.returncode == 0, approved.stderr
            running = None
        await until(lambda: self._done(tool) > before, "it runs")
        server = int(self._cluster.effects.read_text().splitlines()[-1].split()[2])
        owner = next(replica for replica in self._cluster.replicas if server in replica.children())

        async def known() -> None:
            if tool == "do":
                await until(lambda: self._unknown(name), "its outcome is unknown")
            else:
                await until(lambda: self._done(tool) > before + 1, "it runs again")

        what = "an allowed call is known to be in doubt" if tool == "do" else "an approved call runs again that may"
        await self._timed(f"{what}, its replica killed", owner, Replica.kill, known)
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)  # its gateway may be the one that is gone

    # --- parts --------------------------------------------------------------------------------------------------------

    async def _timed(
        self, what: str, replica: Replica, hurt: Callable[[Replica], None], over: Callable[[], Awaitable[None]]
    ) -> None:
        began = time.monotonic()
        hurt(replica)
        await over()
        self.times[what].append(time.monotonic() - began)
        print(f"{self.times[what][-1]:6.1f} s  {what}", flush=True)  # noqa: T201
        replica.signal(signal.SIGCONT)
        replica.kill()
        replica.start()
        for each in self._cluster.replicas:
            assert await each.until_ready(), each.output.read_text()[-2000:]

    async def _called(self, replica: Replica, tool: str, name: str | None = None, seconds: float = 0) -> dict[str, Any]:
        arguments = {"id": name or self._name(), "seconds": seconds}
        return await self._clients[replica.name].legacy("tools/call", {"name": tool, "arguments": arguments})

    def _name(self) -> str:
        self._count += 1
        return f"failover.{self._count}"

    def _other(self, replica: Replica) -> Replica:
        return next(each for each in self._cluster.replicas if each is not replica)

    def _done(self, tool: str) -> int:
        return sum(line.startswith(f"{tool} ") for line in self._cluster.effects.read_text().splitlines())

    def _unknown(self, name: str) -> bool:
        entries, quoted = self._tail.entries, f'"{name}"'
        asked = {entry.call for entry in entries if quoted in str(entry.data.get("arguments"))}
        return any(entry.call in asked and entry.type == "ExecutionOutcomeUnknown" for entry in entries)

    def _polls(self) -> Replica | None:
        """Who says that it got the bot's lease last."""
        epochs = [
            (int(found[1]), replica)
            for replica in self._cluster.replicas
            for found in POLLER.finditer(replica.output.read_text(errors="replace"))
        ]
        return max(epochs, key=lambda pair: pair[0])[1] if epochs else None


def sleep(replica: Replica) -> None:
    replica.signal(signal.SIGSTOP)


def stop(replica: Replica) -> None:
    replica.signal(signal.SIGTERM)


async def measure(rounds: int) -> dict[str, list[float]]:
    async with FakeApi.running() as api:
        env = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_ADMIN_CHAT_ID": str(ANA), "TELEGRAM_API_BASE": api.base}
        async with (
            Cluster(VALKEY, [ROOT] * 3, env=env) as cluster,
            following(cluster.store.port, LOG) as tail,
        ):
            failover = Failover(cluster, api, tail)
            try:
                for _ in range(rounds):
                    await failover.round()
            finally:
                await failover.close()
            return failover.times


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    times = asyncio.run(measure(given.rounds))
    print(f"\n{'median':>8} {'worst':>7}  seconds")  # noqa: T201
    for what, found in times.items():
        print(f"{median(found):8.1f} {max(found):7.1f}  {what}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
