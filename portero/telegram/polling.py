"""Long polling: the offset is kept beside the log, so that the next holder of the lease goes on where this one was."""

import asyncio
from typing import Final

import structlog
from aiogram.types import Update

from portero.errors import LogError
from portero.log import Note
from portero.telegram.client import Client, NotNow
from portero.telegram.intake import KINDS, Intake
from portero.telegram.trouble import Conflict, TelegramError

logger = structlog.get_logger("portero.telegram")

POLL_SECONDS: Final = 25
"""Telegram holds the request for so long when nothing happens."""
LONGEST_PAUSE_SECONDS: Final = 30.0


class SteppedBack(Exception):
    """Somebody else polls with this token: the lease is given back, and asked for again after a while."""


class Poller:
    """Runs only while the lease is held. ``poll_seconds`` is for tests."""

    def __init__(self, client: Client, intake: Intake, note: Note, *, poll_seconds: int = POLL_SECONDS) -> None:
        self._client, self._intake, self._note, self._poll_seconds = client, intake, note, poll_seconds

    async def run(self) -> None:
        """For ever; raises SteppedBack on a second conflict in a row."""
        offset, pause, conflicts = await self._load(), 0.5, 0
        while True:
            try:
                updates = await self._fetch(offset)
            except Conflict as error:
                conflicts += 1
                logger.warning("somebody else gets the updates of this bot", error=str(error))
                if error.webhook:
                    await self._forget_webhook()
                elif conflicts > 1:
                    raise SteppedBack from error
                await asyncio.sleep(1.0)
            except TelegramError as error:
                wait = error.seconds if isinstance(error, NotNow) else pause
                logger.warning("no updates from Telegram", error=str(error), retry_in=wait)
                await asyncio.sleep(min(max(wait, pause), LONGEST_PAUSE_SECONDS))
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                pause, conflicts = 0.5, 0
                for update in updates:
                    await self._intake.insist(update)
                    offset = update.update_id + 1
                    await self._save(offset)

    async def _fetch(self, offset: int | None) -> list[Update]:
        """What is below the offset is confirmed by asking: Telegram keeps the rest, for a day."""
        bot = self._client.bot
        return await self._client.ask(
            lambda: bot.get_updates(
                offset=offset,
                timeout=self._poll_seconds,
                allowed_updates=KINDS,
                request_timeout=self._poll_seconds + 10,
            )
        )

    async def _forget_webhook(self) -> None:
        """One was set before, by another installation or setting; the updates that wait stay."""
        try:
            await self._client.ask(lambda: self._client.bot.delete_webhook(drop_pending_updates=False))
        except TelegramError as error:
            logger.warning("the webhook could not be removed", error=str(error))

    async def _load(self) -> int | None:
        found = await self._note.load()
        return int(found) if found is not None and found.isdigit() else None

    async def _save(self, offset: int) -> None:
        """What is not saved is processed again by the next holder, which changes nothing: decisions are made once."""
        try:
            await self._note.save(str(offset))
        except LogError as error:
            logger.warning("the offset is not saved", offset=offset, error=str(error))
