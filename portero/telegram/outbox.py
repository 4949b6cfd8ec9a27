"""Answers to people: queued, so that no tap or command waits for Telegram, and tried again while it is away."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from portero.errors import LogError
from portero.telegram.client import Client, Gone, NotNow, Refused
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

        async def send() -> None:
            await self._client.send(chat, message, reply_to=reply_to)

        task = self.later(self._after(before, send))
        if task is not None:
            self._last[chat] = task
            task.add_done_callback(lambda done: self._forget(chat, done))

    def replace(self, chat: int, message_id: int, message: Message) -> None:
        """Changes a message; a new one takes its place where it cannot be changed any more."""

        async def edit() -> None:
            try:
                await self._client.edit(chat, message_id, message)
            except (Gone, Refused):
                await self._client.send(chat, message)

        self.later(self._insist(edit))

    def answer(self, query: str, text: str = "", *, alert: bool = False) -> None:
        self.later(self._client.answer(query, text, alert=alert))

    def insist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does something in the background, and tries again while Telegram or the log is away."""
        self.later(self._insist(work))

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

    def _forget(self, chat: int, done: "asyncio.Task[None]") -> None:
        if self._last.get(chat) is done:
            del self._last[chat]

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # the loop that took the tap or command has long gone on
            logger.exception("an answer failed")

    async def _after(self, before: "asyncio.Task[None] | None", work: Callable[[], Awaitable[None]]) -> None:
        if before is not None:
            await asyncio.wait([before])
        await self._insist(work)

    async def _insist(self, work: Callable[[], Awaitable[None]]) -> None:
        pause = 1.0
        for _ in range(TRIES):
            try:
                await work()
            except NotNow as error:
                if error.barred:
                    break
                await asyncio.sleep(min(max(error.seconds, pause), LONGEST_PAUSE_SECONDS))
            except LogError:
                await asyncio.sleep(pause)
            except (Gone, Refused) as error:
                logger.warning("an answer was refused", error=str(error))
                return
            else:
                return
            pause *= 2
        logger.warning("an answer could not be sent")
