"""Long polling: the offset is kept beside the log, so that the next holder of the lease goes on where this one was."""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiogram.methods import TelegramMethod

from portero.domain.ids import Millis
from portero.errors import LogError
from portero.log import Note
from portero.telegram.client import Client, NotNow
from portero.telegram.intake import KINDS, Intake
from portero.telegram.trouble import Conflict, TelegramError

logger = structlog.get_logger("portero.telegram")

POLL_SECONDS: Final = 25
"""Telegram holds the request for so long when nothing happens."""
LONGEST_PAUSE_SECONDS: Final = 30.0
OFFSET_MS: Final = 5 * 86_400_000
"""After a week without updates Telegram counts from a random number, and an old offset would confirm unseen ones."""


class SteppedBack(Exception):
    """Somebody else polls with this token: the lease is given back, and asked for again after a while."""


class _RawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates, its answer as it came."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


class Poller:
    """Runs only while the lease is held. ``poll_seconds`` is for tests."""

    def __init__(
        self,
        client: Client,
        intake: Intake,
        note: Note,
        clock: Callable[[], Millis],
        *,
        poll_seconds: int = POLL_SECONDS,
    ) -> None:
        self._client, self._intake, self._note, self._clock = client, intake, note, clock
        self._poll_seconds = poll_seconds
        self._offset: int | None = None
        self._seen = 0

    async def run(self) -> None:
        """For ever; raises SteppedBack on a second conflict in a row."""
        await self._load()
        pause, conflicts = 0.5, 0
        while True:
            try:
                updates = await self._fetch()
            except Conflict as error:
                conflicts += 1
                logger.warning("somebody else gets the updates of this bot", error=str(error))
                if error.webhook:
                    await self._forget_webhook()
                elif conflicts > 1:
                    raise SteppedBack from error
                await asyncio.sleep(1.0)
            except TelegramError as error:
                asked = error.seconds if isinstance(error, NotNow) and not error.barred else 0.0
                wait = max(pause, asked)
                logger.warning("no updates from Telegram", error=str(error), retry_in=wait)
                await asyncio.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                pause, conflicts = 0.5, 0
                for value in updates:
                    update = self._intake.parse(value)
                    if update is not None:
                        await self._intake.insist(update)
                    await self._save(int(value["update_id"]) + 1)

    async def _fetch(self) -> list[dict[str, Any]]:
        """What is below the offset is confirmed by asking: Telegram keeps the rest, for a day.

        Undecoded, so that one update which the library cannot read does not keep the others away for ever.
        """
        offset = self._offset if self._clock() - self._seen < OFFSET_MS else None
        request = _RawUpdates(offset=offset, timeout=self._poll_seconds, allowed_updates=KINDS)
        return await self._client.ask(lambda: self._client.bot(request, request_timeout=self._poll_seconds + 10))

    async def _forget_webhook(self) -> None:
        """One was set before, by another installation or setting; the updates that wait stay."""
        try:
            await self._client.ask(lambda: self._client.bot.delete_webhook(drop_pending_updates=False))
        except TelegramError as error:
            logger.warning("the webhook could not be removed", error=str(error))

    async def _load(self) -> None:
        """The note says ``offset@time of the update before it``."""
        found = re.fullmatch(r"(\d+)@(\d+)", await self._note.load() or "")
        if found is not None:
            self._offset, self._seen = int(found[1]), int(found[2])

    async def _save(self, offset: int) -> None:
        """What is not saved is processed again by the next holder, which changes nothing: decisions are made once."""
        self._offset, self._seen = offset, self._clock()
        try:
            await self._note.save(f"{offset}@{self._seen}")
        except LogError as error:
            logger.warning("the offset is not saved", offset=offset, error=str(error))
