"""Short ways to write events and to wait for what must come."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from portero.domain.events import GrantRevoked, ResultRead, ToolCallRequested
from portero.domain.ids import Aggregate, ClientId, Millis, ReplicaId
from portero.domain.values import SYSTEM, Actor, Kind
from portero.log import Follower, Log, RecordedEvent, Write, open_log
from portero.log.limits import Limits
from tests.stores import Place

NOW = Millis(1_700_000_000_000)
SOMEBODY = Actor("cli", "somebody", "Somebody")
READ = ResultRead()
REVOKED = GrantRevoked(SOMEBODY)
"""An event that moves the policy version."""


def requested(name: str = "read_file", arguments: str = '{"path":"a"}') -> ToolCallRequested:
    return ToolCallRequested(ClientId("default"), Kind.TOOL, "fs", name, arguments, arguments_bytes=len(arguments))


def write(aggregate: str, expected: int | None = None, *events: Any, **more: Any) -> Write:
    """A write of one event, unless others are given."""
    return Write(Aggregate(aggregate), expected, events or (READ,), **more)


USUAL = Limits(block=0.4)
IMPATIENT = Limits(connect=0.4, call=0.4, write=0.4, patience=0.4, block=0.4)
"""For tests that wait until something takes too long; on a busy machine other things do too."""


async def append(log: Log, *writes: Write, **more: Any) -> Any:
    return await log.append(*writes, **{"actor": SYSTEM, "now": NOW, **more})


@asynccontextmanager
async def opened(
    place: Place, replica: str = "r1", *, url: str | None = None, limits: Limits = USUAL
) -> AsyncIterator[Log]:
    """``limits``: shorter than the real ones, where a test waits for them."""
    async with open_log(
        url or place.url, ReplicaId(replica), data=Path("unused"), name=place.name, limits=limits
    ) as log:
        yield log


@asynccontextmanager
async def background(running: Any) -> AsyncIterator["asyncio.Task[Any]"]:
    """Runs something beside the block; what it raises meanwhile is raised at the end."""
    task = asyncio.create_task(running)
    try:
        yield task
    finally:
        if task.done() and not task.cancelled():
            task.result()
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.done(), "what runs in the background does not stop"


@asynccontextmanager
async def following(log: Log) -> AsyncIterator[tuple[Follower, list[RecordedEvent]]]:
    """A follower from the beginning, and what it has applied so far."""
    seen: list[RecordedEvent] = []
    follower = Follower(log, seen.extend)
    async with background(follower.run()):
        yield follower, seen


async def everything(log: Log) -> list[RecordedEvent]:
    return [event async for batch in log.read(count=100) for event in batch]


async def until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Waits until ``condition``; fails naming what did not happen."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # conditions of other processes set no event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"within {seconds} s it was not so that {what}") from None


def servers(data: Path) -> list[int]:
    """Processes that hold the folder's lock open: the servers, and none of us."""
    lock = data / "store" / "lock"
    found = []
    for process in Path("/proc").iterdir():
        try:
            held = any(fd.readlink() == lock.resolve() for fd in (process / "fd").iterdir())
        except OSError:
            continue
        if held and process.name.isdecimal() and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found
