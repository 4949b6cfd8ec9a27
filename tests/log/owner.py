"""A process that opens the log of a data folder, appends for as long as it lives, and prints what was acknowledged."""

import asyncio
import sys
from pathlib import Path

from portero.domain.events import ResultRead
from portero.domain.ids import Aggregate, Millis, ReplicaId
from portero.domain.values import SYSTEM
from portero.errors import LogUnavailable
from portero.log import Write, open_log


async def main(data: str, replica: str) -> None:
    async with open_log(None, ReplicaId(replica), data=Path(data)) as log:
        step = 0
        while True:
            step += 1
            aggregate = f"call/{replica}.{step}"
            try:
                appended = await log.append(
                    Write(Aggregate(aggregate), 0, (ResultRead(),)), actor=SYSTEM, now=Millis(step)
                )
            except LogUnavailable:
                await asyncio.sleep(0.01)
            else:
                sys.stdout.write(f"{appended.first} {aggregate}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
