"""What clients do all the time: calls of every kind, looking after tasks, calling things off."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import httpx

from tests.chaos import answers
from tests.chaos.clients import Clients
from tests.chaos.cluster import SERVERS, Cluster
from tests.chaos.journal import Journal, now

ALLOWED = ("do", "do", "moody", "look")
ASKED = ("danger", "danger", "peek", "again", "lent")
TIMEOUT = 30.0


@attrs.define
class Tasks:
    """Tasks that clients were given, newest last: for people to decide on and for clients to look after."""

    given: list[str] = attrs.field(factory=list)
    undecided: list[str] = attrs.field(factory=list)

    def add(self, task: str) -> None:
        self.given.append(task)
        self.undecided.append(task)

    def some(self, chance: random.Random) -> str | None:
        """One of the newest, more often than not."""
        return chance.choice(self.given[-30:]) if self.given else None


class Worker:
    """One client program that does one thing after another until ``stop`` is set."""

    def __init__(self, number: int, seed: int, cluster: Cluster, journal: Journal, tasks: Tasks) -> None:
        self.name = f"w{number}"
        self.stop = asyncio.Event()
        self._chance = random.Random(f"worker {seed} {number}")
        self._cluster, self._journal, self._tasks = cluster, journal, tasks
        self._clients = {replica.name: Clients(replica.url, timeout=TIMEOUT) for replica in cluster.replicas}
        self._count = 0

    async def run(self) -> None:
        doings: dict[Callable[[], Awaitable[None]], int] = {
            self._call_allowed: 8,
            self._call_asked: 6,
            self._call_forbidden: 1,
            self._call_and_leave: 2,
            self._poll: 8,
            self._cancel_task: 1,
        }
        try:
            while not self.stop.is_set():
                doing = self._chance.choices(list(doings), list(doings.values()))[0]
                await doing()
                await asyncio.sleep(self._chance.uniform(0.0, 0.25))
        finally:
            for clients in self._clients.values():
                await clients.close()

    # --- calls --------------------------------------------------------------------------------------------------------

    async def _call_allowed(self) -> None:
        await self._call(self._chance.choice(ALLOWED))

    async def _call_asked(self) -> None:
        await self._call(self._chance.choice(ASKED))

    async def _call_forbidden(self) -> None:
        await self._call("forbidden")

    async def _call(self, name: str) -> None:
        where, clients = self._some_replica()
        tool, arguments = self._request(name)
        modern, tasks = self._chance.random() < 0.5, self._chance.random() < 0.5
        params = {"name": tool, "arguments": arguments}
        asking = clients.modern("tools/call", params, tasks=tasks) if modern else clients.legacy("tools/call", params)
        answer = await self._noted("call", where, arguments["id"], tool, asking)
        if answer is not None and (task := answers.of_call(answer).task):
            self._tasks.add(task)

    async def _call_and_leave(self) -> None:
        """A slow call that is called off after a moment, in the way of either era."""
        where, clients = self._some_replica()
        tool, arguments = self._request("do", seconds=self._chance.uniform(0.5, 3.0))
        params, patience = {"name": tool, "arguments": arguments}, self._chance.uniform(0.0, 1.0)
        if self._chance.random() < 0.5:
            asking = asyncio.ensure_future(clients.modern("tools/call", params))
            await asyncio.wait([asking], timeout=patience)
            asking.cancel()
        else:
            identity = clients.next_id()
            asking = asyncio.ensure_future(clients.legacy("tools/call", params, identity))
            await asyncio.wait([asking], timeout=patience)
            await self._noted("cancel", where, arguments["id"], tool, _said(clients.cancel_legacy(identity)))
        await self._noted("call", where, arguments["id"], tool, asking)

    def _request(self, name: str, seconds: float | None = None) -> tuple[str, dict[str, Any]]:
        """A tool on one of the upstreams, and arguments that no other call has."""
        self._count += 1
        if seconds is None:
            often = (40, 20, 20, 15) if name in ASKED else (60, 30, 10, 4)
            seconds = self._chance.choices((0.0, 0.05, 0.5, 4.0), often)[0]
        tool = f"{self._chance.choice(SERVERS)}/{name}"
        return tool, {"id": f"{self.name}.{self._count}", "seconds": seconds}

    # --- tasks --------------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        """A task, on any replica: not mostly the one that made it."""
        task = self._tasks.some(self._chance)
        if task is None:
            return
        where, clients = self._some_replica()
        if self._chance.random() < 0.5:
            asking = clients.modern("tasks/get", {"taskId": task}, tasks=True)
        else:
            arguments = {"task_id": task, "wait_seconds": self._chance.choice((0, 0, 1))}
            asking = clients.legacy("tools/call", {"name": "portero/check_task", "arguments": arguments})
        await self._noted("poll", where, task, "", asking)

    async def _cancel_task(self) -> None:
        task = self._tasks.some(self._chance)
        if task is not None:
            where, clients = self._some_replica()
            await self._noted("cancel", where, task, "", clients.modern("tasks/cancel", {"taskId": task}, tasks=True))

    # --- parts --------------------------------------------------------------------------------------------------------

    def _some_replica(self) -> tuple[str, Clients]:
        name = self._chance.choice(list(self._clients))
        return name, self._clients[name]

    async def _noted(
        self, op: str, where: str, about: str, tool: str, asking: Awaitable[dict[str, Any]]
    ) -> dict[str, Any] | None:
        sent = now()
        try:
            answer = await asking
        except (httpx.TransportError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and self._cancelled():
                raise
            self._journal.note(op, where, about, sent, tool=tool)
            return None
        self._journal.note(op, where, about, sent, answer, tool=tool)
        return answer

    def _cancelled(self) -> bool:
        """Whether it is we who are to stop, and not the request that we have called off."""
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0


async def _said(notification: Awaitable[None]) -> dict[str, Any]:
    await notification
    return {"done": True}
