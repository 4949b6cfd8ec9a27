"""What can go wrong between us and Telegram, as three errors, each with what to do about it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp
from aiogram import exceptions as api

BARRED_SECONDS: Final = 600.0
"""How long to wait where only a person can help: the bot was blocked, removed, or its token revoked."""

FIRST_SECONDS: Final = 2.0


class TelegramError(Exception):
    """Base of the three."""


class NotNow(TelegramError):
    """It may work in ``seconds``.

    ``barred``: only once a person has done something, which the text names. ``demanded``: Telegram itself asks to wait.
    """

    def __init__(self, message: str, seconds: float, *, barred: bool = False, demanded: bool = False) -> None:
        super().__init__(message)
        self.seconds, self.barred, self.demanded = seconds, barred, demanded


class Conflict(NotNow):
    """Updates go to somebody else. ``webhook``: to an address that was registered for this bot."""

    def __init__(self, message: str, *, webhook: bool) -> None:
        super().__init__(message, FIRST_SECONDS)
        self.webhook = webhook


class Refused(TelegramError):
    """Telegram does not take this request, now or later."""


class Gone(TelegramError):
    """The message to change is not there any more, or cannot be changed any more."""


class Moved(TelegramError):
    """The group became a supergroup and has another id."""

    def __init__(self, chat: int) -> None:
        super().__init__(f"The group has the id {chat} now.")
        self.chat = chat


_GONE: Final = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "message to pin not found",
)
_WHO: Final = "Telegram does not know the bot token: is it revoked?"
_BARRED: Final = ("chat not found", "not enough rights", "have no rights", "chat_write_forbidden", "need administrator")


def trouble(error: Exception) -> TelegramError:
    """Our error for one of aiogram's. Its text holds nothing of what was sent, nor the token."""
    for kinds, make in _MADE:
        if isinstance(error, kinds):
            return make(error)
    return NotNow(f"Telegram cannot be reached ({type(error).__name__})", FIRST_SECONDS)


def _wait(seconds: int) -> str:
    return f"Telegram asks to wait for {seconds} s"


def _bad_request(message: str) -> TelegramError:
    words = message.lower()
    if any(part in words for part in _GONE):
        return Gone(f"Telegram: {message}")
    if any(part in words for part in _BARRED):
        return NotNow(f"Telegram: {message}", BARRED_SECONDS, barred=True)
    return Refused(f"Telegram: {message}")


_MADE: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], TelegramError]], ...]] = (
    (api.TelegramRetryAfter, lambda e: NotNow(_wait(e.retry_after), float(e.retry_after), demanded=True)),
    (api.TelegramMigrateToChat, lambda e: Moved(e.migrate_to_chat_id)),
    ((api.TelegramUnauthorizedError, api.TelegramNotFound), lambda _: NotNow(_WHO, BARRED_SECONDS, barred=True)),
    (api.TelegramForbiddenError, lambda e: NotNow(f"Telegram: {e.message}", BARRED_SECONDS, barred=True)),
    (api.TelegramBadRequest, lambda e: _bad_request(e.message)),
    (api.TelegramEntityTooLarge, lambda e: Refused(f"Telegram: {e.message}")),
    (api.TelegramConflictError, lambda e: Conflict(f"Telegram: {e.message}", webhook="webhook" in e.message)),
    (api.TelegramServerError, lambda _: NotNow("Telegram has a problem of its own", FIRST_SECONDS)),
)

TROUBLES: Final = (api.AiogramError, aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""All that a request to Telegram raises."""
