"""Updates, each processed to its end: a tap waits for the log rather than being lost, and none stops the others."""

import asyncio
import contextlib
import json
from collections import OrderedDict
from typing import Any, Final

import structlog
from aiogram import Bot, Dispatcher
from aiogram.types import Update

from portero import telemetry
from portero.errors import LogError
from portero.telegram.context import Context
from portero.telegram.routers import make_dispatcher

logger = structlog.get_logger("portero.telegram")

KINDS: Final = ["message", "callback_query"]
REMEMBERED: Final = 2_000
"""Updates that were processed lately: Telegram sends one again when it did not hear of it."""
LONGEST_PAUSE_SECONDS: Final = 5.0


class Intake:
    def __init__(self, context: Context) -> None:
        self._bot: Bot = context.client.bot
        self._outbox = context.outbox
        self._dispatcher: Dispatcher = make_dispatcher(context)
        self._done: OrderedDict[int, None] = OrderedDict()

    def parse(self, value: Any) -> Update | None:
        """An update as Telegram sends it (decoded JSON); None for what cannot be read.

        The library refuses what it does not know, such as a new kind of forwarded message; then what hangs on the
        message is left out, because a person may have tapped or said something all the same.
        """
        for candidate in (value, _pruned(value)):
            with contextlib.suppress(ValueError):
                return Update.model_validate(candidate, context={"bot": self._bot})
        logger.warning("an update that cannot be read is passed over", update=_number(value))
        return None

    async def receive(self, body: bytes) -> int:
        """An update that was posted here; returns the HTTP status to answer."""
        try:
            update = self.parse(json.loads(body))
        except (ValueError, RecursionError):
            update = None
        if update is None:
            return 200  # anything else and Telegram would send it for a day
        try:
            await self.take(update)
        except LogError as error:
            logger.warning("an update waits for the log", update=update.update_id, error=str(error))
            return 503
        return 200

    async def take(self, update: Update) -> None:
        """Processes one update. Raises LogError when the log could not take what it asks for: then offer it again."""
        if update.update_id in self._done:
            return
        try:
            await self._dispatcher.feed_update(self._bot, update)
        except LogError:
            raise
        except Exception:  # whatever a person sends, the next one is served
            telemetry.HANDLER_ERRORS.labels("telegram").inc()
            logger.exception("an update failed", update=update.update_id, kind=update.event_type)
            self._apologise(update)
        self._done[update.update_id] = None
        if len(self._done) > REMEMBERED:
            self._done.popitem(last=False)

    async def insist(self, update: Update) -> None:
        """The same, waiting for the log as long as it takes."""
        pause = 0.2
        while True:
            try:
                return await self.take(update)
            except LogError as error:
                logger.warning("an update waits for the log", update=update.update_id, error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _apologise(self, update: Update) -> None:
        query: Any = update.callback_query
        if query is not None:
            self._outbox.answer(query.id, "Something went wrong here. Portero's own log says what.", alert=True)


_KEPT: Final = frozenset({"message_id", "date", "chat", "from", "sender_chat", "text", "entities"})
"""What of a message is needed to know who says what and where."""


def _pruned(value: Any) -> Any:
    """The update with the bare message only, and the bare message that it replies to."""
    if not isinstance(value, dict):
        return value
    pruned = dict(value)
    if isinstance(pruned.get("message"), dict):
        pruned["message"] = _bare(pruned["message"])
    query = pruned.get("callback_query")
    if isinstance(query, dict) and isinstance(query.get("message"), dict):
        pruned["callback_query"] = {**query, "message": _bare(query["message"])}
    return pruned


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in message.items() if key in _KEPT}
    replied = message.get("reply_to_message")
    if isinstance(replied, dict):
        bare["reply_to_message"] = {key: value for key, value in replied.items() if key in _KEPT}
    return bare


def _number(value: Any) -> int | None:
    """The update's number, where it has one."""
    number = value.get("update_id") if isinstance(value, dict) else None
    return number if isinstance(number, int) else None
