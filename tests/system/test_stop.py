"""A stop in the midst of everything: what was taken is finished or handed over, and nothing is left running."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.clients import META, MODERN, TASKS, Clients
from tests.log.support import until
from tests.system.place import EFFECTS, Place, document

STOP_SECONDS = 25.0


async def listening(clients: Clients, open_: asyncio.Event) -> list[dict[str, Any]]:
    """The messages of a stream of notifications, until it ends."""
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": TASKS}
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 77, "method": "subscriptions/listen", "params": params}
    headers = {"mcp-protocol-version": MODERN, "mcp-method": "subscriptions/listen", "content-type": "application/json"}
    found = []
    async with clients.http.stream("POST", "/mcp", content=json.dumps(message), headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
                open_.set()
    return found


def group(pid: int) -> list[int]:
    """The processes of a process group that still run. Source: /proc/PID/stat."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == pid and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


WITH_CHILD = "import os, subprocess, sys\nsubprocess.Popen(['sleep', '300'])\nos.execv(sys.argv[1], sys.argv[1:])"
"""A server that has a process of its own beside it, as those started by npx do."""


@pytest.fixture
def place() -> Any:
    with Place() as place:
        effects = [sys.executable, str(EFFECTS), str(place.effects)]
        fx = {"name": "fx", "command": sys.executable, "args": ["-c", WITH_CHILD, *effects]}
        absent = {"name": "absent", "command": "no-such-command"}
        place.configure("mcps", {"mcps": [fx, absent]})
        yield place


async def test_a_stop_under_load_loses_nothing_and_leaves_nothing(place: Place) -> None:
    gateway = await asyncio.to_thread(place.start)
    clients = Clients(place.url, timeout=60)
    pending = place.client().ask("pending")
    executing, queued = place.client().ask("executing", seconds=2), place.client().ask("late")
    assert (await asyncio.to_thread(place.command, "approve", executing)).returncode == 0
    await until(lambda: place.done()["executing"] == 1, "an approved call runs")
    is_open = asyncio.Event()
    stream = asyncio.create_task(listening(clients, is_open))
    await is_open.wait()
    slow = {"name": "fx/do", "arguments": {"id": "slow", "seconds": 2}}
    calls = [asyncio.create_task(ask("tools/call", slow)) for ask in (clients.legacy, clients.modern)]
    await until(lambda: place.done()["slow"] == 2, "two calls run")
    (server,) = {int(line.split()[2]) for line in place.effects.read_text().splitlines()}
    assert len(group(server)) == 2, "the server and its child"
    store = place.store_pid()
    assert store is not None

    gateway.send_signal(signal.SIGTERM)
    approved = asyncio.create_task(asyncio.to_thread(place.command, "approve", queued))
    assert all("result" in answer for answer in await asyncio.gather(*calls)), "calls under way are answered"
    messages = await stream
    assert messages[-1]["id"] == 77
    assert "result" in messages[-1], "the stream ends with its result"
    assert await asyncio.to_thread(gateway.wait, STOP_SECONDS) == 0
    with pytest.raises(httpx.ConnectError):
        await clients.modern("tools/call", slow)
    assert group(server) == [], "nothing of its servers is left"
    assert (await approved).returncode == 0, "people can decide while a gateway stops, and after"
    await until(lambda: store not in (place.store_pid(), *group(store)), "the store has ended with its last user")
    await clients.close()

    assert place.done() == {"executing": 1, "slow": 2}
    await asyncio.to_thread(place.start)
    client = place.client()
    assert client.task(pending)["status"] == "pending-approval"
    assert document(client.check(executing, 5))["id"] == "executing"
    assert document(client.check(queued, 20))["id"] == "late", "what was approved meanwhile runs at the next start"
    assert place.done() == {"executing": 1, "slow": 2, "late": 1}
    types = [event["type"] for event in place.json("logs", "--limit", "200")]
    assert types.count("ReplicaStopped") == 1
    assert "ExecutionOutcomeUnknown" not in types
