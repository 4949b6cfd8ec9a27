"""A process that writes many finished calls to the log of the folder it runs in, as a year of use would."""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from handlers.core import new_call_id, system_clock
from portero.domain.events import ExecutionStarted, ExecutionSucceeded, PolicyDecided, ToolCallRequested
from portero.domain.ids import CallId, ClientId, Millis, ReplicaId, call_aggregate
from portero.domain.values import Action, Actor, Kind, Reason, Tier
from portero.log import Log, Write, open_log
from portero.settings import load

EVENTS_PER_CALL = 4
AT_ONCE = 64


async def fill(log: Log, calls: int) -> None:
    async def call(number: int) -> None:
        identity: CallId = new_call_id()
        now = system_clock()
        events = (
            ToolCallRequested(ClientId("default"), Kind.TOOL, "fx", "do", f'{{"id":"{number}"}}', None, 12),
            PolicyDecided(Action.ALLOW, Reason(Tier.EXACT, "fx/do"), 1),
            ExecutionStarted(log.replica, 1, Millis(now + 15_000)),
        )
        actor = Actor("client", "default")
        await log.append(Write(call_aggregate(identity), 0, events), actor=actor, now=now)
        digest = hashlib.sha256(identity.encode()).hexdigest()
        ended = ExecutionSucceeded(is_error=False, result_bytes=20, result_digest=digest, duration_ms=1)
        await log.append(Write(call_aggregate(identity), 3, (ended,), ends=True), actor=actor, now=now)

    numbers = iter(range(calls))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


async def main() -> None:
    settings = load(os.environ, Path.cwd())
    async with open_log(None, ReplicaId("filler"), data=settings.data_dir, fsync="everysec") as log:
        await fill(log, int(sys.argv[1]) // EVENTS_PER_CALL)


asyncio.run(main())
