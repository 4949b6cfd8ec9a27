"""Streams of notices as a client reads them, message by message."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.gateway.house import Caller

LEGACY = {"mcp-protocol-version": "2025-11-25"}
HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}


class Stream:
    """One open stream. ``ids`` are those of its events, with the one that has no data."""

    def __init__(self, response: httpx.Response, identity: int = 0) -> None:
        self.response = response
        self.identity = identity
        self.comments = 0
        self.ids: list[str] = []
        self.cut = False
        self.ended = asyncio.Event()
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for line in self.response.aiter_lines():
                if line.startswith(":"):
                    self.comments += 1
                if line.startswith("id: "):
                    self.ids.append(line[4:])
                if line.startswith("data: ") and line[6:]:
                    self._messages.put_nowait(json.loads(line[6:]))
        except httpx.ReadError:  # the server has gone
            self.cut = True
        self.ended.set()

    async def next(self, seconds: float = 5.0) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            return await self._messages.get()

    async def leave(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def is_silent(self, seconds: float = 0.4) -> bool:
        try:
            await self.next(seconds)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def listening(caller: Caller, wanted: dict[str, Any]) -> AsyncIterator[Stream]:
    """``subscriptions/listen`` of the newer era."""
    params = {"notifications": wanted}
    message = caller.message("subscriptions/listen", params)
    headers = caller.headers("subscriptions/listen", params)
    async with caller.http.stream("POST", "/mcp", json=message, headers=headers) as response:
        assert response.status_code == 200
        stream = Stream(response, message["id"])
        yield stream
        await stream.leave()


async def begin(caller: Caller, **capabilities: Any) -> str:
    """Initializes in the older era, and sends the session id from then on."""
    params = {**HELLO, "capabilities": capabilities}
    response = await caller.http.post("/mcp", json=caller.message("initialize", params), headers=LEGACY)
    session = response.headers["mcp-session-id"]
    caller.http.headers["mcp-session-id"] = session
    return str(session)


@asynccontextmanager
async def following(caller: Caller, **headers: str) -> AsyncIterator[Stream]:
    """The stream of a session, once it is open on the server's side."""
    asked = {**LEGACY, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with caller.http.stream("GET", "/mcp", headers=asked) as response:
        assert response.status_code == 200
        stream = Stream(response)
        async with asyncio.timeout(5):
            while not stream.ids:  # noqa: ASYNC110 - the first event has an id and no data
                await asyncio.sleep(0.005)
        yield stream
        await stream.leave()
