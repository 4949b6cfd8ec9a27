"""Processes that archive, and are killed by SIGKILL at the step they were told: a power cut between two steps.

Arguments: the store's url, the log's name, the archive's folder. For each line of the input, which says the step to die
at (0: none), one process is forked and its exit status printed. Steps are counted over all that the archivist does to
the outside: before and after each.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from handlers.upkeep import archiving
from tests.archive.shelf import shelf
from tests.stores import VALKEY, Place, Server

steps = dies_at = 0


def step() -> None:
    global steps  # noqa: PLW0603 - the one count of this process
    steps += 1
    if steps == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)


def counted(work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def run(*given: Any, **more: Any) -> Any:
        step()
        done = await work(*given, **more)
        step()
        return done

    return run


def counted_call(work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*given: Any, **more: Any) -> Any:
        step()
        done = work(*given, **more)
        step()
        return done

    return run


class Elsewhere(Server):
    """A server that somebody else runs."""

    def __init__(self, url: str) -> None:
        self.kind = VALKEY
        self.socket = Path(url.removeprefix("unix://"))


async def work() -> None:
    url, name, folder = sys.argv[1:]
    place = Place(Elsewhere(url), name)
    async with shelf(place, Path(folder), replica=f"r{os.getpid()}") as one:
        one.archive.storage.create = counted(one.archive.storage.create)  # type: ignore[method-assign]
        one.log.append = counted(one.log.append)  # type: ignore[method-assign]
        archiving.trim = counted(archiving.trim)  # type: ignore[assignment]
        for function in ("link", "fsync"):
            setattr(os, function, counted_call(getattr(os, function)))
        await one.work()


def main() -> None:
    global dies_at  # noqa: PLW0603 - set once, in the child
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            dies_at = int(line)
            sys.stdout = sys.stderr  # what the archivist logs
            asyncio.run(work())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
