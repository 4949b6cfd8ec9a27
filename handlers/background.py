"""Long-running loops of a process: an exception ends none of them silently."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

logger = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.1
LAST_PAUSE_SECONDS: Final = 10.0


class Background:
    """Runs named loops until stopped. A loop that raises is logged and started again, ever more slowly."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failures: dict[str, int] = {}
        """How often each loop had to be started again."""

    def start(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        self._tasks[name] = asyncio.create_task(self._keep(name, loop), name=name)

    async def stop(self, *names: str) -> None:
        """Cancels these loops, or all, and waits for them."""
        tasks = [self._tasks.pop(name) for name in (names or tuple(self._tasks)) if name in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = asyncio.get_running_loop().time()
            try:
                return await loop()
            except Exception:
                self.failures[name] = self.failures.get(name, 0) + 1
                logger.exception("a background loop failed and starts again", loop=name, pause=pause)
            if asyncio.get_running_loop().time() - began > LAST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_SECONDS)
