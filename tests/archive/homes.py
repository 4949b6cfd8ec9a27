"""A person's place with a log that is archived, and its segments."""

import asyncio
from pathlib import Path

from handlers.core import system_clock
from portero.log.archive import Bucket
from tests.archive.shelf import on_stream, shelf
from tests.cli.home import Home


def archived(home: Home, where: Bucket | None = None) -> str:
    """Some events, most of them archived and trimmed; the id of a call among the first."""
    assert home.place is not None
    call = home.ask()

    async def work() -> None:
        async with shelf(home.place, where or home.folder / "archive") as one:  # type: ignore[arg-type] # it is there
            one.now[0] = system_clock()
            await one.fill(32)
            await one.work()

    asyncio.run(work())
    assert on_stream(home.place)[0] > 1
    return call


def segments(home: Home) -> list[Path]:
    return sorted((home.folder / "archive").iterdir())
