"""The door: every update gets its sender, and only known people get past the strangers' router."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiogram import BaseMiddleware
from aiogram.filters import Filter
from aiogram.types import CallbackQuery, Message, TelegramObject, Update

from portero.telegram.context import Context
from portero.telegram.people import Sender

logger = structlog.get_logger("portero.telegram")


class Admission(BaseMiddleware):
    """Gives handlers ``sender`` and ``admitted``. What has no person behind it ends here."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        if not isinstance(event, Update):
            return None
        moved = {new: old for old, new in self._context.client.chats.items()}
        sender = sender_of(event.message or event.callback_query, moved)
        if sender is None or sender.user == self._context.client.bot.id:  # our own, such as "pinned a message"
            return None
        admitted = self._context.people().may(sender)
        if not admitted:
            logger.info("a stranger", user=sender.user, chat=sender.chat, masked=sender.masked)
        return await handler(event, {**data, "sender": sender, "admitted": admitted})


def sender_of(event: Message | CallbackQuery | None, moved: dict[int, int]) -> Sender | None:
    """``moved``: groups by their new id, to the one that is configured."""
    user = event.from_user if event is not None else None
    where = event.message if isinstance(event, CallbackQuery) else event
    if user is None or where is None:
        return None
    masked = user.is_bot or (isinstance(event, Message) and event.sender_chat is not None)
    return Sender(user.id, moved.get(where.chat.id, where.chat.id), user.full_name[:64], masked)


class Admitted(Filter):
    """A known person (or, with ``False``, a stranger)."""

    def __init__(self, wanted: bool = True) -> None:
        self._wanted = wanted

    async def __call__(self, _event: TelegramObject, admitted: bool) -> bool:
        return admitted is self._wanted
