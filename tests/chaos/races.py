"""Small workloads, each of which leads one replica into the situation that one safeguard is there for."""

import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import httpx

from tests.chaos import answers
from tests.chaos.clients import Clients
from tests.chaos.cluster import SOLO, Cluster, Replica
from tests.chaos.journal import Journal, now
from tests.chaos.people import Person
from tests.chaos.tail import Tail
from tests.log.proxy import REPLIES

ANSWER_SECONDS = 1.8
"""The upstream takes so long: less than a lease, and long enough to be caught in the middle of."""
FOLLOWER = ":follow"
"""Part of the name of the connection over which a replica hears what others write."""


class Races:
    """``lease``: seconds. Every workload gets the replica that it is about, and an argument that no other call has."""

    def __init__(self, cluster: Cluster, journal: Journal, tail: Tail, person: Person, lease: float) -> None:
        self._cluster, self._journal, self._tail, self._person, self._lease = cluster, journal, tail, person, lease
        self._clients = {replica.name: Clients(replica.url, timeout=60) for replica in cluster.replicas}

    async def close(self) -> None:
        for clients in self._clients.values():
            await clients.close()

    # --- the workloads ------------------------------------------------------------------------------------------------

    async def two_decisions(self, on: Replica, name: str) -> None:
        """A task is cancelled elsewhere, and then here, where that was not heard of yet."""
        task = answers.of_call(await self._call(on, "fx/danger", name)).task
        on.proxy.hold(REPLIES, of=FOLLOWER)
        await self._person.decide("cancel", task)
        cancelling = asyncio.create_task(self._clients[on.name].modern("tasks/cancel", {"taskId": task}, tasks=True))
        await self._refused_or_done(on, cancelling)
        on.proxy.release(REPLIES)
        await cancelling

    async def a_denial_unheard_of(self, on: Replica, name: str) -> None:
        """A tool is denied elsewhere, and then called here, where that was not heard of yet."""
        await self._call(on, "fx/moody", f"{name}.before")
        on.proxy.hold(REPLIES, of=FOLLOWER)
        await self._person.decide("rule", "fx/moody", action="deny")
        calling = asyncio.create_task(self._call(on, "fx/moody", name))
        await self._refused_or_done(on, calling)
        on.proxy.release(REPLIES)
        await calling
        for rule in list(self._person.base.core.view.rules):
            await self._person.decide("unrule", rule.id)

    async def an_owner_that_does_not_know_of_the_next(self, on: Replica, name: str) -> None:
        """Another takes over the server that this replica runs for all, and here that was not heard of yet."""
        await self._made_owner(on)
        await self._call(on, f"{SOLO}/do", f"{name}.before")
        on.proxy.hold(REPLIES, of=FOLLOWER)
        await self._person.take_over(SOLO)
        calling = asyncio.create_task(self._call(on, f"{SOLO}/do", name))
        await self._refused_or_done(on, calling)
        on.proxy.release(REPLIES)
        await calling

    async def a_runner_that_dies(self, on: Replica, name: str) -> None:
        """A replica is killed with a call under way; another must say that its outcome is unknown."""
        calling = asyncio.create_task(self._call(on, "fx/do", name, seconds=60))
        await self._ran(name, 1)
        on.kill()
        await asyncio.wait([calling])
        await self._until(lambda: self._has(name, "ExecutionOutcomeUnknown"), 3 * self._lease + 1)

    async def a_runner_that_sleeps(self, on: Replica, name: str) -> None:
        """A replica stands still until its call was given up, and then has the answer to it."""
        calling = await self._given_up(on, name)
        on.signal(signal.SIGCONT)
        await calling

    async def a_runner_that_sleeps_through_the_next_attempt(self, on: Replica, name: str) -> None:
        """As before, but the call runs again elsewhere when the answer to its first attempt comes."""
        calling = await self._given_up(on, name)
        await self._person.decide("resolve", self._call_id(name), outcome="run-again")
        await self._ran(name, 2)
        on.signal(signal.SIGCONT)
        await calling
        await self._until(lambda: self._has(name, "ExecutionSucceeded"), 20)

    # --- parts --------------------------------------------------------------------------------------------------------

    async def _given_up(self, on: Replica, name: str) -> "asyncio.Task[Any]":
        """The call of a replica that stands still, and goes on doing so: by now its outcome is unknown."""
        calling = asyncio.create_task(self._call(on, "fx/do", name, seconds=ANSWER_SECONDS))
        await self._ran(name, 1)
        on.signal(signal.SIGSTOP)
        await self._until(lambda: self._has(name, "ExecutionOutcomeUnknown"), 20)
        return calling

    async def _made_owner(self, on: Replica) -> None:
        """Whoever else runs that server stands still until this one does."""
        owner = None
        async with asyncio.timeout(30):
            while (owner := self._cluster.owner()) is None:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.02)
            if owner is not on:
                owner.signal(signal.SIGSTOP)
                while on is not self._cluster.owner():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                owner.signal(signal.SIGCONT)

    async def _call(self, on: Replica, tool: str, name: str, seconds: float = 0) -> dict[str, Any]:
        """Noted like those of the long runs; empty when no answer came."""
        arguments = {"id": name, "seconds": seconds}
        sent = now()
        try:
            answer = await self._clients[on.name].legacy("tools/call", {"name": tool, "arguments": arguments})
        except httpx.TransportError:
            self._journal.note("call", on.name, name, sent, tool=tool)
            return {}
        self._journal.note("call", on.name, name, sent, answer, tool=tool)
        return answer

    async def _refused_or_done(self, on: Replica, doing: "asyncio.Task[Any]") -> None:
        """Until the store has refused the append that rests on old news, or has taken it."""
        before = await self._conflicts(on)
        async with asyncio.timeout(30):
            while not doing.done() and await self._conflicts(on) == before:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.02)

    async def _conflicts(self, on: Replica) -> float:
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"{on.url}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith('portero_appends_total{outcome="conflict"}')]
        return sum(float(line.split()[-1]) for line in lines)

    async def _ran(self, name: str, times: int) -> None:
        await self._until(lambda: self._cluster.place.done()[name] == times, 20)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Or until the time is over: what did not come is for the checker to find."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 - other processes set no event of ours
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return

    def _call_id(self, name: str) -> str:
        """Empty until it is on the log."""
        wanted = json.dumps(name)
        calls = (entry.call for entry in self._tail.entries if wanted in str(entry.data.get("arguments", "")))
        return next(calls, None) or ""

    def _has(self, name: str, *types: str) -> bool:
        call = self._call_id(name)
        return any(entry.call == call and entry.type in types for entry in self._tail.entries)
