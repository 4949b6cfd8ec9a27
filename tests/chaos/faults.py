"""Does to a cluster what the plan says, each at its time; several may go on at once."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final

from tests.chaos.cluster import SOLO, Cluster, Replica, end
from tests.chaos.journal import Journal, now
from tests.chaos.plan import OWNER, SHARED, Fault
from tests.log.proxy import REPLIES, REQUESTS

STOP_SECONDS: Final = 30.0
"""A replica that is told to stop has ended by then, whatever its store does."""
SWITCH: Final = "deadman.py"
"""In the command line of the process that guards the server of which there is one instance."""


class Faults:
    def __init__(self, cluster: Cluster, journal: Journal) -> None:
        self._cluster, self._journal = cluster, journal
        self._busy: set[str] = set()
        """What is being disturbed already: a process is not ended twice at once."""

    async def run(self, plan: list[Fault]) -> None:
        """Returns when the last of them is over, and raises what went wrong."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for fault in plan:
                await asyncio.sleep(max(0.0, began + fault.at - loop.time()))
                group.create_task(self._do(fault))

    async def _do(self, fault: Fault) -> None:
        found = self._cluster.owner() if fault.kind in OWNER else self._cluster.replicas[fault.target]
        if found is None:
            return
        replica = found
        about = fault.kind if fault.kind in SHARED else replica.name
        group = about.partition("-")[0]
        if group in self._busy:
            return
        self._busy.add(group)
        began = now()
        try:
            await self._kinds(replica)[fault.kind.removeprefix("owner-")](fault.seconds)
        finally:
            self._busy.discard(group)
            self._journal.note("fault", group, fault.kind, began, {"seconds": fault.seconds}, tool=fault.kind)

    def _kinds(self, replica: Replica) -> dict[str, Callable[[float], Awaitable[None]]]:
        return {
            "kill": lambda seconds: self._kill(replica, seconds),
            "term": lambda seconds: self._term(replica, seconds),
            "pause": lambda seconds: _pause(replica, seconds),
            "cut": lambda seconds: _cut(replica),
            "hole": lambda seconds: _hold(replica, seconds, REQUESTS, REPLIES),
            "deaf": lambda seconds: _hold(replica, seconds, REPLIES),
            "slow": lambda seconds: _slow(replica, seconds),
            "refuse": lambda seconds: _refuse(replica, seconds),
            "child": lambda seconds: _child(replica),
            "server": lambda seconds: _child(replica, SOLO),
            "switch": lambda seconds: _child(replica, SWITCH),
            "store-kill": lambda seconds: self._store(signal.SIGKILL, seconds),
            "store-term": lambda seconds: self._store(signal.SIGTERM, seconds),
            "store-hang": self._store_hang,
            "store-full": self._store_full,
            "web": self._web,
        }

    # --- replicas -----------------------------------------------------------------------------------------------------

    async def _kill(self, replica: Replica, seconds: float) -> None:
        replica.kill()
        await self._back(replica, seconds)

    async def _term(self, replica: Replica, seconds: float) -> None:
        began = now()
        replica.signal(signal.SIGTERM)
        code = await replica.ended(STOP_SECONDS)
        self._journal.note("end", replica.name, "term", began, {"code": code})
        await self._back(replica, seconds)

    async def _back(self, replica: Replica, seconds: float) -> None:
        """Starts it again, as a service manager does: once more when it ends at once, because the store is away."""
        await asyncio.sleep(seconds)
        replica.start()
        while not await replica.until_ready() and not replica.alive:
            await asyncio.sleep(0.5)
            replica.start()

    # --- the store and the upstreams ----------------------------------------------------------------------------------

    async def _store(self, number: signal.Signals, seconds: float) -> None:
        store = self._cluster.store
        store.signal(number)
        assert store.process is not None
        await asyncio.to_thread(store.process.wait, 20)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(store.start)

    async def _store_hang(self, seconds: float) -> None:
        self._cluster.store.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._cluster.store.signal(signal.SIGCONT)

    async def _store_full(self, seconds: float) -> None:
        redis = self._cluster.store.redis
        used = await asyncio.to_thread(redis.info, "memory")
        await asyncio.to_thread(redis.config_set, "maxmemory", int(used["used_memory"]) + 20_000)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(redis.config_set, "maxmemory", 0)

    async def _web(self, seconds: float) -> None:
        self._cluster.web.kill()
        await asyncio.sleep(seconds)
        self._cluster.web.start()


async def _pause(replica: Replica, seconds: float) -> None:
    replica.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    replica.signal(signal.SIGCONT)


async def _cut(replica: Replica) -> None:
    replica.proxy.cut()


async def _hold(replica: Replica, seconds: float, *directions: int) -> None:
    for direction in directions:
        replica.proxy.hold(direction)
    await asyncio.sleep(seconds)
    for direction in directions:
        replica.proxy.release(direction)


async def _slow(replica: Replica, seconds: float) -> None:
    replica.proxy.delay = 0.1
    await asyncio.sleep(seconds)
    replica.proxy.delay = 0.0


async def _refuse(replica: Replica, seconds: float) -> None:
    replica.proxy.refuses = True
    replica.proxy.cut()
    await asyncio.sleep(seconds)
    replica.proxy.refuses = False


async def _child(replica: Replica, having: str = "") -> None:
    for pid in replica.children(having):
        end(pid)
