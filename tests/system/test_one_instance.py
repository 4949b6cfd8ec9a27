"""One server for three gateways, called from all sides while its owner is killed, put to sleep and stopped."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.place import EFFECTS, Client, Place, free_port, is_up, wait_until

CALLERS = 2
"""Clients of each gateway that call without a pause."""
ENDS = {
    *("ExecutionSucceeded", "ExecutionFailed", "ExecutionOutcomeUnknown", "LateOutcomeRecorded"),
    *("CallDenied", "CallCancelled"),
}


async def until(condition: Callable[[], Any], what: str) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.01)
    assert condition(), what


class Trio:
    """Three gateways that share one server, and who calls them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.gateways: dict[str, subprocess.Popen[bytes]] = {}
        self.outcomes: dict[str, dict[str, Any] | None] = {}
        """By id of a call: its answer; None: there was none, its gateway was gone."""
        self.over = False
        for number in range(3):
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            self.gateways[url] = place.start(ready=number == 0, PORT=str(port))  # the first one starts the store
        for url, gateway in self.gateways.items():
            wait_until(lambda gateway=gateway, url=url: is_up(gateway, url), f"{url} is ready")  # type: ignore[misc] # bound now

    def server(self) -> int:
        """The process that had the last effect."""
        return int(self.place.effects.read_text().splitlines()[-1].split()[2])

    def owner(self) -> str:
        """The gateway that runs the server."""
        parent = int(Path(f"/proc/{self.server()}/stat").read_text().rpartition(")")[2].split()[1])
        (found,) = [url for url, gateway in self.gateways.items() if gateway.pid == parent]
        return found

    async def taken_over(self, before: int) -> None:
        """Another process than this has had an effect, and then all goes well for a while."""
        await until(lambda: self.server() != before, "another gateway runs the server")
        fine = self.fine()
        await until(lambda: self.fine() > fine + 20, "calls succeed")

    def fine(self) -> int:
        return sum("result" in (answer or {}) for answer in self.outcomes.values())

    def client(self, url: str) -> Client:
        client = Client(url, timeout=60)
        self.place.clients.append(client)
        return client

    async def call(self, client: Client, identity: str, *, tool: str = "do", **more: Any) -> dict[str, Any] | None:
        self.outcomes[identity] = None
        try:
            self.outcomes[identity] = await client.atool(f"fx/{tool}", id=identity, **more)
        except httpx.TransportError:
            await asyncio.sleep(0.05)
        return self.outcomes[identity]

    async def hammer(self, url: str, caller: int) -> None:
        turn = 0
        async with self.client(url) as client:
            while not self.over and self.gateways[url].poll() is None:
                turn += 1
                tool = "do" if turn % 4 else "look"
                await self.call(client, f"{url}.{caller}.{turn}", tool=tool, seconds=0.02)


@pytest.fixture
def trio() -> Iterator[Trio]:
    with Place(PORTERO_LEASE_SECONDS="5") as place:
        server = {"name": "fx", "command": sys.executable, "args": [str(EFFECTS), str(place.effects)]}
        place.configure("mcps", {"mcps": [{**server, "instances": "one"}]})
        yield Trio(place)


def test_the_owner_is_killed_put_to_sleep_and_stopped_while_all_call(trio: Trio) -> None:
    place = trio.place
    asked = trio.client(next(iter(trio.gateways))).ask("asked")

    async def story() -> None:
        hammering = [
            asyncio.create_task(trio.hammer(url, caller)) for url in trio.gateways for caller in range(CALLERS)
        ]
        await until(lambda: trio.fine() > 40, "calls succeed")
        await killed(trio, asked)
        await put_to_sleep(trio)
        await stopped(trio)
        trio.over = True
        await asyncio.gather(*hammering)

    asyncio.run(story())
    wait_until(lambda: place.done()["asked"], "what was approved runs")
    check_effects(trio)
    wait_until(lambda: not unfinished(place), "every call ends")


async def killed(trio: Trio, asked: str) -> None:
    """While calls of another gateway's client are under way, and one waits that is approved then."""
    victim, server = trio.owner(), trio.server()
    other = next(url for url in trio.gateways if url != victim)
    async with trio.client(other) as client:
        lost = asyncio.create_task(trio.call(client, "lost", seconds=60))
        looked = asyncio.create_task(trio.call(client, "looked", tool="look", seconds=0.5))
        await until(lambda: {"lost", "looked"} <= set(trio.place.done()), "they are under way")
        trio.gateways[victim].kill()
        approved = await asyncio.to_thread(trio.place.command, "approve", asked)
        assert approved.returncode == 0
        await trio.taken_over(server)
        answer = await lost
        assert answer is not None
        assert answer["error"]["code"] == 4504, answer
        assert "result" in (await looked or {})


async def put_to_sleep(trio: Trio) -> None:
    """With calls of its clients on their way; it wakes up when another has taken over."""
    sleeper, server = trio.owner(), trio.server()
    trio.gateways[sleeper].send_signal(signal.SIGSTOP)
    try:
        await trio.taken_over(server)
        assert is_gone(server), "the server of the one that sleeps lives on"
    finally:
        trio.gateways[sleeper].send_signal(signal.SIGCONT)
    await trio.taken_over(server)
    assert trio.owner() != sleeper


async def stopped(trio: Trio) -> None:
    leaver, server = trio.owner(), trio.server()
    trio.gateways[leaver].terminate()
    await trio.taken_over(server)
    await until(lambda: trio.gateways[leaver].poll() is not None, "it has ended")
    assert trio.gateways[leaver].returncode == 0


def is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def check_effects(trio: Trio) -> None:
    lines = [line.split() for line in trio.place.effects.read_text().splitlines()]
    done = Counter(identity for tool, identity, *_ in lines if tool != "look")
    assert set(done.values()) == {1}, [identity for identity, times in done.items() if times > 1]
    for identity, answer in trio.outcomes.items():
        if answer is not None and "result" in answer:
            assert any(identity == line[1] for line in lines), f"{identity} was answered and never done"
        elif answer is not None:
            code = answer["error"]["code"]
            assert code in {4502, 4504}, answer
            assert code == 4504 or identity not in done, f"{identity} was done, and its client told that it was not"
    servers = [pid for pid, _ in groupby(line[2] for line in lines)]
    assert len(servers) == len(set(servers)) >= 4, f"two servers at one time: {servers}"
    unknown = [answer for answer in trio.outcomes.values() if answer and answer.get("error", {}).get("code") == 4504]
    assert len(unknown) < 6 * len(trio.gateways) * CALLERS, "only what was under way is in doubt"


def unfinished(place: Place) -> set[str]:
    """Calls on the log that have no end."""
    exported = place.command("audit", "export")
    assert exported.returncode == 0, exported.stderr
    events = [json.loads(line) for line in exported.stdout.splitlines()]
    begun = {event["aggregate"] for event in events if event["type"] == "ToolCallRequested"}
    assert begun
    return begun - {event["aggregate"] for event in events if event["type"] in ENDS}
