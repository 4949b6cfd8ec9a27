"""Answers to people: queued, so that no tap or command waits for Telegram, and tried again while it is away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from portero.telegram.client import Client, NotNow, TelegramError
from portero.telegram.render.message import Message

logger = structlog.get_logger("portero.telegram")

TRIES: Final = 8
LONGEST_PAUSE_SECONDS: Final = 60.0
MOST_WAITING: Final = 500
"""Answers under way; more than that is a flood, and the newest are dropped with a line in the log."""


class Outbox:
    """What is lost with the process: answers are of use only while somebody waits for them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[int, asyncio.Task[None]] = {}

    def say(self, chat: int, message: Message, *, reply_to: int | None = None) -> None:
        """Answers in a chat leave in the order they were given."""
        before = self._last.get(chat)
        task = self.later(self._insist(chat, message, reply_to, before))
        if task is not None:
            self._last[chat] = task

    def answer(self, query: str, text: str = "", *, alert: bool = False) -> None:
        self.later(self._client.answer(query, text, alert=alert))

    def later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Does something in the background; what it raises is logged."""
        if len(self._tasks) >= MOST_WAITING:
            work.close()
            logger.warning("too many answers wait, so one is dropped")
            return None
        task = asyncio.create_task(self._watched(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Waits for what is under way, then drops the rest."""
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=seconds)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # the loop that took the tap or command has long gone on
            logger.exception("an answer failed")

    async def _insist(
        self, chat: int, message: Message, reply_to: int | None, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        pause = 1.0
        for _ in range(TRIES):
            try:
                await self._client.send(chat, message, reply_to=reply_to)
            except NotNow as error:
                if error.barred:
                    break
                await asyncio.sleep(min(max(error.seconds, pause), LONGEST_PAUSE_SECONDS))
                pause *= 2
            except TelegramError as error:
                logger.warning("an answer was refused", error=str(error))
                return
            else:
                return
        logger.warning("an answer could not be sent")
