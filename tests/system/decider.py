"""A process that decides tasks as fast as it reads their ids, all with one word, and prints what came of each."""

import asyncio
import json
import os
import sys
from pathlib import Path

from portero.app import connected
from portero.domain.ids import CallId
from portero.domain.values import Actor
from portero.errors import AlreadyDecided
from portero.settings import load


async def main(verb: str) -> None:
    me = Actor("cli", verb, verb)
    outcomes: dict[str, str] = {}
    async with connected(load(os.environ, Path.cwd())) as base:

        async def decide(task: str) -> None:
            call = CallId(task)
            try:
                if verb == "approve":
                    await base.decisions.approve(call, me)
                else:
                    await base.decisions.deny(call, me)
                outcomes[task] = "decided"
            except AlreadyDecided:
                outcomes[task] = "already"

        await base.core.catch_up()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                group.create_task(decide(line.strip()))
    sys.stdout.write("\n" + json.dumps(outcomes))


asyncio.run(main(sys.argv[1]))
