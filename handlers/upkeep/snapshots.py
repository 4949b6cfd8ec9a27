"""A snapshot of the view now and then, so that a start reads the tail of the log and not all of it."""

import asyncio
from typing import Final

import structlog

from handlers.core import Core
from portero.errors import LogError

logger = structlog.get_logger()

EVERY_EVENTS: Final = 5_000
LOOK_SECONDS: Final = 10.0


class Snapshots:
    """Saves the view of this process; several replicas may, the newest stays."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._saved = core.view.restored  # what was read on the way from there is worth a snapshot too

    async def run(self) -> None:
        """Looks every few seconds whether a snapshot is worth its while, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._core.view.seq - self._saved >= EVERY_EVENTS:
                await self.save()

    async def save(self, seconds: float | None = None) -> None:
        """Saves one now; a log that is away is only logged, because nothing rests on a snapshot.

        ``seconds``: given up after so long, where somebody waits for it.
        """
        view = self._core.view
        if view.seq == self._saved:
            return
        seq, entry = view.seq, view.entry
        try:
            async with asyncio.timeout(seconds):
                await self._core.log.save_snapshot(view.snapshot(), seq, entry)
            self._saved = seq
        except (LogError, TimeoutError) as error:
            logger.warning("no snapshot saved", seq=seq, error=str(error) or "it took too long")
