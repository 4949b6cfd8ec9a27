"""Upstreams under test: made-up servers as real processes, and waiting for conditions instead of times."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from portero.domain.events import UpstreamEvent
from portero.domain.ids import ReplicaId
from portero.domain.replacement import Replacer
from portero.settings import UpstreamConfig
from portero.upstream import Limits, Masks, Spelling, State, Upstreams, UpstreamStatus

SERVERS = Path(__file__).parent.parent / "servers"
QUICK = Limits(
    first_retry=0.02, longest_retry=0.05, slow_retry=0.2, slowest_retry=0.4, between_lists=0.01, grace=0.5, start=20.0
)
REPLICA = ReplicaId("r1")


def fixture(name: str = "f", *flags: str, **more: Any) -> UpstreamConfig:
    """The made-up server over stdio."""
    return UpstreamConfig(name, sys.executable, (str(SERVERS / "over_stdio.py"), *flags), **more)


class Running(Upstreams):
    """Upstreams that remember what they reported."""

    def __init__(self, *configs: UpstreamConfig, **more: Any) -> None:
        self.events: list[tuple[str, UpstreamEvent]] = []
        options: dict[str, Any] = {
            "mask": lambda text: text.replace("REAL", "FAKE"),
            "masks": Masks.of(Replacer.from_entries([])),
            "limits": QUICK,
        } | more
        super().__init__(configs, replica=REPLICA, on_event=lambda *said: self.events.append(said), **options)

    async def call(self, upstream: str, tool: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """The decoded result of a tool."""
        params = json.dumps({"name": tool, "arguments": arguments or {}}).encode()
        return json.loads(await self.request(upstream, "tools/call", params, **more))

    async def said(self, upstream: str, tool: str, arguments: Mapping[str, Any] | None = None, **more: Any) -> str:
        """The text of its first content item."""
        result = await self.call(upstream, tool, arguments, **more)
        return str(result["content"][0]["text"])

    def of(self, upstream: str) -> UpstreamStatus:
        return next(status for status in self.status() if status.name == upstream)

    def events_of(self, kind: type[UpstreamEvent]) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def names(self) -> list[str]:
        return [tool.spelled(Spelling.SLASH) for tool in self.catalogue.tools]

    async def becomes(self, upstream: str, state: State) -> UpstreamStatus:
        await until(lambda: self.of(upstream).state is state, f"{upstream} is {state}")
        return self.of(upstream)


@asynccontextmanager
async def running(*configs: UpstreamConfig, settled: bool = True, **more: Any) -> AsyncIterator[Running]:
    """Started; with ``settled``, every one of them has connected or failed once."""
    upstreams = Running(*configs, **more)
    await upstreams.start()
    try:
        if settled:
            assert await upstreams.settled(30)
        yield upstreams
    finally:
        await upstreams.stop()


async def until(condition: Callable[[], Any], description: str, timeout: float = 20.0) -> None:
    """Returns as soon as the condition holds."""
    try:
        async with asyncio.timeout(timeout):
            while not condition():  # noqa: ASYNC110 - a process, a file, a log: they set no event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within {timeout:g} s: {description}") from None


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
